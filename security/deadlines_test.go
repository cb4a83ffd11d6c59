package security_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/security"
)

func mustDeadlines(t testing.TB, c security.DeadlinesConfig) *security.Deadlines {
	t.Helper()
	if c.Logger == nil {
		c.Logger = discard
	}
	d, err := security.NewDeadlines(c)
	if err != nil {
		t.Fatal(err)
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
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
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
