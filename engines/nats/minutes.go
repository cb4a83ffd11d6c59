package nats

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook/inbox"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/engine"
)

const countEvery = time.Second

// minutes counts what this process does, until it is stored.
type minutes struct {
	mu      sync.Mutex
	counted map[int64]inbox.Minute // since the process began, of the minutes that may change
	changed map[int64]bool         // since they were stored
}

func (m *minutes) add(n inbox.Minute) {
	minute := minuteOf(time.Now())
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.counted == nil {
		m.counted, m.changed = map[int64]inbox.Minute{}, map[int64]bool{}
	}
	m.counted[minute] = sum(m.counted[minute], n)
	m.changed[minute] = true
}

func sum(a, b inbox.Minute) inbox.Minute {
	return inbox.Minute{
		Start: a.Start, Accepted: a.Accepted + b.Accepted, Duplicates: a.Duplicates + b.Duplicates,
		Done: a.Done + b.Done, Failed: a.Failed + b.Failed, Dead: a.Dead + b.Dead,
	}
}

// take returns what is to be stored, and forgets minutes that are long over.
func (m *minutes) take() map[int64]inbox.Minute {
	m.mu.Lock()
	defer m.mu.Unlock()
	taken := map[int64]inbox.Minute{}
	for minute := range m.changed {
		taken[minute] = m.counted[minute]
	}
	clear(m.changed)
	old := minuteOf(time.Now()) - 60 // a clock may go back a little
	maps.DeleteFunc(m.counted, func(minute int64, _ inbox.Minute) bool { return minute < old && taken[minute] == (inbox.Minute{}) })
	return taken
}

func (m *minutes) putBack(minute int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.changed[minute] = true
}

// count stores what this process counts once a second, until ctx ends.
func (b *Inbox) count(ctx context.Context) {
	for engine.Sleep(ctx, countEvery) {
		if err := b.flushMinutes(ctx); err != nil && ctx.Err() == nil {
			b.config.Inbox.Logger.DebugContext(ctx, "inbox cannot store its counts", "error", err)
		}
	}
}

func (b *Inbox) flushMinutes(ctx context.Context) error {
	var errs []error
	for minute, m := range b.minutes.take() {
		_, err := b.publish(ctx, b.config.subject(kindMinute, minuteToken(minute), b.instance), record(m), nil, anything)
		if err != nil {
			b.minutes.putBack(minute)
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// Activity implements [inbox.Browser].
func (b *Inbox) Activity(ctx context.Context, from time.Time) ([]inbox.Minute, error) {
	l, err := b.current(ctx)
	if err != nil {
		return nil, err
	}
	l.mu.RLock()
	defer l.mu.RUnlock()
	var found []inbox.Minute
	for _, minute := range slices.Sorted(maps.Keys(l.minutes)) {
		if minute < minuteOf(from) {
			continue
		}
		total := inbox.Minute{Start: time.Unix(minute*60, 0)}
		for _, m := range l.minutes[minute] {
			total = sum(total, m)
		}
		found = append(found, total)
	}
	return found, nil
}
