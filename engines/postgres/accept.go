package postgres

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook"
	"github.com/gatehouse-go/gatehouse/webhook/inbox"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/engine"
	"github.com/jackc/pgx/v5"
)

// insertDeliveries stores events unless their keys are there. Numbers are given in the order of arrival, rows are written in the order
// of their keys: two groups with the same keys then wait for each other one way only. Those with an order key wait at first.
const insertDeliveries = `WITH numbered AS MATERIALIZED (
		SELECT nextval(pg_get_serial_sequence('inbox_deliveries', 'id')) AS id, a.* FROM
		(SELECT * FROM unnest($1::bytea[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bytea[], $7::bytea[])
			WITH ORDINALITY AS e (key, provider, type, event_id, order_key, meta, body, n) ORDER BY n) AS a)
	INSERT INTO inbox_deliveries (id, key, provider, type, event_id, order_key, status, accepted_at, due_at, meta, body)
	SELECT id, key, provider, type, event_id, order_key, CASE WHEN order_key = '' THEN 'pending' ELSE 'waiting' END, now(), now(), meta, body
	FROM numbered ORDER BY key
	ON CONFLICT (key) DO NOTHING RETURNING key, id`

// countDuplicates counts repeats with the deliveries that they repeat.
const countDuplicates = `WITH known AS MATERIALIZED (
		SELECT d.id, e.n FROM inbox_deliveries d JOIN unnest($1::bytea[], $2::integer[]) AS e (key, n) ON d.key = e.key ORDER BY d.id FOR NO KEY UPDATE OF d)
	UPDATE inbox_deliveries d SET duplicates = duplicates + known.n FROM known WHERE d.id = known.id`

// Bounds of what PostgreSQL can index.
const (
	longestProvider = 256
	longestType     = 1024
)

// storeTimeout bounds one commit of a group, so that a server that does not answer does not hold the writer for ever.
const storeTimeout = 30 * time.Second

// An arrival is one event that waits to be stored.
type arrival struct {
	engine.Arrival
	orderKey string      // as it is stored
	gone     func() bool // the caller has gone
	stored   chan outcome
}

// outcome is what became of an arrival.
type outcome struct {
	fresh bool
	err   error
}

// Accept implements [inbox.Accepter].
func (b *Inbox) Accept(ctx context.Context, e webhook.Event) (fresh bool, err error) {
	return engine.Observed(b.config, e, func() (bool, error) { return b.accept(ctx, e) })
}

func (b *Inbox) accept(ctx context.Context, e webhook.Event) (fresh bool, err error) {
	if len(stored(e.Provider)) > longestProvider || len(stored(e.Type)) > longestType {
		return false, inbox.Permanent(fmt.Errorf("postgres inbox: the provider or type of %d and %d bytes is too long", len(e.Provider), len(e.Type)))
	}
	plain, err := engine.NewArrival(b.config, e)
	if err != nil {
		return false, err
	}
	a := &arrival{Arrival: plain, orderKey: stored(plain.OrderKey), gone: func() bool { return ctx.Err() != nil }, stored: make(chan outcome, 1)}
	if err := b.queue.Add(a, a.Size); err != nil {
		return false, err
	}
	select {
	case out := <-a.stored:
		return out.fresh, unavailable(out.err)
	case <-ctx.Done():
		return false, unavailable(ctx.Err())
	}
}

// write is the writer's goroutine: it stores group after group until the queue is closed and empty.
func (b *Inbox) write(ctx context.Context) {
	for {
		group := b.queue.Take()
		if len(group) == 0 {
			return
		}
		b.store(ctx, group)
	}
}

// store commits a group and tells each arrival how it went. When the server refuses something in it, it tries each alone: one event that
// cannot be stored must not refuse its neighbours.
func (b *Inbox) store(ctx context.Context, group []*arrival) {
	live := group[:0]
	for _, a := range group {
		if a.gone() {
			a.stored <- outcome{err: context.Canceled}
			continue
		}
		live = append(live, a)
	}
	if len(live) == 0 {
		return
	}
	fresh, err := b.commit(ctx, live)
	if err != nil && len(live) > 1 && refusesOne(err) {
		for _, a := range live {
			b.store(ctx, []*arrival{a})
		}
		return
	}
	woken := map[engine.Lane]bool{}
	for i, a := range live {
		out := outcome{err: err}
		if err == nil && fresh[i] {
			out.fresh = true
			woken[a.Lane()] = true
		}
		a.stored <- out
	}
	for l := range woken {
		b.wake(l)
	}
}

// commit stores a group in one transaction on the writer's connection. A connection on which anything failed is given up; when it was found
// dead before anything was sent, another is tried.
func (b *Inbox) commit(ctx context.Context, group []*arrival) (fresh []bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	for range tries {
		begun := false
		if b.writer == nil {
			if b.writer, err = b.pool.Acquire(ctx); err != nil {
				return nil, err
			}
			begun = true // a new connection that fails says that the server is not there
		}
		newest, err := lockSlots(ctx, b.writer.Conn(), false)
		if err == nil && !newest {
			_, rollbackErr := b.writer.Exec(ctx, "ROLLBACK")
			_, lockErr := lockSlots(ctx, b.writer.Conn(), true)
			err = errors.Join(rollbackErr, lockErr)
		}
		if err == nil {
			begun = true
			fresh, err = b.insert(ctx, b.writer.Conn(), group, !newest)
		}
		if err == nil {
			return fresh, nil
		}
		_ = b.writer.Conn().Close(context.WithoutCancel(ctx)) // which ends the transaction
		b.writer.Release()
		b.writer = nil
		if begun && !again(err) {
			return nil, err
		}
	}
	return nil, err
}

// insert stores a group in the transaction that is under way, notes its slot where it must, and commits.
func (b *Inbox) insert(ctx context.Context, conn *pgx.Conn, group []*arrival, note bool) (fresh []bool, err error) {
	n := len(group)
	keys, metas, bodies := make([][]byte, n), make([][]byte, n), make([][]byte, n)
	providers, types, ids, orders := make([]string, n), make([]string, n), make([]string, n), make([]string, n)
	var ordered []string
	for i, a := range group {
		keys[i], metas[i], bodies[i] = a.Key[:], a.Request, a.Event.Body
		providers[i], types[i], ids[i], orders[i] = stored(a.Event.Provider), stored(a.Event.Type), stored(a.Event.ID), a.orderKey
		if a.orderKey != "" {
			ordered = append(ordered, a.orderKey)
		}
	}
	if err := lockOrders(ctx, conn, ordered...); err != nil {
		return nil, err
	}
	rows, err := conn.Query(ctx, insertDeliveries, keys, providers, types, ids, orders, metas, bodies)
	if err != nil {
		return nil, err
	}
	there, first, last := make(map[webhook.Key]bool, n), int64(math.MaxInt64), int64(0)
	var key []byte
	var id int64
	if _, err := pgx.ForEachRow(rows, []any{&key, &id}, func() error {
		there[webhook.Key(key)] = true
		first, last = min(first, id), max(last, id)
		return nil
	}); err != nil {
		return nil, err
	}
	t := engine.NewTally()
	fresh, repeats := divide(group, there, t)
	if len(ordered) > 0 {
		if _, err := promote(ctx, conn, t, ordered); err != nil {
			return nil, err
		}
	}
	var batch pgx.Batch
	if len(repeats) > 0 {
		var known [][]byte
		var times []int32
		for key, n := range repeats {
			known, times = append(known, key[:]), append(times, n)
		}
		batch.Queue(countDuplicates, known, times)
	}
	if note && last > 0 {
		batch.Queue(noteSlot, first, last)
	}
	queueTally(&batch, t)
	batch.Queue("COMMIT")
	return fresh, b.send(ctx, conn, &batch)
}

// divide returns which of a group are fresh, when those keys were stored that are there, and how often each of the others is repeated.
func divide(group []*arrival, there map[webhook.Key]bool, t *engine.Tally) (fresh []bool, repeats map[webhook.Key]int32) {
	fresh, repeats = make([]bool, len(group)), map[webhook.Key]int32{}
	for i, a := range group {
		if !there[a.Key] {
			repeats[a.Key]++
			t.Add(a.Lane(), engine.Duplicated, 1)
			t.Minute.Duplicates++
			continue
		}
		fresh[i] = true
		delete(there, a.Key) // another of the same group is a repeat
		status := inbox.Pending
		if a.orderKey != "" {
			status = inbox.Waiting
		}
		t.Add(a.Lane(), status, 1)
		t.Minute.Accepted++
	}
	return fresh, repeats
}
