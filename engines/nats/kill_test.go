package nats_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
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

// some is how many events are acknowledged between two disturbances.
const some = 200

// inOrder credits each delivery, and notes where one of an order key comes after a later one.
type inOrder struct {
	mu        sync.Mutex
	last      map[string]int64
	backwards []string
}

func (o *inOrder) crediting(l *ledger) inbox.Handler[nats.NoTx] {
	credit := crediting(l)
	return func(ctx context.Context, tx nats.NoTx, d *inbox.Delivery) error {
		if err := credit(ctx, tx, d); err != nil {
			return err
		}
		o.mu.Lock()
		defer o.mu.Unlock()
		if o.last == nil {
			o.last = map[string]int64{}
		}
		if d.ID < o.last[d.OrderKey] {
			o.backwards = append(o.backwards, fmt.Sprint(d.OrderKey, ": ", d.ID, " after ", o.last[d.OrderKey]))
		}
		o.last[d.OrderKey] = d.ID
		return nil
	}
}

// judge reports what came in the wrong order.
func (o *inOrder) judge(t *testing.T) {
	t.Helper()
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, row := range o.backwards {
		t.Error(row)
	}
}

// underLoad has n providers, and stores and handles while disturb does its worst, and the providers send again: what was acknowledged has its effect once, and in order.
func underLoad(t *testing.T, l *ledger, box *nats.Inbox, n int, disturb func(load *inboxtest.Load)) {
	t.Helper()
	order := &inOrder{}
	if err := box.Handle("p", "*", order.crediting(l)); err != nil {
		t.Fatal(err)
	}
	stop := inboxtest.Start(t, box)
	load := inboxtest.StartLoad(t, n, box)
	defer load.Stop()
	disturb(load)
	acknowledged := load.Stop()
	inboxtest.Quiet(t, box)
	stop()
	inboxtest.Once[nats.NoTx](t, l, acknowledged)
	inboxtest.Honest[nats.NoTx](t, box)
	order.judge(t)
	_, refused := load.Counts()
	t.Logf("%d events acknowledged, %d answers said to send again", len(acknowledged), refused)
}

// lasting is a configuration under which a delivery may be interrupted often, in lines of some deliveries.
func lasting() inbox.Config {
	c := quick()
	c.OrderBy = func(e webhook.Event) string { return fmt.Sprint(len(e.ID), e.ID[:1]) }
	c.MaxAttempts = 1000 // an attempt that is interrupted counts
	return c
}

// The server is killed with what it has not synced, and stopped for longer than the lease once; providers send again what was refused.
func TestServerKilledFiveTimesUnderLoadLosesAndDoublesNothing(t *testing.T) {
	s := own(t, true)
	l := newLedger(t, s)
	box := l.open(t, lasting())
	t.Cleanup(func() { inboxtest.Close(t, box) })
	underLoad(t, l, box, 16, func(load *inboxtest.Load) {
		for range 5 {
			load.GoesOn(some)
			s.kill()
			load.IsRefused()
			if err := s.start(); err != nil {
				t.Fatal(err)
			}
		}
		resume := s.stopped(t)
		time.Sleep(nats.LeaseTime + time.Second) // which interrupts what is in hand
		resume()
		load.GoesOn(some)
	})
}
