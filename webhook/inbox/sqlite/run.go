package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"sync"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook/inbox"
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
	r := &runner{Inbox: b, freed: make(chan struct{}, 1)}
	r.work, r.interrupt = context.WithCancel(context.WithoutCancel(ctx))
	defer r.interrupt()
	r.hands.Go(func() { b.retain(ctx) })
	err = r.dispatch(ctx)
	r.drain()
	return ignoreEnd(ctx, err)
}

// ignoreEnd returns nil for the error that the end of ctx explains.
func ignoreEnd(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return nil
	}
	return err
}

// runner is one call of Run.
type runner struct {
	*Inbox
	work      context.Context //nolint:containedctx // of all attempts: it ends when the drain is over
	interrupt context.CancelFunc
	freed     chan struct{} // has a token when a worker is done

	mu    sync.Mutex
	busy  int
	hands sync.WaitGroup
}

// claimHold is how long claiming waits for more workers to be free while fewer than half are: a claim is a commit, which costs
// the same for one delivery as for eight.
const claimHold = time.Millisecond

// dispatch claims what is due as workers are free, until ctx ends.
func (r *runner) dispatch(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	var lastLook, held time.Time // held is since when few workers have been free
	for {
		now := time.Now()
		if now.Sub(lastLook) >= engine.Poll || now.Before(lastLook) {
			if err := r.look(ctx); err != nil && ctx.Err() == nil {
				r.config.Logger.ErrorContext(ctx, "inbox cannot be read", "error", err)
			}
			lastLook = now
		}
		free := r.free()
		if free > r.config.Workers/2 || free == 0 {
			held = time.Time{}
		} else if held.IsZero() {
			held = now
		}
		var shares []engine.Share
		again := held.Add(claimHold)
		if held.IsZero() || !now.Before(again) {
			shares, again = r.lanes.Shares(now, free)
		}
		if len(shares) > 0 {
			if err := r.claim(ctx, shares); err != nil {
				if ctx.Err() != nil {
					return ctx.Err()
				}
				r.config.Logger.ErrorContext(ctx, "inbox cannot claim deliveries", "error", err)
				if !sleep(ctx, engine.Poll) {
					return ctx.Err()
				}
			}
			continue
		}
		timer.Reset(time.Until(again))
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-timer.C:
		case <-r.freed:
		case <-r.lanes.Signal():
		}
	}
}

func (r *runner) free() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.config.Workers - r.busy
}

// look learns from the tables which lanes have pending deliveries, and which are paused.
func (b *Inbox) look(ctx context.Context) error {
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

func lanesOf(ctx context.Context, db *sql.DB, query string) (map[engine.Lane]bool, error) {
	rows, err := db.QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // rows.Err tells what matters
	found := map[engine.Lane]bool{}
	for rows.Next() {
		var l engine.Lane
		if err := rows.Scan(&l.Provider, &l.Type); err != nil {
			return nil, err
		}
		found[l] = true
	}
	return found, rows.Err()
}

const minDue = "SELECT min(due_at) FROM inbox_deliveries WHERE provider = ? AND type = ? AND status = 'pending'"

// firstDue returns when the first pending delivery of each lane is due, by a look at each. Lanes without any are left out.
func firstDue(of map[engine.Lane]bool, look func(engine.Lane, *sql.NullInt64) error) (map[engine.Lane]time.Time, error) {
	due := map[engine.Lane]time.Time{}
	for l := range of {
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
func (b *Inbox) firstDue(ctx context.Context, of map[engine.Lane]bool) (map[engine.Lane]time.Time, error) {
	return firstDue(of, func(l engine.Lane, due *sql.NullInt64) error {
		return b.db.QueryRowContext(ctx, minDue, l.Provider, l.Type).Scan(due)
	})
}

// claim marks what is due in the shares as running, counts the attempt before it begins, and gives each to a worker. An event that
// kills the process is counted so.
func (r *runner) claim(ctx context.Context, shares []engine.Share) error {
	var claimed []row
	var due map[engine.Lane]time.Time
	err := r.do(ctx, func(ctx context.Context, s *session, t tally) error {
		claimed = nil
		of, now := map[engine.Lane]bool{}, millis(time.Now())
		for _, share := range shares {
			got, err := claimLane(ctx, s, share, now)
			if err != nil {
				return err
			}
			t.add(share.Lane, inbox.Pending, -int64(len(got)))
			t.add(share.Lane, inbox.Running, int64(len(got)))
			claimed = append(claimed, got...)
			of[share.Lane] = true
		}
		var err error
		due, err = firstDue(of, func(l engine.Lane, due *sql.NullInt64) error {
			return s.queryRow(ctx, []any{due}, minDue, l.Provider, l.Type)
		})
		return err
	})
	if err != nil {
		for _, s := range shares {
			r.lanes.Wake(s.Lane) // nothing is known about them any more
		}
		return err
	}
	for l, at := range due {
		r.lanes.Settle(l, at)
	}
	for _, d := range claimed {
		r.mu.Lock()
		r.busy++
		r.mu.Unlock()
		r.hands.Go(func() {
			defer r.done()
			r.handle(r.work, d)
		})
	}
	return nil
}

func claimLane(ctx context.Context, s *session, of engine.Share, now int64) ([]row, error) {
	rows, err := s.query(ctx, `UPDATE inbox_deliveries SET status = 'running', attempts = attempts + 1, tries = tries + 1
		WHERE id IN (SELECT id FROM inbox_deliveries WHERE provider = ? AND type = ? AND status = 'pending' AND due_at <= ? ORDER BY due_at, id LIMIT ?)
		RETURNING `+wholeDelivery, of.Lane.Provider, of.Lane.Type, now, of.N)
	if err != nil {
		return nil, err
	}
	return scanAll(rows, scanWhole)
}

func (r *runner) done() {
	r.mu.Lock()
	r.busy--
	r.mu.Unlock()
	select {
	case r.freed <- struct{}{}:
	default:
	}
}

// drain waits for the attempts in hand, and interrupts those that take too long.
func (r *runner) drain() {
	timer := time.AfterFunc(r.config.DrainTimeout, r.interrupt)
	defer timer.Stop()
	r.hands.Wait()
}

// recover takes up what was running when a process died. The first interruption costs no wait, since it says nothing about the event.
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
			now := time.Now()
			for _, d := range running {
				wait, dead := b.config.NextAttempt(d.tries, errInterrupted)
				if d.tries == 1 {
					wait = 0
				}
				history := attempt{number: d.Attempts, at: now, result: inbox.Interrupted, error: errInterrupted.Error()}
				if _, err := b.settleFailure(ctx, s, t, d.Delivery, now, wait, dead, history); err != nil {
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

var errInterrupted = errors.New("the process ended while it was handled")

func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
