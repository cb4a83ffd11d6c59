package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"regexp"
	"strings"

	"github.com/dlclark/regexp2"
	"github.com/dunglas/go-urlpattern"
	"github.com/gatehouse-go/gatehouse/proxy"
	"github.com/go-chi/chi/v5"
	pathtoregexp "github.com/soongo/path-to-regexp"

	"github.com/gatehouse-go/gatehouse/benchmarks/internal/measure"
)

// proxyCases measure the rules of a proxy and the forwarding of a request.
func proxyCases(_ string) []measure.Case {
	return []measure.Case{
		rulesCase("100 rules, the last matches", "/section99/a", true, 100),
		rulesCase("100 rules, none matches", "/about/us", false, 50),
		forwardCase(),
	}
}

// rulesCase asks 100 rules about a path. Ours does all that it does for a request: it checks the path, asks the rules and calls
// the next handler; a condition keeps the last rule from rewriting. The others only look the path up.
func rulesCase(name, path string, found bool, bar float64) measure.Case {
	const count = 100
	source := func(i int) string { return fmt.Sprintf("/section%d/:slug", i) }
	request := httptest.NewRequestWithContext(context.Background(), http.MethodGet, path, nil)
	nothing := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})

	config := proxy.Config{}
	mux, router := http.NewServeMux(), chi.NewRouter()
	var std []*regexp.Regexp
	var backtracking []*regexp2.Regexp
	var soongo []func(string) (*pathtoregexp.MatchResult, error)
	var patterns []*urlpattern.URLPattern
	for i := range count {
		config.Rewrites.Before = append(config.Rewrites.Before, proxy.RewriteRule{
			Source: source(i), Destination: "/x", Has: []proxy.Condition{{Type: "header", Key: "x-never"}},
		})
		mux.Handle(strings.Replace(source(i), ":slug", "{slug}", 1), nothing)
		router.Handle(strings.Replace(source(i), ":slug", "{slug}", 1), nothing)
		expression := fmt.Sprintf(`^/section%d/([^/]+?)/?$`, i)
		std = append(std, regexp.MustCompile(expression))
		backtracking = append(backtracking, regexp2.MustCompile(expression, regexp2.None))
		soongo = append(soongo, pathtoregexp.MustMatch(source(i), nil))
		pattern, err := urlpattern.New(source(i), "http://example.com", nil)
		must(err)
		patterns = append(patterns, pattern)
	}
	p, err := proxy.New(config)
	must(err)
	ours := p.Wrap(nothing)

	// first looks for the first of the rules that matches, one after the other.
	first := func(match func(i int) bool) func(int) {
		return func(n int) {
			for range n {
				at := 0
				for at < count && !match(at) {
					at++
				}
				if (at < count) != found {
					panic("wrong outcome")
				}
			}
		}
	}
	return measure.Case{
		Name: name,
		Bars: []measure.Bar{{Quantity: measure.Nanoseconds, AtMost: bar}, {Quantity: measure.Allocs, AtMost: 0}},
		Contenders: []measure.Contender{
			{Name: "gatehouse Proxy", Kind: measure.Ours, Do: func(n int) {
				for range n {
					ours.ServeHTTP(nil, request)
				}
			}},
			{Name: "http.ServeMux", Kind: measure.Peer, Do: func(n int) {
				for range n {
					if _, pattern := mux.Handler(request); (pattern != "") != found {
						panic("wrong outcome")
					}
				}
			}},
			{Name: "chi", Kind: measure.Peer, Do: func(n int) {
				route := chi.NewRouteContext()
				for range n {
					route.Reset()
					if router.Match(route, http.MethodGet, path) != found {
						panic("wrong outcome")
					}
				}
			}},
			{Name: "regexp", Kind: measure.Peer, Do: first(func(i int) bool { return std[i].MatchString(path) })},
			{Name: "regexp2", Kind: measure.Peer, Do: first(func(i int) bool {
				ok, err := backtracking[i].MatchString(path)
				must(err)
				return ok
			})},
			{Name: "soongo/path-to-regexp", Kind: measure.Peer, Do: first(func(i int) bool {
				result, err := soongo[i](path)
				must(err)
				return result != nil
			})},
			{Name: "go-urlpattern", Kind: measure.Peer, Do: first(func(i int) bool { return patterns[i].Test("http://example.com"+path, "") })},
		},
	}
}

// forwardCase forwards a small request to a server on the loopback.
func forwardCase() measure.Case {
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") }))
	target, err := url.Parse(upstream.URL)
	must(err)
	plain := &httputil.ReverseProxy{
		Transport: &http.Transport{MaxIdleConnsPerHost: 128, DisableCompression: true},
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.SetXForwarded()
		},
		ErrorLog: log.New(io.Discard, "", 0),
	}
	p, err := proxy.New(proxy.Config{
		Upstreams: map[string]proxy.Upstream{"up": {Targets: []string{upstream.URL}}},
		Rewrites:  proxy.RewriteRules{Before: []proxy.RewriteRule{{Source: "/:path*", Destination: "http://up/:path*"}}},
	})
	must(err)
	through := func(h http.Handler) func(int) {
		return func(n int) {
			for range n {
				r := httptest.NewRequestWithContext(context.Background(), http.MethodGet, "/a/b?c=d", nil)
				w := httptest.NewRecorder()
				if h.ServeHTTP(w, r); w.Code != http.StatusOK {
					panic(w.Code)
				}
			}
		}
	}
	return measure.Case{
		Name: "forwarding of a request to a server on the loopback",
		Bars: []measure.Bar{{Quantity: measure.TimesPeer, AtMost: 1.05}, {Quantity: measure.ExtraBytes, AtMost: -30_000}},
		Contenders: []measure.Contender{
			{Name: "gatehouse Proxy", Kind: measure.Ours, Do: through(p.Wrap(http.NotFoundHandler()))},
			{Name: "httputil.ReverseProxy", Kind: measure.Peer, Do: through(plain)},
		},
	}
}
