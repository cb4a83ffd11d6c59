package revalidate

import (
	"context"
	"errors"
	"iter"
)

// NewTiered returns a [Store] of two tiers: near, in this process, and far, shared with others or surviving a restart. Reads
// ask near and then far, and put what far has into near; changes go to both.
//
// Near of one process does not see what another process changes in far: tags must be invalidated in each, by
// Config.OnInvalidate there and [Cache.Receive] here. An entry that cannot be encoded stays in near alone.
func NewTiered(near, far Store) Store { return &tiered{near: near, far: far} }

type tiered struct{ near, far Store }

func (t *tiered) Load(ctx context.Context, key string) (*Entry, error) {
	e, err := t.near.Load(ctx, key)
	if e != nil {
		return e, nil
	}
	e, farErr := t.far.Load(ctx, key)
	if e == nil {
		return nil, errors.Join(err, farErr)
	}
	_ = t.near.Save(ctx, key, e) // it is only a copy
	return e, nil
}

func (t *tiered) Save(ctx context.Context, key string, e *Entry) error {
	err := t.far.Save(ctx, key, e)
	if errors.Is(err, ErrNotEncodable) {
		err = t.far.Delete(ctx, key) // what it replaces must not come back
	}
	return errors.Join(err, t.near.Save(ctx, key, e))
}

func (t *tiered) Delete(ctx context.Context, key string) error {
	return errors.Join(t.far.Delete(ctx, key), t.near.Delete(ctx, key))
}

func (t *tiered) Clear(ctx context.Context) error {
	return errors.Join(t.far.Clear(ctx), t.near.Clear(ctx))
}

// All yields what near has.
func (t *tiered) All(ctx context.Context) iter.Seq2[string, *Entry] { return t.near.All(ctx) }

// Usage returns that of near.
func (t *tiered) Usage() Usage { return t.near.Usage() }
