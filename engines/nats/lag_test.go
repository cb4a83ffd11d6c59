package nats_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/testwait"
	"github.com/gatehouse-go/gatehouse/webhook/inbox"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/inboxtest"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/gatehouse-go/gatehouse/engines/nats"
)

// lagging reads streams from a server as ever, but for that messages reach the reader only while nobody has the lock.
type lagging struct {
	jetstream.JetStream
	sync.RWMutex
}

func (l *lagging) OrderedConsumer(ctx context.Context, stream string, c jetstream.OrderedConsumerConfig) (jetstream.Consumer, error) {
	consumer, err := l.JetStream.OrderedConsumer(ctx, stream, c)
	return laggingConsumer{consumer, l}, err
}

type laggingConsumer struct {
	jetstream.Consumer
	of *lagging
}

func (c laggingConsumer) Consume(each jetstream.MessageHandler, options ...jetstream.PullConsumeOpt) (jetstream.ConsumeContext, error) {
	return c.Consumer.Consume(func(m jetstream.Msg) {
		c.of.RLock()
		defer c.of.RUnlock()
		each(m)
	}, options...)
}

// behind runs f while the index of js reads nothing, with a context that ends soon.
func (l *lagging) behind(t *testing.T, f func(ctx context.Context)) {
	t.Helper()
	l.Lock()
	defer l.Unlock()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	f(ctx)
}

func openLagging(t *testing.T, l *ledger, c inbox.Config) (*nats.Inbox, *lagging) {
	t.Helper()
	js := &lagging{JetStream: l.js}
	box, err := nats.Open(t.Context(), js, l.config(c))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := box.Close(); err != nil {
			t.Error(err)
		}
	})
	return box, js
}

// What was stored and is not read yet is waited for, as long as the caller waits: no answer leaves it out.
func TestAnIndexThatIsBehindIsWaitedFor(t *testing.T) {
	t.Parallel()
	l := newLedger(t, running(t))
	box, js := openLagging(t, l, keeping())
	id := discarded(t, box, "1")
	for _, row := range []struct {
		what string
		ask  func(ctx context.Context) error
	}{
		{"List", func(ctx context.Context) error {
			_, err := box.Accept(ctx, inboxtest.Event("p", "t", "2"))
			_, late := box.List(ctx, inbox.Filter{})
			return errors.Join(err, late)
		}},
		{"Pause", func(ctx context.Context) error { return box.Pause(ctx, "p", "other", ann) }},
		{"Resume", func(ctx context.Context) error { return box.Resume(ctx, "p", "other") }},
		{"what removes bodies", func(ctx context.Context) error { return nats.Purge(box, ctx, time.Now().Add(afterBody)) }},
		{"what removes keys", func(ctx context.Context) error { return nats.Purge(box, ctx, time.Now().Add(afterKey)) }},
	} {
		js.behind(t, func(ctx context.Context) {
			if err := row.ask(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s: %v", row.what, err)
			}
		})
		if _, err := box.Stats(t.Context()); err != nil {
			t.Errorf("after %s: %v", row.what, err)
		}
	}
	if err := nats.Purge(box, t.Context(), time.Now().Add(afterKey)); err != nil {
		t.Fatal(err)
	}
	if _, _, err := box.Get(t.Context(), id); !errors.Is(err, inbox.ErrNotFound) {
		t.Errorf("what was forgotten: %v", err)
	}
}

// What another process has done, and the index does not show yet, is seen when it matters.
func TestAnIndexThatDoesNotShowWhatAnotherDid(t *testing.T) {
	t.Parallel()
	l := newLedger(t, running(t))
	box, js := openLagging(t, l, keeping())
	other := l.open(t, keeping())
	defer other.Close()
	purged, decided := discarded(t, box, "1"), accepted(t, box, "2")
	eventually(t, "the counts of both", func() bool { // after which it stores nothing by itself, that its index would have to have
		minutes, err := box.Activity(t.Context(), time.Now().Add(-time.Hour))
		accepted := int64(0)
		for _, m := range minutes {
			accepted += m.Accepted
		}
		return err == nil && accepted == 2
	})
	eventually(t, "two for the other", func() bool {
		page, err := other.List(t.Context(), inbox.Filter{})
		return err == nil && len(page.Deliveries) == 2 && page.Deliveries[1].Status == inbox.Discarded
	})
	js.behind(t, func(context.Context) {
		if err := nats.Purge(other, t.Context(), time.Now().Add(afterBody)); err != nil {
			t.Fatal(err)
		}
		if n, err := other.Discard(t.Context(), inbox.Selection{IDs: []int64{decided}}, ann); n != 1 || err != nil {
			t.Fatalf("%d discarded, %v", n, err)
		}
		if d, _, err := box.Get(t.Context(), purged); err != nil || !d.Purged {
			t.Errorf("a body that another removed: %+v, %v", d, err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		if n, err := box.Discard(ctx, inbox.Selection{IDs: []int64{decided}}, ann); n != 0 || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("what another discarded: %d discarded, %v", n, err)
		}
	})
	js.Lock()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	_, err := nats.Open(ctx, js, l.config(quick()))
	js.Unlock()
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Open before the stream is read: %v", err)
	}
}

// A delivery whose end the server refuses to store is interrupted with the process, and ends when another takes it up.
func TestADeliveryWhoseEndCannotBeStoredRunsAgain(t *testing.T) {
	t.Parallel()
	l := newLedger(t, running(t))
	c := quick()
	c.DrainTimeout = 100 * time.Millisecond
	box := l.open(t, c)
	defer box.Close()
	ran := make(chan struct{}, 100)
	refuse := sync.OnceFunc(func() { change(t, l, tight) })
	if err := box.Handle("p", "t", func(context.Context, nats.NoTx, *inbox.Delivery) error {
		refuse()
		ran <- struct{}{}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	id := accepted(t, box, "1")
	stop := inboxtest.Start(t, box)
	testwait.For(t, "the first attempt", ran)
	stop()
	if d, _, err := box.Get(t.Context(), id); err != nil || d.Status != inbox.Running {
		t.Errorf("it is %s, %v", d.Status, err)
	}
	change(t, l, func(*jetstream.StreamConfig) {})
	inboxtest.Start(t, box)
	if stats := inboxtest.Quiet(t, box); stats.Total(inbox.Done) != 1 || len(ran) != 1 {
		t.Errorf("%+v after %d runs more", stats, len(ran))
	}
}

// A state that is due before its event came counts from when it came.
func TestADeliveryThatWasDueBeforeItCameRuns(t *testing.T) {
	l := newLedger(t, running(t))
	box := l.open(t, quick())
	defer box.Close()
	if err := box.Handle("p", "t", func(context.Context, nats.NoTx, *inbox.Delivery) error { return nil }); err != nil {
		t.Fatal(err)
	}
	id := accepted(t, box, "1")
	write(t, l, subjectOf("1", "state"), `{"status":"pending","due":"2001-01-01T00:00:00Z"}`, "")
	eventually(t, "the time", func() bool {
		d, _, err := box.Get(t.Context(), id)
		return err == nil && d.DueAt.Before(d.AcceptedAt)
	})
	inboxtest.Start(t, box)
	if stats := inboxtest.Quiet(t, box); stats.Total(inbox.Done) != 1 {
		t.Errorf("%+v", stats)
	}
}
