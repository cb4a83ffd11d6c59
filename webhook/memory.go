package webhook

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/invalid"
)

// MemoryConfig bounds a [Memory]. Its zero value is ready.
type MemoryConfig struct {
	// MaxDone is how many handled events are remembered at most. Beyond it the oldest is forgotten before its time. Zero means 65536.
	MaxDone int

	// MaxClaims is how many events may be in hand at once. Beyond it Claim returns [ErrUnavailable]. Zero means 16384.
	MaxClaims int
}

// Memory is the Deduper of one process: a bounded memory that a restart empties. Claims in hand and events handled are kept apart, so
// that no flood of events evicts a claim. It needs no goroutine. It is safe for use by many goroutines.
type Memory struct {
	config MemoryConfig

	mu      sync.Mutex
	claims  map[Key]memoryClaim
	done    map[Key]int  // position in the order of confirmation
	order   []memoryDone // ring of at most MaxDone notes: position p is at p % MaxDone
	head    int          // position of the oldest
	next    int          // position of the next to come
	tokens  uint64
	evicted uint64
}

type memoryClaim struct {
	token uint64
	until time.Time
}

type memoryDone struct {
	key   Key
	until time.Time
}

// NewMemory returns an empty Memory. Negative bounds are errors.
func NewMemory(c MemoryConfig) (*Memory, error) {
	bad := invalid.Config{Package: "webhook"}
	for _, bound := range []struct {
		field    string
		value    *int
		fallback int
	}{{"MaxDone", &c.MaxDone, 1 << 16}, {"MaxClaims", &c.MaxClaims, 1 << 14}} {
		switch {
		case *bound.value == 0:
			*bound.value = bound.fallback
		case *bound.value < 0:
			bad.Field("MemoryConfig."+bound.field, *bound.value, "must not be negative")
		}
	}
	if err := bad.Err(); err != nil {
		return nil, err
	}
	return &Memory{config: c, claims: map[Key]memoryClaim{}, done: map[Key]int{}}, nil
}

// defaultMemory returns a Memory with the default bounds.
func defaultMemory() *Memory {
	m, _ := NewMemory(MemoryConfig{}) // the zero value has no mistake
	return m
}

// Claim implements [Deduper].
func (m *Memory) Claim(_ context.Context, key Key, lease time.Duration) (Claim, error) {
	now := time.Now()
	m.mu.Lock()
	defer m.mu.Unlock()
	if at, ok := m.done[key]; ok && now.Before(m.slot(at).until) {
		return Claim{State: ClaimDone}, nil
	}
	held, ok := m.claims[key]
	if ok && now.Before(held.until) {
		return Claim{State: ClaimBusy}, nil
	}
	if !ok && len(m.claims) >= m.config.MaxClaims && !m.dropLapsed(now) {
		return Claim{}, fmt.Errorf("%w: %d events are in hand", ErrUnavailable, len(m.claims))
	}
	m.tokens++
	m.claims[key] = memoryClaim{m.tokens, now.Add(lease)}
	return Claim{State: ClaimTaken, Token: strconv.FormatUint(m.tokens, 10)}, nil
}

// Confirm implements [Deduper].
func (m *Memory) Confirm(_ context.Context, key Key, c Claim, keep time.Duration) error {
	now := time.Now()
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.end(key, c) {
		return nil
	}
	for m.head < m.next { // the oldest go when their time is over, or when there is no room
		oldest := m.slot(m.head)
		full := m.next-m.head >= m.config.MaxDone
		if !full && now.Before(oldest.until) {
			break
		}
		if m.done[oldest.key] == m.head {
			delete(m.done, oldest.key)
			if now.Before(oldest.until) {
				m.evicted++
			}
		}
		m.head++
	}
	if at := m.next % m.config.MaxDone; at == len(m.order) {
		m.order = append(m.order, memoryDone{})
	}
	*m.slot(m.next) = memoryDone{key, now.Add(keep)}
	m.done[key] = m.next
	m.next++
	return nil
}

// Release implements [Deduper].
func (m *Memory) Release(_ context.Context, key Key, c Claim) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.end(key, c)
	return nil
}

// Evicted returns how many handled events were forgotten before their time because MaxDone was reached. A number that grows asks for a
// larger bound, or a shared store.
func (m *Memory) Evicted() uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.evicted
}

// end removes claim c of key and reports whether c still was the one that holds it.
func (m *Memory) end(key Key, c Claim) bool {
	held, ok := m.claims[key]
	if !ok || strconv.FormatUint(held.token, 10) != c.Token {
		return false
	}
	delete(m.claims, key)
	return true
}

// dropLapsed removes the claims whose lease is over, and reports whether there were any.
func (m *Memory) dropLapsed(now time.Time) bool {
	before := len(m.claims)
	for key, held := range m.claims {
		if !now.Before(held.until) {
			delete(m.claims, key)
		}
	}
	return len(m.claims) < before
}

func (m *Memory) slot(position int) *memoryDone {
	return &m.order[position%m.config.MaxDone]
}
