package postgres

import (
	"time"

	"github.com/gatehouse-go/gatehouse/webhook/inbox"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/engine"
	"github.com/jackc/pgx/v5"
)

// Columns of a delivery. The brief ones do not fetch long bodies.
const (
	briefDelivery = "d.id, d.key, d.provider, d.type, d.event_id, d.order_key, d.status, d.attempts, d.tries, d.duplicates, d.accepted_at, d.due_at, d.ended_at, d.error, d.meta IS NULL"
	wholeDelivery = briefDelivery + ", d.meta, d.body"
)

// scanner reads one row.
type scanner = func(pgx.CollectableRow) (engine.Row, error)

func scanBrief(rows pgx.CollectableRow) (engine.Row, error) { return scan(rows) }

// scanWhole reads a delivery with header and body.
func scanWhole(rows pgx.CollectableRow) (engine.Row, error) { return scanMore(rows) }

// scanClaimed reads a delivery that was claimed, and for how long it was due.
func scanClaimed(rows pgx.CollectableRow) (engine.Row, error) {
	var late int64
	r, err := scanMore(rows, &late)
	r.Since = time.Now().Add(-time.Duration(late) * time.Microsecond)
	return r, err
}

func scanMore(rows pgx.CollectableRow, more ...any) (engine.Row, error) {
	var encoded, body []byte
	r, err := scan(rows, append([]any{&encoded, &body}, more...)...)
	if err != nil || r.Purged {
		return r, err
	}
	if err := engine.DecodeRequest(encoded, &r.Event); err != nil {
		return engine.Row{}, err
	}
	r.Event.Body = body
	return r, nil
}

func scan(rows pgx.CollectableRow, more ...any) (engine.Row, error) {
	d := &inbox.Delivery{}
	r := engine.Row{Delivery: d}
	var key []byte
	var status string
	var ended *time.Time
	err := rows.Scan(append([]any{
		&d.ID, &key, &d.Event.Provider, &d.Event.Type, &d.Event.ID, &d.OrderKey, &status, &d.Attempts, &r.Tries, &d.Duplicates,
		&d.AcceptedAt, &d.DueAt, &ended, &d.Error, &d.Purged,
	}, more...)...)
	if err != nil {
		return engine.Row{}, err
	}
	copy(d.Event.Key[:], key)
	d.Event.Provider, d.Event.Type, d.Event.ID = original(d.Event.Provider), original(d.Event.Type), original(d.Event.ID)
	d.OrderKey, d.Error, d.Status = original(d.OrderKey), original(d.Error), inbox.Status(status)
	if ended != nil {
		d.EndedAt = *ended
	}
	return r, nil
}
