package drivertest_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/testwait"
	"github.com/gatehouse-go/gatehouse/webhook/inbox"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/inboxtest"
)

// putBack makes all that is stored what a clock has written that was ahead, and was put back now.
func putBack(t *testing.T, db *sql.DB, by time.Duration) {
	t.Helper()
	for _, change := range []string{
		"UPDATE inbox_deliveries SET accepted_at = accepted_at + %[1]d, due_at = due_at + %[1]d",
		"UPDATE inbox_slots SET slot = slot + %[1]d / 600000",
		"UPDATE inbox_clock SET seen = seen + %[1]d",
	} {
		exec(t, db, fmt.Sprintf(change, by.Milliseconds()))
	}
}

// What was accepted, and what failed, while the clock was ahead is handled when it would have been by the right clock.
func TestAClockThatIsPutBackHoldsNothingUp(t *testing.T) {
	for _, by := range []time.Duration{time.Minute, time.Hour, 400 * 24 * time.Hour} {
		t.Run(by.String(), func(t *testing.T) {
			begun := time.Now()
			l := newLedger(t, "sqlite", drivers["sqlite"](filepath.Join(t.TempDir(), "x.db")))
			says := &lines{}
			box := l.Open(t, inbox.Config{Logger: slog.New(slog.NewTextHandler(says, nil))})
			defer box.Close()
			const n = 24
			for i := range n {
				if _, err := box.Accept(t.Context(), inboxtest.Event("p", fmt.Sprint("t", i%3), fmt.Sprint(i))); err != nil {
					t.Fatal(err)
				}
			}
			exec(t, l.db, "UPDATE inbox_deliveries SET attempts = 1, tries = 1 WHERE id % 4 = 0") // and due at once
			exec(t, l.db, "UPDATE inbox_deliveries SET attempts = 9, tries = 9, due_at = due_at + 1800000 WHERE id = 7")
			putBack(t, l.db, by)
			if err := box.Handle("p", "*", func(context.Context, *sql.Tx, *inbox.Delivery) error { return nil }); err != nil {
				t.Fatal(err)
			}
			if _, err := box.Accept(t.Context(), inboxtest.Event("p", "t0", "after")); err != nil { // by the right clock
				t.Fatal(err)
			}
			stop, ended := run(t, box)
			testwait.Until(t, "the end of all that is due", func() bool {
				stats, err := box.Stats(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				return stats.Total(inbox.Done) == n
			})
			stop()
			if err := testwait.For(t, "the end of Run", ended); err != nil {
				t.Error(err)
			}
			d, _, err := box.Get(t.Context(), 7)
			if err != nil || d.Status != inbox.Pending || d.DueAt.Before(begun.Add(29*time.Minute)) || d.DueAt.After(time.Now().Add(31*time.Minute)) {
				t.Errorf("one that waits half an hour: %s, due at %v, %v", d.Status, d.DueAt, err)
			}
			if times := strings.Count(says.String(), "the clock went back"); times != 1 {
				t.Errorf("said %d times: %s", times, says)
			}
			inboxtest.Honest(t, box)
		})
	}
}

// A clock whose way back cannot be followed is an error of the look, which comes again.
func TestAClockThatCannotBeFollowed(t *testing.T) {
	c := &chosen{}
	l := faultyAt(t, "sqlite", filepath.Join(t.TempDir(), "x.db"), c.next)
	box := l.Open(t, inbox.Config{Logger: slog.New(slog.DiscardHandler)})
	defer box.Close()
	if _, err := box.Accept(t.Context(), inboxtest.Event("p", "t", "1")); err != nil {
		t.Fatal(err)
	}
	putBack(t, l.db, time.Hour)
	for _, step := range []string{"SELECT seen", "prepare SELECT seen", "UPDATE inbox_deliveries SET due_at", "UPDATE inbox_clock SET seen = ?"} {
		c.fail(0, step)
		if err := box.Pause(t.Context(), "p", "other", why); !errors.Is(err, errInjected) {
			t.Errorf("%s fails: %v", step, err)
		}
	}
	c.fail(0, "")
	if err := box.Pause(t.Context(), "p", "other", why); err != nil {
		t.Error(err)
	}
	d, _, err := box.Get(t.Context(), 1)
	if err != nil || d.DueAt.After(time.Now()) {
		t.Errorf("due at %v, %v", d.DueAt, err)
	}
}
