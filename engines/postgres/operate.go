package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook/inbox"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/engine"
	"github.com/jackc/pgx/v5"
)

// Replay implements [inbox.Operator].
func (b *Inbox) Replay(ctx context.Context, s inbox.Selection, why inbox.Reason) (int64, error) {
	return b.decide(ctx, s, why, decision{
		from: []inbox.Status{inbox.Done, inbox.Ignored, inbox.Dead, inbox.Discarded}, to: inbox.Pending, result: inbox.Replayed, needsBody: true,
	})
}

// Discard implements [inbox.Operator].
func (b *Inbox) Discard(ctx context.Context, s inbox.Selection, why inbox.Reason) (int64, error) {
	return b.decide(ctx, s, why, decision{
		from: []inbox.Status{inbox.Pending, inbox.Waiting, inbox.Dead, inbox.Ignored}, to: inbox.Discarded, result: inbox.GivenUp,
	})
}

// decision is what an operator does to a delivery.
type decision struct {
	from      []inbox.Status
	to        inbox.Status
	result    inbox.Result
	needsBody bool
}

// check says why the decision cannot be made about d.
func (k decision) check(d row) error {
	switch {
	case !slices.Contains(k.from, d.Status):
		return fmt.Errorf("%w: delivery %d is %s", inbox.ErrStatus, d.ID, d.Status)
	case k.needsBody && d.Purged:
		return fmt.Errorf("%w: delivery %d", inbox.ErrPurged, d.ID)
	}
	return nil
}

func (b *Inbox) decide(ctx context.Context, s inbox.Selection, why inbox.Reason, k decision) (changed int64, err error) {
	if err := errors.Join(s.Check(), why.Check()); err != nil {
		return 0, err
	}
	if len(s.IDs) > 0 {
		for ids := range slices.Chunk(slices.Compact(slices.Sorted(slices.Values(s.IDs))), step) {
			n, err := b.decideStep(ctx, ids, why, k, true)
			changed += n
			if err != nil {
				return changed, err
			}
		}
		return changed, nil
	}
	err = b.ascend(ctx, s.Filter, briefDelivery, scanBrief, func(rows []row) error {
		var ids []int64
		for _, r := range rows {
			if k.check(r) == nil {
				ids = append(ids, r.ID)
			}
		}
		n, err := b.decideStep(ctx, ids, why, k, false)
		changed += n
		return err
	})
	return changed, err
}

// decideStep decides about a few deliveries in one commit: all of them where named is true, else those that still allow it.
func (b *Inbox) decideStep(ctx context.Context, ids []int64, why inbox.Reason, k decision, named bool) (changed int64, err error) {
	if len(ids) == 0 {
		return 0, nil
	}
	var woken map[engine.Lane]bool
	var refused error
	err = b.do(ctx, func(tx pgx.Tx, t *tally) error {
		woken, changed, refused = map[engine.Lane]bool{}, 0, nil
		found, err := lockRows(ctx, tx, ids)
		if err != nil {
			return err
		}
		var allowed []row
		for _, id := range ids {
			why := inbox.ErrNotFound
			if d, ok := found[id]; ok {
				if why = k.check(d); why == nil {
					allowed = append(allowed, d)
				}
			}
			refused = errors.Join(refused, why)
		}
		if named && refused != nil || len(allowed) == 0 {
			return nil //nolint:nilerr // all or none: refused is the caller's, the transaction is well
		}
		changed = int64(len(allowed))
		return b.decideAll(ctx, tx, t, allowed, why, k, woken)
	})
	if err != nil {
		return 0, err
	}
	for l := range woken {
		b.wake(l)
	}
	if named {
		return changed, refused
	}
	return changed, nil
}

// lockRows locks deliveries, and their order keys first, as every transaction does.
func lockRows(ctx context.Context, tx pgx.Tx, ids []int64) (map[int64]row, error) {
	rows, err := tx.Query(ctx, "SELECT DISTINCT order_key FROM inbox_deliveries WHERE id = ANY ($1) AND order_key <> ''", ids)
	if err != nil {
		return nil, err
	}
	orderKeys, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, err
	}
	if err := lockOrders(ctx, tx, orderKeys...); err != nil {
		return nil, err
	}
	if rows, err = tx.Query(ctx, "SELECT "+briefDelivery+" FROM inbox_deliveries d WHERE id = ANY ($1) ORDER BY id FOR NO KEY UPDATE", ids); err != nil {
		return nil, err
	}
	locked, err := pgx.CollectRows(rows, scanBrief)
	found := make(map[int64]row, len(locked))
	for _, d := range locked {
		found[d.ID] = d
	}
	return found, err
}

func (b *Inbox) decideAll(ctx context.Context, tx pgx.Tx, t *tally, deliveries []row, why inbox.Reason, k decision, woken map[engine.Lane]bool) error {
	var ids []int64
	var orderKeys []string
	for _, d := range deliveries {
		ids = append(ids, d.ID)
		t.move(d.lane(), d.Status, k.to)
		if k.to == inbox.Pending {
			woken[d.lane()] = true
		} else if d.orderKey != "" {
			orderKeys = append(orderKeys, d.orderKey)
		}
	}
	var batch pgx.Batch
	batch.Queue("UPDATE inbox_deliveries SET status = $1, tries = 0, due_at = now(), ended_at = CASE WHEN $2 THEN NULL ELSE now() END WHERE id = ANY ($3)",
		string(k.to), k.to == inbox.Pending, ids)
	attempt{at: time.Now(), result: k.result, error: why.Why, by: why.By}.queue(&batch, ids...)
	if err := b.send(ctx, tx, &batch); err != nil || len(orderKeys) == 0 {
		return err
	}
	next, err := promote(ctx, tx, t, orderKeys)
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
	if err := b.do(ctx, func(tx pgx.Tx, _ *tally) error {
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
	if err := b.do(ctx, func(tx pgx.Tx, _ *tally) error {
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
