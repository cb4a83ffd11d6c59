package postgres

import (
	"context"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook/inbox"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/engine"
	"github.com/jackc/pgx/v5"
)

const (
	retainEvery = time.Minute
	retainStep  = 500 // rows a commit
)

// retain removes bodies and, later, whole deliveries when their time is over, until ctx ends.
func (b *Inbox) retain(ctx context.Context) {
	for {
		for b.purge(ctx) {
		}
		if !sleep(ctx, retainEvery) {
			return
		}
	}
}

// purge does one small step and reports whether there may be more to do.
func (b *Inbox) purge(ctx context.Context) (more bool) {
	err := b.do(ctx, func(tx pgx.Tx, t *tally) error {
		tag, err := tx.Exec(ctx, `WITH old AS MATERIALIZED (SELECT id FROM inbox_deliveries WHERE ended_at < now() - $1::bigint * interval '1 microsecond' AND meta IS NOT NULL
				LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED)
			UPDATE inbox_deliveries d SET meta = NULL, body = NULL FROM old WHERE d.id = old.id`, b.config.KeepBodies.Microseconds(), retainStep)
		if err != nil {
			return err
		}
		keys, err := purgeKeys(ctx, tx, t, b.config.KeepKeys)
		if err != nil {
			return err
		}
		more = tag.RowsAffected() > 0 || keys > 0
		if !more {
			_, err = tx.Exec(ctx, "DELETE FROM inbox_minutes WHERE minute < extract(epoch FROM now()) / 60 - $1::bigint", int64(inbox.ActivityKept/time.Minute))
		}
		return err
	})
	if err != nil {
		if ctx.Err() == nil {
			b.config.Logger.ErrorContext(ctx, "inbox cannot remove what is past its time", "error", err)
		}
		return false
	}
	return more
}

func purgeKeys(ctx context.Context, tx pgx.Tx, t *tally, keep time.Duration) (int, error) {
	rows, err := tx.Query(ctx, `WITH old AS MATERIALIZED (SELECT id FROM inbox_deliveries WHERE ended_at < now() - $1::bigint * interval '1 microsecond' LIMIT $2
			FOR UPDATE SKIP LOCKED)
		DELETE FROM inbox_deliveries d USING old WHERE d.id = old.id RETURNING d.id, d.provider, d.type, d.status`, keep.Microseconds(), retainStep)
	if err != nil {
		return 0, err
	}
	var ids []int64
	var id int64
	var provider, typ, status string
	if _, err := pgx.ForEachRow(rows, []any{&id, &provider, &typ, &status}, func() error {
		ids = append(ids, id)
		t.add(engine.Lane{Provider: original(provider), Type: original(typ)}, inbox.Status(status), -1)
		return nil
	}); err != nil {
		return 0, err
	}
	_, err = tx.Exec(ctx, "DELETE FROM inbox_attempts WHERE delivery_id = ANY ($1)", ids)
	return len(ids), err
}
