package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"sync"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook/inbox/engine"
)

// Run implements [inbox.Inbox]. One process at a time handles the deliveries of a database file: the others wait here, and may accept
// all the while. On Unix a lock on a file beside the database tells them apart, which the system gives back when a process dies.
func (b *Inbox) Run(ctx context.Context) error {
	if !b.running.CompareAndSwap(false, true) {
		return errors.New("sqlite inbox: Run is under way already")
	}
	defer b.running.Store(false)
	release, err := b.own(ctx)
	if err != nil {
		return ignoreEnd(ctx, err)
	}
	defer release()
	if err := b.recover(ctx); err != nil {
		return ignoreEnd(ctx, err)
	}
	var retaining sync.WaitGroup
	retaining.Go(func() { engine.Retain(ctx, b.config, b.purge) })
	defer retaining.Wait()
	d := engine.Dispatcher{Config: b.config, Lanes: &b.lanes, Look: b.look, Claim: b.claim, Handle: b.work.Handle}
	d.Run(ctx)
	return nil
}

// ignoreEnd returns nil for the error that the end of ctx explains.
func ignoreEnd(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return nil
	}
	return err
}

// look learns from the tables which lanes have pending deliveries, and which are paused.
func (b *Inbox) look(ctx context.Context) error {
	if err := b.followClock(ctx); err != nil {
		return err
	}
	pending, err := lanesOf(ctx, b.db, "SELECT provider, type FROM inbox_counters WHERE status = 'pending' AND n > 0")
	if err != nil {
		return err
	}
	paused, err := lanesOf(ctx, b.db, "SELECT provider, type FROM inbox_paused")
	if err != nil {
		return err
	}
	due, err := b.firstDue(ctx, pending)
	if err != nil {
		return err
	}
	b.lanes.Refresh(due, paused)
	return nil
}

func lanesOf(ctx context.Context, db *sql.DB, query string) ([]engine.Lane, error) {
	rows, err := db.QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	return scanAll(rows, scanLane)
}

const minDue = "SELECT min(due_at) FROM inbox_deliveries WHERE provider = ? AND type = ? AND status = 'pending'"

// firstDue returns when the first pending delivery of each lane is due, by a look at each. Lanes without any are left out.
func firstDue(of []engine.Lane, look func(engine.Lane, *sql.NullInt64) error) (map[engine.Lane]time.Time, error) {
	due := map[engine.Lane]time.Time{}
	for _, l := range of {
		var ms sql.NullInt64
		if err := look(l, &ms); err != nil {
			return nil, err
		}
		if ms.Valid {
			due[l] = fromMillis(ms.Int64)
		}
	}
	return due, nil
}

// firstDue is the look from outside of a transaction.
func (b *Inbox) firstDue(ctx context.Context, of []engine.Lane) (map[engine.Lane]time.Time, error) {
	return firstDue(of, func(l engine.Lane, due *sql.NullInt64) error {
		return b.db.QueryRowContext(ctx, minDue, l.Provider, l.Type).Scan(due)
	})
}

// claim marks what is due in the shares as running and counts the attempt.
func (b *Inbox) claim(ctx context.Context, shares []engine.Share) ([]engine.Row, map[engine.Lane]time.Time, error) {
	type claim struct {
		rows []engine.Row
		due  map[engine.Lane]time.Time
	}
	c, err := ask(ctx, b, func(ctx context.Context, s *session, t tally) (c claim, err error) {
		var of []engine.Lane
		now := millis(time.Now())
		for _, share := range shares {
			got, err := claimLane(ctx, s, share, now)
			if err != nil {
				return c, err
			}
			t.Claimed(share.Lane, len(got))
			c.rows = append(c.rows, got...)
			of = append(of, share.Lane)
		}
		c.due, err = firstDue(of, func(l engine.Lane, due *sql.NullInt64) error {
			return s.queryRow(ctx, []any{due}, minDue, l.Provider, l.Type)
		})
		return c, err
	})
	return c.rows, c.due, err
}

func claimLane(ctx context.Context, s *session, of engine.Share, now int64) ([]engine.Row, error) {
	rows, err := s.query(ctx, `UPDATE inbox_deliveries SET status = 'running', attempts = attempts + 1, tries = tries + 1
		WHERE id IN (SELECT id FROM inbox_deliveries WHERE provider = ? AND type = ? AND status = 'pending' AND due_at <= ? ORDER BY due_at, id LIMIT ?)
		RETURNING `+wholeDelivery, of.Lane.Provider, of.Lane.Type, now, of.N)
	if err != nil {
		return nil, err
	}
	return scanAll(rows, scanWhole)
}

// recover takes up what was running when a process died.
func (b *Inbox) recover(ctx context.Context) error {
	for {
		n := 0
		err := b.do(ctx, func(ctx context.Context, s *session, t tally) error {
			rows, err := s.query(ctx, "SELECT "+briefDelivery+" FROM inbox_deliveries WHERE status = 'running' LIMIT 200")
			if err != nil {
				return err
			}
			running, err := scanAll(rows, scanBrief)
			if err != nil {
				return err
			}
			n = len(running)
			for _, d := range running {
				if _, err := settleFailure(ctx, s, t, d, engine.Interrupted(b.config, d)); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil || n == 0 {
			return err
		}
	}
}
