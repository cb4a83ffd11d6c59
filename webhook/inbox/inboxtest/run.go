package inboxtest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/testwait"
	"github.com/gatehouse-go/gatehouse/webhook/inbox"
)

func acceptOnce[T any](t *testing.T, e Engine[T]) {
	t.Helper()
	l := e.New(t)
	var mu sync.Mutex
	seen := map[inbox.ObservationKind]int{}
	c := quick()
	c.Observe = func(o inbox.Observation) {
		mu.Lock()
		defer mu.Unlock()
		seen[o.Kind]++
	}
	box := open(t, l, c)
	must(t, box.Handle("stripe", "invoice.*", credit(l)))
	Start(t, box)
	event := Event("stripe", "invoice.paid", "evt_1")
	accept(t, box, event)
	await(t, box, inbox.Done, 1)
	for range 3 {
		if fresh, err := box.Accept(t.Context(), event); fresh || err != nil {
			t.Errorf("a repeat: fresh %v, %v", fresh, err)
		}
	}
	if got := l.Credits(t); len(got) != 1 || got[event.Key.String()] != 1 {
		t.Errorf("credits: %v", got)
	}
	d, history := only(t, box)
	if d.Status != inbox.Done || d.Attempts != 1 || d.Duplicates != 3 || d.EndedAt.IsZero() || d.Error != "" {
		t.Errorf("delivery: %+v", d)
	}
	if len(history) != 1 || history[0].Number != 1 || history[0].Result != inbox.ResultSucceeded || history[0].Took < 0 {
		t.Errorf("history: %+v", history)
	}
	stats, err := box.Stats(t.Context())
	must(t, err)
	if len(stats.Types) != 1 || stats.Types[0].Duplicates != 3 || stats.Total(inbox.Done) != 1 || stats.Total(inbox.Pending)+stats.Total(inbox.Running) != 0 {
		t.Errorf("stats: %+v", stats)
	}
	mu.Lock()
	defer mu.Unlock()
	if seen[inbox.ObserveAccepted] != 1 || seen[inbox.ObserveDuplicate] != 3 || seen[inbox.ObserveStarted] != 1 || seen[inbox.ObserveDone] != 1 {
		t.Errorf("observed: %v", seen)
	}
	must(t, box.Health(t.Context()))
}

func manyProducers[T any](t *testing.T, e Engine[T]) {
	t.Helper()
	l := e.New(t)
	box := open(t, l, quick())
	must(t, box.Handle("p", "*", credit(l)))
	Start(t, box)
	const producers, each = 64, 25
	var fresh atomic.Int64
	var wait sync.WaitGroup
	for p := range producers {
		wait.Go(func() {
			for i := range each {
				event := Event("p", fmt.Sprintf("type.%d", i%5), fmt.Sprintf("%d-%d", p, i))
				times := 1
				if (p*each+i)%50 == 0 { // 2 % come again
					times = 2
				}
				for range times {
					was, err := box.Accept(t.Context(), event)
					if err != nil {
						t.Errorf("Accept: %v", err)
					}
					if was {
						fresh.Add(1)
					}
				}
			}
		})
	}
	testwait.All(t, "the end of the producers", &wait)
	if fresh.Load() != producers*each {
		t.Errorf("%d fresh, want %d", fresh.Load(), producers*each)
	}
	await(t, box, inbox.Done, producers*each)
	credits := l.Credits(t)
	if len(credits) != producers*each {
		t.Errorf("%d events have an effect, want %d", len(credits), producers*each)
	}
	for key, n := range credits {
		if n != 1 {
			t.Errorf("%s has %d effects", key, n)
		}
	}
}

func failuresRetry[T any](t *testing.T, e Engine[T]) {
	t.Helper()
	l := e.New(t)
	box := open(t, l, quick())
	var runs atomic.Int64
	must(t, box.Handle("p", "t", func(ctx context.Context, tx T, d *inbox.Delivery) error {
		if err := l.Credit(ctx, tx, d.IdempotencyKey()); err != nil {
			return err
		}
		if n := runs.Add(1); n < 3 {
			return fmt.Errorf("attempt %d fails after its write", n)
		}
		return nil
	}))
	Start(t, box)
	event := Event("p", "t", "1")
	accept(t, box, event)
	await(t, box, inbox.Done, 1)
	if got := l.Credits(t)[event.Key.String()]; got != 1 {
		t.Errorf("%d effects", got)
	}
	d, history := only(t, box)
	if d.Attempts != 3 || len(history) != 3 || history[0].Error != "attempt 1 fails after its write" || history[2].Result != inbox.ResultSucceeded {
		t.Errorf("%+v, %+v", d, history)
	}
}

// failureKinds checks how each way to fail ends with one attempt allowed.
func failureKinds[T any](t *testing.T, e Engine[T]) {
	t.Helper()
	boom := errors.New("boom")
	const deadline = 3 * time.Second // within which a handler comes to its end that does not wait for it
	late := make(chan struct{})
	t.Cleanup(func() { close(late) })
	for _, row := range []struct {
		name     string
		timeout  time.Duration
		handler  func(ctx context.Context) error
		attempts int // allowed
		runs     int // wanted
		text     string
		stack    bool
	}{
		{"an error, after the last attempt", 0, func(context.Context) error { return boom }, 2, 2, "boom", false},
		{"a permanent error, at once", 0, func(context.Context) error { return inbox.Permanent(boom) }, 5, 1, "permanent: boom", false},
		{"a wait that the handler knows", 0, func(context.Context) error { return inbox.RetryAfter(time.Millisecond, boom) }, 2, 2, "retry after 1ms: boom", false},
		{"a panic", 0, func(context.Context) error { panic("boom") }, 1, 1, "panic: boom", true},
		{"the end of the goroutine", 0, func(context.Context) error { runtime.Goexit(); return nil }, 1, 1, "ended its goroutine", false},
		{"a deadline that the handler keeps", deadline, func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }, 1, 1, "deadline exceeded", false},
		{"a deadline that the handler ignores", deadline, func(context.Context) error { <-late; return nil }, 1, 1, "deadline exceeded", false},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			l := e.New(t)
			c := quick()
			c.MaxAttempts, c.HandlerTimeout = row.attempts, row.timeout
			box := open(t, l, c)
			must(t, box.Handle("p", "t", func(ctx context.Context, tx T, d *inbox.Delivery) error {
				if err := l.Credit(ctx, tx, d.IdempotencyKey()); err != nil {
					return err
				}
				return row.handler(ctx)
			}))
			Start(t, box)
			accept(t, box, Event("p", "t", "1"))
			await(t, box, inbox.Dead, 1)
			d, history := only(t, box)
			last := history[len(history)-1]
			if d.Attempts != row.runs || len(history) != row.runs || !strings.Contains(d.Error, row.text) || last.Result != inbox.ResultFailed || (last.Stack != "") != row.stack {
				t.Errorf("%+v, %+v", d, history)
			}
			want := map[string]int{}
			if e.AtLeastOnce {
				want[d.IdempotencyKey()] = 1 // of however many attempts
			}
			if got := l.Credits(t); !maps.Equal(got, want) {
				t.Errorf("the effects of failed attempts are %v, want %v", got, want)
			}
			accept(t, box, Event("p", "other", "2")) // the inbox goes on
		})
	}
}

func ordered[T any](t *testing.T, e Engine[T]) {
	t.Helper()
	l := e.New(t)
	c := quick()
	c.Workers, c.MaxAttempts = 8, 3
	c.OrderBy = orderOf
	box := open(t, l, c)
	var mu sync.Mutex
	done := map[string][]string{}
	failed := map[string]int{}
	must(t, box.Handle("p", "*", func(_ context.Context, _ T, d *inbox.Delivery) error {
		mu.Lock()
		defer mu.Unlock()
		account, number, _ := strings.Cut(d.Event.ID, "/")
		switch {
		case account == "a" && number == "02": // never succeeds
			return errors.New("poison")
		case number == "05" && failed[d.Event.ID] < 2: // succeeds late
			failed[d.Event.ID]++
			return errors.New("not yet")
		}
		done[account] = append(done[account], number)
		return nil
	}))
	const each = 12
	for i := range each { // stored before anything runs, so that order is not by chance
		for _, account := range []string{"a", "b", "c"} {
			accept(t, box, Event("p", fmt.Sprintf("t%d", i%3), fmt.Sprintf("%s/%02d", account, i)))
		}
	}
	Start(t, box)
	await(t, box, inbox.Done, 3*each-1)
	await(t, box, inbox.Dead, 1)
	mu.Lock()
	defer mu.Unlock()
	for account, numbers := range done {
		if !slices.IsSorted(numbers) {
			t.Errorf("%s was handled in the order %v", account, numbers)
		}
	}
	if len(done["a"]) != each-1 || len(done["b"]) != each {
		t.Errorf("handled: %v", done)
	}
}

func staged[T any](t *testing.T, e Engine[T]) {
	t.Helper()
	l := e.New(t)
	c := quick()
	c.MaxAttempts = 2
	box := open(t, l, c)
	must(t, box.HandleStaged("p", "good", func(context.Context, *inbox.Delivery) (inbox.Handler[T], error) { return credit(l), nil }))
	must(t, box.HandleStaged("p", "nothing", func(context.Context, *inbox.Delivery) (inbox.Handler[T], error) { return nil, nil }))
	must(t, box.HandleStaged("p", "bad", func(context.Context, *inbox.Delivery) (inbox.Handler[T], error) { panic("slow part") }))
	Start(t, box)
	good := Event("p", "good", "1")
	accept(t, box, good, Event("p", "nothing", "2"), Event("p", "bad", "3"))
	await(t, box, inbox.Done, 2)
	await(t, box, inbox.Dead, 1)
	if got := l.Credits(t); len(got) != 1 || got[good.Key.String()] != 1 {
		t.Errorf("credits: %v", got)
	}
}

func ignored[T any](t *testing.T, e Engine[T]) {
	t.Helper()
	l := e.New(t)
	box := open(t, l, quick())
	must(t, box.Handle("p", "known", credit(l)))
	if err := box.Handle("p", "known", credit(l)); err == nil {
		t.Error("a pattern is registered twice")
	}
	if box.Handle("p", "x", nil) == nil || box.HandleStaged("p", "x", nil) == nil {
		t.Error("a nil handler is registered")
	}
	Start(t, box)
	accept(t, box, Event("p", "unknown", "1"))
	await(t, box, inbox.Ignored, 1)
	must(t, box.Handle("", "unknown", credit(l))) // for every provider
	n, err := box.Replay(t.Context(), inbox.Selection{Filter: inbox.Filter{Status: inbox.Ignored}}, inbox.Reason{By: "ann", Why: "deployed"})
	if n != 1 || err != nil {
		t.Errorf("replayed %d, %v", n, err)
	}
	await(t, box, inbox.Done, 1)
}

func paused[T any](t *testing.T, e Engine[T]) {
	t.Helper()
	l := e.New(t)
	box := l.Open(t, quick())
	why := inbox.Reason{By: "ann", Why: "upstream is down"}
	if err := box.Pause(t.Context(), "p", "t", inbox.Reason{By: "ann"}); !errors.Is(err, inbox.ErrSelection) {
		t.Errorf("a pause without a reason: %v", err)
	}
	must(t, box.Pause(t.Context(), "p", "t", why))
	must(t, box.Close())

	box = open(t, l, quick()) // the pause outlives a restart
	must(t, box.Handle("p", "*", credit(l)))
	Start(t, box)
	accept(t, box, Event("p", "t", "1"), Event("p", "other", "2"))
	await(t, box, inbox.Done, 1)
	time.Sleep(50 * time.Millisecond)
	stats, err := box.Stats(t.Context())
	must(t, err)
	if stats.Total(inbox.Pending) != 1 || len(stats.Paused) != 1 || stats.Paused[0].Reason != why || stats.Paused[0].Since.IsZero() {
		t.Errorf("stats: %+v", stats)
	}
	must(t, box.Resume(t.Context(), "p", "t"))
	await(t, box, inbox.Done, 2)
}

func rates[T any](t *testing.T, e Engine[T]) {
	t.Helper()
	l := e.New(t)
	c := quick()
	c.Rates = []inbox.Rate{{Provider: "p", Type: "slow", Limit: 20, Burst: 1}}
	box := open(t, l, c)
	must(t, box.Handle("p", "*", credit(l)))
	for i := range 5 {
		accept(t, box, Event("p", "slow", fmt.Sprint("s", i)), Event("p", "fast", fmt.Sprint("f", i)))
	}
	begin := time.Now()
	Start(t, box)
	await(t, box, inbox.Done, 10)
	if took := time.Since(begin); took < 4*50*time.Millisecond {
		t.Errorf("five deliveries at 20 a second took %v", took)
	}
}

func restarts[T any](t *testing.T, e Engine[T]) {
	t.Helper()
	l := e.New(t)
	box := l.Open(t, quick())
	accept(t, box, Event("p", "t", "1"), Event("p", "t", "2"))
	must(t, box.Close())
	box = open(t, l, quick())
	must(t, box.Handle("p", "t", credit(l)))
	if fresh, err := box.Accept(t.Context(), Event("p", "t", "1")); fresh || err != nil {
		t.Errorf("a repeat after the restart: fresh %v, %v", fresh, err)
	}
	stop := Start(t, box)
	await(t, box, inbox.Done, 2)
	stop()
	accept(t, box, Event("p", "t", "3")) // accepted while nothing runs
	Start(t, box)
	await(t, box, inbox.Done, 3)
	if got := l.Credits(t); len(got) != 3 {
		t.Errorf("credits: %v", got)
	}
}

func drains[T any](t *testing.T, e Engine[T]) {
	t.Helper()
	l := e.New(t)
	c := quick()
	c.DrainTimeout = 50 * time.Millisecond
	box := open(t, l, c)
	begun := make(chan struct{})
	var runs atomic.Int64
	must(t, box.HandleStaged("p", "t", func(ctx context.Context, _ *inbox.Delivery) (inbox.Handler[T], error) {
		if runs.Add(1) == 1 {
			close(begun)
			<-ctx.Done()
			return nil, ctx.Err()
		}
		return credit(l), nil
	}))
	stop := Start(t, box)
	accept(t, box, Event("p", "t", "1"))
	testwait.For(t, "the first attempt", begun)
	stop()
	d, history := only(t, box)
	if d.Status != inbox.Pending || len(history) != 1 || history[0].Result != inbox.ResultInterrupted {
		t.Errorf("%+v, %+v", d, history)
	}
	Start(t, box)
	await(t, box, inbox.Done, 1)
}

func takesTurns[T any](t *testing.T, e Engine[T]) {
	t.Helper()
	l := e.New(t)
	first, second := open(t, l, quick()), open(t, l, quick())
	var by [2]atomic.Int64
	for i, box := range []Inbox[T]{first, second} {
		must(t, box.Handle("p", "t", func(ctx context.Context, tx T, d *inbox.Delivery) error {
			by[i].Add(1)
			return l.Credit(ctx, tx, d.IdempotencyKey())
		}))
	}
	stop := Start(t, first)
	accept(t, first, Event("p", "t", "1"))
	await(t, first, inbox.Done, 1)
	Start(t, second)
	for i := range 20 { // accepted by both
		accept(t, []Inbox[T]{first, second}[i%2], Event("p", "t", fmt.Sprint("both", i)))
	}
	await(t, first, inbox.Done, 21)
	stop()
	accept(t, second, Event("p", "t", "last"))
	await(t, second, inbox.Done, 22)
	for key, n := range l.Credits(t) {
		if n != 1 {
			t.Errorf("%s has %d effects", key, n)
		}
	}
}

func retention[T any](t *testing.T, e Engine[T]) {
	t.Helper()
	l := e.New(t)
	c := quick()
	box := l.Open(t, c)
	must(t, box.Handle("p", "t", credit(l)))
	stop := Start(t, box)
	for i := range 3 {
		accept(t, box, Event("p", "t", strconv.Itoa(i)))
	}
	await(t, box, inbox.Done, 3)
	stop()
	must(t, box.Close())
	time.Sleep(5 * time.Millisecond)

	c.KeepBodies, c.KeepKeys = time.Millisecond, time.Hour
	box = l.Open(t, c)
	stop = Start(t, box)
	page, err := box.List(t.Context(), inbox.Filter{Limit: 1})
	must(t, err)
	id := page.Deliveries[0].ID
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		if d, _, err := box.Get(t.Context(), id); err != nil || d.Purged {
			break
		}
	}
	d, history, err := box.Get(t.Context(), id)
	if err != nil || !d.Purged || d.Event.Body != nil || d.Event.ID == "" || len(history) != 1 {
		t.Errorf("after the time of bodies: %+v, %v, %v", d, history, err)
	}
	if _, err := box.Replay(t.Context(), inbox.Selection{IDs: []int64{id}}, inbox.Reason{By: "ann", Why: "again"}); !errors.Is(err, inbox.ErrPurged) {
		t.Errorf("a replay without a body: %v", err)
	}
	if fresh, err := box.Accept(t.Context(), Event("p", "t", "1")); fresh || err != nil {
		t.Errorf("a repeat is still known: fresh %v, %v", fresh, err)
	}
	stop()
	must(t, box.Close())

	c.KeepBodies, c.KeepKeys = time.Millisecond, time.Millisecond
	box = open(t, l, c)
	Start(t, box)
	await(t, box, inbox.Done, 0)
	if _, _, err := box.Get(t.Context(), id); !errors.Is(err, inbox.ErrNotFound) {
		t.Errorf("after the time of keys: %v", err)
	}
}

func closed[T any](t *testing.T, e Engine[T]) {
	t.Helper()
	box := e.New(t).Open(t, quick())
	must(t, box.Close())
	if _, err := box.Accept(t.Context(), Event("p", "t", "1")); !errors.Is(err, inbox.ErrClosed) {
		t.Errorf("Accept: %v", err)
	}
	if err := box.Health(t.Context()); err == nil {
		t.Error("Health: a closed inbox is well")
	}
}
