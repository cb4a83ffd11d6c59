package postgres_test

import (
	"context"
	"errors"
	"io"
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
		return &faultyConn{conn, f}, nil
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

// faultyConn breaks at the write, or at the read, that is chosen. A write that fails was not sent. A read that fails is an answer that is
// lost: what it answered has happened.
type faultyConn struct {
	net.Conn
	faults *inboxtest.Faults
}

func (c *faultyConn) Write(p []byte) (int, error) {
	if c.faults.Next("a write") {
		return 0, errors.Join(io.ErrClosedPipe, c.Close())
	}
	return c.Conn.Write(p)
}

func (c *faultyConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 && c.faults.Next("a read") {
		return 0, errors.Join(io.ErrUnexpectedEOF, c.Close())
	}
	return n, err
}
