package postgres

import (
	"context"
	"io"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook/inbox"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/engine"
	"github.com/jackc/pgx/v5"
)

// List implements [inbox.Browser].
func (b *Inbox) List(ctx context.Context, f inbox.Filter) (inbox.Page, error) {
	return engine.Page(f, func(f inbox.Filter) ([]engine.Row, error) {
		return b.find(ctx, look{filter: f, columns: briefDelivery, scan: scanBrief})
	})
}

// Get implements [inbox.Browser].
func (b *Inbox) Get(ctx context.Context, id int64) (inbox.Delivery, []inbox.Attempt, error) {
	found, err := collect(ctx, b.pool, scanWhole, "SELECT "+wholeDelivery+" FROM inbox_deliveries d WHERE d.id = $1", id)
	if err != nil {
		return inbox.Delivery{}, nil, err
	}
	if len(found) == 0 {
		return inbox.Delivery{}, nil, inbox.ErrNotFound
	}
	history, err := collect(ctx, b.pool, scanAttempt, "SELECT number, at, took, result, error, stack, by FROM inbox_attempts WHERE delivery_id = $1 ORDER BY seq", id)
	return *found[0].Delivery, history, err
}

func scanAttempt(row pgx.CollectableRow) (a inbox.Attempt, err error) {
	var took int64
	var result string
	err = row.Scan(&a.Number, &a.At, &took, &result, &a.Error, &a.Stack, &a.By)
	a.Took, a.Result = time.Duration(took)*time.Microsecond, inbox.Result(result)
	a.Error, a.Stack, a.By = original(a.Error), original(a.Stack), original(a.By)
	return a, err
}

// Stats implements [inbox.Browser].
func (b *Inbox) Stats(ctx context.Context) (inbox.Stats, error) {
	counted, err := collect(ctx, b.pool, scanCounted, "SELECT provider, type, status, n FROM "+counters)
	if err != nil {
		return inbox.Stats{}, err
	}
	counts := map[engine.Count]int64{}
	for _, c := range counted {
		counts[c.Count] = c.n
	}
	stats, err := engine.Stats(counts, func(pending []engine.Lane) (map[engine.Lane]time.Time, error) { return b.firstDue(ctx, pending) })
	if err != nil {
		return inbox.Stats{}, err
	}
	stats.Queued = b.queue.Events()
	stats.Paused, err = b.paused(ctx)
	return stats, err
}

// counted is a counter.
type counted struct {
	engine.Count
	n int64
}

func scanCounted(row pgx.CollectableRow) (c counted, err error) {
	err = row.Scan(&c.Provider, &c.Type, &c.Status, &c.n)
	c.Provider, c.Type = original(c.Provider), original(c.Type)
	return c, err
}

func (b *Inbox) paused(ctx context.Context) ([]inbox.PausedType, error) {
	return collect(ctx, b.pool, scanPaused, "SELECT provider, type, since, by, why FROM inbox_paused ORDER BY provider, type")
}

func scanPaused(row pgx.CollectableRow) (p inbox.PausedType, err error) {
	err = row.Scan(&p.Provider, &p.Type, &p.Since, &p.Reason.By, &p.Reason.Why)
	p.Provider, p.Type = original(p.Provider), original(p.Type)
	p.Reason = inbox.Reason{By: original(p.Reason.By), Why: original(p.Reason.Why)}
	return p, err
}

// Activity implements [inbox.Browser].
func (b *Inbox) Activity(ctx context.Context, from time.Time) ([]inbox.Minute, error) {
	return collect(ctx, b.pool, scanMinute, `SELECT minute, sum(accepted)::bigint, sum(duplicates)::bigint, sum(done)::bigint, sum(failed)::bigint, sum(dead)::bigint FROM
		(SELECT * FROM inbox_minutes UNION ALL SELECT * FROM inbox_minute_changes) AS every WHERE minute >= $1 GROUP BY minute ORDER BY minute`, from.Unix()/60)
}

func scanMinute(row pgx.CollectableRow) (m inbox.Minute, err error) {
	var minute int64
	err = row.Scan(&minute, &m.Accepted, &m.Duplicates, &m.Done, &m.Failed, &m.Dead)
	m.Start = time.Unix(minute*60, 0)
	return m, err
}

// Export implements [inbox.Browser].
func (b *Inbox) Export(ctx context.Context, w io.Writer, f inbox.Filter) error {
	return engine.Export(w, func(each func([]engine.Row) error) error { return b.ascend(ctx, f, wholeDelivery, scanWhole, each) })
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
