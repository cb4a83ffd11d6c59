package sqlite

import (
	"context"
	"database/sql"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook/inbox"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/engine"
)

// retainStep is how many rows are removed in one commit: removing many at once would make providers wait.
const retainStep = 100

// purge does one small step of removing what is past its time, bodies first, and reports whether there may be more to do.
func (b *Inbox) purge(ctx context.Context) (bool, error) {
	now := time.Now()
	return ask(ctx, b, func(ctx context.Context, s *session, t tally) (more bool, err error) {
		n, err := purgeBodies(ctx, s, now.Add(-b.config.KeepBodies))
		if err == nil && n == 0 {
			n, err = purgeKeys(ctx, s, t, now.Add(-b.config.KeepKeys))
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

func purgeKeys(ctx context.Context, s *session, t tally, before time.Time) (int64, error) {
	rows, err := s.query(ctx, `DELETE FROM inbox_deliveries WHERE id IN
		(SELECT id FROM inbox_deliveries WHERE ended_at > 0 AND ended_at < ? LIMIT ?) RETURNING id, provider, type, status`, millis(before), retainStep)
	if err != nil {
		return 0, err
	}
	type gone struct {
		engine.Lane
		id     int64
		status inbox.Status
	}
	removed, err := scanAll(rows, func(rows *sql.Rows) (g gone, err error) {
		err = rows.Scan(&g.id, &g.Provider, &g.Type, &g.status)
		return g, err
	})
	if err != nil {
		return 0, err
	}
	for _, g := range removed {
		t.Add(g.Lane, g.status, -1)
		if _, err := s.exec(ctx, "DELETE FROM inbox_attempts WHERE delivery_id = ?", g.id); err != nil {
			return 0, err
		}
	}
	return int64(len(removed)), nil
}
