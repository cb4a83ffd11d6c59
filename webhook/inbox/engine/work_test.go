package engine_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gatehouse-go/gatehouse/webhook"
	"github.com/gatehouse-go/gatehouse/webhook/inbox"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/engine"
)

// noTx is the transaction of an engine that has none.
type noTx struct{}

// notes is a Work whose ledger is in memory.
type notes struct {
	engine.Work[noTx]
	ended    []inbox.Status
	failures []engine.Failure
	observed []inbox.ObservationKind
	failErrs []error // of Fail, one after the other
}

func newNotes(t *testing.T, c inbox.Config) *notes {
	t.Helper()
	n := &notes{}
	c.Logger = slog.New(slog.DiscardHandler)
	c.Observe = func(o inbox.Observation) { n.observed = append(n.observed, o.Kind) }
	c, err := c.Complete()
	if err != nil {
		t.Fatal(err)
	}
	n.Work = engine.Work[noTx]{
		Config: c, Routes: &engine.Routes[noTx]{},
		Effect: func(ctx context.Context, d engine.Row, h inbox.Handler[noTx], status inbox.Status, _ time.Time) error {
			if h != nil {
				if err := n.Run(ctx, noTx{}, d, h); err != nil {
					return err
				}
			}
			n.ended = append(n.ended, status)
			return nil
		},
		Fail: func(_ context.Context, _ engine.Row, f engine.Failure) error {
			if len(n.failErrs) > 0 {
				err := n.failErrs[0]
				n.failErrs = n.failErrs[1:]
				return err
			}
			n.failures = append(n.failures, f)
			return nil
		},
	}
	return n
}

func deliveryOf(typ string, attempts int) engine.Row {
	return engine.Row{Delivery: &inbox.Delivery{ID: 1, Event: webhook.Event{Provider: "p", Type: typ}, Attempts: attempts}, Tries: attempts, Since: time.Now().Add(-time.Minute)}
}

func TestAttemptsEndInOneWay(t *testing.T) {
	boom := errors.New("boom")
	synctest.Test(t, func(t *testing.T) {
		n := newNotes(t, inbox.Config{MaxAttempts: 3, HandlerTimeout: time.Second, Backoff: func(int) time.Duration { return time.Minute }})
		handle := func(typ string, h inbox.Handler[noTx]) {
			if err := n.Routes.Handle("p", typ, h); err != nil {
				t.Fatal(err)
			}
		}
		handle("good", func(_ context.Context, _ noTx, d *inbox.Delivery) error { d.Attempts = 99; return nil })
		handle("bad", func(context.Context, noTx, *inbox.Delivery) error { return boom })
		handle("panics", func(context.Context, noTx, *inbox.Delivery) error { panic(boom) })
		handle("slow", func(ctx context.Context, _ noTx, _ *inbox.Delivery) error { <-ctx.Done(); return ctx.Err() })
		if err := n.Routes.HandleStaged("p", "staged", func(context.Context, *inbox.Delivery) (inbox.Handler[noTx], error) { return nil, boom }); err != nil {
			t.Fatal(err)
		}
		for _, row := range []struct {
			name     string
			typ      string
			attempts int
			ended    inbox.Status
			dead     bool
			observed inbox.ObservationKind
			text     string
		}{
			{"a handler that is well", "good", 1, inbox.Done, false, inbox.ObserveDone, ""},
			{"a type without a handler", "unknown", 1, inbox.Ignored, false, inbox.ObserveDone, ""},
			{"a handler that fails", "bad", 1, "", false, inbox.ObserveFailed, "boom"},
			{"a handler that fails for the last time", "bad", 3, "", true, inbox.ObserveDead, "boom"},
			{"a handler that panics", "panics", 1, "", false, inbox.ObserveFailed, "panic: boom"},
			{"a handler that is too slow", "slow", 1, "", false, inbox.ObserveFailed, "deadline exceeded"},
			{"the slow part fails", "staged", 1, "", false, inbox.ObserveFailed, "boom"},
		} {
			n.ended, n.failures, n.observed = nil, nil, nil
			d := deliveryOf(row.typ, row.attempts)
			n.Handle(t.Context(), d)
			if diff := cmp.Diff([]inbox.ObservationKind{inbox.ObserveStarted, row.observed}, n.observed); diff != "" {
				t.Errorf("%s: %s", row.name, diff)
			}
			if d.Attempts != row.attempts {
				t.Errorf("%s: the handler changed the engine's delivery", row.name)
			}
			if row.ended != "" {
				if len(n.failures) != 0 || len(n.ended) != 1 || n.ended[0] != row.ended {
					t.Errorf("%s: %+v, %+v", row.name, n.ended, n.failures)
				}
				continue
			}
			if len(n.failures) != 1 || len(n.ended) != 0 {
				t.Fatalf("%s: %+v, %+v", row.name, n.ended, n.failures)
			}
			f := n.failures[0]
			wait, status := time.Minute, inbox.Pending
			if row.dead {
				wait, status = 0, inbox.Dead
			}
			if f.Dead != row.dead || f.Wait != wait || f.Status() != status || !strings.Contains(f.Attempt.Error, row.text) || f.Attempt.Number != row.attempts ||
				f.Attempt.Result != inbox.ResultFailed || (f.Attempt.Stack != "") != (row.typ == "panics") {
				t.Errorf("%s: %+v", row.name, f)
			}
		}
	})
}

func TestAFailureIsRecordedWhenTheLedgerIsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNotes(t, inbox.Config{})
		if err := n.Routes.Handle("p", "bad", func(context.Context, noTx, *inbox.Delivery) error { return errors.New("boom") }); err != nil {
			t.Fatal(err)
		}
		away := errors.New("the database is away")
		n.failErrs = []error{away, away}
		begin := time.Now()
		n.Handle(t.Context(), deliveryOf("bad", 1))
		if len(n.failures) != 1 || time.Since(begin) != 2*engine.Poll {
			t.Errorf("%+v after %v", n.failures, time.Since(begin))
		}
		n.failures, n.failErrs = nil, []error{inbox.ErrClosed, away}
		n.Handle(t.Context(), deliveryOf("bad", 1))
		if len(n.failures) != 0 || len(n.failErrs) != 1 {
			t.Error("a closed ledger is asked again")
		}
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		n.failErrs = nil
		n.Handle(ended, deliveryOf("bad", 9))
		if len(n.failures) != 1 || n.failures[0].Attempt.Result != inbox.ResultInterrupted || n.failures[0].Dead || n.failures[0].Wait != 0 {
			t.Errorf("the end of the drain is not the event's fault: %+v", n.failures)
		}
	})
}

func TestInterruptedDeliveriesComeBack(t *testing.T) {
	c := inbox.Config{MaxAttempts: 3, Backoff: func(int) time.Duration { return time.Minute }}
	for _, row := range []struct {
		name string
		try  int
		wait time.Duration
		dead bool
	}{{"the first time at once", 1, 0, false}, {"the second time later", 2, time.Minute, false}, {"the last time never", 3, 0, true}} {
		f := engine.Interrupted(c, deliveryOf("t", row.try))
		if f.Wait != row.wait || f.Dead != row.dead || f.Attempt.Result != inbox.ResultInterrupted || f.Attempt.Error == "" {
			t.Errorf("%s: %+v", row.name, f)
		}
	}
	if a := engine.Success(deliveryOf("t", 2), inbox.Ignored, time.Now()); a.Result != inbox.ResultSucceeded || a.Number != 2 || a.Error == "" {
		t.Errorf("what has no handler: %+v", a)
	}
}

func TestArrivals(t *testing.T) {
	c := inbox.Config{OrderBy: func(e webhook.Event) string { return "of " + e.ID }}
	key := webhook.NewKey("p", []byte("1"))
	known, err := engine.NewArrival(c, webhook.Event{Provider: "p", Type: "t", ID: "1", Key: key})
	if err != nil || known.Key != key || known.OrderKey != "of 1" || known.Event.Body == nil || known.Size < int64(len(known.Request)) || known.Lane() != (engine.Lane{Provider: "p", Type: "t"}) {
		t.Errorf("%+v, %v", known, err)
	}
	seen := map[webhook.Key]bool{key: true, {}: true}
	for _, e := range []webhook.Event{{Key: key, Repeatable: true}, {Key: key, Repeatable: true}, {}, {}} { // nothing tells a repeat of these
		a, err := engine.NewArrival(inbox.Config{}, e)
		if err != nil || seen[a.Key] {
			t.Errorf("%x, %v", a.Key, err)
		}
		seen[a.Key] = true
	}
	if _, err := engine.NewArrival(inbox.Config{}, webhook.Event{ReceivedAt: time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)}); err == nil || errors.Is(err, webhook.ErrUnavailable) {
		t.Errorf("a time that JSON does not have: %v", err)
	}
	no := errors.New("no")
	for _, row := range []struct {
		fresh bool
		err   error
		want  inbox.ObservationKind
	}{{true, nil, inbox.ObserveAccepted}, {false, nil, inbox.ObserveDuplicate}, {false, no, inbox.ObserveRefused}} {
		var seen []inbox.Observation
		c := inbox.Config{Observe: func(o inbox.Observation) { seen = append(seen, o) }}
		fresh, err := engine.Observed(c, webhook.Event{Type: "t"}, func() (bool, error) { return row.fresh, row.err })
		if fresh != row.fresh || !errors.Is(err, row.err) || len(seen) != 1 || seen[0].Kind != row.want || seen[0].Type != "t" || !errors.Is(seen[0].Err, row.err) {
			t.Errorf("%s: %v, %v, %+v", row.want, fresh, err, seen)
		}
	}
}
