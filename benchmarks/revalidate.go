package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"

	"github.com/gatehouse-go/gatehouse/revalidate"

	"github.com/gatehouse-go/gatehouse/benchmarks/internal/measure"
)

// revalidateCases measure what a cache costs where it answers, and what an invalidation costs whatever carries the tag. The
// limits are the same handler without a cache, and a mark in a map under a lock.
func revalidateCases(_ string) []measure.Case {
	cases := []measure.Case{hitInProcess(), hitOverLoopback()}
	for _, entries := range []int{100, 10_000, 1_000_000} {
		cases = append(cases, invalidation(entries))
	}
	return cases
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
	return measure.Case{
		Name: "hit of a 2 KiB response, in process",
		Bars: []measure.Bar{{Quantity: measure.Nanoseconds, AtMost: 1300}, {Quantity: measure.Allocs, AtMost: 6}},
		Contenders: []measure.Contender{
			{Name: "the handler alone", Kind: measure.Limit, Do: serveBlank(page())},
			{Name: "gatehouse Wrap", Kind: measure.Ours, Do: serveBlank(cached(page()))},
		},
	}
}

func serveLoopback(h http.Handler) func(int) {
	srv := httptest.NewServer(h)
	client := srv.Client()
	r, err := http.NewRequestWithContext(context.Background(), http.MethodGet, srv.URL+"/posts?page=1", nil)
	must(err)
	return func(n int) {
		for range n {
			res, err := client.Do(r)
			must(err)
			read, err := io.Copy(io.Discard, res.Body)
			must(err)
			must(res.Body.Close())
			if read != 2048 {
				panic(fmt.Sprint(read, " bytes"))
			}
		}
	}
}

func hitOverLoopback() measure.Case {
	return measure.Case{
		Name: "hit of a 2 KiB response over loopback, client included",
		Bars: []measure.Bar{{Quantity: measure.TimesLimit, AtMost: 1 / 0.95}},
		Contenders: []measure.Contender{
			{Name: "the handler alone", Kind: measure.Limit, Do: serveLoopback(page())},
			{Name: "gatehouse Wrap", Kind: measure.Ours, Do: serveLoopback(cached(page()))},
		},
	}
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
		Bars: []measure.Bar{{Quantity: measure.Nanoseconds, AtMost: 100}, {Quantity: measure.Allocs, AtMost: 0}},
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
