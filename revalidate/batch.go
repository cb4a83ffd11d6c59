package revalidate

import (
	"context"
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

// Delete forgets the value under key. A fill that is under way still answers those who wait for it and stores nothing.
func (c *Cache) Delete(ctx context.Context, key string) error {
	c.flights.disown(key)
	return c.store.Delete(ctx, key)
}

// GetMany returns the values of keys: those that are stored and good, and the rest from one call of fetch, which gets the missing
// keys in their order and returns what it found; a key it leaves out has no value and is not in the result. What it
// returns beyond the keys it was asked for is ignored.
//
// Stale values are fetched together with the missing ones, in the foreground: one call more costs less than many
// refreshes. Callers that overlap in time each fetch what they miss. An error of fetch is returned together with the
// values that were stored; Options.Negative does not apply.
func GetMany[T any](ctx context.Context, c *Cache, keys []string, o Options, fetch func(ctx context.Context, missing []string) (map[string]T, error)) (map[string]T, error) {
	found := make(map[string]T, len(keys))
	var missing []string
	seen := make(map[string]bool, len(keys))
	var p plan
	now := time.Now().UnixNano()
	for _, key := range keys {
		if seen[key] {
			continue
		}
		seen[key] = true
		var err error
		if p, err = c.plan(key, &o); err != nil {
			return nil, err
		}
		if e := c.load(ctx, key); e != nil && c.usable(e, now) == valid {
			if d, ok := decode[T](e); ok && d.err == nil {
				c.counters.hits.Add(1)
				inherit(ctx, e)
				found[key] = d.value
				continue
			}
		}
		c.counters.misses.Add(1)
		missing = append(missing, key)
	}
	if len(missing) == 0 {
		return found, nil
	}
	col := &collector{stamp: c.generations.clock.stamp(now)}
	col.add(splitTags(p.tags)...)
	c.counters.fills.Add(1)
	fetched, err := fetch(context.WithValue(ctx, collectorKey{}, col), missing)
	if err != nil {
		return found, err
	}
	tags, stamp, violation := col.result()
	if violation != nil {
		return found, violation
	}
	now = time.Now().UnixNano()
	for _, key := range missing {
		value, ok := fetched[key]
		if !ok {
			continue
		}
		found[key] = value
		e := p.entry(key, &data[T]{value: value}, tags, stamp, now)
		c.save(ctx, key, e)
		inherit(ctx, e)
	}
	return found, nil
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
