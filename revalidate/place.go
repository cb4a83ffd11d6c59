package revalidate

import (
	"context"
	"errors"
	"time"
)

// checkedFrom is the size from which an entry is looked for once it is saved: a store may have no room for it, and says so in no other way.
const checkedFrom = 64 << 10

// A place is where a response goes.
type place struct {
	key  string
	set  *variants // of its URL, or nil
	old  *variants // what they were
	keep int64     // of the entry that leads to them
	ok   bool      // it has one
	up   bool      // the store answered
}

// changes reports whether the entry that leads to the variants must change.
func (p *place) changes(e *Entry) bool {
	return p.set != nil && (p.set != p.old || p.keep < e.keep)
}

// place works out where e goes, which varies by names.
func (w *capture) place(ctx context.Context, names []string) place {
	h, key := w.h, w.x.key
	lead, up := h.cache.load(ctx, key)
	p := place{key: key, ok: true, up: up}
	if lead != nil && h.cache.generations.judge(lead, 0) != dead {
		p.old, _ = lead.value.(*variants)
		p.keep = lead.keep
	}
	if p.old == nil && len(names) == 0 {
		return p
	}
	if p.set = newVariants(p.old, names); len(p.set.names) > maxVary {
		p.ok = false
		return p
	}
	p.key = h.responses.variantKey(key, p.set, w.r)
	return p
}

// put stores e where requests like the handler's find it. It calls failed when the store has failed, and does the rest after it.
//
// The entry that leads to variants is saved after the variant, which nobody finds before: whoever waits finds both. Where there is a lease, it is
// lost when a purge has deleted the response, or the entry that leads to it: then nothing is stored.
func (w *capture) put(ctx context.Context, names []string, e *Entry, failed func()) {
	x, c := w.x, w.h.cache
	if x.isDown() {
		failed()
	}
	if w.lease.telling.Wait(); x.isDown() {
		failed()
	}
	lease, name, ok := w.lease.take()
	if !ok {
		return
	}
	defer func() { c.endLease(ctx, lease) }()
	p := w.place(ctx, names)
	if !p.up {
		failed()
	}
	if p.up && p.changes(e) {
		lock := w.h.lock(x.key)
		lock.Lock()
		defer lock.Unlock()
		if p = w.place(ctx, names); !p.up {
			failed()
		}
	}
	at := x.key // where the lease has to be
	if p.old != nil {
		at = w.h.responses.variantKey(x.key, p.old, w.r)
	}
	if !p.ok || lease != nil && p.up && name != at {
		return
	}
	save := func(held Lease, key string, e *Entry) (left Lease, saved bool) {
		left, err := c.saveLeased(ctx, held, key, e)
		if err != nil && !errors.Is(err, ErrLeaseLost) && !errors.Is(err, ErrNotEncodable) {
			failed()
		}
		return left, err == nil
	}
	switch {
	case lease == nil || name != at: // without it, or with one that is on what is not there any more
		save(nil, p.key, e)
		if p.changes(e) {
			save(nil, x.key, w.h.lead(x.key, p.set, e.keep))
		}
	case p.key == at:
		var saved bool
		lease, saved = save(lease, p.key, e)
		if saved && p.changes(e) {
			save(nil, x.key, w.h.lead(x.key, p.set, e.keep))
		}
		if saved && e.size >= checkedFrom {
			w.checkKept(ctx, p.key, e)
		}
	case p.old == nil: // it varies for the first time
		save(nil, p.key, e)
		lease, _ = save(lease, x.key, w.h.lead(x.key, p.set, e.keep))
	default: // it varies by more
		save(nil, p.key, e)
		save(nil, x.key, w.h.lead(x.key, p.set, e.keep))
	}
}

// checkKept tells the others that they need not wait for e where the store had no room for it.
func (w *capture) checkKept(ctx context.Context, key string, e *Entry) {
	c := w.h.cache
	if kept, up := c.load(ctx, key); kept == nil && up && c.generations.judge(e, time.Now().UnixNano()) != dead {
		c.tellUnshared(ctx, key, 0, unsharedFor)
	}
}

// lead returns the entry that leads to the variants of a key.
func (h *wrapped) lead(key string, set *variants, keep int64) *Entry {
	now := time.Now().UnixNano()
	e := &Entry{stamp: h.cache.generations.clock.stamp(now), value: set, fresh: keep, expire: keep, keep: keep}
	e.size = entryOverhead + int64(len(key)) + set.size()
	return e
}
