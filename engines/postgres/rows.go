package postgres

import (
	"context"
	"errors"

	"github.com/gatehouse-go/gatehouse/webhook/inbox"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/engine"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// collect asks a query and reads its rows.
func collect[T any](ctx context.Context, db querier, scan pgx.RowToFunc[T], query string, args ...any) ([]T, error) {
	rows, _ := db.Query(ctx, query, args...) // the error is the rows' too
	return pgx.CollectRows(rows, scan)
}

// queueTally adds changes of the counters to a batch.
func queueTally(batch *pgx.Batch, t *engine.Tally) {
	var providers, types, statuses []string
	var ns []int64
	for key, n := range t.Counts {
		if n != 0 {
			providers, types = append(providers, stored(key.Provider)), append(types, stored(key.Type))
			statuses, ns = append(statuses, string(key.Status)), append(ns, n)
		}
	}
	if len(ns) > 0 {
		batch.Queue("INSERT INTO inbox_counter_changes (provider, type, status, n) SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[])",
			providers, types, statuses, ns)
	}
	if m := t.Minute; m != (inbox.Minute{}) {
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
			"UPDATE inbox_clock SET seen = clock_timestamp() WHERE seen < clock_timestamp()", // see clock.go: where nobody runs, too
		} {
			if _, err := tx.Exec(ctx, statement); err != nil {
				return err
			}
		}
		return nil
	})
}

// queueAttempt adds an attempt, or a decision, to a batch, for the history of each of the deliveries.
func queueAttempt(batch *pgx.Batch, a inbox.Attempt, ids ...int64) {
	batch.Queue(`INSERT INTO inbox_attempts (delivery_id, number, at, took, result, error, stack, by)
		SELECT id, $2, $3, $4, $5, $6, $7, $8 FROM unnest($1::bigint[]) AS id`,
		ids, a.Number, a.At, a.Took.Microseconds(), string(a.Result), stored(a.Error), stored(a.Stack), stored(a.By))
}

// promote makes the first of each order key pending, when it waits, and returns their lanes. The caller holds the keys' locks.
func promote(ctx context.Context, tx pgx.Tx, orderKeys ...string) ([]engine.Lane, error) {
	return collect(ctx, tx, scanLane, promoteHeads, orderKeys)
}

// promoteHeads makes the first of each order key pending, when it waits, and counts it.
const promoteHeads = `WITH heads AS MATERIALIZED (SELECT DISTINCT (SELECT id FROM inbox_deliveries
		WHERE hashtext(order_key) = hashtext(k) AND order_key = k AND order_key <> '' AND status IN ('pending', 'waiting', 'running') ORDER BY id LIMIT 1) AS id
		FROM unnest($1::text[]) AS k),
	promoted AS (UPDATE inbox_deliveries d SET status = 'pending', due_at = now() FROM heads WHERE d.id = heads.id AND d.status = 'waiting' RETURNING d.provider, d.type),
	counted AS (INSERT INTO inbox_counter_changes SELECT provider, type, status, sign * count(*) FROM promoted,
		(VALUES ('waiting', -1), ('pending', 1)) AS change (status, sign) GROUP BY provider, type, status, sign)
	SELECT provider, type FROM promoted`

func scanLane(row pgx.CollectableRow) (l engine.Lane, err error) {
	err = row.Scan(&l.Provider, &l.Type)
	l.Provider, l.Type = original(l.Provider), original(l.Type)
	return l, err
}

// errBusy says that another process adds the counters up.
var errBusy = errors.New("another process adds up")
