package postgres

import (
	"context"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook/inbox"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/engine"
	"github.com/jackc/pgx/v5"
)

// Replay implements [inbox.Operator].
func (b *Inbox) Replay(ctx context.Context, s inbox.Selection, why inbox.Reason) (int64, error) {
	return b.decide(ctx, s, why, engine.Replay())
}

// Discard implements [inbox.Operator].
func (b *Inbox) Discard(ctx context.Context, s inbox.Selection, why inbox.Reason) (int64, error) {
	return b.decide(ctx, s, why, engine.Discard())
}

func (b *Inbox) decide(ctx context.Context, s inbox.Selection, why inbox.Reason, k engine.Decision) (changed int64, err error) {
	ascend := func(f inbox.Filter, each func([]engine.Row) error) error {
		return b.ascend(ctx, f, briefDelivery, scanBrief, each)
	}
	return k.Make(s, why, ascend, func(ids []int64, named bool) (int64, error) { return b.decideStep(ctx, ids, why, k, named) })
}

// decideStep decides about a few deliveries in one commit.
func (b *Inbox) decideStep(ctx context.Context, ids []int64, why inbox.Reason, k engine.Decision, named bool) (changed int64, err error) {
	var woken map[engine.Lane]bool
	var refused error
	err = b.do(ctx, func(tx pgx.Tx, t *engine.Tally) error {
		woken = map[engine.Lane]bool{}
		found, err := lockRows(ctx, tx, ids)
		if err != nil {
			return err
		}
		var chosen []engine.Row
		chosen, refused = k.Choose(ids, found, named) // which is the caller's: the transaction is well
		if changed = int64(len(chosen)); changed == 0 {
			return nil
		}
		return b.decideAll(ctx, tx, t, chosen, why, k, woken)
	})
	if err != nil {
		return 0, err
	}
	for l := range woken {
		b.wake(l)
	}
	return changed, refused
}

// lockRows locks deliveries, and their order keys first, as every transaction does.
func lockRows(ctx context.Context, tx pgx.Tx, ids []int64) (map[int64]engine.Row, error) {
	orderKeys, err := collect(ctx, tx, pgx.RowTo[string], "SELECT DISTINCT order_key FROM inbox_deliveries WHERE id = ANY ($1) AND order_key <> ''", ids)
	if err != nil {
		return nil, err
	}
	if err := lockOrders(ctx, tx, orderKeys...); err != nil {
		return nil, err
	}
	locked, err := collect(ctx, tx, scanBrief, "SELECT "+briefDelivery+" FROM inbox_deliveries d WHERE id = ANY ($1) ORDER BY id FOR NO KEY UPDATE", ids)
	found := make(map[int64]engine.Row, len(locked))
	for _, d := range locked {
		found[d.ID] = d
	}
	return found, err
}

func (b *Inbox) decideAll(ctx context.Context, tx pgx.Tx, t *engine.Tally, deliveries []engine.Row, why inbox.Reason, k engine.Decision, woken map[engine.Lane]bool) error {
	var ids []int64
	var orderKeys []string
	for _, d := range deliveries {
		ids = append(ids, d.ID)
		t.Move(d.Lane(), d.Status, k.To)
		if k.To == inbox.Pending {
			woken[d.Lane()] = true
		} else if d.OrderKey != "" {
			orderKeys = append(orderKeys, stored(d.OrderKey))
		}
	}
	var batch pgx.Batch
	batch.Queue("UPDATE inbox_deliveries SET status = $1, tries = 0, due_at = now(), ended_at = CASE WHEN $2 THEN NULL ELSE now() END WHERE id = ANY ($3)",
		string(k.To), k.To == inbox.Pending, ids)
	queueAttempt(&batch, inbox.Attempt{At: time.Now(), Result: k.Result, Error: why.Why, By: why.By}, ids...)
	if err := b.send(ctx, tx, &batch); err != nil || len(orderKeys) == 0 {
		return err
	}
	next, err := promote(ctx, tx, orderKeys...)
	for _, l := range next {
		woken[l] = true
	}
	return err
}

// Pause implements [inbox.Operator].
func (b *Inbox) Pause(ctx context.Context, provider, typ string, why inbox.Reason) error {
	if err := why.Check(); err != nil {
		return err
	}
	if err := b.do(ctx, func(tx pgx.Tx, _ *engine.Tally) error {
		_, err := tx.Exec(ctx, `INSERT INTO inbox_paused (provider, type, since, by, why) VALUES ($1, $2, now(), $3, $4)
			ON CONFLICT (provider, type) DO UPDATE SET since = excluded.since, by = excluded.by, why = excluded.why`,
			stored(provider), stored(typ), stored(why.By), stored(why.Why))
		return err
	}); err != nil {
		return err
	}
	return b.look(ctx)
}

// Resume implements [inbox.Operator].
func (b *Inbox) Resume(ctx context.Context, provider, typ string) error {
	if err := b.do(ctx, func(tx pgx.Tx, _ *engine.Tally) error {
		_, err := tx.Exec(ctx, "DELETE FROM inbox_paused WHERE provider = $1 AND type = $2", stored(provider), stored(typ))
		return err
	}); err != nil {
		return err
	}
	if err := b.look(ctx); err != nil {
		return err
	}
	b.wake(engine.Lane{Provider: provider, Type: typ})
	return nil
}
