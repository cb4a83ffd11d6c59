package revalidate

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"time"
)

// The pauses between two looks at a key that another process fills.
const (
	shortestLook = 5 * time.Millisecond
	longestLook  = 100 * time.Millisecond
)

// A turn is how a fill stands with those of other processes. The zero value lets it begin without a lease.
type turn struct {
	lease  Lease  // the right to fill, or nil
	name   string // the key that the lease is on
	found  *Entry // what another has made: there is nothing to fill
	failed int    // the status with which another's handler has just failed, or 0
	down   bool   // the store failed: ask it nothing more before there is an answer
	wait   bool   // another fills the key
}

// A look says what the store has now: an entry that is what the fill would make, or nil; the key under which it would be; and false where the
// store failed.
type look func() (found *Entry, name string, up bool)

// lease waits until this process may fill a key, or another has done so. It waits no longer than leases live, and not for one whose
// fill is for nobody else. stamp is the generation of the fill.
func (c *Cache) lease(ctx context.Context, name string, stamp int64, see look) turn {
	giveUp := time.Now().Add(c.leaseLife)
	waited := false
	for pause := shortestLook; ; pause = min(2*pause, longestLook) {
		t := c.turn(ctx, name, stamp, waited, see)
		if !t.wait {
			return t
		}
		waited = true
		if t.name != name { // the response varies: each variant is filled for itself
			name, pause = t.name, shortestLook
		}
		if !c.pause(ctx, pause, giveUp) {
			return turn{}
		}
	}
}

// pause waits between two looks; false means that there is no time for another.
func (c *Cache) pause(ctx context.Context, pause time.Duration, giveUp time.Time) bool {
	if !time.Now().Before(giveUp) {
		return false
	}
	timer := time.NewTimer(pause/2 + rand.N(pause/2)) //nolint:gosec // spreads load, guards nothing
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// turn asks once for the right to fill a key. waited says that another had it before.
func (c *Cache) turn(ctx context.Context, name string, stamp int64, waited bool, see look) turn {
	store, ok := c.store.(Leaser)
	if !ok {
		return turn{}
	}
	for moved := false; ; moved = true {
		if c.unshared.has(name, time.Now()) {
			return turn{}
		}
		lease, err := store.Lease(ctx, name, LeaseQuestion{
			Began: time.Unix(0, stamp), Since: time.Unix(0, c.generations.fresh.Load()), Life: c.leaseLife,
		})
		if err != nil {
			c.counters.storeErrors.Add(1)
			c.log.LogAttrs(ctx, slog.LevelWarn, "cache store gave no lease", slog.Any("error", err))
			return turn{down: true}
		}
		// The key may have been filled since it was looked for, whoever has the lease.
		found, now, up := see()
		switch {
		case !up:
			return turn{lease: lease, name: name, down: true}
		case found != nil:
			c.counters.shared.Add(1)
			return turn{found: found, down: !c.endLease(ctx, lease)}
		case now != name:
			up := c.endLease(ctx, lease)
			if name = now; moved || !up {
				return turn{name: name, wait: up, down: !up}
			}
			continue
		case lease != nil && !waited:
			return turn{lease: lease, name: name}
		}
		told, status, up := c.toldUnshared(ctx, name)
		if lease != nil && told { // by the one before
			up = c.endLease(ctx, lease)
			lease = nil
		}
		return turn{lease: lease, name: name, failed: status, down: !up, wait: lease == nil && up && !told}
	}
}
