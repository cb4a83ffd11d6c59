package revalidate_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-go/gatehouse/revalidate"
)

const past, future = "Mon, 01 Jan 2001 00:00:00 GMT", "Tue, 02 Jan 2001 00:00:00 GMT"

func TestConditionalRequestsAreAnsweredFromTheStore(t *testing.T) {
	for _, row := range []struct {
		name     string
		response []string
		request  http.Header
		status   int
	}{
		{"If-None-Match with the entity tag", []string{"Etag", `"a"`}, head("If-None-Match", `"a"`), 304},
		{"one of several", []string{"Etag", `"a"`}, head("If-None-Match", `"x", "a"`), 304},
		{"on one of several lines", []string{"Etag", `"a"`}, head("If-None-Match", `"x"`, "If-None-Match", `"a"`), 304},
		{"a tag with a comma in it", []string{"Etag", `"a,b"`}, head("If-None-Match", `"x", "a,b"`), 304},
		{"a weak one", []string{"Etag", `W/"a"`}, head("If-None-Match", `"a"`), 304},
		{"any", []string{"Etag", `"a"`}, head("If-None-Match", `*`), 304},
		{"any, of a response without a tag", nil, head("If-None-Match", `*`), 304},
		{"another tag", []string{"Etag", `"a"`}, head("If-None-Match", `"b"`), 200},
		{"a part of the tag", []string{"Etag", `"abc"`}, head("If-None-Match", `"ab"`), 200},
		{"no tag stored", nil, head("If-None-Match", `"a"`), 200},
		{"If-Modified-Since with the date", []string{"Last-Modified", past}, head("If-Modified-Since", past), 304},
		{"a later date", []string{"Last-Modified", past}, head("If-Modified-Since", future), 304},
		{"an earlier date", []string{"Last-Modified", future}, head("If-Modified-Since", past), 200},
		{"no date", []string{"Last-Modified", past}, head("If-Modified-Since", "yesterday"), 200},
		{"If-None-Match beats If-Modified-Since", []string{"Etag", `"a"`, "Last-Modified", past}, head("If-None-Match", `"b"`, "If-Modified-Since", past), 200},
		{"without Last-Modified, Date counts", []string{"Date", past}, head("If-Modified-Since", past), 304},
	} {
		cache := newCache(t, revalidate.Config{})
		var calls atomic.Int64
		h := cache.Wrap(counting(&calls, append(row.response, "Cache-Control", "s-maxage=999999999", "Content-Type", "text/plain", "Content-Language", "en")...))
		ask{}.do(h)
		res := ask{header: row.request}.do(h)
		if res.StatusCode != row.status || calls.Load() != 1 {
			t.Errorf("%s: %d after %d calls", row.name, res.StatusCode, calls.Load())
		}
		if row.status == 304 {
			if body := text(t, res); body != "" || res.Header.Get("Content-Type") != "" || res.Header.Get("Content-Length") != "" || res.Header.Get("Content-Language") != "" {
				t.Errorf("%s: body %q, header %v", row.name, body, res.Header)
			}
			if res.Header.Get("Cache-Control") == "" || res.Header.Get("Date") == "" || res.Header.Get("Age") == "" {
				t.Errorf("%s: header %v", row.name, res.Header)
			}
		}
	}
}

func TestRangesAreServedFromTheStore(t *testing.T) {
	const whole = "0123456789"
	for _, row := range []struct {
		name   string
		header http.Header
		status int
		body   string
	}{
		{"the first bytes", head("Range", "bytes=0-1"), 206, "01"},
		{"from a byte on", head("Range", "bytes=8-"), 206, "89"},
		{"the last bytes", head("Range", "bytes=-3"), 206, "789"},
		{"beyond the end", head("Range", "bytes=20-"), 416, "invalid range: failed to overlap\n"},
		{"another unit, which is ignored", head("Range", "lines=1-2"), 200, whole},
		{"another unit whose name begins alike", head("Range", "bytesx=1-2"), 200, whole},
		{"no unit", head("Range", "1-2"), 200, whole},
		{"a unit whose case does not matter", head("Range", "Bytes=0-1"), 206, "01"},
		{"what is no range", head("Range", "bytes=x"), 416, "invalid range\n"},
		{"If-Range with the entity tag", head("Range", "bytes=0-1", "If-Range", `"a"`), 206, "01"},
		{"If-Range with another", head("Range", "bytes=0-1", "If-Range", `"b"`), 200, whole},
		{"If-Range with the date", head("Range", "bytes=0-1", "If-Range", past), 206, "01"},
		{"If-None-Match that holds comes first", head("Range", "bytes=0-1", "If-None-Match", `"a"`), 304, ""},
		{"If-None-Match that does not", head("Range", "bytes=0-1", "If-None-Match", `"b"`), 206, "01"},
	} {
		cache := newCache(t, revalidate.Config{})
		var calls atomic.Int64
		h := cache.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			calls.Add(1)
			w.Header().Set("Cache-Control", "max-age=60")
			w.Header().Set("Etag", `"a"`)
			w.Header().Set("Last-Modified", past)
			_, _ = io.WriteString(w, whole)
		}))
		ask{}.do(h)
		res := ask{header: row.header}.do(h)
		if got := text(t, res); res.StatusCode != row.status || got != row.body || calls.Load() != 1 {
			t.Errorf("%s: %d %q after %d calls", row.name, res.StatusCode, got, calls.Load())
		}
		if row.status == 206 && (res.Header.Get("Content-Range") == "" || res.Header.Get("Content-Length") != fmt.Sprint(len(row.body))) {
			t.Errorf("%s: %v", row.name, res.Header)
		}
	}
	cache := newCache(t, revalidate.Config{})
	h := cache.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=60")
		http.ServeContent(w, r, "a.txt", time.Time{}, strings.NewReader(whole))
	}))
	for range 2 {
		if res := (ask{header: head("Range", "bytes=2-3")}).do(h); res.StatusCode != 206 || text(t, res) != "23" {
			t.Errorf("a range of what is not stored: %d", res.StatusCode)
		}
	}
	if res := (ask{}).do(h); text(t, res) != whole {
		t.Error("a part passes for the whole")
	}
}

// origin is a handler with a version, an entity tag made of it and a switch for trouble.
type origin struct {
	version atomic.Int64
	calls   atomic.Int64
	trouble atomic.Int64 // a status, or 1 for an abort
	control atomic.Value
	seen    atomic.Value // If-None-Match
}

func (o *origin) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	o.calls.Add(1)
	o.seen.Store(r.Header.Get("If-None-Match"))
	switch status := int(o.trouble.Load()); {
	case status == 1:
		panic(http.ErrAbortHandler)
	case status != 0:
		w.WriteHeader(status)
		_, _ = io.WriteString(w, "trouble")
		return
	}
	tag := fmt.Sprintf(`"v%d"`, o.version.Load())
	w.Header().Set("Etag", tag)
	w.Header().Set("Cache-Control", o.control.Load().(string))
	w.Header().Set("X-Call", fmt.Sprint(o.calls.Load()))
	if r.Header.Get("If-None-Match") == tag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	w.Header().Set("X-Whole", "yes")
	fmt.Fprintf(w, "version %d", o.version.Load())
}

func newOrigin(control string) *origin {
	o := &origin{}
	o.control.Store(control)
	return o
}

func TestStaleResponsesAreValidated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cache := newCache(t, revalidate.Config{})
		o := newOrigin("max-age=60")
		h := cache.Wrap(o)
		ask{}.do(h)
		res := ask{after: 61 * time.Second}.do(h)
		if got := text(t, res); got != "version 0" || o.calls.Load() != 2 || o.seen.Load() != `"v0"` {
			t.Errorf("not modified: %q after %d calls, asked with %v", got, o.calls.Load(), o.seen.Load())
		}
		if res.Header.Get("X-Call") != "2" || res.Header.Get("X-Whole") != "yes" {
			t.Errorf("a 304 replaces the fields it has and keeps the others: %v", res.Header)
		}
		if got := res.Header.Get("Cache-Status"); got != "gatehouse; fwd=stale; fwd-status=304" {
			t.Error(got)
		}
		if res = (ask{after: 59 * time.Second}).do(h); res.Header.Get("Age") != "59" || o.calls.Load() != 2 {
			t.Errorf("fresh again: Age %s after %d calls", res.Header.Get("Age"), o.calls.Load())
		}
		o.version.Store(1)
		if got := text(t, ask{after: 2 * time.Second}.do(h)); got != "version 1" || o.calls.Load() != 3 {
			t.Errorf("modified: %q after %d calls", got, o.calls.Load())
		}
		res = ask{after: 61 * time.Second, header: head("If-None-Match", `"v1"`)}.do(h)
		if res.StatusCode != 304 || o.calls.Load() != 4 {
			t.Errorf("a client whose own condition holds after validation: %d", res.StatusCode)
		}
		res = ask{after: 61 * time.Second, header: head("Range", "bytes=0-3")}.do(h)
		if got := text(t, res); res.StatusCode != 206 || got != "vers" {
			t.Errorf("a range after validation: %d %q", res.StatusCode, got)
		}
	})
}

func TestNoCacheIsValidatedEachTime(t *testing.T) {
	cache := newCache(t, revalidate.Config{})
	o := newOrigin("no-cache")
	h := cache.Wrap(o)
	for i := range 3 {
		if got := text(t, ask{}.do(h)); got != "version 0" || o.calls.Load() != int64(i+1) {
			t.Errorf("%q after %d calls", got, o.calls.Load())
		}
	}
	if o.seen.Load() != `"v0"` {
		t.Errorf("asked with %v", o.seen.Load())
	}
}

func TestA304ForAnotherBodyIsAskedForAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cache := newCache(t, revalidate.Config{})
		wrong := false
		calls := 0
		h := cache.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			calls++
			w.Header().Set("Cache-Control", "max-age=60")
			w.Header().Set("Etag", `"a"`)
			if wrong && r.Header.Get("If-None-Match") != "" {
				w.Header().Set("Etag", `"b"`)
				w.WriteHeader(304)
				return
			}
			fmt.Fprintf(w, "call %d", calls)
		}))
		ask{}.do(h)
		wrong = true
		if got := text(t, ask{after: 61 * time.Second}.do(h)); got != "call 3" {
			t.Errorf("got %q", got)
		}
	})
}

func TestWhichEntityTagsOfA304SpeakOfTheStoredBody(t *testing.T) {
	for _, row := range []struct {
		stored, validated string
		same              bool
	}{
		{`"a"`, `"a"`, true},
		{`W/"a"`, `W/"a"`, true},
		{`"a"`, `W/"a"`, true},
		{`W/"a"`, `"a"`, false}, // a strong tag that no stored response has
		{`"a"`, `"b"`, false},
		{`W/"a"`, `W/"b"`, false},
		{`"a"`, "", true},
	} {
		synctest.Test(t, func(t *testing.T) {
			cache := newCache(t, revalidate.Config{})
			calls := 0
			h := cache.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				calls++
				w.Header().Set("Cache-Control", "max-age=60")
				if r.Header.Get("If-None-Match") != "" {
					if row.validated != "" {
						w.Header().Set("Etag", row.validated)
					}
					w.WriteHeader(304)
					return
				}
				w.Header().Set("Etag", row.stored)
				fmt.Fprintf(w, "call %d", calls)
			}))
			ask{}.do(h)
			want := map[bool]string{true: "call 1", false: "call 3"}[row.same]
			if got := text(t, ask{after: 61 * time.Second}.do(h)); got != want {
				t.Errorf("%s, then 304 with %q: %s", row.stored, row.validated, got)
			}
		})
	}
}

func TestStaleIfError(t *testing.T) {
	for _, row := range []struct {
		name    string
		control string
		config  revalidate.Responses
		trouble int64
		after   time.Duration
		status  int
	}{
		{"an error within the window", "max-age=60, stale-if-error=60", revalidate.Responses{}, 503, 100 * time.Second, 200},
		{"an abort within the window", "max-age=60, stale-if-error=60", revalidate.Responses{}, 1, 100 * time.Second, 200},
		{"an error beyond it", "max-age=60, stale-if-error=60", revalidate.Responses{}, 503, 121 * time.Second, 503},
		{"an error that is not one of the four", "max-age=60, stale-if-error=60", revalidate.Responses{}, 501, 100 * time.Second, 501},
		{"not what must be revalidated", "max-age=60, stale-if-error=60, must-revalidate", revalidate.Responses{}, 503, 100 * time.Second, 503},
		{"no window", "max-age=60", revalidate.Responses{}, 503, 100 * time.Second, 503},
		{"out of reach, within the configured window", "max-age=60", revalidate.Responses{StaleIfDisconnected: time.Minute}, 502, 100 * time.Second, 200},
		{"an abort, within the configured window", "max-age=60", revalidate.Responses{StaleIfDisconnected: time.Minute}, 1, 100 * time.Second, 200},
		{"out of reach, beyond it", "max-age=60", revalidate.Responses{StaleIfDisconnected: time.Minute}, 504, 121 * time.Second, 504},
		{"an error of the origin itself, within it", "max-age=60", revalidate.Responses{StaleIfDisconnected: time.Minute}, 500, 100 * time.Second, 500},
		{"out of reach, but s-maxage forbids it", "s-maxage=60", revalidate.Responses{StaleIfDisconnected: time.Minute}, 502, 100 * time.Second, 502},
	} {
		synctest.Test(t, func(t *testing.T) {
			cache := newCache(t, revalidate.Config{Responses: row.config})
			o := newOrigin(row.control)
			h := cache.Wrap(o)
			ask{}.do(h)
			o.trouble.Store(row.trouble)
			res := ask{after: row.after}.do(h)
			want := map[bool]string{true: "version 0", false: "trouble"}[row.status == 200]
			if got := text(t, res); res.StatusCode != row.status || got != want {
				t.Errorf("%s: %d %q", row.name, res.StatusCode, got)
			}
			o.trouble.Store(0)
			if got := text(t, ask{}.do(h)); got != "version 0" {
				t.Errorf("%s: after the trouble: %q", row.name, got)
			}
		})
	}
}

func TestStaleWhileRevalidate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cache := newCache(t, revalidate.Config{})
		o := newOrigin("max-age=60, stale-while-revalidate=60")
		h := cache.Wrap(o)
		ask{}.do(h)
		o.version.Store(1)
		res := ask{after: 70 * time.Second}.do(h)
		if got := text(t, res); got != "version 0" || res.Header.Get("Cache-Status") != "gatehouse; hit; ttl=-10" {
			t.Errorf("%q, %s", got, res.Header.Get("Cache-Status"))
		}
		synctest.Wait()
		if got := text(t, ask{}.do(h)); got != "version 1" || o.calls.Load() != 2 {
			t.Errorf("refreshed: %q after %d calls", got, o.calls.Load())
		}
		o.trouble.Store(503)
		ask{after: 70 * time.Second}.do(h)
		synctest.Wait()
		if got := text(t, ask{}.do(h)); got != "version 1" {
			t.Errorf("a refresh that failed: %q", got)
		}
		if m := cache.Metrics(); m.RefreshErrors != 1 {
			t.Errorf("%+v", m)
		}
	})
}

func TestTagsOfResponses(t *testing.T) {
	ctx := context.Background()
	set := func(name, value string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.Header().Set(name, value) }
	}
	for _, row := range []struct {
		name       string
		tag        http.HandlerFunc
		invalidate func(*revalidate.Cache) error
		fate       string
	}{
		{"Tag", func(w http.ResponseWriter, _ *http.Request) { revalidate.Tag(w, "a", "b") }, func(c *revalidate.Cache) error { return c.ExpireTag(ctx, "b") }, "fresh"},
		{"TagFill in the request's context", func(_ http.ResponseWriter, r *http.Request) { revalidate.TagFill(r.Context(), "b") }, func(c *revalidate.Cache) error { return c.ExpireTag(ctx, "b") }, "fresh"},
		{"RevalidateTag", func(w http.ResponseWriter, _ *http.Request) { revalidate.Tag(w, "b") }, func(c *revalidate.Cache) error { return c.RevalidateTag(ctx, "b") }, "stale"},
		{"Surrogate-Key", set("Surrogate-Key", "a  b"), func(c *revalidate.Cache) error { return c.ExpireTag(ctx, "b") }, "fresh"},
		{"xkey", set("xkey", "a b"), func(c *revalidate.Cache) error { return c.ExpireTag(ctx, "b") }, "fresh"},
		{"Cache-Tag", set("Cache-Tag", "a,b , c"), func(c *revalidate.Cache) error { return c.ExpireTag(ctx, "b") }, "fresh"},
		{"another tag", set("Cache-Tag", "a,b"), func(c *revalidate.Cache) error { return c.ExpireTag(ctx, "c") }, "kept"},
		{"the path", set("X", ""), func(c *revalidate.Cache) error { return c.ExpirePath(ctx, "/blog/hello") }, "fresh"},
		{"the path, stale", set("X", ""), func(c *revalidate.Cache) error { return c.RevalidatePath(ctx, "/blog/hello/") }, "stale"},
		{"a pattern", set("X", ""), func(c *revalidate.Cache) error { return c.ExpirePath(ctx, "/x", "/blog/[slug]") }, "fresh"},
		{"a subtree", set("X", ""), func(c *revalidate.Cache) error { return c.ExpirePath(ctx, "/blog/[[...rest]]") }, "fresh"},
		{"another path", set("X", ""), func(c *revalidate.Cache) error { return c.ExpirePath(ctx, "/blog", "/blog/hell", "/blog/[a]/[b]") }, "kept"},
		{"Purge of the URL", set("X", ""), func(c *revalidate.Cache) error { return c.Purge(ctx, "http://example.com/blog/hello?a=1") }, "fresh"},
		{"Purge of another", set("X", ""), func(c *revalidate.Cache) error { return c.Purge(ctx, "https://example.com/blog/hello?a=1") }, "kept"},
		{"PurgeAll", set("X", ""), func(c *revalidate.Cache) error { return c.PurgeAll(ctx) }, "fresh"},
	} {
		for _, vary := range []string{"", "Accept"} {
			synctest.Test(t, func(t *testing.T) {
				cache := newCache(t, revalidate.Config{})
				var calls atomic.Int64
				h := cache.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					row.tag(w, r)
					if vary != "" {
						w.Header().Set("Vary", vary)
					}
					counting(&calls, "Cache-Control", "max-age=60").ServeHTTP(w, r)
				}))
				one := ask{target: "http://example.com/blog/hello?a=1"}
				one.do(h)
				if err := row.invalidate(cache); err != nil {
					t.Fatal(err)
				}
				fate := "kept"
				if text(t, one.do(h)) == "call 2" {
					fate = "fresh"
				}
				synctest.Wait()
				if fate == "kept" && text(t, one.do(h)) == "call 2" {
					fate = "stale"
				}
				if fate != row.fate {
					t.Errorf("%s, Vary %q: %s, want %s", row.name, vary, fate, row.fate)
				}
			})
		}
	}
}

func TestAResponseBuiltFromCachedDataDependsOnItsTags(t *testing.T) {
	ctx := context.Background()
	cache := newCache(t, revalidate.Config{})
	s := &source{}
	h := cache.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v, err := revalidate.Get(r.Context(), cache, "post", revalidate.Options{Tags: []string{"post"}}, s.fetch)
		if err != nil {
			t.Error(err)
		}
		w.Header().Set("Cache-Control", "max-age=60")
		fmt.Fprint(w, v)
	}))
	ask{}.do(h)
	_ = cache.ExpireTag(ctx, "post")
	if got := text(t, ask{}.do(h)); got != "2" {
		t.Errorf("got %s", got)
	}
}

func TestAnInvalidationDuringAResponseIsNotLost(t *testing.T) {
	ctx := context.Background()
	for _, row := range []struct {
		name       string
		invalidate func(*revalidate.Cache, http.Handler) error
	}{
		{"ExpireTag", func(c *revalidate.Cache, _ http.Handler) error { return c.ExpireTag(ctx, "a") }},
		{"ExpirePath", func(c *revalidate.Cache, _ http.Handler) error { return c.ExpirePath(ctx, "/page") }},
		{"Purge", func(c *revalidate.Cache, _ http.Handler) error { return c.Purge(ctx, "http://example.com/page") }},
		{"PurgeAll", func(c *revalidate.Cache, _ http.Handler) error { return c.PurgeAll(ctx) }},
		{"a POST to the URL", func(_ *revalidate.Cache, h http.Handler) error {
			ask{method: "POST"}.do(h)
			return nil
		}},
	} {
		synctest.Test(t, func(t *testing.T) {
			cache := newCache(t, revalidate.Config{})
			var calls atomic.Int64
			h := cache.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method == http.MethodPost {
					return
				}
				n := calls.Add(1)
				time.Sleep(time.Second)
				revalidate.Tag(w, "a")
				w.Header().Set("Cache-Control", "max-age=60")
				fmt.Fprint(w, n)
			}))
			first := make(chan string, 1)
			go func() { first <- text(t, ask{}.do(h)) }()
			time.Sleep(time.Second / 2)
			if err := row.invalidate(cache, h); err != nil {
				t.Fatal(err)
			}
			if got := text(t, ask{}.do(h)); got != "2" {
				t.Errorf("%s: a read after it got %s", row.name, got)
			}
			if got := <-first; got != "1" {
				t.Errorf("%s: who began before it got %s", row.name, got)
			}
			if got := text(t, ask{}.do(h)); got != "2" {
				t.Errorf("%s: later reads get %s", row.name, got)
			}
		})
	}
}

func TestRequestsThatChangeSomethingInvalidate(t *testing.T) {
	for _, row := range []struct {
		name   string
		method string
		status int
		header []string // of the answer
		page   string   // "call 1": kept
		other  string
	}{
		{"POST", "POST", 200, nil, "call 3", "call 2"},
		{"an unknown method", "FROBNICATE", 204, nil, "call 3", "call 2"},
		{"a redirect after POST", "POST", 303, []string{"Location", "/other"}, "call 3", "call 4"},
		{"Location as an absolute URL", "PUT", 201, []string{"Location", "http://example.com/other"}, "call 3", "call 4"},
		{"Content-Location", "PATCH", 200, []string{"Content-Location", "other"}, "call 3", "call 4"},
		{"Location of another origin", "PUT", 201, []string{"Location", "http://example.org/other"}, "call 3", "call 2"},
		{"Location of another scheme", "PUT", 201, []string{"Location", "https://example.com/other"}, "call 3", "call 2"},
		{"Location that is no URL", "PUT", 201, []string{"Location", "http://[/other"}, "call 3", "call 2"},
		{"an error", "DELETE", 500, []string{"Location", "/other"}, "call 1", "call 2"},
		{"a refusal", "DELETE", 403, nil, "call 1", "call 2"},
		{"OPTIONS", "OPTIONS", 200, nil, "call 1", "call 2"},
		{"a cache group", "POST", 200, []string{"Cache-Group-Invalidation", `"x", "group of others"`}, "call 3", "call 4"},
		{"another cache group", "POST", 200, []string{"Cache-Group-Invalidation", `"group"`}, "call 3", "call 2"},
		{"cache groups that are no List", "POST", 200, []string{"Cache-Group-Invalidation", `"group of others`}, "call 3", "call 2"},
	} {
		cache := newCache(t, revalidate.Config{})
		var calls atomic.Int64
		h := cache.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method != "GET" {
				for i := 0; i < len(row.header); i += 2 {
					w.Header().Set(row.header[i], row.header[i+1])
				}
				w.WriteHeader(row.status)
				return
			}
			if r.URL.Path == "/other" {
				w.Header().Set("Cache-Groups", `"group of others";a=1`)
			}
			counting(&calls, "Cache-Control", "max-age=60").ServeHTTP(w, r)
		}))
		other := ask{target: "http://example.com/other"}
		ask{}.do(h)
		other.do(h)
		ask{method: row.method}.do(h)
		if got := text(t, ask{}.do(h)); got != row.page {
			t.Errorf("%s: the URL itself: %s, want %s", row.name, got, row.page)
		}
		got := text(t, other.do(h))
		if kept, want := got == "call 2", row.other == "call 2"; kept != want {
			t.Errorf("%s: the other URL: %s, want %s", row.name, got, row.other)
		}
	}
}

func TestCacheGroupsBelongToOneOrigin(t *testing.T) {
	cache := newCache(t, revalidate.Config{})
	var calls atomic.Int64
	h := cache.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Groups", `"g"`)
		w.Header().Set("Cache-Group-Invalidation", `"g"`) // counts for nothing in answer to a GET
		counting(&calls, "Cache-Control", "max-age=60").ServeHTTP(w, r)
	}))
	ask{}.do(h)
	ask{method: "POST", target: "http://example.org/x"}.do(h)
	if got := text(t, ask{}.do(h)); got != "call 1" {
		t.Errorf("another origin invalidated the group: %s", got)
	}
	ask{method: "POST", target: "http://example.com/x"}.do(h)
	before := text(t, ask{}.do(h))
	if before == "call 1" {
		t.Error("its own origin did not")
	}
	if err := cache.ExpireTag(context.Background(), "g"); err != nil {
		t.Fatal(err)
	}
	if got := text(t, ask{}.do(h)); got == before {
		t.Error("the owner of the cache cannot name the group as a tag")
	}
}

func TestHeadFreshensOrDrops(t *testing.T) {
	for _, row := range []struct {
		name   string
		answer []string
		status int
		calls  string // what a GET after the HEAD gets, when the stored response was stale
	}{
		{"the same entity tag", []string{"Etag", `"a"`, "Cache-Control", "max-age=60"}, 200, "call 1"},
		{"the same length", []string{"Content-Length", "6", "Cache-Control", "max-age=60"}, 200, "call 1"},
		{"no evidence", []string{"Cache-Control", "max-age=60"}, 200, "call 2"},
		{"another entity tag", []string{"Etag", `"b"`, "Cache-Control", "max-age=60"}, 200, "call 2"},
		{"another date", []string{"Last-Modified", past, "Cache-Control", "max-age=60"}, 200, "call 2"},
		{"another length", []string{"Etag", `"a"`, "Content-Length", "7", "Cache-Control", "max-age=60"}, 200, "call 2"},
		{"another status", []string{"Etag", `"a"`, "Cache-Control", "max-age=60"}, 404, "call 2"},
		{"no permission to store any more", []string{"Etag", `"a"`, "Cache-Control", "no-store"}, 200, "call 2"},
	} {
		synctest.Test(t, func(t *testing.T) {
			cache := newCache(t, revalidate.Config{})
			var calls atomic.Int64
			h := cache.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method == "HEAD" {
					for i := 0; i < len(row.answer); i += 2 {
						w.Header().Set(row.answer[i], row.answer[i+1])
					}
					w.WriteHeader(row.status)
					return
				}
				counting(&calls, "Cache-Control", "max-age=10", "Etag", `"a"`).ServeHTTP(w, r)
			}))
			ask{method: "HEAD"}.do(h) // of what is not stored
			ask{}.do(h)
			ask{method: "HEAD", after: 11 * time.Second}.do(h)
			if got := text(t, ask{}.do(h)); got != row.calls {
				t.Errorf("%s: %s, want %s", row.name, got, row.calls)
			}
			if res := (ask{method: "HEAD"}).do(h); text(t, res) != "" {
				t.Errorf("%s: HEAD has a body", row.name)
			}
		})
	}
}

func TestVariants(t *testing.T) {
	en, de := head("Accept-Language", "en"), head("Accept-Language", "de")
	for _, row := range []struct {
		name          string
		vary          []string
		first, second http.Header
		reused        bool
		config        revalidate.Responses
	}{
		{"the same value", []string{"Accept-Language"}, en, en, true, revalidate.Responses{}},
		{"another value", []string{"Accept-Language"}, en, de, false, revalidate.Responses{}},
		{"no value", []string{"Accept-Language"}, en, nil, false, revalidate.Responses{}},
		{"an empty value is not no value", []string{"X-A"}, head("X-A", ""), nil, false, revalidate.Responses{}},
		{"another case of a language", []string{"accept-language"}, head("Accept-Language", "en, DE"), head("Accept-Language", "EN,de"), true, revalidate.Responses{}},
		{"another order of languages may mean another choice", []string{"Accept-Language"}, head("Accept-Language", "en, de"), head("Accept-Language", "de, en"), false, revalidate.Responses{}},
		{"lines that are joined", []string{"X-A"}, head("X-A", "1, 2"), head("X-A", "1", "X-A", "2"), true, revalidate.Responses{}},
		{"another case of a field nobody knows", []string{"X-A"}, head("X-A", "a"), head("X-A", "A"), false, revalidate.Responses{}},
		{"a comma in quotes separates nothing", []string{"X-A"}, head("X-A", `"a,b"`), head("X-A", `"a, b"`), false, revalidate.Responses{}},
		{"a field that is not named", []string{"X-A"}, head("X-A", "1", "X-B", "1"), head("X-A", "1", "X-B", "2"), true, revalidate.Responses{}},
		{"two fields, one differs", []string{"X-A, X-B"}, head("X-A", "1", "X-B", "1"), head("X-A", "1", "X-B", "2"), false, revalidate.Responses{}},
		{"values that change places", []string{"X-A, X-B"}, head("X-A", "1"), head("X-B", "1"), false, revalidate.Responses{}},
		{"two lines of Vary", []string{"X-A", "X-B"}, head("X-A", "1", "X-B", "1"), head("X-A", "1", "X-B", "2"), false, revalidate.Responses{}},
		{"a star among names", []string{"X-A, *"}, head("X-A", "1"), head("X-A", "1"), false, revalidate.Responses{}},
		{"more names than the cache takes", []string{"A,B,C,D,E,F,G,H,I,J,K,L,M,N,O,P,Q"}, nil, nil, false, revalidate.Responses{}},
		{"a rule of the user's", []string{"User-Agent"}, head("User-Agent", "Mobile 1"), head("User-Agent", "Mobile 2"), true, revalidate.Responses{
			Normalise: map[string]func([]string) string{"user-agent": func(lines []string) string {
				if strings.Contains(lines[0], "Mobile") {
					return "mobile"
				}
				return "desktop"
			}},
		}},
		{"Vary: Host", []string{"Host"}, nil, nil, true, revalidate.Responses{}},
	} {
		cache := newCache(t, revalidate.Config{Responses: row.config})
		var calls atomic.Int64
		h := cache.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header()["Vary"] = row.vary
			counting(&calls, "Cache-Control", "max-age=60").ServeHTTP(w, r)
		}))
		ask{header: row.first}.do(h)
		if got := text(t, ask{header: row.second}.do(h)); (got == "call 1") != row.reused {
			t.Errorf("%s: %s", row.name, got)
		}
	}
}

func TestAResponseThatVariesByMoreThanBefore(t *testing.T) {
	cache := newCache(t, revalidate.Config{})
	var calls atomic.Int64
	vary := "X-A"
	h := cache.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if vary != "" {
			w.Header().Set("Vary", vary)
		}
		counting(&calls, "Cache-Control", "max-age=60").ServeHTTP(w, r)
	}))
	one := ask{header: head("X-A", "1", "X-B", "1")}
	two := ask{header: head("X-A", "2", "X-B", "1")}
	three := ask{header: head("X-A", "2", "X-B", "2")}
	one.do(h)
	vary = "X-B"
	two.do(h)
	if got := text(t, three.do(h)); got != "call 3" {
		t.Errorf("a variant by the new field: %s", got)
	}
	vary = ""
	four := ask{header: head("X-A", "4", "X-B", "4")}
	four.do(h)
	for i, a := range []ask{two, three, four} {
		if got := text(t, a.do(h)); got != fmt.Sprint("call ", i+2) {
			t.Errorf("variant %d: %s", i, got)
		}
	}
	ask{method: "POST"}.do(h)
	if got := text(t, two.do(h)); got == "call 2" {
		t.Error("an invalidated variant came back")
	}
}

func TestWhatIsNotStoredOfAHeader(t *testing.T) {
	cache := newCache(t, revalidate.Config{Responses: revalidate.Responses{TargetField: "gatehouse-cache-control", StripTags: true, EmitTags: "X-Tags"}})
	h := cache.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for name, value := range map[string]string{
			"Gatehouse-Cache-Control": "max-age=60", "Cache-Control": `no-store, no-cache="X-Private", private="X-Session, X-Other"`,
			"X-Private": "1", "X-Session": "1", "X-Other": "1", "X-Kept": "1", "Connection": "X-Hop", "X-Hop": "1", "Keep-Alive": "5",
			"Surrogate-Key": "a b", "Age": "5",
		} {
			w.Header().Set(name, value)
		}
		_, _ = io.WriteString(w, "<!DOCTYPE html>")
	}))
	first, second := ask{}.do(h), ask{}.do(h)
	for _, res := range []*http.Response{first, second} {
		for _, name := range []string{"Gatehouse-Cache-Control", "Surrogate-Key"} {
			if res.Header.Get(name) != "" {
				t.Errorf("%s is sent to clients", name)
			}
		}
		if got := res.Header.Get("X-Tags"); got != "a b" {
			t.Errorf("emitted tags: %q", got)
		}
	}
	for _, name := range []string{"Connection", "X-Hop", "Keep-Alive"} {
		if second.Header.Get(name) != "" {
			t.Errorf("%s is stored", name)
		}
	}
	if second.Header.Get("X-Kept") != "1" || second.Header.Get("Age") != "5" {
		t.Errorf("%v", second.Header)
	}
	if got := second.Header.Get("Content-Type"); got != "text/html; charset=utf-8" {
		t.Errorf("Content-Type %q", got)
	}
	if !strings.Contains(second.Header.Get("Cache-Status"), "hit") {
		t.Errorf("the cache's own field does not count: %v", second.Header)
	}
}

func TestFieldsNamedByNoCacheAndPrivateAreNotStored(t *testing.T) {
	cache := newCache(t, revalidate.Config{})
	var calls atomic.Int64
	h := cache.Wrap(counting(&calls, "Cache-Control", `max-age=60, no-cache="x-a", private="x-b, x-c"`, "X-A", "1", "X-B", "1", "X-C", "1", "X-D", "1"))
	ask{}.do(h)
	res := ask{}.do(h)
	if text(t, res) != "call 1" || res.Header.Get("X-A")+res.Header.Get("X-B")+res.Header.Get("X-C") != "" || res.Header.Get("X-D") != "1" {
		t.Errorf("%v", res.Header)
	}
}

func TestStoredHeadersAreNotShared(t *testing.T) {
	cache := newCache(t, revalidate.Config{})
	var calls atomic.Int64
	inner := cache.Wrap(counting(&calls, "Cache-Control", "max-age=60", "X-A", "1", "X-A", "2"))
	outer := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Request-Id", r.URL.Query().Get("id"))
		w.Header().Set("Vary", "Origin")
		inner.ServeHTTP(w, r)
		for _, lines := range w.Header() {
			for i := range lines {
				lines[i] = "overwritten"
			}
		}
	})
	for i := range 3 {
		rec := httptest.NewRecorder()
		r := httptest.NewRequest("GET", "/", nil)
		outer.ServeHTTP(rec, r)
		if i == 0 {
			continue
		}
		rec = httptest.NewRecorder()
		inner.ServeHTTP(rec, r)
		if got := rec.Header()["X-A"]; fmt.Sprint(got) != "[1 2]" {
			t.Errorf("stored lines were changed: %v", got)
		}
		if rec.Header().Get("X-Request-Id") != "" || rec.Header().Get("Vary") != "" {
			t.Errorf("a field of the middleware outside was stored: %v", rec.Header())
		}
	}
	rec := httptest.NewRecorder()
	rec.Header().Set("Vary", "Origin")
	varying := cache.Wrap(counting(&calls, "Cache-Control", "max-age=60", "Vary", "Accept"))
	for range 2 {
		rec = httptest.NewRecorder()
		rec.Header().Set("Vary", "Origin")
		rec.Header().Set("Cache-Status", "outer; fwd=miss")
		varying.ServeHTTP(rec, httptest.NewRequest("GET", "/varying", nil))
		if got := fmt.Sprint(rec.Header()["Vary"]); got != "[Origin Accept]" {
			t.Errorf("Vary %s", got)
		}
		if got := rec.Header()["Cache-Status"]; len(got) != 2 || got[0] != "outer; fwd=miss" {
			t.Errorf("Cache-Status %v", got)
		}
	}
}

func TestRequestsThatDoNotConcernTheCache(t *testing.T) {
	for _, row := range []struct {
		name string
		r    func() *http.Request
	}{
		{"If-Match", func() *http.Request {
			r := httptest.NewRequest("GET", "http://example.com/page", nil)
			r.Header.Set("If-Match", `"a"`)
			return r
		}},
		{"If-Unmodified-Since", func() *http.Request {
			r := httptest.NewRequest("GET", "http://example.com/page", nil)
			r.Header.Set("If-Unmodified-Since", past)
			return r
		}},
		{"a GET with a body", func() *http.Request {
			return httptest.NewRequest("GET", "http://example.com/page", strings.NewReader("x"))
		}},
		{"what the user skips", func() *http.Request { return httptest.NewRequest("GET", "http://example.com/page?skip", nil) }},
	} {
		cache := newCache(t, revalidate.Config{Responses: revalidate.Responses{
			Skip:  func(r *http.Request) bool { return r.URL.RawQuery == "skip" },
			Query: func(string) string { return "" },
		}})
		var calls atomic.Int64
		h := cache.Wrap(counting(&calls, "Cache-Control", "max-age=60"))
		ask{target: "http://example.com/page?utm=1"}.do(h)
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, row.r())
		if rec.Body.String() != "call 2" {
			t.Errorf("%s: %s", row.name, rec.Body)
		}
		if got := text(t, ask{target: "http://example.com/page?utm=2"}.do(h)); got != "call 1" {
			t.Errorf("%s: then %s", row.name, got)
		}
	}
}

func TestOnlyIfCached(t *testing.T) {
	cache := newCache(t, revalidate.Config{})
	var calls atomic.Int64
	h := cache.Wrap(counting(&calls, "Cache-Control", "max-age=60"))
	one := ask{header: head("Cache-Control", "only-if-cached")}
	if res := one.do(h); res.StatusCode != 504 || res.Header.Get("Content-Type") != "application/problem+json" || calls.Load() != 0 {
		t.Errorf("%d", res.StatusCode)
	}
	ask{}.do(h)
	if res := one.do(h); res.StatusCode != 200 {
		t.Errorf("%d", res.StatusCode)
	}
}

func TestClientsThatMayNotSteerTheCache(t *testing.T) {
	cache := newCache(t, revalidate.Config{Responses: revalidate.Responses{IgnoreRequestControl: true, OmitCacheStatus: true}})
	var calls atomic.Int64
	h := cache.Wrap(counting(&calls, "Cache-Control", "max-age=60"))
	ask{}.do(h)
	for _, control := range []string{"no-cache", "no-store", "max-age=0", "min-fresh=9999"} {
		res := ask{header: head("Cache-Control", control)}.do(h)
		if text(t, res) != "call 1" || res.Header["Cache-Status"] != nil {
			t.Errorf("%s: %d calls, %v", control, calls.Load(), res.Header)
		}
	}
}

func TestSchemesAreKeptApart(t *testing.T) {
	cache := newCache(t, revalidate.Config{})
	var calls atomic.Int64
	h := cache.Wrap(counting(&calls, "Cache-Control", "max-age=60"))
	ask{}.do(h)
	r := httptest.NewRequest("GET", "http://example.com/page", nil)
	r.TLS = &tls.ConnectionState{}
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	if rec.Body.String() != "call 2" {
		t.Errorf("got %s", rec.Body)
	}
}

func TestInsecureStoreSetCookie(t *testing.T) {
	cache := newCache(t, revalidate.Config{Responses: revalidate.Responses{InsecureStoreSetCookie: true}})
	var calls atomic.Int64
	h := cache.Wrap(counting(&calls, "Cache-Control", "max-age=60", "Set-Cookie", "a=b"))
	ask{}.do(h)
	if res := (ask{}).do(h); text(t, res) != "call 1" || res.Header.Get("Set-Cookie") != "a=b" {
		t.Errorf("%v", res.Header)
	}
}

func TestHeuristicFreshness(t *testing.T) {
	for _, row := range []struct {
		name   string
		status int
		header []string
		after  time.Duration
		reused bool
	}{
		{"a tenth of the time since the last change", 200, []string{"Last-Modified", "Fri, 31 Dec 1999 23:00:00 GMT"}, 5 * time.Minute, true},
		{"and no longer", 200, []string{"Last-Modified", "Fri, 31 Dec 1999 23:00:00 GMT"}, 7 * time.Minute, false},
		{"a day at most", 200, []string{"Last-Modified", "Fri, 31 Dec 1900 23:00:00 GMT"}, 25 * time.Hour, false},
		{"not without Last-Modified", 200, []string{"Etag", `"a"`}, 0, false},
		{"not of a status that has no such rule", 403, []string{"Last-Modified", "Fri, 31 Dec 1999 23:00:00 GMT"}, 0, false},
		{"but of any status that is public", 403, []string{"Last-Modified", "Fri, 31 Dec 1999 23:00:00 GMT", "Cache-Control", "public"}, 0, true},
		{"not against no-store", 200, []string{"Last-Modified", "Fri, 31 Dec 1999 23:00:00 GMT", "Cache-Control", "no-store"}, 0, false},
	} {
		synctest.Test(t, func(t *testing.T) { // the bubble's clock begins at 2000-01-01 00:00:00 UTC
			cache := newCache(t, revalidate.Config{Responses: revalidate.Responses{Heuristic: true}})
			var calls atomic.Int64
			h := cache.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				for i := 0; i < len(row.header); i += 2 {
					w.Header().Set(row.header[i], row.header[i+1])
				}
				w.WriteHeader(row.status)
				fmt.Fprint(w, calls.Add(1))
			}))
			ask{}.do(h)
			if got := text(t, ask{after: row.after}.do(h)); (got == "1") != row.reused {
				t.Errorf("%s: %s", row.name, got)
			}
		})
	}
}

func TestATagOfAResponseThatBreaksARuleKeepsItOut(t *testing.T) {
	for _, tag := range []func(http.ResponseWriter){
		func(w http.ResponseWriter) { revalidate.Tag(w, "a b") },
		func(w http.ResponseWriter) { revalidate.Tag(w, strings.Repeat("x", 257)) },
		func(w http.ResponseWriter) { w.Header().Set("Cache-Tag", "é") },
		func(w http.ResponseWriter) {
			for i := range 129 {
				revalidate.Tag(w, fmt.Sprint("t", i))
			}
		},
	} {
		var out bytes.Buffer
		cache := newCache(t, revalidate.Config{Logger: slog.New(slog.NewTextHandler(&out, nil))})
		var calls atomic.Int64
		h := cache.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			tag(w)
			counting(&calls, "Cache-Control", "max-age=60").ServeHTTP(w, r)
		}))
		if got := text(t, ask{}.do(h)); got != "call 1" {
			t.Error(got)
		}
		if got := text(t, ask{}.do(h)); got != "call 2" {
			t.Errorf("it was stored, without the tag or with it: %s", got)
		}
		if !strings.Contains(out.String(), "tag") {
			t.Error("nothing was logged")
		}
	}
}

// through is middleware that wraps the ResponseWriter.
type through struct{ http.ResponseWriter }

func (w through) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func TestTagReachesTheCacheThroughMiddlewareAndDoesNothingWithoutOne(t *testing.T) {
	revalidate.Tag(httptest.NewRecorder(), "a")
	revalidate.Tag(through{httptest.NewRecorder()}, "a")
	cache := newCache(t, revalidate.Config{})
	var calls atomic.Int64
	h := cache.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		counting(&calls, "Cache-Control", "max-age=60").ServeHTTP(w, r)
		revalidate.Tag(through{w}, "late") // after the body
	}))
	ask{}.do(h)
	_ = cache.ExpireTag(context.Background(), "late")
	if got := text(t, ask{}.do(h)); got != "call 2" {
		t.Error(got)
	}
	ask{method: "POST"}.do(cache.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { revalidate.Tag(w, "a b") })))
}

func TestAfterCloseRequestsReachTheHandler(t *testing.T) {
	cache := newCache(t, revalidate.Config{})
	var calls atomic.Int64
	h := cache.Wrap(counting(&calls, "Cache-Control", "max-age=60"))
	ask{}.do(h)
	_ = cache.Close(context.Background())
	if got := text(t, ask{}.do(h)); got != "call 1" {
		t.Errorf("what is stored: %s", got)
	}
	for i := range 2 {
		if got := text(t, ask{target: "http://example.com/other"}.do(h)); got != fmt.Sprint("call ", i+2) {
			t.Errorf("what is not: %s", got)
		}
	}
}

func TestEmptyAndBodilessResponses(t *testing.T) {
	for _, status := range []int{200, 204, 301, 404, 410} {
		cache := newCache(t, revalidate.Config{})
		calls := 0
		h := cache.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			calls++
			w.Header().Set("Cache-Control", "max-age=60")
			w.WriteHeader(status)
			if status == 204 {
				if _, err := w.Write([]byte("x")); err != http.ErrBodyNotAllowed { //nolint:errorlint // the very value
					t.Errorf("a body for 204: %v", err)
				}
			}
		}))
		for range 2 {
			res := ask{}.do(h)
			if res.StatusCode != status || text(t, res) != "" {
				t.Errorf("%d: got %d", status, res.StatusCode)
			}
		}
		if calls != 1 {
			t.Errorf("%d: %d calls", status, calls)
		}
	}
}

func TestSuperfluousWriteHeader(t *testing.T) {
	cache := newCache(t, revalidate.Config{Logger: silent()})
	h := cache.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(404)
		w.WriteHeader(200)
	}))
	if res := (ask{}).do(h); res.StatusCode != 404 {
		t.Error(res.StatusCode)
	}
}

// Each hit says how long its body is: in a field, or as net/http does where it can count.
func TestEachHitHasALength(t *testing.T) {
	for _, size := range []int{0, 1, 2048, 2049, 100_000} {
		body := strings.Repeat("x", size)
		h := newCache(t, revalidate.Config{}).Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Cache-Control", "max-age=60")
			_, _ = io.WriteString(w, body)
		}))
		s := httptest.NewServer(h)
		defer s.Close()
		for _, method := range []string{"GET", "GET", "HEAD"} {
			r, err := http.NewRequest(method, s.URL, nil)
			if err != nil {
				t.Fatal(err)
			}
			res, err := s.Client().Do(r)
			if err != nil {
				t.Fatal(err)
			}
			got := text(t, res)
			hit := strings.Contains(res.Header.Get("Cache-Status"), "hit")
			if hit && res.ContentLength != int64(size) || method == "GET" && got != body {
				t.Errorf("%s of %d bytes, hit: %v: %d, and %d came", method, size, hit, res.ContentLength, len(got))
			}
			if method == "HEAD" && !hit {
				t.Error("HEAD is no hit")
			}
		}
	}
}
