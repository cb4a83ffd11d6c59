package nats

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook"
	"github.com/gatehouse-go/gatehouse/webhook/inbox"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/engine"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	watchEvery = time.Second
	stuckAfter = 5 * time.Second
)

// following is one reading of the stream into an index.
type following struct {
	*ledger
	consume jetstream.ConsumeContext
	loaded  chan struct{} // closed when what was there at the beginning has been applied
}

// follow begins to read the stream into l, from what l has on, by headers alone.
func (b *Inbox) follow(ctx context.Context, l *ledger) (*following, error) {
	info, err := b.info(ctx)
	if err != nil {
		return nil, err
	}
	start := jetstream.OrderedConsumerConfig{HeadersOnly: true}
	if seen := l.lastSeen(); seen > 0 { // what was passed may have been missing only in a server that was behind
		start.DeliverPolicy, start.OptStartSeq = jetstream.DeliverByStartSequencePolicy, seen+1
	}
	consumer, err := b.js.OrderedConsumer(ctx, b.config.Stream, start)
	if err != nil {
		return nil, err
	}
	f := &following{ledger: l, loaded: make(chan struct{})}
	var done atomic.Bool
	finish := func() {
		if !done.Swap(true) {
			close(f.loaded)
		}
	}
	if now := consumer.CachedInfo(); info.State.Msgs == 0 || now != nil && now.NumPending == 0 {
		l.pass(info.State.LastSeq) // what was there last has been removed
		finish()
	}
	prefix := b.config.Stream + "."
	f.consume, err = consumer.Consume(func(m jetstream.Msg) {
		meta, err := m.Metadata()
		if err != nil {
			return // not from the stream
		}
		l.apply(strings.TrimPrefix(m.Subject(), prefix), meta.Sequence.Stream, meta.Timestamp, m.Headers().Get(header))
		if meta.NumPending == 0 || meta.Sequence.Stream >= info.State.LastSeq {
			finish()
		}
	}, jetstream.ConsumeErrHandler(func(_ jetstream.ConsumeContext, err error) {
		b.config.Inbox.Logger.Debug("inbox follows its stream again", "error", err)
	}))
	return f, err
}

// info returns what the server says of the stream.
func (b *Inbox) info(ctx context.Context) (*jetstream.StreamInfo, error) {
	ctx, done := b.link.ask(ctx)
	defer done()
	return b.stream.Info(ctx)
}

// load reads the whole stream.
func (b *Inbox) load(ctx context.Context) (*following, error) {
	f, err := b.follow(ctx, newLedger(b.lanes.Wake))
	if err != nil {
		return nil, err
	}
	select {
	case <-f.loaded:
		return f, nil
	case <-ctx.Done():
		f.consume.Stop()
		return nil, ctx.Err()
	}
}

// watch looks now and then whether the index follows the stream, until ctx ends.
func (b *Inbox) watch(ctx context.Context) {
	moved := time.Now()
	var last uint64
	missed := false // messages were missing at the last look
	for engine.Sleep(ctx, watchEvery) {
		f := b.index.Load()
		position := f.at()
		if position != last {
			last, moved = position, time.Now()
		}
		info, err := b.info(ctx)
		before := missed
		missed = errors.Is(err, jetstream.ErrStreamNotFound) || err == nil && info.State.LastSeq < position
		switch {
		case missed && !before: // a server that leads a cluster since a moment ago may not have read all that it has
		case missed:
			// The stream is not what it was: a server came back without its disk.
			b.config.Inbox.Logger.ErrorContext(ctx, "inbox: the stream has lost messages", "stream", b.config.Stream, "known", position)
			if next, err := b.load(ctx); err == nil {
				b.replace(f, next)
			}
		case err == nil && info.State.LastSeq > position && time.Since(moved) > stuckAfter && position > 0:
			if next, err := b.follow(ctx, f.ledger); err == nil {
				f.consume.Stop()
				b.index.Store(next)
			}
			moved = time.Now()
		}
	}
}

// replace puts an index that was read anew in the place of another. What workers have in hand stays theirs.
func (b *Inbox) replace(f, next *following) {
	f.consume.Stop()
	f.mu.Lock()
	defer f.mu.Unlock()
	next.mu.Lock()
	defer next.mu.Unlock()
	next.held = map[webhook.Key]bool{}
	b.inHand.Range(func(_, value any) bool {
		c := value.(*claim) //nolint:forcetypeassert // it has claims alone
		next.held[c.key] = true
		if r := next.rows[c.key]; r != nil {
			r.inHand = true
		}
		return true
	})
	b.stored.Store(next.position)
	b.index.Store(next)
	close(f.left)
}

// lock returns the index, locked.
func (b *Inbox) lock() *ledger {
	for {
		l := b.index.Load().ledger
		l.mu.Lock()
		if b.index.Load().ledger == l {
			return l
		}
		l.mu.Unlock()
	}
}

// current returns the index when it has everything that this process was told is stored.
func (b *Inbox) current(ctx context.Context) (*ledger, error) {
	if b.closed.Load() {
		return nil, inbox.ErrClosed
	}
	l := b.index.Load().ledger
	return l, b.applied(ctx, l, b.stored.Load())
}

// applied waits until l has the message of that number.
func (b *Inbox) applied(ctx context.Context, l *ledger, seq uint64) error {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	select {
	case <-l.reached(seq):
		return nil
	case <-ctx.Done():
		return unavailable(fmt.Errorf("nats inbox: the stream is not read up to message %d: %w", seq, ctx.Err()))
	}
}
