package postgres_test

import (
	"testing"

	"github.com/gatehouse-go/gatehouse/webhook/inbox/inboxtest"
	"github.com/jackc/pgx/v5"
)

func TestConformance(t *testing.T) {
	inboxtest.TestEngine(t, inboxtest.Engine[pgx.Tx]{
		New: func(t *testing.T) inboxtest.Ledger[pgx.Tx] {
			t.Helper()
			return newLedger(t)
		},
		Address: func(l inboxtest.Ledger[pgx.Tx]) string { return l.(*ledger).dsn },
		At: func(t *testing.T, address string) inboxtest.Ledger[pgx.Tx] {
			t.Helper()
			return &ledger{pool: connect(t, address), dsn: address}
		},
		Block: func(t *testing.T, l inboxtest.Ledger[pgx.Tx]) func() {
			t.Helper()
			return l.(*ledger).lock(t)
		},
		OnDisk: func(t *testing.T, dir string) inboxtest.Ledger[pgx.Tx] {
			t.Helper()
			return newLedgerIn(t, dir)
		},
		Faulty: func(t *testing.T, f *inboxtest.Faults) inboxtest.Ledger[pgx.Tx] {
			t.Helper()
			return newFaultyLedger(t, f)
		},
	})
}
