package postgres

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook/inbox"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/engine"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// duplicated counts repeats among the counters, beside the statuses.
const duplicated inbox.Status = "duplicated"

// tally collects changes of the counters, to be written at the end of a transaction.
type tally struct {
	counters map[tallyKey]int64
	minute   inbox.Minute // Start does not count: it is the minute of the write
}

type tallyKey struct {
	engine.Lane
	status inbox.Status
}

func newTally() *tally { return &tally{counters: map[tallyKey]int64{}} }

func (t *tally) add(l engine.Lane, status inbox.Status, n int64) {
	t.counters[tallyKey{l, status}] += n
}

// move notes that one delivery changed its status.
func (t *tally) move(l engine.Lane, from, to inbox.Status) {
	t.add(l, from, -1)
	t.add(l, to, 1)
}

// queue adds the changes to a batch.
func (t *tally) queue(batch *pgx.Batch) {
	var providers, types, statuses []string
	var ns []int64
	for key, n := range t.counters {
		if n != 0 {
			providers, types = append(providers, stored(key.Provider)), append(types, stored(key.Type))
			statuses, ns = append(statuses, string(key.status)), append(ns, n)
		}
	}
	if len(ns) > 0 {
		batch.Queue("INSERT INTO inbox_counter_changes (provider, type, status, n) SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[])",
			providers, types, statuses, ns)
	}
	if m := t.minute; m != (inbox.Minute{}) {
		batch.Queue(`INSERT INTO inbox_minute_changes (minute, accepted, duplicates, done, failed, dead)
			VALUES (floor(extract(epoch FROM clock_timestamp()) / 60), $1, $2, $3, $4, $5)`, m.Accepted, m.Duplicates, m.Done, m.Failed, m.Dead)
	}
}

// addUp moves the changes of the counters into them. One process does at a time; readers add both and see each change once.
func addUp(ctx context.Context, pool *pgxpool.Pool) error {
	return pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		var mine bool
		if err := tx.QueryRow(ctx, "SELECT pg_try_advisory_xact_lock($1, 1)", lockSchema).Scan(&mine); err != nil || !mine {
			return errors.Join(err, errBusy)
		}
		for _, statement := range []string{
			`WITH gone AS (DELETE FROM inbox_counter_changes RETURNING *)
			INSERT INTO inbox_counters (provider, type, status, n) SELECT provider, type, status, sum(n) FROM gone GROUP BY provider, type, status
			ON CONFLICT (provider, type, status) DO UPDATE SET n = inbox_counters.n + excluded.n`,
			`WITH gone AS (DELETE FROM inbox_minute_changes RETURNING *)
			INSERT INTO inbox_minutes (minute, accepted, duplicates, done, failed, dead)
			SELECT minute, sum(accepted), sum(duplicates), sum(done), sum(failed), sum(dead) FROM gone GROUP BY minute
			ON CONFLICT (minute) DO UPDATE SET accepted = inbox_minutes.accepted + excluded.accepted, duplicates = inbox_minutes.duplicates + excluded.duplicates,
			done = inbox_minutes.done + excluded.done, failed = inbox_minutes.failed + excluded.failed, dead = inbox_minutes.dead + excluded.dead`,
		} {
			if _, err := tx.Exec(ctx, statement); err != nil {
				return err
			}
		}
		return nil
	})
}

// attempt is a row to be added to a delivery's history.
type attempt struct {
	number           int
	at               time.Time
	took             time.Duration
	result           inbox.Result
	error, stack, by string
}

// queue adds the row, for each of the deliveries, to a batch.
func (a attempt) queue(batch *pgx.Batch, ids ...int64) {
	batch.Queue(`INSERT INTO inbox_attempts (delivery_id, number, at, took, result, error, stack, by)
		SELECT id, $2, $3, $4, $5, $6, $7, $8 FROM unnest($1::bigint[]) AS id`,
		ids, a.number, a.at, a.took.Microseconds(), string(a.result), stored(a.error), stored(a.stack), stored(a.by))
}

// promote makes the first of each order key pending, when it waits, and returns their lanes. The caller holds the keys' locks.
func promote(ctx context.Context, tx pgx.Tx, t *tally, orderKeys []string) ([]engine.Lane, error) {
	distinct := slices.Compact(slices.Sorted(slices.Values(orderKeys)))
	if distinct[0] == "" {
		distinct = distinct[1:]
	}
	if len(distinct) == 0 {
		return nil, nil
	}
	rows, err := tx.Query(ctx, `WITH heads AS MATERIALIZED (SELECT (SELECT id FROM inbox_deliveries
			WHERE hashtext(order_key) = hashtext(k) AND order_key = k AND order_key <> '' AND status IN ('pending', 'waiting', 'running') ORDER BY id LIMIT 1) AS id
			FROM unnest($1::text[]) AS k)
		UPDATE inbox_deliveries d SET status = 'pending', due_at = now() FROM heads WHERE d.id = heads.id AND d.status = 'waiting' RETURNING d.provider, d.type`, distinct)
	if err != nil {
		return nil, err
	}
	lanes, err := pgx.CollectRows(rows, scanLane)
	for _, l := range lanes {
		t.move(l, inbox.Waiting, inbox.Pending)
	}
	return lanes, err
}

func scanLane(row pgx.CollectableRow) (l engine.Lane, err error) {
	err = row.Scan(&l.Provider, &l.Type)
	l.Provider, l.Type = original(l.Provider), original(l.Type)
	return l, err
}

// errBusy says that another process adds the counters up.
var errBusy = errors.New("another process adds up")
