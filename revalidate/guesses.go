package revalidate

import (
	"net/netip"
	"sync"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/recent"
)

const (
	defaultMaxFailures   = 100
	defaultFailureWindow = time.Minute

	// maxGuessers bounds the addresses that are remembered, of those that failed and of those that are familiar.
	maxGuessers = 1 << 14
	// familiarity is how long a good token keeps its address from being shut out.
	familiarity = 30 * 24 * time.Hour
)

// guesses counts wrong tokens by address. Each address has a bucket of MaxFailures that refills in the window; what is stored is the time
// at which it is full again (the generic cell rate algorithm).
type guesses struct {
	interval, window time.Duration
	epoch            time.Time

	mu       sync.Mutex
	failed   map[netip.Addr]time.Duration // since epoch
	familiar map[netip.Addr]time.Duration
}

func newGuesses(most int, window time.Duration) *guesses {
	return &guesses{
		interval: max(window/time.Duration(most), 1), window: window, epoch: time.Now(),
		failed: make(map[netip.Addr]time.Duration), familiar: make(map[netip.Addr]time.Duration),
	}
}

// judge notes a token from addr, and returns how long addr is shut out; zero means that the token counts for what it is. Nobody who is
// shut out learns whether the token was right.
func (g *guesses) judge(addr netip.Addr, right bool) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Since(g.epoch)
	wait := g.failed[addr] - now - g.window + g.interval
	switch {
	case right && (wait <= 0 || now < g.familiar[addr]):
		recent.Set(g.familiar, maxGuessers, addr, now+familiarity, now)
		return 0
	case wait > 0:
		return wait
	}
	recent.Set(g.failed, maxGuessers, addr, max(g.failed[addr], now)+g.interval, now)
	return 0
}
