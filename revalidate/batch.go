package revalidate

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"
)

// Set stores value under key as if it had just been fetched. It replaces what is there, and a fill that is under way will
// not replace it. The tags count from now on: an invalidation before the call does not concern value.
func Set[T any](ctx context.Context, c *Cache, key string, o Options, value T) error {
	p, err := c.plan(key, &o)
	if err != nil {
		return err
	}
	now := time.Now().UnixNano()
	c.flights.disown(key)
	e := p.entry(key, &data[T]{value: value}, p.tags, c.generations.clock.stamp(now), now)
	c.save(ctx, key, e)
	return nil
}

// Delete forgets the value under key. A fill that is under way still answers those who wait for it and stores nothing. It is for this process and
// its store: what must reach other instances has a tag and is expired by it.
func (c *Cache) Delete(ctx context.Context, key string) error {
	c.flights.disown(key)
	return c.store.Delete(ctx, key)
}

// GetMany returns the values of keys: those that are stored and good, and the rest from one call of fetch, which gets the
// missing keys in their order and returns what it found; a key it leaves out has no value and is not in the result. What it
// returns beyond the keys it was asked for is ignored.
//
// Stale values are fetched together with the missing ones, in the foreground: one call more costs less than many
// refreshes. A key that somebody else is fetching already is waited for and not fetched again. An error of fetch is returned
// together with the values that were had without it; Options.Negative does not apply. fetch runs in the caller's goroutine
// and context; readers who wait for one of its keys fetch for themselves when it fails.
func GetMany[T any](ctx context.Context, c *Cache, keys []string, o Options, fetch func(ctx context.Context, missing []string) (map[string]T, error)) (map[string]T, error) {
	found := make(map[string]T, len(keys))
	seen := make(map[string]bool, len(keys))
	var batch batch[T]
	now := time.Now().UnixNano()
	stamp := c.generations.clock.stamp(now)
	fresh := c.generations.fresh.Load()
	for _, key := range keys { // before anything is begun
		p, err := c.plan(key, &o)
		if err != nil {
			return nil, err
		}
		batch.plan = p
	}
	for _, key := range keys {
		if seen[key] {
			continue
		}
		seen[key] = true
		if e := c.load(ctx, key); e != nil && c.usable(e, now) == valid {
			if d, ok := decode[T](e); ok && d.err == nil {
				c.counters.hits.Add(1)
				inherit(ctx, e)
				found[key] = d.value
				continue
			}
		}
		c.counters.misses.Add(1)
		if fl, first := c.flights.join(key, stamp, fresh, true); first {
			batch.keys, batch.flights = append(batch.keys, key), append(batch.flights, fl)
		} else {
			c.counters.shared.Add(1)
			batch.others = append(batch.others, waited{key, fl})
		}
	}
	err := batch.fill(ctx, c, stamp, found, fetch)
	return found, errors.Join(err, batch.wait(ctx, c, found, o, fetch))
}

// A batch is what one call of GetMany has to fetch or to wait for.
type batch[T any] struct {
	plan    plan
	keys    []string
	flights []*flight
	others  []waited
}

type waited struct {
	key string
	fl  *flight
}

// errLeftOut tells those who wait for a key of a batch that they must fetch it themselves.
var errLeftOut = errors.New("revalidate: a batch did not find the key")

// fill fetches the keys of the batch and lands each of its flights, whatever happens.
func (b *batch[T]) fill(ctx context.Context, c *Cache, stamp int64, found map[string]T, fetch func(context.Context, []string) (map[string]T, error)) error {
	if len(b.keys) == 0 {
		return nil
	}
	defer func() {
		for i, fl := range b.flights {
			c.flights.land(b.keys[i], fl)
			if fl.entry == nil {
				fl.err = errLeftOut
			}
			close(fl.done)
		}
	}()
	col := &collector{stamp: stamp}
	col.add(splitTags(b.plan.tags)...)
	c.counters.fills.Add(1)
	fetched, err := fetch(context.WithValue(ctx, collectorKey{}, col), slices.Clone(b.keys))
	if err != nil {
		return err
	}
	tags, stamp, err := col.result()
	if err != nil {
		return err
	}
	now := time.Now().UnixNano()
	for i, key := range b.keys {
		value, ok := fetched[key]
		if !ok {
			continue
		}
		found[key] = value
		e := b.plan.entry(key, &data[T]{value: value}, tags, stamp, now)
		b.flights[i].entry = e
		b.flights[i].store(func() { c.save(ctx, key, e) })
		inherit(ctx, e)
	}
	return nil
}

// wait takes over what others fetched, and fetches what they did not find.
func (b *batch[T]) wait(ctx context.Context, c *Cache, found map[string]T, o Options, fetch func(context.Context, []string) (map[string]T, error)) error {
	var again []string
	for _, w := range b.others {
		select {
		case <-w.fl.done:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if w.fl.err == nil {
			if d, ok := decode[T](w.fl.entry); ok && d.err == nil {
				inherit(ctx, w.fl.entry)
				found[w.key] = d.value
				continue
			}
		}
		again = append(again, w.key)
	}
	if len(again) == 0 {
		return nil
	}
	rest, err := GetMany(ctx, c, again, o, fetch)
	maps.Copy(found, rest)
	return err
}

// entry makes the entry of a value.
func (p *plan) entry(key string, value any, tags string, stamp, now int64) *Entry {
	e := &Entry{
		stamp: stamp, tags: tags, value: value,
		fresh: now + int64(p.fresh), expire: now + int64(p.expire), keep: now + int64(p.expire),
	}
	e.size = entryOverhead + int64(len(key)) + int64(len(tags)) + sizeOf(value)
	return e
}
