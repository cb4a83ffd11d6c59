package drivertest_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/testwait"
	"github.com/gatehouse-go/gatehouse/webhook"
	"github.com/gatehouse-go/gatehouse/webhook/inbox"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/inboxtest"
)

// held opens an inbox whose writer has begun a commit, and goes on when release is called: what is accepted until then waits for one group.
func held(t *testing.T, driver string, c inbox.Config) (box inboxtest.Inbox[*sql.Tx], release func()) {
	t.Helper()
	var holds atomic.Bool
	begun, gate := make(chan struct{}), make(chan struct{})
	l := faultyAt(t, driver, filepath.Join(t.TempDir(), "x.db"), func(step string) bool {
		if step == "BEGIN IMMEDIATE" && holds.CompareAndSwap(true, false) {
			close(begun)
			<-gate
		}
		return false
	})
	box = l.Open(t, c)
	if _, err := box.Accept(t.Context(), inboxtest.Event("p", "t", "before")); err != nil { // the connection is ready
		t.Fatal(err)
	}
	holds.Store(true)
	var first sync.WaitGroup
	first.Go(func() {
		if _, err := box.Accept(t.Context(), inboxtest.Event("p", "t", "holds")); err != nil {
			t.Error(err)
		}
	})
	release = sync.OnceFunc(func() { close(gate) })
	t.Cleanup(func() {
		release()
		testwait.All(t, "the first answer", &first)
		if err := box.Close(); err != nil {
			t.Error(err)
		}
	})
	testwait.For(t, "a commit", begun)
	return box, release
}

// Events that are stored together are told apart: each is fresh once, in the order in which they came, and only the first of an order key is to be handled.
func TestAGroupOfManyEvents(t *testing.T) {
	for driver := range drivers {
		for _, row := range []struct {
			name string
			ids  func(i int) string
		}{
			{"all new", strconv.Itoa},
			{"the same again and again", func(int) string { return "same" }},
			{"each twice", func(i int) string { return strconv.Itoa(i / 2) }},
			{"every seventh again", func(i int) string { return strconv.Itoa(i - i%7/6*3) }},
			{"one of an order key among others", func(i int) string { return strings.Repeat("order ", i%5/4) + strconv.Itoa(i) }},
			{"an order key with repeats", func(i int) string { return "order " + strconv.Itoa(i/2) }},
			{"what is there already", func(i int) string { return []string{"before", "holds", strconv.Itoa(i)}[i%3] }},
		} {
			t.Run(row.name+", "+driver, func(t *testing.T) {
				box, release := held(t, driver, inbox.Config{OrderBy: orderOf})
				const n = 107 // of all lengths of a statement
				var accepted sync.WaitGroup
				var fresh [n]bool
				for i := range n {
					accepted.Go(func() {
						var err error
						if fresh[i], err = box.Accept(t.Context(), inboxtest.Event("p", "t", row.ids(i))); err != nil {
							t.Errorf("event %d: %v", i, err)
						}
					})
					testwait.Until(t, "the event is in line", func() bool {
						stats, err := box.Stats(t.Context())
						return err == nil && stats.Queued == i+1
					})
				}
				release()
				testwait.All(t, "the answers", &accepted)
				var want []string
				seen := map[string]bool{"before": true, "holds": true}
				for i := range n {
					id := row.ids(i)
					if fresh[i] == seen[id] {
						t.Errorf("event %d, %s: fresh %v", i, id, fresh[i])
					}
					if !seen[id] {
						want = append(want, id)
					}
					seen[id] = true
				}
				page, err := box.List(t.Context(), inbox.Filter{Limit: 500})
				if err != nil || len(page.Deliveries) != len(want)+2 {
					t.Fatalf("%d are stored, want %d; %v", len(page.Deliveries), len(want)+2, err)
				}
				duplicates := 0
				for i, d := range page.Deliveries { // newest first
					if at := len(want) - 1 - i; at >= 0 && d.Event.ID != want[at] {
						t.Errorf("%s is where %s belongs", d.Event.ID, want[at])
					}
					duplicates += d.Duplicates
				}
				stats, err := box.Stats(t.Context())
				if err != nil || duplicates != n-len(want) || stats.Types[0].Duplicates != int64(duplicates) {
					t.Errorf("%d repeats, want %d; %+v, %v", duplicates, n-len(want), stats, err)
				}
				inboxtest.Honest(t, box)
			})
		}
	}
}

// Where all who wait have gone, nothing is written.
func TestAGroupOfWhichAllCallersHaveGone(t *testing.T) {
	box, release := held(t, "sqlite", inbox.Config{})
	ctx, cancel := context.WithCancel(t.Context())
	gone := make(chan error, 1)
	go func() {
		_, err := box.Accept(ctx, inboxtest.Event("p", "t", "gone"))
		gone <- err
	}()
	testwait.Until(t, "the event is in line", func() bool {
		stats, err := box.Stats(t.Context())
		return err == nil && stats.Queued == 1
	})
	cancel()
	if err := testwait.For(t, "the answer", gone); !errors.Is(err, context.Canceled) || !errors.Is(err, webhook.ErrUnavailable) {
		t.Errorf("Accept: %v", err)
	}
	release()
	testwait.Until(t, "the line is empty", func() bool {
		stats, err := box.Stats(t.Context())
		return err == nil && stats.Queued == 0
	})
	if fresh, err := box.Accept(t.Context(), inboxtest.Event("p", "t", "gone")); err != nil || !fresh {
		t.Errorf("it comes again: fresh %v, %v", fresh, err)
	}
}

// An event that cannot be written down is refused for good, and its neighbours are not.
func TestAnEventThatCannotBeKept(t *testing.T) {
	l := newLedger(t, "sqlite", drivers["sqlite"](filepath.Join(t.TempDir(), "x.db")))
	box := l.Open(t, inbox.Config{})
	defer box.Close()
	bad := inboxtest.Event("p", "t", "1")
	bad.SentAt = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) // which JSON has no words for
	if fresh, err := box.Accept(t.Context(), bad); err == nil || fresh || errors.Is(err, webhook.ErrUnavailable) || !strings.Contains(fmt.Sprint(err), "permanent") {
		t.Errorf("fresh %v, %v", fresh, err)
	}
	if fresh, err := box.Accept(t.Context(), inboxtest.Event("p", "t", "1")); err != nil || !fresh {
		t.Errorf("fresh %v, %v", fresh, err)
	}
}
