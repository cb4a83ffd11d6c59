package revalidate_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-go/gatehouse/revalidate"
	"github.com/gatehouse-go/gatehouse/revalidate/storetest"
)

func newMemory(tb testing.TB, bytes int64) *revalidate.Memory {
	tb.Helper()
	m, err := revalidate.NewMemory(revalidate.MemoryConfig{MaxBytes: bytes})
	if err != nil {
		tb.Fatal(err)
	}
	return m
}

// wire is a store that keeps bytes, as one on another machine does.
type wire struct {
	mu    sync.Mutex
	bytes map[string][]byte
	fail  error
}

func (s *wire) Load(_ context.Context, key string) (*revalidate.Entry, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, ok := s.bytes[key]
	if !ok || s.fail != nil {
		return nil, s.fail
	}
	e := new(revalidate.Entry)
	if err := e.UnmarshalBinary(b); err != nil {
		return nil, err
	}
	if !time.Now().Before(e.KeepUntil()) {
		return nil, nil
	}
	return e, nil
}

func (s *wire) Save(_ context.Context, key string, e *revalidate.Entry) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, err := e.MarshalBinary()
	if err != nil || s.fail != nil {
		return errors.Join(err, s.fail)
	}
	if s.bytes == nil {
		s.bytes = make(map[string][]byte)
	}
	s.bytes[key] = b
	return nil
}

func (s *wire) Delete(_ context.Context, key string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.bytes, key)
	return s.fail
}

func (s *wire) Clear(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.bytes)
	return s.fail
}

func (s *wire) All(context.Context) iter.Seq2[string, *revalidate.Entry] {
	return func(func(string, *revalidate.Entry) bool) {}
}

func (s *wire) Usage() revalidate.Usage { return revalidate.Usage{Entries: len(s.bytes)} }

func ExampleNewMemory() {
	store, err := revalidate.NewMemory(revalidate.MemoryConfig{MaxBytes: 16 << 20})
	if err != nil {
		fmt.Println(err)
		return
	}
	cache, err := revalidate.New(revalidate.Config{Store: store})
	if err != nil {
		fmt.Println(err)
		return
	}
	_ = revalidate.Set(context.Background(), cache, "greeting", revalidate.Options{}, "hello")
	fmt.Println(store.Usage().Entries, "entry of at most", store.Usage().MaxBytes, "bytes")
	// Output: 1 entry of at most 16777216 bytes
}

func TestStores(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name string
		open func(*testing.T) revalidate.Store
	}{
		{"memory", func(t *testing.T) revalidate.Store {
			t.Helper()
			return newMemory(t, 8<<20)
		}},
		{"bytes", func(*testing.T) revalidate.Store { return &wire{} }},
		{"memory before bytes", func(t *testing.T) revalidate.Store {
			t.Helper()
			return revalidate.NewTiered(newMemory(t, 8<<20), &wire{})
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			storetest.TestStore(t, row.open)
		})
	}
}

func TestMemoryIsBounded(t *testing.T) {
	const bound = 1 << 20
	cache := newCache(t, revalidate.Config{MaxBytes: bound})
	body := strings.Repeat("x", 2000)
	h := cache.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Cache-Control", "max-age=60")
		_, _ = io.WriteString(w, body)
	}))
	for i := range 3000 {
		ask{target: fmt.Sprint("http://example.com/", i)}.do(h)
		_ = revalidate.Set(context.Background(), cache, fmt.Sprint("key", i), revalidate.Options{}, body)
	}
	// The store makes room in the background: wait until it has, and every entry that is left is counted with its body.
	deadline := time.Now().Add(10 * time.Second)
	for u := cache.Metrics().Store; u.Bytes > bound || u.Evictions == 0 || u.Bytes < int64(u.Entries)*2000; u = cache.Metrics().Store {
		if time.Now().After(deadline) {
			t.Fatalf("%+v", u)
		}
		time.Sleep(time.Millisecond)
	}
}

func TestAnEntryTooLargeForTheStoreIsNotKeptNorWhatItReplaces(t *testing.T) {
	ctx := context.Background()
	cache := newCache(t, revalidate.Config{MaxBytes: 1 << 20})
	_ = revalidate.Set(ctx, cache, "key", revalidate.Options{}, "old")
	_ = revalidate.Set(ctx, cache, "key", revalidate.Options{}, strings.Repeat("x", 1<<18))
	if got, _ := revalidate.Get(ctx, cache, "key", revalidate.Options{}, func(context.Context) (string, error) { return "new", nil }); got != "new" {
		t.Errorf("got %.10s", got)
	}
}

func TestEndedEntriesMakeRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := context.Background()
		cache := newCache(t, revalidate.Config{})
		o := revalidate.Options{Life: revalidate.Life{Revalidate: time.Second, Expire: time.Second}}
		for i := range 1000 {
			_ = revalidate.Set(ctx, cache, fmt.Sprint("key", i), o, i)
		}
		time.Sleep(time.Hour)
		for i := range 1000 {
			_ = revalidate.Set(ctx, cache, fmt.Sprint("other", i), o, i)
		}
		synctest.Wait()
		if u := cache.Metrics().Store; u.Entries > 1100 {
			t.Errorf("%+v", u)
		}
	})
}

func TestAStoreThatIsDownIsAMiss(t *testing.T) {
	ctx := context.Background()
	down := errors.New("store is down")
	for name, open := range map[string]func(*wire) revalidate.Store{
		"alone":     func(s *wire) revalidate.Store { return s },
		"far":       func(s *wire) revalidate.Store { return revalidate.NewTiered(newMemory(t, 1<<20), s) },
		"far, near": func(s *wire) revalidate.Store { return revalidate.NewTiered(s, s) },
	} {
		s := &wire{fail: down}
		cache := newCache(t, revalidate.Config{Store: open(s), Logger: silent()})
		for range 2 {
			v, err := revalidate.Get(ctx, cache, "key", revalidate.Options{}, func(context.Context) (string, error) { return "value", nil })
			if v != "value" || err != nil {
				t.Errorf("%s: %v, %v", name, v, err)
			}
		}
		var calls atomic.Int64
		h := cache.Wrap(counting(&calls, "Cache-Control", "max-age=60", "Vary", "Accept"))
		for range 2 {
			if res := (ask{}).do(h); res.StatusCode != 200 {
				t.Errorf("%s: %d", name, res.StatusCode)
			}
		}
		if res := (ask{method: "POST"}).do(h); res.StatusCode != 200 {
			t.Errorf("%s: POST: %d", name, res.StatusCode)
		}
		if err := cache.Delete(ctx, "key"); !errors.Is(err, down) {
			t.Errorf("%s: Delete: %v", name, err)
		}
		if err := cache.PurgeAll(ctx); !errors.Is(err, down) {
			t.Errorf("%s: PurgeAll: %v", name, err)
		}
		if err := cache.Purge(ctx, "http://example.com/page"); !errors.Is(err, down) {
			t.Errorf("%s: Purge: %v", name, err)
		}
		if m := cache.Metrics(); m.StoreErrors < 4 {
			t.Errorf("%s: %+v", name, m)
		}
	}
}

// A lateRefusal is a store that is down, and says so of a Save only when the answer has been read.
type lateRefusal struct {
	wire
	read chan struct{}
}

func (s *lateRefusal) Save(context.Context, string, *revalidate.Entry) error {
	<-s.read
	return s.fail
}

func TestTheTrailerDoesNotWaitForAStoreThatIsDown(t *testing.T) {
	s := &lateRefusal{wire: wire{fail: errors.New("store is down")}, read: make(chan struct{})}
	cache := newCache(t, revalidate.Config{Store: s, Logger: silent()})
	res := ask{}.do(cache.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Cache-Control", "max-age=60")
		_, _ = io.WriteString(w, "body")
		w.Header().Set(http.TrailerPrefix+"Late", "yes")
	})))
	close(s.read)
	if got := text(t, res); got != "body" || res.Trailer.Get("Late") != "yes" {
		t.Errorf("%q, trailer %v", got, res.Trailer)
	}
}

func TestASecondProcessReadsWhatTheFirstStored(t *testing.T) {
	ctx := context.Background()
	far := &wire{}
	open := func() *revalidate.Cache {
		return newCache(t, revalidate.Config{Store: revalidate.NewTiered(newMemory(t, 1<<20), far), Responses: revalidate.Responses{TargetField: "My-Cache"}})
	}
	var calls atomic.Int64
	origin := counting(&calls, "My-Cache", "max-age=60, stale-if-error=5", "Vary", "Accept", "Etag", `"a"`, "Last-Modified", past, "X-A", "1", "X-A", "2", "Cache-Tag", "t")
	first, second := open(), open()
	accept := ask{header: head("Accept", "text/html")}
	accept.do(first.Wrap(origin))
	h := second.Wrap(origin)
	res := accept.do(h)
	if text(t, res) != "call 1" || len(res.Header["X-A"]) != 2 || res.Header["My-Cache"] != nil {
		t.Errorf("%v", res.Header)
	}
	if res := (ask{header: head("Accept", "text/html", "If-None-Match", `"a"`)}).do(h); res.StatusCode != 304 {
		t.Errorf("status %d", res.StatusCode)
	}
	if got := text(t, ask{header: head("Accept", "text/plain")}.do(h)); got != "call 2" {
		t.Errorf("another variant: %s", got)
	}
	if err := second.Receive(revalidate.Invalidation{Tags: []string{"t"}, Mode: revalidate.ModeExpire}); err != nil {
		t.Fatal(err)
	}
	if got := text(t, accept.do(h)); got != "call 3" {
		t.Errorf("after an invalidation: %s", got)
	}

	type post struct{ Title string }
	o := revalidate.Options{Tags: []string{"t"}}
	_ = revalidate.Set(ctx, first, "post", o, post{"Hello"})
	fetch := func(context.Context) (post, error) { return post{"fetched"}, nil }
	for range 2 {
		if got, err := revalidate.Get(ctx, second, "post", o, fetch); got.Title != "Hello" || err != nil {
			t.Errorf("%v, %v", got, err)
		}
	}
	if got, err := revalidate.Get(ctx, second, "post", o, func(context.Context) (int, error) { return 7, nil }); got != 7 || err != nil {
		t.Errorf("as another type: %v, %v", got, err)
	}

	// What cannot be encoded stays near, and what it replaces is gone from far.
	_ = revalidate.Set(ctx, first, "func", o, 1)
	if err := revalidate.Set(ctx, first, "func", o, func() {}); err != nil {
		t.Error(err)
	}
	if far.bytes["func"] != nil {
		t.Error("what was replaced is still in far")
	}
	_, _ = revalidate.Get(ctx, first, "missing", revalidate.Options{Negative: func(error) time.Duration { return time.Minute }}, func(context.Context) (int, error) { return 0, errMissing })
	if far.bytes["missing"] != nil {
		t.Error("an error was encoded")
	}
}

func FuzzEntryUnmarshalBinary(f *testing.F) {
	far := &wire{}
	cache := newCache(f, revalidate.Config{Store: far})
	var calls atomic.Int64
	ask{}.do(cache.Wrap(counting(&calls, "Cache-Control", "max-age=60", "Vary", "Accept", "Etag", `"a"`)))
	_ = revalidate.Set(context.Background(), cache, "key", revalidate.Options{Tags: []string{"a", "b"}}, map[string]int{"x": 1})
	for _, b := range far.bytes {
		f.Add(b)
		f.Add(b[:len(b)/2])
	}
	f.Add([]byte{})
	f.Add([]byte("\x010000\x03\x010 \x00\x01\x03000")) // of a tag of a group and an empty one
	f.Fuzz(func(t *testing.T, b []byte) {
		e := new(revalidate.Entry)
		if err := e.UnmarshalBinary(b); err != nil {
			if !errors.Is(err, revalidate.ErrEncoding) {
				t.Error(err)
			}
			return
		}
		if e.Size() <= 0 {
			t.Error("no size")
		}
		if slices.Contains(e.Tags(), "") {
			t.Errorf("an empty tag among %q", e.Tags())
		}
		again, err := e.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		if err := new(revalidate.Entry).UnmarshalBinary(again); err != nil {
			t.Error(err)
		}
	})
}

// whatever is a store that has the same bytes under every key.
type whatever struct {
	wire
	held atomic.Pointer[[]byte]
}

func (s *whatever) Load(context.Context, string) (*revalidate.Entry, error) {
	e := new(revalidate.Entry)
	if err := e.UnmarshalBinary(*s.held.Load()); err != nil {
		return nil, err
	}
	return e, nil
}

// A cache answers whatever a store outside the process holds under its keys.
func FuzzWhatAStoreHolds(f *testing.F) {
	far, answered := &wire{}, counting(new(atomic.Int64), "Cache-Control", "max-age=60, stale-while-revalidate=60", "Etag", `"a"`, "Vary", "Accept")
	filled := newCache(f, revalidate.Config{Store: far})
	ask{}.do(filled.Wrap(answered))
	ask{target: "http://example.com/groups"}.do(filled.Wrap(counting(new(atomic.Int64), "Cache-Control", "max-age=60", "Cache-Groups", `"a"`, "Surrogate-Key", "b")))
	_ = revalidate.Set(context.Background(), filled, "key", revalidate.Options{Tags: []string{"a", "b"}}, map[string]int{"x": 1})
	for _, b := range far.bytes {
		f.Add(b)
	}
	store := new(whatever)
	store.held.Store(new([]byte))
	cache := newCache(f, revalidate.Config{Store: store, Logger: slog.New(slog.DiscardHandler)})
	page := cache.Wrap(answered)
	f.Fuzz(func(t *testing.T, b []byte) {
		store.held.Store(&b)
		for _, one := range []ask{
			{},
			{method: http.MethodHead},
			{header: head("Accept", "a")},
			{header: head("Range", "bytes=1-2")},
			{header: head("If-None-Match", `"a"`)},
			{header: head("If-Modified-Since", "Tue, 24 Nov 2026 10:00:00 GMT")},
			{header: head("Cache-Control", "only-if-cached")},
			{method: http.MethodPost},
		} {
			if res := one.do(page); res.StatusCode < 200 || res.StatusCode > 999 {
				t.Errorf("%+v: status %d", one, res.StatusCode)
			}
		}
		if _, err := revalidate.Get(context.Background(), cache, "key", revalidate.Options{}, func(context.Context) (map[string]int, error) { return nil, nil }); err != nil {
			t.Error(err)
		}
	})
}

func TestWhatIsNoEncodedEntry(t *testing.T) {
	far := &wire{}
	cache := newCache(t, revalidate.Config{Store: far})
	var calls atomic.Int64
	ask{}.do(cache.Wrap(counting(&calls, "Cache-Control", "max-age=60", "Vary", "Accept")))
	_ = revalidate.Set(context.Background(), cache, "key", revalidate.Options{Tags: []string{"a"}}, "value")
	for key, b := range far.bytes {
		for n := range b {
			if err := new(revalidate.Entry).UnmarshalBinary(b[:n]); !errors.Is(err, revalidate.ErrEncoding) {
				t.Errorf("%q cut at %d of %d: %v", key, n, len(b), err)
			}
		}
		if err := new(revalidate.Entry).UnmarshalBinary(append(b, 0)); !errors.Is(err, revalidate.ErrEncoding) {
			t.Errorf("%q with a byte more: %v", key, err)
		}
	}
}

func TestNewMemoryRefusesABoundThatHoldsNothing(t *testing.T) {
	for _, bytes := range []int64{-1, 1, 65535} {
		if _, err := revalidate.NewMemory(revalidate.MemoryConfig{MaxBytes: bytes}); err == nil {
			t.Errorf("%d is accepted", bytes)
		}
	}
	if _, err := revalidate.NewEntry("x", time.Now(), "a b"); !errors.Is(err, revalidate.ErrTag) {
		t.Error(err)
	}
}
