package postgres

import (
	"context"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook/inbox"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/engine"
	"github.com/jackc/pgx/v5"
)

// List implements [inbox.Browser].
func (b *Inbox) List(ctx context.Context, f inbox.Filter) (inbox.Page, error) {
	return engine.Page(f, func(f inbox.Filter) ([]engine.Row, error) { return b.find(ctx, f) })
}

// find returns up to f.Limit deliveries with smaller IDs than f.Before, newest first, without header and body.
func (b *Inbox) find(ctx context.Context, f inbox.Filter) ([]engine.Row, error) {
	w, err := conditions(f)
	if err != nil {
		return nil, err
	}
	if f.Provider == "" || f.Status != "" && f.Status != inbox.Done || f.EventID != "" {
		if f.Provider != "" {
			w = w.and("d.provider = $", stored(f.Provider))
		}
		return b.newest(ctx, w, f.Limit)
	}
	// One look-up a type, merged: the index that leads to a provider's newest begins with both.
	types, err := lanesOf(ctx, b.pool, "SELECT DISTINCT provider, type FROM "+counters)
	if err != nil {
		return nil, err
	}
	var merged []engine.Row
	for _, l := range types {
		if l.Provider != f.Provider || f.Type != "" && l.Type != f.Type {
			continue
		}
		found, err := b.newest(ctx, w.and("d.provider = $", stored(l.Provider)).and("d.type = $", stored(l.Type)), f.Limit)
		if err != nil {
			return nil, err
		}
		merged = append(merged, found...)
	}
	return engine.Merge(merged, f.Limit), nil
}

func (b *Inbox) newest(ctx context.Context, w where, limit int) ([]engine.Row, error) {
	rows, err := b.pool.Query(ctx, "SELECT "+briefDelivery+" FROM inbox_deliveries d WHERE "+w.String()+" ORDER BY d.id DESC LIMIT "+strconv.Itoa(limit), w.args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, scanBrief)
}

// where is conditions that all must hold, with what they are bound to.
type where struct {
	conditions []string
	args       []any
}

// and returns w with one more condition, in which each $ stands for the next argument.
func (w where) and(condition string, args ...any) where {
	w.args = append(slices.Clone(w.args), args...)
	for i := range args {
		condition = strings.Replace(condition, "$", "#"+strconv.Itoa(len(w.args)-len(args)+i+1), 1)
	}
	w.conditions = append(slices.Clone(w.conditions), strings.ReplaceAll(condition, "#", "$"))
	return w
}

// String returns the conditions as SQL.
func (w where) String() string {
	if len(w.conditions) == 0 {
		return "true"
	}
	return strings.Join(w.conditions, " AND ")
}

// indexed is how many characters of an event's id are in the index.
const indexed = 256

// conditions returns the conditions of f beside the provider's. A status is written out and not bound: the index is partial.
func conditions(f inbox.Filter) (w where, err error) {
	if err := engine.CheckStatus(f); err != nil {
		return where{}, err
	}
	if f.Before > 0 {
		w = w.and("d.id < $", f.Before)
	}
	if f.Status != "" {
		w = w.and("d.status = '" + string(f.Status) + "'")
	}
	if f.Type != "" {
		w = w.and("d.type = $", stored(f.Type))
	}
	if prefix, open := strings.CutSuffix(f.EventID, "*"); open && f.EventID != "" {
		prefix = stored(prefix)
		short := string([]rune(prefix)[:min(indexed, len([]rune(prefix)))])
		w = w.and("d.event_id <> ''").and("left(d.event_id, 256) >= $ COLLATE \"C\" AND left(d.event_id, 256) <= $ COLLATE \"C\"", short, short+"\U0010FFFF").
			and("starts_with(d.event_id, $)", prefix)
	} else if f.EventID != "" {
		w = w.and("d.event_id <> ''").and("left(d.event_id, 256) = left($, 256) AND d.event_id = $", stored(f.EventID), stored(f.EventID))
	}
	if !f.From.IsZero() {
		w = w.and("d.accepted_at >= $", f.From)
	}
	if !f.To.IsZero() {
		w = w.and("d.accepted_at < $", f.To)
	}
	return w, nil
}

// Get implements [inbox.Browser].
func (b *Inbox) Get(ctx context.Context, id int64) (inbox.Delivery, []inbox.Attempt, error) {
	rows, err := b.pool.Query(ctx, "SELECT "+wholeDelivery+" FROM inbox_deliveries d WHERE d.id = $1", id)
	if err != nil {
		return inbox.Delivery{}, nil, err
	}
	found, err := pgx.CollectRows(rows, scanWhole)
	if err != nil {
		return inbox.Delivery{}, nil, err
	}
	if len(found) == 0 {
		return inbox.Delivery{}, nil, inbox.ErrNotFound
	}
	if rows, err = b.pool.Query(ctx, "SELECT number, at, took, result, error, stack, by FROM inbox_attempts WHERE delivery_id = $1 ORDER BY seq", id); err != nil {
		return inbox.Delivery{}, nil, err
	}
	history, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (a inbox.Attempt, err error) {
		var took int64
		var result string
		err = row.Scan(&a.Number, &a.At, &took, &result, &a.Error, &a.Stack, &a.By)
		a.Took, a.Result = time.Duration(took)*time.Microsecond, inbox.Result(result)
		a.Error, a.Stack, a.By = original(a.Error), original(a.Stack), original(a.By)
		return a, err
	})
	return *found[0].Delivery, history, err
}

// Stats implements [inbox.Browser].
func (b *Inbox) Stats(ctx context.Context) (inbox.Stats, error) {
	rows, err := b.pool.Query(ctx, "SELECT provider, type, status, n FROM "+counters)
	if err != nil {
		return inbox.Stats{}, err
	}
	counts := map[engine.Count]int64{}
	var provider, typ, status string
	var n int64
	if _, err := pgx.ForEachRow(rows, []any{&provider, &typ, &status, &n}, func() error {
		counts[engine.Count{Lane: engine.Lane{Provider: original(provider), Type: original(typ)}, Status: inbox.Status(status)}] = n
		return nil
	}); err != nil {
		return inbox.Stats{}, err
	}
	stats, err := engine.Stats(counts, func(pending []engine.Lane) (map[engine.Lane]time.Time, error) { return b.firstDue(ctx, pending) })
	if err != nil {
		return inbox.Stats{}, err
	}
	stats.Queued = b.queue.Events()
	stats.Paused, err = b.paused(ctx)
	return stats, err
}

func (b *Inbox) paused(ctx context.Context) ([]inbox.PausedType, error) {
	rows, err := b.pool.Query(ctx, "SELECT provider, type, since, by, why FROM inbox_paused ORDER BY provider, type")
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (p inbox.PausedType, err error) {
		err = row.Scan(&p.Provider, &p.Type, &p.Since, &p.Reason.By, &p.Reason.Why)
		p.Provider, p.Type = original(p.Provider), original(p.Type)
		p.Reason = inbox.Reason{By: original(p.Reason.By), Why: original(p.Reason.Why)}
		return p, err
	})
}

// Activity implements [inbox.Browser].
func (b *Inbox) Activity(ctx context.Context, from time.Time) ([]inbox.Minute, error) {
	rows, err := b.pool.Query(ctx, `SELECT minute, sum(accepted)::bigint, sum(duplicates)::bigint, sum(done)::bigint, sum(failed)::bigint, sum(dead)::bigint FROM
		(SELECT * FROM inbox_minutes UNION ALL SELECT * FROM inbox_minute_changes) AS every WHERE minute >= $1 GROUP BY minute ORDER BY minute`, from.Unix()/60)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (m inbox.Minute, err error) {
		var minute int64
		err = row.Scan(&minute, &m.Accepted, &m.Duplicates, &m.Done, &m.Failed, &m.Dead)
		m.Start = time.Unix(minute*60, 0)
		return m, err
	})
}

// Export implements [inbox.Browser].
func (b *Inbox) Export(ctx context.Context, w io.Writer, f inbox.Filter) error {
	return engine.Export(w, func(each func([]engine.Row) error) error { return b.ascend(ctx, f, wholeDelivery, scanWhole, each) })
}

// ascend calls each with what f selects, in steps, oldest first. Before and Limit do not count.
func (b *Inbox) ascend(ctx context.Context, f inbox.Filter, columns string, scan scanner, each func([]engine.Row) error) error {
	f.Before, f.Limit = 0, 0
	w, err := conditions(f)
	if err != nil {
		return err
	}
	if f.Provider != "" {
		w = w.and("d.provider = $", stored(f.Provider))
	}
	for last := int64(0); ; {
		from := w.and("d.id > $", last)
		rows, err := b.pool.Query(ctx, "SELECT "+columns+" FROM inbox_deliveries d WHERE "+from.String()+" ORDER BY d.id LIMIT "+strconv.Itoa(engine.Step), from.args...)
		if err != nil {
			return err
		}
		found, err := pgx.CollectRows(rows, scan)
		if err != nil || len(found) == 0 {
			return err
		}
		if err := each(found); err != nil {
			return err
		}
		last = found[len(found)-1].ID
	}
}

// Health implements [inbox.Browser]: it commits a write that changes nothing.
func (b *Inbox) Health(ctx context.Context) error {
	if b.queue.Full() {
		return inbox.ErrQueueFull
	}
	return unavailable(b.do(ctx, func(tx pgx.Tx, _ *engine.Tally) error {
		_, err := tx.Exec(ctx, "UPDATE inbox_schema SET version = version")
		return err
	}))
}
