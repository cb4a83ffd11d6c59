package sqlite

import (
	"context"
	"database/sql"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook/inbox"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/engine"
)

const (
	retainEvery = time.Minute
	retainStep  = 100 // rows a commit: deleting many at once would make providers wait
)

// retain removes bodies and, later, whole deliveries when their time is over, until ctx ends.
func (b *Inbox) retain(ctx context.Context) {
	for {
		now := time.Now()
		for b.purge(ctx, now) {
		}
		if !sleep(ctx, retainEvery) {
			return
		}
	}
}

// purge does one small step and reports whether there may be more to do.
func (b *Inbox) purge(ctx context.Context, now time.Time) (more bool) {
	var bodies, keys int64
	err := b.do(ctx, func(ctx context.Context, s *session, t tally) (err error) {
		if bodies, err = purgeBodies(ctx, s, now.Add(-b.config.KeepBodies)); err != nil || bodies > 0 {
			return err
		}
		if keys, err = purgeKeys(ctx, s, t, now.Add(-b.config.KeepKeys)); err != nil || keys > 0 {
			return err
		}
		return purgeMinutes(ctx, s, now)
	})
	if err != nil {
		if ctx.Err() == nil {
			b.config.Logger.ErrorContext(ctx, "inbox cannot remove what is past its time", "error", err)
		}
		return false
	}
	return bodies+keys > 0
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
		t.add(g.Lane, g.status, -1)
		if _, err := s.exec(ctx, "DELETE FROM inbox_attempts WHERE delivery_id = ?", g.id); err != nil {
			return 0, err
		}
	}
	return int64(len(removed)), nil
}
