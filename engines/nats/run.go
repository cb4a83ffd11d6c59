package nats

import (
	"container/heap"
	"context"
	"errors"
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

// runWith handles deliveries until ctx ends or held does.
func (b *Inbox) runWith(ctx, held context.Context) {
	r := &runner{Inbox: b, freed: make(chan struct{}, 1)}
	r.work, r.interrupt = context.WithCancel(held)
	defer r.interrupt()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	defer context.AfterFunc(held, stop)()
	r.hands.Go(func() { b.retain(ctx) })
	r.dispatch(ctx)
	r.drain()
}

// runner is one time of holding the lease.
type runner struct {
	*Inbox
	work      context.Context //nolint:containedctx // of all attempts: it ends when the drain is over, or the lease is lost
	interrupt context.CancelFunc
	freed     chan struct{} // has a token when a worker is done

	mu    sync.Mutex
	busy  int
	hands sync.WaitGroup
}

// dispatch gives what is due to workers as they are free, until ctx ends.
func (r *runner) dispatch(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	var looked time.Time
	for ctx.Err() == nil {
		now := time.Now()
		if now.Sub(looked) >= engine.Poll || now.Before(looked) {
			r.look()
			r.recover(ctx)
			looked = now
		}
		shares, again := r.lanes.Shares(now, r.free())
		for _, share := range shares {
			r.begin(share, now)
		}
		if len(shares) > 0 {
			continue
		}
		timer.Reset(time.Until(again))
		select {
		case <-ctx.Done():
		case <-timer.C:
		case <-r.freed:
		case <-r.lanes.Signal():
		}
	}
}

func (r *runner) free() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.config.Inbox.Workers - r.busy
}

// look learns from the index which lanes have pending deliveries, and which are paused.
func (b *Inbox) look() {
	l := b.index.Load().ledger
	pending, paused := map[engine.Lane]time.Time{}, map[engine.Lane]bool{}
	l.mu.Lock()
	for of, lane := range l.lanes {
		if first, ok := lane.first(); ok {
			pending[of] = first.at
		}
	}
	for of := range l.paused {
		paused[of] = true
	}
	l.mu.Unlock()
	b.lanes.Refresh(pending, paused)
}

// begin gives a share's deliveries to workers, and notes when the lane's next is due.
func (r *runner) begin(share engine.Share, now time.Time) {
	l := r.index.Load().ledger
	l.mu.Lock()
	var claims []claim
	lane := l.lanes[share.Lane]
	for lane != nil {
		first, ok := lane.first()
		if !ok {
			break
		}
		if len(claims) == share.N || first.at.After(now) {
			defer r.lanes.Settle(share.Lane, first.at)
			break
		}
		heap.Pop(&lane.due)
		first.inHand = true
		claims = append(claims, claim{
			l: l, row: first.row, id: first.id, lane: share.Lane, order: first.orderKey, accepted: first.accepted, due: first.at,
			attempts: first.attempts + 1, tries: first.tries + 1, duplicates: first.duplicates, last: first.stateSeq,
		})
	}
	l.mu.Unlock()
	for _, c := range claims {
		r.mu.Lock()
		r.busy++
		r.mu.Unlock()
		r.hands.Go(func() {
			defer r.done()
			r.handle(r.work, c)
		})
	}
}

func (r *runner) done() {
	r.mu.Lock()
	r.busy--
	r.mu.Unlock()
	select {
	case r.freed <- struct{}{}:
	default:
	}
}

// drain waits for the attempts in hand, and interrupts those that take too long.
func (r *runner) drain() {
	timer := time.AfterFunc(r.config.Inbox.DrainTimeout, r.interrupt)
	defer timer.Stop()
	r.hands.Wait()
}

var errInterrupted = errors.New("the process ended, or lost the server, while it was handled")

// recover takes up what is said to be running and is in nobody's hand: another process died, or lost the lease, or the answer to a
// claim was lost. The first interruption costs no wait, since it says nothing about the event.
func (r *runner) recover(ctx context.Context) {
	l := r.index.Load().ledger
	var left []claim
	l.mu.RLock()
	running := int64(0)
	for _, lane := range l.lanes {
		running += lane.counts[inbox.Running]
	}
	for i := len(l.ids) - 1; i >= 0 && running > 0; i-- {
		row := l.ids[i]
		if row.gone || row.status != inbox.Running {
			continue
		}
		running--
		if !row.inHand {
			left = append(left, claim{l: l, row: row, id: row.id, lane: row.lane.Lane, attempts: row.attempts, tries: row.tries, last: row.stateSeq})
		}
	}
	l.mu.RUnlock()
	for _, c := range left {
		history, err := r.history(ctx, c.row.key)
		if err != nil {
			return
		}
		wait, dead := r.config.Inbox.NextAttempt(c.tries, errInterrupted)
		if c.tries == 1 {
			wait, dead = 0, false
		}
		c.history = slices.Concat(history, []inbox.Attempt{{Number: c.attempts, At: time.Now(), Result: inbox.Interrupted, Error: errInterrupted.Error()}})
		next := stateRecord{Status: inbox.Pending, Attempts: c.attempts, Tries: c.tries, Error: errInterrupted.Error()}
		if dead {
			next.Status = inbox.Dead
		} else {
			next.Wait, next.Due = wait, time.Now().Add(wait)
		}
		if _, err := r.say(ctx, c, next); err != nil && !errors.Is(err, errConflict) {
			return // the next look tries again
		}
		count := inbox.Minute{Failed: 1}
		if dead {
			count.Dead = 1
		}
		r.minutes.add(count)
	}
}
