package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook/inbox"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/engine"
	"github.com/jackc/pgx/v5"
)

// settleTimeout bounds the statements that end an attempt, which do not end with the handler's deadline.
const settleTimeout = 10 * time.Second

// effect runs handler, if there is one, in a transaction that then marks d as ended. A handler that outlives its deadline loses its
// connection, on which it may be busy: the server undoes what it wrote.
func (b *Inbox) effect(ctx context.Context, d engine.Row, handler inbox.Handler[pgx.Tx], status inbox.Status, start time.Time) error {
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
		err = b.work.Run(ctx, handlersTx{tx}, d, func(ctx context.Context, tx pgx.Tx, d *inbox.Delivery) error {
			defer close(returned)
			return handler(ctx, tx, d)
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
	t := engine.NewTally()
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
func (b *Inbox) settleSuccess(ctx context.Context, tx pgx.Tx, t *engine.Tally, d engine.Row, status inbox.Status, start time.Time) (woken []engine.Lane, err error) {
	orderKey := stored(d.OrderKey)
	if orderKey != "" {
		if err := lockOrders(ctx, tx, orderKey); err != nil {
			return nil, err
		}
	}
	t.Move(d.Lane(), inbox.Running, status)
	t.Minute.Done++
	var batch pgx.Batch
	mine := false
	batch.Queue("UPDATE inbox_deliveries SET status = $1, ended_at = clock_timestamp(), error = '' WHERE id = $2 AND status = 'running' AND attempts = $3 RETURNING true",
		string(status), d.ID, d.Attempts).QueryRow(func(r pgx.Row) error { return r.Scan(&mine) })
	queueAttempt(&batch, engine.Success(d, status, start), d.ID)
	queueTally(&batch, t)
	if err := b.send(ctx, tx, &batch); err != nil || !mine {
		if !mine && errors.Is(err, pgx.ErrNoRows) {
			err = inbox.ErrStatus
		}
		return nil, errors.Join(err, ctx.Err())
	}
	if orderKey == "" {
		return nil, nil
	}
	return promote(ctx, tx, orderKey)
}

// fail makes a running delivery pending again, or dead, and wakes what has something to do now.
func (b *Inbox) fail(ctx context.Context, d engine.Row, f engine.Failure) error {
	ctx, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	orderKey := stored(d.OrderKey)
	promotes := f.Dead && orderKey != ""
	var woken []engine.Lane
	err := b.do(ctx, func(tx pgx.Tx, t *engine.Tally) error {
		woken = nil
		if promotes {
			if err := lockOrders(ctx, tx, orderKey); err != nil {
				return err
			}
		}
		tag, err := tx.Exec(ctx, `UPDATE inbox_deliveries SET status = $1, due_at = clock_timestamp() + $2::bigint * interval '1 microsecond', error = $3
			WHERE id = $4 AND status = 'running' AND attempts = $5`, string(f.Status()), f.Wait.Microseconds(), stored(f.Attempt.Error), d.ID, d.Attempts)
		if err != nil || tag.RowsAffected() == 0 {
			return err
		}
		woken = []engine.Lane{d.Lane()}
		t.Failed(d, f)
		var batch pgx.Batch
		queueAttempt(&batch, f.Attempt, d.ID)
		if err := b.send(ctx, tx, &batch); err != nil || !promotes {
			return err
		}
		next, err := promote(ctx, tx, orderKey)
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
