package console_test

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook/inbox"
)

// ledger is a Ledger whose answers a test sets. What is asked of it is noted. The tests over a real one are in consoletest.
type ledger struct {
	mu         sync.Mutex
	deliveries []inbox.Delivery // newest first
	attempts   []inbox.Attempt  // of each delivery
	stats      inbox.Stats
	minutes    []inbox.Minute
	more       int64 // Next of each page
	changed    int64
	err        error // of everything, or of the one method that is named by fails
	fails      string
	asked      []string
	filters    []inbox.Filter
}

func (l *ledger) note(method string, more ...any) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(more) > 0 {
		l.asked = append(l.asked, method+" "+fmt.Sprint(more...))
	}
	if l.err != nil && (l.fails == "" || l.fails == method) {
		return l.err
	}
	return nil
}

// decided returns what was decided, and forgets it.
func (l *ledger) decided() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	asked := l.asked
	l.asked = nil
	return asked
}

func (l *ledger) List(_ context.Context, f inbox.Filter) (inbox.Page, error) {
	l.mu.Lock()
	l.filters = append(l.filters, f)
	l.mu.Unlock()
	return inbox.Page{Deliveries: l.deliveries, Next: l.more}, l.note("List")
}

func (l *ledger) Get(_ context.Context, id int64) (inbox.Delivery, []inbox.Attempt, error) {
	for _, d := range l.deliveries {
		if d.ID == id {
			return d, l.attempts, l.note("Get")
		}
	}
	return inbox.Delivery{}, nil, inbox.ErrNotFound
}

func (l *ledger) Stats(context.Context) (inbox.Stats, error) {
	err := l.note("Stats")
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.stats, err
}

func (l *ledger) Activity(context.Context, time.Time) ([]inbox.Minute, error) {
	return l.minutes, l.note("Activity")
}

func (l *ledger) Export(context.Context, io.Writer, inbox.Filter) error { return l.note("Export", "") }

func (l *ledger) Health(context.Context) error { return l.note("Health", "") }

func (l *ledger) Replay(_ context.Context, s inbox.Selection, why inbox.Reason) (int64, error) {
	return l.changed, l.note("Replay", s.IDs, " ", s.Filter.Status, " by ", why.By, ": ", why.Why)
}

func (l *ledger) Discard(_ context.Context, s inbox.Selection, why inbox.Reason) (int64, error) {
	return l.changed, l.note("Discard", s.IDs, " ", s.Filter.Status, " by ", why.By, ": ", why.Why)
}

func (l *ledger) Pause(_ context.Context, provider, typ string, why inbox.Reason) error {
	return l.note("Pause", provider, "/", typ, " by ", why.By, ": ", why.Why)
}

func (l *ledger) Resume(_ context.Context, provider, typ string) error {
	return l.note("Resume", provider, "/", typ)
}
