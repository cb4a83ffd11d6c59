package postgres_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/gatehouse-go/gatehouse/internal/testpostgres"
	"github.com/gatehouse-go/gatehouse/internal/testwait"
	"github.com/gatehouse-go/gatehouse/webhook"
	"github.com/gatehouse-go/gatehouse/webhook/inbox"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/inboxtest"
	"github.com/jackc/pgx/v5"

	"github.com/gatehouse-go/gatehouse/engines/postgres"
)

// crediting opens an inbox that credits each delivery, and runs it until the test ends.
func (l *ledger) crediting(t *testing.T, log slog.Handler) *postgres.Inbox {
	t.Helper()
	box := l.open(t, inbox.Config{Logger: slog.New(log)})
	t.Cleanup(func() { inboxtest.Close(t, box) })
	if err := box.Handle("", "*", func(ctx context.Context, tx pgx.Tx, d *inbox.Delivery) error {
		return l.Credit(ctx, tx, d.IdempotencyKey())
	}); err != nil {
		t.Fatal(err)
	}
	inboxtest.Start(t, box)
	return box
}

// refuses looks at an inbox whose server takes no writes.
func refuses(t *testing.T, box *postgres.Inbox, err error) {
	t.Helper()
	for what, err := range map[string]error{"Accept": err, "Health": box.Health(t.Context())} {
		if !errors.Is(err, webhook.ErrUnavailable) || !strings.Contains(err.Error(), "read-only transaction") {
			t.Errorf("%s: %v", what, err)
		}
	}
	if inboxtest.NewProvider(t, box).Send(t, "sent", 1) {
		t.Error("an event is stored")
	}
}

// takes looks at an inbox whose server takes writes again: what was refused is stored and handled.
func takes(t *testing.T, l *ledger, box *postgres.Inbox, ids ...string) {
	t.Helper()
	testwait.Until(t, "a server that is well", func() bool { return box.Health(t.Context()) == nil })
	if !inboxtest.NewProvider(t, box).Send(t, "sent", 1) {
		t.Error("an event is not stored")
	}
	for _, id := range ids {
		if _, err := box.Accept(t.Context(), inboxtest.Event("p", "t", id)); err != nil {
			t.Errorf("event %s: %v", id, err)
		}
	}
	if stats := inboxtest.Quiet(t, box); stats.Total(inbox.Done) != int64(len(ids)+1) {
		t.Errorf("%+v", stats)
	}
	inboxtest.Once(t, l, ids)
	inboxtest.Honest(t, box)
}

func TestAServerThatIsToldToTakeNoWrites(t *testing.T) {
	s := testpostgres.Of(t)
	l, without := newLedgerOn(t, s), newLedgerOn(t, s)
	box := l.crediting(t, slog.DiscardHandler)
	l.exec(t, "ALTER SYSTEM SET default_transaction_read_only = on")
	l.exec(t, "SELECT pg_reload_conf()")
	var ids []string
	var refused error
	testwait.Until(t, "a refusal", func() bool { // the sessions that are there hear of it one by one
		ids = append(ids, fmt.Sprint(len(ids)))
		_, refused = box.Accept(t.Context(), inboxtest.Event("p", "t", ids[len(ids)-1]))
		return refused != nil && box.Health(t.Context()) != nil
	})
	refuses(t, box, refused)
	if _, err := postgres.Open(t.Context(), without.pool, inbox.Config{}); err == nil || !strings.Contains(err.Error(), "read-only transaction") {
		t.Errorf("Open without tables: %v", err)
	}
	l.exec(t, "ALTER SYSTEM RESET default_transaction_read_only")
	l.exec(t, "SELECT pg_reload_conf()")
	takes(t, l, box, ids...)
}

func TestAStandbyTakesEventsWhenItIsPromoted(t *testing.T) {
	primary := testpostgres.Of(t)
	before := newLedgerOn(t, primary)
	if err := before.open(t, inbox.Config{}).Close(); err != nil { // which makes the tables
		t.Fatal(err)
	}
	standby, err := primary.Standby()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(standby.Stop)
	l := ledgerAt(t, standby, before.schema)
	log := &lockedBuffer{}
	box := l.crediting(t, slog.NewTextHandler(log, nil))
	_, refused := box.Accept(t.Context(), inboxtest.Event("p", "t", "1"))
	refuses(t, box, refused)
	if page, err := box.List(t.Context(), inbox.Filter{}); err != nil || len(page.Deliveries) != 0 {
		t.Errorf("a list: %+v, %v", page, err)
	}
	l.exec(t, "SELECT pg_promote()")
	takes(t, l, box, "1")
	testwait.Until(t, "the session", func() bool { return strings.Contains(log.String(), "inbox has a session again") })
	if n := strings.Count(log.String(), "inbox has no session"); n != 1 {
		t.Errorf("the log is told %d times that there is no session:\n%s", n, log)
	}
}

// lockedBuffer is a buffer for many goroutines.
type lockedBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}
