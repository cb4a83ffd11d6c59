package revalidate_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-go/gatehouse/revalidate"
	"github.com/gatehouse-go/gatehouse/revalidate/internal/leasetest"
)

// ways is a handler behind the cache of each instance of a fleet.
func ways(caches []*revalidate.Cache, handler http.Handler) []http.Handler {
	all := make([]http.Handler, len(caches))
	for i, c := range caches {
		all[i] = c.Wrap(handler)
	}
	return all
}

// together has n clients ask each instance at once, and returns how long the last waited, in whole seconds.
func together(t *testing.T, instances []http.Handler, n int, a ask, want func(got string) bool) int {
	t.Helper()
	began := time.Now()
	var all sync.WaitGroup
	for i, h := range instances {
		for range n {
			all.Go(func() {
				defer func() {
					if v := recover(); v != nil && want != nil {
						t.Errorf("instance %d panicked: %v", i, v)
					}
				}()
				if got := text(t, a.do(h)); want != nil && !want(got) {
					t.Errorf("instance %d answered %q", i, got)
				}
			})
		}
	}
	all.Wait()
	return int(time.Since(began) / time.Second)
}

func is(want string) func(string) bool { return func(got string) bool { return got == want } }

// slowly is a handler that takes a second.
func slowly(calls *atomic.Int64, pairs ...string) http.Handler {
	h := counting(calls, pairs...)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(time.Second)
		h.ServeHTTP(w, r)
	})
}

func TestOneHandlerRunsForAllInstances(t *testing.T) {
	for name, near := range map[string]bool{"one tier": false, "two tiers": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := &leasetest.Store{Memory: newMemory(t, 1<<20)}
				var calls atomic.Int64
				caches := fleet(t, 5, store, near)
				instances := ways(caches, slowly(&calls, "Cache-Control", "max-age=60", "Cache-Tag", "tag"))
				if took := together(t, instances, 10, ask{}, is("call 1")); took != 1 || calls.Load() != 1 {
					t.Errorf("cold: %d calls in %d s", calls.Load(), took)
				}
				time.Sleep(2 * time.Minute)
				if took := together(t, instances, 10, ask{}, is("call 2")); took != 1 || calls.Load() != 2 {
					t.Errorf("stale: %d calls in %d s", calls.Load(), took)
				}
				for _, c := range caches {
					if err := c.ExpireTag(t.Context(), "tag"); err != nil {
						t.Error(err)
					}
				}
				if took := together(t, instances, 10, ask{}, is("call 3")); took != 1 || calls.Load() != 3 {
					t.Errorf("expired: %d calls in %d s", calls.Load(), took)
				}
				if n := store.Held(); n != 0 {
					t.Errorf("%d leases are left", n)
				}
			})
		})
	}
}

func TestWhoWaitedForAnotherInstanceSaysSo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int64
		instances := ways(fleet(t, 2, &leasetest.Store{Memory: newMemory(t, 1<<20)}, false), slowly(&calls, "Cache-Control", "max-age=60"))
		var all sync.WaitGroup
		all.Go(func() { ask{}.do(instances[0]) })
		time.Sleep(time.Millisecond)
		if got := (ask{}).do(instances[1]).Header.Get("Cache-Status"); got != "gatehouse; fwd=uri-miss; collapsed" {
			t.Errorf("Cache-Status: %q", got)
		}
		all.Wait()
	})
}

// What is stale and may be served is served at once by all, and refreshed by one.
func TestOneInstanceRefreshesForAll(t *testing.T) {
	for name, near := range map[string]bool{"one tier": false, "two tiers": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := &leasetest.Store{Memory: newMemory(t, 1<<20)}
				var calls atomic.Int64
				instances := ways(fleet(t, 4, store, near), slowly(&calls, "Cache-Control", "max-age=60, stale-while-revalidate=600"))
				together(t, instances, 1, ask{}, is("call 1"))
				time.Sleep(2 * time.Minute)
				if took := together(t, instances, 5, ask{}, is("call 1")); took != 0 {
					t.Errorf("a stale answer took %d s", took)
				}
				time.Sleep(5 * time.Second)
				if together(t, instances, 5, ask{}, is("call 2")); calls.Load() != 2 || store.Held() != 0 {
					t.Errorf("%d calls, %d leases are left", calls.Load(), store.Held())
				}
			})
		})
	}
}

// One instance validates what is stale, and the others have what it was told.
func TestOneInstanceValidatesForAll(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int64
		instances := ways(fleet(t, 4, &leasetest.Store{Memory: newMemory(t, 1<<20)}, true), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			calls.Add(1)
			time.Sleep(time.Second)
			w.Header().Set("Cache-Control", "max-age=60")
			w.Header().Set("Etag", `"v1"`)
			if r.Header.Get("If-None-Match") == `"v1"` {
				w.WriteHeader(http.StatusNotModified)
				return
			}
			_, _ = io.WriteString(w, "page")
		}))
		for round := int64(1); round < 4; round++ {
			if took := together(t, instances, 3, ask{}, is("page")); took != 1 || calls.Load() != round {
				t.Errorf("round %d: %d calls in %d s", round, calls.Load(), took)
			}
			time.Sleep(2 * time.Minute)
		}
	})
}

// What is of no use to others must not make them wait for one another: they wait for the first alone, and for a while not even for it.
func TestWhatIsNotSharedKeepsNoInstanceWaiting(t *testing.T) {
	large := strings.Repeat("x", 200<<10)
	for _, row := range []struct {
		name string
		answ func(w http.ResponseWriter)
	}{
		{"private", func(w http.ResponseWriter) { w.Header().Set("Cache-Control", "private, max-age=60") }},
		{"no-store", func(w http.ResponseWriter) { w.Header().Set("Cache-Control", "no-store") }},
		{"no-cache", func(w http.ResponseWriter) { w.Header().Set("Cache-Control", "no-cache, max-age=60") }},
		{"no stated freshness", func(http.ResponseWriter) {}},
		{"no life", func(w http.ResponseWriter) { w.Header().Set("Cache-Control", "max-age=0") }},
		{"Set-Cookie", func(w http.ResponseWriter) {
			w.Header().Set("Cache-Control", "max-age=60")
			w.Header().Set("Set-Cookie", "session=1")
		}},
		{"Vary: *", func(w http.ResponseWriter) {
			w.Header().Set("Cache-Control", "max-age=60")
			w.Header().Set("Vary", "*")
		}},
		{"a server error", func(w http.ResponseWriter) { w.WriteHeader(http.StatusServiceUnavailable) }},
		{"a tag that breaks a rule", func(w http.ResponseWriter) {
			w.Header().Set("Cache-Control", "max-age=60")
			revalidate.Tag(w, "two words")
		}},
		{"fewer bytes than announced", func(w http.ResponseWriter) {
			w.Header().Set("Cache-Control", "max-age=60")
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, "few")
		}},
		{"larger than a response may be", func(w http.ResponseWriter) {
			w.Header().Set("Cache-Control", "max-age=60")
			_, _ = io.WriteString(w, large+large)
		}},
		{"larger than a response may be, as its length says", func(w http.ResponseWriter) {
			w.Header().Set("Cache-Control", "max-age=60")
			w.Header().Set("Content-Length", fmt.Sprint(2*len(large)))
			_, _ = io.WriteString(w, large+large)
		}},
		{"larger than the store keeps", func(w http.ResponseWriter) {
			w.Header().Set("Cache-Control", "max-age=60")
			_, _ = io.WriteString(w, large)
		}},
		{"a handler that panics", func(http.ResponseWriter) { panic("down") }},
		{"a handler that gives up", func(http.ResponseWriter) { panic(http.ErrAbortHandler) }},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := &leasetest.Store{Memory: newMemory(t, 1<<20)}
				var calls atomic.Int64
				caches := make([]*revalidate.Cache, 5)
				for i := range caches {
					caches[i] = newCache(t, revalidate.Config{
						Store: store, Logger: slog.New(slog.DiscardHandler), Responses: revalidate.Responses{MaxBody: 300 << 10},
					})
				}
				instances := ways(caches, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					calls.Add(1)
					time.Sleep(time.Second)
					row.answ(w)
				}))
				if took := together(t, instances, 1, ask{}, nil); took != 2 || calls.Load() != 5 {
					t.Errorf("%d calls in %d s, want 5 in 2", calls.Load(), took)
				}
				again := 1
				if strings.Contains(row.name, "error") || strings.Contains(row.name, "handler") {
					again = 2 // a failure may be over, and is forgotten sooner than this handler fails
				}
				if took := together(t, instances, 1, ask{}, nil); took != again || calls.Load() != 10 {
					t.Errorf("once it is known: %d more calls in %d s, want 5 in %d", calls.Load()-5, took, again)
				}
				synctest.Wait()
				if n := store.Held(); n != 0 {
					t.Errorf("%d leases are left", n)
				}
			})
		})
	}
}

// The header tells that an answer is for one client: the others do not wait for its body.
func TestAPrivateAnswerThatTakesLongLetsTheOthersGoAtItsHeader(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		instances := ways(fleet(t, 3, &leasetest.Store{Memory: newMemory(t, 1<<20)}, false), http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Cache-Control", "private")
			w.WriteHeader(http.StatusOK)
			time.Sleep(5 * time.Second)
			_, _ = io.WriteString(w, "late")
		}))
		if took := together(t, instances, 1, ask{}, is("late")); took != 5 {
			t.Errorf("it took %d s", took)
		}
	})
}

func TestWhatVariesIsRunOnceForEachVariantInAllInstances(t *testing.T) {
	for name, near := range map[string]bool{"one tier": false, "two tiers": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := &leasetest.Store{Memory: newMemory(t, 1<<20)}
				var calls atomic.Int64
				languages := []string{"de", "en", "fr"}
				instances := ways(fleet(t, 6, store, near), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					calls.Add(1)
					time.Sleep(time.Second)
					w.Header().Set("Cache-Control", "max-age=60")
					w.Header().Set("Vary", "Accept-Language")
					_, _ = io.WriteString(w, r.Header.Get("Accept-Language"))
				}))
				for round := range int64(3) {
					var all sync.WaitGroup
					for i, h := range instances {
						for j := range 6 {
							all.Go(func() {
								language := languages[(i+j)%3]
								if got := text(t, ask{header: head("Accept-Language", language)}.do(h)); got != language {
									t.Errorf("instance %d answered %q to %q", i, got, language)
								}
							})
						}
					}
					all.Wait()
					if want := 3 * (round + 1); calls.Load() != want {
						t.Errorf("round %d: the handler ran %d times, want %d", round, calls.Load(), want)
					}
					time.Sleep(2 * time.Minute)
				}
				if n := store.Held(); n != 0 {
					t.Errorf("%d leases are left", n)
				}
			})
		})
	}
}

// The origin fails while one instance asks it: all serve what they may serve in place of an error, and none asks again.
func TestAnErrorThatAStaleResponseStandsInForIsAskedForOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int64
		instances := ways(fleet(t, 4, &leasetest.Store{Memory: newMemory(t, 1<<20)}, false), http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			time.Sleep(time.Second)
			if calls.Add(1) > 1 {
				w.WriteHeader(http.StatusServiceUnavailable)
				return
			}
			w.Header().Set("Cache-Control", "max-age=60, stale-if-error=600")
			_, _ = io.WriteString(w, "page")
		}))
		together(t, instances, 1, ask{}, is("page"))
		time.Sleep(2 * time.Minute)
		if took := together(t, instances, 3, ask{}, is("page")); took != 1 || calls.Load() != 2 {
			t.Errorf("%d calls in %d s", calls.Load(), took)
		}
	})
}

// An instance that hangs costs the others the lease's life, once, and what it comes up with later is not stored.
func TestAnInstanceThatDiesCostsTheOthersItsLease(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &leasetest.Store{Memory: newMemory(t, 1<<20)}
		var calls atomic.Int64
		instances := ways(fleet(t, 4, store, false), http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			n := calls.Add(1)
			if n == 1 {
				time.Sleep(time.Minute)
			}
			w.Header().Set("Cache-Control", "max-age=600")
			_, _ = fmt.Fprintf(w, "call %d", n)
		}))
		var all sync.WaitGroup
		all.Go(func() {
			if got := text(t, ask{}.do(instances[0])); got != "call 1" {
				t.Errorf("the instance that hung answered %q", got)
			}
		})
		time.Sleep(time.Second)
		if took := together(t, instances[1:], 3, ask{}, is("call 2")); took != 9 || calls.Load() != 2 {
			t.Errorf("%d calls in %d s, want one more within what is left of 10", calls.Load(), took)
		}
		all.Wait()
		together(t, instances, 1, ask{}, is("call 2"))
	})
}

// A handler that takes longer than a lease lives is begun again, and nobody waits longer than for the lease and the handler.
func TestAHandlerThatTakesLongerThanTheLease(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int64
		instances := ways(fleet(t, 4, &leasetest.Store{Memory: newMemory(t, 1<<20)}, false), http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			calls.Add(1)
			time.Sleep(25 * time.Second)
			w.Header().Set("Cache-Control", "max-age=600")
			_, _ = io.WriteString(w, "page")
		}))
		if took := together(t, instances, 3, ask{}, is("page")); took > 35 || calls.Load() > 4 {
			t.Errorf("%d calls in %d s", calls.Load(), took)
		}
		before := calls.Load()
		if took := together(t, instances, 3, ask{}, is("page")); took != 0 || calls.Load() != before {
			t.Errorf("stored: %d more calls in %d s", calls.Load()-before, took)
		}
	})
}

// The clients of the instance that has the lease leave: it is free at once, though the handler does not listen. Those who wait for
// another instance and leave have no handler run for them.
func TestClientsWhoLeaveHoldNobodyUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &leasetest.Store{Memory: newMemory(t, 1<<20)}
		var calls atomic.Int64
		instances := ways(fleet(t, 3, store, false), http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			n := calls.Add(1)
			if n == 1 {
				time.Sleep(8 * time.Second)
			}
			w.Header().Set("Cache-Control", "max-age=600")
			w.Header().Set("Content-Length", "6")
			_, _ = fmt.Fprintf(w, "call %d", n)
		}))
		leave := func(h http.Handler, after time.Duration) {
			ctx, cancel := context.WithTimeout(context.Background(), after)
			defer cancel()
			h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "http://example.com/page", nil).WithContext(ctx))
		}
		var all sync.WaitGroup
		all.Go(func() { leave(instances[0], 2*time.Second) })
		time.Sleep(time.Millisecond)
		leave(instances[1], 900*time.Millisecond) // so that the first leaves a second and some after, whenever the next looks
		if n := calls.Load(); n != 1 {
			t.Errorf("%d calls, one for a client who left while it waited for another instance", n)
		}
		if took := together(t, instances[2:], 1, ask{}, is("call 2")); took != 1 {
			t.Errorf("it took %d s until the lease was free", took)
		}
		all.Wait()
		time.Sleep(10 * time.Second)
		together(t, instances, 1, ask{}, is("call 2"))
		if n := store.Held(); n != 0 {
			t.Errorf("%d leases are left", n)
		}
	})
}

// A purge by an instance that the one which fills has not heard of: what it filled from before is not stored.
func TestAPurgeDuringTheFillOfAnotherInstance(t *testing.T) {
	for name, row := range map[string]struct {
		vary string
		warm bool // something is stored, and stale
	}{
		"cold": {}, "stale": {warm: true}, "cold and varying": {vary: "Accept-Language"}, "stale and varying": {vary: "Accept-Language", warm: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := &leasetest.Store{Memory: newMemory(t, 1<<20)}
				caches := fleet(t, 3, store, false)
				var version atomic.Int64
				instances := ways(caches, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					v := version.Load()
					time.Sleep(2 * time.Second)
					w.Header().Set("Cache-Control", "max-age=60")
					if row.vary != "" {
						w.Header().Set("Vary", row.vary)
					}
					_, _ = fmt.Fprintf(w, "version %d", v)
				}))
				a := ask{header: head("Accept-Language", "de")}
				if row.warm {
					together(t, instances, 1, a, is("version 0"))
					time.Sleep(2 * time.Minute)
				}
				var all sync.WaitGroup
				all.Go(func() { a.do(instances[0]) })
				time.Sleep(time.Second)
				version.Add(1)
				if err := caches[1].Purge(t.Context(), "http://example.com/page"); err != nil {
					t.Fatal(err)
				}
				if took := together(t, instances[1:], 2, a, is("version 1")); took != 2 {
					t.Errorf("after the purge: %d s", took)
				}
				all.Wait()
				together(t, instances, 2, a, is("version 1"))
				if n := store.Held(); n != 0 {
					t.Errorf("%d leases are left", n)
				}
			})
		})
	}
}

// Tags are judged by when a fill began: what was begun before an expiry is waited for by nobody who knows of it.
func TestAnExpiryDuringTheFillOfAnotherInstance(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		caches := fleet(t, 2, &leasetest.Store{Memory: newMemory(t, 1<<20)}, true)
		var version atomic.Int64
		instances := ways(caches, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			v := version.Load()
			time.Sleep(5 * time.Second)
			w.Header().Set("Cache-Control", "max-age=60")
			revalidate.Tag(w, "tag")
			_, _ = fmt.Fprintf(w, "version %d", v)
		}))
		var all sync.WaitGroup
		all.Go(func() { ask{}.do(instances[0]) })
		time.Sleep(time.Second)
		version.Add(1)
		if err := caches[1].ExpireTag(t.Context(), "tag"); err != nil {
			t.Fatal(err)
		}
		if took := together(t, instances[1:], 2, ask{}, is("version 1")); took != 5 {
			t.Errorf("after the expiry: %d s", took)
		}
		all.Wait()
		together(t, instances, 2, ask{}, is("version 1"))
	})
}

// A store without its leases makes nobody wait: each instance runs its handler.
func TestWithoutLeasesEachInstanceRunsItsHandler(t *testing.T) {
	down := errors.New("down")
	for name, fail := range map[string]func(call string) error{
		"none is given": func(string) error { return down },
		"none is taken back": func(call string) error {
			if call == "Lease" {
				return nil
			}
			return down
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := &leasetest.Store{Memory: newMemory(t, 1<<20), Fail: fail}
				var calls atomic.Int64
				instances := ways(fleet(t, 3, store, false), slowly(&calls, "Cache-Control", "private"))
				if took := together(t, instances, 1, ask{}, nil); took > 2 || calls.Load() != 3 {
					t.Errorf("%d calls in %d s", calls.Load(), took)
				}
			})
		})
	}
}

// A client who wants what is made after it asked waits for no other instance.
func TestAForcedReloadWaitsForNobody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int64
		instances := ways(fleet(t, 2, &leasetest.Store{Memory: newMemory(t, 1<<20)}, false), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			n := calls.Add(1)
			if r.Header.Get("Cache-Control") == "" {
				time.Sleep(5 * time.Second)
			}
			w.Header().Set("Cache-Control", "max-age=60")
			_, _ = fmt.Fprintf(w, "call %d", n)
		}))
		var all sync.WaitGroup
		all.Go(func() { ask{}.do(instances[0]) })
		time.Sleep(time.Second)
		if took := together(t, instances[1:], 1, ask{header: head("Cache-Control", "no-cache")}, is("call 2")); took != 0 {
			t.Errorf("it took %d s", took)
		}
		all.Wait()
		together(t, instances, 1, ask{}, is("call 2"))
	})
}

// What another instance stored some time ago is no answer to a client who asks for something younger.
func TestAFoundResponseMustBeAsYoungAsTheClientAsks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		near := newMemory(t, 1<<20)
		store := &leasetest.Store{Memory: newMemory(t, 1<<20)}
		other := fleet(t, 1, store, false)[0]
		cache := newCache(t, revalidate.Config{Store: revalidate.NewTiered(near, store)})
		var calls atomic.Int64
		origin := counting(&calls, "Cache-Control", "max-age=600")
		here, there := cache.Wrap(origin), other.Wrap(origin)
		ask{}.do(here)
		time.Sleep(time.Minute)
		ask{header: head("Cache-Control", "no-cache")}.do(there) // near has not heard of it
		time.Sleep(time.Minute)
		for _, row := range []struct{ control, want string }{{"max-age=90", "call 2"}, {"max-age=30", "call 3"}} {
			if got := text(t, ask{header: head("Cache-Control", row.control)}.do(here)); got != row.want {
				t.Errorf("%s: %q, want %q", row.control, got, row.want)
			}
		}
	})
}

// A cache that is closed lets those who wait for another instance ask for themselves.
func TestACloseEndsTheWaitForAnotherInstance(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int64
		caches := fleet(t, 2, &leasetest.Store{Memory: newMemory(t, 1<<20)}, false)
		instances := ways(caches, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			n := calls.Add(1)
			if n == 1 {
				time.Sleep(5 * time.Second)
			}
			w.Header().Set("Cache-Control", "max-age=60")
			_, _ = fmt.Fprintf(w, "call %d", n)
		}))
		var all sync.WaitGroup
		all.Go(func() { ask{}.do(instances[0]) })
		time.Sleep(time.Second)
		all.Go(func() {
			time.Sleep(time.Second)
			if err := caches[1].Close(context.Background()); err != nil {
				t.Error(err)
			}
		})
		if took := together(t, instances[1:], 1, ask{}, is("call 2")); took != 1 {
			t.Errorf("it took %d s", took)
		}
		all.Wait()
	})
}

// A response that varies by more than before has variants of its own in all instances, and is run once for each too.
func TestAResponseThatVariesByMoreIsRunOnceInAllInstances(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &leasetest.Store{Memory: newMemory(t, 1<<20)}
		var calls atomic.Int64
		vary := "Accept-Language"
		instances := ways(fleet(t, 4, store, false), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			calls.Add(1)
			time.Sleep(time.Second)
			w.Header().Set("Cache-Control", "max-age=60")
			w.Header().Set("Vary", vary)
			_, _ = io.WriteString(w, r.Header.Get("Accept-Language")+r.Header.Get("Accept"))
		}))
		a := ask{header: head("Accept-Language", "de", "Accept", "text/html")}
		together(t, instances, 2, a, is("detext/html"))
		time.Sleep(30 * time.Second) // the entry that leads to the variants is good still
		vary = "Accept-Language, Accept"
		a.header.Set("Accept-Language", "en")
		for range 2 {
			if took := together(t, instances, 2, a, is("entext/html")); took > 1 || calls.Load() != 2 {
				t.Errorf("%d calls in %d s", calls.Load(), took)
			}
		}
		a.header.Set("Accept", "text/plain")
		if together(t, instances, 2, a, is("entext/plain")); calls.Load() != 3 || store.Held() != 0 {
			t.Errorf("%d calls, %d leases are left", calls.Load(), store.Held())
		}
	})
}

// What tells the others that a page is not shared is no entry that an inspector shows.
func TestTheInspectorShowsNoWordBetweenInstances(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cache := fleet(t, 1, &leasetest.Store{Memory: newMemory(t, 1<<20)}, false)[0]
		var calls atomic.Int64
		together(t, ways([]*revalidate.Cache{cache}, counting(&calls, "Cache-Control", "private")), 1, ask{}, is("call 1"))
		synctest.Wait()
		if n := cache.Metrics().Store.Entries; n != 1 {
			t.Fatalf("%d entries in the store, want the word alone", n)
		}
		inspector, err := revalidate.NewInspector(revalidate.InspectorConfig{Cache: cache, Access: func(*http.Request) error { return nil }})
		if err != nil {
			t.Fatal(err)
		}
		if shown := inspector.Inspect(t.Context()).Entries; len(shown) != 0 {
			t.Errorf("shown: %+v", shown)
		}
	})
}
