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

// A row is a delivery with what only the engine needs.
type row struct {
	*inbox.Delivery
	tries    int    // since the last replay
	orderKey string // as it is stored
}

func (r row) lane() engine.Lane {
	return engine.Lane{Provider: r.Event.Provider, Type: r.Event.Type}
}

func scanBrief(rows pgx.CollectableRow) (row, error) { return scan(rows) }

// scanWhole reads a delivery with header and body.
func scanWhole(rows pgx.CollectableRow) (row, error) {
	var encoded, body []byte
	r, err := scan(rows, &encoded, &body)
	if err != nil || r.Purged {
		return r, err
	}
	if err := engine.DecodeRequest(encoded, &r.Event); err != nil {
		return row{}, err
	}
	r.Event.Body = body
	return r, nil
}

func scan(rows pgx.CollectableRow, more ...any) (row, error) {
	d := &inbox.Delivery{}
	r := row{Delivery: d}
	var key []byte
	var status string
	var ended *time.Time
	err := rows.Scan(append([]any{
		&d.ID, &key, &d.Event.Provider, &d.Event.Type, &d.Event.ID, &r.orderKey, &status, &d.Attempts, &r.tries, &d.Duplicates,
		&d.AcceptedAt, &d.DueAt, &ended, &d.Error, &d.Purged,
	}, more...)...)
	if err != nil {
		return row{}, err
	}
	copy(d.Event.Key[:], key)
	d.Event.Provider, d.Event.Type, d.Event.ID = original(d.Event.Provider), original(d.Event.Type), original(d.Event.ID)
	d.OrderKey, d.Error, d.Status = original(r.orderKey), original(d.Error), inbox.Status(status)
	if ended != nil {
		d.EndedAt = *ended
	}
	return r, nil
}
