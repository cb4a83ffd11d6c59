package revalidate_test

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/oneuse"
	"github.com/gatehouse-go/gatehouse/revalidate"
)

// an exchange with the handler behind the cache: a GET of /page unless the row says otherwise.
type ask struct {
	method string
	target string
	header http.Header
	after  time.Duration // since the one before
}

func (a ask) do(h http.Handler) *http.Response {
	time.Sleep(a.after)
	method, target := a.method, a.target
	if method == "" {
		method = http.MethodGet
	}
	if target == "" {
		target = "http://example.com/page"
	}
	r := httptest.NewRequest(method, target, nil)
	maps.Copy(r.Header, a.header)
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	return rec.Result()
}

func head(pairs ...string) http.Header {
	h := make(http.Header)
	for i := 0; i < len(pairs); i += 2 {
		h.Add(pairs[i], pairs[i+1])
	}
	return h
}

// counting answers with a header and how often it was asked.
func counting(calls *atomic.Int64, pairs ...string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(pairs); i += 2 {
			w.Header().Add(pairs[i], pairs[i+1])
		}
		fmt.Fprintf(w, "call %d", calls.Add(1))
	})
}

func text(tb testing.TB, res *http.Response) string {
	tb.Helper()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		tb.Fatal(err)
	}
	return string(b)
}

func TestWhatIsReused(t *testing.T) {
	same := ask{}
	for _, row := range []struct {
		name     string
		response []string
		first    ask
		second   ask
		reused   bool
	}{
		{"a fresh response", []string{"Cache-Control", "max-age=60"}, same, ask{after: 59 * time.Second}, true},
		{"not a stale one", []string{"Cache-Control", "max-age=60"}, same, ask{after: 61 * time.Second}, false},
		{"nothing without stated freshness", []string{"Last-Modified", "Mon, 01 Jan 2001 00:00:00 GMT", "Etag", `"a"`}, same, same, false},
		{"Expires in the future", []string{"Expires", "Fri, 01 Jan 2100 00:00:00 GMT"}, same, same, true},
		{"not an Expires that is no date", []string{"Expires", "0"}, same, same, false},
		{"s-maxage counts before max-age", []string{"Cache-Control", "max-age=0, s-maxage=60"}, same, same, true},
		{"max-age counts before Expires", []string{"Cache-Control", "max-age=0", "Expires", "Fri, 01 Jan 2100 00:00:00 GMT"}, same, same, false},
		{"Age counts as time passed", []string{"Cache-Control", "max-age=60", "Age", "50"}, same, ask{after: 11 * time.Second}, false},
		{"not private", []string{"Cache-Control", "private, max-age=60"}, same, same, false},
		{"not no-store", []string{"Cache-Control", "no-store, max-age=60"}, same, same, false},
		{"not no-cache without asking", []string{"Cache-Control", "no-cache, max-age=60"}, same, same, false},
		{"no-store with must-understand of a known status", []string{"Cache-Control", "no-store, must-understand, max-age=60"}, same, same, true},
		{"no response with Set-Cookie", []string{"Cache-Control", "max-age=60", "Set-Cookie", "a=b"}, same, same, false},
		{"no response to Authorization", []string{"Cache-Control", "max-age=60"}, ask{header: head("Authorization", "Basic x")}, same, false},
		{"a public response to Authorization", []string{"Cache-Control", "public, max-age=60"}, ask{header: head("Authorization", "Basic x")}, same, true},
		{"a response to Authorization with must-revalidate", []string{"Cache-Control", "must-revalidate, max-age=60"}, ask{header: head("Authorization", "Basic x")}, same, true},
		{"a response to Authorization with s-maxage", []string{"Cache-Control", "s-maxage=60"}, ask{header: head("Authorization", "Basic x")}, same, true},
		{"no response to Authorization with proxy-revalidate", []string{"Cache-Control", "proxy-revalidate, max-age=60"}, ask{header: head("Authorization", "Basic x")}, same, false},
		{"no response that varies by everything", []string{"Cache-Control", "max-age=60", "Vary", "*"}, same, same, false},
		{"another query is another URL", []string{"Cache-Control", "max-age=60"}, ask{target: "http://example.com/page?a=1"}, ask{target: "http://example.com/page?a=2"}, false},
		{"another case of the path is another URL", []string{"Cache-Control", "max-age=60"}, ask{target: "http://example.com/Page"}, ask{target: "http://example.com/page"}, false},
		{"another host is another URL", []string{"Cache-Control", "max-age=60"}, ask{target: "http://example.com/page"}, ask{target: "http://example.org/page"}, false},
		{"another case of the host is the same URL", []string{"Cache-Control", "max-age=60"}, ask{target: "http://EXAMPLE.com/page"}, ask{target: "http://example.com:80/page"}, true},
		{"an encoded question mark is not a query", []string{"Cache-Control", "max-age=60"}, ask{target: "http://example.com/page%3Fa=1"}, ask{target: "http://example.com/page?a=1"}, false},
		{"an encoded slash is not a slash", []string{"Cache-Control", "max-age=60"}, ask{target: "http://example.com/a%2Fb"}, ask{target: "http://example.com/a/b"}, false},
		{"an encoded percent sign is not an encoded slash", []string{"Cache-Control", "max-age=60"}, ask{target: "http://example.com/a%2Fb"}, ask{target: "http://example.com/a%252Fb"}, false},
		{"POST does not get what GET got", []string{"Cache-Control", "max-age=60"}, same, ask{method: "POST"}, false},
		{"HEAD gets what GET got", []string{"Cache-Control", "max-age=60"}, same, ask{method: "HEAD"}, true},
		{"a request with no-cache", []string{"Cache-Control", "max-age=60"}, same, ask{header: head("Cache-Control", "no-cache")}, false},
		{"a request with max-age of less than the age", []string{"Cache-Control", "max-age=60"}, same, ask{header: head("Cache-Control", "max-age=5"), after: 6 * time.Second}, false},
		{"a request with min-fresh of more than is left", []string{"Cache-Control", "max-age=60"}, same, ask{header: head("Cache-Control", "min-fresh=50"), after: 11 * time.Second}, false},
		{"a request with max-stale", []string{"Cache-Control", "max-age=60", "Etag", `"a"`}, same, ask{header: head("Cache-Control", "max-stale=10"), after: 65 * time.Second}, true},
		{"max-stale does not beat must-revalidate", []string{"Cache-Control", "max-age=60, must-revalidate", "Etag", `"a"`}, same, ask{header: head("Cache-Control", "max-stale=10"), after: 65 * time.Second}, false},
		{"a request with no-store", []string{"Cache-Control", "max-age=60"}, same, ask{header: head("Cache-Control", "no-store")}, false},
		{"CDN-Cache-Control replaces no-store", []string{"Cdn-Cache-Control", "max-age=60", "Cache-Control", "no-store"}, same, same, true},
		{"CDN-Cache-Control forbids what Cache-Control allows", []string{"Cdn-Cache-Control", "no-store", "Cache-Control", "max-age=60"}, same, same, false},
		{"CDN-Cache-Control without freshness hides Expires", []string{"Cdn-Cache-Control", "must-revalidate", "Expires", "Fri, 01 Jan 2100 00:00:00 GMT"}, same, same, false},
		{"CDN-Cache-Control that is no Dictionary counts for nothing", []string{"Cdn-Cache-Control", "max-age=60, &&", "Cache-Control", "no-store"}, same, same, false},
		{"CDN-Cache-Control of the wrong type counts for nothing", []string{"Cdn-Cache-Control", `max-age="60"`, "Cache-Control", "max-age=60"}, same, same, true},
		{"Age counts for CDN-Cache-Control", []string{"Cdn-Cache-Control", "max-age=60", "Age", "70"}, same, same, false},
		{"stale-while-revalidate within its window", []string{"Cache-Control", "max-age=60, stale-while-revalidate=30"}, same, ask{after: 80 * time.Second}, true},
		{"not beyond its window", []string{"Cache-Control", "max-age=60, stale-while-revalidate=30"}, same, ask{after: 91 * time.Second}, false},
		{"stale-while-revalidate beside s-maxage", []string{"Cache-Control", "s-maxage=60, stale-while-revalidate=30"}, same, ask{after: 80 * time.Second}, true},
		{"stale-while-revalidate does not beat must-revalidate", []string{"Cache-Control", "max-age=60, stale-while-revalidate=30, must-revalidate"}, same, ask{after: 80 * time.Second}, false},
		{"a quoted max-age inside another directive", []string{"Cache-Control", `ext="max-age=60", max-age=0`}, same, same, false},
		{"max-age with space before the equals sign", []string{"Cache-Control", "max-age =60"}, same, same, false},
		{"max-age that is no number", []string{"Cache-Control", "max-age='60'", "Expires", "Fri, 01 Jan 2100 00:00:00 GMT"}, same, same, false},
		{"a number of seconds beyond any bound", []string{"Cache-Control", "max-age=99999999999999999999"}, same, ask{after: 24 * time.Hour}, true},
		{"an Age beyond any bound", []string{"Cache-Control", "max-age=60", "Age", "99999999999999999999"}, same, same, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cache := newCache(t, revalidate.Config{})
				var calls atomic.Int64
				h := cache.Wrap(counting(&calls, row.response...))
				row.first.do(h)
				res := row.second.do(h)
				status := res.Header.Get("Cache-Status")
				if got := strings.Contains(status, "; hit"); got != row.reused {
					t.Errorf("reused: %v, want %v (%s)", got, row.reused, status)
				}
				if row.second.method != "HEAD" {
					want := map[bool]string{true: "call 1", false: "call 2"}[row.reused]
					if got := text(t, res); got != want {
						t.Errorf("body %q, want %q", got, want)
					}
				}
				synctest.Wait()
			})
		})
	}
}

func ExampleCache_Wrap() {
	cache, err := revalidate.New(revalidate.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	version := 1
	page := cache.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		revalidate.Tag(w, "posts")
		w.Header().Set("Cache-Control", "s-maxage=3600")
		fmt.Fprintf(w, "posts, version %d", version)
	}))
	get := func() {
		rec := httptest.NewRecorder()
		page.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/posts", nil))
		fmt.Println(rec.Body)
	}
	get()
	version = 2
	get()
	_ = cache.ExpireTag(context.Background(), "posts")
	get()
	// Output:
	// posts, version 1
	// posts, version 1
	// posts, version 2
}

// A page with a nonce names it in a policy that comes with this answer alone, whether the nonce is asked for before or after the header.
func TestAnAnswerForOneRequestIsNotKept(t *testing.T) {
	for _, late := range []bool{false, true} {
		cache := newCache(t, revalidate.Config{})
		var calls atomic.Int64
		h := cache.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Cache-Control", "public, max-age=60")
			if late {
				_, _ = io.WriteString(w, "page ")
			}
			oneuse.Set(r.Context())
			fmt.Fprintf(w, "call %d", calls.Add(1))
		}))
		for range 3 {
			res := ask{}.do(h)
			if res.StatusCode != 200 || strings.Contains(res.Header.Get("Cache-Status"), "hit") {
				t.Errorf("late %v: %d %v", late, res.StatusCode, res.Header)
			}
		}
		if calls.Load() != 3 {
			t.Errorf("late %v: the handler was asked %d times", late, calls.Load())
		}
	}
}

// A page that begins to hold a nonce takes the place of what was stored, and is not stored itself.
func TestARevalidatedAnswerForOneRequestIsNotKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cache := newCache(t, revalidate.Config{})
		var calls atomic.Int64
		h := cache.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Cache-Control", "public, max-age=60")
			w.Header().Set("Etag", `"1"`)
			if calls.Add(1) > 1 {
				oneuse.Set(r.Context())
			}
			if r.Header.Get("If-None-Match") != "" {
				w.WriteHeader(304)
				return
			}
			_, _ = io.WriteString(w, "page")
		}))
		for want := int64(1); want <= 3; want++ {
			res := ask{after: 61 * time.Second}.do(h)
			if body, _ := io.ReadAll(res.Body); res.StatusCode != 200 || string(body) != "page" || calls.Load() != want {
				t.Errorf("%d: %d %s after %d calls", want, res.StatusCode, body, calls.Load())
			}
		}
		if res := (ask{}).do(h); calls.Load() != 4 {
			t.Errorf("what must not be kept was: %v", res.Header)
		}
		_ = cache.Close(context.Background())
	})
}
