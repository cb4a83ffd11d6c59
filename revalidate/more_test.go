package revalidate_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-go/gatehouse/revalidate"
)

func TestClientsThatStateTheSameConditionShareTheAnswer(t *testing.T) {
	for _, row := range []struct {
		name    string
		control string
		calls   int64
	}{
		{"a 304 that may be reused", "max-age=60", 2},
		{"a private one", "private, max-age=60", 20},
	} {
		synctest.Test(t, func(t *testing.T) {
			cache := newCache(t, revalidate.Config{})
			var calls atomic.Int64
			h := cache.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				calls.Add(1)
				time.Sleep(time.Second)
				w.Header().Set("Etag", r.Header.Get("If-None-Match"))
				w.Header().Set("Cache-Control", row.control)
				w.WriteHeader(http.StatusNotModified)
			}))
			crowd(20, func(i int) string {
				tag := fmt.Sprintf(`"v%d"`, i%2)
				res := ask{header: head("If-None-Match", tag, "If-Modified-Since", past)}.do(h)
				if res.StatusCode != 304 || res.Header.Get("Etag") != tag {
					t.Errorf("%s: client %d: %d %v", row.name, i, res.StatusCode, res.Header)
				}
				return ""
			})
			if calls.Load() != row.calls {
				t.Errorf("%s: %d calls", row.name, calls.Load())
			}
		})
	}
}

func TestAClientWhoseConditionHoldsForWhatReplacedTheStaleResponse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cache := newCache(t, revalidate.Config{})
		version := 0
		h := cache.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			version++
			w.Header().Set("Etag", fmt.Sprintf(`"v%d"`, version))
			w.Header().Set("Last-Modified", past)
			w.Header().Set("Cache-Control", "max-age=60")
			fmt.Fprint(w, version)
		}))
		ask{}.do(h)
		res := ask{after: 61 * time.Second, header: head("If-None-Match", `"v2"`)}.do(h)
		if res.StatusCode != 304 || text(t, res) != "" {
			t.Errorf("%d", res.StatusCode)
		}
		res = ask{after: 61 * time.Second, header: head("If-None-Match", `"v2"`)}.do(h)
		if res.StatusCode != 200 || text(t, res) != "3" {
			t.Errorf("%d", res.StatusCode)
		}
		if res = (ask{after: 61 * time.Second, header: head("If-Modified-Since", past)}).do(h); res.StatusCode != 304 {
			t.Errorf("%d", res.StatusCode)
		}
	})
}

func TestAReloadIsAnsweredByARunThatBeganAfterIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cache := newCache(t, revalidate.Config{})
		var calls atomic.Int64
		h := cache.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			n := calls.Add(1)
			time.Sleep(time.Duration(3-n) * time.Second) // the first run takes longer than the second
			w.Header().Set("Cache-Control", "max-age=60")
			fmt.Fprint(w, n)
		}))
		first := make(chan string, 1)
		go func() { first <- text(t, ask{}.do(h)) }()
		synctest.Wait()
		if got := text(t, ask{header: head("Cache-Control", "no-cache")}.do(h)); got != "2" {
			t.Errorf("the reload got %s", got)
		}
		if got := <-first; got != "1" {
			t.Errorf("the one before got %s", got)
		}
		if got := text(t, ask{}.do(h)); got != "2" {
			t.Errorf("the older run replaced the newer one: %s", got)
		}
	})
}

func TestWaitingClientsLeaveOnTheirOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cache := newCache(t, revalidate.Config{})
		h := cache.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Cache-Control", "max-age=60")
			time.Sleep(time.Second)
			_, _ = io.WriteString(w, "half ")
			_ = http.NewResponseController(w).Flush()
			time.Sleep(time.Second)
			_, _ = io.WriteString(w, "whole")
		}))
		patience := []time.Duration{500 * time.Millisecond, 1500 * time.Millisecond, 10 * time.Second}
		got := crowd(len(patience), func(i int) string {
			ctx, cancel := context.WithTimeout(context.Background(), patience[i])
			defer cancel()
			rec := httptest.NewRecorder()
			h.ServeHTTP(rec, httptest.NewRequest("GET", "/", nil).WithContext(ctx))
			return rec.Body.String()
		})
		if fmt.Sprint(got) != "[ half  half whole]" {
			t.Errorf("%q", got)
		}
	})
}

// failing is a client whose connection breaks at a certain write.
type failing struct {
	*httptest.ResponseRecorder
	left int
}

func (w *failing) Write(p []byte) (int, error) {
	if w.left--; w.left < 0 {
		return 0, io.ErrClosedPipe
	}
	return w.ResponseRecorder.Write(p)
}

func (w *failing) FlushError() error {
	if w.left == 1 {
		return io.ErrClosedPipe
	}
	return nil
}

func TestABrokenConnectionHarmsNobodyElse(t *testing.T) {
	for writes := range 3 {
		synctest.Test(t, func(t *testing.T) {
			cache := newCache(t, revalidate.Config{})
			var calls atomic.Int64
			h := cache.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				calls.Add(1)
				w.Header().Set("Cache-Control", "max-age=60")
				for range 3 {
					_, _ = io.WriteString(w, "part ")
					w.(http.Flusher).Flush()
					time.Sleep(time.Second)
				}
			}))
			h.ServeHTTP(&failing{httptest.NewRecorder(), writes}, httptest.NewRequest("GET", "http://example.com/page", nil))
			if got := text(t, ask{}.do(h)); got != "part part part " || calls.Load() != 1 {
				t.Errorf("%d writes: %q after %d calls", writes, got, calls.Load())
			}
		})
	}
}

func TestInterimResponsesKeepTheHeaderOfMiddleware(t *testing.T) {
	cache := newCache(t, revalidate.Config{})
	inner := cache.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Link", "</a.css>")
		w.WriteHeader(http.StatusEarlyHints)
		_, _ = io.WriteString(w, "body")
	}))
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Outer", "1")
		inner.ServeHTTP(w, r)
	}))
	defer srv.Close()
	res, err := http.Get(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.Header.Get("X-Outer") != "1" || text(t, res) != "body" {
		t.Errorf("%v", res.Header)
	}
}

func TestAHandlerThatEndsItsGoroutine(t *testing.T) {
	cache := newCache(t, revalidate.Config{})
	h := cache.Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { runtime.Goexit() }))
	defer func() {
		if v := recover(); v != http.ErrAbortHandler { //nolint:errorlint // the very value
			t.Errorf("recovered %v", v)
		}
	}()
	ask{}.do(h)
}

func TestStaleWhenTheHandlerBreaksOffAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cache := newCache(t, revalidate.Config{Logger: silent()})
		broken := false
		h := cache.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Cache-Control", "max-age=60, stale-if-error=60")
			if broken {
				w.WriteHeader(500)
				panic("broken")
			}
			_, _ = io.WriteString(w, "body")
		}))
		ask{}.do(h)
		broken = true
		if res := (ask{after: 61 * time.Second}).do(h); res.StatusCode != 200 || text(t, res) != "body" {
			t.Errorf("%d", res.StatusCode)
		}
	})
}

func TestA304ThatMayNotBeStoredAnyMore(t *testing.T) {
	for _, row := range []struct{ name, field, value string }{
		{"no-store", "Cache-Control", "no-store"},
		{"a tag that breaks a rule", "Cache-Tag", "é"},
	} {
		synctest.Test(t, func(t *testing.T) {
			cache := newCache(t, revalidate.Config{Logger: silent()})
			calls := 0
			h := cache.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				calls++
				w.Header().Set("Etag", `"a"`)
				w.Header().Set("Cache-Control", "max-age=60")
				if r.Header.Get("If-None-Match") != "" {
					w.Header().Set(row.field, row.value)
					w.WriteHeader(304)
					return
				}
				fmt.Fprintf(w, "call %d", calls)
			}))
			ask{}.do(h)
			if got := text(t, ask{after: 61 * time.Second}.do(h)); got != "call 1" {
				t.Errorf("%s: %s", row.name, got)
			}
			if got := text(t, ask{}.do(h)); got != "call 3" {
				t.Errorf("%s: then %s", row.name, got)
			}
		})
	}
}

func TestTagsOfA304AddToThoseOfTheResponse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cache := newCache(t, revalidate.Config{})
		var calls atomic.Int64
		h := cache.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Etag", `"a"`)
			if r.Header.Get("If-None-Match") != "" {
				w.Header().Set("Cache-Control", "max-age=60")
				w.Header().Set("Cache-Groups", `"group"`)
				w.WriteHeader(304)
				return
			}
			revalidate.Tag(w, "a")
			counting(&calls, "Cache-Control", "max-age=60").ServeHTTP(w, r)
		}))
		ask{}.do(h)
		ask{after: 61 * time.Second}.do(h)
		_ = cache.ExpireTag(context.Background(), "a")
		if got := text(t, ask{}.do(h)); got != "call 2" {
			t.Errorf("got %s", got)
		}
	})
}

func TestCachesInsideCaches(t *testing.T) {
	inner := newCache(t, revalidate.Config{})
	var calls atomic.Int64
	inside := inner.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Groups", `"group"`)
		revalidate.Tag(w, "a")
		counting(&calls, "Cache-Control", "max-age=60").ServeHTTP(w, r)
	}))
	ask{}.do(inside)
	outer := newCache(t, revalidate.Config{Responses: revalidate.Responses{EmitTags: "Surrogate-Key"}})
	h := outer.Wrap(inside)
	ask{}.do(h) // from the inner one
	res := ask{}.do(h)
	if got := res.Header.Get("Surrogate-Key"); got != "a group" || calls.Load() != 1 {
		t.Errorf("tags of the inner cache: %q after %d calls", got, calls.Load())
	}
	_ = outer.ExpireTag(context.Background(), "a")
	if status := (ask{}).do(h).Header["Cache-Status"]; len(status) != 2 || !strings.Contains(status[0], "hit") || !strings.Contains(status[1], "fwd=stale") {
		t.Errorf("%q", status)
	}
	// What the outer one purged does not come back from the inner one as if it were new.
	_ = outer.PurgeAll(context.Background())
	ask{}.do(h)
	if status := (ask{}).do(h).Header["Cache-Status"]; len(status) != 2 || strings.Contains(status[1], "hit") {
		t.Errorf("%q", status)
	}
}

func TestManyKeysInTrouble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const keys = 4200
		ctx := context.Background()
		cache := newCache(t, revalidate.Config{Logger: silent(), MaxRefreshes: 10_000})
		o := revalidate.Options{Life: revalidate.Life{Revalidate: time.Second}}
		var calls atomic.Int64
		read := func() {
			for i := range keys {
				_, err := revalidate.Get(ctx, cache, fmt.Sprint("key", i), o, func(context.Context) (int, error) {
					calls.Add(1)
					return 0, errors.New("down")
				})
				if err != nil {
					t.Fatal(err)
				}
			}
			synctest.Wait()
		}
		for i := range keys {
			_ = revalidate.Set(ctx, cache, fmt.Sprint("key", i), o, i)
		}
		time.Sleep(time.Second)
		read()
		before := calls.Load()
		read() // those that are paused are left alone, those beyond the bound are tried again
		if again := calls.Load() - before; again == 0 || again > keys-4096 {
			t.Errorf("%d of %d tried again at once", again, keys)
		}
		time.Sleep(time.Minute)
		before = calls.Load()
		read()
		if again := calls.Load() - before; again != keys {
			t.Errorf("%d of %d tried again after a minute", again, keys)
		}
	})
}

func TestResponsesThatNewRefuses(t *testing.T) {
	_, err := revalidate.New(revalidate.Config{
		Store: newMemory(t, 1<<20), MaxBytes: 1 << 20, RevalidateWindow: revalidate.Forever + 1,
		Profiles: map[string]revalidate.Life{
			"negative": {Stale: -1, Revalidate: 1},
			"endless":  {Revalidate: revalidate.Forever + 1, Expire: revalidate.Forever + 1},
			"early":    {Revalidate: 2, Expire: 1},
		},
		Responses: revalidate.Responses{
			MaxBody: -1, StaleIfDisconnected: -1, Name: "a b", TargetField: "x:y", EmitTags: "a/b",
			Normalise: map[string]func([]string) string{"": nil, "é": nil, "Accept": nil},
		},
	})
	var joined interface{ Unwrap() []error }
	if !errors.As(err, &joined) || len(joined.Unwrap()) != 12 {
		t.Errorf("got:\n%v", err)
	}
}

func TestMetrics(t *testing.T) {
	ctx := context.Background()
	cache := newCache(t, revalidate.Config{})
	if r := cache.Metrics().HitRatio(); r != 0 {
		t.Errorf("before the first read: %v", r)
	}
	s := &source{}
	for range 4 {
		mustGet(t, cache, revalidate.Options{}, s)
	}
	_ = cache.ExpireTag(ctx, "a")
	_ = cache.ExpirePath(ctx, "/a", "/b/[c]")
	m := cache.Metrics()
	if m.Hits != 3 || m.Misses != 1 || m.Fills != 1 || m.Invalidations != 2 || m.Marks != 3 || m.Store.Entries != 1 || m.HitRatio() != 0.75 {
		t.Errorf("%+v", m)
	}
}

func TestSomeStatusesAndFieldsAreNeverStored(t *testing.T) {
	for _, row := range []struct {
		name   string
		status int
		header []string
	}{
		{"206", 206, []string{"Content-Range", "bytes 0-3/10"}},
		{"416", 416, []string{"Content-Range", "bytes */10"}},
		{"500", 500, nil},
		{"599", 599, nil},
		{"an unknown status that must be understood", 299, []string{"Cache-Control", "must-understand"}},
		{"a trailer announced by prefix", 200, []string{http.TrailerPrefix + "X", "1"}},
	} {
		cache := newCache(t, revalidate.Config{})
		calls := 0
		h := cache.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			calls++
			w.Header().Add("Cache-Control", "max-age=60")
			for i := 0; i < len(row.header); i += 2 {
				w.Header()[row.header[i]] = append(w.Header()[row.header[i]], row.header[i+1])
			}
			w.WriteHeader(row.status)
		}))
		ask{}.do(h)
		ask{}.do(h)
		if calls != 2 {
			t.Errorf("%s is stored", row.name)
		}
	}
}

func TestOddDirectives(t *testing.T) {
	for _, row := range []struct {
		control string
		reused  bool
	}{
		{`x="a\"b,c", max-age=60`, true},
		{`no-cache="", max-age=60`, false},
		{`no-cache=" , ", max-age=60`, false},
		{`no-cache="x-a\,x-b", max-age=60`, true},
		{"max-age=60, max-age=0", true},
		{"max-age=, Expires=1", false},
		{"max-age", false},
		{",,=,max-age=60", true},
	} {
		cache := newCache(t, revalidate.Config{})
		var calls atomic.Int64
		h := cache.Wrap(counting(&calls, "Cache-Control", row.control))
		ask{}.do(h)
		ask{}.do(h)
		if got := calls.Load() == 1; got != row.reused {
			t.Errorf("%s: reused %v", row.control, got)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		cache := newCache(t, revalidate.Config{})
		var calls atomic.Int64
		h := cache.Wrap(counting(&calls, "Cache-Control", "max-age=60", "Etag", `"a"`))
		ask{}.do(h)
		if got := text(t, ask{after: time.Hour, header: head("Cache-Control", "max-stale")}.do(h)); got != "call 1" {
			t.Errorf("max-stale without a number: %s", got)
		}
		if got := text(t, ask{header: head("Cache-Control", "foo, max-stale=x")}.do(h)); got != "call 2" {
			t.Errorf("max-stale that is no number: %s", got)
		}
	})
}

// sticky is a store that keeps what it is told to forget, and what has ended.
type sticky struct{ *wire }

func (s sticky) Load(_ context.Context, key string) (*revalidate.Entry, error) {
	b, ok := s.bytes[key]
	if !ok {
		return nil, nil
	}
	e := new(revalidate.Entry)
	return e, e.UnmarshalBinary(b)
}

func (sticky) Clear(context.Context) error { return errors.New("does not clear") }

func TestAStoreThatForgetsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := context.Background()
		cache := newCache(t, revalidate.Config{Store: sticky{&wire{}}})
		s := &source{}
		o := revalidate.Options{Profile: "seconds"}
		mustGet(t, cache, o, s)
		time.Sleep(time.Hour)
		if got := mustGet(t, cache, o, s); got != 2 {
			t.Errorf("an ended value: %d", got)
		}
		var calls atomic.Int64
		h := cache.Wrap(counting(&calls, "Cache-Control", "max-age=60", "Vary", "Accept"))
		ask{}.do(h)
		if err := cache.PurgeAll(ctx); err == nil {
			t.Error("the store's error is lost")
		}
		for range 2 {
			if got := text(t, ask{}.do(h)); got != "call 2" {
				t.Errorf("a purged response: %s", got)
			}
		}
		if got := mustGet(t, cache, o, s); got != 3 {
			t.Errorf("a purged value: %d", got)
		}
	})
}

func TestStaleDataWithOptionsThatAreRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cache := newCache(t, revalidate.Config{})
		mustGet(t, cache, revalidate.Options{}, &source{})
		time.Sleep(time.Hour)
		_, err := revalidate.Get(context.Background(), cache, "key", revalidate.Options{Tags: []string{"a b"}}, (&source{}).fetch)
		if !errors.Is(err, revalidate.ErrTag) {
			t.Error(err)
		}
	})
}

func TestBypassedAnswersAreStrippedToo(t *testing.T) {
	cache := newCache(t, revalidate.Config{Responses: revalidate.Responses{TargetField: "My-Cache", Name: "mine"}})
	h := cache.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("My-Cache", "no-store") }))
	res := ask{method: "POST"}.do(h)
	if res.Header["My-Cache"] != nil || res.Header.Get("Cache-Status") != "mine; fwd=method" {
		t.Errorf("%v", res.Header)
	}
}

func TestOriginsOverTLS(t *testing.T) {
	cache := newCache(t, revalidate.Config{})
	var calls atomic.Int64
	srv := httptest.NewTLSServer(cache.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			w.Header().Set("Location", "https://"+r.Host+r.URL.Query().Get("to"))
			w.Header().Set("Cache-Group-Invalidation", r.URL.Query().Get("group"))
			w.WriteHeader(http.StatusSeeOther)
			return
		}
		w.Header().Set("Cache-Groups", `"g"`)
		counting(&calls, "Cache-Control", "max-age=60").ServeHTTP(w, r)
	})))
	defer srv.Close()
	client := srv.Client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	do := func(method, target string) string {
		r, _ := http.NewRequest(method, srv.URL+target, nil)
		res, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		return text(t, res)
	}
	do("GET", "/page")
	do("POST", `/x?to=/other&group="x"+"y"`)
	if got := do("GET", "/page"); got != "call 1" {
		t.Errorf("kept: %s", got)
	}
	do("POST", "/x?to=/page")
	if got := do("GET", "/page"); got != "call 2" {
		t.Errorf("Location: %s", got)
	}
	do("POST", `/x?to=/other&group="g"`)
	if got := do("GET", "/page"); got != "call 3" {
		t.Errorf("group: %s", got)
	}
	if err := cache.Purge(context.Background(), srv.URL+"/page"); err != nil {
		t.Fatal(err)
	}
	if got := do("GET", "/page"); got != "call 4" {
		t.Errorf("Purge: %s", got)
	}
}

func TestVaryByMoreThanTheCacheTakesInTwoSteps(t *testing.T) {
	cache := newCache(t, revalidate.Config{})
	var calls atomic.Int64
	vary := "A,B,C,D,E,F,G,H,I,J"
	h := cache.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Vary", vary)
		counting(&calls, "Cache-Control", "max-age=60").ServeHTTP(w, r)
	}))
	ask{}.do(h)
	vary = "K,L,M,N,O,P,Q,R,S,T"
	other := ask{header: head("A", "1")}
	other.do(h)
	if got := text(t, other.do(h)); got != "call 3" {
		t.Errorf("got %s", got)
	}
}

func TestSelectingFieldsWithOddBytes(t *testing.T) {
	cache := newCache(t, revalidate.Config{})
	var calls atomic.Int64
	h := cache.Wrap(counting(&calls, "Cache-Control", "max-age=60", "Vary", "X-A, X-B"))
	for i, row := range []struct{ a, b string }{{`\`, "1"}, {`\\`, "1"}, {"a,,b", "1"}, {"a\n=1", ""}} {
		one := ask{header: head("X-A", row.a, "X-B", row.b)}
		if got := text(t, one.do(h)); got != fmt.Sprint("call ", i+1) {
			t.Errorf("%q: %s", row, got)
		}
	}
	if got := text(t, ask{header: head("X-A", "a, b", "X-B", "1")}.do(h)); got != "call 3" {
		t.Errorf("empty items count: %s", got)
	}
}

func TestNotModifiedIsForWhatIsOK(t *testing.T) {
	cache := newCache(t, revalidate.Config{})
	h := cache.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Cache-Control", "max-age=60")
		w.Header().Set("Etag", `"a"`)
		w.WriteHeader(404)
	}))
	ask{}.do(h)
	if res := (ask{header: head("If-None-Match", `"a"`)}).do(h); res.StatusCode != 404 {
		t.Error(res.StatusCode)
	}
}

func TestARefreshThatIsUnderWayIsNotBegunAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cache := newCache(t, revalidate.Config{})
		var calls atomic.Int64
		h := cache.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(time.Second)
			counting(&calls, "Cache-Control", "max-age=60, stale-while-revalidate=60").ServeHTTP(w, r)
		}))
		ask{}.do(h)
		time.Sleep(60 * time.Second)
		go func() { ask{header: head("Cache-Control", "no-cache")}.do(h) }()
		synctest.Wait()
		for range 5 {
			if got := text(t, ask{}.do(h)); got != "call 1" {
				t.Error(got)
			}
		}
		time.Sleep(2 * time.Second)
		if calls.Load() != 2 {
			t.Errorf("%d calls", calls.Load())
		}
		time.Sleep(60 * time.Second)
		_ = cache.Close(context.Background())
		if got := text(t, ask{}.do(h)); got != "call 2" || calls.Load() != 2 {
			t.Errorf("stale after Close: %s after %d calls", got, calls.Load())
		}
	})
}

func TestAClientThatLeavesBetweenHeaderAndBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cache := newCache(t, revalidate.Config{})
		h := cache.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Cache-Control", "max-age=60")
			w.WriteHeader(200)
			time.Sleep(2 * time.Second)
			_, _ = io.WriteString(w, "body")
		}))
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "http://example.com/page", nil).WithContext(ctx))
		if got := text(t, ask{}.do(h)); got != "body" {
			t.Errorf("who came after it: %q", got)
		}
	})
}

func TestABodyThatBreaksOffIsCutForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cache := newCache(t, revalidate.Config{Logger: silent()})
		h := cache.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Cache-Control", "max-age=60")
			_, _ = io.WriteString(w, "half")
			w.(http.Flusher).Flush()
			time.Sleep(time.Second)
			panic("broken")
		}))
		crowd(3, func(i int) string {
			defer func() {
				if v := recover(); v != http.ErrAbortHandler { //nolint:errorlint // the very value
					t.Errorf("client %d: %v", i, v)
				}
			}()
			ask{}.do(h)
			return ""
		})
	})
}

func TestFollowersWhoseVariantTurnsOutToDiffer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cache := newCache(t, revalidate.Config{})
		vary := "X-A"
		h := cache.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(time.Second)
			w.Header().Set("Cache-Control", "max-age=10")
			w.Header().Set("Vary", vary)
			w.Header().Set("Etag", `"a"`)
			if r.Header.Get("If-None-Match") != "" && r.Header.Get("X-B") == "" {
				w.WriteHeader(304)
				return
			}
			fmt.Fprint(w, r.Header.Get("X-A"), r.Header.Get("X-B"))
		}))
		both := func(suffix string) {
			t.Helper()
			for i, got := range crowd(10, func(i int) string {
				return text(t, ask{header: head("X-A", "1", "X-B", fmt.Sprint(i%2, suffix))}.do(h))
			}) {
				if want := fmt.Sprintf("1%d%s", i%2, suffix); got != want {
					t.Errorf("client %d got %q, want %q", i, got, want)
				}
			}
		}
		ask{header: head("X-A", "1")}.do(h)
		time.Sleep(11 * time.Second)
		vary = "X-A, X-B" // from now on it varies by more than the entry that is there says
		both("x")
		both("y")
	})
}

func TestAHandlerWithoutReadersHasAWhileToFinish(t *testing.T) {
	for _, row := range []struct {
		name   string
		takes  time.Duration
		stored bool
	}{
		{"one that finishes", 30 * time.Second, true},
		{"one that does not", time.Hour, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			cache := newCache(t, revalidate.Config{RefreshTimeout: time.Minute})
			var calls atomic.Int64
			h := cache.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				n := calls.Add(1)
				w.Header().Set("Cache-Control", "max-age=600")
				w.WriteHeader(200)
				if n > 1 {
					return
				}
				select {
				case <-time.After(row.takes):
				case <-r.Context().Done():
					panic(http.ErrAbortHandler)
				}
			}))
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "http://example.com/page", nil).WithContext(ctx))
			time.Sleep(2 * time.Minute)
			ask{}.do(h)
			if got := calls.Load() == 1; got != row.stored {
				t.Errorf("%s: %d calls", row.name, calls.Load())
			}
		})
	}
}

// Two processes share a store; one may have missed what the other announced, and forgets what is older than a time.
func TestForgetLeavesTheStoreToOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shared, err := revalidate.NewMemory(revalidate.MemoryConfig{MaxBytes: 1 << 20})
		if err != nil {
			t.Fatal(err)
		}
		mine, err := revalidate.New(revalidate.Config{Store: revalidate.NewTiered(shared, shared)})
		if err != nil {
			t.Fatal(err)
		}
		other, err := revalidate.New(revalidate.Config{Store: revalidate.NewTiered(shared, shared)})
		if err != nil {
			t.Fatal(err)
		}
		fetched := 0
		read := func(c *revalidate.Cache, key string) int {
			t.Helper()
			n, err := revalidate.Get(t.Context(), c, key, revalidate.Options{}, func(context.Context) (int, error) { fetched++; return fetched, nil })
			if err != nil {
				t.Error(err)
			}
			return n
		}
		read(mine, "old")
		time.Sleep(time.Minute)
		between := time.Now()
		time.Sleep(time.Minute)
		read(mine, "new")
		mine.Forget(between)
		if got := []int{read(other, "old"), read(other, "new"), read(mine, "new"), read(mine, "old")}; !slices.Equal(got, []int{1, 2, 2, 3}) {
			t.Errorf("after Forget of what is older than the second: %v", got)
		}
		time.Sleep(time.Second)
		mine.Forget(time.Now().Add(time.Hour))
		if got := []int{read(mine, "old"), read(mine, "old"), read(mine, "new")}; !slices.Equal(got, []int{4, 4, 5}) {
			t.Errorf("after Forget of what is older than a time to come: %v", got)
		}
		_ = mine.Close(t.Context())
		_ = other.Close(t.Context())
	})
}
