package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/testwait"
	"github.com/gatehouse-go/gatehouse/webhook"
	"github.com/gatehouse-go/gatehouse/webhook/inbox"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/engine"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/inboxtest"
	"github.com/jackc/pgx/v5"

	"github.com/gatehouse-go/gatehouse/engines/postgres"
)

func TestOpenRefuses(t *testing.T) {
	for _, row := range []struct {
		name, options string
		config        inbox.Config
		prepare       string
		want          string
	}{
		{name: "commits that are not synced", options: "&synchronous_commit=off", want: "synchronous_commit = off: an acknowledged event could be lost"},
		{name: "too few connections", options: "&pool_max_conns=10", want: "postgres inbox: pool MaxConns = 10 must be at least 11"},
		{name: "a configuration with mistakes", config: inbox.Config{MaxQueue: -1}, options: "&pool_max_conns=3", want: "inbox: MaxQueue = -1 must not be negative\npostgres inbox: pool MaxConns"},
		{name: "a ledger of a newer version", prepare: "CREATE TABLE inbox_schema (version integer); INSERT INTO inbox_schema VALUES (99)", want: "version 99, and this code knows 2"},
		{name: "a table of that name that is not ours", prepare: "CREATE TABLE inbox_schema (other text)", want: `column "version" does not exist`},
		{name: "tables of those names that are not ours", prepare: "CREATE TABLE inbox_deliveries (other text)", want: "migration 0001_inbox.sql"},
	} {
		t.Run(row.name, func(t *testing.T) {
			l := newLedger(t)
			if row.prepare != "" {
				l.exec(t, row.prepare)
			}
			pool := connect(t, strings.Replace(l.dsn, "&pool_max_conns=40", "", 1)+"&pool_max_conns=40")
			if row.options != "" {
				pool = connect(t, strings.Replace(l.dsn, "&pool_max_conns=40", row.options, 1)+maxConns(row.options))
			}
			box, err := postgres.Open(t.Context(), pool, row.config)
			if err == nil || !strings.Contains(err.Error(), row.want) {
				t.Errorf("got %v", err)
			}
			if box != nil {
				t.Error("an Inbox beside the error")
			}
			if n := pool.Stat().AcquiredConns(); n != 0 {
				t.Errorf("%d connections are not given back", n)
			}
		})
	}
	if _, err := postgres.Open(t.Context(), nil, inbox.Config{}); err == nil || !strings.Contains(err.Error(), "pool must not be nil") {
		t.Errorf("no pool: %v", err)
	}
	gone := newLedger(t)
	gone.pool.Close()
	if _, err := postgres.Open(t.Context(), gone.pool, inbox.Config{}); err == nil {
		t.Error("a closed pool")
	}
}

// maxConns makes room, unless options say how much there is.
func maxConns(options string) string {
	if strings.Contains(options, "pool_max_conns") {
		return ""
	}
	return "&pool_max_conns=40"
}

// A program's own migration tool may run the files, and a role without the right to make tables may then open the ledger.
func TestMigrationsRunByAnotherToolAreEnough(t *testing.T) {
	l := newLedger(t)
	files, err := fs.Glob(postgres.Migrations(), "*.sql")
	if err != nil || len(files) == 0 {
		t.Fatalf("%v, %v", files, err)
	}
	for _, name := range files {
		text, err := fs.ReadFile(postgres.Migrations(), name)
		if err != nil {
			t.Fatal(err)
		}
		l.exec(t, string(text))
	}
	role := "writer_" + l.schema
	l.exec(t, fmt.Sprintf(`CREATE ROLE %[1]s LOGIN; GRANT USAGE ON SCHEMA %[2]s TO %[1]s; GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA %[2]s TO %[1]s;
		GRANT USAGE ON ALL SEQUENCES IN SCHEMA %[2]s TO %[1]s`, role, l.schema))
	narrow := &ledger{pool: connect(t, strings.Replace(l.dsn, "gatehouse@", role+"@", 1))}
	box := narrow.open(t, inbox.Config{})
	defer box.Close()
	if err := box.Handle("p", "t", func(ctx context.Context, tx pgx.Tx, d *inbox.Delivery) error {
		return narrow.Credit(ctx, tx, d.IdempotencyKey())
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := box.Accept(t.Context(), inboxtest.Event("p", "t", "1")); err != nil {
		t.Fatal(err)
	}
	finish(t, box)
	if n := len(narrow.Credits(t)); n != 1 {
		t.Errorf("%d effects", n)
	}
}

func TestManyOpenAtOnceMigrateOnce(t *testing.T) {
	l := newLedger(t)
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			box, err := postgres.Open(t.Context(), l.pool, inbox.Config{})
			if err != nil {
				t.Error(err)
				return
			}
			if err := box.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	testwait.All(t, "the end of all", &wait)
}

// A handler cannot end the transaction whose end is the mark, and its savepoints are its own.
func TestAHandlerCannotEndItsTransaction(t *testing.T) {
	l := newLedger(t)
	box := l.open(t, inbox.Config{MaxAttempts: 1})
	defer box.Close()
	for typ, h := range map[string]inbox.Handler[pgx.Tx]{
		"commit":   func(ctx context.Context, tx pgx.Tx, _ *inbox.Delivery) error { return tx.Commit(ctx) },
		"rollback": func(ctx context.Context, tx pgx.Tx, _ *inbox.Delivery) error { return tx.Rollback(ctx) },
		"swallowed": func(ctx context.Context, tx pgx.Tx, _ *inbox.Delivery) error {
			_, _ = tx.Exec(ctx, "SELECT 1/0")
			return nil
		},
		"savepoint": func(ctx context.Context, tx pgx.Tx, d *inbox.Delivery) error {
			_ = pgx.BeginFunc(ctx, tx, func(inner pgx.Tx) error {
				return errors.Join(l.Credit(ctx, inner, "undone"), errors.New("undo"))
			})
			return l.Credit(ctx, tx, d.Event.ID)
		},
	} {
		if err := box.Handle("p", typ, h); err != nil {
			t.Fatal(err)
		}
		if _, err := box.Accept(t.Context(), inboxtest.Event("p", typ, typ)); err != nil {
			t.Fatal(err)
		}
	}
	finish(t, box)
	stats, err := box.Stats(t.Context())
	if err != nil || stats.Total(inbox.Dead) != 3 || stats.Total(inbox.Done) != 1 {
		t.Errorf("%+v, %v", stats, err)
	}
	if got := l.Credits(t); len(got) != 1 || got["savepoint"] != 1 {
		t.Errorf("credits: %v", got)
	}
}

// lock keeps everybody else from storing until unlock, or the end of the test.
func (l *ledger) lock(t *testing.T) (unlock func()) {
	t.Helper()
	tx, err := l.pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	unlock = sync.OnceFunc(func() {
		if err := tx.Rollback(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(unlock) // before the pool is closed, which waits for the connection
	if _, err := tx.Exec(t.Context(), "LOCK TABLE inbox_deliveries IN EXCLUSIVE MODE"); err != nil {
		t.Fatal(err)
	}
	return unlock
}

// What PostgreSQL does not take as text comes back all the same, and what it cannot index does not keep its neighbours out.
func TestTextOfEveryKind(t *testing.T) {
	l := newLedger(t)
	box := l.open(t, inbox.Config{OrderBy: func(e webhook.Event) string { return e.ID }, MaxAttempts: 1})
	defer box.Close()
	odd := "a\x00b\xff\\x41\\é"
	for _, e := range []webhook.Event{
		{Provider: odd, Type: odd, ID: odd, Key: webhook.NewKey("1")},
		{Provider: "p", Type: "t", ID: strings.Repeat("long ", 10_000), Key: webhook.NewKey("2")},
	} {
		if err := box.Handle(e.Provider, e.Type, func(context.Context, pgx.Tx, *inbox.Delivery) error { return errors.New(odd) }); err != nil {
			t.Fatal(err)
		}
		if _, err := box.Accept(t.Context(), e); err != nil {
			t.Fatal(err)
		}
		for _, id := range []string{e.ID, e.ID[:3] + "*"} {
			page, err := box.List(t.Context(), inbox.Filter{EventID: id, Provider: e.Provider})
			if err != nil || len(page.Deliveries) != 1 || page.Deliveries[0].Event.Type != e.Type || page.Deliveries[0].OrderKey != e.ID {
				t.Errorf("%.20q: %d found, %v", id, len(page.Deliveries), err)
			}
		}
	}
	if _, err := box.Accept(t.Context(), webhook.Event{Provider: "p", Type: strings.Repeat("x", 2000)}); err == nil || errors.Is(err, webhook.ErrUnavailable) {
		t.Errorf("a type of 2000 bytes: %v", err)
	}
	if _, err := box.Accept(t.Context(), webhook.Event{ReceivedAt: time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)}); err == nil || errors.Is(err, webhook.ErrUnavailable) {
		t.Errorf("a time that JSON does not have: %v", err)
	}
	finish(t, box)
	page, err := box.List(t.Context(), inbox.Filter{Status: inbox.Dead})
	if err != nil || len(page.Deliveries) != 2 || page.Deliveries[0].Error != odd {
		t.Errorf("%+v, %v", page, err)
	}
	stats, err := box.Stats(t.Context())
	if err != nil || len(stats.Types) != 2 || stats.Types[0].Provider != odd || stats.Types[0].Type != odd || stats.Total(inbox.Dead) != 2 || stats.Total(inbox.Pending) != 0 {
		t.Errorf("%+v, %v", stats, err)
	}
}

// An event that another process stored is handled without waiting for the look once a second: three, each stored when the one before it was
// handled, come within one such look. A machine that has no time for three of them then is given a minute to find it.
func TestAnotherProcessIsTold(t *testing.T) {
	l := newLedger(t)
	stores, handles := l.open(t, inbox.Config{}), l.open(t, inbox.Config{})
	defer stores.Close()
	defer handles.Close()
	handled := make(chan time.Time, 100)
	if err := handles.Handle("p", "t", func(context.Context, pgx.Tx, *inbox.Delivery) error {
		handled <- time.Now()
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- handles.Run(ctx) }()
	var times []time.Time
	testwait.Until(t, "the third of three events within one look", func() bool {
		n := len(times)
		if _, err := stores.Accept(t.Context(), inboxtest.Event("p", "t", fmt.Sprint(n))); err != nil {
			t.Fatal(err)
		}
		times = append(times, testwait.For(t, "an event", handled))
		return n >= 2 && times[n].Sub(times[n-2]) < engine.Poll
	})
	cancel()
	if err := testwait.For(t, "the end of Run", done); err != nil {
		t.Error(err)
	}
}
