package revalidate_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-go/gatehouse/revalidate"
)

// freshBy reports whether a response with this field is reused, where Cache-Control would forbid it.
func freshBy(tb testing.TB, name string, lines ...string) bool {
	tb.Helper()
	cache := newCache(tb, revalidate.Config{Logger: silent()})
	var calls atomic.Int64
	h := cache.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header()[http.CanonicalHeaderKey(name)] = lines
		counting(&calls, "Cache-Control", "no-store").ServeHTTP(w, r)
	}))
	ask{}.do(h)
	ask{}.do(h)
	return calls.Load() == 1
}

// The rows on syntax follow RFC 9651; those on meaning, RFC 9213.
func TestTargetedFields(t *testing.T) {
	for _, row := range []struct {
		lines []string
		fresh bool
	}{
		{[]string{"max-age=60"}, true},
		{[]string{"  max-age=60  "}, true},
		{[]string{"public", "max-age=60"}, true},
		{[]string{"max-age=60;a;b=1;c=\"x\""}, true},
		{[]string{"a=1.5, b=token, c=\"str\\\"ing\", d=?1, e=?0, f=:YWJj:, g=(1 2 \"x\";p);q=1, h=@1659578233, i=-7, *j, max-age=60"}, true},
		{[]string{"max-age=60, max-age=0"}, false},
		{[]string{"max-age=0,max-age=60"}, true},
		{[]string{"s-maxage=60, max-age=0"}, true},
		{[]string{"max-age=60, no-store"}, false},
		{[]string{"max-age=60, no-store=?0"}, true},
		{[]string{"max-age=60, private=\"x\""}, true},
		{[]string{"max-age=60, private"}, false},
		{[]string{"max-age=60, private=token"}, false},
		{[]string{"max-age=60, private=(a b)"}, false},
		{[]string{"max-age=60, no-store=1"}, false},
		{[]string{"max-age=60, no-cache=1.5"}, false},
		{[]string{"max-age=60, must-revalidate=token, ext=token"}, true},
		{[]string{"max-age=60, stale-while-revalidate=5, stale-if-error=5"}, true},
		{[]string{"max-age=-1"}, false},
		{[]string{"max-age=6.0"}, false},
		{[]string{"max-age"}, false},
		{[]string{"max-age=60,"}, false},
		{[]string{"max-age=60 no-cache"}, false},
		{[]string{"max-age =60"}, false},
		{[]string{"max-age= 60"}, false},
		{[]string{"Max-Age=60"}, false},
		{[]string{"max-age=60, a="}, false},
		{[]string{"max-age=60, a=\"x"}, false},
		{[]string{"max-age=60, a=\"\\x\""}, false},
		{[]string{"max-age=60, a=\"\\"}, false},
		{[]string{"max-age=60, a=\"é\""}, false},
		{[]string{"max-age=60, a=(1 2"}, false},
		{[]string{"max-age=60, a=(1,2)"}, false},
		{[]string{"max-age=60, a=(1\"x\")"}, false},
		{[]string{"max-age=60, a=("}, false},
		{[]string{"max-age=60, a=?2"}, false},
		{[]string{"max-age=60, a=:YWJj"}, false},
		{[]string{"max-age=60, a=@1.5"}, false},
		{[]string{"max-age=60, a=1."}, false},
		{[]string{"max-age=60, a=1.1234"}, false},
		{[]string{"max-age=60, a=-"}, false},
		{[]string{"max-age=60, a=1234567890123456"}, false},
		{[]string{"max-age=60, a=1234567890123.1"}, false},
		{[]string{"max-age=60, a;B"}, false},
		{[]string{"max-age=60, a;b="}, false},
		{[]string{"max-age=60, 1"}, false},
		{[]string{"max-age=60, &"}, false},
		{[]string{""}, false},
	} {
		if got := freshBy(t, "CDN-Cache-Control", row.lines...); got != row.fresh {
			t.Errorf("%q: reused %v", row.lines, got)
		}
	}
}

func FuzzTargetedField(f *testing.F) {
	for _, s := range []string{"max-age=60", "a=(1 \"x\";p);q, b=?0", "max-age=60, a=:YWJj:", "x=\"\\\"\"", "a;b=@1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if freshBy(t, "CDN-Cache-Control", s) && !strings.Contains(s, "max") {
			t.Errorf("%q makes a response fresh", s)
		}
	})
}

func FuzzCacheControl(f *testing.F) {
	for _, s := range []string{"max-age=60", `max-age="60"`, `no-cache="a,b", max-age=1`, "max-age=60,,private", `x="\"`, "s-maxage=1=2", ",", `"max-age=60`} {
		f.Add(s, s, "X-A")
	}
	f.Fuzz(func(t *testing.T, response, request, vary string) {
		cache := newCache(t, revalidate.Config{Logger: silent()})
		h := cache.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header()["Cache-Control"] = []string{response}
			w.Header()["Vary"] = []string{vary}
			_, _ = w.Write([]byte("body"))
		}))
		for range 2 {
			r := httptest.NewRequest("GET", "/", nil)
			r.Header["Cache-Control"] = []string{request}
			r.Header["Accept"] = []string{vary}
			rec := httptest.NewRecorder()
			h.ServeHTTP(rec, r)
			if rec.Body.String() != "body" && rec.Code != 504 {
				t.Errorf("%d %q", rec.Code, rec.Body)
			}
			if hit := strings.Contains(rec.Header().Get("Cache-Status"), "hit"); hit && !strings.Contains(strings.ToLower(response), "max") {
				t.Errorf("%q makes a response fresh", response)
			}
		}
	})
}

// Dates as RFC 9110, section 5.6.7, has them; the cases of the http-tests suite are among them.
func TestDates(t *testing.T) {
	for _, row := range []struct {
		expires string
		fresh   bool
	}{
		{"Thu, 18 Aug 2050 02:01:18 GMT", true},
		{"THU, 18 AUG 2050 02:01:18 gmt", true},
		{"Mon, 18 Aug 2050 02:01:18 GMT", true},     // another day of the week
		{"Thursday, 18-Aug-50 02:01:18 GMT", false}, // 2000 + 50 is just too far: it is 1950
		{"Wednesday, 18-Aug-49 02:01:18 GMT", true},
		{"Sunday, 18-Aug-99 02:01:18 GMT", false},
		{"Thu Aug 18 02:01:18 2050", true},
		{"Thu Aug  8 02:01:18 2050", true},
		{"Fri, 31 Dec 9999 23:59:59 GMT", true},
		{"Mon, 01 Jan 0001 00:00:00 GMT", false},
		{"Thu, 18 Aug 2050 2:01:18 GMT", false},
		{"Thu,  18 Aug 2050 02:01:18 GMT", false},
		{"Thu, 18 Aug 2050 02:01:18 UTC", false},
		{"Thu, 18 Aug 2050 02:01:18 AEST", false},
		{"Thu, 18 Aug 2050 02:01:18", false},
		{"Thu, 18 Aug 50 02:01:18 GMT", false},
		{"Thu, 32 Aug 2050 02:01:18 GMT", false},
		{"2050-08-18T02:01:18Z", false},
		{"0", false},
		{"", false},
		{"GMT", false},
	} {
		synctest.Test(t, func(t *testing.T) { // it is 2000-01-01 here
			cache := newCache(t, revalidate.Config{})
			var calls atomic.Int64
			h := cache.Wrap(counting(&calls, "Expires", row.expires))
			ask{}.do(h)
			ask{}.do(h)
			if got := calls.Load() == 1; got != row.fresh {
				t.Errorf("%q: reused %v", row.expires, got)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(30 * 365 * 24 * time.Hour) // it is 2029: two digits may mean 2078, but not 2080
		for expires, fresh := range map[string]bool{"Friday, 18-Aug-78 02:01:18 GMT": true, "Friday, 18-Aug-80 02:01:18 GMT": false} {
			cache := newCache(t, revalidate.Config{})
			var calls atomic.Int64
			h := cache.Wrap(counting(&calls, "Expires", expires))
			ask{}.do(h)
			ask{}.do(h)
			if got := calls.Load() == 1; got != fresh {
				t.Errorf("%q: reused %v", expires, got)
			}
		}
		time.Sleep(time.Second)
	})
	synctest.Test(t, func(t *testing.T) {
		cache := newCache(t, revalidate.Config{})
		var calls atomic.Int64
		h := cache.Wrap(counting(&calls, "Expires", future, "Expires", future))
		ask{}.do(h)
		ask{}.do(h)
		if calls.Load() != 2 {
			t.Error("two lines of Expires are a date")
		}
	})
}

func TestPaths(t *testing.T) {
	for _, row := range []struct {
		pattern string
		matches []string
		differs []string
	}{
		{"/", []string{"/"}, []string{"/a"}},
		{"/blog", []string{"/blog", "/blog/"}, []string{"/blog/a", "/Blog", "/blogs"}},
		{"/blog/", []string{"/blog", "/blog/"}, []string{"/"}},
		{"/blog/[slug]", []string{"/blog/a", "/blog/a/", "/blog/[slug]"}, []string{"/blog", "/blog/a/b", "/news/a"}},
		{"/[lang]/blog/[slug]", []string{"/en/blog/a"}, []string{"/blog/a", "/en/blog"}},
		{"/docs/[...rest]", []string{"/docs/a", "/docs/a/b/c"}, []string{"/docs", "/doc/a"}},
		{"/docs/[[...rest]]", []string{"/docs", "/docs/", "/docs/a", "/docs/a/b/c"}, []string{"/doc", "/docsx"}},
		{"/[[...rest]]", []string{"/", "/a", "/a/b"}, nil},
		{"/a b/[x]", []string{"/a%20b/c"}, []string{"/a/c"}},
		{"/x[y]", []string{"/x[y]"}, []string{"/xy"}},
	} {
		for i, path := range append(row.matches, row.differs...) {
			cache := newCache(t, revalidate.Config{})
			var calls atomic.Int64
			h := cache.Wrap(counting(&calls, "Cache-Control", "max-age=60"))
			one := ask{target: "http://example.com" + path}
			one.do(h)
			if err := cache.ExpirePath(context.Background(), row.pattern); err != nil {
				t.Fatal(err)
			}
			if matched := text(t, one.do(h)) == "call 2"; matched != (i < len(row.matches)) {
				t.Errorf("%s and %s: %v", row.pattern, path, matched)
			}
		}
	}
	for _, bad := range []string{
		"", "blog", "/[", "/[]", "/[a", "/[[a]]", "/[...]", "/[...a]/b", "/[[...a]]/b", "/[[...a]", "/[...a]]", "/[a]b", "/[a[b]]", "//[a]", "/a//[b]",
		"/" + strings.Repeat("x", 1024),
	} {
		if err := newCache(t, revalidate.Config{}).RevalidatePath(context.Background(), bad); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}

func FuzzPath(f *testing.F) {
	for _, s := range []string{"/", "/blog/[slug]", "/docs/[[...rest]]", "/[...a]", "/a/[b]/c", "/[", "[]"} {
		f.Add(s, "/blog/a")
	}
	cache := newCache(f, revalidate.Config{})
	h := cache.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Cache-Control", "max-age=60") }))
	f.Fuzz(func(t *testing.T, pattern, path string) {
		_ = cache.ExpirePath(context.Background(), pattern)
		r := httptest.NewRequest("GET", "/", nil)
		r.URL.Path = path
		h.ServeHTTP(httptest.NewRecorder(), r)
		_ = cache.ExpirePath(context.Background(), pattern)
		h.ServeHTTP(httptest.NewRecorder(), r)
	})
}

func FuzzEndpointQuery(f *testing.F) {
	for _, s := range []string{"token=s3cret&tag=a", "token=%733cret&tag=%zz", "&&=&token", "token=s3cret;tag=a", "t%6Fken=s3cret&tag=+"} {
		f.Add(s)
	}
	h := newEndpoint(f, revalidate.EndpointConfig{Cache: newCache(f, revalidate.Config{}), Tokens: []string{"s3cret"}, InsecureUnlimited: true, Logger: silent()})
	f.Fuzz(func(t *testing.T, query string) {
		r := httptest.NewRequest("GET", "/webhook", nil)
		r.URL.RawQuery = query
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, r)
		if rec.Code != 200 && rec.Code != 400 && rec.Code != 401 {
			t.Errorf("%d", rec.Code)
		}
	})
}

func FuzzEndpointBody(f *testing.F) {
	for _, s := range []string{`{"tags":["a"]}`, `{"paths":["/[a]"],"mode":"fresh"}`, `{}`, `[]`, `{"tags":["a"],"tags":["b"]}`, `{"all":true}`} {
		f.Add(s)
	}
	h := newEndpoint(f, revalidate.EndpointConfig{Cache: newCache(f, revalidate.Config{}), Signed: func(*http.Request, []byte) error { return nil }, Logger: silent()})
	f.Fuzz(func(t *testing.T, body string) {
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, httptest.NewRequest("POST", "/webhook", strings.NewReader(body)))
		if rec.Code != 200 && rec.Code != 400 && rec.Code != 413 && rec.Code != 403 { // 403 for everything, which AllowAll would let it purge
			t.Errorf("%d", rec.Code)
		}
	})
}

func TestInvalidationsThatAreRefused(t *testing.T) {
	ctx := context.Background()
	cache := newCache(t, revalidate.Config{})
	for name, inv := range map[string]revalidate.Invalidation{
		"nothing":         {},
		"a bad tag":       {Tags: []string{"a", "b c"}},
		"a bad prefix":    {TagPrefixes: []string{""}},
		"a bad path":      {Paths: []string{"x"}},
		"a past window":   {Tags: []string{"a"}, Window: -1},
		"an endless one":  {Tags: []string{"a"}, Window: revalidate.Forever + 1},
		"more than bound": {Tags: make([]string, 1001)},
	} {
		if err := cache.Invalidate(ctx, inv); err == nil {
			t.Errorf("%s: Invalidate accepts it", name)
		}
		if err := cache.Receive(inv); err == nil {
			t.Errorf("%s: Receive accepts it", name)
		}
	}
	if err := cache.ExpireTag(ctx, "a b"); err == nil {
		t.Error("ExpireTag")
	}
	for _, u := range []string{"", "/page", "ftp://example.com/", "http:///x", "http://%zz"} {
		if err := cache.Purge(ctx, u); err == nil {
			t.Errorf("Purge of %q", u)
		}
	}
	if m := cache.Metrics(); m.Invalidations != 0 {
		t.Errorf("%+v", m)
	}
}

type sized struct{}

func (sized) CacheSize() int64 { return 100_000 }

func TestSizesOfValues(t *testing.T) {
	type node struct {
		Name string
		Next *node
	}
	ring := &node{Name: "a"}
	ring.Next = ring
	kilo := strings.Repeat("x", 1000)
	for _, row := range []struct {
		name     string
		value    any
		at, most int64
	}{
		{"nothing", nil, 1, 100},
		{"a number", 7, 8, 100},
		{"a string", kilo, 1000, 1100},
		{"bytes", make([]byte, 10, 1000), 1000, 1100},
		{"strings", []string{kilo, kilo}, 2000, 2200},
		{"room in a slice", make([]int64, 0, 1000), 8000, 8200},
		{"a struct with a pointer", &node{Name: kilo}, 1000, 1100},
		{"a map", map[string]string{kilo: kilo}, 2000, 2200},
		{"an array of strings", [2]string{kilo, kilo}, 2000, 2200},
		{"numbers in structs", make([]struct{ A, B [4]int64 }, 100), 6400, 6600},
		{"a ring is looked at for a while", ring, 100, 1 << 20},
		{"more than is looked at", manyStrings(100_000, kilo), 50_000_000, 200_000_000},
		{"a big map", bigMap(10_000, kilo), 5_000_000, 20_000_000},
		{"interfaces", []any{kilo, nil, 7}, 1000, 1200},
		{"a value that knows", sized{}, 100_000, 100_000},
		{"a func", func() {}, 1, 100},
	} {
		e, err := revalidate.NewEntry(row.value, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		empty, _ := revalidate.NewEntry(nil, time.Now())
		got := e.Size() - empty.Size() + 16
		if got < row.at || got > row.most+16 {
			t.Errorf("%s: %d bytes, want %d to %d", row.name, got, row.at, row.most)
		}
	}
}

func manyStrings(n int, s string) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = s
	}
	return list
}

func bigMap(n int, s string) map[int]string {
	m := make(map[int]string, n)
	for i := range n {
		m[i] = s
	}
	return m
}

func ExampleWarm() {
	cache, err := revalidate.New(revalidate.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	site := cache.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/broken" {
			http.Error(w, "broken", http.StatusInternalServerError)
			return
		}
		w.Header().Set("Cache-Control", "s-maxage=60")
		fmt.Fprint(w, r.URL.Path)
	}))
	urls := []string{"https://example.com/", "https://example.com/posts", "https://example.com/broken"}
	err = revalidate.Warm(context.Background(), site, urls, 1, func(done revalidate.Warmed) { fmt.Println(done.Status, done.URL) })
	fmt.Println(err)
	fmt.Println(cache.Metrics().Store.Entries, "stored")
	// Output:
	// 200 https://example.com/
	// 200 https://example.com/posts
	// 500 https://example.com/broken
	// https://example.com/broken: status 500
	// 2 stored
}

func TestWarm(t *testing.T) {
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/panic":
			panic("broken")
		case "/silent":
		case "/hint":
			w.WriteHeader(103)
			w.WriteHeader(201)
		default:
			fmt.Fprint(w, r.URL.Path)
		}
	})
	got := map[string]string{}
	note := func(w revalidate.Warmed) { got[w.URL] = fmt.Sprint(w.Status, " ", w.Err != nil) }
	err := revalidate.Warm(context.Background(), h, []string{"http://a/panic", "http://a/silent", "http://a/hint", "http://a", "nonsense"}, 2, note)
	want := map[string]string{"http://a/panic": "0 true", "http://a/silent": "200 false", "http://a/hint": "201 false", "http://a": "200 false", "nonsense": "0 true"}
	if fmt.Sprint(got) != fmt.Sprint(want) || err == nil || strings.Count(err.Error(), "\n") != 1 {
		t.Errorf("%v, %v", got, err)
	}
	if err := revalidate.Warm(context.Background(), h, nil, 0, nil); err == nil {
		t.Error("no workers")
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	blocked := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { time.Sleep(time.Millisecond) })
	if err := revalidate.Warm(ctx, blocked, manyStrings(1000, "http://a/"), 1, nil); err == nil {
		t.Error("it goes on after the end of its context")
	}
}
