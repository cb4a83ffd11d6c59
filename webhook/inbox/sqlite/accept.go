package sqlite

import (
	"context"
	"math/bits"
	"strings"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook"
	"github.com/gatehouse-go/gatehouse/webhook/inbox"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/engine"
)

// insertInto begins the statements that store events. A row that the table refuses rolls the transaction back, which ends anyhow then: to undo one
// statement alone, SQLite would write down each page before it changes it.
const insertInto = "INSERT OR ROLLBACK INTO inbox_deliveries (key, provider, type, event_id, accepted_at, due_at, meta, body, order_key, status) VALUES "

// insertOrdered stores an event with an order key. It waits while another of that order key is under way.
const insertOrdered = insertInto + `(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9,
	CASE WHEN EXISTS (SELECT 1 FROM inbox_deliveries WHERE order_key = ?9 AND order_key <> '' AND status IN ('pending', 'waiting', 'running'))
	THEN 'waiting' ELSE 'pending' END)
	RETURNING id, status`

// longestInsert is how many events one statement stores at most. Most of what a short statement costs is paid once for all its rows.
const longestInsert = 32

// inserts has the statement that stores so many events without an order key.
var inserts = powers(longestInsert, func(n int) string {
	return insertInto + strings.Repeat(", (?, ?, ?, ?, ?, ?, ?, ?, '', 'pending')", n)[2:]
})

// powers returns a statement for each power of two up to the longest: few are enough for any number.
func powers(longest int, statement func(n int) string) map[int]string {
	of := map[int]string{}
	for n := 1; n <= longest; n *= 2 {
		of[n] = statement(n)
	}
	return of
}

// An arrival is an event that waits to be stored.
type arrival struct {
	engine.Arrival
	at time.Time

	// The writer's until the op is done.
	there int64 // the delivery that it is, where that was stored before this transaction
	fresh bool
}

// bind adds to args what the statements bind for one event, but for the order key.
func (a *arrival) bind(args []any) []any {
	at := any(millis(a.at))
	return append(args, a.Key[:], a.Event.Provider, a.Event.Type, a.Event.ID, at, at, a.Request, a.Event.Body)
}

// Accept implements [inbox.Accepter].
func (b *Inbox) Accept(ctx context.Context, e webhook.Event) (fresh bool, err error) {
	return engine.Observed(b.config, e, func() (bool, error) { return b.accept(ctx, e, time.Now()) })
}

func (b *Inbox) accept(ctx context.Context, e webhook.Event, now time.Time) (fresh bool, err error) {
	plain, err := engine.NewArrival(b.config, e)
	if err != nil {
		return false, err
	}
	a := &arrival{Arrival: plain, at: now}
	o := &op{event: a, stale: func() bool { return ctx.Err() != nil }, done: make(chan error, 1)}
	if err := b.queue.Add(o, a.Size); err != nil {
		return false, err
	}
	select {
	case err = <-o.done:
	case <-ctx.Done():
		return false, unavailable(ctx.Err())
	}
	if err != nil {
		return false, unavailable(err)
	}
	if a.fresh {
		b.lanes.Wake(a.Lane())
	}
	return a.fresh, nil
}

// store stores those of events that are new, in the order in which they came, and counts the others as repeats.
func (b *Inbox) store(ctx context.Context, s *session, t tally, events []*arrival) error {
	if len(events) == 0 {
		return nil
	}
	if err := b.keys.find(ctx, s, t, events); err != nil {
		return err
	}
	fresh := make([]*arrival, 0, len(events))
	var repeats []*arrival
	for _, a := range events {
		if _, again := t.keys.stored[a.Key]; again || a.there != 0 {
			repeats = append(repeats, a)
			continue
		}
		t.keys.stored[a.Key] = 0 // until it has an id
		fresh = append(fresh, a)
	}
	if err := storeFresh(ctx, s, t, fresh); err != nil {
		return err
	}
	for _, a := range repeats {
		if err := b.repeated(ctx, s, t, a); err != nil {
			return err
		}
	}
	return nil
}

// storeFresh stores events whose keys are not there.
func storeFresh(ctx context.Context, s *session, t tally, events []*arrival) error {
	for len(events) > 0 {
		n := together(events)
		if n > 0 {
			if err := storePlain(ctx, s, t, events[:n]); err != nil {
				return err
			}
			events = events[n:]
			continue
		}
		if err := storeOrdered(ctx, s, t, events[0]); err != nil {
			return err
		}
		events = events[1:]
	}
	return nil
}

// together returns how many of events, from the first, one statement stores: none where the first has an order key.
func together(events []*arrival) int {
	plain := 0
	for plain < min(len(events), longestInsert) && events[plain].OrderKey == "" {
		plain++
	}
	if plain == 0 {
		return 0
	}
	return 1 << (bits.Len(uint(plain)) - 1)
}

// storePlain stores events without an order key by one statement of [inserts].
func storePlain(ctx context.Context, s *session, t tally, events []*arrival) error {
	args := make([]any, 0, 8*len(events))
	for _, a := range events {
		args = a.bind(args)
	}
	result, err := s.exec(ctx, inserts[len(events)], args...)
	if err != nil {
		return err
	}
	last, err := result.LastInsertId()
	if err != nil {
		return err
	}
	for i, a := range events { // which have ids in a row
		t.accepted(a, last-int64(len(events)-1-i), inbox.Pending)
	}
	return nil
}

// storeOrdered stores an event with an order key.
func storeOrdered(ctx context.Context, s *session, t tally, a *arrival) error {
	var id int64
	var status inbox.Status
	err := s.queryRow(ctx, []any{&id, &status}, insertOrdered, append(a.bind(nil), a.OrderKey)...)
	if err == nil {
		t.accepted(a, id, status)
	}
	return err
}

// accepted counts an event that was stored.
func (t tally) accepted(a *arrival, id int64, status inbox.Status) {
	a.fresh = true
	t.Add(a.Lane(), status, 1)
	t.Minute.Accepted++
	t.slots.add(slotOf(a.at), id)
	t.keys.store(a.Key, id)
}

// repeated counts an event that is there. Where its delivery has been removed by somebody else than the ledger, the event is new.
func (b *Inbox) repeated(ctx context.Context, s *session, t tally, a *arrival) error {
	id, now := t.keys.stored[a.Key]
	if !now {
		id = a.there
	}
	result, err := s.exec(ctx, "UPDATE inbox_deliveries SET duplicates = duplicates + 1 WHERE id = ? AND key = ?", id, a.Key[:])
	if err != nil {
		return err
	}
	n, err := result.RowsAffected()
	if err != nil {
		return err
	}
	if n == 0 {
		if err := b.keys.drop(ctx, s, t, a.Key); err != nil {
			return err
		}
		return storeFresh(ctx, s, t, []*arrival{a})
	}
	a.fresh = false
	t.Add(a.Lane(), engine.Duplicated, 1)
	t.Minute.Duplicates++
	return nil
}
