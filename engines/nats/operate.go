package nats

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook"
	"github.com/gatehouse-go/gatehouse/webhook/inbox"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/engine"
	"github.com/nats-io/nats.go/jetstream"
)

// Replay implements [inbox.Operator]. What is checked for all of the named deliveries is then decided one by one: when the server fails on the way, those
// before it are replayed, which the count says.
func (b *Inbox) Replay(ctx context.Context, s inbox.Selection, why inbox.Reason) (int64, error) {
	return b.decide(ctx, s, why, engine.Replay())
}

// Discard implements [inbox.Operator], one by one like Replay.
func (b *Inbox) Discard(ctx context.Context, s inbox.Selection, why inbox.Reason) (int64, error) {
	return b.decide(ctx, s, why, engine.Discard())
}

func (b *Inbox) decide(ctx context.Context, s inbox.Selection, why inbox.Reason, k engine.Decision) (changed int64, err error) {
	ascend := func(f inbox.Filter, each func([]engine.Row) error) error { return b.ascend(ctx, f, each) }
	return k.Make(s, why, ascend, func(ids []int64, named bool) (int64, error) { return b.decideStep(ctx, ids, why, k, named) })
}

// decideStep decides about a few deliveries, and waits until the index shows it.
func (b *Inbox) decideStep(ctx context.Context, ids []int64, why inbox.Reason, k engine.Decision, named bool) (changed int64, err error) {
	l, err := b.current(ctx)
	if err != nil {
		return 0, err
	}
	chosen, err := k.Choose(ids, l.found(ids), named)
	if err != nil {
		return 0, err
	}
	for _, d := range chosen {
		switch err := b.decideOne(ctx, d.ID, why, k); {
		case err == nil:
			changed++
		case named || !refused(err):
			return changed, err
		}
	}
	return changed, b.see(ctx)
}

// refused reports whether err is about the delivery that changed since it was chosen.
func refused(err error) bool {
	return errors.Is(err, inbox.ErrStatus) || errors.Is(err, inbox.ErrPurged) || errors.Is(err, inbox.ErrNotFound)
}

// found returns those of ids that are there.
func (l *ledger) found(ids []int64) map[int64]engine.Row {
	l.read()
	defer l.mu.RUnlock()
	found := map[int64]engine.Row{}
	for _, id := range ids {
		if r := l.find(id); r != nil {
			found[id] = r.engineRow()
		}
	}
	return found
}

// see waits until the index shows what was decided.
func (b *Inbox) see(ctx context.Context) error {
	_, err := b.current(ctx)
	return err
}

// conflicts is how often a decision is made anew when a worker or another operator came between.
const conflicts = 10

func (b *Inbox) decideOne(ctx context.Context, id int64, why inbox.Reason, k engine.Decision) error {
	for range conflicts {
		l := b.index.Load().ledger
		chosen, err := k.Choose([]int64{id}, l.found([]int64{id}), true)
		if err != nil {
			return err
		}
		d := chosen[0]
		c := claim{key: d.Event.Key, last: l.stateOf(d.Event.Key)}
		now := time.Now()
		next := stateRecord{Status: k.To, Attempts: d.Attempts, Error: d.Error}
		if k.To == inbox.Pending {
			next.Due = now
		} else {
			next.Ended = now
		}
		c.history, err = b.history(ctx, c.key)
		if errors.Is(err, errUnreadable) { // it begins anew, and says so
			c.history, err = []inbox.Attempt{{Number: d.Attempts, At: now, Result: inbox.ResultFailed, Error: err.Error()}}, nil
		}
		if err != nil {
			return err
		}
		if _, err = b.say(ctx, c, next, inbox.Attempt{At: now, Result: k.Result, Error: why.Why, By: why.By}); !errors.Is(err, errConflict) {
			return err
		}
		if err := b.overtaken(ctx, l, c.key); err != nil {
			return err
		}
	}
	return fmt.Errorf("%w: delivery %d changes all the time", inbox.ErrStatus, id)
}

// overtaken waits until l has the state of a key that the server has: another process said it.
func (b *Inbox) overtaken(ctx context.Context, l *ledger, key webhook.Key) error {
	m, err := b.last(ctx, key, kindState)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return nil // it was forgotten meanwhile
	}
	if err != nil {
		return fmt.Errorf("nats inbox: %w", err)
	}
	return b.applied(ctx, l, m.Sequence)
}

// stateOf returns the number of the message that has the state of a key.
func (l *ledger) stateOf(key webhook.Key) uint64 {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if r := l.rows[key]; r != nil {
		return r.stateSeq
	}
	return 0
}

// Pause implements [inbox.Operator].
func (b *Inbox) Pause(ctx context.Context, provider, typ string, why inbox.Reason) error {
	if err := why.Check(); err != nil {
		return err
	}
	return b.sayPaused(ctx, pausedRecord{Provider: []byte(provider), Type: []byte(typ), Since: time.Now(), By: why.By, Why: why.Why})
}

// Resume implements [inbox.Operator].
func (b *Inbox) Resume(ctx context.Context, provider, typ string) error {
	if err := b.sayPaused(ctx, pausedRecord{Provider: []byte(provider), Type: []byte(typ), Ended: true}); err != nil {
		return err
	}
	b.lanes.Wake(engine.Lane{Provider: provider, Type: typ})
	return nil
}

func (b *Inbox) sayPaused(ctx context.Context, p pausedRecord) error {
	hash := sha256.Sum256([]byte(fmt.Sprintf("%q %q", p.Provider, p.Type)))
	if _, err := b.publish(ctx, b.config.subject(kindPaused, hex.EncodeToString(hash[:16])), record(p), nil, anything); err != nil {
		return err
	}
	if err := b.see(ctx); err != nil {
		return err
	}
	b.look()
	return nil
}
