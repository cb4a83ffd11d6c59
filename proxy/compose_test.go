package proxy_test

import (
	"fmt"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/justinas/alice"

	"github.com/gatehouse-go/gatehouse/proxy"
)

func TestProxiesComposeInAChain(t *testing.T) {
	outer := newProxy(t, proxy.Config{
		Matchers: []proxy.Matcher{{Source: "/api/:path*"}},
		Handle: func(*proxy.Request) proxy.Response {
			return proxy.Next().WithValue(userKey{}, "ann").SetHeader("X-A", "outer")
		},
		Rewrites: proxy.RewriteRules{Before: []proxy.RewriteRule{{Source: "/api/:path*", Destination: "/v1/:path*"}}},
	})
	inner := newProxy(t, proxy.Config{
		Matchers: []proxy.Matcher{{Source: "/v1/:path*"}},
		Handle: func(r *proxy.Request) proxy.Response {
			if r.Context().Value(userKey{}) != "ann" {
				t.Error("the value of the outer proxy is gone")
			}
			if r.Rewrites() != 0 {
				t.Error("each proxy counts its own rewrites")
			}
			return proxy.Next().SetHeader("X-A", "inner").SetHeader("X-B", "inner")
		},
		Rewrites: proxy.RewriteRules{Before: []proxy.RewriteRule{{Source: "/v1/:path*", Destination: "/echo/:path*"}}},
	})
	h := alice.New(outer.Wrap, inner.Wrap).Then(echo)
	res := do(h, "GET", "/api/x")
	if res.Header.Get("X-A") != "outer" || res.Header.Get("X-B") != "inner" {
		t.Errorf("got %v", res.Header)
	}
	if s := sawBy(t, res); s.Path != "/echo/x" || s.URI != "/api/x" {
		t.Errorf("got %+v", s)
	}
}

// A middleware that parsed the form must not make the handler see the query from before a rewrite.
func TestRewriteReplacesAFormThatWasParsed(t *testing.T) {
	p := newProxy(t, proxy.Config{Rewrites: proxy.RewriteRules{Before: []proxy.RewriteRule{{Source: "/u/:id", Destination: "/user?id=:id"}}}})
	got := ""
	h := p.Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r.FormValue("id") + " " + r.FormValue("body") }))
	r := httptest.NewRequest("POST", "/u/7?id=evil", strings.NewReader("body=kept"))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if err := r.ParseForm(); err != nil {
		t.Fatal(err)
	}
	h.ServeHTTP(httptest.NewRecorder(), r)
	if got != "7 kept" || r.Form.Get("id") != "evil" {
		t.Errorf("the handler saw %q, the caller's form is %v", got, r.Form)
	}
}

// A document of rules, as next.config would print it, goes into a running Proxy.
// net/http removes a form's files by the request that it made, and what logs around a Proxy reads the pattern there.
func TestWhatTheHandlerLeftIsHandedBack(t *testing.T) {
	for name, c := range map[string]proxy.Config{
		"unchanged": {},
		"rewritten": {Rewrites: proxy.RewriteRules{Before: []proxy.RewriteRule{{Source: "/a", Destination: "/b"}}}},
		"with a value": {
			Matchers: []proxy.Matcher{{Source: "/:path*"}},
			Handle:   func(*proxy.Request) proxy.Response { return proxy.Next().WithValue(userKey{}, "ann") },
		},
		"without a field": {DropRequestHeaders: []string{"X-Secret"}},
	} {
		form := &multipart.Form{}
		r := httptest.NewRequest("POST", "http://example.com/a", nil)
		r.Header.Set("X-Secret", "s")
		newProxy(t, c).Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			r.Pattern, r.MultipartForm = "POST /a", form
		})).ServeHTTP(httptest.NewRecorder(), r)
		if r.Pattern != "POST /a" || r.MultipartForm != form {
			t.Errorf("%s: %q, %v", name, r.Pattern, r.MultipartForm)
		}
	}
}

// Handle may keep its request: what a later one of its answers changes is no concern of it.
func TestTheRequestOfHandleStaysAsItWas(t *testing.T) {
	var kept []*http.Request
	p := newProxy(t, proxy.Config{
		Matchers: []proxy.Matcher{{Source: "/:path*"}},
		Handle: func(r *proxy.Request) proxy.Response {
			kept = append(kept, r.Request)
			if n := r.Rewrites(); n < 2 {
				return proxy.Rewrite(fmt.Sprintf("/%d", n+1)).WithValue(userKey{}, n)
			}
			return proxy.Next()
		},
	})
	p.Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { kept = append(kept, r) })).
		ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "http://example.com/0", nil))
	for i, want := range []string{"/0 <nil>", "/1 0", "/2 1", "/2 1"} {
		if got := fmt.Sprint(kept[i].URL.Path, " ", kept[i].Context().Value(userKey{})); got != want {
			t.Errorf("%d: %s, want %s", i, got, want)
		}
	}
}

func TestLoadedRulesAreServed(t *testing.T) {
	rules, err := proxy.LoadRules(strings.NewReader(`{
		"redirects": [{"source": "/old/:slug", "destination": "/new/:slug", "permanent": true}],
		"rewrites": {"beforeFiles": [{"source": "/r/:a", "destination": "/echo/:a"}]},
		"headers": [{"source": "/:path*", "headers": [{"key": "x-a", "value": "b"}]}]
	}`))
	if err != nil {
		t.Fatal(err)
	}
	p := newProxy(t, proxy.Config{})
	if err := p.SetRules(rules); err != nil {
		t.Fatal(err)
	}
	h := p.Wrap(echo)
	if res := do(h, "GET", "/old/a"); res.StatusCode != 308 || res.Header.Get("Location") != "/new/a" || res.Header.Get("X-A") != "b" {
		t.Errorf("got %d %v", res.StatusCode, res.Header)
	}
	if s := sawBy(t, do(h, "GET", "/r/a")); s.Path != "/echo/a" {
		t.Errorf("got %q", s.Path)
	}
}

func TestSetRulesWhileServing(t *testing.T) {
	rules := func(to string) proxy.Rules {
		return proxy.Rules{
			Redirects: []proxy.RedirectRule{{Source: "/a", Destination: "/" + to}},
			Headers:   []proxy.HeaderRule{{Source: "/a", Headers: []proxy.HeaderField{{Key: "X-Rules", Value: to}}}},
		}
	}
	p := newProxy(t, proxy.Config{})
	if err := p.SetRules(rules("one")); err != nil {
		t.Fatal(err)
	}
	h := p.Wrap(echo)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 200 {
				res := do(h, "GET", "/a")
				if res.Header.Get("Location") != "/"+res.Header.Get("X-Rules") {
					t.Errorf("a request saw two sets: %v", res.Header)
				}
			}
		})
	}
	for i := range 200 {
		if err := p.SetRules(rules([]string{"one", "two"}[i%2])); err != nil {
			t.Fatal(err)
		}
	}
	wg.Wait()
}

func TestFallbackAnswersAndAfterFallsThrough(t *testing.T) {
	mux := http.NewServeMux()
	mux.Handle("/echo/", echo)
	p := newProxy(t, proxy.Config{
		Routes:    mux,
		Upstreams: map[string]proxy.Upstream{"legacy": {Targets: []string{serve(t, tell).URL}}},
		Matchers:  []proxy.Matcher{{Source: "/closed/:path*"}},
		Handle:    func(*proxy.Request) proxy.Response { return proxy.Respond(403, "", nil) },
		Rewrites: proxy.RewriteRules{
			Before:   []proxy.RewriteRule{{Source: "/before/:path*", Destination: "/closed/:path*"}},
			After:    []proxy.RewriteRule{{Source: "/after/:path*", Destination: "/closed/:path*"}, {Source: "/none", Destination: "/still-none"}},
			Fallback: []proxy.RewriteRule{{Source: "/fallback", Destination: "/closed"}, {Source: "/:path*", Destination: "http://legacy/:path*"}},
		},
	})
	h := p.Wrap(mux)
	for target, want := range map[string]int{"/before/x": 403, "/after/x": 403, "/fallback": 403, "/echo/x": 200} {
		if res := do(h, "GET", target); res.StatusCode != want {
			t.Errorf("%s: got %d, want %d", target, res.StatusCode, want)
		}
	}
	for target, want := range map[string]string{"/legacy/a": "/legacy/a", "/none": "/still-none"} {
		if got := told(t, do(h, "GET", target)).URI; got != want {
			t.Errorf("%s: got %q, want %q", target, got, want)
		}
	}
}

func TestForwardedForOfOtherPeers(t *testing.T) {
	p := newProxy(t, proxy.Config{
		Upstreams: map[string]proxy.Upstream{"up": {Targets: []string{serve(t, tell).URL}}},
		Rewrites:  proxy.RewriteRules{Before: []proxy.RewriteRule{{Source: "/:p*", Destination: "http://up/"}}},
	})
	for _, row := range []struct{ name, remote, host, want string }{
		{"IPv6", "[2001:db8::1]:1234", "h.example", `for="[2001:db8::1]";host="h.example";proto=http`},
		{"a Unix socket", "@", "h.example", `for=unknown;host="h.example";proto=http`},
		{"a host that cannot be quoted", "192.0.2.1:1", `a"b`, "for=192.0.2.1;proto=http"},
	} {
		r := httptest.NewRequest("GET", "/a", nil)
		r.RemoteAddr, r.Host = row.remote, row.host
		w := httptest.NewRecorder()
		p.Wrap(echo).ServeHTTP(w, r)
		if got := told(t, w.Result()).Header.Get("Forwarded"); got != row.want {
			t.Errorf("%s: got %q, want %q", row.name, got, row.want)
		}
	}
}

func TestEncodingOfTheClientIsKeptOrWrittenAnew(t *testing.T) {
	p := newProxy(t, proxy.Config{Redirects: []proxy.RedirectRule{
		{Source: "/one/:a", Destination: "/to/:a"},
		{Source: "/list/:a+", Destination: "/to/:a+"},
		{Source: "/exact/:a(é|x)", Destination: "/to/:a"},
		{Source: "/q/:a", Has: []proxy.Condition{{Type: "query", Key: "b", Value: "(?<b>.*)"}}, Destination: "/to/:a/:b"},
	}})
	h := p.Wrap(echo)
	for target, want := range map[string]string{
		"/one/%41%20":           "/to/%41%20",
		"/%6fne/%41%20":         "/to/A%20",
		"/list/%41/b%2Cc":       "/to/%41/b%2Cc",
		"/lis%74/%41/b%2Cc/(d)": "/to/A/b,c/(d)",
		"/exact/%C3%A9":         "/to/%C3%A9", // the pattern takes the decoded form only
		"/q/%41?b=/x%20y":       "/to/%41/%2Fx%20y?b=/x%20y",
		"/%71/%41?b=../y":       "/to/A/..%2Fy?b=../y",
	} {
		if got := do(h, "GET", target).Header.Get("Location"); got != want {
			t.Errorf("%s: got %q, want %q", target, got, want)
		}
	}
}

func TestLongAndOtherFirstSegmentsAreFoundByTheIndex(t *testing.T) {
	long := strings.Repeat("x", 60)
	p := newProxy(t, proxy.Config{
		Matchers: []proxy.Matcher{{Source: "/" + long + "/:a"}, {Source: "/api/:a"}, {Source: "/:any/deep"}, {Source: "/a.b/:c"}},
		Handle:   func(r *proxy.Request) proxy.Response { return proxy.Respond(200, "", []byte(r.Source)) },
	})
	h := p.Wrap(http.NotFoundHandler())
	for target, want := range map[string]string{
		"/" + long + "/a": "/" + long + "/:a", "/" + strings.ToUpper(long) + "/a": "/" + long + "/:a",
		"/API/a": "/api/:a", "/api.json": "", "/api/deep": "/api/:a", "/other/deep": "/:any/deep", "/a.b/c": "/a.b/:c",
		"/_next/data/B/api/a.json": "/api/:a", "/_NEXT/data/B/api/a.json": "/api/:a", "/": "",
	} {
		res := do(h, "GET", target)
		if got := body(t, res); want == "" && res.StatusCode != 404 || want != "" && got != want {
			t.Errorf("%s: got %d %q, want %q", target, res.StatusCode, got, want)
		}
	}
}

func TestHeaderRuleParameters(t *testing.T) {
	if _, err := proxy.New(proxy.Config{Headers: []proxy.HeaderRule{{Source: "/:p*", Headers: []proxy.HeaderField{{Key: "x-:p", Value: "a"}}}}}); err == nil {
		t.Error("a list in the name of a header was taken")
	}
	if _, err := proxy.New(proxy.Config{Headers: []proxy.HeaderRule{{Source: "/:p*", Headers: []proxy.HeaderField{{Key: "x-p", Value: "a-:p"}}}}}); err == nil {
		t.Error("a list in one place of a header's value was taken")
	}
	p := newProxy(t, proxy.Config{Headers: []proxy.HeaderRule{{Source: "/:name/:value", Headers: []proxy.HeaderField{{Key: "x-:name", Value: ":value"}}}}})
	h := p.Wrap(echo)
	if got := do(h, "GET", "/a/b").Header.Get("X-A"); got != "b" {
		t.Errorf("got %q", got)
	}
	if res := do(h, "GET", "/a%20b/c"); res.StatusCode != 200 || res.Header.Get("x-a%20b") != "c" {
		t.Errorf("an escaped name: %d %v", res.StatusCode, res.Header)
	}
	if res := do(h, "GET", "/a(b)/c"); res.StatusCode != 400 {
		t.Errorf("a name that is no token: %d", res.StatusCode)
	}
}
