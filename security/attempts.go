package security

import (
	"net/netip"
	"sync"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/clientip"
	"github.com/gatehouse-go/gatehouse/internal/recent"
)

// maxAttempts bounds the addresses, names and pairs of both that are remembered, each.
const maxAttempts = 1 << 16

// attempts counts failed attempts by address and by name. Each key has a bucket of MaxFailures that refills in the window;
// what is stored is the time at which it is full again (the generic cell rate algorithm), so an entry that lies in the past
// is the same as none.
type attempts struct {
	interval time.Duration // in which one failure is forgiven
	window   time.Duration
	epoch    time.Time

	mu        sync.Mutex
	addresses map[netip.Addr]time.Duration // since epoch
	names     map[string]time.Duration
	known     map[attempt]time.Duration // pairs that succeeded, until when that counts
}

// An attempt is who tries from where.
type attempt struct {
	address netip.Addr
	name    string // "" where only the address counts
}

// familiarity is how long a success exempts its pair of name and address from the throttle of the name.
const familiarity = 30 * 24 * time.Hour

func newAttempts(limit int, window time.Duration) *attempts {
	return &attempts{
		interval:  max(window/time.Duration(limit), 1),
		window:    window,
		epoch:     time.Now(),
		addresses: make(map[netip.Addr]time.Duration),
		names:     make(map[string]time.Duration),
		known:     make(map[attempt]time.Duration),
	}
}

// begin returns how long a is to wait before it may try, zero for not at all. An attempt at a name that can be guessed, and
// that was not used rightly from there before, is counted as failed from its beginning: otherwise a thousand guesses at
// once would all begin before the first has failed. The caller ends it with failed or forgiven.
func (t *attempts) begin(a attempt) (wait time.Duration, counted bool) {
	a.address = clientip.Network(a.address)
	now := time.Since(t.epoch)
	t.mu.Lock()
	defer t.mu.Unlock()
	full := t.addresses[a.address]
	counted = a.name != "" && t.known[a] <= now
	if counted {
		full = max(full, t.names[a.name])
	}
	if wait = full - now - t.window + t.interval; wait > 0 {
		return wait, false
	}
	if counted {
		t.add(a, now, t.interval)
	}
	return 0, counted
}

// failed counts a failure that begin did not.
func (t *attempts) failed(a attempt) {
	a.address, a.name = clientip.Network(a.address), ""
	t.mu.Lock()
	defer t.mu.Unlock()
	t.add(a, time.Since(t.epoch), t.interval)
}

// forgiven takes back what begin counted: the attempt succeeded, or was not judged.
func (t *attempts) forgiven(a attempt) {
	a.address = clientip.Network(a.address)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.add(a, time.Since(t.epoch), -t.interval)
}

// add moves the time at which the buckets of a are full. The lock is held.
func (t *attempts) add(a attempt, now, by time.Duration) {
	recent.Set(t.addresses, maxAttempts, a.address, max(t.addresses[a.address], now)+by, now)
	if a.name != "" {
		recent.Set(t.names, maxAttempts, a.name, max(t.names[a.name], now)+by, now)
	}
}

// succeeded notes that the name was used rightly from the address.
func (t *attempts) succeeded(a attempt) {
	if a.name == "" {
		return
	}
	a.address = clientip.Network(a.address)
	now := time.Since(t.epoch)
	t.mu.Lock()
	defer t.mu.Unlock()
	recent.Set(t.known, maxAttempts, a, now+familiarity, now)
}
