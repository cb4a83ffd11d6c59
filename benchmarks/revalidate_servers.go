package main

import (
	"errors"
	"net/http"
	"time"

	"github.com/darkweak/souin/configurationtypes"
	souin "github.com/darkweak/souin/pkg/middleware"
	"github.com/go-chi/stampede"
	httpcache "github.com/victorspringer/http-cache"
	"github.com/victorspringer/http-cache/adapter/memory"

	"github.com/gatehouse-go/gatehouse/benchmarks/internal/measure"
)

// cachedServer is one way to serve the page.
type cachedServer struct {
	name    string
	kind    measure.Kind
	handler func() http.Handler
}

func cachedServers() []cachedServer {
	return []cachedServer{
		{"the handler alone", measure.Limit, page},
		{"gatehouse Wrap", measure.Ours, func() http.Handler { return cached(page()) }},
		{"go-chi/stampede Handler", measure.Peer, func() http.Handler { return stampede.Handler(512, 24*time.Hour)(page()) }},
		{"victorspringer/http-cache", measure.Peer, func() http.Handler {
			adapter, err := memory.NewAdapter(memory.AdapterWithAlgorithm(memory.LRU), memory.AdapterWithCapacity(1<<16))
			must(err)
			client, err := httpcache.NewClient(httpcache.ClientWithAdapter(adapter), httpcache.ClientWithTTL(24*time.Hour))
			must(err)
			return client.Middleware(page())
		}},
		{"darkweak/souin, in memory", measure.Peer, func() http.Handler {
			cache := souin.NewHTTPCacheHandler(&souin.BaseConfiguration{DefaultCache: &configurationtypes.DefaultCache{
				TTL: configurationtypes.Duration{Duration: 24 * time.Hour},
			}})
			next := page()
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				must(cache.ServeHTTP(w, r, func(w http.ResponseWriter, r *http.Request) error {
					next.ServeHTTP(w, r)
					return nil
				}))
			})
		}},
	}
}

// serveVariable names the server that this program is to be, at the address that is its argument, for a program of the same kind that measures it.
const serveVariable = "GATEHOUSE_BENCHMARK_SERVE"

// serveChild serves the named way at addr until it is stopped.
func serveChild(name, addr string) error {
	for _, s := range cachedServers() {
		if s.name == name {
			server := &http.Server{Addr: addr, Handler: s.handler(), ReadHeaderTimeout: time.Minute}
			return server.ListenAndServe()
		}
	}
	return errors.New("no such server: " + name)
}
