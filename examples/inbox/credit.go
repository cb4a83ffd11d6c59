package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"net/http"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook/inbox"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/sqlite"
)

// credit does its slow part, such as a call to another service, outside the transaction, and books the payment inside.
func credit(delay time.Duration) inbox.Staged[*sql.Tx] {
	return func(ctx context.Context, _ *inbox.Delivery) (inbox.Handler[*sql.Tx], error) {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(delay):
		}
		return func(ctx context.Context, tx *sql.Tx, d *inbox.Delivery) error {
			_, err := tx.ExecContext(ctx, "INSERT INTO credits (key, event) VALUES (?, ?)", d.IdempotencyKey(), d.Event.ID)
			return err
		}, nil
	}
}

// effects counts: stored events, credits made, credits made twice, events not done yet, dead letters.
func effects(db *sql.DB, box *sqlite.Inbox) http.HandlerFunc {
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
			err = db.QueryRowContext(r.Context(), "SELECT count(*), count(*) - count(DISTINCT key) FROM credits").Scan(&a.Effects, &a.Duplicates)
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
