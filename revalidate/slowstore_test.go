package revalidate_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-go/gatehouse/revalidate"
	"github.com/gatehouse-go/gatehouse/revalidate/internal/leasetest"
)

// timeout is how long a store that is down takes to fail.
const timeout = time.Second

// slowStore is a store with leases that is down from some call on: each takes its time to fail, or as long as its caller waits.
type slowStore struct {
	*leasetest.Store
	left  atomic.Int64 // calls that are answered
	calls atomic.Int64
}

var errDown = errors.New("down")

func (s *slowStore) fails(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.calls.Add(1)
	if s.left.Add(-1) >= 0 {
		return nil
	}
	select {
	case <-time.After(timeout):
		return errDown
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *slowStore) Load(ctx context.Context, key string) (*revalidate.Entry, error) {
	if err := s.fails(ctx); err != nil {
		return nil, err
	}
	return s.Store.Load(ctx, key)
}

func (s *slowStore) Save(ctx context.Context, key string, e *revalidate.Entry) error {
	if err := s.fails(ctx); err != nil {
		return err
	}
	return s.Store.Save(ctx, key, e)
}

func (s *slowStore) Delete(ctx context.Context, key string) error {
	if err := s.fails(ctx); err != nil {
		return err
	}
	return s.Store.Delete(ctx, key)
}

// A request waits for a store that is down once, whenever it goes down, and whatever else there is to ask.
func TestARequestWaitsForAStoreThatIsDownOnce(t *testing.T) {
	t.Parallel()
	keys := make([]string, 200)
	for i := range keys {
		keys[i] = fmt.Sprint("key", i)
	}
	page := func(control, vary string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Cache-Control", control)
			if vary != "" {
				w.Header().Set("Vary", vary)
			}
			w.Header().Set("Etag", `"v1"`)
			switch {
			case r.Method == http.MethodPost:
				w.Header().Set("Location", "/other")
				w.Header().Set("Content-Location", "/third")
			case r.Header.Get("If-None-Match") == `"v1"`:
				w.WriteHeader(http.StatusNotModified)
				return
			}
			_, _ = io.WriteString(w, strings.Repeat("page", 20<<10))
		})
	}
	serve := func(control, vary string, a ask) func(*testing.T, *revalidate.Cache) {
		return func(t *testing.T, c *revalidate.Cache) {
			t.Helper()
			if res := a.do(c.Wrap(page(control, vary))); res.StatusCode != http.StatusOK {
				t.Errorf("status %d", res.StatusCode)
			}
		}
	}
	for name, row := range map[string]struct {
		before, request func(*testing.T, *revalidate.Cache)
	}{
		"Get": {nil, func(t *testing.T, c *revalidate.Cache) {
			t.Helper()
			if v, err := revalidate.Get(t.Context(), c, "key", revalidate.Options{}, func(context.Context) (int, error) { return 1, nil }); v != 1 || err != nil {
				t.Error(v, err)
			}
		}},
		"Get that fails": {nil, func(t *testing.T, c *revalidate.Cache) {
			t.Helper()
			if _, err := revalidate.Get(t.Context(), c, "key", revalidate.Options{}, func(context.Context) (int, error) { return 0, errDown }); !errors.Is(err, errDown) {
				t.Error(err)
			}
		}},
		"GetMany": {nil, func(t *testing.T, c *revalidate.Cache) {
			t.Helper()
			got, err := revalidate.GetMany(t.Context(), c, keys, revalidate.Options{}, func(_ context.Context, missing []string) (map[string]int, error) {
				values := make(map[string]int)
				for _, key := range missing {
					values[key] = 1
				}
				return values, nil
			})
			if len(got) != len(keys) || err != nil {
				t.Errorf("%d values, %v", len(got), err)
			}
		}},
		"a response":               {nil, serve("max-age=60", "", ask{})},
		"a response that varies":   {nil, serve("max-age=60", "Accept", ask{})},
		"a private response":       {nil, serve("private", "", ask{})},
		"a HEAD":                   {serve("max-age=60", "", ask{}), serve("max-age=60", "", ask{method: http.MethodHead, after: time.Hour})},
		"a stale response":         {serve("max-age=60", "", ask{}), serve("max-age=60", "", ask{after: time.Hour})},
		"a stale one that varies":  {serve("max-age=60", "Accept", ask{}), serve("max-age=60", "Accept", ask{after: time.Hour})},
		"one that varies by more":  {serve("max-age=60", "Accept", ask{}), serve("max-age=60", "Accept, Cookie", ask{after: 30 * time.Hour})},
		"one that may not be kept": {serve("max-age=60", "", ask{}), serve("no-store", "", ask{after: time.Hour})},
		"a POST":                   {nil, serve("no-store", "", ask{method: http.MethodPost})},
	} {
		for tiers, near := range map[string]bool{"one tier": false, "two tiers": true} {
			t.Run(name+", "+tiers, func(t *testing.T) {
				t.Parallel()
				for answered := int64(0); ; answered++ {
					var calls int64
					synctest.Test(t, func(t *testing.T) {
						slow := &slowStore{Store: &leasetest.Store{Memory: newMemory(t, 64<<20)}}
						slow.Fail = func(string) error { return slow.fails(context.Background()) }
						var store revalidate.Store = slow
						if near {
							store = revalidate.NewTiered(newMemory(t, 64<<20), slow)
						}
						slow.left.Store(1 << 30)
						c := newCache(t, revalidate.Config{
							Store: store, Logger: slog.New(slog.DiscardHandler),
							OnInvalidate: func(ctx context.Context, _ revalidate.Invalidation) error { return slow.fails(ctx) },
						})
						if row.before != nil {
							row.before(t, c)
							synctest.Wait()
						}
						slow.calls.Store(0)
						slow.left.Store(answered)
						began := time.Now()
						row.request(t, c)
						if took := time.Since(began) % time.Hour; took > timeout+10*time.Millisecond {
							t.Errorf("down after %d calls: %v", answered, took)
						}
						calls = slow.calls.Load()
						slow.left.Store(1 << 30)
						time.Sleep(time.Minute)
					})
					if t.Failed() || answered > calls {
						return
					}
					if answered > 20 {
						answered += 50
					}
				}
			})
		}
	}
}

// A reader whose own look at the store has just failed waits for another's fetch, and not for the store to take what was fetched.
func TestAReaderWaitsForAFetchAndNotForASaveThatFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		slow := &slowStore{Store: &leasetest.Store{Memory: newMemory(t, 1<<20)}}
		slow.Fail = func(string) error { return slow.fails(context.Background()) }
		slow.left.Store(3) // a look, the lease and a look
		c := newCache(t, revalidate.Config{Store: slow, Logger: slog.New(slog.DiscardHandler)})
		get := func() {
			began := time.Now()
			v, err := revalidate.Get(t.Context(), c, "key", revalidate.Options{}, func(context.Context) (int, error) {
				time.Sleep(timeout / 2)
				return 1, nil
			})
			if took := time.Since(began); v != 1 || err != nil || took > timeout+timeout/2 {
				t.Errorf("%d, %v after %v", v, err, took)
			}
		}
		var all sync.WaitGroup
		all.Go(get)
		synctest.Wait()
		for range 4 {
			began := time.Now()
			all.Go(func() {
				get()
				if took := time.Since(began); took > timeout {
					t.Errorf("a reader who came to a fetch under way waited %v", took)
				}
			})
		}
		all.Wait()
	})
}
