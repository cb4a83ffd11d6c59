package revalidate_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-go/gatehouse/revalidate"
)

func TestFollowersDoNotGetFieldsThatAreForOneClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cache := newCache(t, revalidate.Config{})
		var calls atomic.Int64
		h := cache.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			calls.Add(1)
			time.Sleep(time.Second)
			w.Header().Set("Cache-Control", `max-age=60, private="X-User", no-cache="X-Seen"`)
			w.Header().Set("X-User", r.Header.Get("Cookie"))
			w.Header().Set("X-Seen", r.Header.Get("Cookie"))
			_, _ = io.WriteString(w, "body")
		}))
		named := 0
		for i, got := range crowd(10, func(i int) string {
			header := ask{header: head("Cookie", fmt.Sprint("user=", i))}.do(h).Header
			return header.Get("X-User") + header.Get("X-Seen")
		}) {
			switch own := fmt.Sprint("user=", i); got {
			case "":
			case own + own:
				named++
			default:
				t.Errorf("client %d got %q", i, got)
			}
		}
		if named != 1 || calls.Load() != 1 {
			t.Errorf("%d clients got the fields after %d calls", named, calls.Load())
		}
	})
}

func TestFollowersDoNotGetA304ThatIsForOneClient(t *testing.T) {
	for _, row := range []struct{ name, field, value string }{
		{"Set-Cookie", "Set-Cookie", "session="},
		{"private", "Cache-Control", "private, max-age=60, x="},
		{"no-store", "Cache-Control", "no-store, x="},
	} {
		synctest.Test(t, func(t *testing.T) {
			cache := newCache(t, revalidate.Config{})
			h := cache.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				time.Sleep(time.Second)
				w.Header().Set("Etag", `"a"`)
				w.Header().Set("Cache-Control", "max-age=60")
				if r.Header.Get("Cookie") != "" {
					w.Header().Set(row.field, row.value+r.Header.Get("Cookie"))
				}
				if r.Header.Get("If-None-Match") != "" {
					w.WriteHeader(304)
					return
				}
				_, _ = io.WriteString(w, "body")
			}))
			ask{}.do(h)
			time.Sleep(2 * time.Minute)
			for i, got := range crowd(10, func(i int) string {
				res := ask{header: head("Cookie", fmt.Sprint("user=", i))}.do(h)
				return text(t, res) + " " + res.Header.Get(row.field)
			}) {
				if want := fmt.Sprint("body ", row.value, "user=", i); got != want {
					t.Errorf("%s: client %d got %q", row.name, i, got)
				}
			}
		})
	}
}

// A handler that is told to stop often just returns: what it wrote until then is no response.
func TestAHandlerThatReturnsBecauseItWasToldToIsNotStored(t *testing.T) {
	for _, row := range []struct {
		name   string
		length string
		body   string
		stored bool
	}{
		{"a body of unknown length", "", "half", false},
		{"a part of a body of known length", "8", "half", false},
		{"all of a body of known length", "4", "half", true},
	} {
		synctest.Test(t, func(t *testing.T) {
			cache := newCache(t, revalidate.Config{RefreshTimeout: time.Minute, Logger: silent()})
			var calls atomic.Int64
			h := cache.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Cache-Control", "max-age=600")
				if calls.Add(1) > 1 {
					_, _ = io.WriteString(w, "whole")
					return
				}
				if row.length != "" {
					w.Header().Set("Content-Length", row.length)
				}
				_, _ = io.WriteString(w, row.body)
				<-r.Context().Done()
			}))
			ctx, leave := context.WithTimeout(t.Context(), time.Second)
			defer leave()
			h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "http://example.com/page", nil).WithContext(ctx))
			time.Sleep(2 * time.Minute) // it is told after a minute
			if got := text(t, ask{}.do(h)); (got == row.body) != row.stored {
				t.Errorf("%s: then %q", row.name, got)
			}
		})
	}
}

func TestABodyThatCloseCutsOffDoesNotPassForTheWhole(t *testing.T) {
	for name, control := range map[string]string{"stored": "max-age=60", "passed through": "no-store"} {
		cache := newCache(t, revalidate.Config{Logger: silent()})
		srv := httptest.NewUnstartedServer(cache.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Cache-Control", control)
			_, _ = io.WriteString(w, "half")
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		})))
		srv.Config.ErrorLog = quiet()
		srv.Start()
		res, err := http.Get(srv.URL)
		if err != nil {
			t.Fatal(err)
		}
		if err := cache.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if body, err := io.ReadAll(res.Body); err == nil {
			t.Errorf("%s: the client takes %q for the whole", name, body)
		}
		_ = res.Body.Close()
		srv.Close()
	}
}
