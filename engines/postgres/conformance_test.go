package postgres_test

import (
	"testing"

	"github.com/gatehouse-go/gatehouse/webhook/inbox/inboxtest"
	"github.com/jackc/pgx/v5"
)

func TestConformance(t *testing.T) {
	inboxtest.Run(t, inboxtest.Engine[pgx.Tx]{New: func(t *testing.T) inboxtest.Ledger[pgx.Tx] {
		t.Helper()
		return newLedger(t)
	}})
}
