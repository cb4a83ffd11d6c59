package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook/inbox"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/engine"
)

// end marks d as ended without a handler's transaction.
func (b *Inbox) end(ctx context.Context, d engine.Row, status inbox.Status, start time.Time) error {
	var woken engine.Lane
	var wake bool
	err := b.do(ctx, func(ctx context.Context, s *session, t tally) (err error) {
		woken, wake, err = settleSuccess(ctx, s, t, d, status, start)
		return err
	})
	if err == nil && wake {
		b.lanes.Wake(woken)
	}
	return err
}

// settleSuccess marks a running delivery as ended and lets the next of its order key go. It fails when the delivery is not this attempt's any more.
func settleSuccess(ctx context.Context, s *session, t tally, d engine.Row, status inbox.Status, start time.Time) (woken engine.Lane, wake bool, err error) {
	now := time.Now()
	result, err := s.exec(ctx, "UPDATE inbox_deliveries SET status = ?, ended_at = ?, error = '' WHERE id = ? AND status = 'running' AND attempts = ?",
		string(status), millis(now), d.ID, d.Attempts)
	if err != nil {
		return engine.Lane{}, false, err
	}
	if n, err := result.RowsAffected(); err != nil || n != 1 {
		return engine.Lane{}, false, errors.Join(inbox.ErrStatus, err)
	}
	if err := remember(ctx, s, d.ID, engine.Success(d, status, start)); err != nil {
		return engine.Lane{}, false, err
	}
	t.Move(d.Lane(), inbox.Running, status)
	t.Minute.Done++
	return promote(ctx, s, t, d.OrderKey, now)
}

// effect runs handler, if there is one, in a transaction that also marks d as ended. It holds the turn to write from the transaction's begin to its
// end, which comes with the deadline at the latest, whether the handler has returned or not.
func (b *Inbox) effect(ctx context.Context, d engine.Row, handler inbox.Handler[*sql.Tx], status inbox.Status, start time.Time) (err error) {
	if handler == nil {
		return b.end(ctx, d, status, start)
	}
	b.turns.take(false)
	defer b.turns.give()
	if b.handling == nil {
		if b.handling, err = newSession(ctx, b.db); err != nil {
			return err
		}
	}
	// The transaction does not end with ctx by itself: statements of the session, after such an end, would be committed one by one.
	tx, err := b.handling.conn.BeginTx(context.WithoutCancel(ctx), nil)
	handled := false // the error is the handler's
	defer func() {
		if err != nil && tx != nil {
			_ = tx.Rollback()
		}
		switch {
		case err == nil:
		case handled:
			_ = drop(&b.handling)
		default:
			discard(&b.handling)
		}
	}()
	if err != nil {
		return err
	}
	changes := newTally()
	// The mark comes first: it takes the lock for writing, and shows at once when the delivery is not ours.
	woken, wake, err := settleSuccess(ctx, b.handling, changes, d, status, start)
	if err == nil {
		err = changes.write(ctx, b.handling)
	}
	if err == nil {
		err = b.work.Run(ctx, tx, d, handler)
		handled = err != nil
	}
	if err != nil {
		return err
	}
	if err = tx.Commit(); err != nil {
		return err
	}
	if wake {
		b.lanes.Wake(woken)
	}
	return nil
}

// fail makes a running delivery pending again, or dead.
func (b *Inbox) fail(ctx context.Context, d engine.Row, f engine.Failure) error {
	var woken engine.Lane
	err := b.do(ctx, func(ctx context.Context, s *session, t tally) (err error) {
		woken, err = settleFailure(ctx, s, t, d, f)
		return err
	})
	if err == nil {
		b.lanes.Wake(woken)
	}
	return err
}

// settleFailure makes a running delivery pending again, or dead. It returns the lane that has something to do now. A delivery
// that is not running this attempt any more is left alone.
func settleFailure(ctx context.Context, s *session, t tally, d engine.Row, f engine.Failure) (engine.Lane, error) {
	now := time.Now()
	result, err := s.exec(ctx, "UPDATE inbox_deliveries SET status = ?, due_at = ?, error = ? WHERE id = ? AND status = 'running' AND attempts = ?",
		string(f.Status()), millis(now.Add(f.Wait)), f.Attempt.Error, d.ID, d.Attempts)
	if err != nil {
		return d.Lane(), err
	}
	if n, err := result.RowsAffected(); err != nil || n == 0 {
		return d.Lane(), err
	}
	t.Failed(d, f)
	if err := remember(ctx, s, d.ID, f.Attempt); err != nil || !f.Dead {
		return d.Lane(), err
	}
	woken, wake, err := promote(ctx, s, t, d.OrderKey, now)
	if wake {
		return woken, err
	}
	return d.Lane(), err
}
