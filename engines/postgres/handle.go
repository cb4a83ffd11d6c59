package postgres

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook/inbox"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/engine"
	"github.com/jackc/pgx/v5"
)

// settleTimeout bounds the statements that end an attempt, which do not end with the handler's deadline.
const settleTimeout = 10 * time.Second

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
		return b.effect(ctx, d, nil, inbox.Ignored, start)
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
	return b.effect(ctx, d, handler, inbox.Done, start)
}

// copyOf keeps a handler's changes of its Delivery from the engine.
func copyOf(d row) *inbox.Delivery {
	c := *d.Delivery
	return &c
}

// effect runs handler, if there is one, in a transaction that then marks d as ended. A handler that outlives its deadline loses its
// connection, on which it may be busy: the server undoes what it wrote.
func (b *Inbox) effect(ctx context.Context, d row, handler inbox.Handler[pgx.Tx], status inbox.Status, start time.Time) error {
	conn, err := b.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	tx, err := conn.Begin(ctx)
	if err != nil {
		conn.Release()
		return err
	}
	if handler != nil {
		returned := make(chan struct{})
		err = engine.Guard(ctx, func() error {
			defer close(returned)
			return handler(ctx, handlersTx{tx}, copyOf(d))
		})
		select {
		case <-returned:
		default:
			_ = conn.Hijack().PgConn().Conn().Close() // the handler may be using the rest of it
			return err
		}
	}
	defer conn.Release()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
	defer cancel()
	t := newTally()
	var woken []engine.Lane
	if err == nil {
		woken, err = b.settleSuccess(ctx, tx, t, d, status, start)
	}
	if err == nil {
		err = tx.Commit(ctx)
	} else {
		_ = tx.Rollback(ctx)
	}
	if err != nil {
		return err
	}
	for _, l := range woken {
		b.wake(l)
	}
	return nil
}

// handlersTx is a transaction that its handler cannot end.
type handlersTx struct{ pgx.Tx }

var errNotYours = errors.New("postgres inbox: the transaction ends with the handler")

// Commit returns an error.
func (handlersTx) Commit(context.Context) error { return errNotYours }

// Rollback returns an error.
func (handlersTx) Rollback(context.Context) error { return errNotYours }

// settleSuccess marks a running delivery as ended and lets the next of its order key go. It fails when the delivery is not this
// attempt's any more.
func (b *Inbox) settleSuccess(ctx context.Context, tx pgx.Tx, t *tally, d row, status inbox.Status, start time.Time) (woken []engine.Lane, err error) {
	if d.orderKey != "" {
		if err := lockOrders(ctx, tx, d.orderKey); err != nil {
			return nil, err
		}
	}
	history := attempt{number: d.Attempts, at: start, took: time.Since(start), result: inbox.Succeeded}
	if status == inbox.Ignored {
		history.error = "no handler is registered for this type"
	}
	t.move(d.lane(), inbox.Running, status)
	t.minute.Done++
	var batch pgx.Batch
	mine := false
	batch.Queue("UPDATE inbox_deliveries SET status = $1, ended_at = clock_timestamp(), error = '' WHERE id = $2 AND status = 'running' AND attempts = $3 RETURNING true",
		string(status), d.ID, d.Attempts).QueryRow(func(r pgx.Row) error { return r.Scan(&mine) })
	history.queue(&batch, d.ID)
	if d.orderKey == "" {
		t.queue(&batch)
	}
	if err := b.send(ctx, tx, &batch); err != nil || !mine {
		if !mine && errors.Is(err, pgx.ErrNoRows) {
			err = inbox.ErrStatus
		}
		return nil, errors.Join(err, ctx.Err())
	}
	if d.orderKey == "" {
		return nil, nil
	}
	if woken, err = promote(ctx, tx, t, []string{d.orderKey}); err != nil {
		return nil, err
	}
	var counts pgx.Batch
	t.queue(&counts)
	return woken, b.send(ctx, tx, &counts)
}

// fail records a failed attempt and says what is next. It tries until it is recorded or ctx ends; then a look finds the delivery
// without a process that has it in hand.
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
		err := b.settleFailure(context.WithoutCancel(ctx), d, wait, dead, history)
		if err == nil {
			b.observe(o, d)
			return
		}
		b.config.Logger.ErrorContext(ctx, "inbox cannot record a failed attempt", "delivery", d.ID, "error", err)
		if errors.Is(err, inbox.ErrClosed) || !sleep(ctx, engine.Poll) {
			return
		}
	}
}

// settleFailure makes a running delivery pending again, or dead, and wakes what has something to do now. A delivery that is not
// running this attempt any more is left alone: a commit whose answer was lost may have ended it.
func (b *Inbox) settleFailure(ctx context.Context, d row, wait time.Duration, dead bool, history attempt) error {
	ctx, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	status := inbox.Pending
	if dead {
		status = inbox.Dead // which has not ended: it is kept until someone decides
	}
	var woken []engine.Lane
	err := b.do(ctx, func(tx pgx.Tx, t *tally) error {
		woken = nil
		promotes := dead && d.orderKey != ""
		if promotes {
			if err := lockOrders(ctx, tx, d.orderKey); err != nil {
				return err
			}
		}
		tag, err := tx.Exec(ctx, `UPDATE inbox_deliveries SET status = $1, due_at = clock_timestamp() + $2::bigint * interval '1 microsecond', error = $3
			WHERE id = $4 AND status = 'running' AND attempts = $5`, string(status), wait.Microseconds(), stored(history.error), d.ID, d.Attempts)
		if err != nil || tag.RowsAffected() == 0 {
			return err
		}
		woken = []engine.Lane{d.lane()}
		t.move(d.lane(), inbox.Running, status)
		t.minute.Failed++
		var batch pgx.Batch
		history.queue(&batch, d.ID)
		if err := b.send(ctx, tx, &batch); err != nil || !dead {
			return err
		}
		t.minute.Dead++
		if !promotes {
			return nil
		}
		next, err := promote(ctx, tx, t, []string{d.orderKey})
		woken = append(woken, next...)
		return err
	})
	if err == nil {
		for _, l := range woken {
			b.lanes.Wake(l)
		}
	}
	return err
}
