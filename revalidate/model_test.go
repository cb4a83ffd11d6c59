package revalidate_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-go/gatehouse/revalidate"
)

// model is a tag cache made the slow and simple way: it knows which keys carry which tag and changes each of them.
type model struct {
	keys    map[string]*modelEntry
	pending map[string]time.Time // of a tag: when what it made stale is to be gone
}

type modelEntry struct {
	value    int
	tags     []string
	fresh    time.Time // from then on stale
	expire   time.Time // from then on gone
	staleFor map[string]bool
}

func (m *model) set(key string, value int, tags []string, life revalidate.Life, now time.Time) {
	m.keys[key] = &modelEntry{value: value, tags: tags, fresh: now.Add(life.Revalidate), expire: now.Add(life.Expire), staleFor: map[string]bool{}}
}

// settle does what the passing of time did.
func (m *model) settle(now time.Time) {
	for tag, deadline := range m.pending {
		if now.Before(deadline) {
			continue
		}
		delete(m.pending, tag)
		for key, e := range m.keys {
			if e.staleFor[tag] {
				delete(m.keys, key)
			}
		}
	}
	for key, e := range m.keys {
		if !now.Before(e.expire) {
			delete(m.keys, key)
		}
	}
}

func (m *model) carrying(match func(tag string) bool, do func(key string, e *modelEntry)) {
	for key, e := range m.keys {
		if slices.ContainsFunc(e.tags, match) {
			do(key, e)
		}
	}
}

func (m *model) expireTag(name string, match func(string) bool) {
	delete(m.pending, name)
	m.carrying(match, func(key string, _ *modelEntry) { delete(m.keys, key) })
}

func (m *model) revalidateTag(name string, match func(string) bool, window time.Duration, now time.Time) {
	deadline := now.Add(window)
	if old, ok := m.pending[name]; ok && old.Before(deadline) {
		deadline = old
	}
	m.pending[name] = deadline
	m.carrying(match, func(_ string, e *modelEntry) { e.staleFor[name] = true })
}

// TestAgainstAModel plays random operations against the model. Every read must give the value that the model has, and
// wait for a new one exactly where the model has none.
func TestAgainstAModel(t *testing.T) {
	rounds, steps := 150, 400
	if testing.Short() {
		rounds = 20
	}
	for seed := range rounds {
		synctest.Test(t, func(t *testing.T) { playModel(t, uint64(seed), steps) })
	}
}

func playModel(t *testing.T, seed uint64, steps int) {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 1))
	maxMarks := 0
	if seed%3 == 0 {
		maxMarks = 1000
	}
	cache := newCache(t, revalidate.Config{MaxMarks: maxMarks})
	ctx := context.Background()
	m := &model{keys: map[string]*modelEntry{}, pending: map[string]time.Time{}}
	lives := []revalidate.Life{
		{Revalidate: time.Second, Expire: 10 * time.Second},
		{Revalidate: time.Minute, Expire: time.Minute},
		{Revalidate: 10 * time.Second, Expire: time.Hour},
	}
	tags := []string{"a", "b", "a:1", "a:2", "b:1"}
	key := func() string { return fmt.Sprint("key", rng.IntN(6)) }
	options := func() revalidate.Options {
		o := revalidate.Options{Life: lives[rng.IntN(len(lives))]}
		for _, tag := range tags {
			if rng.IntN(3) == 0 {
				o.Tags = append(o.Tags, tag)
			}
		}
		return o
	}
	version := 0
	var trace []string
	note := func(format string, args ...any) { trace = append(trace, fmt.Sprintf(format, args...)) }

	for range steps {
		m.settle(time.Now())
		switch rng.IntN(10) {
		case 0, 1, 2, 3:
			k, o := key(), options()
			version++
			fetched := version
			note("Get %s, would fetch %d %v %v", k, fetched, o.Tags, o.Life.Revalidate)
			want, after := fetched, fetched
			if e := m.keys[k]; e != nil {
				want, after = e.value, e.value
				if len(e.staleFor) > 0 || !time.Now().Before(e.fresh) {
					after = fetched
				}
			}
			got, err := revalidate.Get(ctx, cache, k, o, func(context.Context) (int, error) { return fetched, nil })
			synctest.Wait()
			if err != nil || got != want {
				t.Fatalf("seed %d: got %d, %v, want %d after\n%s", seed, got, err, want, strings.Join(trace, "\n"))
			}
			if after == fetched {
				m.set(k, fetched, o.Tags, o.Life, time.Now())
			}
		case 4:
			k, o := key(), options()
			version++
			note("Set %s to %d %v %v", k, version, o.Tags, o.Life.Revalidate)
			if err := revalidate.Set(ctx, cache, k, o, version); err != nil {
				t.Fatal(err)
			}
			m.set(k, version, o.Tags, o.Life, time.Now())
		case 5:
			tag := tags[rng.IntN(len(tags))]
			note("ExpireTag %s", tag)
			_ = cache.ExpireTag(ctx, tag)
			m.expireTag(tag, func(s string) bool { return s == tag })
		case 6:
			tag, window := tags[rng.IntN(len(tags))], time.Duration(1+rng.IntN(20))*time.Second
			note("RevalidateTag %s within %v", tag, window)
			_ = cache.Invalidate(ctx, revalidate.Invalidation{Tags: []string{tag}, Window: window})
			m.revalidateTag(tag, func(s string) bool { return s == tag }, window, time.Now())
		case 7:
			switch rng.IntN(8) {
			case 0:
				note("PurgeAll")
				_ = cache.PurgeAll(ctx)
				clear(m.keys)
				clear(m.pending)
			case 1, 2:
				k := key()
				note("Delete %s", k)
				_ = cache.Delete(ctx, k)
				delete(m.keys, k)
			default:
				prefix := []string{"a", "a:", "b:"}[rng.IntN(3)]
				note("ExpireTag %s*", prefix)
				_ = cache.Invalidate(ctx, revalidate.Invalidation{TagPrefixes: []string{prefix}, Mode: revalidate.ModeExpire})
				m.expireTag(prefix+"*", func(s string) bool { return strings.HasPrefix(s, prefix) })
			}
		default:
			d := time.Duration(rng.IntN(5000)) * time.Millisecond
			note("%v pass", d)
			time.Sleep(d)
		}
	}
}

// TestMarksAreLetGo floods the cache with invalidations of names that nothing carries.
func TestMarksAreLetGo(t *testing.T) {
	ctx := context.Background()
	t.Run("those older than any entry", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			cache := newCache(t, revalidate.Config{})
			o := revalidate.Options{Life: revalidate.Life{Revalidate: time.Second, Expire: time.Second}}
			for i := range 20_000 {
				if i%100 == 0 {
					time.Sleep(100 * time.Millisecond)
					_ = revalidate.Set(ctx, cache, "key", o, i)
				}
				_ = cache.ExpireTag(ctx, fmt.Sprint("tag", i))
			}
			if m := cache.Metrics(); m.Marks > 2500 {
				t.Errorf("%d marks are remembered for entries that live a second", m.Marks)
			}
			if v, _ := revalidate.Get(ctx, cache, "key", o, func(context.Context) (int, error) { return -1, nil }); v == -1 {
				t.Error("an entry was lost that nothing invalidated")
			}
		})
	})
	t.Run("none that an entry of another process could be older than", func(t *testing.T) {
		far := &wire{bytes: make(map[string][]byte)}
		other := newCache(t, revalidate.Config{Store: far})
		here := newCache(t, revalidate.Config{Store: far})
		o := revalidate.Options{Tags: []string{"a"}}
		if err := revalidate.Set(ctx, other, "key", o, 1); err != nil {
			t.Fatal(err)
		}
		_ = here.ExpireTag(ctx, "a")
		for i := range 5000 {
			_ = here.ExpireTag(ctx, fmt.Sprint("tag", i))
		}
		if v, _ := revalidate.Get(ctx, here, "key", o, func(context.Context) (int, error) { return 2, nil }); v != 2 {
			t.Error("an expired entry came back when its mark was let go")
		}
	})
	t.Run("the older half beyond the bound, and the entries of that time with them", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			cache := newCache(t, revalidate.Config{MaxMarks: 100})
			_ = revalidate.Set(ctx, cache, "old", revalidate.Options{Tags: []string{"a"}}, 1)
			_ = cache.ExpireTag(ctx, "a")
			for i := range 1000 {
				time.Sleep(time.Second)
				switch i % 3 {
				case 0:
					_ = cache.RevalidateTag(ctx, fmt.Sprint("tag", i))
				case 1:
					_ = cache.ExpirePath(ctx, fmt.Sprintf("/p/%d/[x]", i))
				case 2:
					_ = cache.ExpirePath(ctx, fmt.Sprintf("/p/%d", i))
				}
			}
			if m := cache.Metrics(); m.Marks > 100 {
				t.Errorf("%d marks", m.Marks)
			}
			if v, _ := revalidate.Get(ctx, cache, "old", revalidate.Options{}, func(context.Context) (int, error) { return 2, nil }); v != 2 {
				t.Error("an expired entry came back when its mark was let go")
			}
			_ = revalidate.Set(ctx, cache, "new", revalidate.Options{}, 1)
			_ = cache.ExpireTag(ctx, "b")
			if v, _ := revalidate.Get(ctx, cache, "new", revalidate.Options{}, func(context.Context) (int, error) { return 2, nil }); v != 1 {
				t.Error("a new entry is lost")
			}
		})
	})
}
