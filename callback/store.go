package callback

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/invalid"
)

// SessionRecord is one session as a [SessionStore] keeps it.
type SessionRecord struct {
	// ID is the key. It is a hash of what the browser holds: who reads the store cannot take a session over.
	ID string

	// Links are names the session can be found and ended by: first the one of its user, more where a provider has its own id for it.
	Links []string

	// Data is the session's value as JSON.
	Data []byte

	// Created is when the session began, which is when its absolute lifetime began. Expires is when it ends unless extended; it
	// is never later than Ends, the end of the absolute lifetime.
	Created, Expires, Ends time.Time
}

// SessionStore keeps sessions on the server. Implementations are safe for concurrent use, and forget a record once it expires.
// Every method may fail; a session that cannot be read is then refused with 503, never assumed.
type SessionStore interface {
	// Put creates the record, or replaces the one with its ID.
	Put(ctx context.Context, rec SessionRecord) error

	// Get returns the record, or found false where there is none or it has expired.
	Get(ctx context.Context, id string) (rec SessionRecord, found bool, err error)

	// Extend moves Expires of an existing record to a later time. It never creates a record, moves a time back or goes beyond the
	// record's Ends, so that a renewal cannot revive a session that was ended meanwhile.
	Extend(ctx context.Context, id string, expires time.Time) error

	// SetData replaces Data of an existing record. It never creates a record; no error where there is none.
	SetData(ctx context.Context, id string, data []byte) error

	// Delete ends one session; no error where there is none.
	Delete(ctx context.Context, id string) error

	// DeleteLinked ends every session that has the link, and returns how many.
	DeleteLinked(ctx context.Context, link string) (int, error)

	// ListLinked returns the sessions that have the link, oldest first.
	ListLinked(ctx context.Context, link string) ([]SessionRecord, error)
}

// MemorySessionsConfig bounds a [MemorySessions]. Its zero value is ready.
type MemorySessionsConfig struct {
	// MaxSessions is how many sessions are kept at most. When another one begins beyond that, the session that would expire first ends.
	// Zero means 65536.
	MaxSessions int
}

// MemorySessions is a [SessionStore] in this process: sessions end when it does, and other processes do not see them. Make one with
// [NewMemorySessions].
type MemorySessions struct {
	max int

	mu    sync.Mutex
	byID  map[string]*memoryRecord
	links map[string]map[string]*memoryRecord // by link, then by id
	queue expiryQueue[*memoryRecord]
}

type memoryRecord struct {
	SessionRecord
	index int // in the queue
}

func (r *memoryRecord) expiry() time.Time { return r.Expires }
func (r *memoryRecord) place() *int       { return &r.index }

// userMax is how many sessions may have the same first link, which names the user: more would let one user crowd out the others.
const userMax = 100

// NewMemorySessions returns an empty store. A negative bound is an error. Of one user it keeps 100 sessions at most, and ends the one that
// would expire first when another begins.
func NewMemorySessions(c MemorySessionsConfig) (*MemorySessions, error) {
	if c.MaxSessions == 0 {
		c.MaxSessions = 1 << 16
	}
	if c.MaxSessions < 0 {
		bad := invalid.Config{Package: "callback"}
		bad.Field("MemorySessionsConfig.MaxSessions", c.MaxSessions, "must not be negative")
		return nil, bad.Err()
	}
	return &MemorySessions{max: c.MaxSessions, byID: map[string]*memoryRecord{}, links: map[string]map[string]*memoryRecord{}}, nil
}

// Put implements [SessionStore].
func (m *MemorySessions) Put(_ context.Context, rec SessionRecord) error {
	rec.Links = slices.Clone(rec.Links)
	rec.Data = slices.Clone(rec.Data)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.remove(m.byID[rec.ID])
	m.expire()
	if len(rec.Links) > 0 && len(m.links[rec.Links[0]]) >= userMax {
		m.remove(firstToExpire(m.links[rec.Links[0]]))
	}
	for len(m.byID) >= m.max {
		m.remove(m.queue.first())
	}
	r := &memoryRecord{SessionRecord: rec}
	m.byID[rec.ID] = r
	for _, link := range rec.Links {
		if m.links[link] == nil {
			m.links[link] = map[string]*memoryRecord{}
		}
		m.links[link][rec.ID] = r
	}
	m.queue.add(r)
	return nil
}

func firstToExpire(records map[string]*memoryRecord) (first *memoryRecord) {
	for _, r := range records {
		if first == nil || r.Expires.Before(first.Expires) {
			first = r
		}
	}
	return first
}

// Get implements [SessionStore].
func (m *MemorySessions) Get(_ context.Context, id string) (SessionRecord, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.expire()
	r := m.byID[id]
	if r == nil {
		return SessionRecord{}, false, nil
	}
	return r.copy(), true, nil
}

// Extend implements [SessionStore].
func (m *MemorySessions) Extend(_ context.Context, id string, expires time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.expire()
	r := m.byID[id]
	if r == nil {
		return nil
	}
	if expires.After(r.Ends) {
		expires = r.Ends
	}
	if expires.After(r.Expires) {
		r.Expires = expires
		m.queue.moved(r)
	}
	return nil
}

// SetData implements [SessionStore].
func (m *MemorySessions) SetData(_ context.Context, id string, data []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.expire()
	if r := m.byID[id]; r != nil {
		r.Data = slices.Clone(data)
	}
	return nil
}

// Delete implements [SessionStore].
func (m *MemorySessions) Delete(_ context.Context, id string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.remove(m.byID[id])
	return nil
}

// DeleteLinked implements [SessionStore].
func (m *MemorySessions) DeleteLinked(_ context.Context, link string) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.expire()
	n := len(m.links[link])
	for _, r := range m.links[link] {
		m.remove(r)
	}
	return n, nil
}

// ListLinked implements [SessionStore].
func (m *MemorySessions) ListLinked(_ context.Context, link string) ([]SessionRecord, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.expire()
	out := make([]SessionRecord, 0, len(m.links[link]))
	for _, r := range m.links[link] {
		out = append(out, r.copy())
	}
	slices.SortFunc(out, func(a, b SessionRecord) int { return a.Created.Compare(b.Created) })
	return out, nil
}

func (r *memoryRecord) copy() SessionRecord {
	out := r.SessionRecord
	out.Links = slices.Clone(out.Links)
	out.Data = slices.Clone(out.Data)
	return out
}

// expire drops what has expired; the queue has it in front.
func (m *MemorySessions) expire() {
	now := time.Now()
	for r, ok := m.queue.expired(now); ok; r, ok = m.queue.expired(now) {
		m.remove(r)
	}
}

func (m *MemorySessions) remove(r *memoryRecord) {
	if r == nil {
		return
	}
	delete(m.byID, r.ID)
	for _, link := range r.Links {
		delete(m.links[link], r.ID)
		if len(m.links[link]) == 0 {
			delete(m.links, link)
		}
	}
	m.queue.remove(r)
}
