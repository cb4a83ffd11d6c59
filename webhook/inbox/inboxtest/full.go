package inboxtest

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/testwait"
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
			defer testwait.End(t, "what was offered", wait.Wait)
			defer unblock()
			var mu sync.Mutex
			refused, stored := 0, 0
			offer := func(i int) {
				wait.Go(func() {
					event := Event("p", "t", strconv.Itoa(i))
					event.Body = make([]byte, row.bytes)
					_, err := box.Accept(t.Context(), event)
					mu.Lock()
					defer mu.Unlock()
					switch {
					case errors.Is(err, inbox.ErrQueueFull):
						refused++
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
				if refused == 0 {
					return 0
				}
				return stats.Queued
			}
			full := func() bool { return queued() >= row.events && (row.events != c.MaxQueue || unwell(t, box)) }
			for i, end := 0, time.Now().Add(patience); !full(); i++ {
				if time.Now().After(end) {
					t.Fatal("the queue does not become full")
				}
				offer(i)
				time.Sleep(time.Millisecond)
			}
			unblock()
			testwait.All(t, "the end of what was offered", &wait)
			if stored == 0 {
				t.Errorf("%d refused, none stored", refused)
			}
			accept(t, box, Event("p", "t", "after"))
			must(t, box.Health(t.Context()))
			if stats, err := box.Stats(t.Context()); err != nil || stats.Total(inbox.Pending) != int64(stored)+1 || stats.Queued != 0 {
				t.Errorf("%d stored, %+v, %v", stored, stats, err)
			}
		})
	}
}

// unwell reports whether box says that its queue is full. One that has room stores something to see that it is well, which does not come to its end
// while the ledger is blocked.
func unwell[T any](t *testing.T, box Inbox[T]) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	err := box.Health(ctx)
	return errors.Is(err, webhook.ErrUnavailable) && !errors.Is(err, context.DeadlineExceeded)
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
	if err := testwait.For(t, "the end of the second Run", done); err == nil { // the other ends with ctx
		t.Error("two at once")
	}
	cancel()
	if err := testwait.For(t, "the end of the first Run", done); err != nil {
		t.Error(err)
	}
}

// keepsOrder has events of one order key wait to be stored together, in however many groups: they are numbered as they came.
func keepsOrder[T any](t *testing.T, e Engine[T]) {
	t.Helper()
	if e.Block == nil {
		t.Skip("the engine does not say how its ledger is kept from storing")
	}
	l := e.New(t)
	c := quick()
	c.OrderBy = orderOf
	box := open(t, l, c)
	unblock := func() {}
	if !e.NoLine {
		unblock = e.Block(t, l)
	}
	var wait sync.WaitGroup
	defer testwait.End(t, "what was offered", wait.Wait)
	defer unblock()
	const events = 20
	for i := range events {
		ctx := waited{Context: t.Context(), begun: make(chan struct{}, 1)}
		ended := make(chan struct{})
		wait.Go(func() {
			defer close(ended)
			if fresh, err := box.Accept(ctx, Event("p", "t", "a/"+strconv.Itoa(i))); err != nil || !fresh {
				t.Errorf("Accept %d: fresh %v, %v", i, fresh, err)
			}
		})
		if e.NoLine {
			testwait.For(t, "an answer", ended)
		} else {
			testwait.For(t, "an event in line", ctx.begun)
		}
	}
	unblock()
	testwait.All(t, "the end of what was offered", &wait)
	page, err := box.List(t.Context(), inbox.Filter{})
	must(t, err)
	for i, d := range page.Deliveries {
		if want := "a/" + strconv.Itoa(events-1-i); d.Event.ID != want {
			t.Errorf("%s is where %s belongs", d.Event.ID, want)
		}
	}
	if len(page.Deliveries) != events {
		t.Errorf("%d are listed, want %d", len(page.Deliveries), events)
	}
	Honest(t, box)
}

// waited is the context of a caller, which says when it is waited for: an engine with a line does so when it has put the event there.
type waited struct {
	context.Context //nolint:containedctx // of which it is one
	begun           chan struct{}
}

// Done implements [context.Context].
func (w waited) Done() <-chan struct{} {
	select {
	case w.begun <- struct{}{}:
	default:
	}
	return w.Context.Done()
}
