package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook/inbox"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/engine"
)

// handle runs one attempt of a claimed delivery and records how it ended.
func (b *Inbox) handle(ctx context.Context, d row) {
	start := time.Now()
	b.observe(inbox.Observation{Kind: inbox.ObserveStarted, Attempt: d.Attempts, Lag: max(0, min(start.Sub(d.AcceptedAt), start.Sub(d.DueAt)))}, d)
	err := b.attempt(ctx, d, start)
	if err == nil {
		b.observe(inbox.Observation{Kind: inbox.ObserveDone, Attempt: d.Attempts, Duration: time.Since(start)}, d)
		return
	}
	b.fail(ctx, d, start, err)
}

func (b *Inbox) observe(o inbox.Observation, d row) {
	if b.config.Observe != nil {
		o.Provider, o.Type, o.ID = d.Event.Provider, d.Event.Type, d.ID
		b.config.Observe(o)
	}
}

// attempt does the work of one attempt. When it returns nil, the delivery has ended on disk.
func (b *Inbox) attempt(ctx context.Context, d row, start time.Time) error {
	found, ok := b.routes.Find(d.Event.Provider, d.Event.Type)
	if !ok {
		return b.end(ctx, d, inbox.Ignored, start)
	}
	ctx, cancel := context.WithTimeout(ctx, b.config.HandlerTimeout)
	defer cancel()
	handler := found.Handler
	if found.Staged != nil {
		err := engine.Guard(ctx, func() (err error) {
			handler, err = found.Staged(ctx, copyOf(d))
			return err
		})
		if err != nil {
			return err
		}
	}
	if handler == nil {
		return b.end(ctx, d, inbox.Done, start)
	}
	return b.effect(ctx, d, handler, start)
}

// copyOf keeps a handler's changes of its Delivery from the engine.
func copyOf(d row) *inbox.Delivery {
	c := *d.Delivery
	return &c
}

// end marks d as ended without a handler's transaction.
func (b *Inbox) end(ctx context.Context, d row, status inbox.Status, start time.Time) error {
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
func settleSuccess(ctx context.Context, s *session, t tally, d row, status inbox.Status, start time.Time) (woken engine.Lane, wake bool, err error) {
	now := time.Now()
	result, err := s.exec(ctx, "UPDATE inbox_deliveries SET status = ?, ended_at = ?, error = '' WHERE id = ? AND status = 'running' AND attempts = ?",
		string(status), millis(now), d.ID, d.Attempts)
	if err != nil {
		return engine.Lane{}, false, err
	}
	if n, err := result.RowsAffected(); err != nil || n != 1 {
		return engine.Lane{}, false, errors.Join(inbox.ErrStatus, err)
	}
	history := attempt{number: d.Attempts, at: start, took: now.Sub(start), result: inbox.Succeeded}
	if status == inbox.Ignored {
		history.error = "no handler is registered for this type"
	}
	if err := history.write(ctx, s, d.ID); err != nil {
		return engine.Lane{}, false, err
	}
	t.move(engine.Lane{Provider: d.Event.Provider, Type: d.Event.Type}, inbox.Running, status)
	t.minute.Done++
	return promote(ctx, s, t, d.OrderKey, now)
}

// effect runs handler in a transaction that also marks d as done. It holds the turn to write from the transaction's begin to its
// end, which comes with the deadline at the latest, whether the handler has returned or not.
func (b *Inbox) effect(ctx context.Context, d row, handler inbox.Handler[*sql.Tx], start time.Time) (err error) {
	b.turns.take(false)
	defer b.turns.give()
	if b.handling == nil {
		if b.handling, err = newSession(ctx, b.db); err != nil {
			return err
		}
	}
	// The transaction does not end with ctx by itself: statements of the session, after such an end, would be committed one by one.
	tx, err := b.handling.conn.BeginTx(context.WithoutCancel(ctx), nil)
	defer func() {
		if err != nil {
			if tx != nil {
				_ = tx.Rollback()
			}
			_ = drop(&b.handling)
		}
	}()
	if err != nil {
		return err
	}
	changes := newTally()
	// The mark comes first: it takes the lock for writing, and shows at once when the delivery is not ours.
	woken, wake, err := settleSuccess(ctx, b.handling, changes, d, inbox.Done, start)
	if err == nil {
		err = changes.write(ctx, b.handling)
	}
	if err == nil {
		err = engine.Guard(ctx, func() error { return handler(ctx, tx, copyOf(d)) })
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

// fail records a failed attempt and says what is next. It tries until it is recorded or ctx ends; then the next Run takes the
// delivery up as interrupted.
func (b *Inbox) fail(ctx context.Context, d row, start time.Time, failure error) {
	now := time.Now()
	wait, dead := b.config.NextAttempt(d.tries, failure)
	history := attempt{number: d.Attempts, at: start, took: now.Sub(start), result: inbox.Failed, error: failure.Error()}
	if p, ok := errors.AsType[*engine.PanicError](failure); ok {
		history.stack = p.Stack
	}
	if ctx.Err() != nil { // the drain is over: not the event's fault
		history.result, wait, dead = inbox.Interrupted, 0, false
	}
	o := inbox.Observation{Kind: inbox.ObserveFailed, Attempt: d.Attempts, Duration: now.Sub(start), Err: failure}
	level := slog.LevelWarn
	if dead {
		o.Kind, level = inbox.ObserveDead, slog.LevelError
	}
	b.config.Logger.LogAttrs(ctx, level, "inbox delivery failed", slog.String("provider", d.Event.Provider), slog.String("type", d.Event.Type),
		slog.Int64("delivery", d.ID), slog.Int("attempt", d.Attempts), slog.Bool("dead", dead), slog.Duration("retry_in", wait), slog.String("error", history.error))
	for {
		var woken engine.Lane
		err := b.do(context.WithoutCancel(ctx), func(ctx context.Context, s *session, t tally) (err error) {
			woken, err = b.settleFailure(ctx, s, t, d.Delivery, now, wait, dead, history)
			return err
		})
		if err == nil {
			b.lanes.Wake(woken)
			b.observe(o, d)
			return
		}
		b.config.Logger.ErrorContext(ctx, "inbox cannot record a failed attempt", "delivery", d.ID, "error", err)
		if errors.Is(err, inbox.ErrClosed) || !sleep(ctx, engine.Poll) {
			return
		}
	}
}

// settleFailure makes a running delivery pending again, or dead. It returns the lane that has something to do now. A delivery
// that is not running this attempt any more is left alone: a commit whose answer was lost may have ended it.
func (b *Inbox) settleFailure(ctx context.Context, s *session, t tally, d *inbox.Delivery, now time.Time, wait time.Duration, dead bool, history attempt) (engine.Lane, error) {
	own := engine.Lane{Provider: d.Event.Provider, Type: d.Event.Type}
	status := inbox.Pending
	if dead {
		status = inbox.Dead // which has not ended: it is kept until someone decides
	}
	result, err := s.exec(ctx, "UPDATE inbox_deliveries SET status = ?, due_at = ?, error = ? WHERE id = ? AND status = 'running' AND attempts = ?",
		string(status), millis(now.Add(wait)), history.error, d.ID, d.Attempts)
	if err != nil {
		return own, err
	}
	if n, err := result.RowsAffected(); err != nil || n == 0 {
		return own, err
	}
	t.move(own, inbox.Running, status)
	t.minute.Failed++
	if dead {
		t.minute.Dead++
	}
	if err := history.write(ctx, s, d.ID); err != nil || !dead {
		return own, err
	}
	woken, wake, err := promote(ctx, s, t, d.OrderKey, now)
	if wake {
		return woken, err
	}
	return own, err
}
