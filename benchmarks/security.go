package main

import (
	"context"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/didip/tollbooth/v7"
	"github.com/gatehouse-go/gatehouse/security"
	chicors "github.com/go-chi/cors"
	"github.com/go-chi/httprate"
	rscors "github.com/rs/cors"
	"github.com/sethvargo/go-limiter/httplimit"
	"github.com/sethvargo/go-limiter/memorystore"
	"github.com/throttled/throttled/v2"
	"github.com/throttled/throttled/v2/store/memstore"
	"github.com/ulule/limiter/v3"
	ululemiddleware "github.com/ulule/limiter/v3/drivers/middleware/stdlib"
	ulule "github.com/ulule/limiter/v3/drivers/store/memory"
	"github.com/unrolled/secure"
	"golang.org/x/time/rate"

	"github.com/gatehouse-go/gatehouse/benchmarks/internal/measure"
)

// securityCases measure one request through a middleware around a handler that does nothing, on one core.
func securityCases(_ string) []measure.Case {
	return []measure.Case{
		headersCase(),
		corsCase("simple request", crossOrigin("GET", "")),
		corsCase("preflight", crossOrigin("OPTIONS", "content-type")),
		corsCase("preflight that asks for 16 KiB of header names", crossOrigin("OPTIONS", strings.Repeat("x-a,", 4<<10)+"x-a")),
		rateLimitCase("1 key", 1, 400),
		rateLimitCase("100,000 keys", 100_000, 600),
		timeoutCase("64 KiB", 64<<10),
		timeoutCase("1 MiB", 1<<20),
		chainCase(),
	}
}

var nothing = http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}) //nolint:gochecknoglobals // it has no state

// discardWriter is a ResponseWriter that costs nothing.
type discardWriter struct{ header http.Header }

func (w *discardWriter) Header() http.Header               { return w.header }
func (w *discardWriter) Write(b []byte) (int, error)       { return len(b), nil }
func (w *discardWriter) WriteString(s string) (int, error) { return len(s), nil } //nolint:unparam // of io.StringWriter
func (w *discardWriter) WriteHeader(int)                   {}

// serving asks h for each of requests in turn, and panics where a field of the first answer is missing.
func serving(h http.Handler, field string, requests ...*http.Request) func(int) {
	w := &discardWriter{header: http.Header{}}
	h.ServeHTTP(w, requests[0])
	if field != "" && len(w.header[field]) == 0 {
		panic("no " + field)
	}
	return func(n int) {
		for i := range n {
			clear(w.header)
			h.ServeHTTP(w, requests[i%len(requests)])
		}
	}
}

// made returns what a constructor made.
func made[T any](value T, err error) T {
	must(err)
	return value
}

func headersCase() measure.Case {
	fields := map[string]string{
		"Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'", "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
		"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer", "Cross-Origin-Opener-Policy": "same-origin",
		"Cross-Origin-Embedder-Policy": "require-corp", "Cross-Origin-Resource-Policy": "same-origin", "Strict-Transport-Security": "max-age=31536000",
	}
	prepared := map[string][]string{}
	for name, value := range fields {
		prepared[name] = []string{value}
	}
	ours := security.APIHeaders()
	ours.EmbedderPolicy, ours.BehindTLS = "require-corp", true
	unrolled := secure.New(secure.Options{
		FrameDeny: true, ContentTypeNosniff: true, ContentSecurityPolicy: fields["Content-Security-Policy"], PermissionsPolicy: fields["Permissions-Policy"],
		ReferrerPolicy: "no-referrer", CrossOriginOpenerPolicy: "same-origin", CrossOriginEmbedderPolicy: "require-corp", CrossOriginResourcePolicy: "same-origin",
		STSSeconds: 31536000, ForceSTSHeader: true,
	})
	r := httptest.NewRequestWithContext(context.Background(), http.MethodGet, "/", nil)
	return measure.Case{
		Name: "nine security headers",
		Bars: []measure.Bar{{Quantity: measure.Nanoseconds, AtMost: 400}, {Quantity: measure.Allocs, AtMost: 0}},
		Contenders: []measure.Contender{
			{Name: "prepared slices", Kind: measure.Limit, Do: serving(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				h := w.Header()
				maps.Copy(h, prepared)
			}), "Referrer-Policy", r)},
			{Name: "gatehouse Headers", Kind: measure.Ours, Do: serving(made(security.NewHeaders(ours)).Wrap(nothing), "Strict-Transport-Security", r)},
			{Name: "Header.Set", Kind: measure.Peer, Do: serving(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				h := w.Header()
				for name, value := range fields {
					h.Set(name, value)
				}
			}), "Referrer-Policy", r)},
			{Name: "unrolled/secure", Kind: measure.Peer, Do: serving(unrolled.Handler(nothing), "Referrer-Policy", r)},
		},
	}
}

func crossOrigin(method, headers string) *http.Request {
	r := httptest.NewRequestWithContext(context.Background(), method, "/", nil)
	r.Header.Set("Origin", "https://app.example.com")
	if method == http.MethodOptions {
		r.Header.Set("Access-Control-Request-Method", "PUT")
		r.Header.Set("Access-Control-Request-Headers", headers)
	}
	return r
}

func corsCase(name string, r *http.Request) measure.Case {
	origins, methods, headers := []string{"https://app.example.com"}, []string{"GET", "PUT"}, []string{"Content-Type", "X-Requested-With"}
	ours := made(security.NewCORS(security.CORSConfig{Origins: origins, Methods: methods[1:], Headers: headers, Credentials: true, Logger: slog.New(slog.DiscardHandler)}))
	rs := rscors.New(rscors.Options{AllowedOrigins: origins, AllowedMethods: methods, AllowedHeaders: headers, AllowCredentials: true})
	chi := chicors.Handler(chicors.Options{AllowedOrigins: origins, AllowedMethods: methods, AllowedHeaders: headers, AllowCredentials: true})
	return measure.Case{
		Name: "CORS: " + name,
		Contenders: []measure.Contender{
			{Name: "gatehouse CORS", Kind: measure.Ours, Do: serving(ours.Wrap(nothing), "Vary", r)},
			{Name: "rs/cors", Kind: measure.Peer, Do: serving(rs.Handler(nothing), "Vary", r)},
			{Name: "go-chi/cors", Kind: measure.Peer, Do: serving(chi(nothing), "Vary", r)},
		},
	}
}

// rateLimitCase measures requests that are allowed. The limits are so high that none of the contenders refuses one.
func rateLimitCase(name string, keys int, bar float64) measure.Case {
	requests := make([]*http.Request, keys)
	for i := range requests {
		requests[i] = httptest.NewRequestWithContext(context.Background(), http.MethodGet, "/", nil)
		requests[i].RemoteAddr = netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 4711).String()
	}
	const most = 100_000_000
	policy := security.RatePolicy{Limit: most, Burst: most, Key: security.ByIP()}
	ours := made(security.NewRateLimit(security.RateLimitConfig{Policies: []security.RatePolicy{policy}, MaxKeys: 1 << 17}))
	store := made(memstore.NewCtx(1 << 17))
	quota := throttled.RateQuota{MaxRate: throttled.PerSec(most), MaxBurst: most}
	throttle := throttled.HTTPRateLimiterCtx{RateLimiter: made(throttled.NewGCRARateLimiterCtx(store, quota)), VaryBy: &throttled.VaryBy{RemoteAddr: true}}
	sethvargo := made(httplimit.NewMiddleware(made(memorystore.New(&memorystore.Config{Tokens: most, Interval: time.Second})), httplimit.IPKeyFunc()))
	ululeLimit := ululemiddleware.NewMiddleware(limiter.New(ulule.NewStore(), limiter.Rate{Period: time.Second, Limit: most}))
	return measure.Case{
		Name: "rate limit by address, " + name,
		Bars: []measure.Bar{{Quantity: measure.Nanoseconds, AtMost: bar}, {Quantity: measure.Allocs, AtMost: 3}},
		Contenders: []measure.Contender{
			{Name: "gatehouse RateLimit", Kind: measure.Ours, Do: serving(ours.Wrap(nothing), "Ratelimit", requests...)},
			{Name: "x/time/rate in a map behind a mutex, no fields", Kind: measure.Aside, Do: serving(mutexMap(nothing), "", requests...)},
			{Name: "throttled", Kind: measure.Peer, Do: serving(throttle.RateLimit(nothing), "X-Ratelimit-Remaining", requests...)},
			{Name: "sethvargo/go-limiter", Kind: measure.Peer, Do: serving(sethvargo.Handle(nothing), "X-Ratelimit-Remaining", requests...)},
			{Name: "go-chi/httprate", Kind: measure.Peer, Do: serving(httprate.LimitBy(most, time.Second, httprate.KeyByIP)(nothing), "X-Ratelimit-Remaining", requests...)}, //nolint:staticcheck // what its users have
			{Name: "ulule/limiter", Kind: measure.Peer, Do: serving(ululeLimit.Handler(nothing), "X-Ratelimit-Remaining", requests...)},
			{Name: "tollbooth", Kind: measure.Peer, Do: serving(tollbooth.LimitHandler(tollbooth.NewLimiter(most, nil), nothing), "X-Rate-Limit-Limit", requests...)},
		},
	}
}

// mutexMap is what the example of many a blog does. It never forgets a key.
func mutexMap(next http.Handler) http.Handler {
	var mu sync.Mutex
	limiters := map[string]*rate.Limiter{}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, _ := strings.Cut(r.RemoteAddr, ":")
		mu.Lock()
		l := limiters[host]
		if l == nil {
			l = rate.NewLimiter(1e8, 1e8)
			limiters[host] = l
		}
		mu.Unlock()
		if l.Allow() {
			next.ServeHTTP(w, r)
		}
	})
}

func timeoutCase(name string, size int) measure.Case {
	body := make([]byte, size)
	answer := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(body) })
	r := httptest.NewRequestWithContext(context.Background(), http.MethodGet, "/", nil)
	return measure.Case{
		Name: "deadlines around an answer of " + name,
		Bars: []measure.Bar{{Quantity: measure.ExtraTime, AtMost: 3000}},
		Contenders: []measure.Contender{
			{Name: "no deadline", Kind: measure.Limit, Do: serving(answer, "", r)},
			{Name: "gatehouse Deadlines", Kind: measure.Ours, Do: serving(made(security.NewDeadlines(security.DeadlinesConfig{})).Wrap(answer), "", r)},
			{Name: "http.TimeoutHandler", Kind: measure.Peer, Do: serving(http.TimeoutHandler(answer, time.Minute, ""), "", r)},
		},
	}
}

func chainCase() measure.Case {
	config := security.Config{
		Target:  security.TargetConfig{Hosts: []string{"example.com"}},
		IPLimit: security.RateLimitConfig{Policies: []security.RatePolicy{{Limit: 1e8, Burst: 1e8}}},
		Body:    security.BodyConfig{MediaTypes: []string{"application/json"}},
		Logger:  slog.New(slog.NewJSONHandler(io.Discard, nil)), //nolint:sloglint // what a log costs is part of the figure
	}
	whole := made(security.Default(config))
	config.Off = []security.Stage{security.StageAccessLog}
	quiet := made(security.Default(config))
	r := httptest.NewRequestWithContext(context.Background(), http.MethodGet, "https://example.com/api/items?page=2", nil)
	return measure.Case{
		Name: "the whole default chain",
		Bars: []measure.Bar{{Quantity: measure.ExtraTime, AtMost: 3000}, {Quantity: measure.ExtraAllocs, AtMost: 10}},
		Contenders: []measure.Contender{
			{Name: "bare handler", Kind: measure.Limit, Do: serving(nothing, "", r)},
			{Name: "gatehouse Default, its access log a slog.JSONHandler", Kind: measure.Ours, Do: serving(whole.Then(nothing), "Ratelimit", r)},
			{Name: "gatehouse Default without its access log", Kind: measure.Ours, Do: serving(quiet.Then(nothing), "Ratelimit", r)},
		},
	}
}
