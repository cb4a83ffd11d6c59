package revalidate

import (
	"context"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// hold is the lease of one run of a handler. It ends once: with what is stored, when it is known that nothing will be, or when all clients
// have left, whichever comes first.
type hold struct {
	mu       sync.Mutex
	lease    Lease // or nil
	name     string
	had      bool // there was one
	unshared bool // others were told that they need not wait
	telling  sync.WaitGroup
}

// take returns the lease to whoever ends it. ok is false where it has ended already: then nothing may be stored.
func (l *hold) take() (lease Lease, name string, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	lease, l.lease = l.lease, nil
	return lease, l.name, lease != nil || !l.had
}

// drop gives the lease back, if there still is one.
func (l *hold) drop(ctx context.Context, c *Cache) {
	lease, _, _ := l.take()
	c.endLease(ctx, lease)
}

// watch gives the lease back when ctx ends; what it returns ends the watch.
func (l *hold) watch(ctx context.Context, c *Cache) (end func()) {
	if !l.had {
		return func() {}
	}
	dropped := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(dropped)
		l.drop(ctx, c)
	})
	return func() {
		if !stop() {
			<-dropped
		}
	}
}

// claim waits until the handler may run: until no other process runs it for the same response. False means that there is no need to, for the
// exchange has its answer.
func (w *capture) claim(ctx context.Context) bool {
	x := w.x
	c := w.h.cache
	if x.forced || x.old != nil && x.old.value.(*response).policy.noCache { //nolint:forcetypeassert // always a response
		return true
	}
	var t turn
	if !x.down {
		t = c.lease(ctx, or(x.variant, x.key), x.stamp, func() (*Entry, string, bool) { return w.look(ctx, c.loadShared) })
	}
	if t.lease == nil && t.found == nil && t.failed == 0 {
		// No lease was had with which it would have been looked for, and another exchange may have ended since it was missed, before this one began.
		t.found, _, _ = w.look(ctx, func(ctx context.Context, key string) (*Entry, bool) { return c.peek(ctx, key), true })
		if t.found != nil {
			c.counters.shared.Add(1)
		}
	}
	switch {
	case t.found != nil:
		w.stand(t.found, true, "")
	case t.failed != 0 && w.prior != nil && standIn(w.prior, t.failed, w.h.responses.disconnected, time.Now().UnixNano()):
		w.stand(w.prior, true, "fwd=stale; fwd-status="+strconv.Itoa(t.failed)+"; collapsed")
	case ctx.Err() != nil: // everybody has left, or the cache is closed and whoever waits asks for himself
		c.endLease(ctx, t.lease)
		w.stand(nil, false, "")
	default:
		w.lease.lease, w.lease.name, w.lease.had = t.lease, t.name, t.lease != nil
		if t.down {
			x.fails()
		}
		return true
	}
	w.finish(func() bool { return x.entry == nil || t.failed != 0 })
	return false
}

// look looks for what another has stored since the exchange began, or a moment before, loaded by load.
func (w *capture) look(ctx context.Context, load func(context.Context, string) (*Entry, bool)) (*Entry, string, bool) {
	x := w.x
	s := w.h.find(ctx, x.key, w.r, load)
	name := or(s.variant, x.key)
	now := time.Now().UnixNano()
	e, v := s.entry, s.response
	if v == nil || w.h.cache.generations.judge(e, now) != valid || now >= e.fresh || v.policy.noCache {
		return nil, name, s.up
	}
	if x.old != nil && x.old.stamp == e.stamp && x.old.value.(*response).born == v.born { //nolint:forcetypeassert // always a response
		return nil, name, true // what did not answer the request
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.vary, x.found = s.names, true
	return e, name, true
}

// unshare tells the other processes that this response is none of theirs, so that they do not wait for one another, and gives the lease
// back unless something will be stored. It does not keep the handler waiting.
func (w *capture) unshare(status int) {
	l := &w.lease
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lease == nil || l.unshared {
		return
	}
	l.unshared = true
	name, x, c := l.name, w.x, w.h.cache
	l.telling.Go(func() {
		failed, lasts := lastsFor(status)
		ctx := w.r.Context()
		if !c.tellUnshared(ctx, name, failed, lasts) {
			x.fails()
		}
		if !x.stores() {
			l.drop(ctx, c)
		}
	})
}

// stores reports whether something may still be stored.
func (x *exchange) stores() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.phase == growing && x.policy.store || x.phase == waiting && x.status == http.StatusNotModified
}

// fails notes that the store failed.
func (x *exchange) fails() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.down = true
}

func (x *exchange) isDown() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.down
}
