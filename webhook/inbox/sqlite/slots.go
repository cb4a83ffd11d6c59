package sqlite

import (
	"context"
	"database/sql"
	"maps"
	"math"
	"slices"
	"time"
)

// slots say between which ids the deliveries of a time are, so that a filter by time need not look at all that came before or after. A slot
// is ten minutes of acceptance. It is written when its first delivery comes, and again only for a delivery that comes after one of
// a later slot: because it waited to be stored, or because the clock went back. So storing costs a look, and hardly ever a write,
// and whatever the clock does, no delivery is outside of the ids that [Inbox.between] gives for its time. Slots are never removed: a
// year has fifty thousand.
type slots map[int64]ids

// ids are the first and the last of some.
type ids struct{ first, last int64 }

const slotLength = 10 * time.Minute

func slotOf(t time.Time) int64 { return millis(t) / slotLength.Milliseconds() }

// add notes a delivery that is stored in this transaction.
func (s slots) add(slot, id int64) {
	known, ok := s[slot]
	if !ok {
		known = ids{id, id}
	}
	s[slot] = ids{min(known.first, id), max(known.last, id)}
}

func (s slots) write(ctx context.Context, in *session) error {
	if len(s) == 0 {
		return nil
	}
	var newest sql.NullInt64
	if err := in.queryRow(ctx, []any{&newest}, "SELECT max(slot) FROM inbox_slots"); err != nil {
		return err
	}
	if newest.Valid && len(s) == 1 {
		if _, same := s[newest.Int64]; same {
			return nil
		}
	}
	for _, slot := range slices.Sorted(maps.Keys(s)) {
		if _, err := in.exec(ctx, `INSERT INTO inbox_slots (slot, first, last) VALUES (?, ?, ?)
			ON CONFLICT (slot) DO UPDATE SET first = min(first, excluded.first), last = max(last, excluded.last)`, slot, s[slot].first, s[slot].last); err != nil {
			return err
		}
	}
	return nil
}

// between returns the ids between which every delivery is that was accepted from a time, and before another. Zero times do not count.
func (b *Inbox) between(ctx context.Context, from, to time.Time) (ids, error) {
	found := ids{0, math.MaxInt64}
	if !from.IsZero() {
		err := b.db.QueryRowContext(ctx, "SELECT coalesce(min(first), ?) FROM inbox_slots WHERE slot >= ?", int64(math.MaxInt64), slotOf(from)).Scan(&found.first)
		if err != nil {
			return ids{}, err
		}
	}
	if to.IsZero() {
		return found, nil
	}
	// Before the first delivery of any later slot, or noted as the last of its own.
	var later, noted int64
	err := b.db.QueryRowContext(ctx, "SELECT coalesce((SELECT min(first) FROM inbox_slots WHERE slot > ?1), ?2), coalesce((SELECT max(last) FROM inbox_slots WHERE slot <= ?1), 0)",
		slotOf(to), int64(math.MaxInt64)).Scan(&later, &noted)
	found.last = max(later, noted)
	return found, err
}
