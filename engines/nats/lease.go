package nats

import (
	"context"
	"errors"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook/inbox/engine"
)

const (
	leaseLook  = 200 * time.Millisecond
	leaseRenew = LeaseTime / 4
	leaseGrace = time.Second // how much earlier the holder gives up than others take over
)

// holdLease waits until this process is the one that handles. It returns a context that ends when that is over, and what gives the lease back;
// nil when ctx ended first.
func (b *Inbox) holdLease(ctx context.Context) (held context.Context, release func()) {
	for waited := false; ; waited = true {
		if seq, ok := b.takeLease(ctx); ok {
			held, lose := context.WithCancel(context.WithoutCancel(ctx))
			ended := make(chan struct{})
			go func() { // ends with held
				defer close(ended)
				seq = b.renewLease(held, seq)
				lose()
			}()
			return held, func() {
				lose()
				<-ended
				ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
				defer cancel()
				// Where this fails the others wait for LeaseTime.
				_, _ = b.publish(ctx, b.config.subject(kindLease), record(leaseRecord{}), nil, seq)
			}
		}
		if !waited {
			b.config.Inbox.Logger.InfoContext(ctx, "inbox waits: another process handles this ledger, or did a moment ago", "stream", b.config.Stream)
		}
		if !engine.Sleep(ctx, leaseLook) {
			return nil, nil
		}
	}
}

func (b *Inbox) lease() lease {
	l := b.index.Load().ledger
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.lease
}

// takeLease takes the lease if it is free, or was not renewed for LeaseTime by this process's own clock.
func (b *Inbox) takeLease(ctx context.Context) (seq uint64, ok bool) {
	now := b.lease()
	if now.Owner != "" && now.Owner != b.instance && time.Since(now.seen) < LeaseTime {
		return 0, false
	}
	seq, err := b.publish(ctx, b.config.subject(kindLease), record(leaseRecord{b.instance}), nil, now.seq)
	return seq, err == nil
}

// renewLease renews the lease until ctx ends, another process has it, or it was not renewed for so long that another may take it. It returns the
// number of the last message.
func (b *Inbox) renewLease(ctx context.Context, seq uint64) uint64 {
	renewed := time.Now()
	for wait := leaseRenew; engine.Sleep(ctx, wait); {
		begun := time.Now()
		next, err := b.publish(ctx, b.config.subject(kindLease), record(leaseRecord{b.instance}), nil, seq)
		wait = leaseRenew
		switch {
		case err == nil:
			seq, renewed = next, begun
		case errors.Is(err, errConflict):
			// One of ours whose answer was lost, or another process's.
			now := b.lease()
			if now.seq > seq && now.Owner != b.instance {
				b.config.Inbox.Logger.WarnContext(ctx, "inbox: another process has taken the lease", "stream", b.config.Stream)
				return seq
			}
			if now.seq > seq {
				seq, renewed = now.seq, now.seen
			}
			wait = leaseLook / 4
		default:
			wait = leaseLook
		}
		if time.Since(renewed) > LeaseTime-leaseGrace && ctx.Err() == nil {
			b.config.Inbox.Logger.WarnContext(ctx, "inbox: the lease could not be renewed", "stream", b.config.Stream, "error", err)
			return seq
		}
	}
	return seq
}
