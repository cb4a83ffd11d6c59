package postgres

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"math/rand/v2"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook/inbox/engine"
	"github.com/jackc/pgx/v5"
)

// bePresent holds a lock in a session, by which others know that this run lives, and hears there of events that other processes stored. When
// the session ends it opens another, until ctx ends. The log is told once of a loss, and of its end: a server that takes no writes, such as a standby, may
// be one for days.
func (r *runner) bePresent(ctx context.Context) {
	for again := false; ctx.Err() == nil; again = true {
		err := r.session(ctx, again)
		level := slog.LevelWarn
		if had := r.owner.Swap(0) != 0; again && !had {
			level = slog.LevelDebug
		}
		if ctx.Err() == nil {
			r.config.Logger.LogAttrs(ctx, level, "inbox has no session", slog.Any("error", err))
			engine.Sleep(ctx, engine.Poll/4)
		}
	}
}

// session is one session of bePresent. It returns when it is over.
func (r *runner) session(ctx context.Context, again bool) error {
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
	for mine := false; !mine; {
		if r.number == 0 {
			r.number = 1 + rand.Int32N(math.MaxInt32) //nolint:gosec // nothing to guess: apart from another ledger in the same database, by chance
		}
		if err := conn.QueryRow(ctx, "SELECT pg_try_advisory_lock($1, $2)", lockOwner, r.number).Scan(&mine); err != nil {
			return err
		}
		if !mine { // the server has not noticed yet that the session before this one is gone
			r.number = 0
		}
	}
	if _, err := conn.Exec(ctx, "LISTEN inbox_deliveries"); err != nil {
		return err
	}
	r.owner.Store(r.number)
	if again {
		r.config.Logger.LogAttrs(ctx, slog.LevelInfo, "inbox has a session again")
	}
	r.hear()
	for {
		// The wait ends now and then to see whether the session is still there.
		wait, cancel := context.WithTimeout(ctx, presenceCheck)
		_, err := conn.Conn().WaitForNotification(wait)
		cancel()
		if err == nil {
			r.hear()
		} else if errors.Is(err, context.DeadlineExceeded) {
			err = conn.Ping(ctx)
		}
		if err != nil {
			return err
		}
	}
}

const presenceCheck = 10 * time.Second

// hear has the dispatcher look at the tables.
func (r *runner) hear() {
	select {
	case r.heard <- struct{}{}:
	default:
	}
}

// takeUp makes deliveries pending again that nobody has in hand: those of dead processes, and those that this one claimed by a commit of
// which it lost the answer. A process is dead when two looks in a row, a second apart, do not find its lock: one that has lost its session comes back
// sooner.
func (r *runner) takeUp(ctx context.Context) error {
	if time.Since(r.lastTakeUp) < engine.Poll {
		return nil
	}
	r.lastTakeUp = time.Now()
	inHand := r.dispatcher.InHand() // before the look: what ends during it is not taken for lost
	mine := r.owner.Load()
	type running struct {
		engine.Row
		owner  int32
		absent bool
	}
	all, err := collect(ctx, r.pool, func(rows pgx.CollectableRow) (d running, err error) {
		d.Row, err = scan(rows, &d.owner, &d.absent)
		return d, err
	}, "SELECT "+briefDelivery+`, d.owner, d.owner <> $2 AND NOT EXISTS
		(SELECT FROM pg_locks l JOIN pg_database db ON db.oid = l.database WHERE db.datname = current_database() AND l.locktype = 'advisory'
		AND l.classid::bigint = $1 AND l.objid::bigint = d.owner AND l.objsubid = 2 AND l.granted) FROM inbox_deliveries d WHERE status = 'running' ORDER BY id`,
		int64(lockOwner), mine)
	if err != nil {
		return err
	}
	before := r.missed
	r.missed = map[int32]bool{}
	for _, d := range all {
		if d.absent {
			r.missed[d.owner] = true
		}
		if inHand[d.ID] || d.absent && !before[d.owner] || !d.absent && d.owner != mine {
			continue
		}
		if err := r.fail(ctx, d.Row, engine.Interrupted(r.config, d.Row)); err != nil {
			return err
		}
	}
	return nil
}
