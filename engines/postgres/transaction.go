package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/gatehouse-go/gatehouse/webhook"
	"github.com/gatehouse-go/gatehouse/webhook/inbox"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/engine"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// tries is how often a transaction is begun that the server ended because of another one.
const tries = 5

// do runs f in a transaction with the changes of the counters that it collects.
func (b *Inbox) do(ctx context.Context, f func(tx pgx.Tx, t *engine.Tally) error) error {
	if b.queue.Closed() {
		return inbox.ErrClosed
	}
	var err error
	for range tries {
		err = pgx.BeginFunc(ctx, b.pool, func(tx pgx.Tx) error {
			t := engine.NewTally()
			if err := f(tx, t); err != nil {
				return err
			}
			var batch pgx.Batch
			queueTally(&batch, t)
			return b.send(ctx, tx, &batch)
		})
		if !again(err) {
			break
		}
	}
	return err
}

// send runs a batch whose results nobody needs.
func (b *Inbox) send(ctx context.Context, tx pgx.Tx, batch *pgx.Batch) error {
	if batch.Len() == 0 {
		return nil
	}
	b.changed.Store(true)
	return tx.SendBatch(ctx, batch).Close()
}

// again reports whether a transaction failed because of another one, or before it did anything.
func again(err error) bool {
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return pg.Code == "40001" || pg.Code == "40P01" // serialization failure, deadlock
	}
	return err != nil && pgconn.SafeToRetry(err)
}

// refusesOne reports whether the server refused the data, so that a smaller group may be stored.
func refusesOne(err error) bool {
	pg, ok := errors.AsType[*pgconn.PgError](err)
	if !ok {
		return false
	}
	switch pg.Code[:2] {
	case "21", "22", "23", "54": // cardinality, data, integrity, limits
		return true
	}
	return false
}

// lockOrders waits until no other transaction stores or ends deliveries of these order keys. Within a key, deliveries are numbered
// in the order of their commits, and just one goes on when another has ended. A transaction calls it once, before it locks rows: the keys are sorted, so
// that two never wait for each other.
func lockOrders(ctx context.Context, tx pgx.Tx, orderKeys ...string) error {
	if len(orderKeys) == 0 {
		return nil
	}
	_, err := tx.Exec(ctx, lockOrderKeys, lockOrder, orderKeys)
	return err
}

const lockOrderKeys = "SELECT pg_advisory_xact_lock($1, h) FROM (SELECT DISTINCT hashtext(k) AS h FROM unnest($2::text[]) AS k WHERE k <> '' ORDER BY h) AS sorted"

// unavailable marks a failure of the database as one that the provider should wait out.
func unavailable(err error) error {
	if err == nil || errors.Is(err, webhook.ErrUnavailable) {
		return err
	}
	return fmt.Errorf("%w: postgres inbox: %w", webhook.ErrUnavailable, err)
}
