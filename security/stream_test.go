package security_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/testwait"
	"github.com/gatehouse-go/gatehouse/security"
)

// streaming is a server whose own timeouts are too short for what its handlers do.
func streaming(t *testing.T, c security.DeadlinesConfig, h http.Handler, configure ...func(*httptest.Server)) *httptest.Server {
	t.Helper()
	srv := httptest.NewUnstartedServer(mustDeadlines(t, c).Wrap(h))
	srv.Config.ReadTimeout, srv.Config.WriteTimeout = 2*time.Second, 2*time.Second
	for _, f := range configure {
		f(srv)
	}
	if srv.EnableHTTP2 {
		srv.StartTLS()
	} else {
		srv.Start()
	}
	t.Cleanup(srv.Close)
	return srv
}

func TestStreamsOutliveAllDeadlines(t *testing.T) {
	t.Parallel()
	short := security.DeadlinesConfig{Body: 2 * time.Second, Handler: 2 * time.Second, Write: 2 * time.Second, Grace: 2 * time.Second}
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for i := range 10 {
			_, _ = fmt.Fprintln(w, "event", i)
			w.(http.Flusher).Flush()
			select {
			case <-r.Context().Done():
				_, _ = fmt.Fprintln(w, "ended:", context.Cause(r.Context()))
				return
			case <-time.After(450 * time.Millisecond): // 4.5 seconds for all of them
			}
		}
	})
	for name, configure := range map[string]func(*httptest.Server){
		"HTTP/1": func(*httptest.Server) {},
		"HTTP/2": func(s *httptest.Server) { s.EnableHTTP2 = true },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := streaming(t, short, h, configure)
			resp, err := srv.Client().Get(srv.URL)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(resp.Body)
			if err != nil || !strings.HasSuffix(string(body), "event 9\n") || resp.Proto[:6] != name {
				t.Errorf("over %s: %q, %v", resp.Proto, body, err)
			}
		})
	}
}

func TestSlowBodiesOverHTTP2Get408(t *testing.T) {
	srv := streaming(t, security.DeadlinesConfig{Body: 100 * time.Millisecond}, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, _ = io.ReadAll(r.Body) }),
		func(s *httptest.Server) { s.EnableHTTP2 = true; s.Config.ReadTimeout = 0 })
	body, feed := io.Pipe()
	defer func() { _ = feed.Close() }()
	resp, err := srv.Client().Post(srv.URL, "text/plain", body)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != 408 || resp.ProtoMajor != 2 {
		t.Errorf("%d over %s", resp.StatusCode, resp.Proto)
	}
}

func TestAnswersThatNobodyTakesEnd(t *testing.T) {
	for name, configure := range map[string]func(*httptest.Server){
		"HTTP/1": func(*httptest.Server) {},
		"HTTP/2": func(s *httptest.Server) { s.EnableHTTP2 = true },
	} {
		ended := make(chan error, 1)
		srv := streaming(t, security.DeadlinesConfig{Write: 100 * time.Millisecond}, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, err := w.Write(make([]byte, 64<<20))
			ended <- err
		}), configure)
		resp, err := srv.Client().Get(srv.URL)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if err := testwait.For(t, name+": the end of the handler", ended); err == nil {
			t.Errorf("%s: 64 MiB were written to a client that reads nothing", name)
		}
		_ = resp.Body.Close()
	}
}

func TestAnswersMayTakeLongerThanOneWriteDeadline(t *testing.T) {
	t.Parallel()
	text := strings.Repeat("x", 32<<20)
	file := filepath.Join(t.TempDir(), "large")
	if err := os.WriteFile(file, make([]byte, 32<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, handler := range map[string]http.HandlerFunc{
		"one Write":       func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 32<<20)) },
		"one WriteString": func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) },
		"a file":          func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, file) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := streaming(t, security.DeadlinesConfig{Write: 3 * time.Second}, handler)
			conn, err := net.Dial("tcp", srv.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.Close() }()
			_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
			total := 0
			for buf := make([]byte, 1<<20); ; {
				n, err := io.ReadFull(conn, buf)
				if total += n; err != nil {
					break
				}
				time.Sleep(150 * time.Millisecond) // 4.8 seconds for all of it
			}
			if total < 32<<20 {
				t.Errorf("%d bytes", total)
			}
		})
	}
}

func TestAKeptConnectionKeepsNoDeadline(t *testing.T) {
	t.Parallel()
	mux := http.NewServeMux()
	d := mustDeadlines(t, security.DeadlinesConfig{Write: 2 * time.Second})
	mux.Handle("/in", d.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "in") })))
	mux.HandleFunc("/out", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 100_000)) })
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	for _, path := range []string{"/in", "/out"} {
		resp, err := srv.Client().Get(srv.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			t.Errorf("%s: %v", path, err)
		}
		time.Sleep(2100 * time.Millisecond) // until the deadline of what was written is over
	}
}

func TestHijackAndOwnDeadlines(t *testing.T) {
	d := mustDeadlines(t, security.DeadlinesConfig{Handler: 500 * time.Millisecond, Write: 500 * time.Millisecond, Body: time.Minute})
	mux := http.NewServeMux()
	mux.HandleFunc("/hijack", func(w http.ResponseWriter, r *http.Request) {
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer func() { _ = conn.Close() }()
		time.Sleep(time.Second)
		_, _ = fmt.Fprintf(rw, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nraw %v", r.Context().Err())
		_ = rw.Flush()
	})
	mux.HandleFunc("/own", func(w http.ResponseWriter, r *http.Request) {
		rc := http.NewResponseController(w)
		if err := errors.Join(rc.SetReadDeadline(time.Now().Add(100*time.Millisecond)), rc.SetWriteDeadline(time.Now().Add(time.Minute))); err != nil {
			t.Error(err)
		}
		_, _ = io.ReadAll(r.Body)
	})
	addr := listen(t, d.Wrap(mux))
	if resp, body := talk(t, addr, "GET /hijack HTTP/1.1\r\nHost: x\r\n\r\n", 0); resp.StatusCode != 200 || body != "raw <nil>" {
		t.Errorf("hijack: %d %q", resp.StatusCode, body)
	}
	start := time.Now()
	resp, _ := talk(t, addr, "POST /own HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nstart", 0)
	if took := time.Since(start); resp.StatusCode != 408 || took > 30*time.Second { // and not the minute
		t.Errorf("a handler's earlier deadline: %d after %v", resp.StatusCode, took)
	}
}
