package inboxtest

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook"
	"github.com/gatehouse-go/gatehouse/webhook/inbox"
)

// fullQueue looks at the bounds of what waits while the ledger does not take anything.
func fullQueue[T any](t *testing.T, e Engine[T]) {
	t.Helper()
	if e.Block == nil {
		t.Skip("the engine does not say how its ledger is kept from storing")
	}
	for _, row := range []struct {
		name   string
		bound  func(c *inbox.Config)
		events int // that fill the queue
		bytes  int // of each
	}{
		{"by count", func(c *inbox.Config) { c.MaxQueue = 4 }, 4, 1},
		{"by bytes", func(c *inbox.Config) { c.MaxQueueBytes = 100_000 }, 1, 40_000},
	} {
		t.Run(row.name, func(t *testing.T) {
			l := e.New(t)
			c := quick()
			row.bound(&c)
			box := open(t, l, c)
			unblock := e.Block(t, l)
			var wait sync.WaitGroup
			var mu sync.Mutex
			full, stored := 0, 0
			offer := func(i int) {
				wait.Go(func() {
					event := Event("p", "t", strconv.Itoa(i))
					event.Body = make([]byte, row.bytes)
					_, err := box.Accept(t.Context(), event)
					mu.Lock()
					defer mu.Unlock()
					switch {
					case errors.Is(err, inbox.ErrQueueFull):
						full++
					case err == nil:
						stored++
					default:
						t.Errorf("Accept: %v", err)
					}
				})
			}
			// The writer takes a first group out of the queue and waits with it; what comes after fills the queue.
			queued := func() int {
				stats, err := box.Stats(t.Context())
				must(t, err)
				mu.Lock()
				defer mu.Unlock()
				if full == 0 {
					return 0
				}
				return stats.Queued
			}
			for i := 0; i < 1000 && queued() < row.events; i++ {
				offer(i)
				time.Sleep(time.Millisecond)
			}
			if row.events == c.MaxQueue {
				if err := box.Health(t.Context()); !errors.Is(err, webhook.ErrUnavailable) {
					t.Errorf("Health of a full queue: %v", err)
				}
			}
			unblock()
			wait.Wait()
			if full == 0 || stored == 0 {
				t.Errorf("%d refused, %d stored", full, stored)
			}
			accept(t, box, Event("p", "t", "after"))
			must(t, box.Health(t.Context()))
			if stats, err := box.Stats(t.Context()); err != nil || stats.Total(inbox.Pending) != int64(stored)+1 || stats.Queued != 0 {
				t.Errorf("%d stored, %+v, %v", stored, stats, err)
			}
		})
	}
}

// callerGone has callers go before their events are stored: nothing is left half, and the provider may send again.
func callerGone[T any](t *testing.T, e Engine[T]) {
	t.Helper()
	if e.Block == nil {
		t.Skip("the engine does not say how its ledger is kept from storing")
	}
	l := e.New(t)
	box := open(t, l, quick())
	unblock := e.Block(t, l)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	for i := range 3 { // the first may be with the writer, the others still wait
		if _, err := box.Accept(ctx, Event("p", "t", strconv.Itoa(i))); !errors.Is(err, webhook.ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Accept %d: %v", i, err)
		}
	}
	unblock()
	accept(t, box, Event("p", "t", "2")) // which no writer had begun to store
	for i := range 3 {
		if _, err := box.Accept(t.Context(), Event("p", "t", strconv.Itoa(i))); err != nil {
			t.Errorf("event %d comes again: %v", i, err)
		}
	}
	if stats, err := box.Stats(t.Context()); err != nil || stats.Total(inbox.Pending) != 3 {
		t.Errorf("%+v, %v", stats, err)
	}
	Honest(t, box)
}

// runsTwice calls Run while it is under way.
func runsTwice[T any](t *testing.T, e Engine[T]) {
	t.Helper()
	box := open(t, e.New(t), quick())
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 2)
	for range 2 {
		go func() { done <- box.Run(ctx) }()
	}
	if err := <-done; err == nil { // one ends at once, the other with ctx
		t.Error("two at once")
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// keepsOrder has events of one order key wait to be stored together: they are numbered as they came.
func keepsOrder[T any](t *testing.T, e Engine[T]) {
	t.Helper()
	if e.Block == nil {
		t.Skip("the engine does not say how its ledger is kept from storing")
	}
	l := e.New(t)
	c := quick()
	c.OrderBy = orderOf
	box := open(t, l, c)
	unblock := e.Block(t, l)
	var wait sync.WaitGroup
	const events = 20
	for i := range events {
		wait.Go(func() {
			if fresh, err := box.Accept(t.Context(), Event("p", "t", "a/"+strconv.Itoa(i))); err != nil || !fresh {
				t.Errorf("Accept %d: fresh %v, %v", i, fresh, err)
			}
		})
		for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) { // the first is with the writer
			stats, err := box.Stats(t.Context())
			must(t, err)
			if stats.Queued >= i {
				break
			}
			if time.Now().After(end) {
				t.Fatalf("%d wait, want %d", stats.Queued, i)
			}
		}
		if i == 0 {
			time.Sleep(50 * time.Millisecond)
		}
	}
	unblock()
	wait.Wait()
	page, err := box.List(t.Context(), inbox.Filter{})
	must(t, err)
	for i, d := range page.Deliveries {
		// Two that came at one moment may have come the other way round: an engine may count an event that it has not yet sent.
		n, err := strconv.Atoi(strings.TrimPrefix(d.Event.ID, "a/"))
		if want := events - 1 - i; err != nil || n < want-1 || n > want+1 {
			t.Errorf("%s is where a/%d belongs", d.Event.ID, want)
		}
	}
	Honest(t, box)
}
