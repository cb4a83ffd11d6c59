package redis_test

import (
	"context"
	"errors"
	"log/slog"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/revalidate"

	"github.com/gatehouse-go/gatehouse/engines/redis"
)

// calls returns how often the server was asked a command.
func (s *server) calls(command string) int {
	s.t.Helper()
	info, err := s.do("INFO", "commandstats").ToString()
	if err != nil {
		s.t.Fatal(err)
	}
	found := regexp.MustCompile(`cmdstat_` + command + `:calls=(\d+)`).FindStringSubmatch(info)
	if found == nil {
		return 0
	}
	n, _ := strconv.Atoi(found[1])
	return n
}

// tagOf returns the tag of the entry that a store has under "key", be it one that it could not ask for again, or "" where it has none.
func tagOf(t *testing.T, s revalidate.Store) string {
	t.Helper()
	e, err := s.Load(t.Context(), "key")
	if e == nil {
		if err != nil {
			t.Fatal(err)
		}
		return ""
	}
	if err != nil && !errors.Is(err, redis.ErrOut) {
		t.Fatal(err)
	}
	return strings.Join(e.Tags(), " ")
}

func save(t *testing.T, s revalidate.Store, tag string) {
	t.Helper()
	if err := s.Save(t.Context(), "key", entryOf(t, tag, tag)); err != nil {
		t.Fatal(err)
	}
}

func TestReadsOfTheLocalTierDoNotAskTheServer(t *testing.T) {
	s := start(t)
	store := cacheStoreOf(t, s.engine(), redis.CacheStoreConfig{})
	save(t, store, "a")
	eventually(t, "the local tier has the entry", func() bool { tagOf(t, store); return store.Usage().Entries == 1 })
	before := s.calls("get")
	for range 100 {
		if got := tagOf(t, store); got != "a" {
			t.Errorf("loaded %q", got)
		}
	}
	if n := s.calls("get") - before; n != 0 {
		t.Errorf("100 reads asked the server %d times", n)
	}
	n := 0
	for key, e := range store.All(t.Context()) {
		if n++; key != "key" || e.Tags()[0] != "a" {
			t.Errorf("listed: %q %q", key, e.Tags())
		}
	}
	if u := store.Usage(); n != 1 || u.Entries != 1 || u.Bytes <= 0 || u.MaxBytes != 64<<20 {
		t.Errorf("%d listed, usage %+v", n, u)
	}
}

func TestALocalReadOfAnEntryAllocatesNothing(t *testing.T) {
	store := cacheStoreOf(t, start(t).engine(), redis.CacheStoreConfig{})
	save(t, store, "a")
	eventually(t, "the local tier has the entry", func() bool { tagOf(t, store); return store.Usage().Entries == 1 })
	if n := testing.AllocsPerRun(100, func() { _, _ = store.Load(context.Background(), "key") }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestTheLocalTierIsBounded(t *testing.T) {
	store := cacheStoreOf(t, start(t).engine(), redis.CacheStoreConfig{LocalBytes: 64 << 10})
	for i := range 200 {
		key := strconv.Itoa(i)
		if err := store.Save(t.Context(), key, entryOf(t, strings.Repeat("x", 1000), "a")); err != nil {
			t.Fatal(err)
		}
		if e, err := store.Load(t.Context(), key); e == nil || err != nil {
			t.Fatal(e, err)
		}
	}
	eventually(t, "the local tier is within its bound", func() bool {
		u := store.Usage()
		return u.Bytes <= 64<<10 && u.Evictions > 0
	})
}

func TestWhatOthersChangeLeavesTheLocalTier(t *testing.T) {
	for name, row := range map[string]struct {
		change func(t *testing.T, s *server, other *redis.CacheStore)
		want   string
	}{
		"a save": {func(t *testing.T, _ *server, other *redis.CacheStore) { t.Helper(); save(t, other, "new") }, "new"},
		"a deletion": {func(t *testing.T, _ *server, other *redis.CacheStore) {
			t.Helper()
			_ = other.Delete(t.Context(), "key")
		}, ""},
		"a clearing":      {func(t *testing.T, _ *server, other *redis.CacheStore) { t.Helper(); _ = other.Clear(t.Context()) }, ""},
		"an empty server": {func(t *testing.T, s *server, _ *redis.CacheStore) { t.Helper(); s.do("FLUSHALL") }, ""},
		"a new server":    {func(_ *testing.T, s *server, _ *redis.CacheStore) { s.kill(); s.run() }, ""},
		"lost connections": {func(t *testing.T, s *server, other *redis.CacheStore) {
			t.Helper()
			s.do("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
			save(t, other, "new")
		}, "new"},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t)
			here, there := cacheStoreOf(t, s.engine(), redis.CacheStoreConfig{}), cacheStoreOf(t, s.engine(), redis.CacheStoreConfig{})
			save(t, here, "old")
			for _, store := range []*redis.CacheStore{here, there} {
				eventually(t, "the local tier has the entry", func() bool { tagOf(t, store); return store.Usage().Entries == 1 })
			}
			row.change(t, s, there)
			eventually(t, "the change is seen", func() bool {
				e, err := here.Load(t.Context(), "key")
				return err == nil && (e == nil && row.want == "" || e != nil && e.Tags()[0] == row.want)
			})
		})
	}
}

// A process hears nothing while it is cut off: it uses what it has, and asks before it does so again with the server in reach.
func TestTheLocalTierIsAskedForAgainAfterACut(t *testing.T) {
	s := start(t)
	w := newWire(t, s.address)
	cutOff := cacheStoreOf(t, s.engine(func(c *redis.Config) { c.Addresses, c.Timeout = []string{w.address}, 300*time.Millisecond }), redis.CacheStoreConfig{})
	other := cacheStoreOf(t, s.engine(), redis.CacheStoreConfig{})
	save(t, other, "old")
	eventually(t, "the local tier has the entry", func() bool { tagOf(t, cutOff); return cutOff.Usage().Entries == 1 })
	w.set(true)
	for range 5 {
		if got := tagOf(t, cutOff); got != "old" {
			t.Errorf("cut off, it has %q", got)
		}
	}
	save(t, other, "new")
	w.set(false)
	asked := s.calls("get")
	eventually(t, "the server was asked", func() bool { tagOf(t, cutOff); return s.calls("get") > asked })
	for range 5 {
		if got := tagOf(t, cutOff); got != "new" {
			t.Errorf("in reach again, it has %q", got)
		}
	}
}

// What was saved in vain is used while the server is out, and what it was to replace does not come back with the server.
func TestWhatTheServerDidNotTakeDoesNotBringBackWhatWas(t *testing.T) {
	s := start(t)
	store := cacheStoreOf(t, s.engine(func(c *redis.Config) { c.Timeout = 2 * time.Second }), redis.CacheStoreConfig{})
	eventually(t, "the server is reached", func() bool { return store.Save(t.Context(), "key", entryOf(t, "old", "old")) == nil })
	s.do("CONFIG", "SET", "maxmemory", "1") // the server answers, and takes nothing
	if err := store.Save(t.Context(), "key", entryOf(t, 1, "full")); err == nil || !strings.Contains(err.Error(), "OOM") {
		t.Errorf("a full server: %v", err)
	}
	if e, err := store.Load(t.Context(), "key"); e != nil || err != nil {
		t.Errorf("after a save for which there was no room: %v, %v", e, err)
	}
	s.do("CONFIG", "SET", "maxmemory", "0")
	save(t, store, "old")
	s.signal(syscall.SIGSTOP)
	if err := store.Save(t.Context(), "key", entryOf(t, 1, "new")); !errors.Is(err, redis.ErrOut) {
		t.Errorf("a server that hangs: %v", err)
	}
	for range 5 {
		if got := tagOf(t, store); got != "new" {
			t.Errorf("during the outage: %q", got)
		}
	}
	s.signal(syscall.SIGCONT)
	eventually(t, "the server was asked", func() bool { return tagOf(t, store) != "new" })
	if got := tagOf(t, store); got != "" {
		t.Errorf("after the outage: %q", got)
	}
}

// What no JSON says stays here, until another instance has something else.
func TestWhatCannotLeaveTheProcessIsKeptInTheLocalTier(t *testing.T) {
	s := start(t)
	here, there := cacheStoreOf(t, s.engine(), redis.CacheStoreConfig{}), cacheStoreOf(t, s.engine(), redis.CacheStoreConfig{})
	tagOf(t, here)
	if err := here.Save(t.Context(), "key", entryOf(t, func() {}, "func")); err != nil {
		t.Error(err)
	}
	if got := tagOf(t, here); got != "func" {
		t.Errorf("kept here: %q", got)
	}
	if got := tagOf(t, there); got != "" {
		t.Errorf("found there: %q", got)
	}
	save(t, there, "there")
	eventually(t, "the other's entry replaces it", func() bool { return tagOf(t, here) == "there" })
}

// A user who may not be told of changes has no local tier that could be trusted, and everything else.
func TestAServerThatDoesNotTellOfChanges(t *testing.T) {
	s := start(t)
	if err := s.do("ACL", "SETUSER", "app", "on", ">secret", "~*", "+@all", "-client").Error(); err != nil {
		t.Fatal(err)
	}
	e := s.engine(func(c *redis.Config) {
		c.Username, c.Password = "app", "secret"
		c.OnDegraded = func(err error) { t.Errorf("degraded: %v", err) }
	})
	store := cacheStoreOf(t, e, redis.CacheStoreConfig{})
	for range 5 {
		if _, err := store.Load(t.Context(), "key"); err == nil || errors.Is(err, redis.ErrOut) || !strings.Contains(err.Error(), "does not tell of changes") {
			t.Error(err)
		}
	}
	if err := e.Ping(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestAClosedEngineHasNoCache(t *testing.T) {
	e := start(t).engine()
	before := cacheStoreOf(t, e, redis.CacheStoreConfig{})
	tagOf(t, before)
	e.Close()
	for _, store := range []*redis.CacheStore{before, cacheStoreOf(t, e, redis.CacheStoreConfig{})} {
		if _, err := store.Load(t.Context(), "key"); !errors.Is(err, redis.ErrClosed) {
			t.Error(err)
		}
	}
}

func TestTheFleetFetchesOnce(t *testing.T) {
	for name, config := range map[string]redis.CacheStoreConfig{"with a local tier": {}, "without": {RemoteOnly: true}} {
		t.Run(name, func(t *testing.T) {
			s := start(t)
			var db, fetched atomic.Int64
			fleet := make([]*instance, 5)
			for i := range fleet {
				e := s.engine()
				fleet[i] = newInstanceOn(t, e, cacheStoreOf(t, e, config), &db, redis.InvalidationsConfig{Lag: 10 * time.Second}) // a busy machine may be silent for long
			}
			fleet[0].change()
			for _, i := range fleet {
				i.wantFresh("before")
			}
			for round := range 5 {
				var all sync.WaitGroup
				for _, i := range fleet {
					for range 10 {
						all.Go(func() {
							v, err := revalidate.Get(t.Context(), i.cache, "slow"+strconv.Itoa(round), revalidate.Options{}, func(context.Context) (int64, error) {
								time.Sleep(50 * time.Millisecond)
								return fetched.Add(1), nil
							})
							if err != nil || v != int64(round)+1 {
								t.Errorf("%d, %v", v, err)
							}
						})
					}
				}
				all.Wait()
				if n := fetched.Load(); n != int64(round)+1 {
					t.Errorf("round %d: fetched %d times", round, n)
				}
			}
			if keys, _ := s.do("KEYS", "*lease*").AsStrSlice(); len(keys) != 0 {
				t.Errorf("left behind: %q", keys)
			}
		})
	}
}

// An instance that dies while it fetches holds the others up until its lease is over, and one that comes back late saves nothing.
func TestALeaseOfAnInstanceThatDied(t *testing.T) {
	s := start(t)
	e := s.engine()
	store := cacheStoreOf(t, e, redis.CacheStoreConfig{})
	began := time.Now()
	lost, err := store.Lease(t.Context(), "key", revalidate.LeaseQuestion{Began: began, Life: 300 * time.Millisecond})
	if err != nil || lost == nil {
		t.Fatal(lost, err)
	}
	cache, err := revalidate.New(revalidate.Config{Store: cacheStoreOf(t, s.engine(), redis.CacheStoreConfig{}), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	v, err := revalidate.Get(t.Context(), cache, "key", revalidate.Options{Tags: []string{"next"}}, func(context.Context) (int, error) { return 2, nil })
	if took := time.Since(began); v != 2 || err != nil || took < 200*time.Millisecond {
		t.Errorf("%d, %v after %v", v, err, took)
	}
	for name, e := range map[string]*revalidate.Entry{"an entry": entryOf(t, 1, "late"), "none that can be saved": entryOf(t, func() {}, "late"), "one that is over": overEntry(t)} {
		if err := lost.Save(t.Context(), e); !errors.Is(err, revalidate.ErrLeaseLost) {
			t.Errorf("%s: %v", name, err)
		}
		if got := tagOf(t, store); got != "next" {
			t.Errorf("%s: there is %q", name, got)
		}
	}
	if lease, err := store.Lease(t.Context(), "key", revalidate.LeaseQuestion{}); lease != nil || err == nil {
		t.Error("a lease for no time:", lease, err)
	}
}

func overEntry(t *testing.T) *revalidate.Entry {
	t.Helper()
	e, err := revalidate.NewEntry(1, time.Now().Add(-time.Second), "late")
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// Without the server each instance fetches for itself, once for all who ask it.
func TestWithoutTheServerEachInstanceFetches(t *testing.T) {
	s := start(t)
	s.kill()
	e := s.engine(func(c *redis.Config) { c.Timeout = 200 * time.Millisecond })
	cache, err := revalidate.New(revalidate.Config{Store: cacheStoreOf(t, e, redis.CacheStoreConfig{}), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	var fetched atomic.Int64
	for i := range 3 {
		v, err := revalidate.Get(t.Context(), cache, "key", revalidate.Options{}, func(context.Context) (int64, error) { return fetched.Add(1), nil })
		if v != 1 || err != nil {
			t.Errorf("read %d: %d, %v", i, v, err)
		}
	}
}
