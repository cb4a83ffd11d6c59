package revalidate_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-go/gatehouse/revalidate"
)

// A refresh in the background finds that what is stored has been replaced by what may not be stored: nobody is served the old any more.
func TestARefreshThatFindsNothingToStoreEndsWhatIsStored(t *testing.T) {
	for _, row := range []struct {
		name    string
		then    http.HandlerFunc
		replace bool
	}{
		{"a page that is gone", http.NotFound, true},
		{"one that has become private", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Cache-Control", "private")
			_, _ = io.WriteString(w, "yours")
		}, true},
		{"one that sets a cookie", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Cache-Control", "max-age=60")
			w.Header().Set("Set-Cookie", "a=b")
		}, true},
		{"one that is too large", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Cache-Control", "max-age=60")
			_, _ = io.WriteString(w, strings.Repeat("x", 2000))
		}, true},
		{"one with a tag that breaks a rule", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Cache-Control", "max-age=60")
			revalidate.Tag(w, "a b")
		}, true},
		{"not a server error", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }, false},
		{"not a panic", func(http.ResponseWriter, *http.Request) { panic("broken") }, false},
		{"not a body that breaks off", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Cache-Control", "max-age=60")
			_, _ = io.WriteString(w, "half")
			panic(http.ErrAbortHandler)
		}, false},
		{"not a body that is too short", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Cache-Control", "max-age=60")
			w.Header().Set("Content-Length", "10")
			_, _ = io.WriteString(w, "half")
		}, false},
	} {
		for _, vary := range []string{"", "Accept"} {
			synctest.Test(t, func(t *testing.T) {
				cache := newCache(t, revalidate.Config{Logger: silent(), Responses: revalidate.Responses{MaxBody: 1000}})
				replaced := false
				h := cache.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if replaced {
						row.then(w, r)
						return
					}
					revalidate.Tag(w, "page")
					w.Header().Set("Cache-Control", "max-age=600000")
					if vary != "" {
						w.Header().Set("Vary", vary)
					}
					_, _ = io.WriteString(w, "old")
				}))
				ask{}.do(h)
				replaced = true
				if err := cache.RevalidateTag(t.Context(), "page"); err != nil {
					t.Fatal(err)
				}
				if got := text(t, ask{}.do(h)); got != "old" {
					t.Errorf("%s: first %q", row.name, got)
				}
				synctest.Wait()
				m := cache.Metrics()
				if (m.RefreshErrors == 0) != row.replace {
					t.Errorf("%s: %d refreshes failed", row.name, m.RefreshErrors)
				}
				if entries := m.Store.Entries; row.replace != (entries == map[string]int{"": 0, "Accept": 1}[vary]) {
					t.Errorf("%s, Vary %q: %d entries are left", row.name, vary, entries)
				}
			})
		}
	}
}

// httputil.ReverseProxy breaks off when it cannot write, as it cannot where nobody reads a response that is not stored.
func TestARefreshOverAReverseProxyThatFindsNothingToStore(t *testing.T) {
	gone := make(chan struct{})
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-gone:
			http.NotFound(w, r)
		default:
			w.Header().Set("Cache-Control", "max-age=600")
			w.Header().Set("Cache-Tag", "page")
			fmt.Fprint(w, "old")
		}
	}))
	defer origin.Close()
	target, err := url.Parse(origin.URL)
	if err != nil {
		t.Fatal(err)
	}
	cache := newCache(t, revalidate.Config{})
	srv := httptest.NewServer(cache.Wrap(httputil.NewSingleHostReverseProxy(target)))
	defer srv.Close()
	get := func() int {
		res, err := http.Get(srv.URL)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		return res.StatusCode
	}
	get()
	close(gone)
	if err := cache.RevalidateTag(t.Context(), "page"); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); get() == 200; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the page that is gone is still served")
		}
	}
	if n := cache.Metrics().RefreshErrors; n != 0 {
		t.Errorf("%d refreshes failed", n)
	}
}
