package postgres_test

import (
	"context"
	"net"
	"testing"

	"github.com/gatehouse-go/gatehouse/webhook/inbox"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/inboxtest"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/gatehouse-go/gatehouse/engines/postgres"
)

// faultyLedger opens its inboxes over connections that may break, and looks at the effects over one that does not.
type faultyLedger struct {
	*ledger
	faulty *pgxpool.Pool
}

func newFaultyLedger(t *testing.T, f *inboxtest.Faults) *faultyLedger {
	t.Helper()
	plain := newLedger(t)
	settings, err := pgxpool.ParseConfig(plain.dsn)
	if err != nil {
		t.Fatal(err)
	}
	settings.ConnConfig.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return f.Conn(conn), nil
	}
	return &faultyLedger{plain, connectTo(t, settings)}
}

func (l *faultyLedger) Open(t *testing.T, c inbox.Config) inboxtest.Inbox[pgx.Tx] {
	t.Helper()
	box, err := postgres.Open(t.Context(), l.faulty, c)
	if err != nil {
		box, err = postgres.Open(t.Context(), l.faulty, c)
	}
	if err != nil {
		t.Fatal(err)
	}
	return box
}
