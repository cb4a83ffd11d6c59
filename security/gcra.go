package security

import (
	"hash/maphash"
	"math"
	"math/bits"
	"runtime"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// WhenFull says what the memory of a [RateLimit] does with a key that it has not met while every place is taken by a key
// that still owes. Keys that owe nothing take no place: they are dropped without a trace when room is needed.
type WhenFull int

const (
	// FullEvict drops the key that owes least among a few drawn at random, the youngest of equals. A flood of new keys drops
	// its own, which owe one request each, before any key that was limited; and every new client is served. To have a limited
	// key dropped, a flood must make MaxKeys keys owe as much as that one does. This is the default.
	FullEvict WhenFull = iota
	// FullShare sends all keys that find no place to one bucket, under the same limit. No key is ever forgotten
	// early; while a flood lasts, newcomers share what the limit gives to one.
	FullShare
	// FullRefuse refuses keys that find no place. No key is ever forgotten early; while a flood lasts, newcomers are
	// locked out. For attempts that must be counted, such as passwords.
	FullRefuse
)

// defaultMaxKeys is the bound on keys of one policy where the Config names none.
const defaultMaxKeys = 1 << 16

// quota is a limit as the generic cell rate algorithm counts it: a bucket of burst units in which one unit appears
// each interval. A key's whole state is the time at which its bucket will be full again, tat (theoretical arrival time).
type quota struct {
	interval int64 // nanoseconds a unit
	burst    int64 // units
}

// longest is a century in nanoseconds: what a bucket may take to refill, so that no sum of two times overflows.
const longest = 100 * 365 * 24 * float64(time.Hour)

// newQuota returns the quota of limit and burst; ok is false where they cannot be counted in nanoseconds.
func newQuota(limit rate.Limit, burst int) (q quota, ok bool) {
	if !(limit > 0) || limit > 1e9 || burst < 1 {
		return quota{}, false
	}
	interval := math.Round(1e9 / float64(limit))
	if interval*float64(burst) > longest {
		return quota{}, false
	}
	return quota{interval: int64(interval), burst: int64(burst)}, true
}

// cell is what one quota says of one key at one moment.
type cell struct {
	remaining int64         // whole units left
	next      time.Duration // until one unit more is there; 0 when the bucket is full
	wait      time.Duration // until the units asked for are there; 0 where they were taken
	allowed   bool
}

// ask judges a request for cost units at now from a key whose bucket is full again at tat, and returns the new tat.
// A cost above burst is never there: its wait is that for a full bucket.
func (q quota) ask(tat, now, cost int64, take bool) (cell, int64) {
	tat = max(tat, now)
	room := q.interval*q.burst - (tat - now) // what the bucket holds, in time
	var c cell
	if cost <= q.burst && cost*q.interval <= room {
		c.allowed = true
		if take {
			tat += cost * q.interval
			room -= cost * q.interval
		}
	} else {
		c.wait = time.Duration(min(cost, q.burst)*q.interval - room)
	}
	c.remaining = room / q.interval
	if c.remaining < q.burst {
		c.next = time.Duration((c.remaining+1)*q.interval - room)
	}
	return c, tat
}

// cells keeps the tats of one quota's keys in a bounded table with open addressing, 16 bytes a place, in shards that each have a
// lock. Keys are kept as 63-bit hashes under a random seed: two share a bucket by a chance of 2^-63, which nobody can steer.
type cells struct {
	quota
	full   WhenFull
	seed   maphash.Seed
	shards []shard // a power of two

	sharedMu sync.Mutex
	shared   int64 // tat of the bucket of FullShare
}

type shard struct {
	mu     sync.Mutex
	places []place // a power of two; nil until the first key
	used   int     // places taken
	max    int     // bound on used
	first  int64   // no key pays its debt before then
	rest   int64   // until when a full shard is not swept again
	random uint64  // state of the drawing of victims
	_      [56]byte
}

type place struct {
	hash uint64 // 0 means free
	tat  int64  // nanoseconds since RateLimit.start, by the monotonic clock: one that is set back gives no one a new quota
}

func newCells(q quota, maxKeys int, full WhenFull) *cells {
	shards := 1 << bits.Len(uint(4*runtime.GOMAXPROCS(0)-1))
	for shards > 1 && maxKeys/shards < 256 { // shards fill unevenly, the smaller the more so
		shards /= 2
	}
	c := &cells{quota: q, full: full, seed: maphash.MakeSeed(), shards: make([]shard, shards)}
	for i := range c.shards {
		c.shards[i].max = (maxKeys + shards - 1 - i) / shards
		c.shards[i].random = maphash.String(c.seed, "victims") + uint64(i)
	}
	return c
}

// hash is never 0.
func (c *cells) hash(key string) uint64 { return maphash.String(c.seed, key) | 1<<63 }

// shardOf returns the shard of hash. Places are told apart by other bits of it, the low ones.
func (c *cells) shardOf(hash uint64) *shard { return &c.shards[hash>>40&uint64(len(c.shards)-1)] } //nolint:gosec // there are shards

// take takes cost units from key's bucket if they are there.
func (c *cells) take(hash uint64, now, cost int64) cell {
	s := c.shardOf(hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	i, found := s.find(hash)
	if found {
		var out cell
		out, s.places[i].tat = c.ask(s.places[i].tat, now, cost, true)
		return out
	}
	out, tat := c.ask(now, now, cost, true)
	if tat == now {
		return out // it owes nothing, and needs no place
	}
	if s.insert(hash, tat, now, c) {
		return out
	}
	if c.full == FullShare {
		return c.askShared(now, cost, true)
	}
	return cell{wait: time.Duration(c.interval)}
}

// askShared is ask for the bucket of keys without a place.
func (c *cells) askShared(now, cost int64, take bool) (out cell) {
	c.sharedMu.Lock()
	defer c.sharedMu.Unlock()
	out, c.shared = c.ask(c.shared, now, cost, take)
	return out
}

// peek says what take would, and takes nothing. Keys without a place are judged as new.
func (c *cells) peek(hash uint64, now, cost int64) cell {
	s := c.shardOf(hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	tat := now
	if i, found := s.find(hash); found {
		tat = s.places[i].tat
	}
	out, _ := c.ask(tat, now, cost, false)
	return out
}

// give returns cost units that take took for a request which another quota then refused.
func (c *cells) give(hash uint64, now, cost int64) cell {
	s := c.shardOf(hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	tat := now
	if i, found := s.find(hash); found {
		s.places[i].tat -= cost * c.interval
		tat = s.places[i].tat
	} else if c.full == FullShare && cost > 0 {
		return c.askShared(now, -cost, true)
	}
	out, _ := c.ask(tat, now, 0, false)
	return out
}

// find returns hash's place, or the free place where its probing ends.
func (s *shard) find(hash uint64) (int, bool) {
	if s.places == nil {
		return 0, false
	}
	mask := len(s.places) - 1
	for i := int(hash) & mask; ; i = (i + 1) & mask { //nolint:gosec // only low bits count
		switch s.places[i].hash {
		case hash:
			return i, true
		case 0:
			return i, false
		}
	}
}

// insert gives a new hash a place, and reports false where there is none.
func (s *shard) insert(hash uint64, tat, now int64, c *cells) bool {
	if s.used >= len(s.places)/4*3 || s.used >= s.max && now >= s.first && now >= s.rest {
		s.sweep(now)
	}
	if s.used >= s.max {
		i := s.victim(now, c.interval)
		if c.full != FullEvict && s.places[i].tat > now {
			return false
		}
		s.remove(i)
	}
	i, _ := s.find(hash)
	s.places[i] = place{hash, tat}
	s.used++
	s.first = min(s.first, tat)
	return true
}

// sweep drops the keys that owe nothing and fits the table to the others: between 35 % and 70 % full with one more.
func (s *shard) sweep(now int64) {
	live := 0
	s.first = math.MaxInt64
	for _, p := range s.places {
		if p.hash != 0 && p.tat > now {
			live++
			s.first = min(s.first, p.tat)
		}
	}
	s.rest = now + 64*int64(len(s.places)) // while a flood lasts, sweeps take a few hundredths of the time
	size := 8
	for live+1 > size*7/10 {
		size *= 2
	}
	if live == s.used && size == len(s.places) {
		return
	}
	old := s.places
	s.places, s.used = make([]place, size), live
	for _, p := range old {
		if p.hash != 0 && p.tat > now {
			i, _ := s.find(p.hash)
			s.places[i] = p
		}
	}
}

// drawn is how many keys a victim is the least indebted of.
const drawn = 16

// victim returns the place of a key to forget: among some drawn at random, the one that owes fewest whole units,
// and of equals the one that began to owe last. By the first rule a flood drops its own keys and not those of a client
// that is limited; by the second, where a single request is all the burst there is, not those from before the flood.
func (s *shard) victim(now, interval int64) int {
	s.random = s.random*6364136223846793005 + 1442695040888963407 // Knuth's MMIX generator
	mask := len(s.places) - 1
	at := int(s.random>>32) & mask
	best, fewest := -1, int64(0)
	for n := 0; n < drawn; at = (at + 1) & mask {
		p := &s.places[at]
		if p.hash == 0 {
			continue
		}
		n++
		owed := max(0, (p.tat-now+interval-1)/interval)
		if best < 0 || owed < fewest || owed == fewest && p.tat > s.places[best].tat {
			best, fewest = at, owed
		}
		if n == s.used {
			break
		}
	}
	return best
}

// remove frees the place at i and closes the gap in the probing of the keys behind it.
func (s *shard) remove(i int) {
	mask := len(s.places) - 1
	for j := (i + 1) & mask; s.places[j].hash != 0; j = (j + 1) & mask {
		home := int(s.places[j].hash) & mask //nolint:gosec // only low bits count
		if (j-home)&mask >= (j-i)&mask {
			s.places[i] = s.places[j]
			i = j
		}
	}
	s.places[i] = place{}
	s.used--
}
