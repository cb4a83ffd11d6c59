package drivertest_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/testwait"
	"github.com/gatehouse-go/gatehouse/webhook/inbox"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/inboxtest"
)

func delivery(id string) *inbox.Delivery {
	return &inbox.Delivery{Event: inboxtest.Event("p", "t", id)}
}

// within runs f in a transaction, which is committed whatever f returns: a handler may do so.
func within(t *testing.T, db *sql.DB, f func(tx *sql.Tx) error) error {
	t.Helper()
	tx, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		return err
	}
	return errors.Join(f(tx), tx.Commit())
}

func TestOnceHasAnEffectOnceForEachNameAndEvent(t *testing.T) {
	boom := errors.New("boom")
	for driver, dsn := range drivers {
		t.Run(driver, func(t *testing.T) {
			l := newLedger(t, driver, dsn(filepath.Join(t.TempDir(), "effects.db")))
			for range 2 { // the second leaves the table alone
				if _, err := l.db.ExecContext(t.Context(), inbox.EffectsTable); err != nil {
					t.Fatal(err)
				}
			}
			for _, row := range []struct {
				name, event, effect string
				fails               error
				ran                 bool
			}{
				{"an effect that fails leaves nothing", "1", "credit", boom, false},
				{"the next attempt has it", "1", "credit", nil, true},
				{"another attempt has not", "1", "credit", nil, false},
				{"another effect of the event has it", "1", "mail", nil, true},
				{"another event has it", "2", "credit", nil, true},
			} {
				var ran bool
				err := within(t, l.db, func(tx *sql.Tx) (err error) {
					ran, err = inbox.Once(t.Context(), tx, delivery(row.event), row.effect, func(ctx context.Context) error {
						return errors.Join(l.Credit(ctx, tx, row.event+row.effect), row.fails)
					})
					return err
				})
				if ran != row.ran || !errors.Is(err, row.fails) {
					t.Errorf("%s: ran %v, %v", row.name, ran, err)
				}
			}
			tx, err := l.db.BeginTx(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			if ran, err := inbox.Once(t.Context(), tx, delivery("3"), "credit", func(ctx context.Context) error { return l.Credit(ctx, tx, "3credit") }); !ran || err != nil {
				t.Errorf("before a rollback: ran %v, %v", ran, err)
			}
			if err := tx.Rollback(); err != nil {
				t.Fatal(err)
			}
			got := l.Credits(t)
			if len(got) != 3 || got["1credit"] != 1 || got["1mail"] != 1 || got["2credit"] != 1 {
				t.Errorf("credits: %v", got)
			}
			err = within(t, l.db, func(tx *sql.Tx) error {
				for name, d := range map[string]*inbox.Delivery{"": delivery("4"), "no event": nil, "no key": {}} {
					if _, err := inbox.Once(t.Context(), tx, d, name, func(context.Context) error { return nil }); err == nil {
						t.Errorf("%q is taken", name)
					}
				}
				if _, err := inbox.Once(t.Context(), tx, delivery("4"), "credit", nil); err == nil {
					t.Error("no effect is taken")
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
}

func TestOnceWhenManyComeAtOnce(t *testing.T) {
	for driver, dsn := range drivers {
		t.Run(driver, func(t *testing.T) {
			l := newLedger(t, driver, dsn(filepath.Join(t.TempDir(), "effects.db")))
			if _, err := l.db.ExecContext(t.Context(), inbox.EffectsTable); err != nil {
				t.Fatal(err)
			}
			var ran atomic.Int64
			var attempts sync.WaitGroup
			for range 16 {
				attempts.Go(func() {
					for end := time.Now().Add(testwait.Patience); ; { // an attempt that SQLite refuses comes again
						var here bool
						err := within(t, l.db, func(tx *sql.Tx) (err error) {
							here, err = inbox.Once(t.Context(), tx, delivery("1"), "credit", func(ctx context.Context) error { return l.Credit(ctx, tx, "1") })
							return err
						})
						if err == nil {
							if here {
								ran.Add(1)
							}
							return
						}
						if time.Now().After(end) {
							t.Error(err)
							return
						}
					}
				})
			}
			testwait.All(t, "the end of all attempts", &attempts)
			if got := l.Credits(t); ran.Load() != 1 || got["1"] != 1 {
				t.Errorf("ran %d times, credits %v", ran.Load(), got)
			}
		})
	}
}

func Example_once() {
	dir, err := os.MkdirTemp("", "once")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "app.db"))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer db.Close()
	for _, table := range []string{inbox.EffectsTable, "CREATE TABLE accounts (balance INTEGER)", "INSERT INTO accounts VALUES (100)"} {
		if _, err := db.Exec(table); err != nil {
			fmt.Println(err)
			return
		}
	}
	// A handler of an engine that may handle a delivery twice.
	handle := func(ctx context.Context, d *inbox.Delivery) error {
		tx, err := db.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		defer func() { _ = tx.Rollback() }() // does nothing after the commit
		if _, err := inbox.Once(ctx, tx, d, "credit", func(ctx context.Context) error {
			_, err := tx.ExecContext(ctx, "UPDATE accounts SET balance = balance + 10")
			return err
		}); err != nil {
			return err
		}
		return tx.Commit()
	}
	d := &inbox.Delivery{Event: inboxtest.Event("stripe", "invoice.paid", "evt_1")}
	for range 2 {
		if err := handle(context.Background(), d); err != nil {
			fmt.Println(err)
		}
	}
	var balance int
	if err := db.QueryRow("SELECT balance FROM accounts").Scan(&balance); err != nil {
		fmt.Println(err)
	}
	fmt.Println("balance:", balance)
	// Output: balance: 110
}
