package revalidate

import (
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// A clock hands out generations: nanoseconds since 1970, but strictly increasing from one invalidation to the next.
// Being times, they order the invalidations and fills of several processes as well as those processes' clocks agree.
type clock struct{ last atomic.Int64 }

// stamp returns the generation of a fill that begins now: every later invalidation is greater.
func (c *clock) stamp(now int64) int64 {
	for {
		last := c.last.Load()
		if now <= last {
			return last
		}
		if c.last.CompareAndSwap(last, now) {
			return now
		}
	}
}

// next returns the generation of an invalidation: greater than every stamp taken before.
func (c *clock) next(now int64) int64 {
	for {
		last := c.last.Load()
		gen := max(now, last+1)
		if c.last.CompareAndSwap(last, gen) {
			return gen
		}
	}
}

// A mark is what invalidations did to everything that carries one name (a tag, a path).
type mark struct {
	expired int64 // entries of an older generation are dead
	stale   int64 // entries of an older generation are stale,
	until   int64 // and dead from this time on
}

func (m *mark) newest() int64 { return max(m.expired, m.stale) }

// expire notes an invalidation after which the next read is fresh.
func (m *mark) expire(gen int64) { m.expired = gen }

// age notes an invalidation after which reads may be stale until a time. A deadline that has passed has already killed
// what it spoke of; one that is still to come is never put off by a later invalidation.
func (m *mark) age(gen, now, until int64) {
	switch {
	case m.stale > m.expired && now >= m.until:
		m.expired, m.until = m.stale, until
	case m.stale <= m.expired:
		m.until = until
	default:
		m.until = min(m.until, until)
	}
	m.stale = gen
}

// verdict is what the invalidations say about an entry.
type verdict uint8

const (
	valid verdict = iota
	aged          // stale: serve it and refresh it
	dead          // never serve it again
)

// generations holds, for each name that was invalidated, when that was. Entries are not listed anywhere: an
// invalidation costs the same for one entry as for a million, and each entry finds out when it is next read.
//
// A read whose entry was looked at since the last invalidation of anything costs one load and one compare.
type generations struct {
	clock clock
	epoch atomic.Int64 // generation of the newest invalidation of anything
	fresh atomic.Int64 // the same, counting only those after which a read must be fresh
	floor atomic.Int64 // entries of an older generation are dead: PurgeAll, and marks that were let go

	local   bool         // no entry was made in another process, so generations need not agree with its clock
	longest atomic.Int64 // longest life that an entry can have, in nanoseconds: older marks concern nobody

	mu       sync.RWMutex
	tags     map[string]*mark
	paths    map[string]*mark
	prefixes map[string]*mark // of tags
	patterns map[string]*rule // of paths
	pruneAt  int              // the number of marks at which to look for ones to let go
	maxMarks int
}

type rule struct {
	pattern *pathPattern
	mark    mark
}

// smallestPrune keeps pruning rare while there are few marks.
const smallestPrune = 1024

func newGenerations(maxMarks int, local bool) *generations {
	g := &generations{
		local: local,
		tags:  make(map[string]*mark), paths: make(map[string]*mark), prefixes: make(map[string]*mark),
		patterns: make(map[string]*rule), pruneAt: min(smallestPrune, maxMarks), maxMarks: maxMarks,
	}
	if !local { // what another process has stored, or will, may have any life
		g.longest.Store(2 * int64(Forever))
	}
	return g
}

// judge says what the invalidations until now mean for e.
func (g *generations) judge(e *Entry, now int64) verdict {
	epoch := g.epoch.Load()
	if e.checked.Load() >= epoch {
		return valid
	}
	v := g.look(e.stamp, e.tags, e.path, now)
	if v == valid {
		e.checked.Store(epoch) // taken before looking: an invalidation since then is newer
	}
	return v
}

func (g *generations) look(stamp int64, tags, path string, now int64) (v verdict) {
	if stamp < g.floor.Load() {
		return dead
	}
	see := func(m *mark) {
		switch {
		case m.expired > stamp, m.stale > stamp && now >= m.until:
			v = dead
		case m.stale > stamp && v != dead:
			v = aged
		}
	}
	g.mu.RLock()
	defer g.mu.RUnlock()
	for rest := tags; rest != ""; {
		var tag string
		tag, rest, _ = strings.Cut(rest, " ")
		if m := g.tags[tag]; m != nil {
			see(m)
		}
		for prefix, m := range g.prefixes {
			if strings.HasPrefix(tag, prefix) {
				see(m)
			}
		}
	}
	if path != "" {
		if m := g.paths[path]; m != nil {
			see(m)
		}
		for _, r := range g.patterns {
			if r.mark.newest() > stamp && r.pattern.match(path) {
				see(&r.mark)
			}
		}
	}
	return v
}

// invalidate marks everything that inv names, but for URLs, in one step: no read sees a part of it. What is made stale is dead after window.
func (g *generations) invalidate(inv *Invalidation, patterns []*pathPattern, window time.Duration) {
	var at int64
	if inv.Mode != ModeExpire || !g.local { // reading the clock is most of what a mark costs
		at = time.Now().UnixNano()
	}
	until := at + int64(window)
	hit := func(m *mark, gen int64) {
		if inv.Mode == ModeExpire {
			m.expire(gen)
		} else {
			m.age(gen, at, until)
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	gen := g.clock.next(at)
	for _, tag := range inv.Tags {
		hit(g.mark(g.tags, tag), gen)
	}
	for _, prefix := range inv.TagPrefixes {
		hit(g.mark(g.prefixes, prefix), gen)
	}
	for _, p := range patterns {
		if p.literal {
			hit(g.mark(g.paths, p.text), gen)
			continue
		}
		r := g.patterns[p.text]
		if r == nil {
			g.makeRoom()
			r = &rule{pattern: p}
			g.patterns[p.text] = r
		}
		hit(&r.mark, gen)
	}
	for _, group := range inv.Groups {
		g.mark(g.tags, group.tag()).expire(gen)
	}
	if inv.Mode == ModeExpire || len(inv.Groups) > 0 {
		g.fresh.Store(gen)
	}
	g.epoch.Store(gen)
}

// purge makes every entry of today dead.
func (g *generations) purge(now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	gen := g.clock.next(now.UnixNano())
	g.floor.Store(gen)
	clear(g.tags)
	clear(g.paths)
	clear(g.prefixes)
	clear(g.patterns)
	g.pruneAt = min(smallestPrune, g.maxMarks)
	g.fresh.Store(gen)
	g.epoch.Store(gen)
}

// forget makes every entry that is older than before dead.
func (g *generations) forget(now, before time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	gen := g.clock.next(now.UnixNano())
	limit := gen
	if before.Before(now) {
		limit = before.UnixNano()
	}
	g.floor.Store(max(g.floor.Load(), limit))
	g.fresh.Store(gen)
	g.epoch.Store(gen)
}

// mark returns the mark of name, a new one if need be. The caller holds the lock.
func (g *generations) mark(marks map[string]*mark, name string) *mark {
	m := marks[name]
	if m == nil {
		g.makeRoom()
		m = new(mark)
		marks[strings.Clone(name)] = m // name may be a piece of a request that would be kept alive
	}
	return m
}

// size returns the number of marks. The caller holds the lock.
func (g *generations) size() int {
	return len(g.tags) + len(g.paths) + len(g.prefixes) + len(g.patterns)
}

// makeRoom lets go of marks that are older than any entry can be. Where that is not enough for the bound, it gives up
// the older half of the marks and with them every entry of their time: an entry too many is filled again, but none is
// served that should not be. The caller holds the lock.
func (g *generations) makeRoom() {
	if g.size() < g.pruneAt {
		return
	}
	g.drop(g.clock.stamp(time.Now().UnixNano()) - g.longest.Load())
	for g.size() >= g.maxMarks {
		oldest, newest := int64(math.MaxInt64), int64(0)
		g.each(func(m *mark) { oldest, newest = min(oldest, m.newest()), max(newest, m.newest()) })
		limit := oldest + (newest-oldest)/2
		g.floor.Store(max(g.floor.Load(), limit))
		g.drop(limit + 1)
	}
	g.pruneAt = min(max(2*g.size(), smallestPrune), g.maxMarks)
}

func (g *generations) each(see func(*mark)) {
	for _, marks := range [...]map[string]*mark{g.tags, g.paths, g.prefixes} {
		for _, m := range marks {
			see(m)
		}
	}
	for _, r := range g.patterns {
		see(&r.mark)
	}
}

// drop deletes the marks that are older than limit.
func (g *generations) drop(limit int64) {
	for _, marks := range [...]map[string]*mark{g.tags, g.paths, g.prefixes} {
		for name, m := range marks {
			if m.newest() < limit {
				delete(marks, name)
			}
		}
	}
	for name, r := range g.patterns {
		if r.mark.newest() < limit {
			delete(g.patterns, name)
		}
	}
}

// granted notes the life of an entry that is about to be stored.
func (g *generations) granted(life int64) {
	for {
		longest := g.longest.Load()
		if life <= longest || g.longest.CompareAndSwap(longest, life) {
			return
		}
	}
}
