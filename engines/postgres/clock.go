package postgres

import (
	"context"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook/inbox/engine"
	"github.com/jackc/pgx/v5"
)

// The clock is the server's, and it may go back: when it was wrong and is set right, or when another server takes over. What was due at once would
// then be due in hours. So the latest time that was seen is kept, and when the clock is behind it, what is still to come is moved by as much.
const (
	seeEvery = 2 * time.Second // so exact is what is known of how far the clock went back
	setBack  = 5 * time.Second // less than that is waited for
)

// seeTime notes the time, now and then, in a commit that need not be synced, and returns how far the clock is behind what was seen, in microseconds.
const seeTime = `WITH later AS (UPDATE inbox_clock SET seen = clock_timestamp() WHERE seen < clock_timestamp() - $1::bigint * interval '1 microsecond' RETURNING seen)
	SELECT (extract(epoch FROM seen - clock_timestamp()) * 1000000)::bigint FROM inbox_clock`

// followClock brings what is due later nearer when the clock went back.
func (b *Inbox) followClock(ctx context.Context) error {
	var behind int64
	var batch pgx.Batch // which is one transaction
	batch.Queue("SELECT set_config('synchronous_commit', 'off', true)")
	batch.Queue(seeTime, seeEvery.Microseconds()).QueryRow(func(row pgx.Row) error { return row.Scan(&behind) })
	if err := b.pool.SendBatch(ctx, &batch).Close(); err != nil || behind < setBack.Microseconds() {
		return err
	}
	return b.do(ctx, func(tx pgx.Tx, _ *engine.Tally) error {
		// Again, with the lock: another process may have done it.
		err := tx.QueryRow(ctx, "SELECT (extract(epoch FROM seen - clock_timestamp()) * 1000000)::bigint FROM inbox_clock FOR UPDATE").Scan(&behind)
		if err != nil || behind < setBack.Microseconds() {
			return err
		}
		b.config.Logger.WarnContext(ctx, "inbox: the database's clock went back", "by", time.Duration(behind)*time.Microsecond)
		if _, err := tx.Exec(ctx, `UPDATE inbox_deliveries SET due_at = due_at - $1::bigint * interval '1 microsecond'
			WHERE status = 'pending' AND due_at > clock_timestamp()`, behind); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, "UPDATE inbox_clock SET seen = clock_timestamp()")
		return err
	})
}
