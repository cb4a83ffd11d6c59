package proxy_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/gatehouse-go/gatehouse/proxy"
)

// A request that no rule is about costs no memory.
func TestPassingOnDoesNotAllocate(t *testing.T) {
	p := newProxy(t, proxy.Config{
		Matchers:  []proxy.Matcher{{Source: "/api/:function*"}},
		Handle:    func(*proxy.Request) proxy.Response { return proxy.Next() },
		Redirects: []proxy.RedirectRule{{Source: "/old/:slug", Destination: "/new/:slug"}},
		Headers:   []proxy.HeaderRule{{Source: "/h/:x", Headers: []proxy.HeaderField{{Key: "x-a", Value: "1"}}}},
		Rewrites:  proxy.RewriteRules{Before: []proxy.RewriteRule{{Source: "/blog/:slug", Destination: "/posts/:slug"}}},
	})
	h := p.Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	r := httptest.NewRequest("GET", "/about/us?x=1", nil)
	r.URL.Host, r.URL.Scheme = "", ""
	if n := testing.AllocsPerRun(100, func() { h.ServeHTTP(nil, r) }); n != 0 {
		t.Errorf("allocations: %v", n)
	}
}
