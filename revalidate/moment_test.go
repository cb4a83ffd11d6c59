package revalidate_test

import (
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-go/gatehouse/revalidate"
)

// Hits of one second share their texts, and no others do: not those of the next, nor those of a cache by another name over the same store.
func TestHitsSayTheirOwnAgeAndName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, err := revalidate.NewMemory(revalidate.MemoryConfig{MaxBytes: 1 << 20})
		if err != nil {
			t.Fatal(err)
		}
		page := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Cache-Control", "s-maxage=1000")
			w.Header()["X-Lines"] = []string{"a", "b"}
			_, _ = w.Write([]byte("page"))
		})
		front := newCache(t, revalidate.Config{Store: store, Responses: revalidate.Responses{Name: "front"}}).Wrap(page)
		back := newCache(t, revalidate.Config{Store: store, Responses: revalidate.Responses{Name: "back"}}).Wrap(page)
		silent := newCache(t, revalidate.Config{Store: store, Responses: revalidate.Responses{OmitCacheStatus: true}}).Wrap(page)
		get := func(h http.Handler) http.Header {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "http://example.com/", nil))
			return w.Header()
		}
		get(front)
		for _, row := range []struct {
			name        string
			after       time.Duration
			by          http.Handler
			age, status string
		}{
			{"at once", 0, front, "0", "front; hit; ttl=1000"},
			{"in the same second, by another name", 0, back, "0", "back; hit; ttl=1000"},
			{"without a name", 0, silent, "0", ""},
			{"by the first name again", 0, front, "0", "front; hit; ttl=1000"},
			{"a second later", time.Second, front, "1", "front; hit; ttl=999"},
			{"within that second", 900 * time.Millisecond, front, "1", "front; hit; ttl=998"},
			{"minutes later", 5 * time.Minute, front, "301", "front; hit; ttl=698"},
		} {
			time.Sleep(row.after)
			h := get(row.by)
			if h.Get("Age") != row.age || h.Get("Cache-Status") != row.status {
				t.Errorf("%s: Age %q, Cache-Status %q", row.name, h.Get("Age"), h.Get("Cache-Status"))
			}
			for _, lines := range h { // middleware may write to what it is given
				for i := range lines {
					lines[i] = "forged"
				}
			}
		}
		var all sync.WaitGroup
		for i := range 8 {
			all.Go(func() {
				for range 50 {
					time.Sleep(time.Duration(i+1) * 17 * time.Millisecond)
					h := get(front)
					if h.Get("Age") == "" || h.Get("Cache-Status") == "" || len(h["X-Lines"]) != 2 || h["X-Lines"][1] != "b" {
						t.Errorf("%v", h)
					}
				}
			})
		}
		all.Wait()
	})
}
