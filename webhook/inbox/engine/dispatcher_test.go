package engine_test

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/time/rate"

	"github.com/gatehouse-go/gatehouse/webhook/inbox"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/engine"
)

var lane = engine.Lane{Provider: "p", Type: "t"}

// memory is a ledger of one lane from which a Dispatcher claims.
type memory struct {
	engine.Dispatcher
	lanes   engine.Lanes
	pending atomic.Int64
	claims  atomic.Int64
	looks   atomic.Int64
	fails   atomic.Bool // Claim and Look fail
}

func newMemory(t *testing.T, c inbox.Config, handle func(ctx context.Context, d engine.Row)) *memory {
	t.Helper()
	c.Logger = slog.New(slog.DiscardHandler)
	c, err := c.Complete()
	if err != nil {
		t.Fatal(err)
	}
	m := &memory{}
	m.lanes.Init(c)
	var id atomic.Int64
	m.Dispatcher = engine.Dispatcher{
		Config: c, Lanes: &m.lanes, Handle: handle,
		Look: func(context.Context) error {
			m.looks.Add(1)
			if m.fails.Load() {
				return errors.New("no look")
			}
			due := map[engine.Lane]time.Time{}
			if m.pending.Load() > 0 {
				due[lane] = time.Now()
			}
			m.lanes.Refresh(due, nil)
			return nil
		},
		Claim: func(_ context.Context, shares []engine.Share) (rows []engine.Row, due map[engine.Lane]time.Time, err error) {
			m.claims.Add(1)
			if m.fails.Load() {
				return nil, nil, errors.New("no claim")
			}
			for range shares[0].N {
				if m.pending.Load() > 0 {
					m.pending.Add(-1)
					d := deliveryOf("t", 1)
					d.ID = id.Add(1)
					rows = append(rows, d)
				}
			}
			if m.pending.Load() > 0 {
				due = map[engine.Lane]time.Time{lane: time.Now()}
			}
			return rows, due, nil
		},
	}
	return m
}

func (m *memory) start(t *testing.T) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); m.Run(ctx) }()
	return func() { cancel(); <-done }
}

func TestDispatcherKeepsAllWorkersBusyAndNoMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var handled, now, most atomic.Int64
		m := newMemory(t, inbox.Config{Workers: 4}, func(context.Context, engine.Row) {
			most.Store(max(most.Load(), now.Add(1)))
			time.Sleep(100 * time.Millisecond)
			now.Add(-1)
			handled.Add(1)
		})
		m.pending.Store(20)
		stop := m.start(t)
		time.Sleep(time.Second)
		if handled.Load() != 20 || most.Load() != 4 || m.claims.Load() > 10 {
			t.Errorf("%d handled, %d at once, %d claims", handled.Load(), most.Load(), m.claims.Load())
		}
		m.pending.Store(1) // and nobody says so: the look finds it
		time.Sleep(engine.Poll + 200*time.Millisecond)
		if handled.Load() != 21 {
			t.Error("what nobody told is not found")
		}
		m.pending.Store(1)
		m.lanes.Wake(lane)
		synctest.Wait()
		if len(m.InHand()) != 1 {
			t.Error("what was told is not begun at once")
		}
		stop()
		if handled.Load() != 22 || len(m.InHand()) != 0 {
			t.Error("what was in hand is not finished")
		}
	})
}

func TestDispatcherWaitsUntilItIsReadyAndHears(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var handled atomic.Int64
		var ready atomic.Bool
		m := newMemory(t, inbox.Config{}, func(context.Context, engine.Row) { handled.Add(1) })
		heard := make(chan struct{}, 1)
		m.Heard, m.Ready = heard, ready.Load
		m.pending.Store(1)
		defer m.start(t)()
		time.Sleep(5 * engine.Poll)
		if handled.Load() != 0 || m.claims.Load() != 0 {
			t.Error("claimed before it is ready")
		}
		looks := m.looks.Load()
		ready.Store(true)
		heard <- struct{}{}
		synctest.Wait()
		if handled.Load() != 1 || m.looks.Load() == looks {
			t.Error("did not look when it heard")
		}
	})
}

func TestDispatcherOutlivesALedgerThatIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var handled atomic.Int64
		m := newMemory(t, inbox.Config{}, func(context.Context, engine.Row) { handled.Add(1) })
		m.pending.Store(3)
		m.fails.Store(true)
		m.lanes.Wake(lane)
		defer m.start(t)()
		time.Sleep(5 * engine.Poll)
		if m.claims.Load() < 3 || m.claims.Load() > 6 {
			t.Errorf("%d claims in five seconds", m.claims.Load())
		}
		m.fails.Store(false)
		time.Sleep(2 * engine.Poll)
		if handled.Load() != 3 {
			t.Errorf("%d handled", handled.Load())
		}
	})
}

func TestDispatcherInterruptsWhatOutlivesTheDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		interrupted := make(chan error, 1)
		m := newMemory(t, inbox.Config{DrainTimeout: time.Minute}, func(ctx context.Context, _ engine.Row) {
			<-ctx.Done()
			interrupted <- ctx.Err()
		})
		m.pending.Store(1)
		stop := m.start(t)
		synctest.Wait()
		begin := time.Now()
		stop()
		if took := time.Since(begin); took != time.Minute || <-interrupted == nil {
			t.Errorf("the drain took %v", took)
		}
	})
}

func TestLanesTakeTurnsWithinTheirRates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow, paused := engine.Lane{Provider: "p", Type: "slow"}, engine.Lane{Provider: "p", Type: "paused"}
		var lanes engine.Lanes
		lanes.Init(inbox.Config{Rates: []inbox.Rate{{Provider: "p", Type: "slow", Limit: rate.Limit(2), Burst: 1}}})
		now := time.Now()
		lanes.Refresh(map[engine.Lane]time.Time{lane: now, slow: now, paused: now}, []engine.Lane{paused})
		taken := map[engine.Lane]int{}
		shares, _ := lanes.Shares(now, 8)
		for _, s := range shares {
			taken[s.Lane] += s.N
		}
		if taken[slow] != 1 || taken[lane] == 0 || taken[paused] != 0 {
			t.Errorf("shares: %v", shares)
		}
		lanes.Settle(lane, now.Add(time.Hour))
		lanes.Settle(slow, now)
		shares, again := lanes.Shares(now, 8)
		if len(shares) != 0 || again.Sub(now) != 500*time.Millisecond {
			t.Errorf("before the next permit: %v, again in %v", shares, again.Sub(now))
		}
		if shares, _ = lanes.Shares(now, 0); len(shares) != 0 {
			t.Errorf("nobody is free: %v", shares)
		}
		lanes.Refresh(nil, nil) // nothing is paused any more
		if shares, _ = lanes.Shares(now, 8); len(shares) != 1 || shares[0].Lane != paused {
			t.Errorf("after the pause: %v", shares)
		}
	})
}

func TestRetainWorksInStepsAndComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, err := inbox.Config{Logger: slog.New(slog.DiscardHandler)}.Complete()
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var steps atomic.Int64
		done := make(chan struct{})
		go func() {
			defer close(done)
			engine.Retain(ctx, c, func(context.Context) (bool, error) {
				n := steps.Add(1)
				if n == 5 {
					return true, errors.New("no")
				}
				return n%3 != 0, nil
			})
		}()
		for i, want := range []int64{3, 5, 6} { // a step that fails is not tried at once
			synctest.Wait()
			if steps.Load() != want {
				t.Errorf("minute %d: %d steps, want %d", i, steps.Load(), want)
			}
			time.Sleep(time.Minute)
		}
		cancel()
		<-done
	})
}

func TestGuardWaitsNoLongerThanTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		release := make(chan struct{})
		if err := engine.Guard(ctx, func() error { <-release; return nil }); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		close(release)
		if err := engine.Guard(ctx, func() error { return nil }); err != nil && !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
}
