package revalidate

import (
	"math/rand/v2"
	"sync"
	"time"
)

// Bounds of the pause after a refresh that failed, so that an origin in trouble is not asked at every read.
const (
	shortestPause = 3 * time.Second
	longestPause  = 30 * time.Second
	maxPauses     = 4096 // keys in trouble at once; of more, nobody keeps count
)

// A refresher bounds refreshes in the background and keeps those that failed from coming back at once.
type refresher struct {
	slots chan struct{}

	mu     sync.Mutex
	pauses map[string]pause
}

type pause struct {
	until int64
	wait  time.Duration // without jitter, doubled at each failure
}

// enter takes a place for refreshing key, unless all are taken or key failed a moment ago.
func (r *refresher) enter(key string, now int64) bool {
	r.mu.Lock()
	p, failed := r.pauses[key]
	r.mu.Unlock()
	if failed && now < p.until {
		return false
	}
	select {
	case r.slots <- struct{}{}:
		return true
	default:
		return false
	}
}

// cancel gives back a place that was not used.
func (r *refresher) cancel() { <-r.slots }

// leave gives the place back and notes how the refresh went.
func (r *refresher) leave(key string, failed bool) {
	<-r.slots
	r.mu.Lock()
	defer r.mu.Unlock()
	if !failed {
		delete(r.pauses, key)
		return
	}
	now := time.Now().UnixNano()
	if len(r.pauses) >= maxPauses {
		for k, p := range r.pauses {
			if now >= p.until {
				delete(r.pauses, k)
			}
		}
		if len(r.pauses) >= maxPauses {
			return
		}
	}
	if r.pauses == nil {
		r.pauses = make(map[string]pause)
	}
	p := r.pauses[key]
	p.wait = min(max(2*p.wait, shortestPause), longestPause)
	from, to := max(p.wait-p.wait/4, shortestPause), min(p.wait+p.wait/4, longestPause)
	p.until = now + int64(from+rand.N(to-from)) //nolint:gosec // spreads load, guards nothing
	r.pauses[key] = p
}
