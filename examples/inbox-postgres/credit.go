package main

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/gatehouse-go/gatehouse/engines/postgres"
	"github.com/gatehouse-go/gatehouse/webhook/inbox"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// ownTable makes the program's own table, once, however many processes begin together.
const ownTable = `SELECT pg_advisory_xact_lock(20261124);
	CREATE TABLE IF NOT EXISTS credits (key text NOT NULL, event text NOT NULL);`

// credit does its slow part, such as a call to another service, outside the transaction, and books the payment inside.
func credit(delay time.Duration) inbox.Staged[pgx.Tx] {
	return func(ctx context.Context, _ *inbox.Delivery) (inbox.Handler[pgx.Tx], error) {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(delay):
		}
		return func(ctx context.Context, tx pgx.Tx, d *inbox.Delivery) error {
			_, err := tx.Exec(ctx, "INSERT INTO credits (key, event) VALUES ($1, $2)", d.IdempotencyKey(), d.Event.ID)
			return err
		}, nil
	}
}

// effects counts: stored events, credits made, credits made twice, events not done yet, dead letters.
func effects(pool *pgxpool.Pool, box *postgres.Inbox) http.HandlerFunc {
	type answer struct {
		Events     int64 `json:"events"`
		Effects    int64 `json:"effects"`
		Duplicates int64 `json:"duplicates"`
		Pending    int64 `json:"pending"`
		Dead       int64 `json:"dead"`
	}
	return func(w http.ResponseWriter, r *http.Request) {
		var a answer
		stats, err := box.Stats(r.Context())
		if err == nil {
			err = pool.QueryRow(r.Context(), "SELECT count(*), count(*) - count(DISTINCT key) FROM credits").Scan(&a.Effects, &a.Duplicates)
		}
		if err != nil {
			http.Error(w, "the ledger cannot be read", http.StatusServiceUnavailable)
			return
		}
		for _, status := range inbox.Statuses() {
			a.Events += stats.Total(status)
		}
		a.Pending = stats.Total(inbox.Pending) + stats.Total(inbox.Waiting) + stats.Total(inbox.Running)
		a.Dead = stats.Total(inbox.Dead)
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(a) // the client is gone if this fails
	}
}
