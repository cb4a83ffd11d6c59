package revalidate_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-go/gatehouse/revalidate"
)

// crowd runs n requests at once and returns what each got.
func crowd(n int, one func(i int) string) []string {
	got := make([]string, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { got[i] = one(i) })
	}
	wg.Wait()
	return got
}

func TestAHundredColdRequestsRunTheHandlerOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cache := newCache(t, revalidate.Config{})
		var calls atomic.Int64
		slow := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(time.Second)
			counting(&calls, "Cache-Control", "max-age=60").ServeHTTP(w, r)
		})
		h := cache.Wrap(slow)
		for i, got := range crowd(100, func(int) string { return text(t, ask{}.do(h)) }) {
			if got != "call 1" {
				t.Errorf("client %d got %q", i, got)
			}
		}
		if calls.Load() != 1 {
			t.Errorf("the handler ran %d times", calls.Load())
		}
		if m := cache.Metrics(); m.Fills != 1 || m.Misses != 100 || m.Shared != 99 {
			t.Errorf("%+v", m)
		}
	})
}

func TestWhenTheFirstClientLeavesTheOthersAreServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cache := newCache(t, revalidate.Config{})
		var calls atomic.Int64
		h := cache.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			select {
			case <-time.After(time.Second):
				counting(&calls, "Cache-Control", "max-age=60").ServeHTTP(w, r)
			case <-r.Context().Done():
				t.Error("the handler was cancelled")
			}
		}))
		leader, leave := context.WithCancel(context.Background())
		left := make(chan struct{})
		go func() {
			defer close(left)
			h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "http://example.com/page", nil).WithContext(leader))
		}()
		synctest.Wait()
		go func() {
			time.Sleep(500 * time.Millisecond)
			leave()
		}()
		for i, got := range crowd(20, func(int) string { return text(t, ask{}.do(h)) }) {
			if got != "call 1" {
				t.Errorf("client %d got %q", i, got)
			}
		}
		<-left
	})
}

func TestWhenEverybodyLeavesTheHandlerIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cache := newCache(t, revalidate.Config{})
		told := make(chan struct{})
		h := cache.Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			<-r.Context().Done()
			close(told)
		}))
		ctx, leave := context.WithTimeout(context.Background(), time.Second)
		defer leave()
		crowd(3, func(int) string {
			h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil).WithContext(ctx))
			return ""
		})
		<-told
	})
}

func TestWhatIsNotForEverybodyIsRunForEach(t *testing.T) {
	for _, row := range []struct {
		name   string
		header []string
		status int
	}{
		{"private", []string{"Cache-Control", "private, max-age=60"}, 200},
		{"no-store", []string{"Cache-Control", "no-store"}, 200},
		{"no-cache", []string{"Cache-Control", "no-cache, max-age=60"}, 200},
		{"no stated freshness", nil, 200},
		{"Set-Cookie", []string{"Cache-Control", "max-age=60", "Set-Cookie", "session=1"}, 200},
		{"a server error", []string{"Cache-Control", "max-age=60"}, 500},
		{"Vary: *", []string{"Cache-Control", "max-age=60", "Vary", "*"}, 200},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cache := newCache(t, revalidate.Config{})
				h := cache.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					time.Sleep(time.Second)
					for i := 0; i < len(row.header); i += 2 {
						w.Header().Add(row.header[i], row.header[i+1])
					}
					w.WriteHeader(row.status)
					_, _ = io.WriteString(w, r.Header.Get("Cookie"))
				}))
				for i, got := range crowd(10, func(i int) string {
					return text(t, ask{header: head("Cookie", fmt.Sprint("user=", i))}.do(h))
				}) {
					if want := fmt.Sprint("user=", i); got != want {
						t.Errorf("client %d got the answer for %q", i, got)
					}
				}
			})
		})
	}
}

func TestWhatVariesIsRunOnceForEachVariant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cache := newCache(t, revalidate.Config{})
		var calls atomic.Int64
		h := cache.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			calls.Add(1)
			time.Sleep(time.Second)
			w.Header().Set("Cache-Control", "max-age=60")
			w.Header().Set("Vary", "Accept-Language")
			_, _ = io.WriteString(w, r.Header.Get("Accept-Language"))
		}))
		one := func(i int) string {
			language := []string{"de", "en", "fr"}[i%3]
			got := text(t, ask{header: head("Accept-Language", language)}.do(h))
			if got != language {
				t.Errorf("client %d got %q", i, got)
			}
			return got
		}
		crowd(30, one)
		if calls.Load() != 3 {
			t.Errorf("cold: the handler ran %d times", calls.Load())
		}
		crowd(30, one)
		if calls.Load() > 4 { // two that raced to be the first to vary may have hidden one another
			t.Errorf("warm: the handler ran %d times", calls.Load())
		}
	})
}

func TestFollowersReadWhileTheHandlerWrites(t *testing.T) {
	cache := newCache(t, revalidate.Config{})
	release := make(chan struct{})
	var calls atomic.Int64
	srv := httptest.NewServer(cache.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		calls.Add(1)
		w.Header().Set("Cache-Control", "max-age=60")
		_, _ = io.WriteString(w, "first\n")
		_ = http.NewResponseController(w).Flush()
		<-release
		_, _ = io.WriteString(w, "last\n")
	})))
	defer srv.Close()
	for i := range 3 {
		res, err := http.Get(srv.URL)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		lines := bufio.NewReader(res.Body)
		if line, err := lines.ReadString('\n'); line != "first\n" || err != nil {
			t.Fatalf("client %d read %q, %v before the handler was done", i, line, err)
		}
		if i == 2 {
			close(release)
			if rest, err := io.ReadAll(lines); string(rest) != "last\n" || err != nil {
				t.Fatalf("the rest is %q, %v", rest, err)
			}
		}
	}
	if calls.Load() != 1 {
		t.Errorf("the handler ran %d times", calls.Load())
	}
}

func TestALongBodyPassesThroughAndTheHandlerKeepsItsReadersPace(t *testing.T) {
	const size = 1 << 20
	cache := newCache(t, revalidate.Config{Responses: revalidate.Responses{MaxBody: 1000}})
	var written, calls atomic.Int64
	srv := httptest.NewServer(cache.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		calls.Add(1)
		w.Header().Set("Cache-Control", "max-age=60")
		chunk := []byte(strings.Repeat("x", 4096))
		for range size / len(chunk) {
			n, err := w.Write(chunk)
			if err != nil {
				return
			}
			written.Add(int64(n))
		}
	})))
	defer srv.Close()
	for range 2 {
		res, err := http.Get(srv.URL)
		if err != nil {
			t.Fatal(err)
		}
		n, err := io.Copy(io.Discard, res.Body)
		res.Body.Close()
		if n != size || err != nil {
			t.Fatalf("%d bytes, %v", n, err)
		}
	}
	if calls.Load() != 2 {
		t.Errorf("a body beyond the bound was stored: %d calls", calls.Load())
	}
}

func TestAStreamEndsWithItsClient(t *testing.T) {
	cache := newCache(t, revalidate.Config{})
	ended := make(chan struct{})
	srv := httptest.NewServer(cache.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer close(ended)
		w.Header().Set("Content-Type", "text/event-stream")
		for i := 0; ; i++ {
			if _, err := fmt.Fprintf(w, "data: %d\n\n", i); err != nil {
				return
			}
			_ = http.NewResponseController(w).Flush()
			select {
			case <-r.Context().Done():
				return
			case <-time.After(time.Millisecond):
			}
		}
	})))
	defer srv.Close()
	res, err := http.Get(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(res.Body).ReadString('\n'); line != "data: 0\n" || err != nil {
		t.Fatalf("%q, %v", line, err)
	}
	res.Body.Close()
	<-ended
}

func TestInterimResponsesAreForwardedOnceAndNotReplayed(t *testing.T) {
	cache := newCache(t, revalidate.Config{})
	srv := httptest.NewServer(cache.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Link", "</a.css>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
		w.Header().Del("Link")
		w.Header().Set("Cache-Control", "max-age=60")
		_, _ = io.WriteString(w, "body")
	})))
	defer srv.Close()
	for _, row := range []struct {
		name string
		want []string
	}{
		{"the client for whom the handler runs gets the hint", []string{"103 </a.css>; rel=preload"}},
		{"the client of the stored response gets none", nil},
	} {
		var hints []string
		ctx := httptrace.WithClientTrace(context.Background(), &httptrace.ClientTrace{
			Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
				hints = append(hints, fmt.Sprint(code, " ", h.Get("Link")))
				return nil
			},
		})
		r, _ := http.NewRequestWithContext(ctx, http.MethodGet, srv.URL, nil)
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		if got := text(t, res); got != "body" || res.Header.Get("Link") != "" {
			t.Errorf("%s: %q, %v", row.name, got, res.Header)
		}
		res.Body.Close()
		if fmt.Sprint(hints) != fmt.Sprint(row.want) {
			t.Errorf("%s: %q", row.name, hints)
		}
	}
}

func TestWhatTheHandlerDidNotFinishIsNotStored(t *testing.T) {
	for _, row := range []struct {
		name    string
		handler http.HandlerFunc
	}{
		{"a panic before the header", func(http.ResponseWriter, *http.Request) { panic("broken") }},
		{"a panic in the body", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "half")
			_ = http.NewResponseController(w).Flush()
			panic("broken")
		}},
		{"an abort in the body", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "half")
			panic(http.ErrAbortHandler)
		}},
		{"a body shorter than its Content-Length", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "10")
			_, _ = io.WriteString(w, "half")
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			cache := newCache(t, revalidate.Config{Logger: silent()})
			var calls atomic.Int64
			srv := httptest.NewUnstartedServer(cache.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				calls.Add(1)
				w.Header().Set("Cache-Control", "max-age=60")
				row.handler(w, r)
			})))
			srv.Config.ErrorLog = quiet()
			srv.Start()
			defer srv.Close()
			for range 2 {
				res, err := http.Get(srv.URL)
				if err == nil {
					_, err = io.ReadAll(res.Body)
					res.Body.Close()
				}
				if err == nil {
					t.Error("the client takes what it got for the whole")
				}
			}
			if calls.Load() < 2 {
				t.Error("it was stored")
			}
		})
	}
}

func TestAPanicReachesWhoeverRecoversIt(t *testing.T) {
	cache := newCache(t, revalidate.Config{Logger: silent()})
	cause := errors.New("broken")
	h := cache.Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(cause) }))
	defer func() {
		if v := recover(); v != cause { //nolint:errorlint // the very value
			t.Errorf("recovered %v", v)
		}
	}()
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
}

func TestTrailersPassThrough(t *testing.T) {
	cache := newCache(t, revalidate.Config{})
	var calls atomic.Int64
	srv := httptest.NewServer(cache.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		calls.Add(1)
		w.Header().Set("Cache-Control", "max-age=60")
		w.Header().Set("Trailer", "Checksum")
		_, _ = io.WriteString(w, "body")
		w.Header().Set("Checksum", "1234")
		w.Header().Set(http.TrailerPrefix+"Late", "yes")
	})))
	defer srv.Close()
	for range 2 {
		res, err := http.Get(srv.URL)
		if err != nil {
			t.Fatal(err)
		}
		if got := text(t, res); got != "body" || res.Trailer.Get("Checksum") != "1234" || res.Trailer.Get("Late") != "yes" {
			t.Errorf("%q, trailer %v", got, res.Trailer)
		}
		res.Body.Close()
	}
	if calls.Load() != 2 {
		t.Error("a response with trailers was stored without them")
	}
}

func TestUpgradesReachTheConnection(t *testing.T) {
	cache := newCache(t, revalidate.Config{})
	srv := httptest.NewServer(cache.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		conn, buf, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		_, _ = buf.WriteString("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
		_ = buf.Flush()
	})))
	defer srv.Close()
	r, _ := http.NewRequest(http.MethodGet, srv.URL, nil)
	r.Header.Set("Connection", "Upgrade")
	r.Header.Set("Upgrade", "echo")
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != 101 {
		t.Errorf("status %d", res.StatusCode)
	}
}
