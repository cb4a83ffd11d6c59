package revalidate

import (
	"context"
	"errors"
	"log/slog"
	"time"
)

// A Leaser is a [Store] shared by many processes that can let one of them fill a key while the others wait for what it makes. A
// cache on one fetches what [Get] and [GetMany] miss, and runs the handler of [Cache.Wrap], once in all of them. Package storetest checks a store's leases where it has them.
type Leaser interface {
	Store
	// Lease returns the right to fill key, or nil, nil while another has it. An error means that nobody knows: the caller fills
	// the key without a lease.
	Lease(ctx context.Context, key string, q LeaseQuestion) (Lease, error)
}

// LeaseQuestion says which lease is wanted.
type LeaseQuestion struct {
	// Began is when the fill began that the lease is for: what it finds may be as old as that.
	Began time.Time
	// Since is the time of the last invalidation whose readers must see fresh data. A lease whose fill began before is taken
	// from its holder: it makes nothing that may be used.
	Since time.Time
	// Life is when the lease ends if its holder does not end it, from now; at least 1 ms.
	Life time.Duration
}

// A Lease is the right to fill one key. It ends by Save, End, or when its life is over; it is lost when the key is saved or
// deleted by anybody who does not hold it, or taken over.
type Lease interface {
	// Save is the store's Save and ends the lease. Where the lease is over or lost it saves nothing and the error is
	// [ErrLeaseLost]: another has filled the key since, or does.
	Save(ctx context.Context, e *Entry) error
	// End gives the lease back. It does nothing where it is over.
	End(ctx context.Context) error
}

// ErrLeaseLost is the error of [Lease.Save] where the lease was over before.
var ErrLeaseLost = errors.New("revalidate: the lease was over before its entry was saved")

const (
	defaultLeaseLife = 10 * time.Second
	shortestLease    = 10 * time.Millisecond
	longestLease     = time.Hour
)

// endLease gives a lease back, if there is one; false means that the store failed.
func (c *Cache) endLease(ctx context.Context, lease Lease) (up bool) {
	if lease == nil {
		return true
	}
	err := lease.End(context.WithoutCancel(ctx))
	if err != nil {
		c.log.LogAttrs(ctx, slog.LevelWarn, "cache store did not take a lease back, which ends in a while", slog.Any("error", err))
	}
	return err == nil
}
