package nats

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/refusal"
	"github.com/gatehouse-go/gatehouse/webhook"
	"github.com/gatehouse-go/gatehouse/webhook/inbox"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/engine"
	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// ErrTooLarge is returned by Accept for an event that is larger, with its header, than the server takes (max_payload, 1 MiB by default) or the stream
// (max_msg_size). It is answered 413.
var ErrTooLarge = refusal.New(http.StatusRequestEntityTooLarge, "nats inbox: the event is larger than a message may be")

// arrivals bounds the events that wait for the server's answer.
type arrivals struct {
	maxEvents int
	maxBytes  int64

	mu     sync.Mutex
	events int
	bytes  int64
	closed bool
	all    sync.WaitGroup
}

func (a *arrivals) init(c inbox.Config) { a.maxEvents, a.maxBytes = c.MaxQueue, c.MaxQueueBytes }

// add lets an event in. The caller calls leave with the same size.
func (a *arrivals) add(size int64) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case a.closed:
		return inbox.ErrClosed
	case a.events >= a.maxEvents || a.bytes+size > a.maxBytes:
		return inbox.ErrQueueFull
	}
	a.events++
	a.bytes += size
	a.all.Add(1)
	return nil
}

func (a *arrivals) leave(size int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.events--
	a.bytes -= size
	a.all.Done()
}

func (a *arrivals) len() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.events
}

// close refuses further events and waits for those that are in.
func (a *arrivals) close() {
	a.mu.Lock()
	a.closed = true
	a.mu.Unlock()
	a.all.Wait()
}

// Accept implements [inbox.Accepter]. An event of more bytes than a message may have is refused with [ErrTooLarge].
func (b *Inbox) Accept(ctx context.Context, e webhook.Event) (fresh bool, err error) {
	return engine.Observed(b.config.Inbox, e, func() (bool, error) {
		fresh, err := b.accept(ctx, e)
		switch {
		case fresh:
			b.minutes.add(inbox.Minute{Accepted: 1})
		case err == nil:
			b.minutes.add(inbox.Minute{Duplicates: 1})
		}
		return fresh, err
	})
}

func (b *Inbox) accept(ctx context.Context, e webhook.Event) (fresh bool, err error) {
	if ctx.Err() != nil {
		return false, unavailable(ctx.Err())
	}
	a, err := engine.NewArrival(b.config.Inbox, e)
	if err != nil {
		return false, err
	}
	if err := b.arrivals.add(a.Size); err != nil {
		return false, err
	}
	defer b.arrivals.leave(a.Size)
	r := eventRecord{Provider: []byte(e.Provider), Type: []byte(e.Type), EventID: []byte(e.ID), OrderKey: []byte(a.OrderKey), Body: len(e.Body)}
	payload := slices.Concat(e.Body, a.Request)
	_, err = b.publish(ctx, b.config.subjectOf(a.Key, kindEvent), record(r), payload, 0)
	switch {
	case err == nil:
		return true, nil
	case errors.Is(err, errConflict):
		return false, b.repeat(ctx, a.Key)
	case errors.Is(err, natsgo.ErrMaxPayload), hasCode(err, jetstream.JSErrCodeStreamMessageExceedsMaximum):
		return false, fmt.Errorf("%w: %d bytes: %w", ErrTooLarge, len(payload), err)
	}
	return false, unavailable(err)
}

func hasCode(err error, code jetstream.ErrorCode) bool {
	refused, ok := errors.AsType[*jetstream.APIError](err)
	return ok && refused.ErrorCode == code
}

// knownWithin is how long the index may take to show an event that the server has, and the server to count that it came again.
const knownWithin = 2 * time.Second

// repeat counts that an event came again. It returns nil only when the event is in the index: a cluster refuses a second message also while
// it has not agreed upon the first.
func (b *Inbox) repeat(ctx context.Context, key webhook.Key) error {
	counting, cancel := context.WithTimeout(ctx, knownWithin)
	defer cancel()
	for {
		l := b.index.Load().ledger
		l.mu.RLock()
		r := l.rows[key]
		var n int
		var last uint64
		known := r != nil && r.lane != nil
		if known {
			n, last = r.duplicates, r.repeatsSeq
		}
		l.mu.RUnlock()
		if known {
			_, err := b.publish(counting, b.config.subjectOf(key, kindRepeats), strconv.Itoa(n+1), nil, last)
			if err == nil {
				return nil
			}
			if !errors.Is(err, errConflict) { // the event is stored: that it is not counted once is no reason to have it sent again
				b.config.Inbox.Logger.DebugContext(ctx, "inbox cannot count a repeat", "error", err)
				return nil
			}
		}
		if !engine.Sleep(counting, 2*time.Millisecond) {
			if known {
				return nil
			}
			return unavailable(errors.New("nats inbox: the event is being stored, or removed, by another"))
		}
	}
}
