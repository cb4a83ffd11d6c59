package proxy_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gatehouse-go/gatehouse/proxy"
)

// seen is what the wrapped handler tells of the request it got, in the body.
type seen struct {
	Path, RawPath, Query, URI, Host, URLHost string
	Header                                   http.Header
}

var echo = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Echo", "handler")
	writeJSON(w, seen{r.URL.Path, r.URL.RawPath, r.URL.RawQuery, r.RequestURI, r.Host, r.URL.Host, r.Header})
})

func writeJSON(w io.Writer, v any) {
	if err := json.NewEncoder(w).Encode(v); err != nil {
		panic(err) // the client is gone: hang up as well
	}
}

func newProxy(tb testing.TB, c proxy.Config) *proxy.Proxy {
	tb.Helper()
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	p, err := proxy.New(c)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := p.Close(context.Background()); err != nil {
			tb.Error(err)
		}
	})
	return p
}

// do sends one request through h; fields are "Name: value".
func do(h http.Handler, method, target string, fields ...string) *http.Response {
	r := httptest.NewRequest(method, target, nil)
	for _, f := range fields {
		name, value, _ := strings.Cut(f, ": ")
		r.Header.Add(name, value)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func body(tb testing.TB, res *http.Response) string {
	tb.Helper()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		tb.Fatal(err)
	}
	return string(b)
}

func sawBy(tb testing.TB, res *http.Response) seen {
	tb.Helper()
	var s seen
	if err := json.Unmarshal([]byte(body(tb, res)), &s); err != nil {
		tb.Fatalf("status %d: %v", res.StatusCode, err)
	}
	return s
}

func guardSecure(r *proxy.Request) proxy.Response {
	if r.Header.Get("Authorization") != "Bearer secret" {
		return proxy.JSON(http.StatusUnauthorized, map[string]any{"success": false})
	}
	return proxy.Next()
}

// Each row is a way round a guard that some proxy had, and what this one answers.
func TestGuardCannotBeWalkedAround(t *testing.T) {
	p := newProxy(t, proxy.Config{
		Matchers: []proxy.Matcher{{Source: "/secure/:path*"}, {Source: "/dot/(.*)"}, {Source: "/café/(.*)"}},
		Handle:   guardSecure,
		Rewrites: proxy.RewriteRules{Before: []proxy.RewriteRule{
			{Source: "/public/:path*", Destination: "/secure/:path*"},
			{Source: "/secure/:path*", Destination: "/echo/:path*"},
			{Source: "/q/:id", Destination: "/secure/:id"},
		}},
	})
	h := p.Wrap(echo)
	for _, row := range []struct {
		name, method, target string
		fields               []string
		status               int
	}{
		{"the guarded path itself", "GET", "/secure/x", nil, 401},
		{"its root", "GET", "/secure", nil, 401},
		{"with the credential it is served", "GET", "/secure/x", []string{"Authorization: Bearer secret"}, 200},
		{"another case than the rewrite rule takes (Next.js 16.4.6)", "GET", "/SECURE/x", nil, 401},
		{"an encoded letter", "GET", "/%73ecure/x", nil, 401},
		{"an encoded letter of another case", "GET", "/%53ECURE/x", nil, 401},
		{"an encoded slash (Echo CVE-2026-55677)", "GET", "/secure%2Fx", nil, 400},
		{"an encoded backslash", "GET", "/secure%5Cx", nil, 400},
		{"a dot segment", "GET", "/public/../secure/x", nil, 400},
		{"an encoded dot segment", "GET", "/public/%2e%2e/secure/x", nil, 400},
		{"a NUL", "GET", "/secure%00/x", nil, 400},
		{"raw UTF-8", "GET", "/secure/é", nil, 400},
		{"bytes that are no UTF-8", "GET", "/secure/%ff", nil, 400},
		{"an encoded question mark, at which a parameter ends", "GET", "/secure/a%3Fb", nil, 401},
		{"an encoded number sign", "GET", "/secure/a%23b", nil, 401},
		{"an encoded question mark and letters of another alphabet", "GET", "/secure/%C3%A9%3Fb/c", nil, 401},
		{"an encoded percent sign and question mark", "GET", "/secure/%2525%3Fb", nil, 401},
		{"a line separator, which a dot does not take", "GET", "/dot/a%E2%80%A8b", nil, 401},
		{"a line separator beside a literal beyond ASCII", "GET", "/caf%C3%A9/a%E2%80%A9b", nil, 401},
		{"a raw number sign", "GET", "/secure#/x", nil, 400},
		{"a double slash before", "GET", "//secure/x", nil, 308},
		{"a double slash within", "GET", "/secure//x", nil, 308},
		{"the control header of Next.js (CVE-2025-29927)", "GET", "/secure/x", []string{"X-Middleware-Subrequest: middleware:middleware:middleware:middleware:middleware"}, 401},
		{"a header that asks to go on", "GET", "/secure/x", []string{"X-Middleware-Next: 1"}, 401},
		{"a header that names another path", "GET", "/secure/x", []string{"X-Original-URL: /public", "X-Rewrite-URL: /public", "X-Matched-Path: /public"}, 401},
		{"a method header", "POST", "/secure/x", []string{"X-HTTP-Method-Override: GET"}, 401},
		{"HEAD", "HEAD", "/secure/x", nil, 401},
		{"a rewrite that leads to the guarded path", "GET", "/public/x", nil, 401},
		{"a parameter that leads to the guarded path", "GET", "/q/x", nil, 401},
		{"a query that overwrites the parameter (CVE-2026-44574)", "GET", "/q/x?id=..%2fpublic&path=public", nil, 401},
		{"the data of the page (CVE-2026-44575)", "GET", "/_next/data/BUILD/secure/x.json", nil, 401},
		{"the component form of the page (CVE-2026-45109)", "GET", "/secure/x.rsc", nil, 401},
		{"a segment of the page (CVE-2026-64642)", "GET", "/secure/x.segments/_tree.segment.rsc", nil, 401},
	} {
		if res := do(h, row.method, row.target, row.fields...); res.StatusCode != row.status {
			t.Errorf("%s: %s %s: got %d, want %d", row.name, row.method, row.target, res.StatusCode, row.status)
		}
	}
}

func TestPathIsRefusedBeforeAnyRule(t *testing.T) {
	asked := 0
	p := newProxy(t, proxy.Config{
		Handle:    func(*proxy.Request) proxy.Response { asked++; return proxy.Next() },
		Redirects: []proxy.RedirectRule{{Source: "/a/:path*", Destination: "/x"}},
	})
	res := do(p.Wrap(echo), "GET", "/a/b%2Fc")
	if res.StatusCode != 400 || asked != 0 || res.Header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("status %d, type %q, Handle called %d times", res.StatusCode, res.Header.Get("Content-Type"), asked)
	}
}

func TestCanonicalPath(t *testing.T) {
	for _, row := range []struct {
		name     string
		slash    proxy.TrailingSlash
		target   string
		location string // empty for a request that is served
	}{
		{"one slash between segments is served", proxy.TrailingSlashKeep, "/a/b", ""},
		{"a trailing slash is the handler's to judge", proxy.TrailingSlashKeep, "/a/", ""},
		{"two slashes become one", proxy.TrailingSlashKeep, "/a//b?c=d", "/a/b?c=d"},
		{"slashes at the front cannot become a host", proxy.TrailingSlashKeep, "//evil.example/a", "/evil.example/a"},
		{"many slashes become one", proxy.TrailingSlashKeep, "///a////b//", "/a/b/"},
		{"the encoding stays", proxy.TrailingSlashKeep, "/a//%C3%A9%20b", "/a/%C3%A9%20b"},
		{"a trailing slash is removed", proxy.TrailingSlashRemove, "/a/?b=c", "/a?b=c"},
		{"the root keeps its slash", proxy.TrailingSlashRemove, "/", ""},
		{"double slashes go first", proxy.TrailingSlashRemove, "/a//", "/a/"},
		{"a trailing slash is added", proxy.TrailingSlashAdd, "/a?b=c", "/a/?b=c"},
		{"but not to a file", proxy.TrailingSlashAdd, "/a.css", ""},
		{"a dot in a folder makes no file", proxy.TrailingSlashAdd, "/v1.2/a", "/v1.2/a/"},
		{"nor where it is", proxy.TrailingSlashAdd, "/a/", ""},
	} {
		res := do(newProxy(t, proxy.Config{TrailingSlash: row.slash}).Wrap(echo), "GET", row.target)
		status := 308
		if row.location == "" {
			status = 200
		}
		if got := res.Header.Get("Location"); got != row.location || res.StatusCode != status {
			t.Errorf("%s: %s: got %d %q, want %d %q", row.name, row.target, res.StatusCode, got, status, row.location)
		}
	}
}

func TestHostSteersNothing(t *testing.T) {
	p := newProxy(t, proxy.Config{
		TrailingSlash: proxy.TrailingSlashRemove,
		Redirects:     []proxy.RedirectRule{{Source: "/old/:slug", Destination: "/new/:slug"}},
		Matchers:      []proxy.Matcher{{Source: "/handled"}},
		Handle:        func(*proxy.Request) proxy.Response { return proxy.Redirect("/login", 303) },
	})
	h := p.Wrap(echo)
	for _, row := range []struct{ name, target, location string }{
		{"a rule", "http://evil.example/old/a", "/new/a"},
		{"a slash", "http://evil.example/a/", "/a"},
		{"Handle", "http://evil.example/handled", "/login"},
	} {
		r := httptest.NewRequest("GET", row.target, nil)
		r.Host = "evil.example"
		r.Header.Set("X-Forwarded-Host", "evil.example")
		r.Header.Set("X-Forwarded-Proto", "https")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if got := w.Header().Get("Location"); got != row.location {
			t.Errorf("%s: Location %q, want %q", row.name, got, row.location)
		}
	}
	if s := sawBy(t, do(h, "GET", "http://evil.example/a?b=c")); s.URLHost != "" || s.Path != "/a" || s.Query != "b=c" {
		t.Errorf("an absolute-form target reached the handler as %+v", s)
	}
}

func TestBaseURL(t *testing.T) {
	p := newProxy(t, proxy.Config{BaseURL: "https://www.example.com", Redirects: []proxy.RedirectRule{
		{Source: "/old", Destination: "/new", Permanent: true}, {Source: "/ext", Destination: "https://other.example/x"},
	}})
	h := p.Wrap(echo)
	if got := do(h, "GET", "/old").Header.Get("Location"); got != "https://www.example.com/new" {
		t.Errorf("got %q", got)
	}
	if got := do(h, "GET", "/ext").Header.Get("Location"); got != "https://other.example/x" {
		t.Errorf("got %q", got)
	}
}

func TestRedirectRules(t *testing.T) {
	p := newProxy(t, proxy.Config{
		RedirectHosts: []string{"*.shop.example"},
		Redirects: []proxy.RedirectRule{
			{Source: "/perm/:slug", Destination: "/new/:slug", Permanent: true},
			{Source: "/temp/:slug", Destination: "/new/:slug"},
			{Source: "/301/:path*", Destination: "/new/:path*", Status: 301},
			{Source: "/302/:path*", Destination: "/new/:path*", Status: 302},
			{Source: "/303/:path*", Destination: "/new/:path*", Status: 303},
			{Source: "/has", Has: []proxy.Condition{{Type: "header", Key: "x-go", Value: "(?<to>.*)"}}, Destination: "/new/:to"},
			{Source: "/missing", Missing: []proxy.Condition{{Type: "cookie", Key: "session"}}, Destination: "/login"},
			{Source: "/shop/:name/:path*", Destination: "https://:name.shop.example/:path*"},
			{Source: "/café", Destination: "/thé?à=1#ç"},
			{Source: "/first", Destination: "/a"},
			{Source: "/first", Destination: "/b"},
		},
	})
	h := p.Wrap(echo)
	for _, row := range []struct {
		name, target, field string
		status              int
		location            string
	}{
		{"permanent", "/perm/a", "", 308, "/new/a"},
		{"temporary", "/temp/a", "", 307, "/new/a"},
		{"301", "/301/a/b", "", 301, "/new/a/b"},
		{"302", "/302/a", "", 302, "/new/a"},
		{"303", "/303", "", 303, "/new"},
		{"the query goes along as it was written", "/temp/a?x=%20&y=%zz&z", "", 307, "/new/a?x=%20&y=%zz&z"},
		{"the client's encoding stays", "/temp/%61(%28)+%20%c3%a9", "", 307, "/new/%61(%28)+%20%c3%a9"},
		{"an encoded letter in the fixed part matches", "/%74emp/a%20b", "", 307, "/new/a%20b"},
		{"an encoded question mark stays one", "/temp/a%3Fb%23c", "", 307, "/new/a%3Fb%23c"},
		{"letters of either case match", "/TEMP/A", "", 307, "/new/A"},
		{"a condition gives a parameter", "/has", "X-Go: there", 307, "/new/there"},
		{"which cannot leave its segment", "/has", "X-Go: //evil.example/../?a#b", 307, "/new/%2F%2Fevil.example%2F..%2F%3Fa%23b"},
		{"a condition that does not hold", "/has", "", 200, ""},
		{"a missing cookie", "/missing", "", 307, "/login"},
		{"a cookie that is there", "/missing", "Cookie: session=1", 200, ""},
		{"an allowed host", "/shop/a/x", "", 307, "https://a.shop.example/x"},
		{"a host that is not one label", "/shop/evil.example/x", "", 400, ""},
		{"a destination beyond ASCII is escaped", "/caf%C3%A9", "", 307, "/th%C3%A9?%C3%A0=1#%C3%A7"},
		{"the first rule wins", "/first", "", 307, "/a"},
		{"no rule", "/other", "", 200, ""},
	} {
		var fields []string
		if row.field != "" {
			fields = append(fields, row.field)
		}
		res := do(h, "GET", row.target, fields...)
		if got := res.Header.Get("Location"); got != row.location || res.StatusCode != row.status {
			t.Errorf("%s: %s: got %d %q, want %d %q", row.name, row.target, res.StatusCode, got, row.status, row.location)
		}
	}
}

func TestHeaderRules(t *testing.T) {
	p := newProxy(t, proxy.Config{
		Headers: []proxy.HeaderRule{
			{Source: "/:path*", Headers: []proxy.HeaderField{{Key: "X-Echo", Value: "rule"}, {Key: "x-all", Value: "1"}}},
			{Source: "/h/:name", Headers: []proxy.HeaderField{{Key: "x-name", Value: "is :name"}, {Key: "x-all", Value: "2"}}},
			{Source: "/q", Has: []proxy.Condition{{Type: "query", Key: "v", Value: "(?<v>[\\s\\S]*)"}}, Headers: []proxy.HeaderField{{Key: "x-v", Value: ":v"}}},
		},
		Redirects: []proxy.RedirectRule{{Source: "/r", Destination: "/x"}},
	})
	h := p.Wrap(echo)
	cookies := newProxy(t, proxy.Config{Headers: []proxy.HeaderRule{{Source: "/c", Headers: []proxy.HeaderField{{Key: "set-cookie", Value: "rule=1"}}}}}).
		Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			http.SetCookie(w, &http.Cookie{Name: "handler", Value: "1"})
		}))
	if got := strings.Join(do(cookies, "GET", "/c").Header.Values("Set-Cookie"), ", "); got != "handler=1, rule=1" {
		t.Errorf("a rule's cookie beside the handler's: %q", got)
	}
	res := do(h, "GET", "/h/a%20b")
	for name, want := range map[string]string{"X-Echo": "rule", "X-All": "2", "X-Name": "is a%20b"} {
		if got := res.Header.Values(name); len(got) != 1 || got[0] != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	if got := do(h, "GET", "/r"); got.StatusCode != 307 || got.Header.Get("X-All") != "1" {
		t.Errorf("a redirect: %d %v", got.StatusCode, got.Header)
	}
	if got := do(h, "GET", "/q?v=a%0d%0aSet-Cookie:%20a=b"); got.Header.Get("Set-Cookie") != "" || strings.ContainsAny(got.Header.Get("X-V"), "\r\n") {
		t.Errorf("a line break got through: %d %v", got.StatusCode, got.Header)
	}
	silent := p.Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	if got := do(silent, "GET", "/x"); got.StatusCode != 200 || got.Header.Get("X-All") != "1" {
		t.Errorf("a handler that writes nothing: %d %v", got.StatusCode, got.Header)
	}
}

func TestRewriteRules(t *testing.T) {
	mux := http.NewServeMux()
	for _, pattern := range []string{"/echo/", "/fixed", "POST /post", "/blog/{slug}", "/{$}"} {
		mux.Handle(pattern, echo)
	}
	p := newProxy(t, proxy.Config{
		Routes: mux,
		Rewrites: proxy.RewriteRules{
			Before: []proxy.RewriteRule{
				{Source: "/b/:path*", Destination: "/echo/:path*"},
				{Source: "/merge/:a/:b", Destination: "/echo/:a?b=:b"},
				{Source: "/append/:a/:b", Destination: "/echo/q"},
				{Source: "/hdr", Has: []proxy.Condition{{Type: "header", Key: "x-to", Value: "(?<to>.*)"}}, Destination: "/echo/:to"},
				{Source: "/step1", Destination: "/step2"},
				{Source: "/step2", Destination: "/echo/done"},
			},
			After: []proxy.RewriteRule{
				{Source: "/fixed", Destination: "/echo/not-here"},
				{Source: "/blog/:slug", Destination: "/echo/after-:slug"},
				{Source: "/post", Destination: "/echo/not-here"},
				{Source: "/a1", Destination: "/fixed"},
				{Source: "/fixed", Destination: "/echo/not-here-either"},
				{Source: "/", Destination: "/echo/not-here"},
			},
			Fallback: []proxy.RewriteRule{
				{Source: "/echo/:x", Destination: "/fixed"},
				{Source: "/:path*", Destination: "/echo/fallback"},
			},
		},
	})
	h := p.Wrap(mux)
	for _, row := range []struct{ name, target, path, query string }{
		{"before", "/b/x/y?q=1", "/echo/x/y", "q=1"},
		{"the encoding reaches the handler as the client wrote it", "/b/%61%20(%28", "/echo/a ((", ""},
		{"a parameter in the query", "/merge/1/2?c=3", "/echo/1", "c=3&b=2"},
		{"the destination's query wins over the client's (CVE-2026-44574)", "/merge/1/2?b=evil", "/echo/1", "b=2"},
		{"parameters that the destination does not use go into the query", "/append/1/2", "/echo/q", "a=1&b=2"},
		{"rules follow one another", "/step1", "/echo/done", ""},
		{"a fixed route wins over after", "/fixed", "/fixed", ""},
		{"the root is a fixed route", "/", "/", ""},
		{"a route with a wildcard does not", "/blog/a", "/echo/after-a", ""},
		{"after ends at a fixed route", "/a1", "/fixed", ""},
		{"any route wins over fallback", "/echo/x", "/echo/x", ""},
		{"fallback", "/none", "/echo/fallback", "path=none"},
	} {
		res := do(h, "GET", row.target)
		if res.StatusCode != 200 {
			t.Errorf("%s: status %d", row.name, res.StatusCode)
			continue
		}
		s := sawBy(t, res)
		if s.Path != row.path || s.Query != row.query || s.URI != row.target {
			t.Errorf("%s: got %q ? %q (URI %q), want %q ? %q", row.name, s.Path, s.Query, s.URI, row.path, row.query)
		}
	}
	if res := do(h, "GET", "/post"); res.StatusCode != 405 {
		t.Errorf("a fixed route for another method wins too: %d", res.StatusCode)
	}
	if res := do(h, "GET", "/hdr", "X-To: ../../fixed"); res.StatusCode != 400 {
		t.Errorf("a condition's value must not leave its segment: %d", res.StatusCode)
	}
	if s := sawBy(t, do(h, "GET", "/hdr", "X-To: a?b")); s.Path != "/echo/a?b" || s.Query != "" {
		t.Errorf("a condition's value is escaped: %+v", s)
	}
}

func TestBasePath(t *testing.T) {
	p := newProxy(t, proxy.Config{
		BasePath: "/docs",
		Matchers: []proxy.Matcher{{Source: "/api/:path*"}, {Source: "/bare", NoBasePath: true}},
		Handle:   func(*proxy.Request) proxy.Response { return proxy.Respond(418, "", nil) },
		Redirects: []proxy.RedirectRule{
			{Source: "/", Destination: "/home"},
			{Source: "/old", Destination: "/new"},
			{Source: "/outside", Destination: "/docs", NoBasePath: true},
		},
		Rewrites: proxy.RewriteRules{Before: []proxy.RewriteRule{{Source: "/r/:x", Destination: "/echo/:x"}}},
	})
	h := p.Wrap(echo)
	for target, want := range map[string]string{"/docs/old": "/docs/new", "/docs": "/docs/home", "/outside": "/docs", "/old": "", "/docs/outside": ""} {
		if got := do(h, "GET", target).Header.Get("Location"); got != want {
			t.Errorf("%s: got %q, want %q", target, got, want)
		}
	}
	for target, want := range map[string]int{"/docs/api/x": 418, "/api/x": 200, "/bare": 418, "/docs/bare": 200} {
		if got := do(h, "GET", target).StatusCode; got != want {
			t.Errorf("%s: got %d, want %d", target, got, want)
		}
	}
	if s := sawBy(t, do(h, "GET", "/docs/r/a")); s.Path != "/docs/echo/a" {
		t.Errorf("got %q", s.Path)
	}
}

func TestCaseSensitive(t *testing.T) {
	p := newProxy(t, proxy.Config{
		CaseSensitive: true,
		Matchers:      []proxy.Matcher{{Source: "/secure/:path*"}},
		Handle:        guardSecure,
		Redirects:     []proxy.RedirectRule{{Source: "/old", Destination: "/new"}},
		Rewrites:      proxy.RewriteRules{Before: []proxy.RewriteRule{{Source: "/secure/:path*", Destination: "/echo/:path*"}}},
	})
	h := p.Wrap(echo)
	if res := do(h, "GET", "/secure/x"); res.StatusCode != 401 {
		t.Errorf("got %d", res.StatusCode)
	}
	if s := sawBy(t, do(h, "GET", "/SECURE/x")); s.Path != "/SECURE/x" {
		t.Errorf("neither guard nor rewrite take it, but it became %q", s.Path)
	}
	if res := do(h, "GET", "/OLD"); res.StatusCode != 200 {
		t.Errorf("got %d", res.StatusCode)
	}
}

func TestDropRequestHeaders(t *testing.T) {
	p := newProxy(t, proxy.Config{DropRequestHeaders: []string{"x-matched-path"}})
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("X-Matched-Path", "/a")
	r.Header.Set("X-Kept", "1")
	w := httptest.NewRecorder()
	p.Wrap(echo).ServeHTTP(w, r)
	s := sawBy(t, w.Result())
	if s.Header.Get("X-Matched-Path") != "" || s.Header.Get("X-Kept") != "1" {
		t.Errorf("got %v", s.Header)
	}
	if r.Header.Get("X-Matched-Path") == "" {
		t.Error("the caller's request was changed")
	}
}

func TestServerWideOptions(t *testing.T) {
	r := httptest.NewRequest("OPTIONS", "*", nil)
	w := httptest.NewRecorder()
	newProxy(t, proxy.Config{Handle: func(*proxy.Request) proxy.Response { return proxy.Redirect("/x", 307) }}).Wrap(echo).ServeHTTP(w, r)
	if w.Code != 200 {
		t.Errorf("got %d", w.Code)
	}
	r.Method = "GET"
	w = httptest.NewRecorder()
	newProxy(t, proxy.Config{}).Wrap(echo).ServeHTTP(w, r)
	if w.Code != 400 {
		t.Errorf("another method than OPTIONS got past the rules: %d", w.Code)
	}
}

func TestSetRules(t *testing.T) {
	p := newProxy(t, proxy.Config{Redirects: []proxy.RedirectRule{{Source: "/a", Destination: "/b"}}})
	h := p.Wrap(echo)
	if err := p.SetRules(proxy.Rules{Redirects: []proxy.RedirectRule{{Source: "/a", Destination: "/:no"}}}); err == nil {
		t.Error("a destination with an unknown parameter was taken")
	}
	if got := do(h, "GET", "/a").Header.Get("Location"); got != "/b" {
		t.Errorf("after a refused set: %q", got)
	}
	if err := p.SetRules(proxy.Rules{Redirects: []proxy.RedirectRule{{Source: "/a", Destination: "/c"}}}); err != nil {
		t.Fatal(err)
	}
	if got := do(h, "GET", "/a").Header.Get("Location"); got != "/c" {
		t.Errorf("after the new set: %q", got)
	}
}

func TestOnError(t *testing.T) {
	var got error
	p := newProxy(t, proxy.Config{
		OnError: func(w http.ResponseWriter, _ *http.Request, err error) { got = err; w.WriteHeader(499) },
		Handle:  func(*proxy.Request) proxy.Response { panic("boom") },
	})
	if res := do(p.Wrap(echo), "GET", "/"); res.StatusCode != 499 || !errors.Is(got, proxy.ErrHandle) {
		t.Errorf("got %d, %v", res.StatusCode, got)
	}
}
