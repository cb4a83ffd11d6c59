package revalidate_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"

	"github.com/gatehouse-go/gatehouse/revalidate"
)

// sink is a ResponseWriter that allocates nothing of its own.
type sink struct {
	header http.Header
	status int
	bytes  int
}

func (s *sink) Header() http.Header    { return s.header }
func (s *sink) WriteHeader(status int) { s.status = status }
func (s *sink) Write(p []byte) (int, error) {
	s.bytes += len(p)
	return len(p), nil
}

func (s *sink) reset() {
	clear(s.header)
	s.status, s.bytes = 0, 0
}

func cachedPage(tb testing.TB) (http.Handler, *revalidate.Cache, *http.Request, *sink) {
	tb.Helper()
	cache := newCache(tb, revalidate.Config{})
	body := strings.Repeat("x", 2048)
	h := cache.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		revalidate.Tag(w, "posts", "author:1", "page")
		w.Header().Set("Cache-Control", "s-maxage=3600")
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write([]byte(body))
	}))
	r := httptest.NewRequest(http.MethodGet, "http://example.com/posts?page=1", nil)
	w := &sink{header: make(http.Header)}
	h.ServeHTTP(w, r)
	return h, cache, r, w
}

func BenchmarkWrapHit(b *testing.B) {
	h, _, r, w := cachedPage(b)
	b.ReportAllocs()
	for b.Loop() {
		w.reset()
		h.ServeHTTP(w, r)
	}
	if w.status != 200 || w.bytes != 2048 {
		b.Fatal(w)
	}
}

func BenchmarkGetHit(b *testing.B) {
	cache := newCache(b, revalidate.Config{})
	ctx := context.Background()
	o := revalidate.Options{Tags: []string{"posts"}}
	load := func(context.Context) (int, error) { return 7, nil }
	b.ReportAllocs()
	for b.Loop() {
		if v, err := revalidate.Get(ctx, cache, "key", o, load); v != 7 || err != nil {
			b.Fatal(v, err)
		}
	}
}

func BenchmarkExpireTag(b *testing.B) {
	for _, entries := range []int{100, 10_000, 1_000_000} {
		b.Run(fmt.Sprintf("entries=%d", entries), func(b *testing.B) {
			cache := newCache(b, revalidate.Config{MaxBytes: 1 << 30})
			ctx := context.Background()
			for i := range entries {
				if err := revalidate.Set(ctx, cache, fmt.Sprint("key", i), revalidate.Options{Tags: []string{"posts"}}, i); err != nil {
					b.Fatal(err)
				}
			}
			runtime.GC() // what filling left behind is not the invalidation's cost
			b.ReportAllocs()
			for b.Loop() {
				if err := cache.ExpireTag(ctx, "posts"); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkTagBytes(b *testing.B) {
	const entries = 200_000
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	fill := func(tags func(i int) []string) (uint64, *revalidate.Cache) {
		cache := newCache(b, revalidate.Config{MaxBytes: 1 << 30})
		before := heap()
		for i := range entries {
			if err := revalidate.Set(context.Background(), cache, fmt.Sprint("key", i), revalidate.Options{Tags: tags(i)}, i); err != nil {
				b.Fatal(err)
			}
		}
		return heap() - before, cache
	}
	for b.Loop() {
		plain, a := fill(func(int) []string { return nil })
		tagged, c := fill(func(i int) []string { return []string{"posts", fmt.Sprint("author:", i%1000), fmt.Sprint("post:", i)} })
		b.ReportMetric(float64(plain)/entries, "B/entry")
		b.ReportMetric(float64(tagged-plain)/entries, "B/3tags")
		runtime.KeepAlive(a)
		runtime.KeepAlive(c)
	}
}
