package proxy_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"testing"

	"github.com/gatehouse-go/gatehouse/proxy"
)

// nothing is a ResponseWriter that costs nothing.
type nothing struct{ h http.Header }

func (n nothing) Header() http.Header         { return n.h }
func (n nothing) Write(b []byte) (int, error) { return len(b), nil }
func (n nothing) WriteHeader(int)             {}

func BenchmarkHundredRules(b *testing.B) {
	var rewrites []proxy.RewriteRule
	for i := range 100 {
		rewrites = append(rewrites, proxy.RewriteRule{Source: fmt.Sprintf("/section%d/:slug", i), Has: []proxy.Condition{{Type: "header", Key: "x-never"}}, Destination: "/x/:slug"})
	}
	h := newProxy(b, proxy.Config{Rewrites: proxy.RewriteRules{Before: rewrites}}).Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	for name, target := range map[string]string{"last": "/section99/a", "none": "/about/us"} {
		b.Run(name, func(b *testing.B) {
			r := httptest.NewRequest("GET", target, nil)
			b.ReportAllocs()
			for b.Loop() {
				h.ServeHTTP(nil, r)
			}
		})
	}
}

// BenchmarkForward compares forwarding with a plain httputil.ReverseProxy over the same upstream and connections.
func BenchmarkForward(b *testing.B) {
	up := serve(b, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") }))
	target, err := url.Parse(up.URL)
	if err != nil {
		b.Fatal(err)
	}
	transport := &http.Transport{MaxIdleConnsPerHost: 128, DisableCompression: true}
	plain := &httputil.ReverseProxy{Transport: transport, Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		r.SetXForwarded()
	}}
	ours := newProxy(b, proxy.Config{
		Upstreams: map[string]proxy.Upstream{"up": {Targets: []string{up.URL}}},
		Rewrites:  proxy.RewriteRules{Before: []proxy.RewriteRule{{Source: "/:path*", Destination: "http://up/:path*"}}},
	}).Wrap(http.NotFoundHandler())
	for name, h := range map[string]http.Handler{"plain": plain, "gatehouse": ours} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				r := httptest.NewRequest("GET", "/a/b?c=d", nil)
				r.Header.Set("User-Agent", "x")
				h.ServeHTTP(nothing{http.Header{}}, r)
			}
		})
	}
}
