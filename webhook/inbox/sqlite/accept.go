package sqlite

import (
	"context"
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

// Accept implements [inbox.Accepter].
func (b *Inbox) Accept(ctx context.Context, e webhook.Event) (fresh bool, err error) {
	return engine.Observed(b.config, e, func() (bool, error) { return b.accept(ctx, e, time.Now()) })
}

func (b *Inbox) accept(ctx context.Context, e webhook.Event, now time.Time) (fresh bool, err error) {
	a, err := engine.NewArrival(b.config, e)
	if err != nil {
		return false, err
	}
	var stored bool // is the writer's until done
	o := &op{
		stale: func() bool { return ctx.Err() != nil }, done: make(chan error, 1),
		do: func(ctx context.Context, s *session, t tally) (err error) {
			stored, err = store(ctx, s, t, &a, now)
			return err
		},
	}
	if err := b.queue.Add(o, a.Size); err != nil {
		return false, err
	}
	select {
	case err = <-o.done:
	case <-ctx.Done():
		return false, unavailable(ctx.Err())
	}
	if err != nil {
		return false, unavailable(err)
	}
	if stored {
		b.lanes.Wake(a.Lane())
	}
	return stored, nil
}

// store stores an event, or counts it as a repeat.
func store(ctx context.Context, s *session, t tally, a *engine.Arrival, now time.Time) (fresh bool, err error) {
	var status inbox.Status
	var id int64
	err = s.queryRow(ctx, []any{&id, &status}, insertDelivery, a.Key[:], a.Event.Provider, a.Event.Type, a.Event.ID, a.OrderKey, millis(now), a.Request, a.Event.Body)
	if errors.Is(err, sql.ErrNoRows) {
		t.Add(a.Lane(), engine.Duplicated, 1)
		t.Minute.Duplicates++
		_, err = s.exec(ctx, "UPDATE inbox_deliveries SET duplicates = duplicates + 1 WHERE key = ?", a.Key[:])
		return false, err
	}
	if err != nil {
		return false, err
	}
	t.Add(a.Lane(), status, 1)
	t.Minute.Accepted++
	t.slots.add(slotOf(now), id)
	return true, nil
}
