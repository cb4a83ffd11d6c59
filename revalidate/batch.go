package revalidate

import (
	"context"
	"errors"
	"maps"
	"sync"
	"sync/atomic"
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
	_ = c.save(ctx, key, e) // it is logged: a store that is down makes nothing wrong
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
// refreshes. A key that somebody else is fetching already is waited for and not fetched again; on a [Leaser], whichever process it is, and what
// does not come is fetched by a further call. An error of fetch is returned
// together with the values that were had without it; Options.Negative does not apply. fetch runs in the caller's goroutine
// and context; readers who wait for one of its keys fetch for themselves when it fails.
func GetMany[T any](ctx context.Context, c *Cache, keys []string, o Options, fetch func(ctx context.Context, missing []string) (map[string]T, error)) (map[string]T, error) {
	found := make(map[string]T, len(keys))
	batch := batch[T]{cache: c, found: found, fetch: fetch, up: true}
	for _, key := range keys { // before anything is begun
		p, err := c.plan(key, &o)
		if err != nil {
			return nil, err
		}
		batch.plan = p
	}
	keys = distinct(keys)
	now := time.Now().UnixNano()
	batch.stamp = c.generations.clock.stamp(now)
	fresh := c.generations.fresh.Load()
	for i, e := range batch.load(ctx, keys) {
		if e != nil && c.usable(e, now) == valid {
			if d, ok := decode[T](e); ok && d.err == nil {
				c.counters.hits.Add(1)
				inherit(ctx, e)
				found[keys[i]] = d.value
				continue
			}
		}
		c.counters.misses.Add(1)
		one := member{key: keys[i]}
		var first bool
		if one.fl, first = c.flights.join(one.key, batch.stamp, fresh, true); first {
			one.fl.err = errLeftOut // until it is found
			batch.own = append(batch.own, one)
		} else {
			c.counters.shared.Add(1)
			batch.others = append(batch.others, one)
		}
	}
	err := batch.fill(ctx)
	return found, errors.Join(err, batch.wait(ctx, o))
}

// distinct returns each of keys once.
func distinct(keys []string) []string {
	seen := make(map[string]bool, len(keys))
	once := make([]string, 0, len(keys))
	for _, key := range keys {
		if !seen[key] {
			seen[key] = true
			once = append(once, key)
		}
	}
	return once
}

// A batch is what one call of GetMany has to fetch or to wait for.
type batch[T any] struct {
	cache  *Cache
	plan   plan
	stamp  int64
	found  map[string]T
	fetch  func(context.Context, []string) (map[string]T, error)
	own    []member
	others []member // that somebody else fetches in this process
	up     bool     // false once the store has failed: it is asked nothing more before there is an answer
}

// A member is a key of a batch with its flight.
type member struct {
	key string
	fl  *flight
}

// errLeftOut tells those who wait for a key of a batch that they must fetch it themselves.
var errLeftOut = errors.New("revalidate: a batch did not find the key")

// together is how many keys of a batch a store outside this process is asked for at once: enough to share a few round trips.
const together = 64

// each does something for i from 0 to n-1; many at once where the store is outside this process and would make each wait for the one before.
func (b *batch[T]) each(n int, do func(i int)) {
	if b.cache.generations.local || n == 1 {
		for i := range n {
			do(i)
		}
		return
	}
	var next atomic.Int64
	var all sync.WaitGroup
	for range min(n, together) {
		all.Go(func() {
			for i := next.Add(1) - 1; i < int64(n); i = next.Add(1) - 1 {
				do(int(i))
			}
		})
	}
	all.Wait()
}

// load returns what the store has of keys.
func (b *batch[T]) load(ctx context.Context, keys []string) []*Entry {
	entries := make([]*Entry, len(keys))
	var down atomic.Bool
	b.each(len(keys), func(i int) {
		if down.Load() {
			entries[i] = b.cache.peek(ctx, keys[i])
			return
		}
		e, up := b.cache.load(ctx, keys[i])
		if entries[i] = e; !up {
			down.Store(true)
		}
	})
	b.up = !down.Load()
	return entries
}

// fill has each of the batch's own keys fetched, here or by another process, and lands each of its flights, whatever happens.
func (b *batch[T]) fill(ctx context.Context) error {
	if len(b.own) == 0 {
		return nil
	}
	defer b.land(ctx)
	giveUp := time.Now().Add(b.cache.leaseLife)
	waiting := b.own
	for pause := shortestLook; len(waiting) > 0; pause = min(2*pause, longestLook) {
		var mine []member
		mine, waiting = b.turns(ctx, waiting)
		if len(waiting) > 0 && len(mine) == 0 && !b.cache.pause(ctx, pause, giveUp) {
			if err := ctx.Err(); err != nil {
				return context.Cause(ctx)
			}
			mine, waiting = waiting, nil
		}
		if err := b.fetchFor(ctx, mine); err != nil {
			return err
		}
	}
	return nil
}

// turns tells the keys whose turn it is to be fetched here from those that others fetch; what others have made is found by the way.
func (b *batch[T]) turns(ctx context.Context, members []member) (mine, waiting []member) {
	if _, ok := b.cache.store.(Leaser); !ok || !b.up {
		return b.missing(ctx, members), nil
	}
	turns := make([]turn, len(members))
	var down atomic.Bool
	b.each(len(members), func(i int) {
		if down.Load() {
			turns[i] = turn{down: true}
			return
		}
		turns[i] = b.cache.turn(ctx, members[i].key, b.stamp, false, seeData[T](ctx, b.cache, members[i].key))
		if turns[i].down {
			down.Store(true)
		}
	})
	for i, t := range turns {
		m := members[i]
		m.fl.lease, m.fl.unshared = t.lease, t.lease != nil
		b.up = b.up && !t.down
		switch {
		case t.found != nil && b.take(ctx, m, t.found):
		case t.wait && ctx.Err() == nil:
			waiting = append(waiting, m)
		default:
			mine = append(mine, m)
		}
	}
	if !b.up { // nobody knows what others do
		mine, waiting = b.missing(ctx, append(mine, waiting...)), nil
	}
	return mine, waiting
}

// take ends the flight of a key for which another has made e; false means that e is of no use to the batch.
func (b *batch[T]) take(ctx context.Context, m member, e *Entry) bool {
	d, ok := decode[T](e)
	if !ok || d.err != nil {
		return false
	}
	b.found[m.key] = d.value
	inherit(ctx, e)
	m.fl.saved = true
	m.fl.tell(e, nil)
	b.cache.flights.land(m.key, m.fl)
	m.fl.end()
	return true
}

// missing returns those of members which nobody has stored in this process since they were looked for, and takes the others.
func (b *batch[T]) missing(ctx context.Context, members []member) (left []member) {
	for _, m := range members {
		if m.fl.lease == nil { // else it was looked for with the lease
			if e := b.cache.peek(ctx, m.key); usableAs[T](b.cache, e) && b.take(ctx, m, e) {
				b.cache.counters.shared.Add(1)
				continue
			}
		}
		left = append(left, m)
	}
	return left
}

// fetchFor fetches members in one call, and stores what was found.
func (b *batch[T]) fetchFor(ctx context.Context, members []member) error {
	if len(members) == 0 {
		return nil
	}
	c := b.cache
	col := &collector{stamp: b.stamp}
	col.add(splitTags(b.plan.tags)...)
	keys := make([]string, len(members))
	for i, m := range members {
		keys[i] = m.key
	}
	c.counters.fills.Add(1)
	fetched, err := b.fetch(context.WithValue(ctx, collectorKey{}, col), keys)
	if err != nil {
		return err
	}
	tags, stamp, err := col.result()
	if err != nil {
		return err
	}
	now := time.Now().UnixNano()
	for _, m := range members {
		value, ok := fetched[m.key]
		if !ok {
			continue
		}
		b.found[m.key] = value
		e := b.plan.entry(m.key, &data[T]{value: value}, tags, stamp, now)
		inherit(ctx, e)
		m.fl.tell(e, nil)
	}
	if b.up {
		b.settle(ctx, members)
	}
	return nil
}

// settle stores what members were found to be, and ends their flights and leases, until the store fails: a batch that waits for what others fetch
// must not keep anything that they wait for.
func (b *batch[T]) settle(ctx context.Context, members []member) {
	var down atomic.Bool
	b.each(len(members), func(i int) {
		m := members[i]
		if down.Load() {
			return
		}
		if m.fl.entry != nil {
			b.cache.saveFlight(ctx, m.key, m.fl, m.fl.entry)
		}
		if !m.fl.down {
			b.cache.abandon(ctx, m.key, m.fl)
		}
		if m.fl.down {
			down.Store(true)
			return
		}
		b.cache.flights.land(m.key, m.fl)
		m.fl.end()
	})
	b.up = b.up && !down.Load()
}

// land ends the flights: at once, and where the store has failed, what it has not been asked yet it is asked once the caller has his answer.
func (b *batch[T]) land(ctx context.Context) {
	for _, m := range b.own {
		m.fl.down = m.fl.down || !b.up
	}
	ending := context.WithoutCancel(ctx)
	rest := func() {
		b.each(len(b.own), func(i int) {
			m := b.own[i]
			if m.fl.entry != nil && !m.fl.saved {
				b.cache.saveFlight(ending, m.key, m.fl, m.fl.entry)
			}
			b.cache.abandon(ctx, m.key, m.fl)
			b.cache.flights.land(m.key, m.fl)
			m.fl.end()
		})
	}
	if b.up {
		rest()
		return
	}
	for _, m := range b.own {
		m.fl.end()
	}
	if !b.cache.later(rest) {
		for _, m := range b.own {
			b.cache.flights.land(m.key, m.fl)
		}
	}
}

// wait takes over what others fetched, and fetches what they did not find.
func (b *batch[T]) wait(ctx context.Context, o Options) error {
	var again []string
	for _, m := range b.others {
		if err := m.fl.result(ctx, b.up); err != nil {
			return err
		}
		if m.fl.err == nil {
			if d, ok := decode[T](m.fl.entry); ok && d.err == nil {
				inherit(ctx, m.fl.entry)
				b.found[m.key] = d.value
				continue
			}
		}
		again = append(again, m.key)
	}
	if len(again) == 0 {
		return nil
	}
	rest, err := GetMany(ctx, b.cache, again, o, b.fetch)
	maps.Copy(b.found, rest)
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
