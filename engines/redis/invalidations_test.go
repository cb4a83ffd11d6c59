package redis_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/revalidate"

	"github.com/gatehouse-go/gatehouse/engines/redis"
)

// instance is one process of a fleet: a cache of two tiers that hears the others.
type instance struct {
	t     *testing.T
	cache *revalidate.Cache
	db    *atomic.Int64 // the truth that it caches
}

func newInstance(t *testing.T, e *redis.Engine, db *atomic.Int64, c redis.InvalidationsConfig) *instance {
	t.Helper()
	return newInstanceOn(t, e, cacheStoreOf(t, e, redis.CacheStoreConfig{}), db, c)
}

func newInstanceOn(t *testing.T, e *redis.Engine, store revalidate.Store, db *atomic.Int64, c redis.InvalidationsConfig, edit ...func(*redis.Invalidations)) *instance {
	t.Helper()
	news, err := e.NewInvalidations(c)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range edit {
		f(news)
	}
	cache, err := revalidate.New(revalidate.Config{
		Store: store, OnInvalidate: news.Announce, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- news.Run(ctx, cache) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) && !errors.Is(err, redis.ErrClosed) {
			t.Errorf("Run: %v", err)
		}
		_ = cache.Close(context.Background())
	})
	return &instance{t, cache, db}
}

// read returns what the instance says the value is.
func (i *instance) read() int64 {
	i.t.Helper()
	v, err := revalidate.Get(i.t.Context(), i.cache, "value", revalidate.Options{Tags: []string{"value"}}, func(context.Context) (int64, error) { return i.db.Load(), nil })
	if err != nil {
		i.t.Error(err)
	}
	return v
}

// change changes the truth, and has this instance tell the others.
func (i *instance) change() {
	i.t.Helper()
	i.db.Add(1)
	if err := i.cache.ExpireTag(i.t.Context(), "value"); err != nil {
		i.t.Error(err)
	}
}

// wantFresh waits until the instance tells the truth, and fails where that takes too long, or where it goes back to what was.
func (i *instance) wantFresh(what string) {
	i.t.Helper()
	eventually(i.t, what, func() bool { return i.read() == i.db.Load() })
	for range 10 {
		time.Sleep(5 * time.Millisecond)
		if got, want := i.read(), i.db.Load(); got != want {
			i.t.Fatalf("%s: served %d after %d", what, got, want)
		}
	}
}

func TestAnExpiryReachesTheWholeFleet(t *testing.T) {
	s := start(t)
	var db atomic.Int64
	fleet := make([]*instance, 5)
	for i := range fleet {
		e := s.engine()
		var store revalidate.Store = cacheStoreOf(t, e, redis.CacheStoreConfig{})
		if i == 0 { // one has a near tier of another make
			near, err := revalidate.NewMemory(revalidate.MemoryConfig{MaxBytes: 1 << 20})
			if err != nil {
				t.Fatal(err)
			}
			store = revalidate.NewTiered(near, cacheStoreOn(t, e, 0))
		}
		fleet[i] = newInstanceOn(t, e, store, &db, redis.InvalidationsConfig{})
	}
	var slowest time.Duration
	for range 10 {
		for _, i := range fleet {
			i.wantFresh("before")
		}
		fleet[rand.N(len(fleet))].change()
		changed := time.Now()
		for _, i := range fleet {
			i.wantFresh("after the expiry")
		}
		slowest = max(slowest, time.Since(changed))
	}
	t.Logf("within %v of the change all five had been seen to serve the new value, and to keep it for 50 ms each", slowest)
}

// What is announced names tags, prefixes and paths, and says how stale a read may be.
func TestAllThatAnInvalidationSaysArrives(t *testing.T) {
	s := start(t)
	var db atomic.Int64
	one, two := newInstance(t, s.engine(), &db, redis.InvalidationsConfig{}), newInstance(t, s.engine(), &db, redis.InvalidationsConfig{})
	for name, inv := range map[string]revalidate.Invalidation{
		"a tag":    {Tags: []string{"value"}, Mode: revalidate.ModeExpire},
		"a prefix": {TagPrefixes: []string{"val"}, Mode: revalidate.ModeExpire},
		"a window": {Tags: []string{"value"}, Window: time.Millisecond},
		"a path":   {Tags: []string{"value"}, Paths: []string{"/blog/\xff", "/docs/[[...rest]]"}, Mode: revalidate.ModeExpire},
	} {
		one.wantFresh(name)
		two.wantFresh(name)
		db.Add(1)
		if err := one.cache.Invalidate(t.Context(), inv); err != nil {
			t.Fatal(err)
		}
		two.wantFresh(name + " was announced")
	}
}

// What one instance purges, and what an unsafe request to it invalidates, the others do not serve, whether they share its store or not.
func TestAPurgeReachesTheWholeFleet(t *testing.T) {
	const page = "http://example.com/page?a=%2F"
	post := func(location string) func(*instance, http.Handler) error {
		return func(_ *instance, h http.Handler) error {
			rec := httptest.NewRecorder()
			h.ServeHTTP(rec, httptest.NewRequest("POST", location, nil))
			if rec.Code != http.StatusOK {
				return errors.New(rec.Result().Status)
			}
			return nil
		}
	}
	for name, act := range map[string]func(*instance, http.Handler) error{
		"everything":              func(i *instance, _ http.Handler) error { return i.cache.PurgeAll(i.t.Context()) },
		"the URL":                 func(i *instance, _ http.Handler) error { return i.cache.Purge(i.t.Context(), page) },
		"POST to the URL":         post(page),
		"POST that names the URL": post("http://example.com/elsewhere"),
		"POST that names a group": post("http://example.com/group"),
	} {
		for kind, shared := range map[string]bool{"one store": true, "stores of their own": false} {
			t.Run(name+", "+kind, func(t *testing.T) {
				s := start(t)
				var db atomic.Int64
				site := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					switch {
					case r.Method == http.MethodGet:
						w.Header().Set("Cache-Control", "max-age=3600")
						w.Header().Set("Cache-Groups", `"a group"`)
						_, _ = io.WriteString(w, strconv.FormatInt(db.Load(), 10))
						return
					case r.URL.Path == "/elsewhere":
						w.Header().Set("Content-Location", page)
					case r.URL.Path == "/group":
						w.Header().Set("Cache-Group-Invalidation", `"a group"`)
					}
					db.Add(1)
				})
				fleet := make([]*instance, 3)
				sites := make([]http.Handler, len(fleet))
				for i := range fleet {
					e := s.engine()
					var store revalidate.Store
					if shared {
						store = cacheStoreOf(t, e, redis.CacheStoreConfig{})
					}
					fleet[i] = newInstanceOn(t, e, store, &db, redis.InvalidationsConfig{})
					sites[i] = fleet[i].cache.Wrap(site)
				}
				get := func(i int) string {
					rec := httptest.NewRecorder()
					sites[i].ServeHTTP(rec, httptest.NewRequest("GET", page, nil))
					return rec.Body.String()
				}
				for i := range fleet {
					eventually(t, "it caches", func() bool {
						before := fleet[i].cache.Metrics().Hits
						return get(i) == "0" && fleet[i].cache.Metrics().Hits > before
					})
				}
				if err := act(fleet[0], sites[0]); err != nil {
					t.Fatal(err)
				}
				db.CompareAndSwap(0, 1)
				for i := range fleet {
					eventually(t, "nobody serves what was", func() bool { return get(i) == "1" })
				}
				for i := range fleet {
					if got := get(i); got != "1" {
						t.Errorf("instance %d went back to %s", i, got)
					}
					if m := fleet[i].cache.Metrics(); m.AnnounceErrors != 0 {
						t.Errorf("%d announcements failed", m.AnnounceErrors)
					}
				}
			})
		}
	}
}

// A purge that reached nobody is an error of the call, and of an unsafe request nothing that its client sees.
func TestAPurgeWithoutTheServer(t *testing.T) {
	s := start(t)
	var db atomic.Int64
	quick := func(c *redis.Config) { c.Timeout = 200 * time.Millisecond }
	i := newInstanceOn(t, s.engine(quick), nil, &db, redis.InvalidationsConfig{})
	s.kill()
	if err := i.cache.PurgeAll(t.Context()); !errors.Is(err, redis.ErrOut) {
		t.Errorf("PurgeAll: %v", err)
	}
	if err := i.cache.Purge(t.Context(), "http://example.com/"); !errors.Is(err, redis.ErrOut) {
		t.Errorf("Purge: %v", err)
	}
	rec := httptest.NewRecorder()
	i.cache.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })).
		ServeHTTP(rec, httptest.NewRequest("DELETE", "http://example.com/", nil))
	if rec.Code != http.StatusNoContent {
		t.Errorf("DELETE: %d", rec.Code)
	}
	if m := i.cache.Metrics(); m.AnnounceErrors != 3 {
		t.Errorf("%d announcements failed, want 3", m.AnnounceErrors)
	}
}

// An instance that starts reads in the log that everything was purged long ago. What the others have made since is good.
func TestAnOldPurgeConcernsWhatIsOlder(t *testing.T) {
	s := start(t)
	var db atomic.Int64
	patient := redis.InvalidationsConfig{Lag: 10 * time.Second} // a busy machine may be silent for long, after which an instance forgets
	first := newInstance(t, s.engine(), &db, patient)
	first.wantFresh("the first")
	if err := first.cache.PurgeAll(t.Context()); err != nil {
		t.Fatal(err)
	}
	keys, _ := s.do("KEYS", "*log").AsStrSlice()
	log, err := s.do("XRANGE", keys[0], "-", "+").AsXRange()
	if err != nil || len(log) != 1 {
		t.Fatalf("%v, %v", log, err)
	}
	long := strconv.FormatInt(time.Now().Add(-time.Hour).Unix(), 10)
	s.do("DEL", keys[0])
	add := []string{"XADD", keys[0], log[0].ID, "at", long}
	for _, name := range []string{"tip", "after", "from", "message"} {
		add = append(add, name, log[0].FieldValues[name])
	}
	if err := s.do(add...).Error(); err != nil {
		t.Fatal(err)
	}
	first.wantFresh("made after the purge") // in the store that both share
	second := newInstance(t, s.engine(), &db, patient)
	eventually(t, "it has read the log", func() bool { return second.cache.Metrics().Invalidations > 1 })
	db.Add(1) // told to nobody: whoever has it stored serves what was
	if got := second.read(); got != 0 {
		t.Errorf("the second made it anew: %d", got)
	}
}

func TestANewInstanceServesWhatTheFleetHasAndNothingOld(t *testing.T) {
	s := start(t)
	var db atomic.Int64
	first := newInstance(t, s.engine(), &db, redis.InvalidationsConfig{})
	first.wantFresh("the first")
	first.change()
	newInstance(t, s.engine(), &db, redis.InvalidationsConfig{}).wantFresh("one that starts after the expiry")
}

// Instances are cut off while others change the truth: they read what they missed in the log, or forget.
func TestAnInstanceThatWasCutOffServesNothingOldAfterwards(t *testing.T) {
	for name, row := range map[string]struct {
		config redis.InvalidationsConfig
		missed int
	}{
		"few messages":                      {redis.InvalidationsConfig{ServeOld: true}, 3},
		"more messages than the log has":    {redis.InvalidationsConfig{ServeOld: true, MaxLog: 1}, 500},
		"more than are read at once":        {redis.InvalidationsConfig{ServeOld: true, MaxLog: 5000}, 2500},
		"few messages, and it forgets":      {redis.InvalidationsConfig{}, 3},
		"no message, and the log is lost":   {redis.InvalidationsConfig{ServeOld: true}, -1},
		"few messages of a log begun again": {redis.InvalidationsConfig{ServeOld: true}, -5},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t)
			var db atomic.Int64
			w := newWire(t, s.address)
			quick := func(c *redis.Config) { c.Timeout = 300 * time.Millisecond }
			cutOff := newInstance(t, s.engine(quick, func(c *redis.Config) { c.Addresses = []string{w.address} }), &db, row.config)
			other := newInstance(t, s.engine(), &db, row.config)
			other.change()
			cutOff.wantFresh("before the cut")
			w.set(true)
			time.Sleep(50 * time.Millisecond)
			if row.missed < 0 {
				s.do("FLUSHALL")
				row.missed = -row.missed - 1
				db.Add(1)
			}
			for n := range row.missed {
				if n == 0 {
					other.change()
				} else if err := other.cache.ExpireTag(t.Context(), "other"+strconv.Itoa(n)); err != nil {
					t.Fatal(err)
				}
			}
			if row.config.ServeOld {
				if got := cutOff.read(); got != 1 {
					t.Errorf("cut off, it serves %d, want what it had", got)
				}
			} else {
				eventually(t, "it has forgotten what it had", func() bool { return cutOff.read() == db.Load() })
			}
			w.set(false)
			cutOff.wantFresh("after the cut")
			other.change()
			cutOff.wantFresh("as before")
		})
	}
}

func TestAFleetWithoutItsServer(t *testing.T) {
	for way, back := range map[string]func(*server){
		"kill -9": (*server).run,
		"SIGSTOP": func(s *server) { s.signal(syscall.SIGCONT) },
	} {
		t.Run(way, func(t *testing.T) {
			s := start(t)
			var db atomic.Int64
			quick := func(c *redis.Config) { c.Timeout = 2 * time.Second }
			fleet := []*instance{newInstance(t, s.engine(quick), &db, redis.InvalidationsConfig{}), newInstance(t, s.engine(quick), &db, redis.InvalidationsConfig{})}
			for _, i := range fleet {
				i.wantFresh("before")
			}
			if way == "kill -9" {
				s.kill()
			} else {
				s.signal(syscall.SIGSTOP)
			}
			db.Add(1)
			if err := fleet[0].cache.ExpireTag(t.Context(), "value"); !errors.Is(err, redis.ErrOut) {
				t.Errorf("an expiry that reached nobody: %v", err)
			}
			for _, i := range fleet {
				eventually(t, "nobody serves what was", func() bool { return i.read() == db.Load() })
			}
			back(s)
			for _, i := range fleet {
				eventually(t, "expiries are announced again", func() bool { return i.cache.ExpireTag(t.Context(), "value") == nil })
			}
			fleet[1].change()
			for _, i := range fleet {
				i.wantFresh("after")
			}
		})
	}
}

// A message that this version cannot read may mean anything: what is there is forgotten.
func TestAMessageOfAnotherVersion(t *testing.T) {
	for name, text := range map[string]string{
		"another version": `{"Version":3,"Tags":["other"]}`,
		"a purge of 1":    `{"Version":1,"Tags":["other"],"URLs":["aHR0cDovL2EvYg=="]}`,
		"a bad URL":       `{"Version":2,"URLs":["L2I="]}`,
		"a bad group":     `{"Version":2,"Groups":[{"Origin":"a","Name":"g"}]}`,
		"another mode":    `{"Version":1,"Mode":2,"Tags":["other"]}`,
		"no JSON":         `{`,
		"names nothing":   `{"Version":1}`,
	} {
		s := start(t)
		var db atomic.Int64
		i := newInstance(t, s.engine(), &db, redis.InvalidationsConfig{})
		i.change()
		i.wantFresh(name)
		keys, _ := s.do("KEYS", "*head").AsStrSlice()
		tip, _ := s.do("HGET", keys[0], "tip").ToString()
		db.Add(1)
		log := keys[0][:len(keys[0])-len("head")] + "log"
		if err := s.do("XADD", log, "2-0", "tip", "another", "after", tip, "at", "1", "from", "another", "message", text).Error(); err != nil {
			t.Fatal(err)
		}
		s.do("HSET", keys[0], "tip", "another", "number", "2")
		i.wantFresh(name)
	}
}

func TestTheLogIsBounded(t *testing.T) {
	s := start(t)
	news, err := s.engine().NewInvalidations(redis.InvalidationsConfig{MaxLog: 10})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 2000 {
		if err := news.Announce(t.Context(), revalidate.Invalidation{Tags: []string{"tag" + strconv.Itoa(i)}}); err != nil {
			t.Fatal(err)
		}
	}
	keys, _ := s.do("KEYS", "*").AsStrSlice()
	if len(keys) != 2 {
		t.Errorf("2000 tags made %d keys, want the log and its head", len(keys))
	}
	for _, key := range keys {
		if ttl, _ := s.do("TTL", key).AsInt64(); ttl <= 0 {
			t.Errorf("%s does not expire", key)
		}
		if n, err := s.do("XLEN", key).AsInt64(); err == nil && n > 200 {
			t.Errorf("the log has %d messages", n)
		}
	}
}

func TestRunEndsWithTheEngine(t *testing.T) {
	e := start(t).engine()
	news, err := e.NewInvalidations(redis.InvalidationsConfig{})
	if err != nil {
		t.Fatal(err)
	}
	c, err := revalidate.New(revalidate.Config{})
	if err != nil {
		t.Fatal(err)
	}
	e.Close()
	if err := news.Run(t.Context(), c); !errors.Is(err, redis.ErrClosed) {
		t.Error(err)
	}
}
