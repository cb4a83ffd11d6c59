package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync"

	"github.com/gatehouse-go/gatehouse/revalidate"

	"github.com/gatehouse-go/gatehouse/benchmarks/internal/load"
	"github.com/gatehouse-go/gatehouse/benchmarks/internal/measure"
)

// revalidateCases measure what a cache costs where it answers, what an invalidation costs whatever carries the tag, and what memory
// both take. The limits are the same handler without a cache, and a mark in a map under a lock.
func revalidateCases(b *bench) []measure.Case {
	cases := []measure.Case{hitInProcess(), hitOverLoopback(b)}
	for _, entries := range []int{100, 10_000, 1_000_000} {
		cases = append(cases, invalidation(entries))
	}
	return append(cases, heldByTags(), soak())
}

// page is what is cached: 2 KiB of HTML under three tags.
func page() http.Handler {
	body := []byte(strings.Repeat("x", 2048))
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		revalidate.Tag(w, "posts", "author:1", "page")
		w.Header().Set("Cache-Control", "s-maxage=86400")
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write(body)
	})
}

func cached(h http.Handler) http.Handler {
	cache, err := revalidate.New(revalidate.Config{})
	must(err)
	return cache.Wrap(h)
}

// blank is a ResponseWriter that allocates nothing of its own.
type blank struct {
	header http.Header
	bytes  int
}

func (b *blank) Header() http.Header { return b.header }
func (b *blank) WriteHeader(int)     {}
func (b *blank) Write(p []byte) (int, error) {
	b.bytes += len(p)
	return len(p), nil
}

func serveBlank(h http.Handler) func(int) {
	r := httptest.NewRequestWithContext(context.Background(), http.MethodGet, "http://example.com/posts?page=1", nil)
	w := &blank{header: make(http.Header)}
	return func(n int) {
		w.bytes = 0
		for range n {
			clear(w.header)
			h.ServeHTTP(w, r)
		}
		if w.bytes != n*2048 {
			panic(fmt.Sprint(w.bytes, " bytes"))
		}
	}
}

func hitInProcess() measure.Case {
	c := measure.Case{
		Name: "hit of a 2 KiB response, in process",
		Bars: []measure.Bar{{Quantity: measure.CPU, AtMost: 1300}, {Quantity: measure.Allocs, AtMost: 6}},
	}
	for _, s := range cachedServers() {
		c.Contenders = append(c.Contenders, measure.Contender{Name: s.name, Kind: s.kind, Do: serveBlank(s.handler())})
	}
	return c
}

// hitOverLoopback compares processes, each of which serves on one processor.
func hitOverLoopback(b *bench) measure.Case {
	ctx, cancel := context.WithCancel(context.Background())
	b.stops = append(b.stops, cancel)
	self, err := os.Executable()
	must(err)
	c := measure.Case{
		Name: "hit of a 2 KiB response over loopback",
		Bars: []measure.Bar{{Quantity: measure.RoundTimes, AtMost: 1 / 0.95}},
	}
	for _, s := range cachedServers() {
		server := b.serve(ctx, "", []string{serveVariable + "=" + s.name, "GOMAXPROCS=1"}, self, "ADDR")
		client := load.NewClient(server, get("/posts?page=1", http.StatusOK), connections)
		b.stops = append(b.stops, func() { must(client.Close()) })
		client.Send(2000) // the first ones find nothing cached
		c.Contenders = append(c.Contenders, measure.Contender{Name: s.name, Kind: s.kind, Do: client.Send, CPU: server.CPU})
	}
	return c
}

func invalidation(entries int) measure.Case {
	ctx := context.Background()
	cache, err := revalidate.New(revalidate.Config{MaxBytes: 1 << 30})
	must(err)
	for i := range entries {
		must(revalidate.Set(ctx, cache, "key"+strconv.Itoa(i), revalidate.Options{Tags: []string{"posts"}}, i))
	}
	var mu sync.RWMutex
	marks := map[string]int64{}
	return measure.Case{
		Name: "invalidation of a tag on " + strconv.Itoa(entries) + " entries",
		Bars: []measure.Bar{{Quantity: measure.CPU, AtMost: 100}, {Quantity: measure.Allocs, AtMost: 0}},
		Contenders: []measure.Contender{
			{Name: "a mark in a map under a lock", Kind: measure.Limit, Do: func(n int) {
				for i := range n {
					mu.Lock()
					marks["posts"] = int64(i)
					mu.Unlock()
				}
			}},
			{Name: "gatehouse ExpireTag", Kind: measure.Ours, Do: func(n int) {
				for range n {
					must(cache.ExpireTag(ctx, "posts"))
				}
			}},
		},
	}
}
