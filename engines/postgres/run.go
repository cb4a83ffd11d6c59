package postgres

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook/inbox/engine"
	"github.com/jackc/pgx/v5"
)

// Run implements [inbox.Inbox]. Any number of processes may run the same ledger at once. While the database cannot be reached, Run waits for it.
func (b *Inbox) Run(ctx context.Context) error {
	if !b.running.CompareAndSwap(false, true) {
		return errors.New("postgres inbox: Run is under way already")
	}
	defer b.running.Store(false)
	r := &runner{Inbox: b, heard: make(chan struct{}, 1), missed: map[int32]bool{}}
	r.dispatcher = engine.Dispatcher{
		Config: b.config, Lanes: &b.lanes, Look: r.look, Claim: r.claim, Handle: b.work.Handle, Heard: r.heard,
		Ready: func() bool { return r.owner.Load() != 0 }, // others would take this run for dead
	}
	present, leave := context.WithCancel(context.WithoutCancel(ctx))
	var presence, retaining sync.WaitGroup
	presence.Go(func() { r.bePresent(present) })
	retaining.Go(func() { engine.Retain(ctx, b.config, b.purge) })
	r.dispatcher.Run(ctx)
	retaining.Wait()
	leave() // after the last delivery in hand: nobody takes it up meanwhile
	presence.Wait()
	return nil
}

// runner is one call of Run.
type runner struct {
	*Inbox
	dispatcher engine.Dispatcher
	owner      atomic.Int32  // what this run's deliveries are marked with; zero while its presence is not known to others
	number     int32         // owner's value when it has one; of bePresent alone
	heard      chan struct{} // has a token when another process has stored something, or the session is new

	missed     map[int32]bool // owners that the last look found absent; of the dispatcher alone, as the next
	lastTakeUp time.Time
}

// look follows the clock, takes up what nobody has in hand, and learns what is due.
func (r *runner) look(ctx context.Context) error {
	return errors.Join(r.followClock(ctx), r.takeUp(ctx), r.Inbox.look(ctx))
}

// counters has each counter with its changes.
const counters = `(SELECT provider, type, status, sum(n)::bigint AS n FROM
	(SELECT * FROM inbox_counters UNION ALL SELECT * FROM inbox_counter_changes) AS every GROUP BY provider, type, status) AS c`

// look learns from the tables which lanes have pending deliveries, and which are paused.
func (b *Inbox) look(ctx context.Context) error {
	pending, err := collect(ctx, b.pool, scanLane, "SELECT provider, type FROM "+counters+" WHERE status = 'pending' AND n > 0")
	if err != nil {
		return err
	}
	paused, err := collect(ctx, b.pool, scanLane, "SELECT provider, type FROM inbox_paused")
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

// firstDueOf is when the first pending delivery of each lane is due, in microseconds from now.
const firstDueOf = `SELECT l.provider, l.type, (extract(epoch FROM first.due_at - clock_timestamp()) * 1000000)::bigint
	FROM unnest($1::text[], $2::text[]) AS l (provider, type), LATERAL (SELECT due_at FROM inbox_deliveries d
	WHERE d.provider = l.provider AND d.type = l.type AND d.status = 'pending' ORDER BY due_at, id LIMIT 1) AS first`

// dueLane is a row of firstDueOf, by this process's clock.
type dueLane struct {
	engine.Lane
	at time.Time
}

func scanDue(row pgx.CollectableRow) (d dueLane, err error) {
	var after int64
	err = row.Scan(&d.Provider, &d.Type, &after)
	d.Provider, d.Type = original(d.Provider), original(d.Type)
	d.at = time.Now().Add(time.Duration(after) * time.Microsecond)
	return d, err
}

// namesOf returns lanes as arguments of firstDueOf.
func namesOf(of []engine.Lane) []any {
	providers, types := make([]string, len(of)), make([]string, len(of))
	for i, l := range of {
		providers[i], types[i] = stored(l.Provider), stored(l.Type)
	}
	return []any{providers, types}
}

func dueByLane(found []dueLane) map[engine.Lane]time.Time {
	due := make(map[engine.Lane]time.Time, len(found))
	for _, d := range found {
		due[d.Lane] = d.at
	}
	return due
}

// firstDue returns when the first pending delivery of each lane is due, by this process's clock. Lanes without any are left out.
func (b *Inbox) firstDue(ctx context.Context, of []engine.Lane) (map[engine.Lane]time.Time, error) {
	if len(of) == 0 {
		return nil, nil
	}
	found, err := alongIndex(ctx, b, firstDueOf, namesOf(of), scanDue)
	return dueByLane(found), err
}

// byIndex has the rest of a transaction go along an index. While a ledger grows faster than its statistics, the planner takes the pending of
// a type for few, and would sort them all for each look. What is switched off counts as dear, and what is dear would be compiled first.
const byIndex = "SELECT set_config('jit', 'off', true), set_config('enable_sort', 'off', true), set_config('enable_bitmapscan', 'off', true), set_config('enable_seqscan', 'off', true)"

// claimDue marks what is due of a type as running and counts the attempt before it begins: an event that kills the process is counted so.
const claimDue = `WITH due AS MATERIALIZED (SELECT id FROM inbox_deliveries WHERE provider = $1 AND type = $2 AND status = 'pending' AND due_at <= clock_timestamp()
		AND NOT EXISTS (SELECT FROM inbox_paused p WHERE p.provider = $1 AND p.type = $2) ORDER BY due_at, id LIMIT $3 FOR NO KEY UPDATE SKIP LOCKED)
	UPDATE inbox_deliveries d SET status = 'running', attempts = attempts + 1, tries = tries + 1, owner = $4 FROM due WHERE d.id = due.id
	RETURNING ` + wholeDelivery + `, (extract(epoch FROM clock_timestamp() - greatest(d.accepted_at, d.due_at)) * 1000000)::bigint`

// claim takes what is due in the shares.
func (r *runner) claim(ctx context.Context, shares []engine.Share) (claimed []engine.Row, due map[engine.Lane]time.Time, err error) {
	owner := r.owner.Load()
	err = r.do(ctx, func(tx pgx.Tx, t *engine.Tally) error {
		claimed = nil
		var batch pgx.Batch
		batch.Queue(byIndex)
		of := make([]engine.Lane, 0, len(shares))
		for _, share := range shares {
			of = append(of, share.Lane)
			batch.Queue(claimDue, stored(share.Lane.Provider), stored(share.Lane.Type), share.N, owner).Query(func(rows pgx.Rows) error {
				got, err := pgx.CollectRows(rows, scanClaimed)
				t.Claimed(share.Lane, len(got))
				claimed = append(claimed, got...)
				return err
			})
		}
		batch.Queue(firstDueOf, namesOf(of)...).Query(func(rows pgx.Rows) error {
			found, err := pgx.CollectRows(rows, scanDue)
			due = dueByLane(found)
			return err
		})
		return tx.SendBatch(ctx, &batch).Close()
	})
	return claimed, due, err
}
