package drivertest_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook"
	"github.com/gatehouse-go/gatehouse/webhook/inbox"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/inboxtest"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/sqlite"
	moderncsqlite "modernc.org/sqlite"
)

// errInjected is what a statement fails with that was chosen to fail.
var errInjected = errors.New("injected: disk I/O error")

// faults is a SQLite driver of which one statement, counted from the first, fails.
type faults struct {
	mu     sync.Mutex
	seen   int
	failAt int // 0 lets everything succeed
	failed string
}

// next counts a statement and returns the error it fails with. A rollback always succeeds: what it undoes is undone by the
// end of its connection too.
func (f *faults) next(statement string) error {
	if statement == "ROLLBACK" {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.seen++
	if f.seen == f.failAt {
		f.failed = statement
		return errInjected
	}
	return nil
}

// connector opens connections whose statements f counts.
type connector struct {
	faults *faults
	dsn    string
}

func (c connector) Driver() driver.Driver { return &moderncsqlite.Driver{} }

func (c connector) Connect(context.Context) (driver.Conn, error) {
	conn, err := c.Driver().Open(c.dsn)
	if err != nil {
		return nil, err
	}
	return faultyConn{conn, c.faults}, nil
}

type faultyConn struct {
	driver.Conn
	faults *faults
}

func (c faultyConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	if err := c.faults.next(query); err != nil {
		return nil, err
	}
	return c.Conn.(driver.ExecerContext).ExecContext(ctx, query, args)
}

func (c faultyConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	if err := c.faults.next(query); err != nil {
		return nil, err
	}
	return c.Conn.(driver.QueryerContext).QueryContext(ctx, query, args)
}

func (c faultyConn) BeginTx(ctx context.Context, o driver.TxOptions) (driver.Tx, error) {
	if err := c.faults.next("begin"); err != nil {
		return nil, err
	}
	tx, err := c.Conn.(driver.ConnBeginTx).BeginTx(ctx, o)
	return faultyTx{tx, c.faults}, err
}

func (c faultyConn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	if err := c.faults.next("prepare " + query); err != nil {
		return nil, err
	}
	s, err := c.Conn.(driver.ConnPrepareContext).PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	return faultyStmt{s, query, c.faults}, nil
}

type faultyTx struct {
	driver.Tx
	faults *faults
}

func (t faultyTx) Commit() error {
	if err := t.faults.next("commit"); err != nil {
		return errors.Join(err, t.Rollback())
	}
	return t.Tx.Commit()
}

type faultyStmt struct {
	driver.Stmt
	query  string
	faults *faults
}

func (s faultyStmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	if err := s.faults.next(s.query); err != nil {
		return nil, err
	}
	return s.Stmt.(driver.StmtQueryContext).QueryContext(ctx, args)
}

// TestAnyOneStatementMayFail runs a busy scenario again and again, with the first, the second, the third … statement failing: each
// event that was acknowledged has its effect once, and the counters tell the truth.
func TestAnyOneStatementMayFail(t *testing.T) {
	t.Parallel()
	whole := &faults{}
	scenario(t, whole)
	if whole.seen < 50 {
		t.Fatalf("only %d statements: nothing is shown", whole.seen)
	}
	every := 1
	if testing.Short() {
		every = 10
	}
	for n := 1; n <= whole.seen; n += every {
		f := &faults{failAt: n}
		t.Run(fmt.Sprintf("statement %03d", n), func(t *testing.T) {
			t.Parallel()
			scenario(t, f)
			if t.Failed() {
				t.Logf("failed was: %s", f.failed)
			}
		})
	}
}

func scenario(t *testing.T, f *faults) {
	t.Helper()
	plain := newLedger(t, "sqlite", drivers["sqlite"](filepath.Join(t.TempDir(), "x.db")))
	var file string
	if err := plain.db.QueryRowContext(t.Context(), "SELECT file FROM pragma_database_list WHERE name = 'main'").Scan(&file); err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(connector{f, drivers["sqlite"](file)})
	defer db.Close()
	config := inbox.Config{
		Backoff: func(int) time.Duration { return time.Millisecond }, Logger: slog.New(slog.DiscardHandler), Workers: 2,
		OrderBy:    orderByProvider,
		KeepBodies: time.Hour,
	}
	box := eventually(t, "Open", func() (*sqlite.Inbox, error) { return sqlite.Open(db, config) })
	for _, err := range []error{
		box.Handle("a", "*", func(ctx context.Context, tx *sql.Tx, d *inbox.Delivery) error {
			return plain.Credit(ctx, tx, d.IdempotencyKey())
		}),
		box.HandleStaged("b", "*", func(context.Context, *inbox.Delivery) (inbox.Handler[*sql.Tx], error) { return nil, nil }),
		box.Handle("dead", "*", func(context.Context, *sql.Tx, *inbox.Delivery) error { return inbox.Permanent(errors.New("never")) }),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { // Run ends with an error when its beginning fails: a program would start it again
		defer close(done)
		for ctx.Err() == nil {
			_ = box.Run(ctx)
		}
	}()
	acknowledged := map[string]bool{}
	for _, e := range []string{"a1", "a2", "a3", "a1", "b1", "dead1", "dead2", "nobody1"} {
		event := inboxtest.Event(e[:len(e)-1], "t", e)
		eventually(t, "Accept", func() (bool, error) { return box.Accept(t.Context(), event) })
		if e[0] == 'a' {
			acknowledged[event.Key.String()] = true
		}
	}
	quiet(t, box, map[inbox.Status]int64{inbox.Done: 4, inbox.Dead: 2, inbox.Ignored: 1})
	why := inbox.Reason{By: "ann", Why: "a test"}
	eventually(t, "Pause", func() (int, error) { return 0, box.Pause(t.Context(), "b", "t", why) })
	eventually(t, "Resume", func() (int, error) { return 0, box.Resume(t.Context(), "b", "t") })
	eventually(t, "Replay", func() (int64, error) {
		return box.Replay(t.Context(), inbox.Selection{Filter: inbox.Filter{Provider: "b"}}, why)
	})
	eventually(t, "Discard", func() (int64, error) {
		return box.Discard(t.Context(), inbox.Selection{Filter: inbox.Filter{Status: inbox.Dead}}, why)
	})
	eventually(t, "List", func() (inbox.Page, error) { return box.List(t.Context(), inbox.Filter{Provider: "a"}) })
	page := eventually(t, "List", func() (inbox.Page, error) { return box.List(t.Context(), inbox.Filter{}) })
	eventually(t, "Get", func() (inbox.Delivery, error) {
		d, _, err := box.Get(t.Context(), page.Deliveries[0].ID)
		return d, err
	})
	eventually(t, "Export", func() (int, error) { return 0, box.Export(t.Context(), io.Discard, inbox.Filter{}) })
	eventually(t, "Health", func() (int, error) { return 0, box.Health(t.Context()) })
	quiet(t, box, map[inbox.Status]int64{inbox.Done: 4, inbox.Discarded: 2, inbox.Ignored: 1})
	cancel()
	<-done
	if err := box.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	credits := plain.Credits(t)
	for key := range acknowledged {
		if credits[key] != 1 {
			t.Errorf("%d effects of %s", credits[key], key)
		}
	}
	if len(credits) != 3 {
		t.Errorf("effects: %v", credits)
	}
	honest(t, plain.db)
}

func orderByProvider(e webhook.Event) string { return e.Provider }

// eventually does what a caller does about a failure: it tries again.
func eventually[T any](t *testing.T, what string, do func() (T, error)) T {
	t.Helper()
	var err error
	for range 5 {
		var v T
		if v, err = do(); err == nil {
			return v
		}
		if !errors.Is(err, errInjected) && what != "Open" {
			break
		}
	}
	t.Fatalf("%s: %v", what, err)
	panic("unreachable")
}

// quiet waits until nothing is to be done, and compares what there is.
func quiet(t *testing.T, box *sqlite.Inbox, want map[inbox.Status]int64) {
	t.Helper()
	var stats inbox.Stats
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		stats = eventually(t, "Stats", func() (inbox.Stats, error) { return box.Stats(t.Context()) })
		if stats.Total(inbox.Pending)+stats.Total(inbox.Waiting)+stats.Total(inbox.Running) == 0 {
			break
		}
	}
	for _, status := range inbox.Statuses() {
		if got := stats.Total(status); got != want[status] {
			t.Errorf("%d are %s, want %d", got, status, want[status])
		}
	}
}

// honest compares the counters with the rows.
func honest(t *testing.T, db *sql.DB) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), `SELECT c.provider, c.status, c.n, (SELECT count(*) FROM inbox_deliveries d
		WHERE d.provider = c.provider AND d.type = c.type AND d.status = c.status) AS rows FROM inbox_counters c WHERE c.status <> 'duplicated' AND c.n <> rows`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var provider, status string
		var counted, there int
		if err := rows.Scan(&provider, &status, &counted, &there); err != nil {
			t.Fatal(err)
		}
		t.Errorf("%s %s: counted %d, there are %d", provider, status, counted, there)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
}
