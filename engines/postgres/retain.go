package postgres

import (
	"context"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook/inbox"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/engine"
	"github.com/jackc/pgx/v5"
)

// retainStep is how many rows are removed in one commit.
const retainStep = 500

// purge does one small step of removing what is past its time, bodies first, and reports whether there may be more to do.
func (b *Inbox) purge(ctx context.Context) (more bool, err error) {
	err = b.do(ctx, func(tx pgx.Tx, t *engine.Tally) error {
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
		if more = tag.RowsAffected() > 0 || keys > 0; !more {
			_, err = tx.Exec(ctx, "DELETE FROM inbox_minutes WHERE minute < extract(epoch FROM now()) / 60 - $1::bigint", int64(inbox.ActivityKept/time.Minute))
		}
		return err
	})
	return more, err
}

func purgeKeys(ctx context.Context, tx pgx.Tx, t *engine.Tally, keep time.Duration) (int, error) {
	ids, err := collect(ctx, tx, func(row pgx.CollectableRow) (id int64, err error) {
		var provider, typ, status string
		err = row.Scan(&id, &provider, &typ, &status)
		t.Add(engine.Lane{Provider: original(provider), Type: original(typ)}, inbox.Status(status), -1)
		return id, err
	}, `WITH old AS MATERIALIZED (SELECT id FROM inbox_deliveries WHERE ended_at < now() - $1::bigint * interval '1 microsecond' LIMIT $2
			FOR UPDATE SKIP LOCKED)
		DELETE FROM inbox_deliveries d USING old WHERE d.id = old.id RETURNING d.id, d.provider, d.type, d.status`, keep.Microseconds(), retainStep)
	if err != nil {
		return 0, err
	}
	_, err = tx.Exec(ctx, "DELETE FROM inbox_attempts WHERE delivery_id = ANY ($1)", ids)
	return len(ids), err
}
