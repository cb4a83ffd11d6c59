package sqlite

import (
	"database/sql"
	"errors"

	"github.com/gatehouse-go/gatehouse/webhook/inbox"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/engine"
)

// Columns of a delivery. The brief ones do not touch the pages of long bodies.
const (
	briefDelivery = "id, key, provider, type, event_id, order_key, status, attempts, tries, duplicates, accepted_at, due_at, ended_at, error, meta IS NULL"
	wholeDelivery = briefDelivery + ", meta, body"
)

// A row is a delivery with what only the engine needs.
type row struct {
	*inbox.Delivery
	tries int // since the last replay
}

// scanAll reads and closes rows.
func scanAll[T any](rows *sql.Rows, scan func(*sql.Rows) (T, error)) ([]T, error) {
	defer func() { _ = rows.Close() }() // again, for the early returns
	var all []T
	for rows.Next() {
		one, err := scan(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, errors.Join(rows.Err(), rows.Close())
}

func scanBrief(rows *sql.Rows) (row, error) { return scan(rows) }

// scanWhole reads a delivery with header and body.
func scanWhole(rows *sql.Rows) (row, error) {
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

func scan(rows *sql.Rows, more ...any) (row, error) {
	d := &inbox.Delivery{}
	r := row{Delivery: d}
	var key []byte
	var accepted, due, ended int64
	err := rows.Scan(append([]any{
		&d.ID, &key, &d.Event.Provider, &d.Event.Type, &d.Event.ID, &d.OrderKey, &d.Status, &d.Attempts, &r.tries, &d.Duplicates,
		&accepted, &due, &ended, &d.Error, &d.Purged,
	}, more...)...)
	if err != nil {
		return row{}, err
	}
	copy(d.Event.Key[:], key)
	d.AcceptedAt, d.DueAt, d.EndedAt = fromMillis(accepted), fromMillis(due), fromMillis(ended)
	return r, nil
}
