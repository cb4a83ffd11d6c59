package sqlite

import (
	"context"
	"database/sql"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook"
	"github.com/gatehouse-go/gatehouse/webhook/inbox"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/engine"
)

// retainStep is how many rows are removed in one commit: removing many at once would make providers wait.
const retainStep = 100

// indexStep is how many keys are put into their index in one commit, before deliveries are removed that came a short time ago.
const indexStep = 10 * retainStep

// purge does one small step of removing what is past its time, bodies first, and reports whether there may be more to do.
func (b *Inbox) purge(ctx context.Context) (bool, error) {
	now := time.Now()
	return ask(ctx, b, func(ctx context.Context, s *session, t tally) (more bool, err error) {
		n, err := purgeBodies(ctx, s, now.Add(-b.config.KeepBodies))
		if err == nil && n == 0 {
			n, err = b.purgeKeys(ctx, s, t, now.Add(-b.config.KeepKeys))
		}
		if err != nil || n > 0 {
			return n > 0, err
		}
		return false, purgeMinutes(ctx, s, now)
	})
}

func purgeBodies(ctx context.Context, s *session, before time.Time) (int64, error) {
	result, err := s.exec(ctx, `UPDATE inbox_deliveries SET meta = NULL, body = NULL WHERE id IN
		(SELECT id FROM inbox_deliveries WHERE ended_at > 0 AND ended_at < ? AND meta IS NOT NULL LIMIT ?)`, millis(before), retainStep)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// purgeKeys removes deliveries whose keys are in the index. When there are none, it puts keys there for those that wait to be removed.
func (b *Inbox) purgeKeys(ctx context.Context, s *session, t tally, before time.Time) (int64, error) {
	if err := b.keys.catchUp(ctx, s, t); err != nil {
		return 0, err
	}
	rows, err := s.query(ctx, `DELETE FROM inbox_deliveries WHERE id IN
		(SELECT id FROM inbox_deliveries WHERE ended_at > 0 AND ended_at < ? AND +id <= ? LIMIT ?) RETURNING id, key, provider, type, status`,
		millis(before), b.keys.upto, retainStep)
	if err != nil {
		return 0, err
	}
	type gone struct {
		engine.Lane
		id     int64
		key    webhook.Key
		status inbox.Status
	}
	removed, err := scanAll(rows, func(rows *sql.Rows) (g gone, err error) {
		err = rows.Scan(&g.id, (*storedKey)(&g.key), &g.Provider, &g.Type, &g.status)
		return g, err
	})
	if err != nil {
		return 0, err
	}
	for _, g := range removed {
		t.Add(g.Lane, g.status, -1)
		if _, err := s.exec(ctx, "DELETE FROM inbox_keys WHERE key = ?", g.key[:]); err != nil {
			return 0, err
		}
		if _, err := s.exec(ctx, "DELETE FROM inbox_attempts WHERE delivery_id = ?", g.id); err != nil {
			return 0, err
		}
	}
	if len(removed) > 0 {
		return int64(len(removed)), nil
	}
	var waiting int64
	if err := s.queryRow(ctx, []any{&waiting}, "SELECT count(*) FROM (SELECT 1 FROM inbox_deliveries WHERE ended_at > 0 AND ended_at < ? LIMIT 1)", millis(before)); err != nil || waiting == 0 {
		return 0, err
	}
	return waiting, b.keys.index(ctx, s, t, indexStep, true)
}
