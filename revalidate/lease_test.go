package revalidate_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-go/gatehouse/revalidate"
	"github.com/gatehouse-go/gatehouse/revalidate/internal/leasetest"
)

// fleet returns caches of several processes on one store, each behind a near tier where near is true.
func fleet(t *testing.T, n int, store *leasetest.Store, near bool) []*revalidate.Cache {
	t.Helper()
	caches := make([]*revalidate.Cache, n)
	for i := range caches {
		var s revalidate.Store = store
		if near {
			s = revalidate.NewTiered(newMemory(t, 1<<20), store)
		}
		c, err := revalidate.New(revalidate.Config{Store: s, Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		caches[i] = c
	}
	return caches
}

func TestOneProcessFillsForAll(t *testing.T) {
	for name, near := range map[string]bool{"one tier": false, "two tiers": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := &leasetest.Store{Memory: newMemory(t, 1<<20)}
				caches := fleet(t, 5, store, near)
				var fetched atomic.Int64
				for round := range 3 {
					var all sync.WaitGroup
					for _, c := range caches {
						for range 10 {
							all.Go(func() {
								v, err := revalidate.Get(t.Context(), c, "key", revalidate.Options{Tags: []string{"tag"}}, func(context.Context) (int64, error) {
									time.Sleep(2 * time.Second)
									return fetched.Add(1), nil
								})
								if err != nil || v != int64(round+1) {
									t.Errorf("round %d: %d, %v", round, v, err)
								}
							})
						}
					}
					all.Wait()
					if n := fetched.Load(); n != int64(round+1) {
						t.Errorf("round %d: fetched %d times", round, n)
					}
					time.Sleep(time.Second)
					for _, c := range caches {
						if err := c.ExpireTag(t.Context(), "tag"); err != nil {
							t.Error(err)
						}
					}
				}
				if n := store.Held(); n != 0 {
					t.Errorf("%d leases are left", n)
				}
			})
		})
	}
}

// A reader who has an old value that may be served is not made to wait for another process.
func TestWhoHasAStaleValueDoesNotWaitForTheFleet(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &leasetest.Store{Memory: newMemory(t, 1<<20)}
		caches := fleet(t, 2, store, false)
		var fetched atomic.Int64
		get := func(c *revalidate.Cache) int64 {
			v, err := revalidate.Get(t.Context(), c, "key", revalidate.Options{Life: revalidate.Life{Revalidate: time.Minute, Expire: time.Hour}}, func(context.Context) (int64, error) {
				time.Sleep(time.Second)
				return fetched.Add(1), nil
			})
			if err != nil {
				t.Error(err)
			}
			return v
		}
		get(caches[0])
		time.Sleep(2 * time.Minute)
		for _, c := range caches {
			began := time.Now()
			if v := get(c); v != 1 || time.Since(began) != 0 {
				t.Errorf("%d after %v, want the stale value at once", v, time.Since(began))
			}
		}
		time.Sleep(5 * time.Second)
		if v := get(caches[1]); v != 2 || fetched.Load() != 2 {
			t.Errorf("%d, fetched %d times: want one refresh of both", v, fetched.Load())
		}
	})
}

func TestALeaseDoesNotStandInTheWay(t *testing.T) {
	for _, row := range []struct {
		name string
		make func(*leasetest.Store)
		took time.Duration
	}{
		{"the store gives none", func(s *leasetest.Store) { s.Fail = func(string) error { return errors.New("down") } }, 0},
		{"the store takes none back", func(s *leasetest.Store) {
			s.Fail = func(call string) error {
				if call == "Lease" {
					return nil
				}
				return errors.New("down")
			}
		}, 0},
		{"a process died with it", func(s *leasetest.Store) {
			_, _ = s.Lease(context.Background(), "key", revalidate.LeaseQuestion{Began: time.Now(), Life: 3 * time.Second})
		}, 3 * time.Second},
		{"it never comes", func(s *leasetest.Store) { s.Fault = leasetest.Never }, 10 * time.Second},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := &leasetest.Store{Memory: newMemory(t, 1<<20)}
				row.make(store)
				began := time.Now()
				v, err := revalidate.Get(t.Context(), fleet(t, 1, store, false)[0], "key", revalidate.Options{}, func(context.Context) (string, error) { return "value", nil })
				if took := time.Since(began); v != "value" || err != nil || took < row.took || took > row.took+200*time.Millisecond {
					t.Errorf("%q, %v, after %v", v, err, took)
				}
			})
		})
	}
}

func TestAFetchThatFailsLetsTheNextTry(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &leasetest.Store{Memory: newMemory(t, 1<<20)}
		caches := fleet(t, 2, store, false)
		for i, fetch := range []func(context.Context) (int, error){
			func(context.Context) (int, error) { return 0, errors.New("down") },
			func(context.Context) (int, error) { panic("down") },
			func(context.Context) (int, error) { return 1, nil },
		} {
			began := time.Now()
			if v, err := revalidate.Get(t.Context(), caches[i%2], "key", revalidate.Options{}, fetch); (err == nil) != (v == 1) || time.Since(began) != 0 {
				t.Errorf("%d, %v after %v", v, err, time.Since(began))
			}
		}
	})
}

// Whoever gives up waits no longer, and its fill neither.
func TestAReaderWhoLeavesDoesNotWaitForTheFleet(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &leasetest.Store{Memory: newMemory(t, 1<<20)}
		if _, err := store.Lease(t.Context(), "key", revalidate.LeaseQuestion{Began: time.Now(), Life: time.Hour}); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := revalidate.Get(ctx, fleet(t, 1, store, false)[0], "key", revalidate.Options{}, func(ctx context.Context) (int, error) { return 0, ctx.Err() })
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
	})
}

// What a slow process fetched before an invalidation is not waited for after it, and does not replace what was fetched after.
func TestAFillFromBeforeAnExpiryIsOvertaken(t *testing.T) {
	for name, near := range map[string]bool{"one tier": false, "two tiers": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := &leasetest.Store{Memory: newMemory(t, 1<<20)}
				caches := fleet(t, 2, store, near)
				fetch := func(c *revalidate.Cache, value string, takes time.Duration) string {
					v, err := revalidate.Get(t.Context(), c, "key", revalidate.Options{Tags: []string{"tag"}}, func(context.Context) (string, error) {
						time.Sleep(takes)
						return value, nil
					})
					if err != nil {
						t.Error(err)
					}
					return v
				}
				var all sync.WaitGroup
				all.Go(func() { fetch(caches[0], "old", 5*time.Second) })
				time.Sleep(time.Second)
				if err := caches[1].ExpireTag(t.Context(), "tag"); err != nil { // which the other process has not heard of
					t.Error(err)
				}
				began := time.Now()
				if v := fetch(caches[1], "new", 0); v != "new" || time.Since(began) != 0 {
					t.Errorf("%q after %v", v, time.Since(began))
				}
				all.Wait()
				for i, c := range caches {
					if v := fetch(c, "again", 0); v != "new" {
						t.Errorf("process %d has %q", i, v)
					}
				}
			})
		})
	}
}

func TestATieredStoreWithoutLeasesHasNone(t *testing.T) {
	t.Parallel()
	if _, ok := revalidate.NewTiered(newMemory(t, 1<<20), &wire{}).(revalidate.Leaser); ok {
		t.Error("a far store without leases has leases behind a near one")
	}
	down := errors.New("down")
	store := &leasetest.Store{Memory: newMemory(t, 1<<20), Fail: func(string) error { return down }}
	if lease, err := revalidate.NewTiered(newMemory(t, 1<<20), store).(revalidate.Leaser).Lease(t.Context(), "key", revalidate.LeaseQuestion{}); lease != nil || !errors.Is(err, down) {
		t.Error(lease, err)
	}
}

func TestLeaseLifeHasBounds(t *testing.T) {
	t.Parallel()
	for _, life := range []time.Duration{-1, time.Millisecond, 2 * time.Hour} {
		if _, err := revalidate.New(revalidate.Config{LeaseLife: life}); err == nil || !strings.Contains(err.Error(), "LeaseLife") {
			t.Errorf("%v: %v", life, err)
		}
	}
}
