package proxy_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"path"
	"strings"
	"testing"

	"github.com/gatehouse-go/gatehouse/proxy"
)

// parsed reads a request target as net/http does, or returns nil.
func parsed(method, target string) *http.Request {
	u, err := url.ParseRequestURI(target)
	if err != nil || strings.ContainsAny(target, " \x00\r\n") {
		return nil
	}
	r := httptest.NewRequest("GET", "/", nil)
	r.Method, r.URL, r.RequestURI = method, u, target
	return r
}

// No request reaches a handler behind a guard unless the guard was asked about it, whatever its path looks like and whatever
// rewrites lead there.
func FuzzGuard(f *testing.F) {
	for _, target := range []string{
		"/secure", "/secure/x", "/SECURE/x", "/%73ecure/x", "/secure%2Fx", "/secure/a%3Fb", "/secure/%E2%80%A8", "/secure/", "//secure/x", "/./secure/x", "/x/../secure/y",
		"/open/secure/x", "/open/%73ecure/x", "/to/x", "/to/a%3Fb", "/sub/a", "/sub/", "http://h/secure/x", "/secure/x;y", "/secure/%252F", "/secure/%C3%A9%23", "/q?to=../secure/x", "/_next/data/b/secure/x.json",
		"/deep/a/b/c", "/deep/%25%3F", "/dots/a.b", "/secure/%EF%BC%8F", "/\u017fecure",
	} {
		f.Add(target)
	}
	asked := ""
	p, err := proxy.New(proxy.Config{
		Matchers: []proxy.Matcher{{Source: "/secure/:path*"}, {Source: "/sub/(.*)"}, {Source: "/deep/:a/:rest(.*)"}, {Source: "/dots/:name"}},
		Handle: func(r *proxy.Request) proxy.Response {
			asked = r.URL.Path
			return proxy.Next()
		},
		Rewrites: proxy.RewriteRules{Before: []proxy.RewriteRule{
			{Source: "/open/:path*", Destination: "/:path*"},
			{Source: "/to/:path*", Destination: "/secure/:path*"},
			{Source: "/q", Has: []proxy.Condition{{Type: "query", Key: "to"}}, Destination: "/sub/:to"},
		}},
	})
	if err != nil {
		f.Fatal(err)
	}
	reached := ""
	guarded := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { reached = r.URL.Path })
	mux := http.NewServeMux()
	for _, pattern := range []string{"/secure", "/secure/{rest...}", "/sub/", "/deep/{a}/{rest...}", "/dots/{name}"} {
		mux.Handle(pattern, guarded)
	}
	h := p.Wrap(mux)
	f.Fuzz(func(t *testing.T, target string) {
		r := parsed("GET", target)
		if r == nil {
			return
		}
		asked, reached = "", ""
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if reached != "" && asked != reached {
			t.Fatalf("%q reached the handler as %q; the guard was asked about %q", target, reached, asked)
		}
	})
}

// A redirect by a rule stays on this server, whatever its parameters.
func FuzzLocation(f *testing.F) {
	for _, seed := range []struct{ target, header string }{
		{"/old/a", ""},
		{"/old/%2F%2Fevil.example", ""},
		{"/old//evil.example", ""},
		{"/old/a?x=1&y", ""},
		{"/cond", "//evil.example"},
		{"/cond", `\evil.example`},
		{"/cond", "a\r\nSet-Cookie: b=c"},
		{"/cond", "../../x"},
		{"/slash/", ""},
		{"//evil.example/", ""},
		{"/%5Cevil.example/", ""},
		{"/old/:slug", ""},
	} {
		f.Add(seed.target, seed.header)
	}
	p, err := proxy.New(proxy.Config{
		TrailingSlash: proxy.TrailingSlashRemove,
		Redirects: []proxy.RedirectRule{
			{Source: "/old/:path*", Destination: "/:path*?from=:path*"},
			{Source: "/cond", Has: []proxy.Condition{{Type: "header", Key: "x-to", Value: "(?<to>[\\s\\S]*)"}}, Destination: "/:to"},
		},
	})
	if err != nil {
		f.Fatal(err)
	}
	h := p.Wrap(http.NotFoundHandler())
	base, _ := url.Parse("http://own.example/")
	f.Fuzz(func(t *testing.T, target, header string) {
		r := parsed("GET", target)
		if r == nil {
			return
		}
		r.Host = "evil.example"
		r.Header["X-To"] = []string{header}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		location := w.Header().Get("Location")
		if location == "" {
			return
		}
		to, err := base.Parse(location)
		if err != nil || to.Host != "own.example" || location[0] != '/' || strings.HasPrefix(location, "//") || strings.ContainsFunc(location, func(c rune) bool { return c <= ' ' || c >= 0x7f || c == '\\' }) {
			t.Fatalf("%q with %q: Location %q", target, header, location)
		}
	})
}

// The path that a rule makes canonical is canonical, or gets there in a second step, and names the same resource.
func FuzzCanonical(f *testing.F) {
	for _, target := range []string{"/", "//", "/a//b/", "/a/", "/a%20//b", "/a?b=//", "/a.css", "/a.b/c"} {
		f.Add(target, true)
		f.Add(target, false)
	}
	handlers := map[bool]http.Handler{}
	for add, slash := range map[bool]proxy.TrailingSlash{true: proxy.TrailingSlashAdd, false: proxy.TrailingSlashRemove} {
		p, err := proxy.New(proxy.Config{TrailingSlash: slash})
		if err != nil {
			f.Fatal(err)
		}
		handlers[add] = p.Wrap(http.NotFoundHandler())
	}
	f.Fuzz(func(t *testing.T, target string, add bool) {
		want := ""
		for step := range 4 {
			r := parsed("GET", target)
			if r == nil {
				return
			}
			if clean := path.Clean(r.URL.Path); want == "" {
				want = clean
			} else if clean != want {
				t.Fatalf("%q is %q, not %q", target, clean, want)
			}
			w := httptest.NewRecorder()
			handlers[add].ServeHTTP(w, r)
			if w.Code != http.StatusPermanentRedirect {
				return
			}
			if step == 3 {
				t.Fatalf("no end at %q", target)
			}
			target = w.Header().Get("Location")
		}
	})
}
