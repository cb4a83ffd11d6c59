package drivertest_test

import (
	"database/sql"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/testwait"
	"github.com/gatehouse-go/gatehouse/webhook/inbox"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/inboxtest"
)

// number returns the one number that a query finds.
func number(t *testing.T, db *sql.DB, query string) (n int) {
	t.Helper()
	if err := db.QueryRowContext(t.Context(), query).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// soundKeys fails the test where the index of the keys is not that of the deliveries up to where it claims to be complete.
func soundKeys(t *testing.T, db *sql.DB) (upto int) {
	t.Helper()
	if n := number(t, db, `SELECT count(*) FROM inbox_deliveries d WHERE id <= (SELECT id FROM inbox_keyed)
		AND NOT EXISTS (SELECT 1 FROM inbox_keys k WHERE k.key = d.key AND k.id = d.id)`); n != 0 {
		t.Errorf("%d deliveries are not in the index of the keys", n)
	}
	if n := number(t, db, `SELECT count(*) FROM inbox_keys k WHERE NOT EXISTS (SELECT 1 FROM inbox_deliveries d WHERE k.key = d.key AND k.id = d.id)`); n != 0 {
		t.Errorf("%d keys are of deliveries that are not there", n)
	}
	if n := number(t, db, "SELECT count(*) - count(DISTINCT key) FROM inbox_deliveries"); n != 0 {
		t.Errorf("%d events are there twice", n)
	}
	return number(t, db, "SELECT id FROM inbox_keyed")
}

// fillUnkeyed stores so many deliveries as a run of keys needs, as if their keys had not been put into the index yet. Some have the ids "old 0" and so on.
func fillUnkeyed(t *testing.T, db *sql.DB) {
	t.Helper()
	exec(t, db, fmt.Sprintf(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < %[1]d)
		INSERT INTO inbox_deliveries (key, provider, type, event_id, order_key, status, accepted_at, due_at, meta, body)
		SELECT randomblob(32), 'p', 't', '', '', 'done', i, i, '{}', x'' FROM n;
		INSERT INTO inbox_counters (provider, type, status, n) VALUES ('p', 't', 'done', %[1]d)`, filled))
	for i := range known {
		id := fmt.Sprint("old ", i)
		key := inboxtest.Event("p", "t", id).Key
		if _, err := db.ExecContext(t.Context(), "UPDATE inbox_deliveries SET key = ?, event_id = ? WHERE id = ?", key[:], id, 1+i*(filled/known)); err != nil {
			t.Fatal(err)
		}
	}
}

const filled, known = 33_000, 100

// Keys that wait in memory go into the index while events come, or for the retention, and each is known all the time.
func TestKeysGoIntoTheirIndexInRuns(t *testing.T) {
	const before, beside = 1500, 500 // the retention
	l := newLedger(t, "sqlite", drivers["sqlite"](filepath.Join(t.TempDir(), "x.db")))
	box := l.Open(t, inbox.Config{})
	if err := box.Close(); err != nil {
		t.Fatal(err)
	}
	fillUnkeyed(t, l.db)
	box = l.Open(t, inbox.Config{})
	if err := box.Pause(t.Context(), "p", "t", why); err != nil {
		t.Fatal(err)
	}
	var next atomic.Int64
	produce := func(end int64) *sync.WaitGroup {
		var producers sync.WaitGroup
		for p := range 64 {
			random := rand.New(rand.NewPCG(1, uint64(p)))
			accept := func(id string, want bool) bool {
				got, err := box.Accept(t.Context(), inboxtest.Event("p", "t", id))
				if err != nil || got != want {
					t.Errorf("%s: fresh %v, %v", id, got, err)
				}
				return err == nil && got == want
			}
			producers.Go(func() {
				for {
					i := next.Add(1)
					if i > end {
						next.Add(-1)
						return
					}
					id := fmt.Sprint("new ", i)
					if !accept(id, true) {
						return
					}
					if i%8 == 0 && (!accept(id, false) || !accept(fmt.Sprint("old ", 1+random.IntN(known-1)), false)) {
						return
					}
				}
			})
		}
		return &producers
	}
	testwait.All(t, "the producers", produce(before))
	if n := number(t, l.db, "SELECT count(*) FROM inbox_keys"); n < before || n > 3*before {
		t.Errorf("%d keys are in the index after %d events", n, before)
	}
	if upto := soundKeys(t, l.db); upto != 0 {
		t.Errorf("the index is complete up to %d", upto)
	}

	exec(t, l.db, "UPDATE inbox_deliveries SET ended_at = 1 WHERE event_id = 'old 0'")
	producers := produce(before + beside)
	stop, done := run(t, box)
	testwait.Until(t, "what is past its time is removed", func() bool {
		page, err := box.List(t.Context(), inbox.Filter{EventID: "old 0"})
		return err == nil && len(page.Deliveries) == 0
	})
	stop()
	if err := testwait.For(t, "the end of Run", done); err != nil {
		t.Error(err)
	}
	testwait.All(t, "the producers", producers)
	if upto := soundKeys(t, l.db); upto < filled {
		t.Errorf("the index is complete up to %d", upto)
	}
	inboxtest.Honest(t, box)
	if err := box.Close(); err != nil {
		t.Fatal(err)
	}
	box = l.Open(t, inbox.Config{})
	defer box.Close()
	for id, want := range map[string]bool{"old 0": true, "old 1": false, "old 99": false, "new 1": false, fmt.Sprint("new ", before+beside): false} {
		if got, err := box.Accept(t.Context(), inboxtest.Event("p", "t", id)); err != nil || got != want {
			t.Errorf("%s after a restart: fresh %v, %v", id, got, err)
		}
	}
}

// Processes that store into one ledger know of each other's events at once, and of each other's retention.
func TestProcessesShareTheKeys(t *testing.T) {
	for driver := range drivers {
		t.Run(driver, func(t *testing.T) {
			dsn := drivers[driver](filepath.Join(t.TempDir(), "x.db"))
			c := inbox.Config{KeepBodies: time.Millisecond, KeepKeys: time.Millisecond, Logger: slog.New(slog.DiscardHandler)}
			first := newLedger(t, driver, dsn)
			boxes := []inboxtest.Inbox[*sql.Tx]{first.Open(t, c), newLedger(t, driver, dsn).Open(t, c), newLedger(t, driver, dsn).Open(t, c)}
			for _, box := range boxes {
				defer box.Close()
			}
			if err := boxes[0].Pause(t.Context(), "p", "t", why); err != nil { // Run is to remove, and not to handle
				t.Fatal(err)
			}
			seed := uint64(time.Now().UnixNano())
			random := rand.New(rand.NewPCG(1, seed))
			there := map[string]bool{}
			for round := range 15 {
				for range 30 {
					id := fmt.Sprint(random.IntN(25))
					box := random.IntN(len(boxes))
					got, err := boxes[box].Accept(t.Context(), inboxtest.Event("p", "t", id))
					if err != nil || got == there[id] {
						t.Fatalf("seed %d, round %d: event %s in process %d: fresh %v, %v", seed, round, id, box, got, err)
					}
					there[id] = true
				}
				page, err := boxes[random.IntN(len(boxes))].List(t.Context(), inbox.Filter{Limit: 500})
				if err != nil || len(page.Deliveries) != len(there) {
					t.Fatalf("seed %d, round %d: %d deliveries of %d, %v", seed, round, len(page.Deliveries), len(there), err)
				}
				var ended []int64
				for _, d := range page.Deliveries {
					if random.IntN(3) == 0 {
						ended = append(ended, d.ID)
						delete(there, d.Event.ID)
					}
				}
				if len(ended) == 0 {
					continue
				}
				box := boxes[random.IntN(len(boxes))]
				if _, err := box.Discard(t.Context(), inbox.Selection{IDs: ended}, why); err != nil {
					t.Fatal(err)
				}
				time.Sleep(2 * time.Millisecond) // their time is past when Run looks
				stop, done := run(t, boxes[random.IntN(len(boxes))])
				testwait.Until(t, "what has ended is removed", func() bool {
					page, err := box.List(t.Context(), inbox.Filter{Status: inbox.Discarded})
					return err == nil && len(page.Deliveries) == 0
				})
				stop()
				if err := testwait.For(t, "the end of Run", done); err != nil {
					t.Fatal(err)
				}
				soundKeys(t, first.db)
			}
			inboxtest.Honest(t, boxes[0])
		})
	}
}

// Rows that somebody has deleted by hand are not there: their events are stored when they come again.
func TestEventsWhoseRowsWereDeletedAreNew(t *testing.T) {
	for _, indexed := range []bool{false, true} {
		t.Run(fmt.Sprint("indexed ", indexed), func(t *testing.T) {
			l := newLedger(t, "sqlite", drivers["sqlite"](filepath.Join(t.TempDir(), "x.db")))
			box := l.Open(t, inbox.Config{})
			defer func() { _ = box.Close() }()
			for _, id := range []string{"1", "2", "3"} {
				if _, err := box.Accept(t.Context(), inboxtest.Event("p", "t", id)); err != nil {
					t.Fatal(err)
				}
			}
			if indexed {
				exec(t, l.db, "INSERT INTO inbox_keys SELECT key, id FROM inbox_deliveries; UPDATE inbox_keyed SET id = 3")
			}
			exec(t, l.db, "DELETE FROM inbox_deliveries WHERE id IN (1, 3)")
			for _, again := range []bool{false, true} {
				for id, gone := range map[string]bool{"1": true, "2": false, "3": true} {
					if fresh, err := box.Accept(t.Context(), inboxtest.Event("p", "t", id)); err != nil || fresh != (gone && !again) {
						t.Errorf("event %s: fresh %v, %v", id, fresh, err)
					}
				}
			}
			soundKeys(t, l.db)
		})
	}
}

// older makes the ledger in db one of version 4, whose deliveries had their keys' index themselves.
func older(t *testing.T, db *sql.DB) {
	t.Helper()
	exec(t, db, `DROP TABLE inbox_keys; DROP TABLE inbox_keyed;
		CREATE TABLE older (id INTEGER PRIMARY KEY AUTOINCREMENT, key BLOB NOT NULL UNIQUE, provider TEXT NOT NULL, type TEXT NOT NULL, event_id TEXT NOT NULL,
			order_key TEXT NOT NULL, status TEXT NOT NULL, attempts INTEGER NOT NULL DEFAULT 0, tries INTEGER NOT NULL DEFAULT 0,
			duplicates INTEGER NOT NULL DEFAULT 0, accepted_at INTEGER NOT NULL, due_at INTEGER NOT NULL, ended_at INTEGER NOT NULL DEFAULT 0,
			error TEXT NOT NULL DEFAULT '', meta BLOB, body BLOB);
		INSERT INTO older SELECT * FROM inbox_deliveries;
		DROP TABLE inbox_deliveries; ALTER TABLE older RENAME TO inbox_deliveries; UPDATE inbox_schema SET version = 4`)
}

// A ledger of the version before keeps its events, its ids that were purged do not come back, and it is looked into by the same indexes.
func TestALedgerOfVersion4(t *testing.T) {
	for _, left := range []int{3, 2, 0} { // with the newest still there, without it, and with none
		t.Run(fmt.Sprint(left, " left"), func(t *testing.T) {
			l := newLedger(t, "sqlite", drivers["sqlite"](filepath.Join(t.TempDir(), "x.db")))
			box := l.Open(t, inbox.Config{})
			indexes := number(t, l.db, "SELECT count(*) FROM sqlite_schema WHERE type = 'index' AND sql <> ''")
			for _, id := range []string{"1", "2", "3"} {
				if _, err := box.Accept(t.Context(), inboxtest.Event("p", "t", id)); err != nil {
					t.Fatal(err)
				}
			}
			if err := box.Close(); err != nil {
				t.Fatal(err)
			}
			older(t, l.db)
			exec(t, l.db, fmt.Sprint("DELETE FROM inbox_deliveries WHERE id > ", left))
			box = l.Open(t, inbox.Config{})
			defer box.Close()
			for i, id := range []string{"1", "2", "3", "4"} {
				if fresh, err := box.Accept(t.Context(), inboxtest.Event("p", "t", id)); err != nil || fresh != (i >= left) {
					t.Errorf("event %s: fresh %v, %v", id, fresh, err)
				}
			}
			page, err := box.List(t.Context(), inbox.Filter{})
			if want := int64(3 + 4 - left); err != nil || page.Deliveries[0].ID != want {
				t.Errorf("the newest is %+v, want id %d; %v", page.Deliveries[0], want, err)
			}
			if n := number(t, l.db, "SELECT count(*) FROM sqlite_schema WHERE type = 'index' AND sql <> ''"); n != indexes {
				t.Errorf("%d indexes, want %d", n, indexes)
			}
			if upto := soundKeys(t, l.db); upto != 3 {
				t.Errorf("the index is complete up to %d", upto)
			}
		})
	}
}

// An event is stored, or refused, whole, also when it is the keys of others that cannot be put into their index.
func TestAStepOfTheIndexThatFails(t *testing.T) {
	c := &chosen{}
	l := faultyAt(t, "sqlite", filepath.Join(t.TempDir(), "x.db"), c.next)
	box := l.Open(t, inbox.Config{})
	if err := box.Close(); err != nil {
		t.Fatal(err)
	}
	fillUnkeyed(t, l.db)
	box = l.Open(t, inbox.Config{})
	defer box.Close()
	stored := 0
	for _, step := range []string{"prepare INSERT OR REPLACE INTO inbox_keys", "INSERT OR REPLACE INTO inbox_keys", "COMMIT"} {
		hit := c.fail(0, step)
		refused := 0
		for i, open := 0, true; open || i < 40; i++ { // until it has failed, and on
			fresh, err := box.Accept(t.Context(), inboxtest.Event("p", "t", fmt.Sprint(step, i)))
			switch {
			case err != nil:
				refused++
			case !fresh:
				t.Fatalf("%s: event %d is not fresh", step, i)
			default:
				stored++
			}
			select {
			case <-hit:
				open = false
			default:
			}
		}
		page, err := box.List(t.Context(), inbox.Filter{Status: inbox.Pending, Limit: 500})
		if got := len(page.Deliveries); err != nil || got != stored || refused > 1 {
			t.Errorf("%s: %d are stored of %d, %d were refused; %v", step, got, stored, refused, err)
		}
	}
	soundKeys(t, l.db)
	if number(t, l.db, "SELECT count(*) FROM inbox_keys") == 0 {
		t.Error("no key is in the index")
	}
}
