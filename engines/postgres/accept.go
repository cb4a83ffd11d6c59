package postgres

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook"
	"github.com/gatehouse-go/gatehouse/webhook/inbox"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/engine"
	"github.com/jackc/pgx/v5"
)

// insertDeliveries stores events unless their keys are there, counts them, and notes their slot where $8 says so. It does nothing where
// they must note it and $8 does not say so. Those with an order key wait at first.
const insertDeliveries = `WITH slot AS MATERIALIZED (SELECT coalesce(max(slot), -1) = ` + slotNow + ` AS newest FROM inbox_slots),
	fresh AS (
		INSERT INTO inbox_deliveries (key, provider, type, event_id, order_key, status, accepted_at, due_at, meta, body)
		SELECT key, provider, type, event_id, order_key, CASE WHEN order_key = '' THEN 'pending' ELSE 'waiting' END, now(), now(), meta, body
		FROM unnest($1::bytea[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bytea[], $7::bytea[]) AS e (key, provider, type, event_id, order_key, meta, body)
		WHERE $8 OR (SELECT newest FROM slot)
		ON CONFLICT (key) DO NOTHING RETURNING key, id, provider, type, status),
	counted AS (INSERT INTO inbox_counter_changes SELECT provider, type, status, count(*) FROM fresh GROUP BY provider, type, status),
	minuted AS (INSERT INTO inbox_minute_changes SELECT floor(extract(epoch FROM now()) / 60), count(*), 0, 0, 0, 0 FROM fresh HAVING count(*) > 0),
	noted AS (INSERT INTO inbox_slots SELECT ` + slotNow + `, min(id), max(id) FROM fresh WHERE $8 HAVING count(*) > 0
		ON CONFLICT (slot) DO UPDATE SET first = least(inbox_slots.first, excluded.first), last = greatest(inbox_slots.last, excluded.last))
	SELECT $8 OR newest, ARRAY(SELECT key FROM fresh) FROM slot`

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

// commit stores a group in one transaction on the writer's connection, and counts the repeats in another. A connection on which anything
// failed is given up.
func (b *Inbox) commit(ctx context.Context, group []*arrival) (fresh []bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	var there map[webhook.Key]bool
	for range tries {
		if err = b.connect(ctx); err != nil {
			return nil, err
		}
		var ok bool
		there, ok, err = b.insert(ctx, b.writer.Conn(), group, false)
		if err == nil && !ok {
			there, _, err = b.insert(ctx, b.writer.Conn(), group, true)
		}
		if err == nil {
			break
		}
		b.disconnect(ctx)
		if !again(err) {
			return nil, err
		}
	}
	if err != nil {
		return nil, err
	}
	fresh, repeats := make([]bool, len(group)), []*arrival(nil)
	for i, a := range group {
		if fresh[i] = there[a.Key]; !fresh[i] {
			repeats = append(repeats, a)
		}
		delete(there, a.Key) // another of the same group is a repeat
	}
	b.changed.Store(true)
	b.repeated(ctx, repeats)
	return fresh, nil
}

// idle is after how long a connection of which nothing was heard may be dead.
const idle = time.Second

// connect has the writer have a connection that is not known to be dead.
func (b *Inbox) connect(ctx context.Context) (err error) {
	if b.writer != nil && time.Since(b.written) > idle && b.writer.Ping(ctx) != nil {
		b.disconnect(ctx)
	}
	if b.writer == nil {
		b.writer, err = b.pool.Acquire(ctx)
	}
	b.written = time.Now()
	return err
}

// disconnect ends the writer's connection, and the transaction that may be under way.
func (b *Inbox) disconnect(ctx context.Context) {
	_ = b.writer.Conn().Close(context.WithoutCancel(ctx)) // it is of no use any more
	b.writer.Release()
	b.writer = nil
}

// insert stores a group in one transaction and one trip to the server, with its slot where note is true. It returns the keys that were not
// there before, or ok as false and has done nothing, where the slot must be noted.
func (b *Inbox) insert(ctx context.Context, conn *pgx.Conn, group []*arrival, note bool) (there map[webhook.Key]bool, ok bool, err error) {
	if !slices.ContainsFunc(group, func(a *arrival) bool { return a.orderKey != "" }) {
		// In the order of their keys: two groups with the same ones then wait for each other one way only. Where the order of arrival counts, the
		// locks of the order keys see to most of that, and a deadlock is tried again.
		slices.SortFunc(group, func(a, b *arrival) int { return bytes.Compare(a.Key[:], b.Key[:]) })
	}
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
	var batch pgx.Batch
	batch.Queue("BEGIN")
	batch.Queue(limitIdle)
	if note {
		batch.Queue(lockSlotsWhole, lockSchema)
	} else {
		batch.Queue(lockSlots, lockSchema)
	}
	if len(ordered) > 0 {
		batch.Queue(lockOrderKeys, lockOrder, ordered)
	}
	there = make(map[webhook.Key]bool, n)
	batch.Queue(insertDeliveries, keys, providers, types, ids, orders, metas, bodies, note).QueryRow(func(row pgx.Row) error {
		var fresh [][]byte
		err := row.Scan(&ok, &fresh)
		for _, key := range fresh {
			there[webhook.Key(key)] = true
		}
		return err
	})
	if len(ordered) > 0 {
		batch.Queue(promoteHeads, ordered)
	}
	batch.Queue("COMMIT")
	err = conn.SendBatch(ctx, &batch).Close() // which sets the others
	return there, ok, err
}

// repeated counts repeats, apart from the transaction that stored their neighbours: when it fails, a count is missing and no event.
func (b *Inbox) repeated(ctx context.Context, repeats []*arrival) {
	if len(repeats) == 0 {
		return
	}
	times, t := map[webhook.Key]int32{}, engine.NewTally()
	for _, a := range repeats {
		times[a.Key]++
		t.Add(a.Lane(), engine.Duplicated, 1)
		t.Minute.Duplicates++
	}
	var keys [][]byte
	var ns []int32
	for key, n := range times {
		keys, ns = append(keys, key[:]), append(ns, n)
	}
	var batch pgx.Batch // which is one transaction
	batch.Queue(countDuplicates, keys, ns)
	queueTally(&batch, t)
	if err := b.writer.SendBatch(ctx, &batch).Close(); err != nil {
		b.config.Logger.WarnContext(ctx, "inbox cannot count repeats", "error", err)
		b.disconnect(ctx)
	}
}
