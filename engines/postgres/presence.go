package postgres

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/gatehouse-go/gatehouse/webhook/inbox"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/engine"
)

// bePresent holds a lock in a session, by which others know that this run lives, and hears there of events that other processes stored. When
// the session ends it opens another, until ctx ends.
func (r *runner) bePresent(ctx context.Context) {
	for {
		err := r.session(ctx)
		r.owner.Store(0)
		if ctx.Err() != nil {
			return
		}
		r.config.Logger.WarnContext(ctx, "inbox has lost its session", "error", err)
		if !sleep(ctx, engine.Poll/4) {
			return
		}
	}
}

// session is one session of bePresent. It returns when it is over.
func (r *runner) session(ctx context.Context) error {
	conn, err := r.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer func() {
		short, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = conn.Conn().Close(short) // which gives the lock back
		conn.Release()
	}()
	owner := 1 + rand.Int32N(math.MaxInt32) // by chance: another ledger in the database may use the same locks
	if _, err := conn.Exec(ctx, "SELECT pg_advisory_lock($1, $2)", lockOwner, owner); err != nil {
		return err
	}
	if _, err := conn.Exec(ctx, "LISTEN inbox_deliveries"); err != nil {
		return err
	}
	r.owner.Store(owner)
	r.hear()
	for {
		// The wait ends now and then to see whether the session is still there.
		wait, cancel := context.WithTimeout(ctx, presenceCheck)
		_, err := conn.Conn().WaitForNotification(wait)
		cancel()
		switch {
		case err == nil:
			r.hear()
		case ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded):
			return err
		case conn.Conn().IsClosed():
			return err
		default:
			if err := conn.Ping(ctx); err != nil {
				return err
			}
		}
	}
}

const presenceCheck = 10 * time.Second

// hear has the dispatcher look at the tables.
func (r *runner) hear() {
	r.told.Store(true)
	select {
	case r.heard <- struct{}{}:
	default:
	}
}

var errInterrupted = errors.New("the process ended while it was handled")

// takeUp makes what dead processes had in hand pending again. A process is dead when two looks in a row, a second apart, do not find its lock: one that
// has lost its session comes back sooner. The first interruption costs no wait, since it says nothing about the event.
func (r *runner) takeUp(ctx context.Context) error {
	if time.Since(r.lastTakeUp) < engine.Poll {
		return nil
	}
	r.lastTakeUp = time.Now()
	rows, err := r.pool.Query(ctx, `SELECT DISTINCT owner FROM inbox_deliveries d WHERE status = 'running' AND NOT EXISTS
		(SELECT FROM pg_locks l JOIN pg_database db ON db.oid = l.database WHERE db.datname = current_database() AND l.locktype = 'advisory'
		AND l.classid::bigint = $1 AND l.objid::bigint = d.owner AND l.objsubid = 2 AND l.granted)`, int64(lockOwner))
	if err != nil {
		return err
	}
	absent, err := pgx.CollectRows(rows, pgx.RowTo[int32])
	if err != nil {
		return err
	}
	missed := map[int32]bool{}
	for _, owner := range absent {
		missed[owner] = true
		if r.missed[owner] {
			if err := r.takeUpOf(ctx, owner); err != nil {
				return err
			}
		}
	}
	r.missed = missed
	return nil
}

// takeUpOf makes what one owner had in hand pending again.
func (r *runner) takeUpOf(ctx context.Context, owner int32) error {
	rows, err := r.pool.Query(ctx, "SELECT "+briefDelivery+" FROM inbox_deliveries d WHERE status = 'running' AND owner = $1 ORDER BY id", owner)
	if err != nil {
		return err
	}
	running, err := pgx.CollectRows(rows, scanBrief)
	if err != nil {
		return err
	}
	for _, d := range running {
		wait, dead := r.config.NextAttempt(d.tries, errInterrupted)
		if d.tries == 1 {
			wait = 0
		}
		history := attempt{number: d.Attempts, at: time.Now(), result: inbox.Interrupted, error: errInterrupted.Error()}
		if err := r.settleFailure(ctx, d, wait, dead, history); err != nil {
			return err
		}
	}
	return nil
}
