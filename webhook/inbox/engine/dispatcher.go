package engine

import (
	"context"
	"maps"
	"sync"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook/inbox"
)

// A Dispatcher claims what is due as workers are free, and has it handled. It is used for one Run; its exported fields are set before.
type Dispatcher struct {
	Config inbox.Config // complete
	Lanes  *Lanes

	// Look learns from the tables what is due, and which lanes are paused. It is called about once each [Poll].
	Look func(ctx context.Context) error

	// Claim marks what is due in the shares as running, counts the attempt before it begins, so that an event that kills the
	// process is counted too, and returns it, with the time when each lane has its next.
	Claim func(ctx context.Context, shares []Share) ([]Row, map[Lane]time.Time, error)

	// Handle runs one attempt.
	Handle func(ctx context.Context, d Row)

	// Ready reports whether anything may be claimed now. Nil means always.
	Ready func() bool

	// Heard has a token when another process has something to tell: Look is called at once. Nil means never.
	Heard <-chan struct{}

	freed  chan struct{} // has a token when a worker is done
	mu     sync.Mutex
	inHand map[int64]bool // deliveries that workers have
	hands  sync.WaitGroup
}

// claimHold is how long claiming waits for more workers to be free while fewer than half are: a claim is a commit, which costs
// the same for one delivery as for eight.
const claimHold = time.Millisecond

// Run dispatches until ctx ends, then waits for what is in hand, and interrupts what takes longer than the DrainTimeout.
func (d *Dispatcher) Run(ctx context.Context) {
	d.freed, d.inHand = make(chan struct{}, 1), map[int64]bool{}
	work, interrupt := context.WithCancel(context.WithoutCancel(ctx))
	defer interrupt()
	d.dispatch(ctx, work)
	timer := time.AfterFunc(d.Config.DrainTimeout, interrupt)
	defer timer.Stop()
	d.hands.Wait()
}

// InHand returns the numbers of the deliveries that workers have now. It may be called by Look.
func (d *Dispatcher) InHand() map[int64]bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return maps.Clone(d.inHand)
}

func (d *Dispatcher) dispatch(ctx, work context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	var lastLook, held time.Time // held is since when few workers have been free
	heard := false
	for ctx.Err() == nil {
		now := time.Now()
		if now.Sub(lastLook) >= Poll || now.Before(lastLook) || heard {
			if err := d.Look(ctx); err != nil && ctx.Err() == nil {
				d.Config.Logger.ErrorContext(ctx, "inbox cannot be read", "error", err)
			}
			lastLook, heard = now, false
		}
		free := d.free()
		if free > d.Config.Workers/2 || free == 0 {
			held = time.Time{}
		} else if held.IsZero() {
			held = now
		}
		var shares []Share
		again := held.Add(claimHold)
		if held.IsZero() || !now.Before(again) {
			shares, again = d.Lanes.Shares(now, free)
		}
		if len(shares) > 0 {
			if err := d.claim(ctx, work, shares); err != nil && ctx.Err() == nil {
				d.Config.Logger.ErrorContext(ctx, "inbox cannot claim deliveries", "error", err)
				Sleep(ctx, Poll)
			}
			continue
		}
		timer.Reset(time.Until(again))
		select {
		case <-ctx.Done():
		case <-timer.C:
		case <-d.freed:
		case <-d.Lanes.Signal():
		case <-d.Heard:
			heard = true
		}
	}
}

// free returns how many more deliveries may be claimed.
func (d *Dispatcher) free() int {
	if d.Ready != nil && !d.Ready() {
		return 0
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.Config.Workers - len(d.inHand)
}

func (d *Dispatcher) claim(ctx, work context.Context, shares []Share) error {
	claimed, due, err := d.Claim(ctx, shares)
	if err != nil {
		for _, s := range shares {
			d.Lanes.Wake(s.Lane) // nothing is known about them any more
		}
		return err
	}
	for l, at := range due {
		d.Lanes.Settle(l, at)
	}
	for _, row := range claimed {
		d.mu.Lock()
		d.inHand[row.ID] = true
		d.mu.Unlock()
		d.hands.Go(func() {
			defer d.done(row.ID)
			d.Handle(work, row)
		})
	}
	return nil
}

func (d *Dispatcher) done(id int64) {
	d.mu.Lock()
	delete(d.inHand, id)
	d.mu.Unlock()
	select {
	case d.freed <- struct{}{}:
	default:
	}
}

// Sleep waits, and returns false when ctx ends first.
func Sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// retainEvery is how often an engine looks for what is past its time.
const retainEvery = time.Minute

// Retain calls purge until it reports that nothing more is to be done, and again each minute, until ctx ends. An error is logged.
func Retain(ctx context.Context, c inbox.Config, purge func(ctx context.Context) (more bool, err error)) {
	for {
		for more := true; more; {
			var err error
			if more, err = purge(ctx); err != nil && ctx.Err() == nil {
				c.Logger.ErrorContext(ctx, "inbox cannot remove what is past its time", "error", err)
			}
			more = more && err == nil
		}
		if !Sleep(ctx, retainEvery) {
			return
		}
	}
}
