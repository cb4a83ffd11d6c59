package inboxtest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/testwait"
	"github.com/gatehouse-go/gatehouse/webhook"
	"github.com/gatehouse-go/gatehouse/webhook/inbox"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/engine"
)

// Faults chooses the one step of a run that fails. It is safe for use by many goroutines.
type Faults struct {
	mu     sync.Mutex
	seen   int
	failAt int // 0 lets everything succeed
	failed string
}

// Next counts a step, such as a statement or a write to a connection, and reports whether it is the one that fails.
func (f *Faults) Next(step string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.seen++
	if f.seen == f.failAt {
		f.failed = step
	}
	return f.seen == f.failAt
}

// steps is how many were counted. Connections may go on taking steps after a scenario.
func (f *Faults) steps() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.seen
}

// what is the step that failed.
func (f *Faults) what() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.failed
}

// anyStepMayFail runs a busy scenario again and again, with another step failing each time: each event that was acknowledged has its
// effect once, and the counters tell the truth.
func anyStepMayFail[T any](t *testing.T, e Engine[T]) {
	t.Helper()
	if e.Faulty == nil {
		t.Skip("the engine does not say how its ledger fails")
	}
	whole := &Faults{}
	scenario(t, e, whole)
	steps := whole.steps()
	if steps < 50 {
		t.Fatalf("only %d steps: nothing is shown", steps)
	}
	every := max(1, steps/150)
	if testing.Short() {
		every = max(1, steps/20)
	}
	for n := 1; n <= steps; n += every {
		f := &Faults{failAt: n}
		t.Run(fmt.Sprintf("step %03d", n), func(t *testing.T) {
			t.Parallel()
			scenario(t, e, f)
			if t.Failed() {
				t.Logf("failed was: %s", f.what())
			}
		})
	}
}

func scenario[T any](t *testing.T, e Engine[T], f *Faults) {
	t.Helper()
	l := e.Faulty(t, f)
	c := quick()
	c.Workers, c.KeepBodies = 2, time.Hour
	c.OrderBy = func(e webhook.Event) string { return e.Provider }
	box := l.Open(t, c)
	must(t, box.Handle("a", "*", credit(l)))
	must(t, box.HandleStaged("b", "*", func(context.Context, *inbox.Delivery) (inbox.Handler[T], error) { return nil, nil }))
	must(t, box.Handle("dead", "*", func(context.Context, T, *inbox.Delivery) error { return inbox.Permanent(errors.New("never")) }))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { // Run may end with an error when its beginning fails: a program would start it again
		defer close(ended)
		for ctx.Err() == nil {
			_ = box.Run(ctx)
		}
	}()
	stop := sync.OnceFunc(func() {
		cancel()
		testwait.End(t, "Run", func() { <-ended })
		Close(t, box)
	})
	defer stop()
	acknowledged := map[string]bool{}
	for _, id := range []string{"a1", "a2", "a3", "a1", "b1", "dead1", "dead2", "nobody1"} {
		event := Event(id[:len(id)-1], "t", id)
		eventually(t, "Accept", func() (bool, error) { return box.Accept(t.Context(), event) })
		if id[0] == 'a' {
			acknowledged[event.Key.String()] = true
		}
	}
	settled(t, box, map[inbox.Status]int64{inbox.Done: 4, inbox.Dead: 2, inbox.Ignored: 1})
	operate(t, box)
	settled(t, box, map[inbox.Status]int64{inbox.Done: 4, inbox.Discarded: 2, inbox.Ignored: 1})
	eventually(t, "honest counters", func() (bool, error) { return true, honest(t.Context(), box) })
	stop()
	credits := l.Credits(t)
	for key := range acknowledged {
		if credits[key] != 1 {
			t.Errorf("%d effects of %s", credits[key], key)
		}
	}
	if len(credits) != 3 {
		t.Errorf("effects: %v", credits)
	}
}

// operate calls each method of box that the scenario has not called yet.
func operate[T any](t *testing.T, box Inbox[T]) {
	t.Helper()
	ctx, why := t.Context(), inbox.Reason{By: "ann", Why: "a test"}
	eventually(t, "Pause", func() (int, error) { return 0, box.Pause(ctx, "b", "t", why) })
	eventually(t, "Resume", func() (int, error) { return 0, box.Resume(ctx, "b", "t") })
	eventually(t, "Replay", func() (int64, error) {
		return box.Replay(ctx, inbox.Selection{Filter: inbox.Filter{Provider: "b"}}, why)
	})
	eventually(t, "Discard", func() (int64, error) {
		return box.Discard(ctx, inbox.Selection{Filter: inbox.Filter{Status: inbox.Dead}}, why)
	})
	eventually(t, "List of a provider", func() (inbox.Page, error) { return box.List(ctx, inbox.Filter{Provider: "a"}) })
	eventually(t, "List of a time", func() (inbox.Page, error) { return box.List(ctx, inbox.Filter{From: time.Now().Add(-time.Hour)}) })
	page := eventually(t, "List", func() (inbox.Page, error) { return box.List(ctx, inbox.Filter{}) })
	eventually(t, "Get", func() (inbox.Delivery, error) {
		d, _, err := box.Get(ctx, page.Deliveries[0].ID)
		return d, err
	})
	eventually(t, "Activity", func() ([]inbox.Minute, error) { return box.Activity(ctx, time.Now().Add(-time.Hour)) })
	eventually(t, "Export", func() (int, error) { return 0, box.Export(ctx, io.Discard, inbox.Filter{}) })
	eventually(t, "Health", func() (int, error) { return 0, box.Health(ctx) })
}

// eventually does what a caller does about a failure: it tries again.
func eventually[V any](t *testing.T, what string, do func() (V, error)) V {
	t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		v, err := do()
		if err == nil {
			return v
		}
		if time.Now().After(end) {
			t.Fatalf("%s: %v", what, err)
		}
	}
}

// settled waits until nothing is to be done, and compares what there is.
func settled[T any](t *testing.T, box Inbox[T], want map[inbox.Status]int64) {
	t.Helper()
	var stats inbox.Stats
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(time.Millisecond) {
		stats = eventually(t, "Stats", func() (inbox.Stats, error) { return box.Stats(t.Context()) })
		if stats.Total(inbox.Pending)+stats.Total(inbox.Waiting)+stats.Total(inbox.Running) == 0 {
			break
		}
	}
	for _, status := range inbox.Statuses() {
		if got := stats.Total(status); got != want[status] {
			t.Errorf("%d are %s, want %d", got, status, want[status])
		}
	}
}

// Honest compares what box counts with what it exports, while nothing happens, and looks for order keys of which more than one goes on, or none.
func Honest[T any](t *testing.T, box Inbox[T]) {
	t.Helper()
	must(t, honest(t.Context(), box))
}

func honest[T any](ctx context.Context, box Inbox[T]) error {
	stats, err := box.Stats(ctx)
	if err != nil {
		return err
	}
	var out bytes.Buffer
	if err := box.Export(ctx, &out, inbox.Filter{}); err != nil {
		return err
	}
	there := map[engine.Count]int64{}
	waiting, going := map[string]int{}, map[string]int{}
	for lines := json.NewDecoder(&out); lines.More(); {
		var line engine.Line
		if err := lines.Decode(&line); err != nil {
			return err
		}
		there[engine.Count{Lane: engine.Lane{Provider: line.Provider, Type: line.Type}, Status: line.Status}]++
		switch {
		case line.OrderKey == "":
		case line.Status == inbox.Waiting:
			waiting[line.OrderKey]++
		case line.Status == inbox.Pending, line.Status == inbox.Running:
			going[line.OrderKey]++
		}
	}
	var wrong []error
	for _, of := range stats.Types {
		for _, status := range inbox.Statuses() {
			c := engine.Count{Lane: engine.Lane{Provider: of.Provider, Type: of.Type}, Status: status}
			if of.ByStatus[status] != there[c] {
				wrong = append(wrong, fmt.Errorf("%+v: counted %d, there are %d", c, of.ByStatus[status], there[c]))
			}
			delete(there, c)
		}
	}
	for c, n := range there {
		wrong = append(wrong, fmt.Errorf("%+v: not counted, there are %d", c, n))
	}
	for key, n := range waiting {
		if going[key] == 0 {
			wrong = append(wrong, fmt.Errorf("order %q: %d wait for nobody", key, n))
		}
	}
	for key, n := range going {
		if n > 1 {
			wrong = append(wrong, fmt.Errorf("order %q: %d go on", key, n))
		}
	}
	return errors.Join(wrong...)
}
