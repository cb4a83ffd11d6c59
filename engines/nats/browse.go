package nats

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
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
	if err := checkStatus(f); err != nil {
		return inbox.Page{}, err
	}
	l, err := b.current(ctx)
	if err != nil {
		return inbox.Page{}, err
	}
	l.read()
	defer l.mu.RUnlock()
	var page inbox.Page
	if !l.mayHave(f) {
		return page, nil
	}
	at := len(l.ids)
	if f.Before > 0 {
		at = l.place(f.Before)
	}
	for at--; at >= 0; at-- {
		r := l.ids[at]
		if !r.selected(f) {
			if !f.From.IsZero() && r.accepted.Before(f.From.Add(-clockSlack)) {
				break // what came before it was accepted before it
			}
			continue
		}
		if len(page.Deliveries) == f.Limit {
			page.Next = page.Deliveries[f.Limit-1].ID
			break
		}
		page.Deliveries = append(page.Deliveries, r.delivery())
	}
	return page, nil
}

// clockSlack is how far the server's clock may have gone back between two messages without hiding one from a filter by time.
const clockSlack = 10 * time.Minute

func checkStatus(f inbox.Filter) error {
	if f.Status != "" && !slices.Contains(inbox.Statuses(), f.Status) {
		return fmt.Errorf("%w: status %.20q is none", inbox.ErrSelection, f.Status)
	}
	return nil
}

// read takes the lock for reading, with the deliveries in order.
func (l *ledger) read() {
	for {
		l.mu.RLock()
		if !l.unsorted {
			return
		}
		l.mu.RUnlock()
		l.mu.Lock()
		l.sort()
		l.mu.Unlock()
	}
}

// place returns where in ids the delivery of a number stands, or would.
func (l *ledger) place(id int64) int {
	at, _ := slices.BinarySearchFunc(l.ids, id, func(r *row, id int64) int { return cmp.Compare(r.id, id) })
	return at
}

// mayHave reports whether any delivery has the type and status of f, by the counters.
func (l *ledger) mayHave(f inbox.Filter) bool {
	for of, lane := range l.lanes {
		if f.Provider != "" && of.Provider != f.Provider || f.Type != "" && of.Type != f.Type {
			continue
		}
		for status, n := range lane.counts {
			if n > 0 && (f.Status == "" || f.Status == status) {
				return true
			}
		}
	}
	return false
}

// selected reports whether f selects r. Before and Limit do not count.
func (r *row) selected(f inbox.Filter) bool {
	if r.gone || f.Provider != "" && r.lane.Provider != f.Provider || f.Type != "" && r.lane.Type != f.Type || f.Status != "" && r.status != f.Status {
		return false
	}
	if !f.From.IsZero() && r.accepted.Before(f.From) || !f.To.IsZero() && !r.accepted.Before(f.To) {
		return false
	}
	if beginning, open := strings.CutSuffix(f.EventID, "*"); open {
		return r.eventID != "" && strings.HasPrefix(r.eventID, beginning)
	}
	return f.EventID == "" || r.eventID == f.EventID
}

// delivery returns r without body and header.
func (r *row) delivery() inbox.Delivery {
	return inbox.Delivery{
		ID: r.id, Event: webhook.Event{Provider: r.lane.Provider, Type: r.lane.Type, ID: r.eventID, Key: r.key},
		Status: r.status, Attempts: r.attempts, OrderKey: r.orderKey, DueAt: r.due.Round(0), AcceptedAt: r.accepted, EndedAt: r.ended,
		Duplicates: r.duplicates, Error: r.err, Purged: r.purged,
	}
}

// find returns the delivery of a number.
func (l *ledger) find(id int64) *row {
	if at := l.place(id); at < len(l.ids) && l.ids[at].id == id && !l.ids[at].gone {
		return l.ids[at]
	}
	return nil
}

// Get implements [inbox.Browser].
func (b *Inbox) Get(ctx context.Context, id int64) (inbox.Delivery, []inbox.Attempt, error) {
	l, err := b.current(ctx)
	if err != nil {
		return inbox.Delivery{}, nil, err
	}
	l.read()
	r := l.find(id)
	var d inbox.Delivery
	if r != nil {
		d = r.delivery()
	}
	l.mu.RUnlock()
	if r == nil {
		return inbox.Delivery{}, nil, inbox.ErrNotFound
	}
	if err := b.fill(ctx, &d); err != nil {
		return inbox.Delivery{}, nil, err
	}
	history, err := b.history(ctx, d.Event.Key)
	return d, history, err
}

// fill reads d's body and header.
func (b *Inbox) fill(ctx context.Context, d *inbox.Delivery) error {
	if d.Purged {
		return nil
	}
	var err error
	d.Event, d.Purged, err = b.event(ctx, d.Event.Key)
	return err
}

// Stats implements [inbox.Browser].
func (b *Inbox) Stats(ctx context.Context) (inbox.Stats, error) {
	l, err := b.current(ctx)
	if err != nil {
		return inbox.Stats{}, err
	}
	stats := inbox.Stats{Queued: b.arrivals.len()}
	l.mu.Lock() // to look for what is due first drops what does not count any more
	defer l.mu.Unlock()
	for of, lane := range l.lanes {
		t := inbox.TypeStats{Provider: of.Provider, Type: of.Type, ByStatus: map[inbox.Status]int64{}, Duplicates: lane.duplicates}
		for status, n := range lane.counts {
			if n > 0 {
				t.ByStatus[status] = n
			}
		}
		if first, ok := lane.first(); ok {
			t.OldestPending = max(0, time.Since(first.at))
		}
		stats.OldestPending = max(stats.OldestPending, t.OldestPending)
		stats.Types = append(stats.Types, t)
	}
	slices.SortFunc(stats.Types, func(a, b inbox.TypeStats) int {
		return cmp.Or(cmp.Compare(a.Provider, b.Provider), cmp.Compare(a.Type, b.Type))
	})
	for _, p := range l.paused {
		stats.Paused = append(stats.Paused, p)
	}
	slices.SortFunc(stats.Paused, func(a, b inbox.PausedType) int {
		return cmp.Or(cmp.Compare(a.Provider, b.Provider), cmp.Compare(a.Type, b.Type))
	})
	return stats, nil
}

// step is how many deliveries are looked at in one go where a filter selects any number.
const step = 200

// ascend calls each with what f selects, in steps, oldest first. Before and Limit do not count.
func (b *Inbox) ascend(ctx context.Context, f inbox.Filter, each func([]inbox.Delivery) error) error {
	if err := checkStatus(f); err != nil {
		return err
	}
	l, err := b.current(ctx)
	if err != nil {
		return err
	}
	for last := int64(0); ; {
		var found []inbox.Delivery
		l.read()
		for _, r := range l.ids[l.place(last+1):] {
			if r.selected(f) {
				found = append(found, r.delivery())
				if len(found) == step {
					break
				}
			}
		}
		l.mu.RUnlock()
		if len(found) == 0 {
			return nil
		}
		if err := each(found); err != nil {
			return err
		}
		last = found[len(found)-1].ID
	}
}

// Export implements [inbox.Browser]. It asks the server for each body.
func (b *Inbox) Export(ctx context.Context, w io.Writer, f inbox.Filter) error {
	lines := json.NewEncoder(w)
	return b.ascend(ctx, f, func(found []inbox.Delivery) error {
		for i := range found {
			if err := b.fill(ctx, &found[i]); errors.Is(err, inbox.ErrNotFound) {
				continue // forgotten meanwhile
			} else if err != nil {
				return err
			}
			line, err := engine.LineOf(&found[i])
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

// room is how much a stream with bounds must still take to be well.
const room = 64 << 10

// Health implements [inbox.Browser]: it has the server store a message without content, and looks whether the stream has room for 64 KiB and for 100 messages.
func (b *Inbox) Health(ctx context.Context) error {
	if b.closed.Load() {
		return inbox.ErrClosed
	}
	if b.arrivals.len() >= b.config.Inbox.MaxQueue {
		return inbox.ErrQueueFull
	}
	if _, err := b.publish(ctx, b.config.subject(kindHealth), "", nil, anything); err != nil {
		return unavailable(err)
	}
	info, err := b.stream.Info(ctx)
	if err != nil {
		return unavailable(err)
	}
	if c := info.Config; c.MaxBytes > 0 && info.State.Bytes+room > uint64(c.MaxBytes) || c.MaxMsgs > 0 && info.State.Msgs+100 > uint64(c.MaxMsgs) {
		return unavailable(fmt.Errorf("nats inbox: stream %s is full", b.config.Stream))
	}
	return nil
}
