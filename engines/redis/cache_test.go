package redis_test

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/revalidate"
	"github.com/gatehouse-go/gatehouse/revalidate/storetest"
	"github.com/redis/rueidis"

	"github.com/gatehouse-go/gatehouse/engines/redis"
)

// cacheStoreOn returns one without a local tier, so that it shows what the server has.
func cacheStoreOn(t *testing.T, e *redis.Engine, most int) *redis.CacheStore {
	t.Helper()
	return cacheStoreOf(t, e, redis.CacheStoreConfig{MaxEntryBytes: most, RemoteOnly: true})
}

func cacheStoreOf(t *testing.T, e *redis.Engine, c redis.CacheStoreConfig) *redis.CacheStore {
	t.Helper()
	s, err := e.NewCacheStore(c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestCacheStoreKeepsTheContract(t *testing.T) {
	s := start(t)
	var p prefixes
	storetest.TestStore(t, func(t *testing.T) revalidate.Store {
		t.Helper()
		return cacheStoreOn(t, s.engine(p.next), 0)
	})
}

func TestCacheStoreWithALocalTierKeepsTheContract(t *testing.T) {
	s := start(t)
	var p prefixes
	storetest.TestStore(t, func(t *testing.T) revalidate.Store {
		t.Helper()
		return cacheStoreOf(t, s.engine(p.next), redis.CacheStoreConfig{})
	})
}

func TestTieredOnTheServerKeepsTheContract(t *testing.T) {
	s := start(t)
	var p prefixes
	storetest.TestStore(t, func(t *testing.T) revalidate.Store {
		t.Helper()
		near, err := revalidate.NewMemory(revalidate.MemoryConfig{MaxBytes: 1 << 20})
		if err != nil {
			t.Fatal(err)
		}
		return revalidate.NewTiered(near, cacheStoreOn(t, s.engine(p.next), 0))
	})
}

func entryOf(t *testing.T, value any, tags ...string) *revalidate.Entry {
	t.Helper()
	e, err := revalidate.NewEntry(value, time.Now().Add(time.Hour), tags...)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestWhatCannotBeKeptReplacesWhatWas(t *testing.T) {
	store := cacheStoreOn(t, start(t).engine(), 1000)
	for name, e := range map[string]*revalidate.Entry{
		"too large":       entryOf(t, strings.Repeat("x", 1001)),
		"no JSON says it": entryOf(t, func() {}),
	} {
		if err := store.Save(t.Context(), "key", entryOf(t, 1)); err != nil {
			t.Fatal(err)
		}
		if err := store.Save(t.Context(), "key", e); (name == "too large") != (err == nil) || err != nil && !errors.Is(err, revalidate.ErrNotEncodable) {
			t.Errorf("%s: %v", name, err)
		}
		if e, err := store.Load(t.Context(), "key"); e != nil || err != nil {
			t.Errorf("%s: what was there is there still: %v, %v", name, e, err)
		}
	}
}

func TestLargeEntriesAreCompressed(t *testing.T) {
	s := start(t)
	store := cacheStoreOn(t, s.engine(), 0)
	noise := make([]byte, 5000)
	for i := range noise {
		noise[i] = byte(rand.N(256))
	}
	for name, row := range map[string]struct {
		value any
		most  int64
	}{
		"words": {strings.Repeat("all work and no play ", 5000), 10_000},
		"noise": {noise, 10_000},
		"small": {"a", 200},
	} {
		if err := store.Save(t.Context(), name, entryOf(t, row.value, name)); err != nil {
			t.Fatal(err)
		}
		if e, err := store.Load(t.Context(), name); err != nil || e == nil || e.Tags()[0] != name {
			t.Errorf("%s: %v, %v", name, e, err)
		}
		keys, _ := s.do("KEYS", "*").AsStrSlice()
		if n, _ := s.do("STRLEN", keys[0]).AsInt64(); len(keys) != 1 || n == 0 || n > row.most {
			t.Errorf("%s: %d keys, %d bytes, want at most %d", name, len(keys), n, row.most)
		}
		s.do("FLUSHALL")
	}
}

func TestWhatCannotBeReadIsAMiss(t *testing.T) {
	s := start(t)
	store := cacheStoreOn(t, s.engine(), 3000)
	larger := cacheStoreOn(t, s.engine(), 1<<20)
	if err := larger.Save(t.Context(), "key", entryOf(t, strings.Repeat("x", 100_000))); err != nil {
		t.Fatal(err)
	}
	if e, err := store.Load(t.Context(), "key"); e != nil || err != nil {
		t.Errorf("an entry that unpacks to more than MaxEntryBytes: %v, %v", e, err)
	}
	keys, _ := s.do("KEYS", "*").AsStrSlice()
	for _, value := range []string{"", "\x00", "\x03newer", "\x01", "\x01\xff\xff", "\x02", "\x02\xff\xff\xff", "{}"} {
		s.do("SET", keys[0], value)
		if e, err := store.Load(t.Context(), "key"); e != nil || err != nil {
			t.Errorf("%q: %v, %v", value, e, err)
		}
	}
}

func TestClearLeavesOthersAlone(t *testing.T) {
	s := start(t)
	e := s.engine()
	store := cacheStoreOn(t, e, 0)
	for i := range 3000 {
		if err := store.Save(t.Context(), strconv.Itoa(i), entryOf(t, i)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := e.NewMarks().Spend(t.Context(), "a", time.Hour); err != nil {
		t.Fatal(err)
	}
	if err := store.Clear(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n, _ := s.do("DBSIZE").AsInt64(); n != 1 {
		t.Errorf("%d keys are left, want the mark", n)
	}
}

func TestCacheStoreSaysThatTheServerIsOut(t *testing.T) {
	s := start(t)
	used, fresh := cacheStoreOn(t, s.engine(), 0), cacheStoreOn(t, s.engine(), 0)
	if err := used.Save(t.Context(), "key", entryOf(t, 1)); err != nil {
		t.Fatal(err)
	}
	s.kill()
	_, load := used.Load(t.Context(), "key")
	for name, err := range map[string]error{
		"Load": load, "Save": used.Save(t.Context(), "key", entryOf(t, 1)), "Delete": used.Delete(t.Context(), "key"),
		"Clear": used.Clear(t.Context()), "the first Clear": fresh.Clear(t.Context()),
	} {
		if !errors.Is(err, redis.ErrOut) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCachePiecesRefuseWrongBounds(t *testing.T) {
	e := engineAt(t, func(c *redis.Config) { c.Addresses = []string{"127.0.0.1:1"} })
	if _, err := e.NewCacheStore(redis.CacheStoreConfig{MaxEntryBytes: -1}); err == nil || err.Error() != "redis: CacheStoreConfig.MaxEntryBytes = -1 must not be negative, and at most 256 MiB" {
		t.Error(err)
	}
	for _, c := range []redis.CacheStoreConfig{{MaxEntryBytes: 1 << 30}, {LocalBytes: 1}, {LocalBytes: -1}, {LocalBytes: 1 << 20, RemoteOnly: true}} {
		if _, err := e.NewCacheStore(c); err == nil {
			t.Errorf("%+v: no error", c)
		}
	}
	_, err := e.NewInvalidations(redis.InvalidationsConfig{MaxLog: -1, Lag: time.Millisecond})
	if want := "redis: InvalidationsConfig.MaxLog = -1 must be from 1 to 100,000\nredis: InvalidationsConfig.Lag = 1ms must be from 50ms to 1m"; err == nil || err.Error() != want {
		t.Error(err)
	}
}

// What the server holds may be anything: it is an entry or a miss, and never a panic.
func FuzzCacheStoreLoad(f *testing.F) {
	s := start(f)
	store, err := s.engine().NewCacheStore(redis.CacheStoreConfig{MaxEntryBytes: 10_000, RemoteOnly: true})
	if err != nil {
		f.Fatal(err)
	}
	client, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{s.address}, DisableCache: true, ForceSingleClient: true})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(client.Close)
	for _, value := range []string{"", "\x00", "\x03newer", "\x01", "\x01\x01\xff", "\x02", "\x02\xff\xff\xff", "{}"} {
		f.Add(value)
	}
	sum := sha256.Sum256([]byte("key"))
	key := "gatehouse:entry:" + hex.EncodeToString(sum[:])
	f.Fuzz(func(t *testing.T, value string) {
		if err := client.Do(t.Context(), client.B().Set().Key(key).Value(value).Build()).Error(); err != nil {
			t.Fatal(err)
		}
		if e, err := store.Load(t.Context(), "key"); err != nil {
			t.Errorf("%q: %v, %v", value, e, err)
		}
	})
}
