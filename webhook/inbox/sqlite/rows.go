package sqlite

import (
	"context"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook/inbox"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/engine"
)

// duplicated counts repeats among the counters, beside the statuses.
const duplicated = "duplicated"

// tally collects changes of the counters, to be written once a transaction. Copies share what they count.
type tally struct {
	counters map[tallyKey]int64
	minute   *inbox.Minute // Start does not count: it is the minute of the write
	slots    slots
}

func newTally() tally { return tally{map[tallyKey]int64{}, &inbox.Minute{}, slots{}} }

type tallyKey struct {
	engine.Lane
	status string
}

func (t tally) add(l engine.Lane, status inbox.Status, n int64) {
	t.counters[tallyKey{l, string(status)}] += n
}

// move notes that one delivery changed its status.
func (t tally) move(l engine.Lane, from, to inbox.Status) {
	t.add(l, from, -1)
	t.add(l, to, 1)
}

// write adds the changes to the counters.
func (t tally) write(ctx context.Context, s *session) error {
	for key, n := range t.counters {
		if n == 0 {
			continue
		}
		if _, err := s.exec(ctx, `INSERT INTO inbox_counters (provider, type, status, n) VALUES (?, ?, ?, ?)
			ON CONFLICT (provider, type, status) DO UPDATE SET n = n + excluded.n`, key.Provider, key.Type, key.status, n); err != nil {
			return err
		}
	}
	if err := t.slots.write(ctx, s); err != nil {
		return err
	}
	return writeMinute(ctx, s, time.Now(), *t.minute)
}

// attempt is a row to be added to a delivery's history.
type attempt struct {
	number           int
	at               time.Time
	took             time.Duration
	result           inbox.Result
	error, stack, by string
}

func (a attempt) write(ctx context.Context, s *session, id int64) error {
	_, err := s.exec(ctx, `INSERT INTO inbox_attempts (delivery_id, seq, number, at, took, result, error, stack, by)
		SELECT ?1, coalesce(max(seq), 0) + 1, ?2, ?3, ?4, ?5, ?6, ?7, ?8 FROM inbox_attempts WHERE delivery_id = ?1`,
		id, a.number, millis(a.at), a.took.Microseconds(), string(a.result), a.error, a.stack, a.by)
	return err
}

// promote makes the next of an order key pending, when no other of it is under way. It returns its lane.
func promote(ctx context.Context, s *session, t tally, orderKey string, now time.Time) (engine.Lane, bool, error) {
	if orderKey == "" {
		return engine.Lane{}, false, nil
	}
	rows, err := s.query(ctx, `UPDATE inbox_deliveries SET status = 'pending', due_at = ?2
		WHERE id = (SELECT id FROM inbox_deliveries WHERE order_key = ?1 AND order_key <> '' AND status IN ('pending', 'waiting', 'running') ORDER BY id LIMIT 1)
		AND status = 'waiting' RETURNING provider, type`, orderKey, millis(now))
	if err != nil {
		return engine.Lane{}, false, err
	}
	defer func() { _ = rows.Close() }() // rows.Err tells what matters
	var l engine.Lane
	found := false
	for rows.Next() {
		if err := rows.Scan(&l.Provider, &l.Type); err != nil {
			return engine.Lane{}, false, err
		}
		found = true
		t.move(l, inbox.Waiting, inbox.Pending)
	}
	return l, found, rows.Err()
}
