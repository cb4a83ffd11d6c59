package drivertest_test

import (
	"context"
	"crypto/rand"
	"database/sql"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gatehouse-go/gatehouse/internal/testwait"
	"github.com/gatehouse-go/gatehouse/webhook/inbox"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/inboxtest"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/sqlite"
)

func TestOpenRefuses(t *testing.T) {
	for _, row := range []struct {
		name, options string
		config        inbox.Config
		conns         int
		prepare       string
		want          string
	}{
		{name: "a journal that is not WAL", options: "?_pragma=journal_mode(DELETE)", want: "PRAGMA journal_mode = delete must be wal"},
		{name: "a journal in memory, of a database in a file", options: "?_pragma=journal_mode(MEMORY)", want: "PRAGMA journal_mode = memory must be wal"},
		{name: "no journal", options: "?_pragma=journal_mode(OFF)", want: "PRAGMA journal_mode = off must be wal"},
		{name: "a database that is read only", options: "?mode=ro&_pragma=journal_mode(WAL)", want: "unable to open"},
		{name: "commits that are not synced", options: "?_pragma=journal_mode(WAL)&_pragma=synchronous(NORMAL)", want: "PRAGMA synchronous = 1 must be FULL"},
		{name: "two connections", options: "?_pragma=journal_mode(WAL)", conns: 2, want: "sqlite inbox: db.SetMaxOpenConns = 2 must be 0 or at least 3"},
		{name: "a configuration with mistakes", options: "?_pragma=journal_mode(WAL)", conns: 1, config: inbox.Config{Workers: -1}, want: "inbox: Workers = -1 must not be negative\nsqlite inbox: db.SetMaxOpenConns = 1"},
		{name: "a ledger of a newer version", options: "?_pragma=journal_mode(WAL)", prepare: "CREATE TABLE inbox_schema (version INTEGER NOT NULL); INSERT INTO inbox_schema VALUES (99)", want: "version 99, and this code knows 5"},
		{name: "a table of that name that is not ours", options: "?_pragma=journal_mode(WAL)", prepare: "CREATE TABLE inbox_schema (other TEXT)", want: "no such column"},
		{name: "tables of those names that are not ours", options: "?_pragma=journal_mode(WAL)", prepare: "CREATE TABLE inbox_deliveries (other TEXT)", want: "to version 1"},
		{name: "a folder that is not there", options: "/absent/x?_pragma=journal_mode(WAL)", want: "unable to open"},
	} {
		t.Run(row.name, func(t *testing.T) {
			db := openDB(t, "sqlite", "file:"+filepath.Join(t.TempDir(), "x.db")+row.options)
			db.SetMaxOpenConns(row.conns)
			if row.prepare != "" {
				if _, err := db.ExecContext(t.Context(), row.prepare); err != nil {
					t.Fatal(err)
				}
			}
			box, err := sqlite.Open(db, row.config)
			if err == nil || !strings.Contains(err.Error(), row.want) {
				t.Errorf("got %v", err)
			}
			if box != nil {
				t.Error("an Inbox beside the error")
			}
			if n := db.Stats().InUse; n != 0 {
				t.Errorf("%d connections are not given back", n)
			}
		})
	}
	if _, err := sqlite.Open(nil, inbox.Config{}); err == nil || !strings.Contains(err.Error(), "db must not be nil") {
		t.Errorf("no database: %v", err)
	}
}

func TestOpenTwiceKeepsTheLedger(t *testing.T) {
	l := newLedger(t, "sqlite", drivers["sqlite"](filepath.Join(t.TempDir(), "x.db")))
	for i := range 3 {
		box := l.Open(t, inbox.Config{})
		if fresh, err := box.Accept(t.Context(), inboxtest.Event("p", "t", "1")); err != nil || fresh != (i == 0) {
			t.Errorf("open %d: fresh %v, %v", i, fresh, err)
		}
		if err := box.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestADatabaseInMemoryWorks(t *testing.T) {
	l := newLedger(t, "sqlite", "file:"+rand.Text()+"?mode=memory&cache=shared&_pragma=busy_timeout(5000)")
	box := l.Open(t, inbox.Config{})
	defer box.Close()
	if err := box.Handle("p", "t", func(ctx context.Context, tx *sql.Tx, d *inbox.Delivery) error {
		return l.Credit(ctx, tx, d.IdempotencyKey())
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := box.Accept(t.Context(), inboxtest.Event("p", "t", "1")); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- box.Run(ctx) }()
	defer cancel()
	testwait.Until(t, "an effect", func() bool { return len(l.Credits(t)) > 0 })
	cancel()
	if err := testwait.For(t, "the end of Run", done); err != nil || len(l.Credits(t)) != 1 {
		t.Errorf("%v, %v", l.Credits(t), err)
	}
}
