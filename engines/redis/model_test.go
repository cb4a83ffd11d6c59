package redis_test

import (
	"context"
	"flag"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sort"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/revalidate"

	"github.com/gatehouse-go/gatehouse/engines/redis"
)

// What is promised is 250 ms, of which TestNoInstanceServesWhatWasExpiredLongerThanLagAgo shows that they hold where a machine adds nothing. One
// that is busy with other things adds to it what it likes, which this test allows for; with -patience 0 it does not, and prints how late the latest
// was. What it does not allow for at all is that an instance serves what it has heard of the end of.
var patience = flag.Duration("patience", 3*time.Second, "how much later than 250 ms an instance may hear of an expiry") //nolint:gochecknoglobals // as flags are

const promised = 250 * time.Millisecond

// truth is what instances cache: each key has a version, which a change of one of its tags makes a new one.
type truth struct {
	mu    sync.Mutex
	keys  []truthKey
	late  time.Duration // the longest that an old version was read after its expiry had returned
	reads int
	ids   atomic.Int64 // that expiries have
}

type truthKey struct {
	version atomic.Int64
	tags    []string
	expired []expiry // versions below which were expired, in the order in which the calls returned
}

type expiry struct {
	version  int64
	returned time.Time
	id       string // a tag of its own
}

// heard is what an instance was told, and when.
type heard struct {
	mu      sync.Mutex
	at      map[string]time.Time // of expiries
	forgets []forgetting         // each with a later before than the last
}

type forgetting struct{ at, before time.Time }

func (h *heard) passed(inv revalidate.Invalidation) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, tag := range inv.Tags {
		h.at[tag] = time.Now()
	}
}

func (h *heard) forgot(before time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := time.Now()
	if before.After(now) {
		return // how much of that a cache takes is for its own tests
	}
	if n := len(h.forgets); n == 0 || before.After(h.forgets[n-1].before) {
		h.forgets = append(h.forgets, forgetting{now, before})
	}
}

// knew reports whether the instance had heard of an expiry at some time, be it that it had forgotten all from before the expiry returned.
func (h *heard) knew(e expiry, at time.Time) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if told, ok := h.at[e.id]; ok && told.Before(at) {
		return true
	}
	n := sort.Search(len(h.forgets), func(i int) bool { return !h.forgets[i].at.Before(at) })
	return n > 0 && e.returned.Before(h.forgets[n-1].before)
}

// changed gives every key that carries tag a new version, and returns what they are.
func (m *truth) changed(tag string) map[int]int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	versions := map[int]int64{}
	for i := range m.keys {
		if slices.Contains(m.keys[i].tags, tag) {
			versions[i] = m.keys[i].version.Add(1)
		}
	}
	return versions
}

// announced notes that an expiry of tag has returned, which was called when keys had those versions.
func (m *truth) announced(versions map[int]int64, id string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i, v := range versions {
		k := &m.keys[i]
		k.expired = append(k.expired, expiry{v, time.Now(), id})
	}
}

// check fails the test where a read by an instance that began at that time may not have got that version.
func (m *truth) check(t *testing.T, n *node, key int, version int64, began time.Time) {
	t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.reads++
	for _, e := range m.keys[key].expired {
		if version >= e.version {
			continue
		}
		if n.heard.knew(e, began) {
			t.Errorf("instance %d served version %d of key %d, and had heard of the expiry of what is below %d", n.number, version, key, e.version)
		}
		late := began.Sub(e.returned)
		if m.late = max(m.late, late); late > promised+*patience {
			t.Errorf("instance %d served version %d of key %d, %v after the expiry of what is below %d", n.number, version, key, late, e.version)
		}
	}
}

// node is an instance with a way to the server of its own.
type node struct {
	number int
	wire   *wire
	heard  *heard
	*instance
}

func (n *node) get(t *testing.T, m *truth, key int) {
	t.Helper()
	began := time.Now()
	k := &m.keys[key]
	v, err := revalidate.Get(t.Context(), n.cache, "key"+strconv.Itoa(key), revalidate.Options{Tags: k.tags}, func(context.Context) (int64, error) {
		v := k.version.Load()
		time.Sleep(rand.N(3 * time.Millisecond)) // what was read may be old by now
		return v, nil
	})
	if err != nil {
		t.Error(err)
	}
	m.check(t, n, key, v, began)
}

// expire changes what tag names, and has the node tell the others, again where that failed, until it did or the time is over.
func (n *node) expire(t *testing.T, m *truth, tag string, until time.Time) {
	t.Helper()
	versions := m.changed(tag)
	for time.Now().Before(until) {
		ctx, cancel := context.WithDeadline(t.Context(), until)
		id := "id" + strconv.FormatInt(m.ids.Add(1), 10)
		err := n.cache.ExpireTag(ctx, tag, id)
		cancel()
		if err == nil {
			n.heard.passed(revalidate.Invalidation{Tags: []string{id}}) // nobody needs to tell it
			m.announced(versions, id)
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// faults break something, and return what mends it.
func faults(s *server, fleet []*node) map[string]func() func() {
	one := func() *wire { return fleet[rand.N(len(fleet))].wire }
	return map[string]func() func(){
		"one is cut off": func() func() { w := one(); w.set(true); return func() { w.set(false) } },
		"two are cut off": func() func() {
			a, b := fleet[0].wire, fleet[3].wire
			a.set(true)
			b.set(true)
			return func() { a.set(false); b.set(false) }
		},
		"one hears nothing": func() func() { w := one(); w.hold(true); return func() { w.hold(false) } },
		"connections break": func() func() { w := one(); w.set(true); w.set(false); return func() {} },
		"one is slow": func() func() {
			w := one()
			w.delay.Store(int64(30 * time.Millisecond))
			return func() { w.delay.Store(0) }
		},
		"the server is stopped":       func() func() { s.signal(syscall.SIGSTOP); return func() { s.signal(syscall.SIGCONT) } },
		"the server dies":             func() func() { s.kill(); s.run(); return func() {} },
		"the server loses all it has": func() func() { s.do("FLUSHALL"); return func() {} },
		"scripts are forgotten":       func() func() { s.do("SCRIPT", "FLUSH"); return func() {} },
		"nothing":                     func() func() { return func() {} },
	}
}

// Five instances read and expire while their ways to the server are slow, out of step, cut and silent, and the server stops and dies. No
// read is older than what was expired 250 ms before it began, and none is old at all once everything is in reach again.
func TestNoInstanceServesWhatWasExpired(t *testing.T) {
	t.Parallel()
	s := start(t)
	tags := []string{"a", "b", "c", "d"}
	m := &truth{keys: make([]truthKey, 8)}
	for i := range m.keys {
		m.keys[i].tags = []string{tags[i%len(tags)], tags[(i/2+1)%len(tags)]}
	}
	var db atomic.Int64
	fleet := make([]*node, 5)
	for i := range fleet {
		w := newWire(t, s.address)
		w.jitter = func() time.Duration { return rand.N(4 * time.Millisecond) } // so that they are out of step
		e := s.engine(func(c *redis.Config) {
			c.Addresses, c.Timeout, c.Logger = []string{w.address}, promised, slog.New(slog.DiscardHandler)
		})
		config := redis.InvalidationsConfig{Lag: promised}
		if i == 4 {
			config.MaxLog = 5 // it forgets what it did not read in time
		}
		h := &heard{at: map[string]time.Time{}}
		watch := func(v *redis.Invalidations) { v.Watch(h.forgot, h.passed) }
		fleet[i] = &node{i, w, h, newInstanceOn(t, e, cacheStoreOf(t, e, redis.CacheStoreConfig{}), &db, config, watch)}
	}
	for name, fault := range faults(s, fleet) {
		lasts := 600 * time.Millisecond
		if name == "one is cut off" || name == "one hears nothing" {
			lasts = *patience + 2*time.Second // long enough to see it serve what it should not
		}
		until := time.Now().Add(lasts + 600*time.Millisecond)
		var all sync.WaitGroup
		for _, n := range fleet {
			for range 2 {
				all.Go(func() {
					for time.Now().Before(until) {
						n.get(t, m, rand.N(len(m.keys)))
						time.Sleep(time.Millisecond)
					}
				})
			}
			all.Go(func() {
				for time.Now().Before(until) {
					n.expire(t, m, tags[rand.N(len(tags))], until)
					time.Sleep(rand.N(40 * time.Millisecond))
				}
			})
		}
		time.Sleep(200 * time.Millisecond)
		mend := fault()
		time.Sleep(lasts)
		mend()
		all.Wait()
		settled(t, m, fleet, tags, name)
	}
	t.Logf("%d reads by five instances; the latest of an expired version began %v after the expiry had returned", m.reads, m.late.Round(time.Millisecond))
}

// settled announces everything again, and waits until every instance has the newest of every key, which it must not go back from.
func settled(t *testing.T, m *truth, fleet []*node, tags []string, fault string) {
	t.Helper()
	for _, tag := range tags { // what was not announced for a fault
		versions := m.changed(tag)
		eventually(t, "expiries are announced after: "+fault, func() bool { return fleet[1].cache.ExpireTag(t.Context(), tag) == nil })
		m.announced(versions, "")
	}
	read := func(n *node, key int) int64 {
		v, err := revalidate.Get(t.Context(), n.cache, "key"+strconv.Itoa(key), revalidate.Options{Tags: m.keys[key].tags}, func(context.Context) (int64, error) {
			return m.keys[key].version.Load(), nil
		})
		if err != nil {
			t.Error(err)
		}
		return v
	}
	for _, n := range fleet {
		eventually(t, "an instance has everything after: "+fault, func() bool {
			for key := range m.keys {
				if read(n, key) != m.keys[key].version.Load() {
					return false
				}
			}
			return true
		})
	}
	for range 5 {
		for _, n := range fleet {
			for key := range m.keys {
				if got, want := read(n, key), m.keys[key].version.Load(); got != want {
					t.Errorf("after %q instance %d went back to version %d of key %d, from %d", fault, n.number, got, key, want)
				}
			}
		}
		time.Sleep(10 * time.Millisecond)
	}
}
