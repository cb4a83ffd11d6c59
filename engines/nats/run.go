package nats

import (
	"container/heap"
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook/inbox"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/engine"
)

// Run implements [inbox.Inbox]. One process at a time handles the deliveries of a stream: the others wait here, and may accept all the while. While
// the server cannot be reached, Run waits for it; what is in hand for longer than [LeaseTime] then is interrupted.
func (b *Inbox) Run(ctx context.Context) error {
	if !b.running.CompareAndSwap(false, true) {
		return errors.New("nats inbox: Run is under way already")
	}
	defer b.running.Store(false)
	for ctx.Err() == nil {
		held, release := b.holdLease(ctx)
		if held == nil {
			return nil
		}
		b.runWith(ctx, held)
		release()
	}
	return nil
}

// runWith handles deliveries until ctx ends, or held does, which interrupts them.
func (b *Inbox) runWith(ctx, held context.Context) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	defer context.AfterFunc(held, stop)()
	dispatcher := engine.Dispatcher{
		Config: b.config.Inbox, Lanes: &b.lanes, Claim: b.claimShares,
		Look: func(ctx context.Context) error {
			b.look()
			return b.recover(ctx)
		},
		Handle: func(ctx context.Context, d engine.Row) {
			ctx, interrupt := context.WithCancel(ctx)
			defer interrupt()
			defer context.AfterFunc(held, interrupt)()
			b.handle(ctx, d)
		},
	}
	var retaining sync.WaitGroup
	retaining.Go(func() {
		engine.Retain(ctx, b.config.Inbox, func(ctx context.Context) (more bool, err error) { return false, b.purge(ctx, time.Now()) })
	})
	dispatcher.Run(ctx)
	retaining.Wait()
}

// look learns from the index which lanes have pending deliveries, and which are paused.
func (b *Inbox) look() {
	l := b.index.Load().ledger
	l.mu.Lock()
	due, paused := l.firstDue(), slices.Collect(maps.Keys(l.paused))
	l.mu.Unlock()
	b.lanes.Refresh(due, paused)
}

// claimShares says of what is due in the shares that it runs, which counts the attempt before it begins, and returns that of which it could
// be said.
func (b *Inbox) claimShares(ctx context.Context, shares []engine.Share) (claimed []engine.Row, due map[engine.Lane]time.Time, err error) {
	claims, due := b.pop(shares)
	errs := make([]error, len(claims))
	var saying sync.WaitGroup
	for i, c := range claims {
		saying.Go(func() { errs[i] = b.claim(ctx, c) })
	}
	saying.Wait()
	for i, c := range claims {
		switch {
		case errs[i] == nil:
			claimed = append(claimed, c.row)
		case errors.Is(errs[i], errConflict), errors.Is(errs[i], errUnreadable): // an operator came between, or it is dead now
			b.letGo(ctx, c)
		default:
			b.letGo(ctx, c)
			err = errs[i]
		}
	}
	if len(claimed) > 0 {
		return claimed, due, nil // what could not be claimed is in its lane again
	}
	return nil, due, err
}

// pop takes what is due in the shares out of the lanes, and returns when each has its next.
func (b *Inbox) pop(shares []engine.Share) (claims []*claim, due map[engine.Lane]time.Time) {
	l := b.lock()
	defer l.mu.Unlock()
	due = map[engine.Lane]time.Time{}
	now := time.Now()
	for _, share := range shares {
		lane := l.lanes[share.Lane]
		for n := 0; lane != nil; n++ {
			first, ok := lane.first()
			if !ok {
				break
			}
			if n == share.N || first.at.After(now) {
				due[share.Lane] = first.at
				break
			}
			heap.Pop(&lane.due)
			first.inHand = true
			r := first.engineRow()
			r.Status, r.Since = inbox.Running, first.since()
			r.Attempts++
			r.Tries++
			c := &claim{l: l, key: first.key, row: r, last: first.stateSeq}
			b.inHand.Store(r.ID, c)
			claims = append(claims, c)
		}
	}
	return claims, due
}

// since returns when r was accepted or due, whichever is later.
func (r *row) since() time.Time {
	if r.due.After(r.accepted) {
		return r.due
	}
	return r.accepted
}

// claim says that a delivery runs, with its history, which it reads. One whose history cannot be read is dead when it returns errUnreadable.
func (b *Inbox) claim(ctx context.Context, c *claim) (err error) {
	if c.last > 0 {
		c.history, err = b.history(ctx, c.key)
		if errors.Is(err, errUnreadable) {
			if failed := b.lose(ctx, c, err); failed != nil {
				return failed
			}
		}
		if err != nil {
			return err
		}
	}
	said, err := b.say(ctx, *c, stateRecord{Status: inbox.Running, Attempts: c.row.Attempts, Tries: c.row.Tries})
	if err == nil {
		c.last = said
	}
	return err
}

// recover takes up what is said to be running and is in nobody's hand: another process died, or lost the lease, or the answer to a
// claim was lost.
func (b *Inbox) recover(ctx context.Context) error {
	l := b.index.Load().ledger
	for _, c := range l.abandoned() {
		if err := b.takeUp(ctx, c); err != nil {
			return err // the server's: the next would fail too
		}
	}
	return nil
}

func (b *Inbox) takeUp(ctx context.Context, c *claim) (err error) {
	c.history, err = b.history(ctx, c.key)
	switch {
	case errors.Is(err, errUnreadable):
		return b.lose(ctx, c, err)
	case err != nil:
		return err
	}
	return b.fail(ctx, c, engine.Interrupted(b.config.Inbox, c.row))
}

func (l *ledger) abandoned() (left []*claim) {
	l.read()
	defer l.mu.RUnlock()
	running := int64(0)
	for _, lane := range l.lanes {
		running += lane.counts[inbox.Running]
	}
	for i := len(l.ids) - 1; i >= 0 && running > 0; i-- {
		r := l.ids[i]
		if r.gone || r.status != inbox.Running {
			continue
		}
		running--
		if !r.inHand {
			left = append(left, &claim{l: l, key: r.key, row: r.engineRow(), last: r.stateSeq})
		}
	}
	return left
}
