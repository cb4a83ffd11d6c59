// Package once remembers what was used, so that it is not used a second time within this process.
package once

import (
	"crypto/sha256"
	"sync"
	"time"
)

// Set remembers what was used, as hashes, for a time and up to a number. Make one with [New]; it is safe for concurrent use.
//
// It stops a second use within this process, such as two clicks at once. What must be used once across processes is the business of
// whoever issued it.
type Set struct {
	keep time.Duration
	max  int

	mu    sync.Mutex
	until map[key]time.Time
	order []key // by time, oldest first; an entry released early stays until its turn
}

// key is half a SHA-256: nothing secret is kept, and nothing collides.
type key [16]byte

// New returns a Set that remembers each of at most size values, at least 1, for keep.
func New(keep time.Duration, size int) *Set {
	return &Set{keep: keep, max: size, until: map[key]time.Time{}}
}

func keyOf(s string) (k key) {
	sum := sha256.Sum256([]byte(s))
	copy(k[:], sum[:])
	return k
}

// Take marks value as used, and reports whether it was not before. Beyond the size, the oldest mark goes.
func (s *Set) Take(value string) bool {
	k := keyOf(value)
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

// Used reports whether value is marked.
func (s *Set) Used(value string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	until, ok := s.until[keyOf(value)]
	return ok && time.Now().Before(until)
}

// Release takes the mark of value back, for a use that did not happen after all.
func (s *Set) Release(value string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.until, keyOf(value))
}
