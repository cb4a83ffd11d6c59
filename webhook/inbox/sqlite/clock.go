package sqlite

import (
	"context"
	"database/sql"
	"time"
)

// mendClock makes due what was accepted at a time that is still to come: the clock was ahead then, and was put back. Without this such deliveries
// would wait until it is there again. One that was begun keeps its wait. Slots tell cheaply whether there may be any; what is less than a
// slot ahead waits that long at most.
func (b *Inbox) mendClock(ctx context.Context) error {
	var newest sql.NullInt64
	if err := b.db.QueryRowContext(ctx, "SELECT max(slot) FROM inbox_slots").Scan(&newest); err != nil {
		return err
	}
	now := time.Now()
	if newest.Int64 <= slotOf(now) {
		return nil
	}
	for {
		var n int64
		err := b.do(ctx, func(ctx context.Context, s *session, _ tally) error {
			result, err := s.exec(ctx, `UPDATE inbox_deliveries SET due_at = ?1 WHERE id IN
				(SELECT id FROM inbox_deliveries WHERE status = 'pending' AND tries = 0 AND due_at > ?1 AND accepted_at > ?1 LIMIT ?2)`, millis(now), retainStep)
			if err != nil {
				return err
			}
			n, err = result.RowsAffected()
			return err
		})
		if err != nil || n == 0 {
			return err
		}
	}
}
