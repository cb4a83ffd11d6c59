package nats

import (
	"cmp"
	"context"
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

// List implements [inbox.Browser].
func (b *Inbox) List(ctx context.Context, f inbox.Filter) (inbox.Page, error) {
	return engine.Page(f, func(f inbox.Filter) ([]engine.Row, error) {
		if err := engine.CheckStatus(f); err != nil {
			return nil, err
		}
		l, err := b.current(ctx)
		if err != nil {
			return nil, err
		}
		return l.newest(f), nil
	})
}

// newest returns up to f.Limit deliveries, newest first.
func (l *ledger) newest(f inbox.Filter) (found []engine.Row) {
	l.read()
	defer l.mu.RUnlock()
	if !l.mayHave(f) {
		return nil
	}
	at := len(l.ids)
	if f.Before > 0 {
		at = l.place(f.Before)
	}
	for at--; at >= 0 && len(found) < f.Limit; at-- {
		r := l.ids[at]
		if r.selected(f) {
			found = append(found, r.engineRow())
		} else if !f.From.IsZero() && r.accepted.Before(f.From.Add(-clockSlack)) {
			break // what came before it was accepted before it
		}
	}
	return found
}

// clockSlack is how far the server's clock may have gone back between two messages without hiding one from a filter by time.
const clockSlack = 10 * time.Minute

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

// engineRow returns r as engines share it, without body and header.
func (r *row) engineRow() engine.Row {
	return engine.Row{Tries: r.tries, Delivery: &inbox.Delivery{
		ID: r.id, Event: webhook.Event{Provider: r.lane.Provider, Type: r.lane.Type, ID: r.eventID, Key: r.key},
		Status: r.status, Attempts: r.attempts, OrderKey: r.orderKey, DueAt: r.due.Round(0), AcceptedAt: r.accepted, EndedAt: r.ended,
		Duplicates: r.duplicates, Error: r.err, Purged: r.purged,
	}}
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
	var d *inbox.Delivery
	if r := l.find(id); r != nil {
		d = r.engineRow().Delivery
	}
	l.mu.RUnlock()
	if d == nil {
		return inbox.Delivery{}, nil, inbox.ErrNotFound
	}
	if err := b.fill(ctx, d); err != nil {
		return inbox.Delivery{}, nil, err
	}
	history, err := b.history(ctx, d.Event.Key)
	return *d, history, err
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
	l.mu.Lock() // to look for what is due first drops what does not count any more
	defer l.mu.Unlock()
	counts := map[engine.Count]int64{}
	for of, lane := range l.lanes {
		counts[engine.Count{Lane: of, Status: engine.Duplicated}] = lane.duplicates
		for status, n := range lane.counts {
			counts[engine.Count{Lane: of, Status: status}] = n
		}
	}
	stats, err := engine.Stats(counts, func([]engine.Lane) (map[engine.Lane]time.Time, error) { return l.firstDue(), nil })
	stats.Queued = b.arrivals.len()
	for _, p := range l.paused {
		stats.Paused = append(stats.Paused, p)
	}
	slices.SortFunc(stats.Paused, func(a, b inbox.PausedType) int {
		return cmp.Or(cmp.Compare(a.Provider, b.Provider), cmp.Compare(a.Type, b.Type))
	})
	return stats, err
}

// firstDue returns when the first of each lane is due. Lanes without any are left out. The caller holds the lock for writing.
func (l *ledger) firstDue() map[engine.Lane]time.Time {
	due := map[engine.Lane]time.Time{}
	for of, lane := range l.lanes {
		if first, ok := lane.first(); ok {
			due[of] = first.at
		}
	}
	return due
}

// ascend calls each with what f selects, in steps, oldest first. Before and Limit do not count.
func (b *Inbox) ascend(ctx context.Context, f inbox.Filter, each func([]engine.Row) error) error {
	if err := engine.CheckStatus(f); err != nil {
		return err
	}
	l, err := b.current(ctx)
	if err != nil {
		return err
	}
	for last := int64(0); ; {
		var found []engine.Row
		l.read()
		for _, r := range l.ids[l.place(last+1):] {
			if r.selected(f) {
				found = append(found, r.engineRow())
				if len(found) == engine.Step {
					break
				}
			}
		}
		l.mu.RUnlock()
		if len(found) == 0 {
			return nil
		}
		last = found[len(found)-1].ID
		if err := each(found); err != nil {
			return err
		}
	}
}

// Export implements [inbox.Browser]. It asks the server for each body.
func (b *Inbox) Export(ctx context.Context, w io.Writer, f inbox.Filter) error {
	return engine.Export(w, func(each func([]engine.Row) error) error {
		return b.ascend(ctx, f, func(found []engine.Row) error {
			there := found[:0]
			for _, r := range found {
				err := b.fill(ctx, r.Delivery)
				if err == nil {
					there = append(there, r)
				} else if !errors.Is(err, inbox.ErrNotFound) { // which was forgotten meanwhile
					return err
				}
			}
			return each(there)
		})
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
	info, err := b.info(ctx)
	if err != nil {
		return unavailable(err)
	}
	if c := info.Config; c.MaxBytes > 0 && info.State.Bytes+room > uint64(c.MaxBytes) || c.MaxMsgs > 0 && info.State.Msgs+100 > uint64(c.MaxMsgs) {
		return unavailable(fmt.Errorf("nats inbox: stream %s is full", b.config.Stream))
	}
	return nil
}
