package callback

import (
	"context"
	"crypto/sha256"
	"sync"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/invalid"
)

// MarkStore remembers what may be used once: a ticket, the state of a flow, the id of a logout token. Nil in a Config means marks in
// this process alone; processes that answer for the same host share a store, such as the one of engines/redis.
//
// Implementations are safe for concurrent use. Every method may fail; what cannot be marked is then refused with 503, never taken for unused.
type MarkStore interface {
	// Spend marks name as used for keep, which is above zero, and reports whether it was not before. Of calls at once, in all processes
	// that share the store, one is told so.
	Spend(ctx context.Context, name string, keep time.Duration) (first bool, err error)

	// Spent reports whether name is marked.
	Spent(ctx context.Context, name string) (bool, error)

	// Release takes the mark of name back, for a use that did not happen after all. No error where there is none.
	Release(ctx context.Context, name string) error
}

// MemoryMarksConfig bounds a [MemoryMarks]. Its zero value is ready.
type MemoryMarksConfig struct {
	// MaxMarks is how many marks are kept at most. Beyond that, the mark goes that would be forgotten first. Zero means 131072, which take
	// about 12 MB.
	MaxMarks int
}

// MemoryMarks is a [MarkStore] in this process: it forgets when the process ends, and other processes do not see it. It keeps half a
// SHA-256 of each name, so that nothing secret is in it. Make one with [NewMemoryMarks].
type MemoryMarks struct {
	max int

	mu    sync.Mutex
	marks map[markKey]*mark
	queue expiryQueue[*mark]
}

type markKey [sha256.Size / 2]byte

type mark struct {
	key   markKey
	until time.Time
	index int
}

func (m *mark) expiry() time.Time { return m.until }
func (m *mark) place() *int       { return &m.index }

// NewMemoryMarks returns an empty store. A negative bound is an error.
func NewMemoryMarks(c MemoryMarksConfig) (*MemoryMarks, error) {
	if c.MaxMarks == 0 {
		c.MaxMarks = 1 << 17
	}
	if c.MaxMarks < 0 {
		bad := invalid.Config{Package: "callback"}
		bad.Field("MemoryMarksConfig.MaxMarks", c.MaxMarks, "must not be negative")
		return nil, bad.Err()
	}
	return &MemoryMarks{max: c.MaxMarks, marks: map[markKey]*mark{}}, nil
}

// defaultMarks returns a store with the default bound.
func defaultMarks() *MemoryMarks {
	m, _ := NewMemoryMarks(MemoryMarksConfig{}) // the zero value has no mistake
	return m
}

func markKeyOf(name string) markKey {
	sum := sha256.Sum256([]byte(name))
	return markKey(sum[:sha256.Size/2])
}

// Spend implements [MarkStore].
func (s *MemoryMarks) Spend(_ context.Context, name string, keep time.Duration) (bool, error) {
	m := &mark{key: markKeyOf(name), until: time.Now().Add(keep)}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expire()
	if s.marks[m.key] != nil {
		return false, nil
	}
	if len(s.marks) >= s.max {
		s.remove(s.queue.first())
	}
	s.marks[m.key] = m
	s.queue.add(m)
	return true, nil
}

// Spent implements [MarkStore].
func (s *MemoryMarks) Spent(_ context.Context, name string) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expire()
	return s.marks[markKeyOf(name)] != nil, nil
}

// Release implements [MarkStore].
func (s *MemoryMarks) Release(_ context.Context, name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if m := s.marks[markKeyOf(name)]; m != nil {
		s.remove(m)
	}
	return nil
}

func (s *MemoryMarks) expire() {
	now := time.Now()
	for m, ok := s.queue.expired(now); ok; m, ok = s.queue.expired(now) {
		s.remove(m)
	}
}

func (s *MemoryMarks) remove(m *mark) {
	delete(s.marks, m.key)
	s.queue.remove(m)
}
