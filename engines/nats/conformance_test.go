package nats_test

import (
	"strings"
	"testing"

	"github.com/gatehouse-go/gatehouse/webhook/inbox/inboxtest"

	"github.com/gatehouse-go/gatehouse/engines/nats"
)

func TestConformance(t *testing.T) {
	inboxtest.TestEngine(t, inboxtest.Engine[nats.NoTx]{
		New:         func(t *testing.T) inboxtest.Ledger[nats.NoTx] { t.Helper(); return newLedger(t, running(t)) },
		AtLeastOnce: true,
		NoLine:      true,
		Address: func(l inboxtest.Ledger[nats.NoTx]) string {
			of := l.(*ledger)
			return strings.Join([]string{of.url, of.stream, of.path}, "|")
		},
		At: func(t *testing.T, address string) inboxtest.Ledger[nats.NoTx] {
			t.Helper()
			of := strings.Split(address, "|")
			return ledgerAt(t, of[0], of[1], of[2])
		},
		Faulty: func(t *testing.T, f *inboxtest.Faults) inboxtest.Ledger[nats.NoTx] {
			t.Helper()
			return newFaultyLedger(t, f)
		},
		Block: func(t *testing.T, _ inboxtest.Ledger[nats.NoTx]) func() { t.Helper(); return running(t).stopped(t) },
	})
}
