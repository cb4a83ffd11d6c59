package nats_test

import (
	"testing"

	"github.com/gatehouse-go/gatehouse/webhook/inbox/inboxtest"

	"github.com/gatehouse-go/gatehouse/engines/nats"
)

func TestConformance(t *testing.T) {
	inboxtest.Run(t, inboxtest.Engine[nats.NoTx]{
		New:         func(t *testing.T) inboxtest.Ledger[nats.NoTx] { t.Helper(); return newLedger(t, running(t)) },
		AtLeastOnce: true,
	})
}
