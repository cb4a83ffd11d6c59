package nats_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/gatehouse-go/gatehouse/internal/testwait"
	"github.com/gatehouse-go/gatehouse/webhook"
	"github.com/gatehouse-go/gatehouse/webhook/inbox"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/inboxtest"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/gatehouse-go/gatehouse/engines/nats"
)

// forgetful is a server that says, while it forgets, that its streams have fewer messages than they have, as one does that leads a cluster since a moment
// ago.
type forgetful struct {
	jetstream.JetStream
	forgets atomic.Bool
	asked   atomic.Int64
	missed  chan struct{} // has a token when an Inbox has missed messages
}

// openForgetful opens an Inbox over a forgetful server.
func openForgetful(t *testing.T, l *ledger, c inbox.Config) (*nats.Inbox, *forgetful) {
	t.Helper()
	js := &forgetful{JetStream: l.js, missed: make(chan struct{}, 1)}
	c.Logger = slog.New(hears{slog.DiscardHandler, func(line string) {
		if strings.Contains(line, "has lost messages") && js.forgets.Swap(false) {
			js.missed <- struct{}{}
		}
	}})
	box, err := nats.Open(t.Context(), js, l.config(c))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { inboxtest.Close(t, box) })
	return box, js
}

// forget forgets until the stream is read anew.
func (f *forgetful) forget(t *testing.T) {
	t.Helper()
	f.forgets.Store(true)
	testwait.For(t, "a look that finds messages missing", f.missed)
}

func (f *forgetful) CreateStream(ctx context.Context, c jetstream.StreamConfig) (jetstream.Stream, error) {
	s, err := f.JetStream.CreateStream(ctx, c)
	return forgetfulStream{s, f}, err
}

type forgetfulStream struct {
	jetstream.Stream
	of *forgetful
}

func (s forgetfulStream) Info(ctx context.Context, options ...jetstream.StreamInfoOpt) (*jetstream.StreamInfo, error) {
	info, err := s.Stream.Info(ctx, options...)
	if err == nil && s.of.forgets.Load() {
		info.State.LastSeq = 1
	}
	s.of.asked.Add(1)
	return info, err
}

// hears calls heard with each line of a log.
type hears struct {
	slog.Handler
	heard func(line string)
}

func (h hears) Enabled(context.Context, slog.Level) bool { return true }

func (h hears) Handle(_ context.Context, r slog.Record) error {
	h.heard(r.Message)
	return nil
}

// The stream is read anew while all workers have a delivery: each goes on with what it has, nobody else begins with that, and then with the rest.
func TestWorkersOutliveAnIndexThatIsReadAnew(t *testing.T) {
	t.Parallel()
	l := newLedger(t, running(t))
	c := quick()
	c.OrderBy = func(e webhook.Event) string { return e.ID[:1] }
	box, js := openForgetful(t, l, c)
	const lines, each = 10, 5
	began, goOn := make(chan struct{}, lines*each), make(chan struct{})
	var mu sync.Mutex
	runs := map[string]int{}
	if err := box.Handle("p", "*", func(_ context.Context, _ nats.NoTx, d *inbox.Delivery) error {
		mu.Lock()
		runs[d.Event.ID]++
		mu.Unlock()
		began <- struct{}{}
		<-goOn
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	for i := range lines * each {
		accepted(t, box, fmt.Sprint(i%lines, "-", i/lines))
	}
	inboxtest.Start(t, box)
	release := sync.OnceFunc(func() { close(goOn) })
	t.Cleanup(release)
	for range 8 { // which is how many workers there are
		testwait.For(t, "a worker that is busy", began)
	}
	js.forget(t)
	asked := js.asked.Load()
	eventually(t, "the index, and some looks", func() bool { return js.asked.Load() > asked+4 })
	release()
	if stats := inboxtest.Quiet(t, box); stats.Total(inbox.Done) != lines*each {
		t.Errorf("%+v", stats)
	}
	mu.Lock()
	defer mu.Unlock()
	for id, n := range runs {
		if n != 1 {
			t.Errorf("%s ran %d times", id, n)
		}
	}
}

// What ends just when the stream has been read anew frees its worker too.
func TestAnIndexIsReadAnewUnderLoad(t *testing.T) {
	t.Parallel()
	l := newLedger(t, running(t))
	box, js := openForgetful(t, l, lasting())
	underLoad(t, l, box, 4, func(load *inboxtest.Load) {
		for range 3 {
			load.GoesOn(some / 10)
			js.forget(t)
		}
		load.GoesOn(some / 2)
	})
}

// late reads streams from a server that has none of their messages at first, and says that there are none, as one of a cluster does that was away.
type late struct {
	jetstream.JetStream
	asked atomic.Int64
}

func (l *late) OrderedConsumer(ctx context.Context, stream string, c jetstream.OrderedConsumerConfig) (jetstream.Consumer, error) {
	consumer, err := l.JetStream.OrderedConsumer(ctx, stream, c)
	if l.asked.Add(1) > 1 {
		return consumer, err
	}
	return lateConsumer{consumer}, err
}

type lateConsumer struct{ jetstream.Consumer }

func (lateConsumer) CachedInfo() *jetstream.ConsumerInfo { return &jetstream.ConsumerInfo{} }

func (c lateConsumer) Consume(_ jetstream.MessageHandler, options ...jetstream.PullConsumeOpt) (jetstream.ConsumeContext, error) {
	return c.Consumer.Consume(func(jetstream.Msg) {}, options...)
}

// What a server did not have yet that was asked first is read from another.
func TestAnIndexWhoseServerWasBehindMissesNothing(t *testing.T) {
	t.Parallel()
	l := newLedger(t, running(t))
	before := l.open(t, quick())
	accepted(t, before, "1")
	inboxtest.Close(t, before)
	box, err := nats.Open(t.Context(), &late{JetStream: l.js}, l.config(quick()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { inboxtest.Close(t, box) })
	if fresh, err := box.Accept(t.Context(), inboxtest.Event("p", "t", "2")); !fresh || err != nil {
		t.Fatalf("fresh %v, %v", fresh, err)
	}
	eventually(t, "the second", func() bool {
		page, err := box.List(t.Context(), inbox.Filter{EventID: "2"})
		return err == nil && len(page.Deliveries) == 1
	})
	if page, err := box.List(t.Context(), inbox.Filter{}); err != nil || len(page.Deliveries) != 2 {
		t.Errorf("%+v, %v", page, err)
	}
}
