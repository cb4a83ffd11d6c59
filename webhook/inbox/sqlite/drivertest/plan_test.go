package drivertest_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook/inbox"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/inboxtest"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/sqlite"
)

// A recorder opens connections that note the queries which are asked outside of a statement.
type recorder struct {
	driver driver.Driver
	dsn    string

	mu      sync.Mutex
	queries []asked
}

type asked struct {
	query string
	args  []any
}

func (r *recorder) Driver() driver.Driver { return r.driver }

func (r *recorder) Connect(context.Context) (driver.Conn, error) {
	c, err := r.driver.Open(r.dsn)
	if err != nil {
		return nil, err
	}
	return &recording{c, r}, nil
}

// recording is a connection of a recorder.
type recording struct {
	driver.Conn
	*recorder
}

func (c *recording) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	one := asked{query: query}
	for _, a := range args {
		one.args = append(one.args, a.Value)
	}
	c.mu.Lock()
	c.queries = append(c.queries, one)
	c.mu.Unlock()
	return c.Conn.(driver.QueryerContext).QueryContext(ctx, query, args)
}

func (c *recording) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	return c.Conn.(driver.ExecerContext).ExecContext(ctx, query, args)
}

func (c *recording) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	return c.Conn.(driver.ConnPrepareContext).PrepareContext(ctx, query)
}

func (c *recording) BeginTx(ctx context.Context, o driver.TxOptions) (driver.Tx, error) {
	return c.Conn.(driver.ConnBeginTx).BeginTx(ctx, o)
}

// Each list is led by an index, and by the one that finds the fewest rows: a page of a large ledger costs what a page of a small one does.
func TestListsAreLedByAnIndex(t *testing.T) {
	plainDB := openDB(t, "sqlite", ":memory:")
	dsn := drivers["sqlite"](filepath.Join(t.TempDir(), "x.db"))
	r := &recorder{driver: plainDB.Driver(), dsn: dsn}
	db := sql.OpenDB(r)
	t.Cleanup(func() { _ = db.Close() })
	box, err := sqlite.Open(db, inbox.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = box.Close() })
	for i := range 12 {
		if _, err := box.Accept(t.Context(), inboxtest.Event("p", fmt.Sprint("t", i%3), fmt.Sprint("evt_", i))); err != nil {
			t.Fatal(err)
		}
	}
	for _, row := range []struct {
		name string
		f    inbox.Filter
		want string // in each plan
	}{
		{"everything", inbox.Filter{}, "SCAN inbox_deliveries"}, // backwards, and it stops at the page's end
		{"the next page", inbox.Filter{Before: 5}, "USING INTEGER PRIMARY KEY (rowid<?)"},
		{"a provider", inbox.Filter{Provider: "p"}, "USING INDEX inbox_deliveries_type (provider=? AND type=?)"},
		{"the next page of a provider", inbox.Filter{Provider: "p", Before: 9}, "USING INDEX inbox_deliveries_type (provider=? AND type=? AND id<?)"},
		{"a type of any provider", inbox.Filter{Type: "t1"}, "USING INDEX inbox_deliveries_type (provider=? AND type=?)"},
		{"a provider and a type", inbox.Filter{Provider: "p", Type: "t1"}, "USING INDEX inbox_deliveries_type (provider=? AND type=?)"},
		{"what is done of a type", inbox.Filter{Provider: "p", Type: "t1", Status: inbox.Done}, "USING INDEX inbox_deliveries_type (provider=? AND type=?)"},
		{"dead letters", inbox.Filter{Status: inbox.Dead}, "USING INDEX inbox_deliveries_status (status=?)"},
		{"the next page of dead letters", inbox.Filter{Status: inbox.Dead, Before: 9}, "USING INDEX inbox_deliveries_status (status=? AND id<?)"},
		{"dead letters of a type", inbox.Filter{Provider: "p", Type: "t1", Status: inbox.Dead}, "USING INDEX inbox_deliveries_status (status=?)"},
		{"what runs, in a time", inbox.Filter{Status: inbox.Running, From: time.Now().Add(-time.Hour), To: time.Now()}, "USING INDEX inbox_deliveries_status (status=? AND id>? AND id<?)"},
		{"a time", inbox.Filter{From: time.Now().Add(-time.Hour), To: time.Now()}, "USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"},
		{"a time of a type", inbox.Filter{Type: "t1", To: time.Now()}, "USING INDEX inbox_deliveries_type (provider=? AND type=? AND id>? AND id<?)"},
		{"an id", inbox.Filter{EventID: "evt_1"}, "USING INDEX inbox_deliveries_event (event_id=?)"},
		{"the beginning of an id", inbox.Filter{EventID: "evt_*"}, "USING INDEX inbox_deliveries_event (event_id>? AND event_id<?)"},
		{"the beginning of an id of a type", inbox.Filter{EventID: "evt_*", Provider: "p", Type: "t1"}, "USING INDEX inbox_deliveries_event (event_id>? AND event_id<?)"},
	} {
		r.mu.Lock()
		r.queries = nil
		r.mu.Unlock()
		if _, err := box.List(t.Context(), row.f); err != nil {
			t.Errorf("%s: %v", row.name, err)
		}
		r.mu.Lock()
		queries := r.queries
		r.mu.Unlock()
		lists := 0
		for _, q := range queries {
			if !strings.HasPrefix(q.query, "SELECT id,") {
				continue
			}
			lists++
			if plan := explain(t, db, q); !strings.Contains(plan, row.want) || strings.Contains(plan, "TEMP B-TREE") && row.f.EventID == "" {
				t.Errorf("%s: %s\n%s", row.name, q.query, plan)
			}
		}
		if lists == 0 {
			t.Errorf("%s: no query was seen", row.name)
		}
	}
}

func explain(t *testing.T, db *sql.DB, q asked) (plan string) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+q.query, q.args...)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var id, parent, other int
		var detail string
		if err := rows.Scan(&id, &parent, &other, &detail); err != nil {
			t.Fatal(err)
		}
		plan += detail + "\n"
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return plan
}

// An id's beginning that fits most of the ledger is looked for in the order of the list, not sorted.
func TestABeginningThatFitsMuchIsNotSorted(t *testing.T) {
	l := newLedger(t, "sqlite", drivers["sqlite"](filepath.Join(t.TempDir(), "x.db")))
	box := l.Open(t, inbox.Config{})
	defer box.Close()
	if _, err := box.Accept(t.Context(), inboxtest.Event("p", "t", "other")); err != nil {
		t.Fatal(err)
	}
	if _, err := l.db.ExecContext(t.Context(), `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 20100)
		INSERT INTO inbox_deliveries (key, provider, type, event_id, order_key, status, accepted_at, due_at, meta, body)
		SELECT randomblob(32), CASE WHEN i = 7 THEN 'q' ELSE 'p' END, 't', printf('evt_%05d', i), '', 'done', i, i, '{}', x'' FROM n;
		INSERT INTO inbox_counters (provider, type, status, n) VALUES ('q', 't', 'done', 1)`); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		f    inbox.Filter
		want string
		n    int
	}{
		{inbox.Filter{EventID: "evt_*"}, "evt_20100", 50},
		{inbox.Filter{EventID: "evt_00*"}, "evt_00999", 50},
		{inbox.Filter{EventID: "evt_*", Provider: "q"}, "evt_00007", 1},
		{inbox.Filter{EventID: "evt_*", Provider: "p", Status: inbox.Done}, "evt_20100", 50},
		{inbox.Filter{EventID: "evt_*", Status: inbox.Pending}, "", 0},
		{inbox.Filter{EventID: "other"}, "other", 1},
	} {
		page, err := box.List(t.Context(), row.f)
		if err != nil || len(page.Deliveries) != row.n || row.n > 0 && page.Deliveries[0].Event.ID != row.want {
			t.Errorf("%+v: %d found, %v", row.f, len(page.Deliveries), err)
		}
	}
}
