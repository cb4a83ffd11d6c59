package proxy

import (
	"net/url"
	"slices"
	"sync/atomic"
	"time"
)

// A target is one address of an upstream, with what is known of its health. Health is learnt from the traffic alone: a
// target that fails maxFails times in a row is left out for cooldown, after which one request at a time tries it again.
type target struct {
	url      *url.URL
	maxFails int32
	cooldown time.Duration

	pending atomic.Int64 // requests under way
	fails   atomic.Int32 // failures since the last success
	until   atomic.Int64 // Unix time in ns up to which the target is left out; 0 when it is in use
}

// admit reports whether a request may go to t at now (Unix time in ns). Of the requests that come when a cooldown is
// over it admits one and makes the others wait for its outcome, at most for another cooldown.
func (t *target) admit(now int64) bool {
	until := t.until.Load()
	if until == 0 {
		return true
	}
	return now >= until && t.until.CompareAndSwap(until, now+int64(t.cooldown))
}

func (t *target) succeeded() {
	if t.fails.Load() != 0 { // a store by every request would pass the cache line from core to core
		t.fails.Store(0)
		t.until.Store(0)
	}
}

func (t *target) failed(now int64) {
	if t.fails.Add(1) >= t.maxFails {
		t.until.Store(now + int64(t.cooldown))
	}
}

// A targetSet picks among the targets of one upstream.
type targetSet struct {
	targets []*target
	turn    atomic.Uint32 // where the search begins, so that equals take turns
}

// pick returns the target with the fewest requests under way, and counts the caller's in; release it afterwards.
// Targets in tried are left out. Where none can take the request at now (Unix time in ns) it returns nil and the time until
// the first may.
func (s *targetSet) pick(now int64, tried []*target) (*target, time.Duration) {
	if len(s.targets) == 1 && len(tried) == 0 && s.targets[0].until.Load() == 0 { // the usual upstream
		s.targets[0].pending.Add(1)
		return s.targets[0], 0
	}
	start := int(s.turn.Add(1))
	for {
		var best *target
		for i := range s.targets {
			t := s.targets[(start+i)%len(s.targets)]
			if until := t.until.Load(); until > now || slices.Contains(tried, t) {
				continue
			}
			if best == nil || t.pending.Load() < best.pending.Load() {
				best = t
			}
		}
		if best == nil {
			return nil, s.wait(now, tried)
		}
		if best.admit(now) {
			best.pending.Add(1)
			return best, 0
		}
		// Another request has just become the one that tries this target: look again without it.
	}
}

func (s *targetSet) wait(now int64, tried []*target) time.Duration {
	first := int64(-1)
	for _, t := range s.targets {
		if left := t.until.Load() - now; !slices.Contains(tried, t) && (first < 0 || left < first) {
			first = max(left, 0)
		}
	}
	return time.Duration(max(first, 0))
}

func (t *target) release() { t.pending.Add(-1) }
