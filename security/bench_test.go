package security_test

import (
	"net/http"
	"net/netip"
	"strconv"
	"testing"

	"github.com/gatehouse-go/gatehouse/security"
)

func benchmark(b *testing.B, h http.Handler, requests ...*http.Request) {
	w := &nullWriter{h: http.Header{}}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		clear(w.h)
		h.ServeHTTP(w, requests[i%len(requests)])
	}
}

func BenchmarkHeaders(b *testing.B) {
	h := mustHeaders(b, security.HeadersConfig{}).Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	benchmark(b, h, overTLS("GET", "https://example.com/"))
}

func BenchmarkRateLimit(b *testing.B) {
	for _, keys := range []int{1, 100_000} {
		b.Run(strconv.Itoa(keys)+"keys", func(b *testing.B) {
			c := security.RateLimitConfig{MaxKeys: 1 << 17, Policies: []security.RatePolicy{{Limit: 1e8, Burst: 1e9, Key: security.ByIP()}}}
			h := mustRateLimit(b, c).Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
			requests := make([]*http.Request, keys)
			for i := range requests {
				requests[i] = request("GET", "/")
				requests[i].RemoteAddr = netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 1234).String()
			}
			benchmark(b, h, requests...)
		})
	}
}

func BenchmarkCORS(b *testing.B) {
	cors := mustCORS(b, security.CORSConfig{Origins: []string{"https://a.example"}, Credentials: true, Methods: []string{"PUT"}, Headers: []string{"X-A"}})
	h := cors.Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	b.Run("actual", func(b *testing.B) { benchmark(b, h, request("GET", "/", "Origin: https://a.example")) })
	b.Run("preflight", func(b *testing.B) {
		benchmark(b, h, request("OPTIONS", "/", "Origin: https://a.example", "Access-Control-Request-Method: PUT", "Access-Control-Request-Headers: x-a"))
	})
}

func BenchmarkDeadlines(b *testing.B) {
	h := mustDeadlines(b, security.DeadlinesConfig{}).Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	benchmark(b, h, request("GET", "/"))
}

func BenchmarkRateLimitRefusal(b *testing.B) {
	c := tenAMinute(security.ByIP())
	c.Policies[0].Burst = 1
	h := mustRateLimit(b, c).Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	benchmark(b, h, request("GET", "/"))
}
