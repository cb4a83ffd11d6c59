package revalidate

import (
	"context"
	"sync"
)

// A flight is one fill under way: one call of a fetch function that everyone who wants the same key waits for. It runs in a
// goroutine of its own, with a context that ends only when nobody waits any more: whoever came first may leave without
// failing the others.
type flight struct {
	stamp   int64         // generation, taken before the fill
	ready   chan struct{} // closed when entry and err are set
	done    chan struct{} // closed when the result is stored too; with ready where the store failed
	cancel  context.CancelFunc
	waiters int  // guarded by flights.mu
	alone   bool // a refresh in the background: it runs on without waiters
	entry   *Entry
	err     error

	// What the fill alone uses.
	lease    Lease // or nil
	unshared bool  // whoever waits for the lease in another process has nothing to wait for
	saved    bool  // the store was asked to keep the result
	down     bool  // the store failed
	told     bool  // ready is closed
	over     bool  // done is closed

	saving   sync.Mutex // held while the result is stored
	disowned bool       // guarded by saving: the result must not be stored
}

// disown keeps the flight from storing its result; a store under way is waited for.
func (fl *flight) disown() {
	fl.saving.Lock()
	defer fl.saving.Unlock()
	fl.disowned = true
}

// store runs save unless the flight was disowned.
func (fl *flight) store(save func()) {
	fl.saving.Lock()
	defer fl.saving.Unlock()
	if !fl.disowned {
		save()
	}
}

// tell makes the result known, and lets everybody go on at once where the store failed: it may take its full time to fail again.
func (fl *flight) tell(e *Entry, err error) {
	if fl.told {
		return
	}
	fl.entry, fl.err, fl.told = e, err, true
	close(fl.ready)
	if fl.down {
		fl.end()
	}
}

// end lets everybody go on who waits still.
func (fl *flight) end() {
	fl.tell(fl.entry, fl.err)
	if !fl.over {
		fl.over = true
		close(fl.done)
	}
}

// result waits for what the flight makes, and, but for who has waited for a store that failed, until it is stored.
func (fl *flight) result(ctx context.Context, up bool) error {
	done := fl.done
	if !up {
		done = fl.ready
	}
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// flights holds the fills under way by key.
type flights struct {
	mu    sync.Mutex
	byKey map[string]*flight
}

// join returns the flight for key, a new one if need be; first reports that it is new and the caller has to start it.
//
// A flight that began before an invalidation whose readers must see fresh data (of generation fresh) is not joined,
// whatever its tags: they may not all be known yet. It goes on for those who wait for it, and stores nothing.
func (f *flights) join(key string, stamp, fresh int64, alone bool) (fl *flight, first bool) {
	f.mu.Lock()
	old := f.byKey[key]
	if old != nil && old.stamp >= fresh {
		if !alone {
			old.waiters++
		}
		f.mu.Unlock()
		return old, false
	}
	fl = &flight{stamp: stamp, ready: make(chan struct{}), done: make(chan struct{}), alone: alone}
	if !alone {
		fl.waiters = 1
	}
	if f.byKey == nil {
		f.byKey = make(map[string]*flight)
	}
	f.byKey[key] = fl
	f.mu.Unlock()
	if old != nil {
		old.disown()
	}
	return fl, true
}

// leave takes one waiter off. The last one ends a fill that nobody else wants; whoever comes next starts another.
func (f *flights) leave(key string, fl *flight) {
	f.mu.Lock()
	fl.waiters--
	abandoned := fl.waiters == 0 && !fl.alone
	if abandoned && f.byKey[key] == fl {
		delete(f.byKey, key)
	}
	f.mu.Unlock()
	if abandoned {
		fl.cancel()
	}
}

// disown keeps the flight for key, if any, from storing its result, and from being joined.
func (f *flights) disown(key string) {
	f.mu.Lock()
	fl := f.byKey[key]
	delete(f.byKey, key)
	f.mu.Unlock()
	if fl != nil {
		fl.disown()
	}
}

// land takes the flight off the list.
func (f *flights) land(key string, fl *flight) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.byKey[key] == fl {
		delete(f.byKey, key)
	}
}
