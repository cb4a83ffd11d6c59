package sqlite

import (
	"context"
	"time"
)

const (
	clockStep = 10 * time.Second // how exactly the time of the last change is noted: what a clock that was ahead has written is due so much too late at most
	setBack   = time.Second      // what a clock goes back while it is adjusted is less
)

// seeTime notes when something changed, in the transaction that changes it.
func seeTime(ctx context.Context, s *session) error {
	now := millis(time.Now())
	_, err := s.exec(ctx, "UPDATE inbox_clock SET seen = ? WHERE seen < ?", now, now-clockStep.Milliseconds())
	return err
}

const timeSeen = "SELECT seen FROM inbox_clock"

// followClock brings what is due later nearer when the clock was put back: what was accepted, failed or replayed by a clock that was ahead would wait until
// the time has come again.
func (b *Inbox) followClock(ctx context.Context) error {
	var seen int64
	if err := b.db.QueryRowContext(ctx, timeSeen).Scan(&seen); err != nil || seen-millis(time.Now()) < setBack.Milliseconds() {
		return err
	}
	return b.do(ctx, func(ctx context.Context, s *session, _ tally) error {
		err := s.queryRow(ctx, []any{&seen}, timeSeen) // again: another process may have done it
		now := millis(time.Now())
		behind := seen - now
		if err != nil || behind < setBack.Milliseconds() {
			return err
		}
		if _, err := s.exec(ctx, "UPDATE inbox_deliveries SET due_at = due_at - ? WHERE status = 'pending' AND due_at > ?", behind, now); err != nil {
			return err
		}
		if _, err := s.exec(ctx, "UPDATE inbox_clock SET seen = ?", now); err != nil {
			return err
		}
		b.config.Logger.WarnContext(ctx, "inbox: the clock went back", "by", time.Duration(behind)*time.Millisecond)
		return nil
	})
}
