package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook"
	"github.com/gatehouse-go/gatehouse/webhook/inbox"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/engine"
)

// Bounds of a page.
const (
	defaultPage = 50
	longestPage = 500
)

// List implements [inbox.Browser].
func (b *Inbox) List(ctx context.Context, f inbox.Filter) (inbox.Page, error) {
	if f.Limit == 0 {
		f.Limit = defaultPage
	}
	if f.Limit < 1 || f.Limit > longestPage {
		return inbox.Page{}, fmt.Errorf("%w: Limit %d must be 1 to %d", inbox.ErrSelection, f.Limit, longestPage)
	}
	limit := f.Limit
	f.Limit++ // one more tells whether there is a next page
	found, err := b.find(ctx, f, briefDelivery, scanBrief)
	if err != nil {
		return inbox.Page{}, err
	}
	var page inbox.Page
	if len(found) > limit {
		found = found[:limit]
		page.Next = found[limit-1].ID
	}
	for _, r := range found {
		page.Deliveries = append(page.Deliveries, *r.Delivery)
	}
	return page, nil
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
	stats := inbox.Stats{Queued: b.queue.len()}
	rows, err := b.db.QueryContext(ctx, "SELECT provider, type, status, n FROM inbox_counters ORDER BY provider, type")
	if err != nil {
		return inbox.Stats{}, err
	}
	type counter struct {
		engine.Lane
		status string
		n      int64
	}
	counters, err := scanAll(rows, func(rows *sql.Rows) (c counter, err error) {
		err = rows.Scan(&c.Provider, &c.Type, &c.status, &c.n)
		return c, err
	})
	if err != nil {
		return inbox.Stats{}, err
	}
	pending := map[engine.Lane]bool{}
	for _, c := range counters {
		if n := len(stats.Types); n == 0 || stats.Types[n-1].Provider != c.Provider || stats.Types[n-1].Type != c.Type {
			stats.Types = append(stats.Types, inbox.TypeStats{Provider: c.Provider, Type: c.Type, ByStatus: map[inbox.Status]int64{}})
		}
		last := &stats.Types[len(stats.Types)-1]
		switch {
		case c.status == duplicated:
			last.Duplicates = c.n
		case c.n != 0:
			last.ByStatus[inbox.Status(c.status)] = c.n
		}
		pending[c.Lane] = pending[c.Lane] || c.status == string(inbox.Pending) && c.n > 0
	}
	due, err := b.firstDue(ctx, pending)
	if err != nil {
		return inbox.Stats{}, err
	}
	for i, t := range stats.Types {
		if at, ok := due[engine.Lane{Provider: t.Provider, Type: t.Type}]; ok {
			stats.Types[i].OldestPending = max(0, time.Since(at))
			stats.OldestPending = max(stats.OldestPending, stats.Types[i].OldestPending)
		}
	}
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
	lines := json.NewEncoder(w)
	return b.ascend(ctx, f, wholeDelivery, scanWhole, func(rows []row) error {
		for _, r := range rows {
			line, err := engine.LineOf(r.Delivery)
			if err != nil {
				return err
			}
			if err := lines.Encode(line); err != nil {
				return err
			}
		}
		return nil
	})
}

// Health implements [inbox.Browser]: it has the writer commit nothing.
func (b *Inbox) Health(ctx context.Context) error {
	if b.queue.len() >= b.config.MaxQueue {
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
