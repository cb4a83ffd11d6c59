// Package logsample keeps a flood of refused requests from becoming a flood of log lines.
package logsample

import (
	"sync/atomic"

	"golang.org/x/time/rate"
)

// Sample lets a hundred lines at once into a log and ten a second, and counts the rest. It is safe for concurrent use.
type Sample struct {
	limit *rate.Limiter
	left  atomic.Int64 // how many were left out since the last that was let in
}

// New returns a Sample that has let nothing in yet.
func New() *Sample { return &Sample{limit: rate.NewLimiter(10, 100)} }

// Take reports whether a line is let in, and how many were left out before it.
func (s *Sample) Take() (left int64, ok bool) {
	if !s.limit.Allow() {
		s.left.Add(1)
		return 0, false
	}
	return s.left.Swap(0), true
}

// Leave counts a line that the caller itself leaves out.
func (s *Sample) Leave() { s.left.Add(1) }
