package nats_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook"
	"github.com/gatehouse-go/gatehouse/webhook/inbox"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/inboxtest"

	"github.com/gatehouse-go/gatehouse/engines/nats"
)

func quick() inbox.Config {
	return inbox.Config{Backoff: func(int) time.Duration { return time.Millisecond }, Logger: slog.New(slog.DiscardHandler)}
}

// crediting fails the first attempt of every seventh delivery, after its effect.
func crediting(l *ledger) inbox.Handler[nats.NoTx] {
	return func(ctx context.Context, tx nats.NoTx, d *inbox.Delivery) error {
		if err := l.Credit(ctx, tx, d.IdempotencyKey()); err != nil {
			return err
		}
		if d.Attempts == 1 && d.ID%7 == 0 {
			return errors.New("the first attempt of every seventh fails")
		}
		return nil
	}
}

// enough is after how many acknowledgements something is killed.
const enough = 200

// run runs box until the test ends or stop is called.
func run(t *testing.T, box *nats.Inbox) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- box.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	t.Cleanup(stop)
	return stop
}

// quiet waits until nothing is to be done.
func quiet(t *testing.T, box *nats.Inbox) inbox.Stats {
	t.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		stats, err := box.Stats(t.Context())
		if err == nil && stats.Total(inbox.Pending)+stats.Total(inbox.Waiting)+stats.Total(inbox.Running) == 0 {
			return stats
		}
		if time.Now().After(end) {
			t.Fatalf("something is left: %+v, %v", stats, err)
		}
	}
}

// The server is killed with what it has not synced, and stopped for longer than the lease once; providers send again what was refused.
func TestServerKilledFiveTimesUnderLoadLosesAndDoublesNothing(t *testing.T) {
	s := own(t, true)
	l := newLedger(t, s)
	c := quick()
	c.OrderBy = func(e webhook.Event) string { return fmt.Sprint(len(e.ID), e.ID[:1]) }
	c.MaxAttempts = 1000 // an attempt that is interrupted counts
	box := l.open(t, c)
	defer box.Close()
	var mu sync.Mutex
	last := map[string]int64{}
	var backwards []string
	credit := crediting(l)
	if err := box.Handle("p", "*", func(ctx context.Context, tx nats.NoTx, d *inbox.Delivery) error {
		err := credit(ctx, tx, d)
		if err == nil {
			mu.Lock()
			defer mu.Unlock()
			if d.ID < last[d.OrderKey] {
				backwards = append(backwards, fmt.Sprint(d.OrderKey, ": ", d.ID, " after ", last[d.OrderKey]))
			}
			last[d.OrderKey] = d.ID
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	stop := run(t, box)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	var next, refused atomic.Int64
	var acknowledged []string
	enoughNow := make(chan struct{}, 1)
	halt := make(chan struct{})
	var producers sync.WaitGroup
	for range 16 {
		producers.Go(func() {
			for ctx.Err() == nil {
				select {
				case <-halt:
					return
				default:
				}
				id := fmt.Sprint(next.Add(1))
				for ctx.Err() == nil { // until it is acknowledged
					one, cancel := context.WithTimeout(ctx, time.Second)
					_, err := box.Accept(one, inboxtest.Event("p", "t", id))
					cancel()
					if err == nil {
						break
					}
					if !errors.Is(err, webhook.ErrUnavailable) {
						t.Errorf("Accept: %v", err)
					}
					refused.Add(1)
				}
				mu.Lock()
				acknowledged = append(acknowledged, id)
				if len(acknowledged)%enough == 0 {
					select {
					case enoughNow <- struct{}{}:
					default:
					}
				}
				mu.Unlock()
			}
		})
	}
	for range 5 {
		select {
		case <-enoughNow:
		case <-ctx.Done():
			t.Fatal("too few events are acknowledged")
		}
		s.kill()
		if err := s.start(); err != nil {
			t.Fatal(err)
		}
	}
	resume := s.stopped(t)
	time.Sleep(nats.LeaseTime + time.Second) // which interrupts what is in hand
	resume()
	<-enoughNow
	close(halt)
	producers.Wait()
	quiet(t, box)
	stop()
	mu.Lock()
	defer mu.Unlock()
	inboxtest.Once[nats.NoTx](t, l, acknowledged)
	inboxtest.Honest[nats.NoTx](t, box)
	t.Logf("%d events acknowledged, %d answers said to send again", len(acknowledged), refused.Load())
	if refused.Load() == 0 {
		t.Error("no answer was refused: nothing is shown")
	}
	slices.Sort(backwards)
	for _, row := range backwards {
		t.Error(row)
	}
}
