package drivertest_test

import (
	"context"
	"database/sql"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/testwait"
	"github.com/gatehouse-go/gatehouse/webhook/inbox"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/inboxtest"
)

// One of an order key that ends without a transaction has the next begin at once.
func TestOrderGoesOnAfterNothingToWrite(t *testing.T) {
	l := newLedger(t, "sqlite", drivers["sqlite"](filepath.Join(t.TempDir(), "x.db")))
	box := l.Open(t, inbox.Config{OrderBy: orderOf})
	defer box.Close()
	var begun atomic.Int64
	if err := box.HandleStaged("p", "t", func(context.Context, *inbox.Delivery) (inbox.Handler[*sql.Tx], error) {
		begun.Add(1)
		return nil, nil
	}); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"order 1", "order 2", "order 3"} {
		if _, err := box.Accept(t.Context(), inboxtest.Event("p", "t", id)); err != nil {
			t.Fatal(err)
		}
	}
	stop, ended := run(t, box)
	testwait.Until(t, "all are done", func() bool {
		stats, err := box.Stats(t.Context())
		return err == nil && stats.Total(inbox.Done) == 3
	})
	stop()
	if err := testwait.For(t, "the end of Run", ended); err != nil || begun.Load() != 3 {
		t.Errorf("%d begun, %v", begun.Load(), err)
	}
}

// An attempt whose delivery was taken from it, by someone who wrote the tables, has no effect and leaves the delivery alone.
func TestAnAttemptThatIsNotTheLastAnyMore(t *testing.T) {
	for _, staged := range []bool{false, true} {
		l := newLedger(t, "sqlite", drivers["sqlite"](filepath.Join(t.TempDir(), "x.db")))
		box := l.Open(t, inbox.Config{Logger: slog.New(slog.DiscardHandler)})
		var ran atomic.Int64
		if err := box.HandleStaged("p", "t", func(ctx context.Context, d *inbox.Delivery) (inbox.Handler[*sql.Tx], error) {
			ran.Add(1)
			if d.Attempts == 1 {
				if _, err := l.db.ExecContext(ctx, "UPDATE inbox_deliveries SET attempts = 2"); err != nil {
					t.Error(err)
				}
			}
			if staged {
				return nil, nil
			}
			return func(ctx context.Context, tx *sql.Tx, d *inbox.Delivery) error {
				return l.Credit(ctx, tx, d.IdempotencyKey())
			}, nil
		}); err != nil {
			t.Fatal(err)
		}
		if _, err := box.Accept(t.Context(), inboxtest.Event("p", "t", "1")); err != nil {
			t.Fatal(err)
		}
		stop, ended := run(t, box)
		testwait.Until(t, "an attempt", func() bool { return ran.Load() == 1 })
		stop()
		if err := testwait.For(t, "the end of Run", ended); err != nil {
			t.Error(err)
		}
		d, history, err := box.Get(t.Context(), 1)
		if err != nil || d.Status != inbox.Running || d.Attempts != 2 || len(history) != 0 || len(l.Credits(t)) != 0 {
			t.Errorf("%+v, %+v, %v", d, history, err)
		}
		stop, ended = run(t, box) // takes it up as one that was interrupted
		testwait.Until(t, "it is done", func() bool {
			stats, err := box.Stats(t.Context())
			return err == nil && stats.Total(inbox.Done) == 1
		})
		stop()
		if err := testwait.For(t, "the end of Run", ended); err != nil {
			t.Error(err)
		}
		if err := box.Close(); err != nil {
			t.Error(err)
		}
	}
}

// Run waits for the lock of another process as long as it may, and says when it cannot have it at all.
func TestRunWaitsForTheLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	first, second := at(t, "sqlite", path), at(t, "sqlite", path)
	says := &lines{}
	has, waits := first.Open(t, inbox.Config{}), second.Open(t, inbox.Config{Logger: slog.New(slog.NewTextHandler(says, nil))})
	defer has.Close()
	defer waits.Close()
	if err := has.Handle("p", "t", func(context.Context, *sql.Tx, *inbox.Delivery) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if _, err := has.Accept(t.Context(), inboxtest.Event("p", "t", "1")); err != nil {
		t.Fatal(err)
	}
	stopFirst, endedFirst := run(t, has)
	testwait.Until(t, "the first has the lock", func() bool {
		stats, err := has.Stats(t.Context())
		return err == nil && stats.Total(inbox.Done) == 1
	})
	stop, ended := run(t, waits)
	testwait.Until(t, "the second says that it waits", func() bool { return strings.Contains(says.String(), "another process handles this ledger") })
	stop()
	if err := testwait.For(t, "the end of Run", ended); err != nil {
		t.Errorf("Run: %v", err)
	}
	stopFirst()
	if err := testwait.For(t, "the end of Run", endedFirst); err != nil {
		t.Errorf("Run: %v", err)
	}
	name := fileOf(t, first.db) + "-inbox-lock"
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(name, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := waits.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "sqlite inbox: lock") {
		t.Errorf("Run without a lock: %v", err)
	}
}

// What nobody can read is an error, and not an event with something missing.
func TestRowsThatAreNotOurs(t *testing.T) {
	for _, row := range []struct{ name, damage string }{
		{"a header that is no JSON", "UPDATE inbox_deliveries SET meta = 'x'"},
		{"a number that is none", "UPDATE inbox_deliveries SET attempts = 'many'"},
		{"a time that is none", "UPDATE inbox_attempts SET at = 'once'"},
	} {
		l := newLedger(t, "sqlite", drivers["sqlite"](filepath.Join(t.TempDir(), "x.db")))
		box := l.Open(t, inbox.Config{})
		if _, err := box.Accept(t.Context(), inboxtest.Event("p", "t", "1")); err != nil {
			t.Fatal(err)
		}
		if _, err := box.Discard(t.Context(), inbox.Selection{IDs: []int64{1}}, why); err != nil {
			t.Fatal(err)
		}
		exec(t, l.db, row.damage)
		if d, history, err := box.Get(t.Context(), 1); err == nil {
			t.Errorf("%s: %+v, %+v", row.name, d, history)
		}
		if err := box.Close(); err != nil {
			t.Error(err)
		}
	}
}

// What is past its time stays whole where it cannot be removed, and goes with the next look.
func TestRetentionThatFailsTriesAgain(t *testing.T) {
	for _, step := range []string{
		"UPDATE inbox_deliveries SET meta = NULL", "DELETE FROM inbox_deliveries", "row of DELETE FROM inbox_deliveries", "DELETE FROM inbox_attempts", "DELETE FROM inbox_minutes",
		"DELETE FROM inbox_keys", "INSERT OR REPLACE INTO inbox_keys", "UPDATE inbox_keyed",
	} {
		t.Run(step, func(t *testing.T) {
			c := &chosen{}
			l := faultyAt(t, "sqlite", filepath.Join(t.TempDir(), "x.db"), c.next)
			box := l.Open(t, inbox.Config{KeepBodies: time.Millisecond, KeepKeys: time.Millisecond, Logger: slog.New(slog.DiscardHandler)})
			defer box.Close()
			if _, err := box.Accept(t.Context(), inboxtest.Event("p", "t", "1")); err != nil {
				t.Fatal(err)
			}
			if _, err := box.Discard(t.Context(), inbox.Selection{IDs: []int64{1}}, why); err != nil {
				t.Fatal(err)
			}
			exec(t, l.db, "UPDATE inbox_deliveries SET ended_at = 1") // long ago
			hit := c.fail(0, step)
			stop, ended := run(t, box)
			testwait.For(t, "the step that fails", hit)
			stop()
			if err := testwait.For(t, "the end of Run", ended); err != nil {
				t.Error(err)
			}
			if err := box.Health(t.Context()); err != nil { // comes after what the writer had begun
				t.Error(err)
			}
			inboxtest.Honest(t, box)
			stop, ended = run(t, box)
			testwait.Until(t, "it is removed", func() bool {
				page, err := box.List(t.Context(), inbox.Filter{})
				return err == nil && len(page.Deliveries) == 0
			})
			stop()
			if err := testwait.For(t, "the end of Run", ended); err != nil {
				t.Error(err)
			}
			if err := box.Health(t.Context()); err != nil { // comes after what the writer had begun
				t.Error(err)
			}
			inboxtest.Honest(t, box)
			var left int
			if err := l.db.QueryRowContext(t.Context(), "SELECT count(*) FROM inbox_attempts").Scan(&left); err != nil || left != 0 {
				t.Errorf("%d attempts are left, %v", left, err)
			}
		})
	}
}

// lines is what was logged.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
