package nats

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook/inbox"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/engine"
)

// Replay implements [inbox.Operator]. What is checked for all of the named deliveries is then decided one by one: when the server fails on the way, those
// before it are replayed, which the count says.
func (b *Inbox) Replay(ctx context.Context, s inbox.Selection, why inbox.Reason) (int64, error) {
	return b.decide(ctx, s, why, decision{
		from: []inbox.Status{inbox.Done, inbox.Ignored, inbox.Dead, inbox.Discarded}, to: inbox.Pending, result: inbox.Replayed, needsBody: true,
	})
}

// Discard implements [inbox.Operator], one by one like Replay.
func (b *Inbox) Discard(ctx context.Context, s inbox.Selection, why inbox.Reason) (int64, error) {
	return b.decide(ctx, s, why, decision{
		from: []inbox.Status{inbox.Pending, inbox.Waiting, inbox.Dead, inbox.Ignored}, to: inbox.Discarded, result: inbox.GivenUp,
	})
}

// decision is what an operator does to a delivery.
type decision struct {
	from      []inbox.Status
	to        inbox.Status
	result    inbox.Result
	needsBody bool
}

// check says why the decision cannot be made about r.
func (k decision) check(r *row) error {
	switch {
	case !slices.Contains(k.from, r.status):
		return fmt.Errorf("%w: delivery %d is %s", inbox.ErrStatus, r.id, r.status)
	case k.needsBody && r.purged:
		return fmt.Errorf("%w: delivery %d", inbox.ErrPurged, r.id)
	}
	return nil
}

func (b *Inbox) decide(ctx context.Context, s inbox.Selection, why inbox.Reason, k decision) (changed int64, err error) {
	if err := errors.Join(s.Check(), why.Check()); err != nil {
		return 0, err
	}
	if len(s.IDs) > 0 {
		return b.decideNamed(ctx, slices.Compact(slices.Sorted(slices.Values(s.IDs))), why, k)
	}
	err = b.ascend(ctx, s.Filter, func(found []inbox.Delivery) error {
		for _, d := range found {
			switch err := b.decideOne(ctx, d.ID, why, k); {
			case err == nil:
				changed++
			case !errors.Is(err, inbox.ErrStatus) && !errors.Is(err, inbox.ErrPurged) && !errors.Is(err, inbox.ErrNotFound):
				return err
			}
		}
		return nil
	})
	return changed, errors.Join(err, b.see(ctx))
}

// decideNamed decides about all of the deliveries, or none where one does not allow it.
func (b *Inbox) decideNamed(ctx context.Context, ids []int64, why inbox.Reason, k decision) (changed int64, err error) {
	l, err := b.current(ctx)
	if err != nil {
		return 0, err
	}
	l.read()
	for _, id := range ids {
		if r := l.find(id); r == nil {
			err = errors.Join(err, inbox.ErrNotFound)
		} else {
			err = errors.Join(err, k.check(r))
		}
	}
	l.mu.RUnlock()
	if err != nil {
		return 0, err
	}
	for _, id := range ids {
		if err := b.decideOne(ctx, id, why, k); err != nil {
			return changed, err
		}
		changed++
	}
	return changed, b.see(ctx)
}

// see waits until the index shows what was decided.
func (b *Inbox) see(ctx context.Context) error {
	_, err := b.current(ctx)
	return err
}

// conflicts is how often a decision is made anew when a worker or another operator came between.
const conflicts = 10

func (b *Inbox) decideOne(ctx context.Context, id int64, why inbox.Reason, k decision) error {
	for range conflicts {
		l := b.index.Load().ledger
		l.read()
		r := l.find(id)
		err := inbox.ErrNotFound
		var c claim
		var next stateRecord
		if r != nil {
			err = k.check(r)
			c = claim{l: l, row: r, id: id, lane: r.lane.Lane, last: r.stateSeq}
			next = stateRecord{Status: k.to, Attempts: r.attempts, Error: r.err}
		}
		l.mu.RUnlock()
		if err != nil {
			return err
		}
		now := time.Now()
		if k.to == inbox.Pending {
			next.Due = now
		} else {
			next.Ended = now
		}
		if c.history, err = b.history(ctx, r.key); err != nil {
			return err
		}
		c.history = append(c.history, inbox.Attempt{At: now, Result: k.result, Error: why.Why, By: why.By})
		if _, err = b.say(ctx, c, next); !errors.Is(err, errConflict) {
			return err
		}
		if err := b.applied(ctx, l, c.last+1); err != nil {
			return err
		}
	}
	return fmt.Errorf("%w: delivery %d changes all the time", inbox.ErrStatus, id)
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
