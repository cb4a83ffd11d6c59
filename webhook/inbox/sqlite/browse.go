package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"io"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook"
	"github.com/gatehouse-go/gatehouse/webhook/inbox"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/engine"
)

// List implements [inbox.Browser].
func (b *Inbox) List(ctx context.Context, f inbox.Filter) (inbox.Page, error) {
	return engine.Page(f, func(f inbox.Filter) ([]engine.Row, error) { return b.find(ctx, f, briefDelivery, scanBrief) })
}

// Get implements [inbox.Browser].
func (b *Inbox) Get(ctx context.Context, id int64) (inbox.Delivery, []inbox.Attempt, error) {
	rows, err := b.db.QueryContext(ctx, "SELECT "+wholeDelivery+" FROM inbox_deliveries WHERE id = ?", id)
	if err != nil {
		return inbox.Delivery{}, nil, err
	}
	found, err := scanAll(rows, scanWhole)
	if err != nil {
		return inbox.Delivery{}, nil, err
	}
	if len(found) == 0 {
		return inbox.Delivery{}, nil, inbox.ErrNotFound
	}
	rows, err = b.db.QueryContext(ctx, "SELECT number, at, took, result, error, stack, by FROM inbox_attempts WHERE delivery_id = ? ORDER BY seq", id)
	if err != nil {
		return inbox.Delivery{}, nil, err
	}
	history, err := scanAll(rows, func(rows *sql.Rows) (a inbox.Attempt, err error) {
		var at, took int64
		err = rows.Scan(&a.Number, &at, &took, &a.Result, &a.Error, &a.Stack, &a.By)
		a.At, a.Took = fromMillis(at), time.Duration(took)*time.Microsecond
		return a, err
	})
	return *found[0].Delivery, history, err
}

// Stats implements [inbox.Browser].
func (b *Inbox) Stats(ctx context.Context) (inbox.Stats, error) {
	rows, err := b.db.QueryContext(ctx, "SELECT provider, type, status, n FROM inbox_counters")
	if err != nil {
		return inbox.Stats{}, err
	}
	counts := map[engine.Count]int64{}
	if _, err := scanAll(rows, func(rows *sql.Rows) (c engine.Count, err error) {
		var n int64
		err = rows.Scan(&c.Provider, &c.Type, &c.Status, &n)
		counts[c] = n
		return c, err
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
	rows, err := b.db.QueryContext(ctx, "SELECT provider, type, since, by, why FROM inbox_paused ORDER BY provider, type")
	if err != nil {
		return nil, err
	}
	return scanAll(rows, func(rows *sql.Rows) (p inbox.PausedType, err error) {
		var since int64
		err = rows.Scan(&p.Provider, &p.Type, &since, &p.Reason.By, &p.Reason.Why)
		p.Since = fromMillis(since)
		return p, err
	})
}

// Export implements [inbox.Browser].
func (b *Inbox) Export(ctx context.Context, w io.Writer, f inbox.Filter) error {
	return engine.Export(w, func(each func([]engine.Row) error) error { return b.ascend(ctx, f, wholeDelivery, scanWhole, each) })
}

// Health implements [inbox.Browser]: it has the writer commit nothing.
func (b *Inbox) Health(ctx context.Context) error {
	if b.queue.Full() {
		return inbox.ErrQueueFull
	}
	err := b.do(ctx, func(ctx context.Context, s *session, _ tally) error {
		_, err := s.exec(ctx, "UPDATE inbox_schema SET version = version")
		return err
	})
	if err != nil && !errors.Is(err, webhook.ErrUnavailable) {
		err = unavailable(err)
	}
	return err
}
