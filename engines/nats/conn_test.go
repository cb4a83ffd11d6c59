package nats_test

import (
	"net"
	"testing"

	"github.com/gatehouse-go/gatehouse/webhook/inbox"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/inboxtest"
	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/gatehouse-go/gatehouse/engines/nats"
)

// faultyLedger opens its inboxes over a connection that may break.
type faultyLedger struct {
	*ledger
	faulty jetstream.JetStream
}

func newFaultyLedger(t *testing.T, f *inboxtest.Faults) *faultyLedger {
	t.Helper()
	plain := newLedger(t, running(t))
	js, err := dial(plain.url, natsgo.SetCustomDialer(faultyDialer{f}))
	if err != nil { // one step fails
		js, err = dial(plain.url, natsgo.SetCustomDialer(faultyDialer{f}))
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(js.Conn().Close)
	return &faultyLedger{plain, js}
}

func (l *faultyLedger) Open(t *testing.T, c inbox.Config) inboxtest.Inbox[nats.NoTx] {
	t.Helper()
	box, err := nats.Open(t.Context(), l.faulty, l.config(c))
	if err != nil {
		box, err = nats.Open(t.Context(), l.faulty, l.config(c))
	}
	if err != nil {
		t.Fatal(err)
	}
	return box
}

type faultyDialer struct{ faults *inboxtest.Faults }

func (d faultyDialer) Dial(network, address string) (net.Conn, error) {
	conn, err := net.Dial(network, address)
	if err != nil {
		return nil, err
	}
	return d.faults.Conn(conn), nil
}
