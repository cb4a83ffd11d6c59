package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/testwait"
	"github.com/gatehouse-go/gatehouse/webhook"
	"github.com/gatehouse-go/gatehouse/webhook/inbox"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/inboxtest"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/gatehouse-go/gatehouse/engines/postgres"
)

// chosen has one kind of statement fail before it is sent, again and again: the nth that a call makes, or those with a text in them. A batch is one
// statement, and so is taking a connection from the pool.
type chosen struct {
	mu       sync.Mutex
	nth      int
	contains []string
	whole    string // the statement that was the nth
	failed   int    // how many have
	begun    map[string]int
}

// acquire stands for taking a connection.
const acquire = "acquire"

// counted is the key of a value that the context of a call has whose statements are counted.
type counted struct{}

// nthFails has the nth statement fail that a call makes whose context has a value at counted. Zero has none fail.
func (c *chosen) nthFails(n int) { c.set(n) }

// fails has statements fail that contain any of the texts.
func (c *chosen) fails(contains ...string) { c.set(0, contains...) }

func (c *chosen) set(nth int, contains ...string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.nth, c.contains, c.whole, c.failed = nth, contains, "", 0
}

func (c *chosen) hits() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.failed
}

// seen is how many statements were begun that contain a text.
func (c *chosen) seen(text string) (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for statement, times := range c.begun {
		if strings.Contains(statement, text) {
			n += times
		}
	}
	return n
}

// what is the statement that fails.
func (c *chosen) what() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.whole
}

// next returns a context for a statement: one that has ended where it is to fail.
func (c *chosen) next(ctx context.Context, statement string) context.Context {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.begun == nil {
		c.begun = map[string]int{}
	}
	c.begun[statement]++
	fails := c.whole != "" && c.whole == statement && ctx.Value(counted{}) != nil
	for _, text := range c.contains {
		fails = fails || strings.Contains(statement, text)
	}
	if c.nth > 0 && ctx.Value(counted{}) != nil && statement != "-- ping" { // of a connection that was idle for long
		if c.nth--; c.nth == 0 {
			c.whole, fails = statement, true
		}
	}
	if !fails {
		return ctx
	}
	c.failed++
	ended, cancel := context.WithCancel(ctx)
	cancel()
	return ended
}

func (c *chosen) TraceQueryStart(ctx context.Context, _ *pgx.Conn, q pgx.TraceQueryStartData) context.Context {
	return c.next(ctx, q.SQL)
}

func (c *chosen) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

func (c *chosen) TraceBatchStart(ctx context.Context, _ *pgx.Conn, b pgx.TraceBatchStartData) context.Context {
	var all []string
	for _, q := range b.Batch.QueuedQueries {
		all = append(all, q.SQL)
	}
	return c.next(ctx, strings.Join(all, "; "))
}

func (c *chosen) TraceBatchQuery(context.Context, *pgx.Conn, pgx.TraceBatchQueryData) {}

func (c *chosen) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData) {}

func (c *chosen) TraceAcquireStart(ctx context.Context, _ *pgxpool.Pool, _ pgxpool.TraceAcquireStartData) context.Context {
	return c.next(ctx, acquire)
}

func (c *chosen) TraceAcquireEnd(context.Context, *pgxpool.Pool, pgxpool.TraceAcquireEndData) {}

// failing returns l over connections whose statements c has fail.
func (l *ledger) failing(t *testing.T, c *chosen) *ledger {
	t.Helper()
	settings, err := pgxpool.ParseConfig(l.dsn)
	if err != nil {
		t.Fatal(err)
	}
	settings.ConnConfig.Tracer = c
	return &ledger{connectTo(t, settings), l.dsn, l.schema}
}

var why = inbox.Reason{By: "ann", Why: "a test"}

// only returns an error if something is so.
func only(is bool, what string) error {
	if is {
		return errors.New(what)
	}
	return nil
}

// A call fails when any of its statements does, and the next one succeeds: nothing is left half.
func TestACallFailsWithAnyOfItsStatements(t *testing.T) {
	for _, row := range []struct {
		name string
		call func(ctx context.Context, box *postgres.Inbox) error
	}{
		{"List", func(ctx context.Context, box *postgres.Inbox) error {
			page, err := box.List(ctx, inbox.Filter{Provider: "p", EventID: "f*", From: time.Now().Add(-time.Hour), To: time.Now().Add(time.Hour)})
			return errors.Join(err, only(err == nil && len(page.Deliveries) != 1, "it is not found"))
		}},
		{"List of a provider", func(ctx context.Context, box *postgres.Inbox) error {
			page, err := box.List(ctx, inbox.Filter{Provider: "p"})
			return errors.Join(err, only(err == nil && len(page.Deliveries) != 4, "they are not found"))
		}},
		{"Get", func(ctx context.Context, box *postgres.Inbox) error {
			d, history, err := box.Get(ctx, 2)
			return errors.Join(err, only(err == nil && (d.Event.ID != "second" || len(history) != 1), "it is another"))
		}},
		{"Stats", func(ctx context.Context, box *postgres.Inbox) error {
			stats, err := box.Stats(ctx)
			return errors.Join(err, only(err == nil && (stats.Total(inbox.Pending) != 2 || len(stats.Paused) != 1), "it is counted wrongly"))
		}},
		{"Activity", func(ctx context.Context, box *postgres.Inbox) error {
			minutes, err := box.Activity(ctx, time.Now().Add(-time.Hour))
			return errors.Join(err, only(err == nil && len(minutes) == 0, "nothing happened"))
		}},
		{"Export", func(ctx context.Context, box *postgres.Inbox) error {
			return box.Export(ctx, io.Discard, inbox.Filter{From: time.Now().Add(-time.Hour)})
		}},
		{"Health", func(ctx context.Context, box *postgres.Inbox) error {
			err := box.Health(ctx)
			return errors.Join(err, only(err != nil && !errors.Is(err, webhook.ErrUnavailable), "it is not said to be unavailable"))
		}},
		{"Pause, which looks at everything", func(ctx context.Context, box *postgres.Inbox) error { return box.Pause(ctx, "p", "other", why) }},
		{"Resume", func(ctx context.Context, box *postgres.Inbox) error { return box.Resume(ctx, "p", "paused") }},
		{"Discard of the first of an order key", func(ctx context.Context, box *postgres.Inbox) error {
			n, err := box.Discard(ctx, inbox.Selection{IDs: []int64{3}}, why)
			return errors.Join(err, only(err == nil && n != 1, "it is not discarded"))
		}},
		{"Replay", func(ctx context.Context, box *postgres.Inbox) error {
			n, err := box.Replay(ctx, inbox.Selection{IDs: []int64{2}}, why)
			return errors.Join(err, only(err == nil && n != 1, "it is not replayed"))
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			c := &chosen{}
			box := newLedger(t).failing(t, c).open(t, inbox.Config{OrderBy: func(e webhook.Event) string {
				key, _, _ := strings.Cut(e.ID, " ")
				return map[bool]string{true: key}[key == "order"]
			}})
			defer box.Close()
			for _, id := range []string{"first", "second", "order a", "order b"} {
				if _, err := box.Accept(t.Context(), inboxtest.Event("p", "t", id)); err != nil {
					t.Fatal(err)
				}
			}
			_, err := box.Discard(t.Context(), inbox.Selection{IDs: []int64{2}}, why)
			if err := errors.Join(err, box.Pause(t.Context(), "p", "paused", why)); err != nil {
				t.Fatal(err)
			}
			ctx := context.WithValue(t.Context(), counted{}, true)
			for n := 1; ; n++ {
				c.nthFails(n)
				err := row.call(ctx, box)
				if c.what() == "" {
					if err != nil || n == 1 {
						t.Errorf("none of %d statements fails: %v", n, err)
					}
					break
				}
				if !errors.Is(err, context.Canceled) {
					t.Errorf("statement %d fails, and the call with %v: %s", n, err, c.what())
				}
			}
			c.fails()
			inboxtest.Honest(t, box)
		})
	}
}

// Open fails with any of its statements, gives its connection back, and leaves a database over which it succeeds.
func TestOpenFailsWithAnyOfItsStatements(t *testing.T) {
	c := &chosen{}
	plain := newLedger(t)
	l := plain.failing(t, c)
	ctx := context.WithValue(t.Context(), counted{}, true)
	for n := 1; ; n++ {
		c.nthFails(n)
		box, err := postgres.Open(ctx, l.pool, inbox.Config{})
		if c.what() == "" {
			if err != nil {
				t.Fatalf("none of %d statements fails: %v", n, err)
			}
			if err := box.Close(); err != nil {
				t.Error(err)
			}
			if n < 5 {
				t.Errorf("only %d statements: the tables were there", n)
			}
			return
		}
		if !errors.Is(err, context.Canceled) || box != nil {
			t.Errorf("statement %d fails, and Open with %v: %s", n, err, c.what())
		}
		testwait.Until(t, "the connection that is given back", func() bool { return l.pool.Stat().AcquiredConns() == 0 })
	}
}

// While it cannot store, Accept says so, and no broken connection is used again. That a repeat cannot be counted is no error of it.
func TestAcceptWhenAStatementFails(t *testing.T) {
	c := &chosen{}
	l := newLedger(t)
	box := l.failing(t, c).open(t, inbox.Config{Logger: slog.New(slog.DiscardHandler)})
	defer box.Close()
	const insert, repeat = "INSERT INTO inbox_deliveries", "SET duplicates = duplicates"
	for n, row := range []struct {
		name  string
		fails []string
	}{
		{"none", nil},
		{"to store it", []string{insert}},
		{"to take another connection then", []string{insert, acquire}},
	} {
		c.fails(row.fails...)
		event := inboxtest.Event("p", "t", fmt.Sprint(n))
		fresh, err := box.Accept(t.Context(), event)
		if n > 0 && (fresh || !errors.Is(err, webhook.ErrUnavailable) || !errors.Is(err, context.Canceled)) {
			t.Errorf("%s: fresh %v, %v", row.name, fresh, err)
		}
		if (c.hits() > 0) != (n > 0) {
			t.Errorf("%s: %d statements have failed", row.name, c.hits())
		}
		c.fails()
		if again, err := box.Accept(t.Context(), event); err != nil || again == fresh {
			t.Errorf("%s: then, fresh %v, %v", row.name, again, err)
		}
	}
	c.fails(repeat)
	for range 2 { // the second has another connection
		if fresh, err := box.Accept(t.Context(), inboxtest.Event("p", "t", "0")); fresh || err != nil {
			t.Errorf("a repeat: fresh %v, %v", fresh, err)
		}
	}
	if c.hits() == 0 {
		t.Error("no count has failed")
	}
	c.fails()
	inboxtest.Honest(t, box)
}

// An event whose sender has gone is not stored: it is sent again.
func TestAnEventWhoseSenderHasGoneIsNotStored(t *testing.T) {
	l := newLedger(t)
	box := l.open(t, inbox.Config{})
	defer box.Close()
	unlock := l.lock(t)
	var wait sync.WaitGroup
	defer testwait.End(t, "what was offered", wait.Wait)
	defer unlock()
	accept := func(ctx context.Context, id string, want error) {
		wait.Go(func() {
			if _, err := box.Accept(ctx, inboxtest.Event("p", "t", id)); !errors.Is(err, want) {
				t.Errorf("%s: %v", id, err)
			}
		})
	}
	accept(t.Context(), "stays", nil)
	l.until(t, "a writer that waits for the lock", "SELECT EXISTS (SELECT FROM pg_locks WHERE relation = 'inbox_deliveries'::regclass AND NOT granted)")
	gone, leave := context.WithCancel(t.Context())
	accept(gone, "goes", context.Canceled)
	queued := func(n int) {
		testwait.Until(t, fmt.Sprint("a line of ", n), func() bool {
			stats, err := box.Stats(t.Context())
			return err == nil && stats.Queued == n
		})
	}
	queued(1)
	leave()
	unlock()
	testwait.All(t, "the end of what was offered", &wait)
	queued(0)
	fresh, err := box.Accept(t.Context(), inboxtest.Event("p", "t", "goes"))
	if !fresh || err != nil {
		t.Errorf("again: fresh %v, %v", fresh, err)
	}
	inboxtest.Honest(t, box)
}

// noted calls f at each record with a message.
type noted struct {
	slog.Handler
	message string
	f       func()
}

func (n noted) Enabled(context.Context, slog.Level) bool { return true }

func (n noted) Handle(_ context.Context, r slog.Record) error {
	if r.Message == n.message {
		n.f()
	}
	return nil
}

// oneByOne is for statements that fail with the first of the texts in them: at each record with a message it has those fail with the next, and none
// after the last, when over is closed.
func (c *chosen) oneByOne(message string, texts ...string) (log *slog.Logger, over <-chan struct{}) {
	records, end := 0, make(chan struct{})
	var mu sync.Mutex
	return slog.New(noted{slog.DiscardHandler, message, func() {
		mu.Lock()
		defer mu.Unlock()
		switch records++; {
		case records < len(texts):
			c.fails(texts[records])
		case records == len(texts):
			c.fails()
			close(end)
		}
	}}), end
}

// What keeps an attempt from its effect is a failed attempt, of which the next one has the effect once.
func TestAnAttemptFailsWithAnyOfItsStatements(t *testing.T) {
	c := &chosen{}
	l := newLedger(t)
	var failures sync.Map // by event
	box := l.failing(t, c).open(t, inbox.Config{
		Backoff: func(int) time.Duration { return time.Millisecond }, OrderBy: func(webhook.Event) string { return "order" },
		Logger: slog.New(noted{slog.DiscardHandler, "inbox delivery failed", func() { c.fails() }}),
		Observe: func(o inbox.Observation) {
			if o.Kind == inbox.ObserveFailed {
				failures.Store(o.Type, o.Err)
			}
		},
	})
	defer box.Close()
	rows := []struct{ typ, fails string }{
		{"acquire", acquire},
		{"begin", "begin"},
		{"lock", "pg_advisory_xact_lock($1, h)"},
		{"mark", "ended_at = clock_timestamp()"},
		{"promote", "heads AS MATERIALIZED"},
		{"commit", "commit"},
	}
	for _, row := range rows {
		if err := box.HandleStaged("p", row.typ, func(_ context.Context, d *inbox.Delivery) (inbox.Handler[pgx.Tx], error) {
			if d.Attempts == 1 {
				c.fails(row.fails)
			}
			return func(ctx context.Context, tx pgx.Tx, d *inbox.Delivery) error { return l.Credit(ctx, tx, d.Event.ID) }, nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	inboxtest.Start(t, box)
	for _, row := range rows {
		if _, err := box.Accept(t.Context(), inboxtest.Event("p", row.typ, row.typ)); err != nil {
			t.Fatal(err)
		}
		inboxtest.Quiet(t, box)
		if err, _ := failures.Load(row.typ); err == nil || !errors.Is(err.(error), context.Canceled) {
			t.Errorf("%s: the attempt failed with %v", row.typ, err)
		}
		if n := l.Credits(t)[row.typ]; n != 1 {
			t.Errorf("%s: %d effects", row.typ, n)
		}
	}
	inboxtest.Honest(t, box)
}

// Run goes on whatever of its own statements fails, tells the log, and does what it could not do.
func TestRunGoesOnWhenAStatementFails(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name, message string
		texts         []string
		prepare       func(t *testing.T, l *ledger)
	}{
		{"of its session", "inbox has no session", []string{acquire, "pg_try_advisory_lock(", "LISTEN"}, nil},
		{"of its look", "inbox cannot be read", []string{
			"set_config('synchronous_commit'", "FROM pg_locks", "UPDATE inbox_deliveries SET status = $1, due_at", "status = 'pending' AND n > 0", "FROM inbox_paused", "LATERAL",
		}, nil},
		{"of a claim", "inbox cannot claim deliveries", []string{"SET status = 'running'"}, nil},
		{"of following the clock", "inbox cannot be read", []string{"FROM inbox_clock FOR UPDATE", "SET due_at = due_at", "UPDATE inbox_clock SET seen = clock_timestamp()"}, func(t *testing.T, l *ledger) {
			t.Helper()
			l.exec(t, "UPDATE inbox_clock SET seen = now() + interval '1 hour'")
			l.exec(t, "UPDATE inbox_deliveries SET due_at = now() + interval '1 hour'")
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			c := &chosen{}
			plain := newLedger(t)
			log, over := c.oneByOne(row.message, row.texts...)
			box := plain.failing(t, c).open(t, inbox.Config{Logger: log, OrderBy: func(e webhook.Event) string { return e.Provider }})
			t.Cleanup(func() { inboxtest.Close(t, box) })
			if err := box.Handle("p", "t", func(ctx context.Context, tx pgx.Tx, d *inbox.Delivery) error {
				return plain.Credit(ctx, tx, d.IdempotencyKey())
			}); err != nil {
				t.Fatal(err)
			}
			ids := []string{"1", "2"}
			for _, id := range ids {
				if _, err := box.Accept(t.Context(), inboxtest.Event("p", "t", id)); err != nil {
					t.Fatal(err)
				}
			}
			if row.prepare != nil {
				row.prepare(t, plain)
			} else { // a process died with the first
				plain.exec(t, "UPDATE inbox_deliveries SET status = 'running', attempts = 1, tries = 1, owner = -1 WHERE id = 1")
				plain.exec(t, "INSERT INTO inbox_counter_changes VALUES ('p', 't', 'pending', -1), ('p', 't', 'running', 1)")
			}
			c.fails(row.texts[0])
			inboxtest.Start(t, box)
			testwait.For(t, "the last of the faults", over)
			inboxtest.Quiet(t, box)
			inboxtest.Once(t, plain, ids)
			inboxtest.Honest(t, box)
		})
	}
}

// What cannot be removed stays whole, and the next Run removes it.
func TestRetentionWhenAStatementFails(t *testing.T) {
	for _, text := range []string{"SET meta = NULL", "DELETE FROM inbox_deliveries", "DELETE FROM inbox_attempts", "DELETE FROM inbox_minutes", "inbox_counter_changes"} {
		c := &chosen{}
		log, over := c.oneByOne("inbox cannot remove what is past its time", text)
		l := newLedger(t).failing(t, c)
		box := l.open(t, inbox.Config{Logger: log, KeepBodies: time.Hour, KeepKeys: time.Hour})
		if _, err := box.Accept(t.Context(), inboxtest.Event("p", "t", "1")); err != nil {
			t.Fatal(err)
		}
		n, err := box.Discard(t.Context(), inbox.Selection{IDs: []int64{1}}, why)
		if n != 1 || err != nil {
			t.Fatalf("%d discarded, %v", n, err)
		}
		l.exec(t, "UPDATE inbox_deliveries SET ended_at = ended_at - interval '2 hours'")
		if text == "DELETE FROM inbox_minutes" { // which comes when all else is done
			l.exec(t, "UPDATE inbox_deliveries SET ended_at = now()")
		}
		c.fails(text)
		stop := inboxtest.Start(t, box)
		testwait.For(t, "a step that fails", over)
		d, history, err := box.Get(t.Context(), 1)
		if err != nil || d.Purged || len(history) != 1 {
			t.Errorf("%s: %+v, %v, %v", text, d, history, err)
		}
		stop()
		inboxtest.Honest(t, box)
		l.exec(t, "UPDATE inbox_deliveries SET ended_at = ended_at - interval '2 hours'")
		stop = inboxtest.Start(t, box)
		testwait.Until(t, "the removal", func() bool {
			page, err := box.List(t.Context(), inbox.Filter{})
			return err == nil && len(page.Deliveries) == 0
		})
		stop()
		inboxtest.Honest(t, box)
		inboxtest.Close(t, box)
	}
}

// Changes of the counters that could not be added up are added up later, by one process at a time.
func TestCountersAndNewsWhenAStatementFails(t *testing.T) {
	c := &chosen{}
	plain := newLedger(t)
	box := plain.failing(t, c).open(t, inbox.Config{Logger: slog.New(slog.DiscardHandler)})
	defer box.Close()
	accept := func(id string) {
		t.Helper()
		if _, err := box.Accept(t.Context(), inboxtest.Event("p", "t", id)); err != nil {
			t.Fatal(err)
		}
	}
	hit := func() bool { return c.hits() > 0 }
	const added = "SELECT NOT EXISTS (SELECT FROM inbox_counter_changes)"
	c.fails("pg_notify")
	accept("1") // which others are not told of
	testwait.Until(t, "news that fail", hit)
	c.fails("DELETE FROM inbox_counter_changes")
	accept("2")
	testwait.Until(t, "a sum that fails", hit)
	inboxtest.Honest(t, box)
	c.fails()
	plain.until(t, "the sum", added)
	inboxtest.Honest(t, box)

	const try = "pg_try_advisory_xact_lock"
	tx, err := plain.pool.Begin(t.Context()) // another process adds up
	if err != nil {
		t.Fatal(err)
	}
	testwait.Until(t, "the other process's turn", func() (mine bool) {
		return tx.QueryRow(t.Context(), "SELECT pg_try_advisory_xact_lock($1, 1)", postgres.LockSchema).Scan(&mine) == nil && mine
	})
	accept("3")
	before := c.seen(try)
	testwait.Until(t, "two tries", func() bool { return c.seen(try) >= before+2 }) // the first of them has ended then
	var there bool
	if err := plain.pool.QueryRow(t.Context(), added).Scan(&there); err != nil || there {
		t.Errorf("two add up at once: %v, %v", there, err)
	}
	inboxtest.Honest(t, box)
	if err := tx.Rollback(t.Context()); err != nil {
		t.Error(err)
	}
	plain.until(t, "the sum", added)
	inboxtest.Honest(t, box)
}

// A run whose number is taken, such as by its own session that the server has not yet noticed to be gone, takes another.
func TestASessionWhoseNumberIsTaken(t *testing.T) {
	l := newLedger(t)
	name := l.schema + "_session"
	box := ledgerAt(t, shared, l.schema, "application_name="+name).crediting(t, slog.DiscardHandler)
	held := "SELECT l.pid, l.objid::bigint FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE l.locktype = 'advisory' AND l.classid::bigint = $1 AND l.granted AND application_name = $2"
	var pid int
	var number, next int64
	testwait.Until(t, "a session", func() bool {
		return l.pool.QueryRow(t.Context(), held, int64(postgres.LockOwner), name).Scan(&pid, &number) == nil
	})
	other, err := l.pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer other.Release()
	taken := make(chan error, 1)
	go func() {
		_, err := other.Exec(t.Context(), "SELECT pg_advisory_lock($1, $2)", postgres.LockOwner, int32(number))
		taken <- err
	}()
	l.until(t, "another who waits for the number", fmt.Sprint("SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND objid::bigint = ", number, " AND NOT granted)"))
	l.exec(t, "SELECT pg_terminate_backend($1)", pid)
	if err := testwait.For(t, "the number", taken); err != nil {
		t.Fatal(err)
	}
	testwait.Until(t, "another session", func() bool {
		return l.pool.QueryRow(t.Context(), held, int64(postgres.LockOwner), name).Scan(&pid, &next) == nil
	})
	if next == number {
		t.Errorf("two have the number %d", number)
	}
	if _, err := box.Accept(t.Context(), inboxtest.Event("p", "t", "1")); err != nil {
		t.Fatal(err)
	}
	inboxtest.Quiet(t, box)
	inboxtest.Once(t, l, []string{"1"})
	if _, err := other.Exec(t.Context(), "SELECT pg_advisory_unlock_all()"); err != nil {
		t.Error(err)
	}
}
