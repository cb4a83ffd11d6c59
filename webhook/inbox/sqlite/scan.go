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

// scanner reads one delivery.
type scanner = func(*sql.Rows) (engine.Row, error)

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

func scanBrief(rows *sql.Rows) (engine.Row, error) { return scan(rows) }

// scanWhole reads a delivery with header and body.
func scanWhole(rows *sql.Rows) (engine.Row, error) {
	var encoded, body []byte
	r, err := scan(rows, &encoded, &body)
	if err != nil || r.Purged {
		return r, err
	}
	if err := engine.DecodeRequest(encoded, &r.Event); err != nil {
		return engine.Row{}, err
	}
	r.Event.Body = body
	return r, nil
}

func scan(rows *sql.Rows, more ...any) (engine.Row, error) {
	d := &inbox.Delivery{}
	r := engine.Row{Delivery: d}
	var key []byte
	var accepted, due, ended int64
	err := rows.Scan(append([]any{
		&d.ID, &key, &d.Event.Provider, &d.Event.Type, &d.Event.ID, &d.OrderKey, &d.Status, &d.Attempts, &r.Tries, &d.Duplicates,
		&accepted, &due, &ended, &d.Error, &d.Purged,
	}, more...)...)
	if err != nil {
		return engine.Row{}, err
	}
	copy(d.Event.Key[:], key)
	d.AcceptedAt, d.DueAt, d.EndedAt = fromMillis(accepted), fromMillis(due), fromMillis(ended)
	r.Since = fromMillis(max(accepted, due))
	return r, nil
}
