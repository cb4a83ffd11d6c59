package console_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook/inbox"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/console"
)

func cancelled(t *testing.T) (*http.Request, context.CancelFunc) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	return httptest.NewRequestWithContext(ctx, "GET", "/events", nil), cancel
}

// connection is a ResponseWriter of a stream.
type connection struct {
	mu     sync.Mutex
	header http.Header
	text   strings.Builder
	status int
	broken bool
}

func (c *connection) Header() http.Header { return c.header }
func (c *connection) WriteHeader(s int)   { c.status = s }
func (c *connection) FlushError() error   { return nil }

func (c *connection) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.broken {
		return 0, errors.New("broken pipe")
	}
	return c.text.Write(b)
}

// said returns what came since the last call.
func (c *connection) said() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	text := c.text.String()
	c.text.Reset()
	return text
}

// follow opens a stream. ended is closed when it is over.
func follow(t *testing.T, c *console.Console) (conn *connection, leave context.CancelFunc, ended chan struct{}) {
	t.Helper()
	r, leave := cancelled(t)
	conn, ended = &connection{header: http.Header{}}, make(chan struct{})
	go func() {
		c.ServeHTTP(conn, r)
		close(ended)
	}()
	synctest.Wait()
	return conn, leave, ended
}

func over(ended chan struct{}) bool {
	synctest.Wait()
	select {
	case <-ended:
		return true
	default:
		return false
	}
}

func TestAStreamSaysThatSomethingChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := sample()
		conn, leave, ended := follow(t, newConsole(t, l, console.Config{}))
		if conn.header.Get("Content-Type") != "text/event-stream" || conn.header.Get("Cache-Control") != "no-store" || conn.header.Get("X-Accel-Buffering") != "no" || conn.said() != "retry: 3000\n\n" {
			t.Errorf("header %v", conn.header)
		}
		change := func(f func()) string {
			l.mu.Lock()
			f()
			l.mu.Unlock()
			time.Sleep(2 * time.Second)
			synctest.Wait()
			return conn.said()
		}
		if said := change(func() {}); said != "" {
			t.Errorf("nothing happened: %q", said)
		}
		if said := change(func() {
			l.stats.OldestPending += time.Second
			l.stats.Types[0].OldestPending += time.Second
		}); said != "" {
			t.Errorf("only time went by: %q", said)
		}
		said := change(func() { l.stats.Types[0].ByStatus[inbox.Dead]++ })
		if !strings.HasPrefix(said, "event: change\ndata: ") || !strings.HasSuffix(said, "\n\n") || strings.Contains(said, "stripe") {
			t.Errorf("a delivery died: %q", said)
		}
		if said := change(func() { l.minutes = []inbox.Minute{{Failed: 1}} }); !strings.HasPrefix(said, "event: change\n") {
			t.Errorf("an attempt failed: %q", said)
		}
		if said := change(func() { l.err = errors.New("the database is away") }); said != "" {
			t.Errorf("the ledger cannot be read: %q", said)
		}
		if said := change(func() { l.fails = "Activity" }); said != "" {
			t.Errorf("the ledger cannot be read: %q", said)
		}
		time.Sleep(5 * time.Second) // 15 since the beginning... and more
		synctest.Wait()
		if said := conn.said(); said != ": here\n\n" {
			t.Errorf("a sign of life: %q", said)
		}
		leave()
		if !over(ended) {
			t.Error("the browser has gone, and the stream goes on")
		}
	})
}

func TestStreamsEnd(t *testing.T) {
	for _, row := range []struct {
		name string
		end  func(c *console.Console, conn *connection, leave context.CancelFunc)
	}{
		{"when the browser goes", func(_ *console.Console, _ *connection, leave context.CancelFunc) { leave() }},
		{"when the console is closed", func(c *console.Console, _ *connection, _ context.CancelFunc) { c.Close(); c.Close() }},
		{"when the connection is broken", func(_ *console.Console, conn *connection, _ context.CancelFunc) {
			conn.mu.Lock()
			conn.broken = true
			conn.mu.Unlock()
			time.Sleep(15 * time.Second)
		}},
		{"after five minutes, to be let in again or not", func(*console.Console, *connection, context.CancelFunc) { time.Sleep(5 * time.Minute) }},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newConsole(t, sample(), console.Config{})
				conn, leave, ended := follow(t, c)
				defer leave()
				if over(ended) {
					t.Fatal("it ended at once")
				}
				row.end(c, conn, leave)
				if !over(ended) {
					t.Error("it goes on")
				}
			})
		})
	}
}

func TestStreamsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newConsole(t, sample(), console.Config{MaxStreams: 2})
		_, leave, first := follow(t, c)
		_, leaveToo, second := follow(t, c)
		defer leaveToo()
		if w := ask(c, "GET", "/events", ""); w.Code != 503 || w.Header().Get("Retry-After") != "60" {
			t.Errorf("a third: %d", w.Code)
		}
		if w := ask(c, "HEAD", "/events", ""); w.Code != 200 || w.Header().Get("Content-Type") != "text/event-stream" {
			t.Errorf("the header alone: %d", w.Code)
		}
		if w := ask(c, "GET", "/", ""); w.Code != 200 {
			t.Errorf("pages go on: %d", w.Code)
		}
		leave()
		if !over(first) {
			t.Fatal("the first does not end")
		}
		_, leaveThird, third := follow(t, c)
		defer leaveThird()
		if over(third) || over(second) {
			t.Error("there was room for one more")
		}
		c.Close()
		if !over(second) || !over(third) {
			t.Error("Close ends them")
		}
		if w := ask(c, "GET", "/events", ""); w.Code != 503 {
			t.Errorf("after Close: %d", w.Code)
		}
	})
	c := newConsole(t, sample(), console.Config{MaxStreams: -1})
	if w := ask(c, "GET", "/events", ""); w.Code != 503 {
		t.Errorf("no streams at all: %d", w.Code)
	}
}

// A writer that cannot flush gets no stream that never arrives.
func TestAStreamNeedsFlush(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newConsole(t, sample(), console.Config{})
		r, cancel := cancelled(t)
		defer cancel()
		c.ServeHTTP(struct{ http.ResponseWriter }{httptest.NewRecorder()}, r) // returns
	})
}
