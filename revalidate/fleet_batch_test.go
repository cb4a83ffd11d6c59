package revalidate_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-go/gatehouse/revalidate"
	"github.com/gatehouse-go/gatehouse/revalidate/internal/leasetest"
)

// counted fetches a value for each key in a second, and counts how often it was asked for each.
type counted struct {
	mu    sync.Mutex
	asked map[string]int
	calls int
}

func (c *counted) fetch(_ context.Context, missing []string) (map[string]string, error) {
	c.mu.Lock()
	if c.asked == nil {
		c.asked = make(map[string]int)
	}
	c.calls++
	values := make(map[string]string)
	for _, key := range missing {
		c.asked[key]++
		values[key] = "value of " + key
	}
	c.mu.Unlock()
	time.Sleep(time.Second)
	return values, nil
}

// Batches of all instances, in any order and overlapping, fetch each key once, and none waits for the other's without end.
func TestEachKeyOfABatchIsFetchedOnceForAllInstances(t *testing.T) {
	for name, near := range map[string]bool{"one tier": false, "two tiers": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := &leasetest.Store{Memory: newMemory(t, 1<<20)}
				caches := fleet(t, 5, store, near)
				var origin counted
				var all sync.WaitGroup
				for i, c := range caches {
					all.Go(func() {
						var keys []string
						want := map[string]string{}
						for j := range 100 {
							key := fmt.Sprint("key", (i*10+j*7)%120)
							keys, want[key] = append(keys, key), "value of "+key
						}
						got, err := revalidate.GetMany(t.Context(), c, keys, revalidate.Options{}, origin.fetch)
						if err != nil || !maps.Equal(got, want) {
							t.Errorf("instance %d: %d values of %d, %v", i, len(got), len(want), err)
						}
					})
				}
				all.Wait()
				for key, n := range origin.asked {
					if n != 1 {
						t.Errorf("%s was fetched %d times", key, n)
					}
				}
				if len(origin.asked) != 120 || store.Held() != 0 {
					t.Errorf("%d keys were fetched, %d leases are left", len(origin.asked), store.Held())
				}
			})
		})
	}
}

// A batch and a Get wait for one another as two batches do.
func TestABatchAndAGetOfTwoInstances(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		caches := fleet(t, 2, &leasetest.Store{Memory: newMemory(t, 1<<20)}, false)
		var origin counted
		var all sync.WaitGroup
		all.Go(func() {
			if got, err := revalidate.GetMany(t.Context(), caches[0], []string{"a", "b"}, revalidate.Options{}, origin.fetch); len(got) != 2 || err != nil {
				t.Error(got, err)
			}
		})
		time.Sleep(time.Millisecond)
		if got, err := revalidate.Get(t.Context(), caches[1], "b", revalidate.Options{}, func(context.Context) (string, error) { return "twice", nil }); got != "value of b" || err != nil {
			t.Error(got, err)
		}
		all.Wait()
	})
}

// What a batch of one instance does not come up with, the others do not wait for one after the other.
func TestABatchThatComesUpWithNothingKeepsNoInstanceWaiting(t *testing.T) {
	down := errors.New("down")
	for name, row := range map[string]struct {
		fetch func() (map[string]int, error)
		err   error
	}{
		"a key is left out": {func() (map[string]int, error) { return nil, nil }, nil},
		"the fetch fails":   {func() (map[string]int, error) { return nil, down }, down},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := &leasetest.Store{Memory: newMemory(t, 1<<20)}
				began := time.Now()
				var all sync.WaitGroup
				for _, c := range fleet(t, 5, store, false) {
					all.Go(func() {
						got, err := revalidate.GetMany(t.Context(), c, []string{"a", "b"}, revalidate.Options{}, func(context.Context, []string) (map[string]int, error) {
							time.Sleep(time.Second)
							return row.fetch()
						})
						if len(got) != 0 || !errors.Is(err, row.err) {
							t.Error(got, err)
						}
					})
				}
				all.Wait()
				if took := time.Since(began); took > 3*time.Second || store.Held() != 0 {
					t.Errorf("it took %v, and %d leases are left", took, store.Held())
				}
			})
		})
	}
}

// A fetch that panics leaves no key behind that others wait for, here or elsewhere.
func TestABatchThatPanics(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &leasetest.Store{Memory: newMemory(t, 1<<20)}
		caches := fleet(t, 2, store, false)
		func() {
			defer func() { _ = recover() }()
			_, _ = revalidate.GetMany(t.Context(), caches[0], []string{"a"}, revalidate.Options{}, func(context.Context, []string) (map[string]int, error) { panic("down") })
		}()
		for i, c := range caches {
			began := time.Now()
			if v, err := revalidate.Get(t.Context(), c, "a", revalidate.Options{}, func(context.Context) (int, error) { return 1, nil }); v != 1 || err != nil || time.Since(began) != 0 {
				t.Errorf("instance %d: %d, %v after %v", i, v, err, time.Since(began))
			}
		}
	})
}

func TestAKeyOfABatchThatADeadInstanceHolds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &leasetest.Store{Memory: newMemory(t, 1<<20)}
		for key, life := range map[string]time.Duration{"b": 3 * time.Second, "c": time.Hour} {
			if _, err := store.Lease(t.Context(), key, revalidate.LeaseQuestion{Began: time.Now(), Life: life}); err != nil {
				t.Fatal(err)
			}
		}
		var origin counted
		began := time.Now()
		got, err := revalidate.GetMany(t.Context(), fleet(t, 1, store, false)[0], []string{"a", "b", "c"}, revalidate.Options{}, origin.fetch)
		if took := time.Since(began); len(got) != 3 || err != nil || took > 12*time.Second || origin.calls != 3 {
			t.Errorf("%v, %v after %v and %d fetches", got, err, took, origin.calls)
		}
	})
}

func TestACallerWhoLeavesABatchWaitsForNoInstance(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &leasetest.Store{Memory: newMemory(t, 1<<20)}
		if _, err := store.Lease(t.Context(), "b", revalidate.LeaseQuestion{Began: time.Now(), Life: time.Hour}); err != nil {
			t.Fatal(err)
		}
		cache := fleet(t, 1, store, false)[0]
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		var origin counted
		got, err := revalidate.GetMany(ctx, cache, []string{"a", "b"}, revalidate.Options{}, origin.fetch)
		if len(got) != 1 || !errors.Is(err, context.DeadlineExceeded) || origin.asked["b"] != 0 {
			t.Errorf("%v, %v, asked for %v", got, err, origin.asked)
		}
	})
}

// An expiry that another instance has not heard of while its batch runs.
func TestAnExpiryDuringTheBatchOfAnotherInstance(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		caches := fleet(t, 2, &leasetest.Store{Memory: newMemory(t, 1<<20)}, true)
		var version atomic.Int64
		get := func(c *revalidate.Cache) int64 {
			got, err := revalidate.GetMany(t.Context(), c, []string{"a"}, revalidate.Options{Tags: []string{"tag"}}, func(context.Context, []string) (map[string]int64, error) {
				v := version.Load()
				time.Sleep(4 * time.Second)
				return map[string]int64{"a": v}, nil
			})
			if err != nil {
				t.Error(err)
			}
			return got["a"]
		}
		var all sync.WaitGroup
		all.Go(func() { get(caches[0]) })
		time.Sleep(time.Second)
		version.Add(1)
		if err := caches[1].ExpireTag(t.Context(), "tag"); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if v := get(caches[1]); v != 1 || time.Since(began) > 5*time.Second {
			t.Errorf("version %d after %v", v, time.Since(began))
		}
		all.Wait()
		for i, c := range caches {
			if v := get(c); v != 1 {
				t.Errorf("instance %d has version %d", i, v)
			}
		}
	})
}
