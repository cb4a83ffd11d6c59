package postgres_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/gatehouse-go/gatehouse/internal/testwait"
	"github.com/gatehouse-go/gatehouse/webhook/inbox"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/inboxtest"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

func TestOnce(t *testing.T) {
	l := newLedger(t)
	for range 2 { // the second leaves the table alone
		l.exec(t, inbox.EffectsTable)
	}
	d := &inbox.Delivery{Event: inboxtest.Event("p", "t", "1")}
	boom := errors.New("boom")
	// An effect that the server refuses aborts what follows in its transaction, unless the savepoint is gone back to.
	for name, fails := range map[string]func(ctx context.Context, tx pgx.Tx) error{
		"an error of the handler's own": func(context.Context, pgx.Tx) error { return boom },
		"an error of the server":        func(ctx context.Context, tx pgx.Tx) error { _, err := tx.Exec(ctx, "SELECT 1/0"); return err },
	} {
		tx, err := l.pool.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		ran, err := inbox.OncePgx(t.Context(), tx, d, "credit", func(ctx context.Context) error {
			return errors.Join(l.Credit(ctx, tx, "undone"), fails(ctx, tx))
		})
		if ran || err == nil {
			t.Errorf("%s: ran %v, %v", name, ran, err)
		}
		if err := errors.Join(l.Credit(t.Context(), tx, name), tx.Commit(t.Context())); err != nil {
			t.Errorf("%s: the rest of the transaction: %v", name, err)
		}
	}
	var ran atomic.Int64
	var attempts sync.WaitGroup
	for range 16 { // at once: the others wait for the first to commit
		attempts.Go(func() {
			err := pgx.BeginFunc(t.Context(), l.pool, func(tx pgx.Tx) error {
				here, err := inbox.OncePgx(t.Context(), tx, d, "credit", func(ctx context.Context) error { return l.Credit(ctx, tx, "once") })
				if here {
					ran.Add(1)
				}
				return err
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	testwait.All(t, "the end of all attempts", &attempts)
	db := stdlib.OpenDBFromPool(l.pool)
	defer db.Close()
	tx, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }() // does nothing after the commit
	if again, err := inbox.Once(t.Context(), tx, d, "credit", func(context.Context) error { return boom }); again || err != nil {
		t.Errorf("by database/sql: ran %v, %v", again, err)
	}
	if other, err := inbox.Once(t.Context(), tx, d, "mail", func(context.Context) error { return nil }); !other || err != nil {
		t.Errorf("another effect: ran %v, %v", other, err)
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	if got := l.Credits(t); ran.Load() != 1 || got["once"] != 1 || got["undone"] != 0 || len(got) != 3 {
		t.Errorf("ran %d times, credits %v", ran.Load(), got)
	}
}
