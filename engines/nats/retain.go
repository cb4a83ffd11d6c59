package nats

import (
	"context"
	"errors"
	"maps"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook"
	"github.com/gatehouse-go/gatehouse/webhook/inbox"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	retainStep = 100

	// keepGone is how long the list of forgotten keys stays in the stream, for processes that were cut off.
	keepGone = 24 * time.Hour
)

// purge removes bodies and, later, whole deliveries whose time is over now.
func (b *Inbox) purge(ctx context.Context, now time.Time) error {
	err := b.purgeBodies(ctx, now)
	if err == nil {
		err = b.purgeKeys(ctx, now)
	}
	if err == nil {
		err = b.purgeMinutes(ctx, now)
	}
	return err
}

// past returns deliveries that ended before a time and are as asked, oldest first.
func (l *ledger) past(before time.Time, want func(*row) bool) (found []*row) {
	l.read()
	defer l.mu.RUnlock()
	for _, r := range l.ids {
		if !r.gone && !r.ended.IsZero() && r.ended.Before(before) && !r.open() && want(r) {
			found = append(found, r)
		}
	}
	return found
}

// purgeBodies puts what the index needs in the place of events whose body is past its time.
func (b *Inbox) purgeBodies(ctx context.Context, now time.Time) error {
	l, err := b.current(ctx)
	if err != nil {
		return err
	}
	for _, r := range l.past(now.Add(-b.config.Inbox.KeepBodies), func(r *row) bool { return !r.purged }) {
		l.mu.RLock()
		rest := eventRecord{
			Provider: []byte(r.lane.Provider), Type: []byte(r.lane.Type), EventID: []byte(r.eventID), OrderKey: []byte(r.orderKey), ID: r.id, AcceptedAt: r.accepted,
		}
		last := r.eventSeq
		l.mu.RUnlock()
		if _, err := b.publish(ctx, b.config.subjectOf(r.key, kindEvent), record(rest), nil, last); err != nil && !errors.Is(err, errConflict) {
			return err
		}
	}
	return nil
}

// purgeKeys forgets deliveries: first it says so, for every index, then it removes their messages. A process that dies between the two is made up for.
func (b *Inbox) purgeKeys(ctx context.Context, now time.Time) error {
	l, err := b.current(ctx)
	if err != nil {
		return err
	}
	old := l.past(now.Add(-b.config.Inbox.KeepKeys), func(*row) bool { return true })
	for len(old) > 0 {
		n := min(retainStep, len(old))
		keys := make([]string, n)
		for i, r := range old[:n] {
			keys[i] = r.key.String()
		}
		old = old[n:]
		if _, err := b.publish(ctx, b.config.subject(kindGone, keys[0]), record(goneRecord{keys}), nil, anything); err != nil {
			return err
		}
	}
	if l, err = b.current(ctx); err != nil {
		return err
	}
	l.mu.RLock()
	marks := maps.Clone(l.gone)
	l.mu.RUnlock()
	for subject, mark := range marks {
		if err := b.purgeGone(ctx, l, subject, mark, now); err != nil {
			return err
		}
	}
	return nil
}

// remove removes messages.
func (b *Inbox) remove(ctx context.Context, which ...jetstream.StreamPurgeOpt) error {
	ctx, done := b.link.ask(ctx)
	defer done()
	return b.stream.Purge(ctx, which...)
}

// has reports whether the event of a key is here that came before the message of that number: it was replayed before it was forgotten.
func (l *ledger) has(key webhook.Key, before uint64) bool {
	l.mu.RLock()
	defer l.mu.RUnlock()
	r := l.rows[key]
	return r != nil && r.lane != nil && r.eventSeq <= before
}

func (b *Inbox) purgeGone(ctx context.Context, l *ledger, subject string, mark *goneMark, now time.Time) error {
	if !mark.purged {
		for _, text := range mark.keys {
			key, ok := parseKey(text)
			if !ok || l.has(key, mark.seq) {
				continue
			}
			// Up to the mark: an event of this key that came after it is another.
			if err := b.remove(ctx, jetstream.WithPurgeSubject(b.config.subjectOf(key, "*")), jetstream.WithPurgeSequence(mark.seq)); err != nil {
				return err
			}
		}
		mark.purged = true // by the one goroutine that retains
	}
	if now.Sub(mark.at) < keepGone {
		return nil
	}
	if err := b.remove(ctx, jetstream.WithPurgeSubject(b.config.subject(subject))); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.gone, subject)
	return nil
}

// purgeMinutes forgets what happened longer ago than an engine must know.
func (b *Inbox) purgeMinutes(ctx context.Context, now time.Time) error {
	l := b.index.Load().ledger
	oldest := minuteOf(now.Add(-inbox.ActivityKept))
	var old []int64
	l.mu.RLock()
	for minute := range l.minutes {
		if minute < oldest {
			old = append(old, minute)
		}
	}
	l.mu.RUnlock()
	for _, minute := range old {
		if err := b.remove(ctx, jetstream.WithPurgeSubject(b.config.subject(kindMinute, minuteToken(minute), "*"))); err != nil {
			return err
		}
		l.mu.Lock()
		delete(l.minutes, minute)
		l.mu.Unlock()
	}
	return nil
}
