package security_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/http/httputil"
	"net/textproto"
	"net/url"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/testwait"
	"github.com/gatehouse-go/gatehouse/security"
)

func mustDeadlines(tb testing.TB, c security.DeadlinesConfig) *security.Deadlines {
	tb.Helper()
	if c.Logger == nil {
		c.Logger = discard
	}
	d, err := security.NewDeadlines(c)
	if err != nil {
		tb.Fatal(err)
	}
	return d
}

// listen serves h and returns its address.
func listen(t *testing.T, h http.Handler) string {
	t.Helper()
	srv := httptest.NewUnstartedServer(h)
	srv.Config = security.Server(h)
	srv.Start()
	t.Cleanup(srv.Close)
	return srv.Listener.Addr().String()
}

// talk sends a request's start and then the parts, one each pause, and returns the answer.
func talk(t *testing.T, addr, start string, pause time.Duration, parts ...string) (*http.Response, string) {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(2 * testwait.Patience))
	if _, err := io.WriteString(conn, start); err != nil {
		t.Fatal(err)
	}
	go func() {
		for _, p := range parts {
			time.Sleep(pause)
			if _, err := io.WriteString(conn, p); err != nil {
				return
			}
		}
	}()
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(resp.Body)
	return resp, string(body)
}

func TestSlowBodiesGet408(t *testing.T) {
	fast := security.DeadlinesConfig{Body: 200 * time.Millisecond, Grace: 100 * time.Millisecond}
	for _, row := range []struct {
		name    string
		handler http.HandlerFunc
	}{
		{"whatever the handler makes of the error", func(w http.ResponseWriter, r *http.Request) {
			if _, err := io.ReadAll(r.Body); err != nil {
				http.Error(w, "bad body", http.StatusBadRequest)
			}
		}},
		{"though the handler ignores the error", func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.ReadAll(r.Body)
			_, _ = io.WriteString(w, "fine")
		}},
		{"though the handler says nothing", func(_ http.ResponseWriter, r *http.Request) { _, _ = io.ReadAll(r.Body) }},
	} {
		addr := listen(t, mustDeadlines(t, fast).Wrap(row.handler))
		resp, body := talk(t, addr, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nstart", 0)
		if resp.StatusCode != 408 || resp.Header.Get("Content-Type") != "application/problem+json" || !resp.Close || strings.Contains(body, "fine") {
			t.Errorf("%s: %d %v %s", row.name, resp.StatusCode, resp.Header, body)
		}
	}
}

func TestBodiesThatTrickleGet408(t *testing.T) {
	d := mustDeadlines(t, security.DeadlinesConfig{Body: time.Minute, MinRate: 1000, Grace: 100 * time.Millisecond})
	addr := listen(t, d.Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, _ = io.ReadAll(r.Body) })))
	start := time.Now()
	resp, _ := talk(t, addr, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", 20*time.Millisecond, strings.Split(strings.Repeat("1\r\nx\r\n,", 200), ",")...)
	if took := time.Since(start); resp.StatusCode != 408 || took > 30*time.Second { // and not the minute
		t.Errorf("%d after %v", resp.StatusCode, took)
	}
}

func TestBodyTimeoutIsTheApplicationsToAnswer(t *testing.T) {
	for _, row := range []struct {
		name    string
		onError func(http.ResponseWriter, *http.Request, error)
		handler http.HandlerFunc
		want    string
	}{
		{"through OnError", func(w http.ResponseWriter, _ *http.Request, err error) {
			w.WriteHeader(408)
			_, _ = io.WriteString(w, "too slow: "+fmt.Sprint(errors.Is(err, security.ErrBodyTimeout)))
		}, func(_ http.ResponseWriter, r *http.Request) { _, _ = io.ReadAll(r.Body) }, "too slow: true"},
		{"through a 408 of the handler's own", nil, func(w http.ResponseWriter, r *http.Request) {
			_, err := io.ReadAll(r.Body)
			http.Error(w, fmt.Sprint("late: ", errors.Is(err, security.ErrBodyTimeout)), 408)
		}, "late: true\n"},
	} {
		d := mustDeadlines(t, security.DeadlinesConfig{Body: 100 * time.Millisecond, OnError: row.onError})
		resp, body := talk(t, listen(t, d.Wrap(row.handler)), "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nstart", 0)
		if resp.StatusCode != 408 || body != row.want {
			t.Errorf("%s: %d %q", row.name, resp.StatusCode, body)
		}
	}
}

func TestAnAnswerThatHasBegunIsNotReplaced(t *testing.T) {
	d := mustDeadlines(t, security.DeadlinesConfig{Body: 100 * time.Millisecond})
	addr := listen(t, d.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).EnableFullDuplex()
		_, _ = io.WriteString(w, "begun")
		_ = http.NewResponseController(w).Flush()
		_, err := io.ReadAll(r.Body)
		_, _ = io.WriteString(w, fmt.Sprint(" ", err))
	})))
	resp, body := talk(t, addr, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nstart", 0)
	if resp.StatusCode != 200 || body != "begun request body did not arrive in time" {
		t.Errorf("%d %q", resp.StatusCode, body)
	}
}

func TestReverseProxyTellsASlowBodyFromABadUpstream(t *testing.T) {
	upstream := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, _ = io.ReadAll(r.Body) }))
	t.Cleanup(upstream.Close)
	to, err := url.Parse(upstream.URL)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(to)
	proxy.ErrorLog = log.New(io.Discard, "", 0)
	addr := listen(t, mustDeadlines(t, security.DeadlinesConfig{Body: 100 * time.Millisecond}).Wrap(proxy))
	if resp, _ := talk(t, addr, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nstart", 0); resp.StatusCode != 408 {
		t.Errorf("%d", resp.StatusCode)
	}
}

func TestABodyReadInTimeLeavesNoDeadline(t *testing.T) {
	t.Parallel()
	d := mustDeadlines(t, security.DeadlinesConfig{Body: 3 * time.Second, Grace: 3 * time.Second, Write: 3 * time.Second})
	addr := listen(t, d.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		select {
		case <-r.Context().Done():
			http.Error(w, "the context ended: "+context.Cause(r.Context()).Error(), 500)
		case <-time.After(3500 * time.Millisecond): // when each of the times is over
			_, _ = fmt.Fprint(w, string(body), " ", err)
		}
	})))
	if resp, body := talk(t, addr, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nConnection: close\r\n\r\n", 20*time.Millisecond, "he", "llo"); resp.StatusCode != 200 || body != "hello <nil>" {
		t.Errorf("%d %q", resp.StatusCode, body)
	}
}

func TestABodyThatNobodyReadsHoldsNoConnection(t *testing.T) {
	d := mustDeadlines(t, security.DeadlinesConfig{Grace: 100 * time.Millisecond})
	addr := listen(t, d.Wrap(http.HandlerFunc(noContent)))
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(testwait.Patience))
	_, _ = io.WriteString(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nstart")
	if all, err := io.ReadAll(conn); err != nil || !strings.HasPrefix(string(all), "HTTP/1.1 204") {
		t.Errorf("%q, %v", all, err)
	}
}

func TestDeadlinesLetEveryKindOfAnswerThrough(t *testing.T) {
	d := mustDeadlines(t, security.DeadlinesConfig{})
	mux := http.NewServeMux()
	mux.HandleFunc("/hints", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Link", "</style.css>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
		w.WriteHeader(http.StatusTeapot)
		_, _ = io.WriteString(w, "tea")
	})
	mux.HandleFunc("/copy", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.Copy(w, struct{ io.Reader }{strings.NewReader(strings.Repeat("x", 200_000))})
	})
	mux.HandleFunc("/copy-after-header", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(200)
		n, err := io.Copy(w, struct{ io.Reader }{strings.NewReader(strings.Repeat("x", 200_000))})
		if n != 200_000 || err != nil {
			t.Errorf("copied %d, %v", n, err)
		}
	})
	mux.HandleFunc("/copy-fails", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(200)
		if _, err := io.Copy(w, iotest.ErrReader(errors.New("source fails"))); err == nil {
			t.Error("no error")
		}
	})
	mux.HandleFunc("/abort", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	mux.HandleFunc("/push", func(w http.ResponseWriter, _ *http.Request) {
		if err := w.(http.Pusher).Push("/x", nil); !errors.Is(err, http.ErrNotSupported) {
			t.Errorf("push: %v", err)
		}
	})
	srv := httptest.NewServer(d.Wrap(mux))
	t.Cleanup(srv.Close)
	var hints []int
	for path, want := range map[string]string{"/hints": "418 3", "/copy": "200 200000", "/copy-after-header": "200 200000", "/copy-fails": "200 0", "/push": "200 0", "/abort": "EOF"} {
		trace := &httptrace.ClientTrace{Got1xxResponse: func(code int, _ textproto.MIMEHeader) error { hints = append(hints, code); return nil }}
		r, _ := http.NewRequestWithContext(httptrace.WithClientTrace(t.Context(), trace), "GET", srv.URL+path, nil)
		resp, err := srv.Client().Do(r)
		got := "EOF"
		if err == nil {
			body, _ := io.ReadAll(resp.Body)
			got = fmt.Sprint(resp.StatusCode, " ", len(body))
		}
		if got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
	if fmt.Sprint(hints) != "[103]" {
		t.Errorf("1xx answers: %v", hints)
	}
}

func TestAReplacedAnswerIsSwallowedWhole(t *testing.T) {
	d := mustDeadlines(t, security.DeadlinesConfig{Body: 50 * time.Millisecond})
	addr := listen(t, d.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.ReadAll(r.Body)
		w.WriteHeader(500)
		w.WriteHeader(501)
		_, _ = w.Write([]byte("leak"))
		_, _ = io.WriteString(w, "leak")
		n, _ := io.Copy(w, struct{ io.Reader }{strings.NewReader("leak")})
		w.(http.Flusher).Flush()
		if n != 4 {
			t.Errorf("copied %d", n)
		}
	})))
	if resp, body := talk(t, addr, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nstart", 0); resp.StatusCode != 408 || strings.Contains(body, "leak") {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
}

func TestAWriterUsedAfterItsHandlerHarmsNobody(t *testing.T) {
	var kept http.ResponseWriter
	keep := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { kept = w })
	for name, h := range map[string]http.Handler{
		"deadlines": mustDeadlines(t, security.DeadlinesConfig{}).Wrap(keep),
		"headers":   mustHeaders(t, security.HeadersConfig{}).Wrap(keep),
	} {
		w := serve(h, httptest.NewRequest("GET", "/", nil))
		kept.Header().Set("X-Late", "1")
		kept.WriteHeader(500)
		if _, err := kept.Write([]byte("late")); err == nil {
			t.Errorf("%s: a late write seems to succeed", name)
		}
		if w.Header().Get("X-Late") != "" || w.Body.Len() > 0 {
			t.Errorf("%s: a late write reached the client", name)
		}
	}
}

func TestDeadlinesWithoutAConnection(t *testing.T) {
	h := mustDeadlines(t, security.DeadlinesConfig{}).Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rc := http.NewResponseController(w)
		if err := rc.SetReadDeadline(time.Now()); !errors.Is(err, http.ErrNotSupported) {
			t.Errorf("read deadline: %v", err)
		}
		if err := rc.SetWriteDeadline(time.Now()); !errors.Is(err, http.ErrNotSupported) {
			t.Errorf("write deadline: %v", err)
		}
		if _, _, err := rc.Hijack(); !errors.Is(err, http.ErrNotSupported) {
			t.Errorf("hijack: %v", err)
		}
		body, _ := io.ReadAll(r.Body)
		_, _ = w.Write(body)
	}))
	if w := serve(h, httptest.NewRequest("POST", "/", strings.NewReader("hello"))); w.Body.String() != "hello" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestABodyBelowItsRateIsLateWithoutAConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := mustDeadlines(t, security.DeadlinesConfig{MinRate: 1, Grace: time.Second}).Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			if _, err := io.ReadAll(r.Body); !errors.Is(err, security.ErrBodyTimeout) {
				t.Errorf("read: %v", err)
			}
		}))
		r := httptest.NewRequest("POST", "/", iotest.OneByteReader(sleepy{strings.NewReader("hello")}))
		if w := serve(h, r); w.Code != 408 {
			t.Errorf("%d", w.Code)
		}
	})
}

// sleepy is a body of which each piece takes five seconds.
type sleepy struct{ io.Reader }

func (s sleepy) Read(p []byte) (int, error) {
	time.Sleep(5 * time.Second)
	return s.Reader.Read(p)
}

type pusher struct {
	*httptest.ResponseRecorder
	pushed string
}

func (p *pusher) Push(target string, _ *http.PushOptions) error {
	p.pushed = target
	return nil
}

func TestDeadlinesKeepPush(t *testing.T) {
	w := &pusher{ResponseRecorder: httptest.NewRecorder()}
	mustDeadlines(t, security.DeadlinesConfig{}).Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if err := w.(http.Pusher).Push("/style.css", nil); err != nil {
			t.Error(err)
		}
	})).ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	if w.pushed != "/style.css" {
		t.Errorf("pushed %q", w.pushed)
	}
}

func TestNewDeadlinesReportsEveryMistake(t *testing.T) {
	_, err := security.NewDeadlines(security.DeadlinesConfig{Body: -1, Grace: -1, Handler: -1, Write: -1, MinRate: -1})
	for _, field := range []string{"Body", "Grace", "Handler", "Write", "MinRate"} {
		if err == nil || !strings.Contains(err.Error(), "DeadlinesConfig."+field+" = ") {
			t.Errorf("%v does not name %s", err, field)
		}
	}
}

func TestDeadlinesAllocate(t *testing.T) {
	h := mustDeadlines(t, security.DeadlinesConfig{}).Wrap(http.HandlerFunc(noContent))
	w, r := &nullWriter{h: http.Header{}}, httptest.NewRequest("GET", "/", nil)
	if got := testing.AllocsPerRun(100, func() { h.ServeHTTP(w, r) }); got > 1 {
		t.Errorf("%v allocations for a request without a body, want its context and its copy in one", got)
	}
}

func ExampleNewDeadlines() {
	deadlines, err := security.NewDeadlines(security.DeadlinesConfig{Body: 10 * time.Second, Handler: 5 * time.Second})
	if err != nil {
		fmt.Println(err)
		return
	}
	handler := deadlines.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, limited := r.Context().Deadline()
		fmt.Fprintln(w, "this context ends in time:", limited)
	}))
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	fmt.Print(w.Body)
	// Output: this context ends in time: true
}
