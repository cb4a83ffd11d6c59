package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook"
	"github.com/gatehouse-go/gatehouse/webhook/inbox"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/inboxtest"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/gatehouse-go/gatehouse/engines/postgres"
)

// faults breaks one connection: at the write, or at the read, that has a number counted from the first of all connections. A write that fails
// was not sent. A read that fails is an answer that is lost: what it answered has happened.
type faults struct {
	mu      sync.Mutex
	seen    int
	breakAt int // 0 breaks none
}

func (f *faults) next() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.seen++
	return f.seen == f.breakAt
}

func (f *faults) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	return &faultyConn{conn, f}, nil
}

type faultyConn struct {
	net.Conn
	faults *faults
}

func (c *faultyConn) Write(p []byte) (int, error) {
	if c.faults.next() {
		return 0, errors.Join(io.ErrClosedPipe, c.Close())
	}
	return c.Conn.Write(p)
}

func (c *faultyConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 && c.faults.next() {
		return 0, errors.Join(io.ErrUnexpectedEOF, c.Close())
	}
	return n, err
}

// TestAnyOneConnectionMayBreak runs a busy scenario again and again, with a connection breaking at another moment each time: each event
// that was acknowledged has its effect once, and the counters tell the truth.
func TestAnyOneConnectionMayBreak(t *testing.T) {
	t.Parallel() // which is after the test that crashes the server
	whole := &faults{}
	scenario(t, whole)
	if whole.seen < 100 {
		t.Fatalf("only %d moments: nothing is shown", whole.seen)
	}
	every := 5
	if testing.Short() {
		every = 30
	}
	t.Logf("%d moments", whole.seen)
	for n := 1; n <= whole.seen; n += every {
		t.Run(fmt.Sprintf("moment %03d", n), func(t *testing.T) {
			t.Parallel()
			scenario(t, &faults{breakAt: n})
		})
	}
}

func scenario(t *testing.T, f *faults) {
	t.Helper()
	plain := newLedger(t)
	settings, err := pgxpool.ParseConfig(plain.dsn)
	if err != nil {
		t.Fatal(err)
	}
	settings.ConnConfig.DialFunc = f.dial
	pool := eventually(t, "a pool", func() (*pgxpool.Pool, error) { return pgxpool.NewWithConfig(t.Context(), settings) })
	defer pool.Close()
	box := eventually(t, "Open", func() (*postgres.Inbox, error) {
		return postgres.Open(t.Context(), pool, inbox.Config{
			Backoff: func(int) time.Duration { return time.Millisecond }, Logger: slog.New(slog.DiscardHandler), Workers: 2,
			OrderBy: func(e webhook.Event) string { return e.Provider },
		})
	})
	for _, err := range []error{
		box.Handle("a", "*", func(ctx context.Context, tx pgx.Tx, d *inbox.Delivery) error {
			return plain.Credit(ctx, tx, d.IdempotencyKey())
		}),
		box.HandleStaged("b", "*", func(context.Context, *inbox.Delivery) (inbox.Handler[pgx.Tx], error) { return nil, nil }),
		box.Handle("dead", "*", func(context.Context, pgx.Tx, *inbox.Delivery) error { return inbox.Permanent(errors.New("never")) }),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- box.Run(ctx) }()
	defer box.Close() // again, after a failure
	defer cancel()
	acknowledged := map[string]bool{}
	for _, e := range []string{"a1", "a2", "a3", "a1", "b1", "dead1", "dead2", "nobody1"} {
		event := inboxtest.Event(e[:len(e)-1], "t", e)
		eventually(t, "Accept", func() (bool, error) { return box.Accept(t.Context(), event) })
		if e[0] == 'a' {
			acknowledged[event.Key.String()] = true
		}
	}
	expect(t, box, map[inbox.Status]int64{inbox.Done: 4, inbox.Dead: 2, inbox.Ignored: 1})
	why := inbox.Reason{By: "ann", Why: "a test"}
	eventually(t, "Pause", func() (int, error) { return 0, box.Pause(t.Context(), "b", "t", why) })
	eventually(t, "Resume", func() (int, error) { return 0, box.Resume(t.Context(), "b", "t") })
	eventually(t, "Replay", func() (int64, error) {
		return box.Replay(t.Context(), inbox.Selection{Filter: inbox.Filter{Provider: "b"}}, why)
	})
	eventually(t, "Discard", func() (int64, error) {
		return box.Discard(t.Context(), inbox.Selection{Filter: inbox.Filter{Status: inbox.Dead}}, why)
	})
	eventually(t, "List", func() (inbox.Page, error) { return box.List(t.Context(), inbox.Filter{Provider: "a"}) })
	page := eventually(t, "List", func() (inbox.Page, error) { return box.List(t.Context(), inbox.Filter{}) })
	eventually(t, "Get", func() (inbox.Delivery, error) {
		d, _, err := box.Get(t.Context(), page.Deliveries[0].ID)
		return d, err
	})
	eventually(t, "Activity", func() ([]inbox.Minute, error) { return box.Activity(t.Context(), time.Now().Add(-time.Hour)) })
	eventually(t, "Export", func() (int, error) { return 0, box.Export(t.Context(), io.Discard, inbox.Filter{}) })
	eventually(t, "Health", func() (int, error) { return 0, box.Health(t.Context()) })
	expect(t, box, map[inbox.Status]int64{inbox.Done: 4, inbox.Discarded: 2, inbox.Ignored: 1})
	cancel()
	if err := <-done; err != nil {
		t.Errorf("Run: %v", err)
	}
	if err := box.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	credits := plain.Credits(t)
	for key := range acknowledged {
		if credits[key] != 1 {
			t.Errorf("%d effects of %s", credits[key], key)
		}
	}
	if len(credits) != 3 {
		t.Errorf("effects: %v", credits)
	}
	plain.honest(t)
}

// eventually does what a caller does about a failure: it tries again.
func eventually[T any](t *testing.T, what string, do func() (T, error)) T {
	t.Helper()
	var err error
	for range 5 {
		var v T
		if v, err = do(); err == nil {
			return v
		}
	}
	t.Fatalf("%s: %v", what, err)
	panic("unreachable")
}

// expect waits until nothing is to be done, and compares what there is.
func expect(t *testing.T, box *postgres.Inbox, want map[inbox.Status]int64) {
	t.Helper()
	stats := quiet(t, box)
	for _, status := range inbox.Statuses() {
		if got := stats.Total(status); got != want[status] {
			t.Errorf("%d are %s, want %d", got, status, want[status])
		}
	}
}
