package nats

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook"
	"github.com/gatehouse-go/gatehouse/webhook/inbox"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/engine"
	"github.com/nats-io/nats.go/jetstream"
)

// claim is a delivery that a worker has, or that somebody decides about.
type claim struct {
	l       *ledger // from which it was taken
	key     webhook.Key
	row     engine.Row
	last    uint64 // message of its state
	history []inbox.Attempt
}

// say stores the next state of a delivery, which must still have the one that c knows, and adds to its history.
func (b *Inbox) say(ctx context.Context, c claim, next stateRecord, more ...inbox.Attempt) (uint64, error) {
	next.Error = brief(next.Error)
	for i := range more {
		more[i].Error, more[i].Stack = brief(more[i].Error), brief(more[i].Stack)
	}
	payload := encodeHistory(slices.Concat(c.history, more))
	return b.publish(ctx, b.config.subjectOf(c.key, kindState), record(next), payload, c.last)
}

// last returns the message of a kind that a key has.
func (b *Inbox) last(ctx context.Context, key webhook.Key, kind string) (*jetstream.RawStreamMsg, error) {
	ctx, done := b.link.ask(ctx)
	defer done()
	return b.stream.GetLastMsgForSubject(ctx, b.config.subjectOf(key, kind))
}

// history returns what happened to the delivery of a key.
func (b *Inbox) history(ctx context.Context, key webhook.Key) ([]inbox.Attempt, error) {
	m, err := b.last(ctx, key, kindState)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("nats inbox: %w", err)
	}
	return decodeHistory(m.Data)
}

// event returns the event of a key with body and header. purged is true when they are gone.
func (b *Inbox) event(ctx context.Context, key webhook.Key) (e webhook.Event, purged bool, err error) {
	m, err := b.last(ctx, key, kindEvent)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return e, false, inbox.ErrNotFound
	}
	if err != nil {
		return e, false, fmt.Errorf("nats inbox: %w", err)
	}
	return decodeEvent(key, m.Header.Get(header), m.Data)
}

// handle runs one attempt of a claimed delivery.
func (b *Inbox) handle(ctx context.Context, d engine.Row) {
	c := b.claimOf(d)
	defer b.letGo(ctx, c)
	for {
		e, _, err := b.event(ctx, c.key)
		switch {
		case err == nil:
			c.row.Event = e
			b.work.Handle(ctx, c.row)
			return
		case errors.Is(err, inbox.ErrNotFound), errors.Is(err, errUnreadable):
			if b.lose(ctx, c, err) == nil {
				return
			}
		}
		if !engine.Sleep(ctx, leaseLook) { // it is the server that fails, not the event
			return
		}
	}
}

// lose makes a dead letter of a delivery of which somebody has changed the messages: trying again does not help.
func (b *Inbox) lose(ctx context.Context, c *claim, why error) error {
	b.config.Inbox.Logger.ErrorContext(ctx, "inbox cannot read a delivery", "delivery", c.row.ID, "error", why)
	lost := inbox.Attempt{Number: c.row.Attempts, At: time.Now(), Result: inbox.ResultFailed, Error: why.Error()}
	return b.fail(ctx, c, engine.Failure{Dead: true, Attempt: lost})
}

// claimOf returns what this process knows of a delivery that it has in hand.
func (b *Inbox) claimOf(d engine.Row) *claim {
	found, _ := b.inHand.Load(d.ID)
	return found.(*claim) //nolint:forcetypeassert // the dispatcher has what was claimed alone
}

// letGo takes a delivery out of this process's hand when the index knows what became of it.
func (b *Inbox) letGo(ctx context.Context, c *claim) {
	for l, last := c.l, c.last; ; {
		select {
		case <-l.reached(last):
		case <-ctx.Done():
		case <-l.left:
		}
		now := b.lock()
		if now == l || ctx.Err() != nil {
			b.release(now, c)
			now.mu.Unlock()
			return
		}
		now.mu.Unlock()
		// Of what was said before the index was read anew, its stream may have lost something.
		l, last = now, min(c.last, b.stored.Load())
	}
}

// release takes a delivery out of this process's hand, with the index locked.
func (b *Inbox) release(l *ledger, c *claim) {
	b.inHand.CompareAndDelete(c.row.ID, c)
	delete(l.held, c.key)
	r := l.rows[c.key]
	if r == nil || !r.inHand {
		return
	}
	r.inHand = false
	if r.status == inbox.Pending && r.lane != nil {
		l.enqueue(r)
	}
}

// effect runs h and says that the delivery has ended. It tries until the server has it, or ctx ends: then the attempt has failed.
func (b *Inbox) effect(ctx context.Context, d engine.Row, h inbox.Handler[NoTx], status inbox.Status, start time.Time) error {
	if h != nil {
		if err := b.work.Run(ctx, NoTx{}, d, h); err != nil {
			return err
		}
	}
	c := b.claimOf(d)
	success := engine.Success(d, status, start)
	next := stateRecord{Status: status, Attempts: d.Attempts, Tries: d.Tries, Ended: time.Now()}
	for {
		said, err := b.say(ctx, *c, next, success)
		if final(c, said, err) {
			b.minutes.add(inbox.Minute{Done: 1})
			return nil
		}
		if !engine.Sleep(ctx, leaseLook) {
			return err
		}
	}
}

// final reports whether the state of a delivery that was claimed has been said, and notes what the index must show before it is let go. A conflict
// says that an earlier try was stored, or that another process took the delivery up: both are final.
func final(c *claim, said uint64, err error) bool {
	switch {
	case err == nil:
		c.last = said
	case errors.Is(err, errConflict):
		c.last++ // whatever came after it
	default:
		return false
	}
	return true
}

// failed says what follows a failed attempt.
func (b *Inbox) failed(ctx context.Context, d engine.Row, f engine.Failure) error {
	return b.fail(ctx, b.claimOf(d), f)
}

func (b *Inbox) fail(ctx context.Context, c *claim, f engine.Failure) error {
	next := stateRecord{Status: f.Status(), Attempts: c.row.Attempts, Tries: c.row.Tries, Error: f.Attempt.Error}
	count := inbox.Minute{Failed: 1}
	if f.Dead {
		count.Dead = 1
	} else {
		next.Wait, next.Due = f.Wait, time.Now().Add(f.Wait)
	}
	said, err := b.say(ctx, *c, next, f.Attempt)
	if !final(c, said, err) {
		return err
	}
	if err == nil {
		b.minutes.add(count)
	}
	return nil
}
