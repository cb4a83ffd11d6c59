package revalidate

import (
	"context"
	"errors"
	"hash/maphash"
	"iter"
	"sync"
)

// NewTiered returns a [Store] of two tiers: near, in this process, and far, shared with others or surviving a restart. Reads
// ask near and then far, and put what far has into near; changes go to both.
//
// Near of one process does not see what another process changes in far: tags must be invalidated in each, by
// Config.OnInvalidate there and [Cache.Receive] here. An entry that cannot be encoded stays in near alone. The store is a [Leaser]
// where far is one.
func NewTiered(near, far Store) Store {
	t := &tiered{near: near, far: far, seed: maphash.MakeSeed()}
	if leaser, ok := far.(Leaser); ok {
		return &leasedTiers{tiered: t, leaser: leaser}
	}
	return t
}

type tiered struct {
	near, far Store
	seed      maphash.Seed
	changes   [256]changes // by key
}

// changes counts those of the keys that share it, so that a read of the far tier that began before one leaves the near tier as it is.
type changes struct {
	mu    sync.Mutex
	count uint64
}

func (c *changes) now() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.count
}

// change does something to the near tier.
func (c *changes) change(do func() error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.count++
	return do()
}

// copy does something to the near tier unless there was a change since count was read.
func (c *changes) copy(count uint64, do func() error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.count != count {
		return nil
	}
	return do()
}

func (t *tiered) of(key string) *changes {
	return &t.changes[maphash.String(t.seed, key)%uint64(len(t.changes))]
}

// leasedTiers are tiers of which the far one has leases.
type leasedTiers struct {
	*tiered
	leaser Leaser
}

// Lease is far's.
func (t *leasedTiers) Lease(ctx context.Context, key string, q LeaseQuestion) (Lease, error) {
	lease, err := t.leaser.Lease(ctx, key, q)
	if err != nil || lease == nil {
		return nil, err
	}
	return &tieredLease{Lease: lease, tiers: t.tiered, key: key}, nil
}

// tieredLease saves in both tiers.
type tieredLease struct {
	Lease
	tiers *tiered
	key   string
}

func (l *tieredLease) Save(ctx context.Context, e *Entry) error {
	err := l.Lease.Save(ctx, e)
	switch {
	case errors.Is(err, ErrLeaseLost):
		// Near may have what was before the one who took the lease.
		return errors.Join(err, l.tiers.of(l.key).change(func() error { return l.tiers.near.Delete(ctx, l.key) }))
	case errors.Is(err, ErrNotEncodable):
		err = l.tiers.far.Delete(ctx, l.key)
	}
	return errors.Join(err, l.tiers.of(l.key).change(func() error { return l.tiers.near.Save(ctx, l.key, e) }))
}

func (t *tiered) Load(ctx context.Context, key string) (*Entry, error) {
	e, err := t.near.Load(ctx, key)
	if e != nil {
		return e, nil
	}
	e, farErr := t.fromFar(ctx, key)
	if e == nil {
		return nil, errors.Join(err, farErr)
	}
	return e, farErr
}

// loadFarFirst is Load for one who wants what others have put into far, though near may have what was before; what far does not have may be near.
func (t *tiered) loadFarFirst(ctx context.Context, key string) (*Entry, error) {
	if e, err := t.fromFar(ctx, key); e != nil || err != nil {
		return e, err
	}
	return t.near.Load(ctx, key)
}

// fromFar loads an entry from far and puts it into near.
func (t *tiered) fromFar(ctx context.Context, key string) (*Entry, error) {
	changes := t.of(key)
	count := changes.now()
	e, err := t.far.Load(ctx, key)
	if e != nil && err == nil {
		_ = changes.copy(count, func() error { return t.near.Save(ctx, key, e) }) // it is only a copy
	}
	return e, err
}

func (t *tiered) Save(ctx context.Context, key string, e *Entry) error {
	err := t.far.Save(ctx, key, e)
	if errors.Is(err, ErrNotEncodable) {
		err = t.far.Delete(ctx, key) // what it replaces must not come back
	}
	return errors.Join(err, t.of(key).change(func() error { return t.near.Save(ctx, key, e) }))
}

func (t *tiered) Delete(ctx context.Context, key string) error {
	return errors.Join(t.far.Delete(ctx, key), t.of(key).change(func() error { return t.near.Delete(ctx, key) }))
}

func (t *tiered) Clear(ctx context.Context) error {
	err := t.far.Clear(ctx)
	for i := range t.changes {
		t.changes[i].mu.Lock()
		t.changes[i].count++
		defer t.changes[i].mu.Unlock()
	}
	return errors.Join(err, t.near.Clear(ctx))
}

// All yields what near has.
func (t *tiered) All(ctx context.Context) iter.Seq2[string, *Entry] { return t.near.All(ctx) }

// Usage returns that of near.
func (t *tiered) Usage() Usage { return t.near.Usage() }
