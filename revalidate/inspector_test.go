package revalidate_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/gatehouse-go/gatehouse/revalidate"
)

type refused int

func (r refused) Error() string   { return "not you" }
func (r refused) StatusCode() int { return int(r) }

func newInspector(tb testing.TB, c revalidate.InspectorConfig) *revalidate.Inspector {
	tb.Helper()
	i, err := revalidate.NewInspector(c)
	if err != nil {
		tb.Fatal(err)
	}
	return i
}

func ExampleNewInspector() {
	cache, err := revalidate.New(revalidate.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	inspector, err := revalidate.NewInspector(revalidate.InspectorConfig{
		Cache: cache,
		Access: func(r *http.Request) error {
			if _, password, _ := r.BasicAuth(); password != "operator's password" {
				return refused(http.StatusUnauthorized)
			}
			return nil
		},
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	r := httptest.NewRequest(http.MethodGet, "/cache", nil)
	rec := httptest.NewRecorder()
	inspector.ServeHTTP(rec, r)
	fmt.Println(rec.Code)
	r.SetBasicAuth("", "operator's password")
	rec = httptest.NewRecorder()
	inspector.ServeHTTP(rec, r)
	fmt.Println(rec.Code, rec.Header().Get("Content-Type"))
	// Output:
	// 401
	// 200 text/html; charset=utf-8
}

// filled is a cache with data, responses and variants in it.
func filled(tb testing.TB) *revalidate.Cache {
	tb.Helper()
	ctx := context.Background()
	cache := newCache(tb, revalidate.Config{})
	_ = revalidate.Set(ctx, cache, "<b>posts</b>", revalidate.Options{Tags: []string{"posts", "<i>"}}, "the contents")
	h := cache.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		revalidate.Tag(w, "posts")
		w.Header().Set("Cache-Control", "max-age=60")
		w.Header().Set("Cache-Groups", `"g"`)
		if r.URL.Path == "/varies" {
			w.Header().Set("Vary", "Accept, X-A")
		}
		fmt.Fprint(w, "the contents")
	}))
	ask{target: "http://example.com/page?a=1&b=2"}.do(h)
	ask{target: "https://example.com/varies", header: head("Accept", "text/html")}.do(h)
	ask{target: "http://example.com/a%2Fb"}.do(h)
	return cache
}

func TestInspection(t *testing.T) {
	cache := filled(t)
	i := newInspector(t, revalidate.InspectorConfig{Cache: cache, Access: func(*http.Request) error { return nil }, Logger: silent()})
	r := httptest.NewRequest("GET", "/cache", nil)
	r.Header.Set("Accept", "application/json")
	rec := httptest.NewRecorder()
	i.ServeHTTP(rec, r)
	var got revalidate.Inspection
	if err := json.Unmarshal(rec.Body.Bytes(), &got); err != nil || rec.Header().Get("Content-Type") != "application/json" {
		t.Fatal(err, rec.Header())
	}
	var lines []string
	for _, e := range got.Entries {
		lines = append(lines, fmt.Sprintf("%s %s %d %s %v %q", e.Key, e.Kind, e.Status, e.State, e.Tags, e.Variant))
	}
	want := []string{
		`<b>posts</b> data 0 fresh [posts <i>] ""`,
		`http://example.com/a%2Fb response 200 fresh [posts g] ""`,
		`http://example.com/page?a=1&b=2 response 200 fresh [posts g] ""`,
		`https://example.com/varies variants 0 fresh [] "Accept, X-A"`,
		`https://example.com/varies response 200 fresh [posts g] "text/html, -"`,
	}
	if strings.Join(lines, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(lines, "\n"), strings.Join(want, "\n"))
	}
	if fmt.Sprint(got.Tags) != "[{posts 4} {g 3} {<i> 1}]" || got.More || got.Metrics.Store.Entries != 5 {
		t.Errorf("%v, more %v, %+v", got.Tags, got.More, got.Metrics)
	}
	_ = cache.RevalidateTag(context.Background(), "<i>")
	rec = httptest.NewRecorder()
	i.ServeHTTP(rec, httptest.NewRequest("GET", "/cache", nil))
	page := rec.Body.String()
	for _, part := range []string{"&lt;b&gt;posts&lt;/b&gt;", "<td>stale</td>", "http://example.com/page?a=1&amp;b=2", `value="&lt;i&gt;"`} {
		if !strings.Contains(page, part) {
			t.Errorf("the page lacks %s", part)
		}
	}
	if strings.Contains(page, "the contents") || strings.Contains(page, "<b>posts") {
		t.Error("the page shows contents, or what is not escaped")
	}
	for name, value := range map[string]string{"Cache-Control": "no-store", "X-Frame-Options": "DENY", "Content-Type": "text/html; charset=utf-8"} {
		if rec.Header().Get(name) != value {
			t.Errorf("%s: %q", name, rec.Header().Get(name))
		}
	}
	rec = httptest.NewRecorder()
	i.ServeHTTP(rec, httptest.NewRequest("HEAD", "/cache", nil))
	if rec.Code != 200 || rec.Body.Len() != 0 {
		t.Errorf("HEAD: %d %s", rec.Code, rec.Body)
	}
	few := newInspector(t, revalidate.InspectorConfig{Cache: cache, Access: func(*http.Request) error { return nil }, MaxEntries: 2})
	if got := few.Inspect(context.Background()); len(got.Entries) != 2 || !got.More {
		t.Errorf("%d entries, more %v", len(got.Entries), got.More)
	}
	_ = cache.ExpireTag(context.Background(), "posts")
	for _, e := range i.Inspect(context.Background()).Entries {
		if want := map[bool]string{true: "fresh", false: "expired"}[e.Kind == "variants"]; e.State != want {
			t.Errorf("%s after ExpireTag: %s", e.Key, e.State)
		}
	}
	_ = cache.PurgeAll(context.Background())
	if got := i.Inspect(context.Background()); len(got.Entries) != 0 {
		t.Errorf("%v", got.Entries)
	}
}

func TestFormsOfTheInspector(t *testing.T) {
	for _, row := range []struct {
		name   string
		form   url.Values
		header http.Header
		status int
		fate   string
	}{
		{"expire a tag", url.Values{"tag": {"posts"}, "mode": {"fresh"}}, nil, 303, "fresh"},
		{"refresh a tag", url.Values{"tag": {"posts"}, "mode": {"stale"}}, nil, 303, "stale"},
		{"a path", url.Values{"path": {"/[[...all]]"}, "mode": {"fresh"}}, nil, 303, "kept"},
		{"purge", url.Values{"purge": {"all"}, "tag": {""}}, nil, 303, "fresh"},
		{"from the page itself", url.Values{"tag": {"posts"}, "mode": {"fresh"}}, head("Sec-Fetch-Site", "same-origin"), 303, "fresh"},
		{"from another site", url.Values{"tag": {"posts"}, "mode": {"fresh"}}, head("Sec-Fetch-Site", "cross-site"), 403, "kept"},
		{"from another origin", url.Values{"tag": {"posts"}, "mode": {"fresh"}}, head("Origin", "https://evil.example"), 403, "kept"},
		{"without the token of the page", url.Values{"tag": {"posts"}, "mode": {"fresh"}, "token": {"guess"}}, nil, 403, "kept"},
		{"nothing named", url.Values{"mode": {"fresh"}}, nil, 400, "kept"},
		{"a tag that breaks a rule", url.Values{"tag": {"a b"}}, nil, 400, "kept"},
		{"a form beyond bounds", url.Values{"tag": {"posts"}, "x": {strings.Repeat("x", 17<<10)}}, nil, 413, "kept"},
	} {
		cache, fate := tagged(t, "posts")
		i := newInspector(t, revalidate.InspectorConfig{Cache: cache, Access: func(*http.Request) error { return nil }, Logger: silent()})
		if row.form["token"] == nil {
			row.form.Set("token", i.Inspect(context.Background()).Token)
		}
		r := httptest.NewRequest("POST", "https://example.com/cache", strings.NewReader(row.form.Encode()))
		maps.Copy(r.Header, row.header)
		rec := httptest.NewRecorder()
		i.ServeHTTP(rec, r)
		if rec.Code != row.status || row.status == 303 && rec.Header().Get("Location") != "/cache" {
			t.Errorf("%s: %d, Location %q", row.name, rec.Code, rec.Header().Get("Location"))
		}
		if got := fate(); got != row.fate {
			t.Errorf("%s: the tagged value is %s, want %s", row.name, got, row.fate)
		}
	}
}

func TestTheInspectorIsClosedToOthers(t *testing.T) {
	cache, fate := tagged(t, "posts")
	i := newInspector(t, revalidate.InspectorConfig{Cache: cache, Access: func(*http.Request) error { return refused(401) }, Logger: silent()})
	form := url.Values{"tag": {"posts"}, "mode": {"fresh"}, "token": {i.Inspect(context.Background()).Token}}.Encode()
	for _, row := range []struct {
		method string
		status int
	}{{"GET", 401}, {"HEAD", 401}, {"POST", 401}, {"PUT", 405}, {"OPTIONS", 405}} {
		rec := httptest.NewRecorder()
		i.ServeHTTP(rec, httptest.NewRequest(row.method, "/cache", strings.NewReader(form)))
		if rec.Code != row.status || strings.Contains(rec.Body.String(), "posts") {
			t.Errorf("%s: %d %s", row.method, rec.Code, rec.Body)
		}
		if row.status == 405 && rec.Header().Get("Allow") != "GET, HEAD, POST" {
			t.Errorf("%s: Allow %q", row.method, rec.Header().Get("Allow"))
		}
	}
	if got := fate(); got != "kept" {
		t.Errorf("the tagged value is %s", got)
	}
	own := newInspector(t, revalidate.InspectorConfig{
		Cache: cache, Access: func(*http.Request) error { return refused(403) }, Logger: silent(),
		OnError: func(w http.ResponseWriter, _ *http.Request, err error) { http.Error(w, err.Error(), 404) },
	})
	rec := httptest.NewRecorder()
	own.ServeHTTP(rec, httptest.NewRequest("GET", "/cache", nil))
	if rec.Code != 404 {
		t.Errorf("OnError: %d", rec.Code)
	}
	_, err := revalidate.NewInspector(revalidate.InspectorConfig{MaxEntries: -1})
	var joined interface{ Unwrap() []error }
	if !errors.As(err, &joined) || len(joined.Unwrap()) != 3 {
		t.Errorf("got:\n%v", err)
	}
}
