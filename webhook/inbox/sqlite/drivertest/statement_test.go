package drivertest_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/testwait"
	"github.com/gatehouse-go/gatehouse/webhook"
	"github.com/gatehouse-go/gatehouse/webhook/inbox"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/inboxtest"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/sqlite"
)

// chosen has one step fail, once: the nth that it sees, or the first that begins with a text.
type chosen struct {
	mu     sync.Mutex
	nth    int
	begins string
	failed string        // the step
	hit    chan struct{} // closed then
}

// fail arms c. Zeros have nothing fail.
func (c *chosen) fail(nth int, begins string) (hit <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.nth, c.begins, c.failed, c.hit = nth, begins, "", make(chan struct{})
	return c.hit
}

func (c *chosen) next(step string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.failed != "" || c.hit == nil {
		return false
	}
	c.nth--
	if c.nth != 0 && (c.begins == "" || !strings.HasPrefix(step, c.begins)) {
		return false
	}
	c.failed = step
	close(c.hit)
	return true
}

func (c *chosen) what() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.failed
}

var why = inbox.Reason{By: "ann", Why: "a test"}

// orderOf has events whose ids begin so handled one after the other.
func orderOf(e webhook.Event) string {
	if strings.HasPrefix(e.ID, "order") {
		return "order"
	}
	return ""
}

// A call fails when any of its statements does, and the next one succeeds: nothing is left half, and no broken connection is used again.
func TestACallFailsWithAnyOfItsStatements(t *testing.T) {
	type box = inboxtest.Inbox[*sql.Tx]
	for _, row := range []struct {
		name string
		call func(ctx context.Context, box box, n int) error // n is another for each call
	}{
		{"Accept", func(ctx context.Context, box box, n int) error {
			fresh, err := box.Accept(ctx, inboxtest.Event("p", "t", fmt.Sprint("new", n)))
			return errors.Join(err, only(err == nil && !fresh, "it is not fresh"))
		}},
		{"Accept of one behind another", func(ctx context.Context, box box, n int) error {
			fresh, err := box.Accept(ctx, inboxtest.Event("p", "t", fmt.Sprint("order", n)))
			return errors.Join(err, only(err == nil && !fresh, "it is not fresh"))
		}},
		{"Accept of a repeat", func(ctx context.Context, box box, _ int) error {
			fresh, err := box.Accept(ctx, inboxtest.Event("p", "t", "first"))
			return errors.Join(err, only(fresh, "a repeat is fresh"))
		}},
		{"List", func(ctx context.Context, box box, _ int) error {
			page, err := box.List(ctx, inbox.Filter{Provider: "p", EventID: "f*", From: time.Now().Add(-time.Hour), To: time.Now().Add(time.Hour)})
			return errors.Join(err, only(err == nil && len(page.Deliveries) != 1, "it is not found"))
		}},
		{"List of a provider", func(ctx context.Context, box box, _ int) error {
			page, err := box.List(ctx, inbox.Filter{Provider: "p"})
			return errors.Join(err, only(err == nil && len(page.Deliveries) != 4, "they are not found"))
		}},
		{"Get", func(ctx context.Context, box box, _ int) error {
			d, history, err := box.Get(ctx, 2)
			return errors.Join(err, only(err == nil && (d.Event.ID != "second" || len(history) != 1), "it is another"))
		}},
		{"Stats", func(ctx context.Context, box box, _ int) error {
			stats, err := box.Stats(ctx)
			return errors.Join(err, only(err == nil && (stats.Total(inbox.Pending) != 2 || len(stats.Paused) != 1), "it is counted wrongly"))
		}},
		{"Activity", func(ctx context.Context, box box, _ int) error {
			minutes, err := box.Activity(ctx, time.Now().Add(-time.Hour))
			return errors.Join(err, only(err == nil && len(minutes) == 0, "nothing happened"))
		}},
		{"Export", func(ctx context.Context, box box, _ int) error {
			return box.Export(ctx, io.Discard, inbox.Filter{From: time.Now().Add(-time.Hour)})
		}},
		{"Health", func(ctx context.Context, box box, _ int) error {
			if err := box.Health(ctx); err == nil || errors.Is(err, webhook.ErrUnavailable) {
				return err
			}
			return nil // where an error is wanted
		}},
		{"Pause, which looks at everything", func(ctx context.Context, box box, _ int) error { return box.Pause(ctx, "p", "other", why) }},
		{"Resume", func(ctx context.Context, box box, _ int) error { return box.Resume(ctx, "p", "paused") }},
		{"Discard of the first of an order key", func(ctx context.Context, box box, _ int) error {
			n, err := box.Discard(ctx, inbox.Selection{IDs: []int64{3}}, why)
			return errors.Join(err, only(err == nil && n != 1, "it is not discarded"))
		}},
		{"Replay", func(ctx context.Context, box box, _ int) error {
			n, err := box.Replay(ctx, inbox.Selection{IDs: []int64{2}}, why)
			return errors.Join(err, only(err == nil && n != 1, "it is not replayed"))
		}},
	} {
		for driver := range drivers {
			t.Run(row.name+", "+driver, func(t *testing.T) {
				c := &chosen{}
				l := faultyAt(t, driver, filepath.Join(t.TempDir(), "x.db"), c.next)
				box := l.Open(t, inbox.Config{OrderBy: orderOf})
				defer box.Close()
				for _, id := range []string{"first", "second", "order a", "order b"} {
					if _, err := box.Accept(t.Context(), inboxtest.Event("p", "t", id)); err != nil {
						t.Fatal(err)
					}
				}
				_, err := box.Discard(t.Context(), inbox.Selection{IDs: []int64{2}}, why)
				if err := errors.Join(err, box.Pause(t.Context(), "p", "paused", why)); err != nil {
					t.Fatal(err)
				}
				for n := 1; ; n++ {
					c.fail(n, "")
					err := row.call(t.Context(), box, n)
					if c.what() == "" {
						if err != nil || n == 1 {
							t.Errorf("none of %d steps fails: %v", n, err)
						}
						break
					}
					if !errors.Is(err, errInjected) {
						t.Errorf("step %d fails, and the call with %v: %s", n, err, c.what())
					}
				}
				c.fail(0, "")
				inboxtest.Honest(t, box)
			})
		}
	}
}

// only returns an error if something is so.
func only(is bool, what string) error {
	if is {
		return errors.New(what)
	}
	return nil
}

// Run takes nothing up when it cannot see what was running, and tries what only holds it up again.
func TestRunWhenAStatementFails(t *testing.T) {
	const take = "UPDATE inbox_deliveries SET status = 'running'"
	for _, row := range []struct {
		name, step string
		ends       bool // Run, with the error
	}{
		{"where the file is", "SELECT coalesce(file", true},
		{"what was running", "SELECT id, key, provider, type, event_id, order_key, status, attempts, tries, duplicates, accepted_at, due_at, ended_at, error, meta IS NULL FROM inbox_deliveries WHERE status = 'running'", true},
		{"what was running, while it is read", "row of SELECT id, key, provider, type, event_id, order_key, status, attempts, tries, duplicates, accepted_at, due_at, ended_at, error, meta IS NULL FROM inbox_deliveries WHERE status = 'running'", true},
		{"that it was interrupted", "UPDATE inbox_deliveries SET status = ?, due_at = ?", true},
		{"when the next is due", "SELECT min(due_at)", false},
		{"what is paused", "SELECT provider, type FROM inbox_paused", false},
		{"a claim", take, false},
		{"a claim, while it is read", "row of " + take, false},
		{"the begin of an effect", "begin", false},
		{"the mark of an effect", "UPDATE inbox_deliveries SET status = ?, ended_at = ?", false},
		{"the history", "INSERT INTO inbox_attempts", true},
		{"the commit of an effect", "commit", false},
	} {
		t.Run(row.name, func(t *testing.T) {
			c := &chosen{}
			l := faultyAt(t, "sqlite", filepath.Join(t.TempDir(), "x.db"), c.next)
			box := l.Open(t, inbox.Config{Backoff: func(int) time.Duration { return time.Millisecond }, Logger: slog.New(slog.DiscardHandler)})
			defer box.Close()
			if err := box.Handle("p", "t", func(ctx context.Context, tx *sql.Tx, d *inbox.Delivery) error {
				return l.Credit(ctx, tx, d.IdempotencyKey())
			}); err != nil {
				t.Fatal(err)
			}
			for _, id := range []string{"1", "2"} {
				if _, err := box.Accept(t.Context(), inboxtest.Event("p", "t", id)); err != nil {
					t.Fatal(err)
				}
			}
			exec(t, l.db, "UPDATE inbox_deliveries SET status = 'running', attempts = 1, tries = 1 WHERE id = 1") // a process died with it
			exec(t, l.db, "UPDATE inbox_counters SET n = 1; INSERT INTO inbox_counters SELECT provider, type, 'running', 1 FROM inbox_counters")
			hit := c.fail(0, row.step)
			stop, ended := run(t, box)
			testwait.For(t, "the step that fails", hit)
			if row.ends {
				if err := testwait.For(t, "the end of Run", ended); !errors.Is(err, errInjected) {
					t.Errorf("Run: %v", err)
				}
				stop, ended = run(t, box)
			}
			testwait.Until(t, "both are done", func() bool {
				stats, err := box.Stats(t.Context())
				return err == nil && stats.Total(inbox.Done) == 2
			})
			stop()
			if err := testwait.For(t, "the end of Run", ended); err != nil {
				t.Errorf("Run: %v", err)
			}
			inboxtest.Once(t, l, []string{"1", "2"})
			inboxtest.Honest(t, box)
		})
	}
}

// run runs box until stop is called. ended has what it returned.
func run(t *testing.T, box inboxtest.Inbox[*sql.Tx]) (stop func(), ended chan error) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	ended = make(chan error, 1)
	go func() { ended <- box.Run(ctx) }()
	return stop, ended
}

func exec(t *testing.T, db *sql.DB, statement string) {
	t.Helper()
	if _, err := db.ExecContext(t.Context(), statement); err != nil {
		t.Fatal(err)
	}
}

// Open fails with any of its statements, and leaves a database over which it succeeds.
func TestOpenFailsWithAnyOfItsStatements(t *testing.T) {
	for driver := range drivers {
		for n, failed := 1, true; failed; n++ {
			c := &chosen{}
			l := faultyAt(t, driver, filepath.Join(t.TempDir(), "x.db"), c.next)
			c.fail(n, "")
			box, err := sqlite.Open(l.faulty, inbox.Config{})
			if failed = c.what() != ""; failed != errors.Is(err, errInjected) || failed != (box == nil) {
				t.Errorf("%s, step %d: %v: %s", driver, n, err, c.what())
			}
			c.fail(0, "")
			if failed {
				box, err = sqlite.Open(l.faulty, inbox.Config{})
			}
			if err != nil {
				t.Fatalf("%s, after step %d: %v", driver, n, err)
			}
			if fresh, err := box.Accept(t.Context(), inboxtest.Event("p", "t", "1")); err != nil || !fresh {
				t.Errorf("%s, after step %d: fresh %v, %v", driver, n, fresh, err)
			}
			if err := box.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}
