package sqlite

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook"
	"github.com/gatehouse-go/gatehouse/webhook/inbox"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/engine"
)

// insertDelivery stores an event unless its key is there. One with an order key waits while another of that key is under way.
const insertDelivery = `INSERT INTO inbox_deliveries (key, provider, type, event_id, order_key, accepted_at, due_at, meta, body, status)
	VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6, ?7, ?8,
		CASE WHEN ?5 <> '' AND EXISTS (SELECT 1 FROM inbox_deliveries WHERE order_key = ?5 AND order_key <> '' AND status IN ('pending', 'waiting', 'running'))
		THEN 'waiting' ELSE 'pending' END)
	ON CONFLICT (key) DO NOTHING RETURNING id, status`

// rowOverhead is about what a row costs beside its body and meta, for the bound on waiting bytes.
const rowOverhead = 256

// Accept implements [inbox.Accepter].
func (b *Inbox) Accept(ctx context.Context, e webhook.Event) (fresh bool, err error) {
	start := time.Now()
	fresh, err = b.accept(ctx, e, start)
	if b.config.Observe != nil {
		o := inbox.Observation{Kind: inbox.ObserveAccepted, Provider: e.Provider, Type: e.Type, Duration: time.Since(start), Err: err}
		switch {
		case err != nil:
			o.Kind = inbox.ObserveRefused
		case !fresh:
			o.Kind = inbox.ObserveDuplicate
		}
		b.config.Observe(o)
	}
	return fresh, err
}

func (b *Inbox) accept(ctx context.Context, e webhook.Event, now time.Time) (fresh bool, err error) {
	key := e.Key
	if e.Repeatable || key == (webhook.Key{}) { // nothing tells a repeat: each is an event of its own
		_, _ = rand.Read(key[:]) // never fails
	}
	encoded, err := engine.EncodeRequest(e)
	if err != nil {
		return false, inbox.Permanent(err)
	}
	orderKey := ""
	if b.config.OrderBy != nil {
		orderKey = b.config.OrderBy(e)
	}
	body := e.Body
	if body == nil {
		body = []byte{} // NULL means purged
	}
	l := engine.Lane{Provider: e.Provider, Type: e.Type}
	o := &op{
		size: int64(len(body)+len(encoded)) + rowOverhead, stale: func() bool { return ctx.Err() != nil }, done: make(chan error, 1),
		do: func(ctx context.Context, s *session, t tally) error {
			var status inbox.Status
			var id int64
			err := s.queryRow(ctx, []any{&id, &status}, insertDelivery, key[:], e.Provider, e.Type, e.ID, orderKey, millis(now), encoded, body)
			if errors.Is(err, sql.ErrNoRows) {
				fresh = false
				t.add(l, duplicated, 1)
				t.minute.Duplicates++
				_, err = s.exec(ctx, "UPDATE inbox_deliveries SET duplicates = duplicates + 1 WHERE key = ?", key[:])
				return err
			}
			if err == nil {
				fresh = true
				t.add(l, status, 1)
				t.minute.Accepted++
				t.slots.add(slotOf(now), id)
			}
			return err
		},
	}
	if err := b.queue.add(o, true); err != nil {
		return false, err
	}
	select {
	case err = <-o.done:
	case <-ctx.Done():
		return false, unavailable(ctx.Err()) // fresh belongs to the writer until done: it is not read here
	}
	if err != nil {
		return false, unavailable(err)
	}
	if fresh {
		b.lanes.Wake(l)
	}
	return fresh, nil
}
