package main

import (
	"context"
	"database/sql"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook/inbox"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/console"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/sqlite"

	"github.com/gatehouse-go/gatehouse/benchmarks/internal/measure"
)

// sqliteCases measure the embedded inbox: how soon a handler starts, and what a large ledger costs.
func sqliteCases(b *bench) []measure.Case {
	rows := 1_000_000
	if b.quick {
		rows = 50_000
	}
	open := func(name string) func() *sqliteLedger {
		return sync.OnceValue(func() *sqliteLedger {
			l := openLedger(b, name)
			b.stops = append(b.stops, l.close)
			return l
		})
	}
	filled, small := open("filled"), open("small")
	accept := func(l func() *sqliteLedger) func(int) {
		body := payload()
		return fromProducers(func(number int64) {
			_, err := l().box.Accept(context.Background(), numbered(number, body))
			must(err)
		})
	}
	prepare := func() { filled().fill(rows); small().fill(1000) }
	return []measure.Case{{
		Name:       "handler starts after accept, 300 events a second, SQLite",
		Bars:       []measure.Bar{{Quantity: measure.Nanoseconds, AtMost: float64(2 * time.Millisecond)}},
		Contenders: []measure.Contender{{Name: "gatehouse inbox/sqlite", Kind: measure.Ours, Waits: handledBySQLite(b)}},
	}, {
		Name:    fmt.Sprintf("durable accept with %d events in the ledger, 64 producers, SQLite", rows),
		AtLeast: busy(b),
		Prepare: prepare,
		// What grows is the index of the keys, which are digests and come in no order: the larger it is, the fewer of those that are put there together share a page.
		Bars: []measure.Bar{{Quantity: measure.TimesLimit, AtMost: 1.25}},
		Contenders: []measure.Contender{
			{Name: "with 1000", Kind: measure.Limit, Do: accept(small)},
			{Name: fmt.Sprint("with ", rows), Kind: measure.Ours, Do: accept(filled)},
		},
	}, {
		Name: fmt.Sprintf("console's list page of 50 among %d, SQLite", rows),
		Bars: []measure.Bar{{Quantity: measure.Nanoseconds, AtMost: float64(50 * time.Millisecond)}},
		Contenders: []measure.Contender{
			{Name: "newest", Kind: measure.Ours, Do: consolePage(filled, "deliveries", "deliveries/", 50)},
			{Name: "of a provider and status", Kind: measure.Ours, Do: consolePage(filled, "deliveries?provider=bench&status=dead", "deliveries/", 50)},
			{Name: "by the beginning of an id", Kind: measure.Ours, Do: consolePage(filled, "deliveries?id=evt_77*", "deliveries/", 50)},
			{Name: "of a type, in a time range", Kind: measure.Ours, Do: consolePage(filled, "deliveries?type=t3&from=2026-01-01T00:00&to=2026-01-01T10:00", "deliveries/", 50)},
			{Name: "overview", Kind: measure.Ours, Do: consolePage(filled, "", "bench", 1)},
		},
	}}
}

// sqliteLedger is an inbox in a file of its own, with a console over it.
type sqliteLedger struct {
	db    *sql.DB
	box   *sqlite.Inbox
	pages http.Handler
}

func openLedger(b *bench, name string) *sqliteLedger {
	l := &sqliteLedger{db: openSQLite(filepath.Join(b.scratch, name+".db"))}
	var err error
	l.box, err = sqlite.Open(l.db, inbox.Config{})
	must(err)
	c, err := console.New(l.box, console.Config{Prefix: "/console", Access: func(*http.Request) (string, error) { return "bench", nil }})
	must(err)
	l.pages = c
	return l
}

func (l *sqliteLedger) close() {
	must(l.box.Close())
	must(l.db.Close())
}

// fill puts rows into the ledger, as if they had been accepted and handled long ago, one each second.
func (l *sqliteLedger) fill(rows int) {
	for _, statement := range []string{
		`WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ` + strconv.Itoa(rows) + `)
			INSERT INTO inbox_deliveries (key, provider, type, event_id, order_key, status, attempts, tries, accepted_at, due_at, ended_at, meta, body)
			SELECT randomblob(32), 'bench', 't' || (i % 10), 'evt_' || i, '', CASE WHEN i % 1000 = 0 THEN 'dead' ELSE 'done' END, 1, 1, at, at, at, '{}', randomblob(128)
			FROM (SELECT i, ` + strconv.FormatInt(filledAt.UnixMilli(), 10) + ` + 1000 * i AS at FROM n)`,
		"INSERT INTO inbox_counters SELECT provider, type, status, count(*) FROM inbox_deliveries GROUP BY 1, 2, 3",
		"INSERT INTO inbox_slots SELECT accepted_at / 600000, min(id), max(id) FROM inbox_deliveries GROUP BY 1",
		"INSERT INTO inbox_keys SELECT key, id FROM inbox_deliveries ORDER BY key",
		"UPDATE inbox_keyed SET id = (SELECT max(id) FROM inbox_deliveries)",
		"PRAGMA wal_checkpoint(TRUNCATE)",
	} {
		_, err := l.db.ExecContext(context.Background(), statement)
		must(err)
	}
}

// consolePage returns what has the console of a ledger answer with one of its pages, which must have some text so often.
func consolePage(l func() *sqliteLedger, path, want string, times int) func(int) {
	return func(n int) {
		for range n {
			answer := httptest.NewRecorder()
			l().pages.ServeHTTP(answer, httptest.NewRequestWithContext(context.Background(), http.MethodGet, "/console/"+path, nil))
			if answer.Code != http.StatusOK || strings.Count(answer.Body.String(), want) < times {
				panic(fmt.Sprintf("%s: %d, %d times %s", path, answer.Code, strings.Count(answer.Body.String(), want), want))
			}
		}
	}
}

// handledBySQLite has the inbox handle what it accepts, each with one row written in its transaction.
func handledBySQLite(b *bench) func(time.Duration) []time.Duration {
	l := openLedger(b, "handled")
	_, err := l.db.ExecContext(context.Background(), "CREATE TABLE effects (key TEXT NOT NULL)")
	must(err)
	begun := make(chan int64, 1000)
	must(l.box.Handle("bench", "*", func(ctx context.Context, tx *sql.Tx, d *inbox.Delivery) error {
		number, err := strconv.ParseInt(d.Event.ID, 10, 64)
		must(err)
		begun <- number
		_, err = tx.ExecContext(ctx, "INSERT INTO effects (key) VALUES (?)", d.IdempotencyKey())
		return err
	}))
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- l.box.Run(ctx) }()
	b.stops = append(b.stops, func() {
		stop()
		must(<-ended)
		l.close()
	})
	body := payload()
	return atPace(func(number int64) {
		_, err := l.box.Accept(context.Background(), numbered(number, body))
		must(err)
	}, begun)
}

// synced appends 1 KiB for each event to a file, and syncs it for all that wait: the least that the disk asks for.
func synced(b *bench) func(int) {
	f, err := os.Create(filepath.Join(b.scratch, "synced"))
	must(err)
	body := payload()
	return inGroups(func(numbers []int64) {
		for range numbers {
			_, err := f.Write(body)
			must(err)
		}
		must(datasync(f))
	})
}
