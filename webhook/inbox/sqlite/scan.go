package sqlite

import (
	"database/sql"
	"errors"

	"github.com/gatehouse-go/gatehouse/webhook"
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

// scanEach calls scan for each of rows, and closes them.
func scanEach(rows *sql.Rows, scan func(*sql.Rows) error) error {
	defer func() { _ = rows.Close() }() // again, for the early return
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return errors.Join(rows.Err(), rows.Close())
}

// scanAll reads and closes rows.
func scanAll[T any](rows *sql.Rows, scan func(*sql.Rows) (T, error)) (all []T, err error) {
	err = scanEach(rows, func(rows *sql.Rows) error {
		one, err := scan(rows)
		all = append(all, one)
		return err
	})
	return all, err
}

func scanLane(rows *sql.Rows) (l engine.Lane, err error) {
	err = rows.Scan(&l.Provider, &l.Type)
	return l, err
}

// A storedKey reads an event's key.
type storedKey webhook.Key

// Scan implements [sql.Scanner].
func (k *storedKey) Scan(column any) error {
	key, _ := column.([]byte)
	copy(k[:], key)
	return nil
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
	var accepted, due, ended int64
	err := rows.Scan(append([]any{
		&d.ID, (*storedKey)(&d.Event.Key), &d.Event.Provider, &d.Event.Type, &d.Event.ID, &d.OrderKey, &d.Status, &d.Attempts, &r.Tries, &d.Duplicates,
		&accepted, &due, &ended, &d.Error, &d.Purged,
	}, more...)...)
	if err != nil {
		return engine.Row{}, err
	}
	d.AcceptedAt, d.DueAt, d.EndedAt = fromMillis(accepted), fromMillis(due), fromMillis(ended)
	r.Since = fromMillis(max(accepted, due))
	return r, nil
}
