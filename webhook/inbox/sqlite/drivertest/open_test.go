package drivertest_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook"
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
		{name: "commits that are not synced", options: "?_pragma=journal_mode(WAL)&_pragma=synchronous(NORMAL)", want: "PRAGMA synchronous = 1 must be FULL"},
		{name: "two connections", options: "?_pragma=journal_mode(WAL)", conns: 2, want: "sqlite inbox: db.SetMaxOpenConns = 2 must be 0 or at least 3"},
		{name: "a configuration with mistakes", options: "?_pragma=journal_mode(WAL)", conns: 1, config: inbox.Config{Workers: -1}, want: "inbox: Workers = -1 must not be negative\nsqlite inbox: db.SetMaxOpenConns = 1"},
		{name: "a ledger of a newer version", options: "?_pragma=journal_mode(WAL)", prepare: "CREATE TABLE inbox_schema (version INTEGER NOT NULL); INSERT INTO inbox_schema VALUES (99)", want: "version 99, and this code knows 3"},
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
	l := newLedger(t, "sqlite", "file:memdb?mode=memory&cache=shared&_pragma=busy_timeout(5000)")
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
	finish(t, box.(*sqlite.Inbox))
}

func TestRunTwiceIsAnError(t *testing.T) {
	l := newLedger(t, "sqlite", drivers["sqlite"](filepath.Join(t.TempDir(), "x.db")))
	box := l.Open(t, inbox.Config{})
	defer box.Close()
	ctx, cancel := context.WithCancel(t.Context())
	started := make(chan struct{})
	done := make(chan error, 1)
	go func() { close(started); done <- box.Run(ctx) }()
	<-started
	var err error
	for range 100 { // until the other Run is under way
		short, end := context.WithTimeout(ctx, time.Millisecond)
		if err = box.Run(short); err != nil {
			end()
			break
		}
		end()
	}
	if err == nil {
		t.Error("two at once")
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// The queue is bounded by count and bytes while the database does not take anything.
func TestAFullQueueRefusesAndRecovers(t *testing.T) {
	for _, row := range []struct {
		name   string
		config inbox.Config
		bytes  int
	}{
		{"by count", inbox.Config{MaxQueue: 4}, 1},
		{"by bytes", inbox.Config{MaxQueueBytes: 100_000}, 40_000},
	} {
		t.Run(row.name, func(t *testing.T) {
			l := newLedger(t, "sqlite", drivers["sqlite"](filepath.Join(t.TempDir(), "x.db")))
			box := l.Open(t, row.config)
			defer box.Close()
			unlock := lock(t, l.db)
			var wait sync.WaitGroup
			var mu sync.Mutex
			full, stored := 0, 0
			offer := func(i int) {
				wait.Go(func() {
					e := inboxtest.Event("p", "t", fmt.Sprint(i))
					e.Body = make([]byte, row.bytes)
					_, err := box.Accept(t.Context(), e)
					mu.Lock()
					defer mu.Unlock()
					switch {
					case errors.Is(err, inbox.ErrQueueFull):
						full++
					case err == nil:
						stored++
					default:
						t.Errorf("Accept: %v", err)
					}
				})
			}
			// The writer takes a first group out of the queue and waits with it; what comes after fills the queue.
			queued := func() int {
				stats, err := box.Stats(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				mu.Lock()
				defer mu.Unlock()
				if full == 0 {
					return 0
				}
				return stats.Queued
			}
			for i := 0; i < 1000 && queued() < max(row.config.MaxQueue, 1); i++ {
				offer(i)
				time.Sleep(time.Millisecond)
			}
			if row.config.MaxQueue > 0 {
				if err := box.Health(t.Context()); !errors.Is(err, webhook.ErrUnavailable) {
					t.Errorf("Health of a full queue: %v", err)
				}
			}
			unlock()
			wait.Wait()
			if full == 0 || stored == 0 {
				t.Errorf("%d refused, %d stored", full, stored)
			}
			if _, err := box.Accept(t.Context(), inboxtest.Event("p", "t", "after")); err != nil {
				t.Errorf("after the lock: %v", err)
			}
			if stats, err := box.Stats(t.Context()); err != nil || stats.Total(inbox.Pending) != int64(stored)+1 {
				t.Errorf("%d stored, %+v, %v", stored, stats, err)
			}
		})
	}
}

// lock keeps everybody else from writing until unlock.
func lock(t *testing.T, db *sql.DB) (unlock func()) {
	t.Helper()
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.ExecContext(t.Context(), "BEGIN IMMEDIATE"); err != nil {
		t.Fatal(err)
	}
	return func() {
		if _, err := conn.ExecContext(t.Context(), "ROLLBACK"); err != nil {
			t.Error(err)
		}
		_ = conn.Close()
	}
}

func TestACallerThatGoesLeavesNothingHalf(t *testing.T) {
	l := newLedger(t, "sqlite", drivers["sqlite"](filepath.Join(t.TempDir(), "x.db")))
	box := l.Open(t, inbox.Config{})
	defer box.Close()
	unlock := lock(t, l.db)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	for i := range 3 { // the first may be with the writer, the others still wait
		if _, err := box.Accept(ctx, inboxtest.Event("p", "t", fmt.Sprint(i))); !errors.Is(err, webhook.ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Accept %d: %v", i, err)
		}
	}
	unlock()
	if fresh, err := box.Accept(t.Context(), inboxtest.Event("p", "t", "2")); err != nil || !fresh {
		t.Errorf("the provider sends again: fresh %v, %v", fresh, err)
	}
}
