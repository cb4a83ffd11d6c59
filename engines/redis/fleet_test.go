package redis_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/revalidate"

	"github.com/gatehouse-go/gatehouse/engines/redis"
)

// stores are the two ways to keep entries on the server.
func stores() map[string]redis.CacheStoreConfig {
	return map[string]redis.CacheStoreConfig{"with a local tier": {}, "without": {RemoteOnly: true}}
}

// cachesOn returns caches of as many instances, each with a connection of its own.
func cachesOn(t *testing.T, s *server, n int, c redis.CacheStoreConfig, edit ...func(*revalidate.Config)) []*revalidate.Cache {
	t.Helper()
	caches := make([]*revalidate.Cache, n)
	for i := range caches {
		config := revalidate.Config{Store: cacheStoreOf(t, s.engine(), c), Logger: slog.New(slog.DiscardHandler)}
		for _, f := range edit {
			f(&config)
		}
		cache, err := revalidate.New(config)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = cache.Close(context.Background()) })
		caches[i] = cache
	}
	return caches
}

// page asks a handler for a page, with a header, and returns what it answers.
func page(h http.Handler, path string, header ...string) string {
	r := httptest.NewRequest(http.MethodGet, "http://example.com"+path, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Body.String()
}

// noLease fails the test where leases are left on the server in the end.
func (s *server) noLease() {
	s.t.Helper()
	eventually(s.t, "no lease is left", func() bool {
		keys, err := s.do("KEYS", "*lease*").AsStrSlice()
		return err == nil && len(keys) == 0
	})
}

func TestOneHandlerOfTheFleetRuns(t *testing.T) {
	t.Parallel()
	for name, config := range stores() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			var calls atomic.Int64
			release := make(chan struct{}, 1)
			var fleet []http.Handler
			for _, c := range cachesOn(t, s, 5, config, func(c *revalidate.Config) { c.LeaseLife = time.Minute }) {
				fleet = append(fleet, c.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					n := calls.Add(1)
					<-release
					w.Header().Set("Cache-Control", "max-age=600")
					w.Header().Set("Vary", "Accept-Language")
					_, _ = fmt.Fprintf(w, "%s %d", r.Header.Get("Accept-Language"), n)
				})))
			}
			for round, language := range []string{"de", "en", "fr"} {
				want := language + " " + strconv.Itoa(round+1)
				var all sync.WaitGroup
				for i, h := range fleet {
					for range 5 {
						all.Go(func() {
							if got := page(h, "/page", "Accept-Language", language); got != want {
								t.Errorf("instance %d answered %q, want %q", i, got, want)
							}
						})
					}
				}
				eventually(t, "the handler runs", func() bool { return calls.Load() > int64(round) })
				release <- struct{}{}
				all.Wait()
			}
			s.noLease()
		})
	}
}

// Private answers let everybody go at once: no instance waits for another's lease, which here would last for an hour.
func TestAPrivateAnswerHoldsNoInstanceUp(t *testing.T) {
	t.Parallel()
	s := start(t)
	var began sync.WaitGroup
	began.Add(5)
	for _, c := range cachesOn(t, s, 5, redis.CacheStoreConfig{}, func(c *revalidate.Config) { c.LeaseLife = time.Hour }) {
		h := c.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Cache-Control", "private")
			w.WriteHeader(http.StatusOK)
			began.Done()
			began.Wait() // all five run at the same time
			_, _ = io.WriteString(w, "page")
		}))
		go page(h, "/page")
	}
	done := make(chan struct{})
	go func() { began.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(time.Minute):
		t.Fatal("five handlers did not run at once within a minute")
	}
	s.noLease()
}

// What is too large for the server is for each instance to make.
func TestAResponseThatTheServerDoesNotKeep(t *testing.T) {
	t.Parallel()
	s := start(t)
	body := make([]byte, 2<<20)
	var all sync.WaitGroup
	var calls atomic.Int64
	for _, c := range cachesOn(t, s, 4, redis.CacheStoreConfig{}, func(c *revalidate.Config) { c.LeaseLife = time.Hour }) {
		h := c.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			calls.Add(1)
			w.Header().Set("Cache-Control", "max-age=600")
			_, _ = w.Write(body)
		}))
		all.Go(func() {
			if got := page(h, "/page"); len(got) != len(body) {
				t.Errorf("%d bytes", len(got))
			}
		})
	}
	all.Wait()
	if calls.Load() != 4 {
		t.Errorf("%d calls", calls.Load())
	}
	s.noLease()
}

// A purge by another instance takes the lease of a fill away: what was made before it is not stored.
func TestAPurgeEndsTheFillOfAnotherInstance(t *testing.T) {
	t.Parallel()
	for name, config := range stores() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			caches := cachesOn(t, s, 2, config)
			var version atomic.Int64
			running, release := make(chan struct{}), make(chan struct{})
			handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				v := version.Load()
				if v == 0 {
					close(running)
					<-release
				}
				w.Header().Set("Cache-Control", "max-age=600")
				_, _ = fmt.Fprintf(w, "version %d", v)
			})
			one, two := caches[0].Wrap(handler), caches[1].Wrap(handler)
			done := make(chan struct{})
			go func() { page(one, "/page"); close(done) }()
			<-running
			version.Add(1)
			if err := caches[1].Purge(t.Context(), "http://example.com/page"); err != nil {
				t.Fatal(err)
			}
			close(release)
			<-done
			for i, h := range []http.Handler{one, two} {
				if got := page(h, "/page"); got != "version 1" {
					t.Errorf("instance %d answered %q", i, got)
				}
			}
			s.noLease()
		})
	}
}

// An instance that dies with a lease holds the others up until it is over, and what it comes up with later is not stored.
func TestAnInstanceThatDiesWhileItsHandlerRuns(t *testing.T) {
	t.Parallel()
	s := start(t)
	caches := cachesOn(t, s, 3, redis.CacheStoreConfig{}, func(c *revalidate.Config) { c.LeaseLife = 3 * time.Second })
	var calls atomic.Int64
	running, release := make(chan struct{}), make(chan struct{})
	handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		n := calls.Add(1)
		if n == 1 {
			close(running)
			<-release
		}
		w.Header().Set("Cache-Control", "max-age=600")
		_, _ = fmt.Fprintf(w, "call %d", n)
	})
	done := make(chan struct{})
	one := caches[0].Wrap(handler)
	go func() { page(one, "/page"); close(done) }()
	<-running
	two := caches[1].Wrap(handler)
	if got := page(two, "/page"); got != "call 2" {
		t.Errorf("the second instance answered %q", got)
	}
	close(release)
	<-done
	for i, c := range caches {
		if got := page(c.Wrap(handler), "/page"); got != "call 2" {
			t.Errorf("instance %d answered %q", i, got)
		}
	}
}

func TestEachKeyOfABatchIsFetchedOnceInTheFleet(t *testing.T) {
	t.Parallel()
	for name, config := range stores() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			var mu sync.Mutex
			asked := map[string]int{}
			var all sync.WaitGroup
			for i, c := range cachesOn(t, s, 4, config, func(c *revalidate.Config) { c.LeaseLife = time.Minute }) {
				all.Go(func() {
					var keys []string
					for j := range 100 {
						keys = append(keys, "key"+strconv.Itoa((i*20+j*7)%130))
					}
					got, err := revalidate.GetMany(t.Context(), c, keys, revalidate.Options{}, func(_ context.Context, missing []string) (map[string]string, error) {
						values := map[string]string{}
						mu.Lock()
						defer mu.Unlock()
						for _, key := range missing {
							asked[key]++
							values[key] = key
						}
						return values, nil
					})
					if len(got) != 100 || err != nil {
						t.Errorf("instance %d: %d values, %v", i, len(got), err)
					}
				})
			}
			all.Wait()
			for key, n := range asked {
				if n != 1 {
					t.Errorf("%s was fetched %d times", key, n)
				}
			}
			s.noLease()
		})
	}
}

// A request waits for a server that hangs once, whatever it has to ask of it. What two waits would take is far from what one takes.
func TestARequestWaitsForAServerThatHangsOnce(t *testing.T) {
	t.Parallel()
	const timeout = 10 * time.Second
	s := start(t)
	handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Cache-Control", "max-age=600")
		w.Header().Set("Vary", "Accept")
		_, _ = io.WriteString(w, "page")
	})
	get := func(c *revalidate.Cache) {
		if v, err := revalidate.Get(context.Background(), c, "key", revalidate.Options{}, func(context.Context) (int, error) { return 1, nil }); v != 1 || err != nil {
			t.Error(v, err)
		}
	}
	many := func(c *revalidate.Cache) {
		var keys []string
		for i := range 100 {
			keys = append(keys, strconv.Itoa(i))
		}
		got, err := revalidate.GetMany(context.Background(), c, keys, revalidate.Options{}, func(_ context.Context, missing []string) (map[string]int, error) {
			values := map[string]int{}
			for _, key := range missing {
				values[key] = 1
			}
			return values, nil
		})
		if len(got) != 100 || err != nil {
			t.Error(len(got), err)
		}
	}
	kept := func(c *revalidate.Cache) {
		if got := page(c.Wrap(handler), "/kept"); got != "page" {
			t.Error(got)
		}
	}
	requests := map[string]func(*revalidate.Cache){
		"Get": get, "GetMany": many, "a response": func(c *revalidate.Cache) { page(c.Wrap(handler), "/new") }, "a response that is kept": kept,
		"an unsafe request": func(c *revalidate.Cache) {
			r := httptest.NewRequest(http.MethodPost, "http://example.com/kept", nil)
			c.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Location", "/other") })).ServeHTTP(httptest.NewRecorder(), r)
		},
	}
	type request struct {
		name string
		do   func()
	}
	var all []request
	for tier, config := range stores() {
		for name, do := range requests {
			e := s.engine(func(c *redis.Config) { c.Timeout = timeout })
			news, err := e.NewInvalidations(redis.InvalidationsConfig{})
			if err != nil {
				t.Fatal(err)
			}
			c, err := revalidate.New(revalidate.Config{
				Store: cacheStoreOf(t, e, config), OnInvalidate: news.Announce, AnnounceWait: 10 * time.Second, Logger: slog.New(slog.DiscardHandler),
			})
			if err != nil {
				t.Fatal(err)
			}
			kept(c)
			kept(c)
			all = append(all, request{name + ", " + tier, func() { do(c) }})
		}
	}
	s.do("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes") // what the local tiers have is asked for again
	s.signal(syscall.SIGSTOP)
	var done sync.WaitGroup
	for _, r := range all {
		done.Go(func() {
			began := time.Now()
			r.do()
			if took := time.Since(began); took > timeout+timeout*4/5 {
				t.Errorf("%s took %v, where the server may take %v", r.name, took, timeout)
			}
		})
	}
	done.Wait()
	s.signal(syscall.SIGCONT)
}
