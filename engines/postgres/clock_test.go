package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/testpostgres"
	"github.com/gatehouse-go/gatehouse/webhook/inbox"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/inboxtest"
	"github.com/jackc/pgx/v5"

	"github.com/gatehouse-go/gatehouse/engines/postgres"
)

// newClockLedger returns a ledger of which the database's clock can be set: its schema comes before the server's own, and has functions of the same names.
func newClockLedger(t *testing.T) *ledger {
	t.Helper()
	testpostgres.Require(t, errServer)
	l := newLedger(t)
	for name, kind := range map[string]string{"now": "STABLE", "clock_timestamp": "VOLATILE"} {
		l.exec(t, fmt.Sprintf("CREATE FUNCTION %s() RETURNS timestamptz LANGUAGE plpgsql %s AS 'BEGIN RETURN pg_catalog.%s() + (SELECT ahead FROM %s.clock); END'", name, kind, name, l.schema))
	}
	l.exec(t, "CREATE TABLE clock (ahead interval NOT NULL)")
	l.exec(t, "INSERT INTO clock VALUES ('0')")
	dsn := strings.Replace(l.dsn, "search_path="+l.schema, "search_path="+l.schema+",pg_catalog", 1)
	return &ledger{connect(t, dsn), dsn, l.schema}
}

func (l *ledger) setClock(t *testing.T, ahead time.Duration) {
	t.Helper()
	l.exec(t, "UPDATE clock SET ahead = $1::bigint * interval '1 microsecond'", ahead.Microseconds())
}

// running runs an inbox that handles each delivery at the second attempt, which is due later than the first, until the test ends.
func (l *ledger) running(t *testing.T, observe func(inbox.Observation)) *postgres.Inbox {
	t.Helper()
	box := l.open(t, inbox.Config{
		Workers: 4, Backoff: func(int) time.Duration { return 300 * time.Millisecond }, Observe: observe, Logger: slog.New(slog.DiscardHandler),
	})
	t.Cleanup(func() { inboxtest.Close(t, box) })
	if err := box.Handle("p", "*", func(ctx context.Context, tx pgx.Tx, d *inbox.Delivery) error {
		if d.Attempts == 1 {
			return errors.New("not yet")
		}
		return l.Credit(ctx, tx, d.IdempotencyKey())
	}); err != nil {
		t.Fatal(err)
	}
	inboxtest.Start(t, box)
	return box
}

func (l *ledger) accept(t *testing.T, box *postgres.Inbox, batch, n int) (ids []string) {
	t.Helper()
	for i := range n {
		ids = append(ids, fmt.Sprint(batch, "-", i))
		if _, err := box.Accept(t.Context(), inboxtest.Event("p", fmt.Sprint("t", i%2), ids[i])); err != nil {
			t.Fatal(err)
		}
	}
	return ids
}

// No lag and no age is told that is the difference of two clocks.
func TestClocksThatDiffer(t *testing.T) {
	for _, ahead := range []time.Duration{3 * time.Hour, -3 * time.Hour} {
		l := newClockLedger(t)
		l.setClock(t, ahead)
		var longest atomic.Int64
		box := l.running(t, func(o inbox.Observation) { longest.Store(max(longest.Load(), int64(o.Lag))) })
		ids := l.accept(t, box, 0, 10)
		stats, err := box.Stats(t.Context())
		if err != nil || stats.OldestPending > time.Minute {
			t.Errorf("the clock is ahead by %v: the oldest is due for %v, %v", ahead, stats.OldestPending, err)
		}
		inboxtest.Quiet(t, box)
		if lag := time.Duration(longest.Load()); lag > time.Minute {
			t.Errorf("the clock is ahead by %v: a lag of %v was told", ahead, lag)
		}
		inboxtest.Once(t, l, ids)
	}
}

// The database's clock may jump in both directions while deliveries wait for their second attempt: none is forgotten, or has two effects.
func TestClocksThatJump(t *testing.T) {
	l := newClockLedger(t)
	box := l.running(t, nil)
	var ids []string
	for i, ahead := range []time.Duration{0, 3 * time.Hour, -3 * time.Hour, 0, -24 * time.Hour, 24 * time.Hour, 0} {
		l.setClock(t, ahead)
		ids = append(ids, l.accept(t, box, i, 10)...)
		if i%2 == 1 { // and at the other times while all of them wait
			inboxtest.Quiet(t, box)
		}
	}
	inboxtest.Quiet(t, box)
	inboxtest.Once(t, l, ids)
	inboxtest.Honest(t, box)
}

// A process that comes while the clock is behind finds what was stored before it went back.
func TestClocksThatGoBackWhileNobodyRuns(t *testing.T) {
	l := newClockLedger(t)
	stores := l.open(t, inbox.Config{})
	l.setClock(t, 3*time.Hour)
	ids := l.accept(t, stores, 0, 5)
	l.until(t, "a note of the time", "SELECT seen > pg_catalog.now() + interval '2 hours' FROM inbox_clock")
	if err := stores.Close(); err != nil {
		t.Fatal(err)
	}
	l.setClock(t, 0)
	box := l.running(t, nil)
	inboxtest.Quiet(t, box)
	inboxtest.Once(t, l, ids)
}
