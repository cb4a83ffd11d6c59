package sqlite

import (
	"context"
	"slices"
	"strings"

	"github.com/gatehouse-go/gatehouse/webhook/inbox"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/engine"
)

// find returns up to f.Limit deliveries with smaller IDs than f.Before, newest first. SQLite keeps no statistics of a ledger that changes all the
// time, so which index leads to them is said here: a unary plus keeps a column from choosing one.
func (b *Inbox) find(ctx context.Context, f inbox.Filter, columns string, scan scanner) ([]engine.Row, error) {
	where, args, err := b.conditions(ctx, f)
	if err != nil {
		return nil, err
	}
	look := func(more []string, values ...any) ([]engine.Row, error) {
		query := "SELECT " + columns + " FROM inbox_deliveries WHERE " + strings.Join(slices.Concat(where, more), " AND ") + " ORDER BY id DESC LIMIT ?" //nolint:gosec // conditions of this file; values are bound
		rows, err := b.db.QueryContext(ctx, query, append(slices.Concat(args, values), f.Limit)...)
		if err != nil {
			return nil, err
		}
		return scanAll(rows, scan)
	}
	byEvent, err := b.few(ctx, f.EventID)
	if err != nil {
		return nil, err
	}
	event, values := eventConditions(f.EventID, "+")
	if byEvent {
		event, values = eventConditions(f.EventID, "")
	}
	where, args = append(where, event...), append(args, values...)
	byLane := !byEvent && (f.Status == "" || f.Status == inbox.Done)
	if !byLane || f.Provider == "" && f.Type == "" {
		more, values := laneConditions(f, "+")
		return look(more, values...)
	}
	// One look-up a type, merged: the index that leads to the newest of a provider, or of a type of any, begins with both.
	types, err := lanesOf(ctx, b.db, "SELECT DISTINCT provider, type FROM inbox_counters")
	if err != nil {
		return nil, err
	}
	var merged []engine.Row
	for _, l := range types {
		if f.Provider != "" && l.Provider != f.Provider || f.Type != "" && l.Type != f.Type {
			continue
		}
		found, err := look([]string{"provider = ?", "type = ?"}, l.Provider, l.Type)
		if err != nil {
			return nil, err
		}
		merged = append(merged, found...)
	}
	return engine.Merge(merged, f.Limit), nil
}

// laneConditions returns the conditions of f about provider and type, each column with a prefix.
func laneConditions(f inbox.Filter, prefix string) (where []string, args []any) {
	if f.Provider != "" {
		where, args = append(where, prefix+"provider = ?"), append(args, f.Provider)
	}
	if f.Type != "" {
		where, args = append(where, prefix+"type = ?"), append(args, f.Type)
	}
	return where, args
}

// eventConditions returns the conditions about the provider's id of an event, each column with a prefix. The first lets the partial index be taken.
func eventConditions(id, prefix string) (where []string, args []any) {
	if beginning, open := strings.CutSuffix(id, "*"); open {
		return []string{"event_id <> ''", prefix + "event_id >= ?", prefix + "event_id < ?"}, []any{beginning, beginning + "\U0010FFFF"}
	}
	if id == "" {
		return nil, nil
	}
	return []string{"event_id <> ''", prefix + "event_id = ?"}, []any{id}
}

// fewEvents is how many deliveries are sorted rather than looked for among all.
const fewEvents = 20000

// few reports whether not many deliveries have an id that begins as asked. It looks at the index alone.
func (b *Inbox) few(ctx context.Context, id string) (bool, error) {
	where, args := eventConditions(id, "")
	if where == nil {
		return false, nil
	}
	var n int
	query := "SELECT count(*) FROM (SELECT 1 FROM inbox_deliveries WHERE " + strings.Join(where, " AND ") + " LIMIT ?)"
	err := b.db.QueryRowContext(ctx, query, append(args, fewEvents)...).Scan(&n)
	return n < fewEvents, err
}

// conditions returns the conditions of f beside those about provider, type and event. A status is written out and not bound, and said not to be
// done: the index over the others is partial, and SQLite takes it only where its own condition is among the query's.
func (b *Inbox) conditions(ctx context.Context, f inbox.Filter) (where []string, args []any, err error) {
	if err := engine.CheckStatus(f); err != nil {
		return nil, nil, err
	}
	where = []string{"true"}
	add := func(condition string, arg any) {
		where = append(where, condition)
		args = append(args, arg)
	}
	if f.Before > 0 {
		add("id < ?", f.Before)
	}
	if f.Status != "" {
		where = append(where, "status = '"+string(f.Status)+"'")
		if f.Status != inbox.Done {
			where = append(where, "status <> 'done'")
		}
	}
	if !f.From.IsZero() || !f.To.IsZero() {
		near, err := b.between(ctx, f.From, f.To)
		if err != nil {
			return nil, nil, err
		}
		add("id >= ?", near.first)
		add("id <= ?", near.last)
	}
	if !f.From.IsZero() {
		add("accepted_at >= ?", millis(f.From))
	}
	if !f.To.IsZero() {
		add("accepted_at < ?", millis(f.To))
	}
	return where, args, nil
}

// ascend calls each with what f selects, in steps, oldest first. Before and Limit do not count.
func (b *Inbox) ascend(ctx context.Context, f inbox.Filter, columns string, scan scanner, each func([]engine.Row) error) error {
	f.Before, f.Limit = 0, 0
	where, args, err := b.conditions(ctx, f)
	if err != nil {
		return err
	}
	lane, values := laneConditions(f, "")
	event, ids := eventConditions(f.EventID, "")
	where, args = slices.Concat(where, lane, event), slices.Concat(args, values, ids)
	query := "SELECT " + columns + " FROM inbox_deliveries WHERE id > ? AND " + strings.Join(where, " AND ") + " ORDER BY id LIMIT ?" //nolint:gosec // conditions of this file; values are bound
	for last := int64(0); ; {
		rows, err := b.db.QueryContext(ctx, query, append(append([]any{last}, args...), engine.Step)...)
		if err != nil {
			return err
		}
		found, err := scanAll(rows, scan)
		if err != nil || len(found) == 0 {
			return err
		}
		if err := each(found); err != nil {
			return err
		}
		last = found[len(found)-1].ID
	}
}
