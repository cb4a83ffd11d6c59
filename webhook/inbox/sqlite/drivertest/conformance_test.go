package drivertest_test

import (
	"context"
	"database/sql"
	"path/filepath"
	"sync"
	"testing"

	"github.com/gatehouse-go/gatehouse/webhook/inbox"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/inboxtest"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/sqlite"
	_ "github.com/mattn/go-sqlite3"
	_ "modernc.org/sqlite"
)

// drivers are the names under which the two drivers register, with how each is told to use WAL. mattn's sets synchronous to
// NORMAL in WAL mode by itself, so that it must be told as well. Both wait for a lock as long as a test waits for anything.
var drivers = map[string]func(path string) string{
	"sqlite": func(path string) string {
		return "file:" + path + "?_pragma=journal_mode(WAL)&_pragma=busy_timeout(60000)"
	},
	"sqlite3": func(path string) string {
		return "file:" + path + "?_journal_mode=WAL&_busy_timeout=60000&_synchronous=FULL"
	},
}

func TestConformance(t *testing.T) {
	for name := range drivers {
		t.Run(name, func(t *testing.T) {
			inboxtest.TestEngine(t, inboxtest.Engine[*sql.Tx]{
				New: func(t *testing.T) inboxtest.Ledger[*sql.Tx] {
					t.Helper()
					return at(t, name, filepath.Join(t.TempDir(), "ledger.db"))
				},
				Address: func(l inboxtest.Ledger[*sql.Tx]) string { return fileOf(t, l.(*ledger).db) },
				At: func(t *testing.T, address string) inboxtest.Ledger[*sql.Tx] {
					t.Helper()
					return at(t, name, address)
				},
				Block: func(t *testing.T, l inboxtest.Ledger[*sql.Tx]) func() {
					t.Helper()
					return lock(t, l.(*ledger).db)
				},
				OnDisk: func(t *testing.T, dir string) inboxtest.Ledger[*sql.Tx] {
					t.Helper()
					return at(t, name, filepath.Join(dir, "ledger.db"))
				},
				Faulty: func(t *testing.T, f *inboxtest.Faults) inboxtest.Ledger[*sql.Tx] {
					t.Helper()
					return newFaultyLedger(t, name, f)
				},
			})
		})
	}
}

// ledger is a database file with a table for the effects.
type ledger struct{ db *sql.DB }

func at(t *testing.T, driver, path string) *ledger {
	t.Helper()
	return newLedger(t, driver, drivers[driver](path))
}

// fileOf returns the file of a database.
func fileOf(t *testing.T, db *sql.DB) (file string) {
	t.Helper()
	if err := db.QueryRowContext(t.Context(), "SELECT file FROM pragma_database_list WHERE name = 'main'").Scan(&file); err != nil {
		t.Fatal(err)
	}
	return file
}

func newLedger(t *testing.T, driver, dsn string) *ledger {
	t.Helper()
	db := openDB(t, driver, dsn)
	if _, err := db.ExecContext(t.Context(), "CREATE TABLE IF NOT EXISTS credits (key TEXT NOT NULL)"); err != nil {
		t.Fatal(err)
	}
	return &ledger{db}
}

func openDB(t *testing.T, driver, dsn string) *sql.DB {
	t.Helper()
	db, err := sql.Open(driver, dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func (l *ledger) Open(t *testing.T, c inbox.Config) inboxtest.Inbox[*sql.Tx] {
	t.Helper()
	box, err := sqlite.Open(l.db, c)
	if err != nil {
		t.Fatal(err)
	}
	return box
}

func (l *ledger) Credit(ctx context.Context, tx *sql.Tx, key string) error {
	_, err := tx.ExecContext(ctx, "INSERT INTO credits (key) VALUES (?)", key)
	return err
}

func (l *ledger) Credits(t *testing.T) map[string]int {
	t.Helper()
	rows, err := l.db.QueryContext(t.Context(), "SELECT key, count(*) FROM credits GROUP BY key")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	credits := map[string]int{}
	for rows.Next() {
		var key string
		var n int
		if err := rows.Scan(&key, &n); err != nil {
			t.Fatal(err)
		}
		credits[key] = n
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return credits
}

// lock keeps everybody else from writing until unlock, or the end of the test.
func lock(t *testing.T, db *sql.DB) (unlock func()) {
	t.Helper()
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if _, err := conn.ExecContext(t.Context(), "BEGIN IMMEDIATE"); err != nil {
		t.Fatal(err)
	}
	unlock = sync.OnceFunc(func() {
		if _, err := conn.ExecContext(context.WithoutCancel(t.Context()), "ROLLBACK"); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(unlock)
	return unlock
}
