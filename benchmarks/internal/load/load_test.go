package load_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/benchmarks/internal/load"
)

// TestMain is also the server that the tests start, when they say so in the environment.
func TestMain(m *testing.M) {
	switch os.Getenv("LOAD_TEST_SERVER") {
	case "serve":
		_ = http.ListenAndServe(os.Args[1], http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/work" {
				for start := time.Now(); time.Since(start) < 5*time.Millisecond; {
				}
			}
		}))
	case "fail":
		fmt.Fprintln(os.Stderr, "no such option")
		os.Exit(2)
	}
	os.Exit(m.Run())
}

func start(t *testing.T, mode string) (*load.Server, error) {
	t.Helper()
	s, err := load.Start(t.Context(), t.TempDir(), []string{"LOAD_TEST_SERVER=" + mode}, os.Args[0], "ADDR")
	if err == nil {
		t.Cleanup(func() {
			if err := s.Stop(); err != nil {
				t.Error(err)
			}
		})
	}
	return s, err
}

func TestServerTellsItsOwnProcessorTime(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux tells it of a process that runs")
	}
	s, err := start(t, "serve")
	if err != nil {
		t.Fatal(err)
	}
	before := s.CPU()
	client := load.NewClient(s, load.Request{Method: "GET", Target: "/work", Statuses: []int{200}}, 1)
	defer client.Close()
	for deadline := time.Now().Add(20 * time.Second); s.CPU()-before < 10*time.Millisecond; client.Send(1) {
		if time.Now().After(deadline) {
			t.Fatalf("requests that work for 5 ms each took %v together", s.CPU()-before)
		}
	}
}

func TestServerThatFailsIsAnErrorWithWhatItSaid(t *testing.T) {
	if _, err := start(t, "fail"); err == nil || !strings.Contains(err.Error(), "no such option") {
		t.Errorf("got %v", err)
	}
	if _, err := load.Start(t.Context(), "", nil, "no-such-command-here"); err == nil {
		t.Error("a command that is not there was started")
	}
}

func TestClientReadsEachKindOfAnswer(t *testing.T) {
	var asked atomic.Int32
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		switch r.URL.Path {
		case "/none":
			w.WriteHeader(204)
		case "/chunked":
			_, _ = io.WriteString(w, strings.Repeat("a", 10_000))
			w.(http.Flusher).Flush()
			_, _ = io.WriteString(w, "b")
		default:
			fmt.Fprint(w, r.Method, r.Header.Get("X-A"), r.Host)
		}
	}))
	defer s.Close()
	server := &load.Server{Addr: s.Listener.Addr().String()}
	for _, r := range []load.Request{
		{Method: "GET", Target: "/length", Header: "X-A: 1\r\n", Statuses: []int{200}},
		{Method: "POST", Target: "/none", Statuses: []int{200, 204}},
		{Method: "GET", Target: "/chunked", Statuses: []int{200}},
	} {
		asked.Store(0)
		client := load.NewClient(server, r, 3)
		for range 2 { // the second time over connections that are open
			client.Send(10)
		}
		if asked.Load() != 20 {
			t.Errorf("%s: asked %d times", r.Target, asked.Load())
		}
		if err := client.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestClientPanicsAtAWrongAnswer(t *testing.T) {
	s := httptest.NewServer(http.NotFoundHandler())
	defer s.Close()
	defer func() {
		if p := recover(); p == nil || !strings.Contains(fmt.Sprint(p), "answered 404 and not one of [200]") {
			t.Errorf("got %v", p)
		}
	}()
	load.NewClient(&load.Server{Addr: s.Listener.Addr().String()}, load.Request{Method: "GET", Target: "/x", Statuses: []int{200}}, 2).Send(4)
}
