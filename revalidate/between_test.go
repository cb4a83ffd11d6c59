package revalidate_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-go/gatehouse/revalidate"
	"github.com/gatehouse-go/gatehouse/revalidate/internal/leasetest"
)

// heldUp is the context key of one who is held up for a second each time after a look at a lookStore.
type heldUp struct{}

// lookStore is a store in this process between whose answer and the next step of who asked some time may pass.
type lookStore struct{ *revalidate.Memory }

func (s lookStore) Load(ctx context.Context, key string) (*revalidate.Entry, error) {
	e, err := s.Memory.Load(ctx, key)
	if ctx.Value(heldUp{}) != nil && ctx.Err() == nil {
		time.Sleep(time.Second)
	}
	return e, err
}

// downStore is a store with leases that fails at once.
type downStore struct{ *leasetest.Store }

func (downStore) Load(context.Context, string) (*revalidate.Entry, error) { return nil, errDown }
func (downStore) Save(context.Context, string, *revalidate.Entry) error   { return errDown }
func (downStore) Delete(context.Context, string) error                    { return errDown }

// What one finds missing may be there by the time that it is his turn to fill it: others had the same to do, and are done. They did it once for all.
func TestWhatWasFilledSinceItWasMissedIsNotFilledAgain(t *testing.T) {
	t.Parallel()
	stores := map[string]func(t *testing.T) revalidate.Store{
		"a store without leases": func(t *testing.T) revalidate.Store { t.Helper(); return lookStore{newMemory(t, 1<<20)} },
		"a store with leases": func(t *testing.T) revalidate.Store {
			t.Helper()
			return revalidate.NewTiered(lookStore{newMemory(t, 1<<20)}, &leasetest.Store{Memory: newMemory(t, 1<<20)})
		},
		"a store that is down": func(t *testing.T) revalidate.Store {
			t.Helper()
			return revalidate.NewTiered(lookStore{newMemory(t, 1<<20)}, downStore{&leasetest.Store{Fail: func(string) error { return errDown }}})
		},
	}
	serve := func(vary string) func(ctx context.Context, c *revalidate.Cache, fills *atomic.Int64) string {
		return func(ctx context.Context, c *revalidate.Cache, fills *atomic.Int64) string {
			w := httptest.NewRecorder()
			c.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Cache-Control", "max-age=60")
				if vary != "" {
					w.Header().Set("Vary", vary)
				}
				_, _ = io.WriteString(w, fmt.Sprint(fills.Add(1)))
			})).ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodGet, "/", http.NoBody))
			return w.Body.String()
		}
	}
	requests := map[string]func(ctx context.Context, c *revalidate.Cache, fills *atomic.Int64) string{
		"Get": func(ctx context.Context, c *revalidate.Cache, fills *atomic.Int64) string {
			v, err := revalidate.Get(ctx, c, "key", revalidate.Options{}, func(context.Context) (int64, error) { return fills.Add(1), nil })
			if err != nil {
				return err.Error()
			}
			return fmt.Sprint(v)
		},
		"GetMany": func(ctx context.Context, c *revalidate.Cache, fills *atomic.Int64) string {
			v, err := revalidate.GetMany(ctx, c, []string{"key", "other"}, revalidate.Options{}, func(_ context.Context, missing []string) (map[string]int64, error) {
				n := fills.Add(1)
				found := make(map[string]int64)
				for _, key := range missing {
					found[key] = n
				}
				return found, nil
			})
			if err != nil || len(v) != 2 || v["key"] != v["other"] {
				return fmt.Sprint(v, err)
			}
			return fmt.Sprint(v["key"])
		},
		"a response":             serve(""),
		"a response that varies": serve("Accept"),
	}
	for kind, store := range stores {
		for name, request := range requests {
			t.Run(name+", "+kind, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					c := newCache(t, revalidate.Config{Store: store(t), Logger: slog.New(slog.DiscardHandler)})
					var fills atomic.Int64
					late := make(chan string)
					go func() { late <- request(context.WithValue(t.Context(), heldUp{}, true), c, &fills) }()
					synctest.Wait() // it has looked
					if got := request(t.Context(), c, &fills); got != "1" {
						t.Errorf("the first: %s", got)
					}
					if got := <-late; got != "1" || fills.Load() != 1 {
						t.Errorf("one who missed it before: %s, of %d", got, fills.Load())
					}
					time.Sleep(time.Minute / 2) // what is told after the answer
					if m := c.Metrics(); m.Fills != 1 {
						t.Errorf("%+v", m)
					}
				})
			})
		}
	}
}
