// Package leasetest has a store with leases in memory, for tests of what uses them.
package leasetest

import (
	"context"
	"sync"
	"time"

	"github.com/gatehouse-go/gatehouse/revalidate"
)

// Store is a [revalidate.Memory] with leases. It is safe for concurrent use once its fields are set.
type Store struct {
	*revalidate.Memory
	// Fail, if not nil, is asked before each call about leases, by its name; an error is the call's.
	Fail func(call string) error
	// Fault is what the store does wrong, of the constants below.
	Fault string

	mu     sync.Mutex
	leases map[string]*lease
}

// Faults.
const (
	Always       = "a lease for everyone"
	Never        = "a lease for nobody"
	Endless      = "leases do not end by themselves"
	NoEnd        = "End does nothing"
	EndsAny      = "End ends another's lease"
	NoFence      = "who lost a lease saves"
	KeepsAtSave  = "a save by its holder leaves the lease"
	KeepsAtWrite = "a save leaves another's lease"
	KeepsAtDrop  = "a deletion leaves leases"
	KeepsAtClear = "a clearing leaves leases"
	NoTakeover   = "a newer fill does not take over"
	TakesTooMuch = "a fill takes over what began at the invalidation"
	OneForAll    = "one lease for all keys"
	SavesNothing = "a save by the holder saves nothing"
)

type lease struct {
	store *Store
	key   string
	name  string // of the place in the store's leases
	began time.Time
	over  time.Time
}

func (s *Store) fails(call string) error {
	if s.Fail == nil {
		return nil
	}
	return s.Fail(call)
}

// Lease implements [revalidate.Leaser].
func (s *Store) Lease(_ context.Context, key string, q revalidate.LeaseQuestion) (revalidate.Lease, error) {
	if err := s.fails("Lease"); err != nil || s.Fault == Never {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	l := &lease{store: s, key: key, name: key, began: q.Began, over: time.Now().Add(q.Life)}
	if s.Fault == OneForAll {
		l.name = ""
	}
	since := q.Since
	if s.Fault == TakesTooMuch {
		since = since.Add(1)
	}
	if held := s.leases[l.name]; held != nil && s.Fault != Always {
		old := held.began.Before(since) && s.Fault != NoTakeover
		ended := time.Now().After(held.over) && s.Fault != Endless
		if !old && !ended {
			return nil, nil
		}
	}
	if s.leases == nil {
		s.leases = make(map[string]*lease)
	}
	s.leases[l.name] = l
	return l, nil
}

// Load returns a copy, as a store does that is another process.
func (s *Store) Load(ctx context.Context, key string) (*revalidate.Entry, error) {
	e, err := s.Memory.Load(ctx, key)
	if e == nil || err != nil {
		return nil, err
	}
	text, err := e.MarshalBinary()
	if err != nil {
		return nil, err
	}
	e = new(revalidate.Entry)
	return e, e.UnmarshalBinary(text)
}

// Save is the Memory's, and takes the lease away.
func (s *Store) Save(ctx context.Context, key string, e *revalidate.Entry) error {
	s.drop(key, KeepsAtWrite)
	return s.Memory.Save(ctx, key, e)
}

// Delete is the Memory's, and takes the lease away.
func (s *Store) Delete(ctx context.Context, key string) error {
	s.drop(key, KeepsAtDrop)
	return s.Memory.Delete(ctx, key)
}

// Clear is the Memory's, and takes all leases away.
func (s *Store) Clear(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.Fault != KeepsAtClear {
		clear(s.leases)
	}
	return s.Memory.Clear(ctx)
}

func (s *Store) drop(key, unless string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.Fault != unless {
		delete(s.leases, key)
	}
}

// Held returns how many leases are held, over or not.
func (s *Store) Held() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.leases)
}

// Save implements [revalidate.Lease].
func (l *lease) Save(ctx context.Context, e *revalidate.Entry) error {
	s := l.store
	if err := s.fails("Save"); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.Fault != NoFence && (s.leases[l.name] != l || time.Now().After(l.over)) {
		return revalidate.ErrLeaseLost
	}
	if s.Fault != KeepsAtSave {
		delete(s.leases, l.name)
	}
	if s.Fault == SavesNothing {
		return nil
	}
	return s.Memory.Save(ctx, l.key, e)
}

// End implements [revalidate.Lease].
func (l *lease) End(context.Context) error {
	s := l.store
	if err := s.fails("End"); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.leases[l.name] == l && s.Fault != NoEnd || s.Fault == EndsAny {
		delete(s.leases, l.name)
	}
	return nil
}
