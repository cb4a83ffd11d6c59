package sqlite

import (
	"context"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook/inbox"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/engine"
)

// tally collects changes of the counters, to be written once a transaction, with the times and the keys of what was stored.
type tally struct {
	*engine.Tally
	slots slots
	keys  *keyTally
}

func newTally() tally {
	return tally{engine.NewTally(), slots{}, newKeyTally()}
}

// write adds the changes to the counters.
func (t tally) write(ctx context.Context, s *session) error {
	for key, n := range t.Counts {
		if n == 0 {
			continue
		}
		if _, err := s.exec(ctx, `INSERT INTO inbox_counters (provider, type, status, n) VALUES (?, ?, ?, ?)
			ON CONFLICT (provider, type, status) DO UPDATE SET n = n + excluded.n`, key.Provider, key.Type, string(key.Status), n); err != nil {
			return err
		}
	}
	if len(t.Counts) > 0 {
		if err := seeTime(ctx, s); err != nil {
			return err
		}
	}
	if err := t.slots.write(ctx, s); err != nil {
		return err
	}
	return writeMinute(ctx, s, time.Now(), t.Minute)
}

// remember adds an attempt, or a decision, to a delivery's history.
func remember(ctx context.Context, s *session, id int64, a inbox.Attempt) error {
	_, err := s.exec(ctx, `INSERT INTO inbox_attempts (delivery_id, seq, number, at, took, result, error, stack, by)
		SELECT ?1, coalesce(max(seq), 0) + 1, ?2, ?3, ?4, ?5, ?6, ?7, ?8 FROM inbox_attempts WHERE delivery_id = ?1`,
		id, a.Number, millis(a.At), a.Took.Microseconds(), string(a.Result), a.Error, a.Stack, a.By)
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
	woken, err := scanAll(rows, scanLane)
	if err != nil || len(woken) == 0 {
		return engine.Lane{}, false, err
	}
	t.Move(woken[0], inbox.Waiting, inbox.Pending) // it was one
	return woken[0], true, nil
}
