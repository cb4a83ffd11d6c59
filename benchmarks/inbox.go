package main

import (
	"context"
	"crypto/rand"
	"database/sql"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook"
	"github.com/gatehouse-go/gatehouse/webhook/inbox"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/sqlite"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivermigrate"
	_ "modernc.org/sqlite"

	"github.com/gatehouse-go/gatehouse/benchmarks/internal/measure"
)

// producers is how many requests wait for their event to be stored at the same time.
const producers = 64

// inboxCases measure how long it takes to store an event durably, with a unique key, for 64 waiting producers.
func inboxCases(b *bench) []measure.Case {
	always, stopAlways := startNATS(b, true)
	asItComes, stopAsItComes := startNATS(b, false)
	alone := published(always)
	jetStream, stopInbox := natsCases(b, always, alone)
	b.stops = append(b.stops, stopInbox, stopAlways, stopAsItComes)
	cases := []measure.Case{{
		Name:    "durable accept of a 1 KiB event, 64 producers, SQLite",
		AtLeast: 50 * producers, // of which some pay for a checkpoint
		// At least 0.9 times as many a second as a bare group commit, and 3 times as many as River.
		Bars: []measure.Bar{{Quantity: measure.TimesLimit, AtMost: 1 / 0.9}, {Quantity: measure.TimesPeer, AtMost: 1. / 3}},
		Contenders: []measure.Contender{
			{Name: "one table, group commit", Kind: measure.Limit, Do: bareGroupCommit(b.scratch)},
			{Name: "gatehouse inbox/sqlite Accept", Kind: measure.Ours, Do: inboxAccept(b.scratch)},
			{Name: "River on SQLite, Insert", Kind: measure.Peer, Do: riverInsert(b.scratch)},
			{Name: "append to a file, fdatasync for all that wait", Kind: measure.Aside, Do: synced(b)},
			{Name: "JetStream alone, sync always", Kind: measure.Aside, Do: alone},
			{Name: "JetStream alone, no sync before the answer", Kind: measure.Aside, Do: published(asItComes)},
		},
	}}
	return slices.Concat(cases, sqliteCases(b), jetStream, postgresCases(b))
}

// fromProducers calls store n times with numbers that never come again, from as many goroutines as there are producers.
func fromProducers(store func(number int64)) func(n int) {
	var next atomic.Int64
	return func(n int) {
		var left atomic.Int64
		left.Store(int64(n))
		var wait sync.WaitGroup
		for range min(n, producers) {
			wait.Go(func() {
				for left.Add(-1) >= 0 {
					store(next.Add(1))
				}
			})
		}
		wait.Wait()
	}
}

// openSQLite opens a new database that syncs each commit. It lives as long as the process.
func openSQLite(path string) *sql.DB {
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=busy_timeout(10000)")
	must(err)
	return db
}

func payload() []byte {
	body := make([]byte, 1<<10)
	_, _ = rand.Read(body) // never fails
	return body
}

func inboxAccept(scratch string) func(int) {
	box, err := sqlite.Open(openSQLite(filepath.Join(scratch, "inbox.db")), inbox.Config{})
	must(err)
	body := payload()
	return fromProducers(func(number int64) {
		id := strconv.FormatInt(number, 10)
		_, err := box.Accept(context.Background(), webhook.Event{
			Provider: "bench", Type: "event", ID: id, IDSigned: true, Body: body, Key: webhook.NewKey("bench", []byte(id)),
		})
		must(err)
	})
}

// bareGroupCommit stores the same rows into one table with a unique key, as many in a commit as wait: what a plain table in SQLite costs. An event is what
// its row says, so the rows are ours, and so are the settings of the database, checkpoints included, and the way a group forms. Left out is what a ledger is
// for beside that: indexes to look into it, counters, the answer which event is a repeat, and the encoding of a request. Ours has its keys' index apart from
// the rows, and writes into it in long runs.
func bareGroupCommit(scratch string) func(int) {
	db := openSQLite(filepath.Join(scratch, "bare.db"))
	conn, err := db.Conn(context.Background())
	must(err)
	exec := func(query string) { _, err := conn.ExecContext(context.Background(), query); must(err) }
	exec(`CREATE TABLE events (id INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, provider TEXT NOT NULL, type TEXT NOT NULL, event_id TEXT NOT NULL,
		status TEXT NOT NULL, accepted_at INTEGER NOT NULL, request BLOB NOT NULL, body BLOB NOT NULL)`)
	insert, err := conn.PrepareContext(context.Background(), `INSERT INTO events (key, provider, type, event_id, status, accepted_at, request, body)
		VALUES (?, 'bench', 'event', ?, 'pending', ?, ?, ?) ON CONFLICT (key) DO NOTHING`)
	must(err)
	request, body := []byte(`{"id_signed":true,"received_at":"2026-01-01T00:00:00.000000000Z"}`), payload()
	return inGroups(func(numbers []int64) {
		exec("BEGIN IMMEDIATE")
		for _, number := range numbers {
			id := strconv.FormatInt(number, 10)
			key := webhook.NewKey("bench", []byte(id))
			_, err := insert.ExecContext(context.Background(), key[:], id, time.Now().UnixMilli(), request, body)
			must(err)
		}
		exec("COMMIT")
	})
}

// eventArgs is a River job with a unique key.
type eventArgs struct {
	ID   int64  `json:"id"   river:"unique"`
	Body []byte `json:"body"`
}

// Kind names the job for River.
func (eventArgs) Kind() string { return "event" }

// InsertOpts makes River refuse a second job for the same event.
func (eventArgs) InsertOpts() river.InsertOpts {
	return river.InsertOpts{UniqueOpts: river.UniqueOpts{ByArgs: true}}
}

func riverInsert(scratch string) func(int) {
	db := openSQLite(filepath.Join(scratch, "river.db"))
	db.SetMaxOpenConns(1) // as River's driver asks
	driver := riversqlite.New(db)
	migrator, err := rivermigrate.New(driver, nil)
	must(err)
	_, err = migrator.Migrate(context.Background(), rivermigrate.DirectionUp, nil)
	must(err)
	client, err := river.NewClient(driver, &river.Config{})
	must(err)
	body := payload()
	return fromProducers(func(number int64) {
		_, err := client.Insert(context.Background(), eventArgs{ID: number, Body: body}, nil)
		if err != nil {
			panic(fmt.Sprintf("River: %v", err))
		}
	})
}
