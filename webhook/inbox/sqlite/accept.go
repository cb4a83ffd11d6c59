package sqlite

import (
	"context"
	"database/sql"
	"errors"
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

// insertOrdered stores an event with an order key, unless its key is there. It waits while another of that order key is under way.
const insertOrdered = insertInto + `(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9,
	CASE WHEN EXISTS (SELECT 1 FROM inbox_deliveries WHERE order_key = ?9 AND order_key <> '' AND status IN ('pending', 'waiting', 'running'))
	THEN 'waiting' ELSE 'pending' END)
	ON CONFLICT (key) DO NOTHING RETURNING id, status`

// longestInsert is how many events one statement stores at most. Most of what a short statement costs is paid once for all its rows.
const longestInsert = 32

// inserts has the statement that stores so many events without an order key, unless their keys are there. Few statements are enough for any number: the
// numbers are powers of two.
var inserts = func() map[int]string {
	of := map[int]string{}
	for n := 1; n <= longestInsert; n *= 2 {
		rows := strings.Repeat(", (?, ?, ?, ?, ?, ?, ?, ?, '', 'pending')", n)
		of[n] = insertInto + rows[2:] + " ON CONFLICT (key) DO NOTHING"
	}
	return of
}()

// newest finds what an insert has stored: its ids are larger than all that were there.
const newest = "SELECT id, key FROM inbox_deliveries ORDER BY id DESC LIMIT ?"

// An arrival is an event that waits to be stored.
type arrival struct {
	engine.Arrival
	at    time.Time
	fresh bool // the writer's until the op is done
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

// store stores events in the order in which they came, and counts those that are there already as repeats.
func store(ctx context.Context, s *session, t tally, events []*arrival) error {
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
	n, err := result.RowsAffected()
	last, lastErr := result.LastInsertId()
	if err := errors.Join(err, lastErr); err != nil {
		return err
	}
	if n == int64(len(events)) { // they have ids in a row
		for i, a := range events {
			t.accepted(a, last-n+1+int64(i), inbox.Pending)
		}
		return nil
	}
	stored, err := newestOf(ctx, s, n)
	if err != nil {
		return err
	}
	for _, a := range events {
		id, fresh := stored[a.Key]
		if !fresh {
			if err := repeated(ctx, s, t, a); err != nil {
				return err
			}
			continue
		}
		delete(stored, a.Key) // another of the same key is a repeat
		t.accepted(a, id, inbox.Pending)
	}
	return nil
}

// newestOf returns the ids of the last n deliveries, by their keys.
func newestOf(ctx context.Context, s *session, n int64) (map[webhook.Key]int64, error) {
	rows, err := s.query(ctx, newest, n)
	if err != nil {
		return nil, err
	}
	ids := make(map[webhook.Key]int64, n)
	return ids, scanEach(rows, func(rows *sql.Rows) error {
		var id int64
		var key webhook.Key
		err := rows.Scan(&id, (*storedKey)(&key))
		ids[key] = id
		return err
	})
}

// storeOrdered stores an event with an order key.
func storeOrdered(ctx context.Context, s *session, t tally, a *arrival) error {
	var id int64
	var status inbox.Status
	err := s.queryRow(ctx, []any{&id, &status}, insertOrdered, append(a.bind(nil), a.OrderKey)...)
	if errors.Is(err, sql.ErrNoRows) {
		return repeated(ctx, s, t, a)
	}
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
}

// repeated counts an event that was there.
func repeated(ctx context.Context, s *session, t tally, a *arrival) error {
	a.fresh = false
	t.Add(a.Lane(), engine.Duplicated, 1)
	t.Minute.Duplicates++
	_, err := s.exec(ctx, "UPDATE inbox_deliveries SET duplicates = duplicates + 1 WHERE key = ?", a.Key[:])
	return err
}
