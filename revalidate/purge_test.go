package revalidate_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-go/gatehouse/revalidate"
)

// pair returns two caches that tell each other, each with the store that open returns, and a count of what was told.
func pair(t *testing.T, open func() revalidate.Store) (one, two *revalidate.Cache, told *atomic.Int64) {
	t.Helper()
	told = new(atomic.Int64)
	tell := func(other **revalidate.Cache) func(context.Context, revalidate.Invalidation) error {
		return func(_ context.Context, inv revalidate.Invalidation) error {
			told.Add(1)
			return (*other).Receive(inv)
		}
	}
	one = newCache(t, revalidate.Config{Store: open(), OnInvalidate: tell(&two)})
	two = newCache(t, revalidate.Config{Store: open(), OnInvalidate: tell(&one)})
	return one, two, told
}

func TestAPurgeReachesTheOtherCache(t *testing.T) {
	ctx := context.Background()
	const page, other = "http://example.com/page?a=%2F&b", "http://example.com/other"
	send := func(method, target string) func(*revalidate.Cache, http.Handler) error {
		return func(_ *revalidate.Cache, h http.Handler) error {
			ask{method: method, target: target}.do(h)
			return nil
		}
	}
	for _, row := range []struct {
		name        string
		act         func(*revalidate.Cache, http.Handler) error
		page, other bool // served anew
		data        bool
	}{
		{"PurgeAll", func(c *revalidate.Cache, _ http.Handler) error { return c.PurgeAll(ctx) }, true, true, true},
		{"Purge", func(c *revalidate.Cache, _ http.Handler) error { return c.Purge(ctx, page) }, true, false, false},
		{"Invalidate of URLs", func(c *revalidate.Cache, _ http.Handler) error {
			return c.Invalidate(ctx, revalidate.Invalidation{URLs: []string{page, other}, Tags: []string{"none"}})
		}, true, true, false},
		{"Invalidate of a group", func(c *revalidate.Cache, _ http.Handler) error {
			return c.Invalidate(ctx, revalidate.Invalidation{Groups: []revalidate.Group{{Origin: "http://example.com", Name: "group of other"}}})
		}, false, true, false},
		{"POST", send("POST", page), true, false, false},
		{"PUT that names another", send("PUT", "http://example.com/names-other"), false, true, false},
		{"DELETE that names a group", send("DELETE", "http://example.com/names-group"), false, true, false},
		{"POST that fails", send("POST", "http://example.com/fails"), false, false, false},
		{"POST for another URL", send("POST", "http://example.com/page"), false, false, false},
	} {
		shared := &wire{}
		for kind, open := range map[string]func() revalidate.Store{
			"stores of their own":     func() revalidate.Store { return newMemory(t, 1<<20) },
			"far stores of their own": func() revalidate.Store { return &wire{} },
			"one store":               func() revalidate.Store { return shared },
			"one store, tiers of own": func() revalidate.Store { return revalidate.NewTiered(newMemory(t, 1<<20), shared) },
		} {
			clear(shared.bytes)
			one, two, told := pair(t, open)
			var calls atomic.Int64
			origin := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				switch {
				case r.Method == "GET":
					if r.URL.Path == "/other" {
						w.Header().Set("Cache-Groups", `"group of other"`)
					}
					counting(&calls, "Cache-Control", "max-age=60", "Vary", "Accept").ServeHTTP(w, r)
				case r.URL.Path == "/names-other":
					w.Header().Set("Location", "/other")
				case r.URL.Path == "/names-group":
					w.Header().Set("Cache-Group-Invalidation", `"group of other", "`+strings.Repeat("x", 300)+`"`)
				case r.URL.Path == "/fails":
					w.WriteHeader(http.StatusForbidden)
				}
			})
			sites := []http.Handler{one.Wrap(origin), two.Wrap(origin)}
			data := func() string {
				v, err := revalidate.Get(ctx, two, "key", revalidate.Options{}, func(context.Context) (string, error) { return time.Now().String(), nil })
				if err != nil {
					t.Error(err)
				}
				return v
			}
			before := make(map[string]string)
			for _, target := range []string{page, other} {
				for _, h := range sites {
					before[target] += text(t, ask{target: target}.do(h))
				}
			}
			old := data()
			if err := row.act(one, sites[0]); err != nil {
				t.Fatal(err)
			}
			for i, h := range sites {
				for target, fresh := range map[string]bool{page: row.page, other: row.other} {
					if got := text(t, ask{target: target}.do(h)); strings.Contains(before[target], got) == fresh {
						t.Errorf("%s, %s: cache %d answers %s with %q after %q", row.name, kind, i+1, target, got, before[target])
					}
				}
			}
			if (data() != old) != row.data {
				t.Errorf("%s, %s: data are kept: %v", row.name, kind, !row.data)
			}
			if n := told.Load(); n > 1 || n == 0 && row.name != "POST that fails" {
				t.Errorf("%s, %s: told %d times", row.name, kind, n)
			}
			if m := one.Metrics(); m.AnnounceErrors != 0 {
				t.Errorf("%s, %s: %d errors", row.name, kind, m.AnnounceErrors)
			}
		}
	}
}

func TestAFillUnderWayElsewhereIsNotKeptAfterAPurge(t *testing.T) {
	ctx := context.Background()
	for name, act := range map[string]func(*revalidate.Cache) error{
		"PurgeAll": func(c *revalidate.Cache) error { return c.PurgeAll(ctx) },
		"Purge":    func(c *revalidate.Cache) error { return c.Purge(ctx, "http://example.com/page") },
	} {
		shared := &wire{}
		one, two, _ := pair(t, func() revalidate.Store { return shared })
		var calls atomic.Int64
		entered, release := make(chan struct{}), make(chan struct{})
		h := two.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if calls.Load() == 0 {
				close(entered)
				<-release
			}
			counting(&calls, "Cache-Control", "max-age=60").ServeHTTP(w, r)
		}))
		done := make(chan struct{})
		go func() {
			defer close(done)
			ask{}.do(h)
		}()
		<-entered
		if err := act(one); err != nil {
			t.Error(err)
		}
		close(release)
		<-done
		if got := text(t, ask{}.do(h)); got != "call 2" {
			t.Errorf("%s: %s was kept", name, got)
		}
	}
}

func TestAPurgeThatFailsIsAnError(t *testing.T) {
	ctx := context.Background()
	down, full := errors.New("bus is down"), errors.New("store is full")
	told := 0
	cache := newCache(t, revalidate.Config{
		Store:        &wire{fail: full},
		OnInvalidate: func(context.Context, revalidate.Invalidation) error { told++; return down },
	})
	for name, err := range map[string]error{"PurgeAll": cache.PurgeAll(ctx), "Purge": cache.Purge(ctx, "http://example.com/")} {
		if !errors.Is(err, down) || !errors.Is(err, full) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if m := cache.Metrics(); told != 2 || m.AnnounceErrors != 2 || m.Invalidations != 2 {
		t.Errorf("told %d times: %+v", told, m)
	}
	if err := cache.Receive(revalidate.Invalidation{URLs: []string{"http://example.com/"}}); !errors.Is(err, full) {
		t.Errorf("Receive: %v", err)
	}
	if err := cache.Receive(revalidate.Invalidation{All: true}); err != nil || told != 2 {
		t.Errorf("Receive of everything leaves the store as it is: %v, told %d times", err, told)
	}
}

// deletion sends a DELETE through a cache whose handler answers it with 204, and checks that this is what the client gets.
func deletion(t *testing.T, cache *revalidate.Cache, target string) {
	t.Helper()
	h := cache.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Own", "1")
		w.WriteHeader(http.StatusNoContent)
	}))
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, httptest.NewRequest("DELETE", target, nil))
	if rec.Code != 204 || rec.Header().Get("X-Own") != "1" {
		t.Errorf("%s: %d %v", target, rec.Code, rec.Header())
	}
}

func TestAnUnsafeRequestIsAnsweredWhateverItsAnnouncementDoes(t *testing.T) {
	for name, act := range map[string]func(context.Context, revalidate.Invalidation) error{
		"an error": func(context.Context, revalidate.Invalidation) error { return errors.New("bus is down") },
		"a panic":  func(context.Context, revalidate.Invalidation) error { panic("bus is broken") },
	} {
		var log bytes.Buffer
		cache := newCache(t, revalidate.Config{OnInvalidate: act, Logger: slog.New(slog.NewTextHandler(&log, nil))})
		deletion(t, cache, "http://example.com/page")
		if m := cache.Metrics(); m.AnnounceErrors != 1 || !strings.Contains(log.String(), "bus is") {
			t.Errorf("%s: %d errors, log %s", name, m.AnnounceErrors, log.String())
		}
	}
	closed := newCache(t, revalidate.Config{OnInvalidate: func(context.Context, revalidate.Invalidation) error { return nil }, Logger: silent()})
	_ = closed.Close(context.Background())
	deletion(t, closed, "http://example.com/page")
	if m := closed.Metrics(); m.AnnounceErrors != 1 {
		t.Errorf("after Close: %d errors", m.AnnounceErrors)
	}
}

func TestAnAnnouncementThatHangsDelaysAnUnsafeRequestByABound(t *testing.T) {
	for wait, want := range map[time.Duration]time.Duration{0: time.Second, 50 * time.Millisecond: 50 * time.Millisecond} {
		synctest.Test(t, func(t *testing.T) {
			var began, ended atomic.Int64
			cache := newCache(t, revalidate.Config{AnnounceWait: wait, Logger: silent(), OnInvalidate: func(ctx context.Context, _ revalidate.Invalidation) error {
				began.Add(1)
				<-ctx.Done()
				ended.Add(1)
				return ctx.Err()
			}})
			start := time.Now()
			var all sync.WaitGroup
			for range 100 {
				all.Go(func() { deletion(t, cache, "http://example.com/page") })
			}
			all.Wait()
			if took := time.Since(start); took != want {
				t.Errorf("the answers waited for %v, want %v", took, want)
			}
			if n, m := began.Load(), cache.Metrics(); n != 64 || m.AnnounceErrors != 36 {
				t.Errorf("%d announcements at once, %d errors, want 64 and 36", n, m.AnnounceErrors)
			}
			time.Sleep(10*time.Second - want)
			synctest.Wait()
			if n, m := ended.Load(), cache.Metrics(); n != 64 || m.AnnounceErrors != 100 {
				t.Errorf("after 10 s %d have ended, with %d errors", n, m.AnnounceErrors)
			}
		})
	}
}

func TestWhatAnUnsafeRequestAnnounces(t *testing.T) {
	for _, row := range []struct {
		name, target string
		header       []string
		urls, groups string
		errors       int64
	}{
		{"its URL", "http://Example.com/a%2Fb/%C3%A4?x=1&x=%zz", nil, "http://Example.com/a%2Fb/%C3%A4?x=1&x=%zz", "", 0},
		{"an empty query", "http://example.com/a?", nil, "http://example.com/a?", "", 0},
		{"TLS", "https://example.com/a", []string{"Cache-Group-Invalidation", `"g h"`}, "https://example.com/a", "https://example.com g h", 0},
		{"its own URL once", "http://example.com/a", []string{"Location", "/b", "Content-Location", "/a"}, "http://example.com/a http://example.com/b", "", 0},
		{"a URL too long to say", "http://example.com/" + strings.Repeat("a", 9000), []string{"Location", "/b"}, "http://example.com/b", "", 1},
	} {
		var urls, groups []string
		cache := newCache(t, revalidate.Config{Logger: silent(), OnInvalidate: func(_ context.Context, inv revalidate.Invalidation) error {
			urls = append(urls, inv.URLs...)
			for _, g := range inv.Groups {
				groups = append(groups, g.Origin+" "+g.Name)
			}
			if inv.Mode != revalidate.ModeExpire || inv.All || len(inv.Tags)+len(inv.Paths) > 0 {
				t.Errorf("%s: %+v", row.name, inv)
			}
			return inv.Check()
		}})
		h := cache.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			for i := 0; i < len(row.header); i += 2 {
				w.Header().Set(row.header[i], row.header[i+1])
			}
		}))
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("POST", row.target, nil))
		if got, n := strings.Join(urls, " "), cache.Metrics().AnnounceErrors; got != row.urls || strings.Join(groups, ", ") != row.groups || n != row.errors {
			t.Errorf("%s: %q, %q, %d errors", row.name, got, groups, n)
		}
	}
	cache := newCache(t, revalidate.Config{Logger: silent(), OnInvalidate: func(_ context.Context, inv revalidate.Invalidation) error {
		t.Errorf("announced %+v", inv)
		return nil
	}})
	h := http.StripPrefix("/api/", cache.Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})))
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("POST", "http://example.com/api/page", nil))
	if m := cache.Metrics(); m.AnnounceErrors != 1 {
		t.Errorf("a path that no URL can say: %d errors", m.AnnounceErrors)
	}
}

func TestMoreCacheGroupsThanOneAnnouncementTakes(t *testing.T) {
	var groups []revalidate.Group
	calls := 0
	cache := newCache(t, revalidate.Config{OnInvalidate: func(_ context.Context, inv revalidate.Invalidation) error {
		calls++
		groups = append(groups, inv.Groups...)
		return inv.Check()
	}})
	names := make([]string, 2100)
	for i := range names {
		names[i] = `"g` + strings.Repeat("x", i%7) + `"`
	}
	h := cache.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Cache-Group-Invalidation", strings.Join(names, ","))
	}))
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("POST", "http://example.com/", nil))
	if m := cache.Metrics(); len(groups) != len(names) || calls < 3 || m.AnnounceErrors != 0 {
		t.Errorf("%d groups in %d calls, %d errors", len(groups), calls, m.AnnounceErrors)
	}
}

func TestAnEndpointPurgesWhereItMay(t *testing.T) {
	decode := func(inv revalidate.Invalidation) func(*http.Request, []byte) (revalidate.Invalidation, error) {
		return func(*http.Request, []byte) (revalidate.Invalidation, error) { return inv, nil }
	}
	notAdmin := func(name string) bool { return !strings.HasPrefix(name, "/admin") }
	for _, row := range []struct {
		name, body string
		config     revalidate.EndpointConfig
		status     int
		told       bool
	}{
		{"everything", `{"all":true}`, revalidate.EndpointConfig{AllowAll: true}, 200, true},
		{"everything, in a dry run", `{"all":true,"dryRun":true}`, revalidate.EndpointConfig{AllowAll: true}, 200, false},
		{"everything, which it may not", `{"all":true}`, revalidate.EndpointConfig{}, 403, false},
		{"everything beside a tag, which it may not", `{"all":true,"tags":["a"]}`, revalidate.EndpointConfig{Allow: notAdmin}, 403, false},
		{"nothing", `{"all":false}`, revalidate.EndpointConfig{AllowAll: true}, 400, false},
		{"everything, decoded", `x`, revalidate.EndpointConfig{AllowAll: true, Decode: decode(revalidate.Invalidation{All: true})}, 200, true},
		{"everything, decoded, which it may not", `x`, revalidate.EndpointConfig{Decode: decode(revalidate.Invalidation{All: true})}, 403, false},
		{"a URL", `x`, revalidate.EndpointConfig{Allow: notAdmin, Decode: decode(revalidate.Invalidation{URLs: []string{"http://a.example/x"}})}, 200, true},
		{"a URL that it may not", `x`, revalidate.EndpointConfig{Allow: notAdmin, Decode: decode(revalidate.Invalidation{URLs: []string{"http://a.example/%61dmin"}})}, 403, false},
		{"no URL", `x`, revalidate.EndpointConfig{Decode: decode(revalidate.Invalidation{URLs: []string{"/x"}})}, 400, false},
		{"a cache group", `x`, revalidate.EndpointConfig{AllowAll: true, Decode: decode(revalidate.Invalidation{Groups: []revalidate.Group{{Origin: "http://a", Name: "g"}}})}, 403, false},
	} {
		told := false
		row.config.Cache = newCache(t, revalidate.Config{OnInvalidate: func(context.Context, revalidate.Invalidation) error { told = true; return nil }})
		row.config.Signed = func(*http.Request, []byte) error { return nil }
		row.config.Logger = silent()
		rec := httptest.NewRecorder()
		newEndpoint(t, row.config).ServeHTTP(rec, httptest.NewRequest("POST", "/webhook", strings.NewReader(row.body)))
		if rec.Code != row.status || told != row.told {
			t.Errorf("%s: %d %s, told %v", row.name, rec.Code, rec.Body, told)
		}
		if row.body == `{"all":true}` && row.status == 200 && rec.Body.String() != `{"success":true,"mode":"fresh","tags":[],"paths":[],"all":true}` {
			t.Errorf("%s: %s", row.name, rec.Body)
		}
	}
}

func TestThePurgeOfTheInspectorIsAnnounced(t *testing.T) {
	down := errors.New("bus is down")
	var told []revalidate.Invalidation
	cache := newCache(t, revalidate.Config{OnInvalidate: func(_ context.Context, inv revalidate.Invalidation) error {
		told = append(told, inv)
		return down
	}})
	i := newInspector(t, revalidate.InspectorConfig{Cache: cache, Access: func(*http.Request) error { return nil }, Logger: silent()})
	form := "purge=all&token=" + i.Inspect(context.Background()).Token
	rec := httptest.NewRecorder()
	i.ServeHTTP(rec, httptest.NewRequest("POST", "/cache", strings.NewReader(form)))
	if rec.Code != 500 || len(told) != 1 || !told[0].All {
		t.Errorf("%d %s, told %+v", rec.Code, rec.Body, told)
	}
}

func TestPurgesThatAreRefused(t *testing.T) {
	cache := newCache(t, revalidate.Config{OnInvalidate: func(context.Context, revalidate.Invalidation) error {
		t.Error("announced")
		return nil
	}})
	group := func(origin, name string) revalidate.Invalidation {
		return revalidate.Invalidation{Groups: []revalidate.Group{{Origin: origin, Name: name}}}
	}
	for name, row := range map[string]struct {
		inv  revalidate.Invalidation
		want error
	}{
		"a path as a URL":             {revalidate.Invalidation{URLs: []string{"/page"}}, revalidate.ErrURL},
		"a URL with a user":           {revalidate.Invalidation{URLs: []string{"http://u:p@example.com/"}}, revalidate.ErrURL},
		"a URL with a fragment":       {revalidate.Invalidation{URLs: []string{"http://example.com/#a"}}, revalidate.ErrURL},
		"a URL beyond the bound":      {revalidate.Invalidation{URLs: []string{"http://example.com/" + strings.Repeat("a", 8<<10)}}, revalidate.ErrURL},
		"everything and a bad URL":    {revalidate.Invalidation{All: true, URLs: []string{""}}, revalidate.ErrURL},
		"more URLs than the bound":    {revalidate.Invalidation{URLs: slices.Repeat([]string{"http://example.com/"}, 1001)}, revalidate.ErrTooManyNames},
		"a group of no origin":        {group("", "a"), revalidate.ErrGroup},
		"a group of no http":          {group("ftp://example.com", "a"), revalidate.ErrGroup},
		"a group of no host":          {group("http://", "a"), revalidate.ErrGroup},
		"an origin with a space":      {group("http://a b", "a"), revalidate.ErrGroup},
		"an origin in upper case":     {group("http://A", "a"), revalidate.ErrGroup},
		"an origin beyond the bound":  {group("http://"+strings.Repeat("a", 300), "a"), revalidate.ErrGroup},
		"a group with a line break":   {group("http://a", "a\nb"), revalidate.ErrGroup},
		"a group beyond the bound":    {group("http://a", strings.Repeat("a", 257)), revalidate.ErrGroup},
		"more groups than the bound":  {revalidate.Invalidation{Groups: make([]revalidate.Group, 1001)}, revalidate.ErrTooManyNames},
		"everything, in a bad window": {revalidate.Invalidation{All: true, Window: -1}, nil},
	} {
		for _, err := range []error{cache.Invalidate(t.Context(), row.inv), cache.Receive(row.inv)} {
			if err == nil || row.want != nil && !errors.Is(err, row.want) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	if m := cache.Metrics(); m.Invalidations != 0 {
		t.Errorf("%+v", m)
	}
	for _, wait := range []time.Duration{-1, 11 * time.Second} {
		if _, err := revalidate.New(revalidate.Config{AnnounceWait: wait}); err == nil || !strings.Contains(err.Error(), "AnnounceWait") {
			t.Errorf("AnnounceWait %v: %v", wait, err)
		}
	}
}

// A request that is announced reaches what is stored for its URL in another cache, whatever bytes the URL has.
func FuzzUnsafeRequestIsAnnounced(f *testing.F) {
	for _, row := range [][4]string{
		{"example.com", "/a", "", ""},
		{"EXAMPLE.com:80", "/a/b", "/a%2Fb", "x=1&y=%zz"},
		{"example.com", "/ä %\x00#?", "", "a b#c"},
		{"[::1]:8080", "//x//", "", "?"},
		{"user@example.com", "/", "", ""},
		{"", "a", "", ""},
		{"example.com", "", "", ""},
		{"exa mple", "/\xff", "/%ff", "\xff"},
		{"a%41", "/;", "/%3b", ""},
	} {
		f.Add(row[0], row[1], row[2], row[3], true)
	}
	f.Fuzz(func(t *testing.T, host, path, raw, query string, force bool) {
		request := func(method string) *http.Request {
			r := httptest.NewRequest(method, "http://example.com/", nil)
			r.Host, r.URL.Path, r.URL.RawPath, r.URL.RawQuery, r.URL.ForceQuery = host, path, raw, query, force
			return r
		}
		two := newCache(t, revalidate.Config{Logger: silent()})
		one := newCache(t, revalidate.Config{Logger: silent(), OnInvalidate: func(_ context.Context, inv revalidate.Invalidation) error { return two.Receive(inv) }})
		calls := 0
		h := two.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			calls++
			w.Header().Set("Cache-Control", "max-age=60")
		}))
		h.ServeHTTP(httptest.NewRecorder(), request("GET"))
		one.Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})).ServeHTTP(httptest.NewRecorder(), request("POST"))
		h.ServeHTTP(httptest.NewRecorder(), request("GET"))
		if n := one.Metrics().AnnounceErrors; calls == 1 && n == 0 {
			t.Error("the other cache kept it, and nobody was told")
		}
	})
}
