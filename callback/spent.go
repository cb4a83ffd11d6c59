package callback

import (
	"crypto/sha256"
	"sync"
	"time"
)

// spent remembers what was used once, as hashes, for a time and up to a number. It is safe for concurrent use.
//
// It stops a second use within this process, such as two clicks at once. What must be used once across processes is the business of
// whoever issued it: the Redeem func, or the provider's token endpoint.
type spent struct {
	keep time.Duration
	max  int

	mu    sync.Mutex
	until map[spentKey]time.Time
	order []spentKey // by time, oldest first; an entry released early stays until its turn
}

type spentKey [16]byte

func newSpent(keep time.Duration, size int) *spent {
	return &spent{keep: keep, max: size, until: map[spentKey]time.Time{}}
}

func spentKeyOf(s string) (k spentKey) {
	sum := sha256.Sum256([]byte(s))
	copy(k[:], sum[:])
	return k
}

// take marks s as used, and reports whether it was not before. Beyond the maximum, the oldest mark goes.
func (s *spent) take(key string) bool {
	k := spentKeyOf(key)
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if until, ok := s.until[k]; ok && now.Before(until) {
		return false
	}
	for len(s.order) > 0 {
		oldest := s.order[0]
		if until, ok := s.until[oldest]; ok && now.Before(until) && len(s.order) < s.max {
			break
		}
		delete(s.until, oldest)
		s.order = s.order[1:]
	}
	s.until[k] = now.Add(s.keep)
	s.order = append(s.order, k)
	return true
}

// used reports whether s is marked.
func (s *spent) used(key string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	until, ok := s.until[spentKeyOf(key)]
	return ok && time.Now().Before(until)
}

// release takes the mark back, for a use that did not happen after all.
func (s *spent) release(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.until, spentKeyOf(key))
}
