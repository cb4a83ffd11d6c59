package postgres_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/testwait"
	"github.com/gatehouse-go/gatehouse/webhook/inbox"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/inboxtest"
	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/gatehouse-go/gatehouse/engines/postgres"
)

// recorder notes the queries that are asked in batches, as lists are.
type recorder struct {
	mu   sync.Mutex
	seen []asked
}

type asked struct {
	query string
	args  []any
}

func (r *recorder) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	return ctx
}

func (r *recorder) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

func (r *recorder) TraceBatchStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchStartData) context.Context {
	return ctx
}

func (r *recorder) TraceBatchQuery(_ context.Context, _ *pgx.Conn, q pgx.TraceBatchQueryData) {
	if strings.Contains(q.SQL, "FROM inbox_deliveries d") && !strings.Contains(q.SQL, "unnest") {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.seen = append(r.seen, asked{q.SQL, q.Args})
	}
}

func (r *recorder) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData) {}

func (r *recorder) take() []asked {
	r.mu.Lock()
	defer r.mu.Unlock()
	seen := r.seen
	r.seen = nil
	return seen
}

// large is a ledger of many deliveries, of which what is looked for is where no scan from either end comes to it soon: 40,000 of five types, a
// second apart, the 30 dead ones of type t1 in the midst, provider q's 20 the oldest.
func large(t *testing.T) (*ledger, *postgres.Inbox, *recorder, time.Time) {
	t.Helper()
	l := newLedger(t)
	settings, err := pgxpool.ParseConfig(l.dsn)
	if err != nil {
		t.Fatal(err)
	}
	r := &recorder{}
	settings.ConnConfig.Tracer = r
	box, err := postgres.Open(t.Context(), connectTo(t, settings), inbox.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = box.Close() })
	begin := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	l.exec(t, `INSERT INTO inbox_deliveries (key, provider, type, event_id, order_key, status, accepted_at, due_at, ended_at, meta, body)
		SELECT decode(md5(i::text) || md5((-i)::text), 'hex'), CASE WHEN i <= 20 THEN 'q' ELSE 'p' END, 't' || i % 5, 'evt_' || to_char(i, 'FM000000'), '',
		CASE WHEN i % 5 = 1 AND i BETWEEN 20000 AND 20149 THEN 'dead' WHEN i > 39000 THEN 'pending' ELSE 'done' END,
		$1::timestamptz + i * interval '1 second', $1, CASE WHEN i > 39000 THEN NULL ELSE $1 END, '{}', '' FROM generate_series(1, 40000) AS i`, begin)
	l.exec(t, "INSERT INTO inbox_counters SELECT provider, type, status, count(*) FROM inbox_deliveries GROUP BY 1, 2, 3")
	l.exec(t, "INSERT INTO inbox_slots SELECT floor(extract(epoch FROM accepted_at) / 600)::bigint, min(id), max(id) FROM inbox_deliveries GROUP BY 1")
	return l, box, r, begin
}

// No filter looks at more than a page of each type that it selects, and at the slots at the ends of a time.
func TestNoFilterScansTheLedger(t *testing.T) {
	l, box, r, begin := large(t)
	at := func(i int) time.Time { return begin.Add(time.Duration(i) * time.Second) }
	for _, row := range []struct {
		name string
		f    inbox.Filter
		want int // found
		most int // rows looked at
	}{
		{"everything", inbox.Filter{}, 50, 60},
		{"the next page", inbox.Filter{Before: 20000}, 50, 60},
		{"a provider of long ago", inbox.Filter{Provider: "q"}, 20, 30},
		{"a type of it", inbox.Filter{Provider: "q", Type: "t1"}, 4, 10},
		{"a type of any provider", inbox.Filter{Type: "t1"}, 50, 260},
		{"dead letters", inbox.Filter{Status: inbox.Dead}, 30, 60},
		{"dead letters of a provider", inbox.Filter{Provider: "p", Status: inbox.Dead}, 30, 60},
		{"dead letters of a type", inbox.Filter{Provider: "p", Type: "t1", Status: inbox.Dead}, 30, 60},
		{"dead letters of another type", inbox.Filter{Type: "t2", Status: inbox.Dead}, 0, 10},
		{"what is done, behind what is pending", inbox.Filter{Status: inbox.Done}, 50, 600},
		{"what is done of a type", inbox.Filter{Provider: "p", Type: "t3", Status: inbox.Done}, 50, 60},
		{"the next page of it", inbox.Filter{Provider: "p", Type: "t3", Status: inbox.Done, Before: 1000}, 50, 60},
		{"a status that none has", inbox.Filter{Status: inbox.Discarded}, 0, 10},
		{"a provider that nobody knows", inbox.Filter{Provider: "z"}, 0, 10},
		{"a time in the midst", inbox.Filter{From: at(10000), To: at(10030)}, 30, 1300},
		{"the time before", inbox.Filter{To: at(10000)}, 50, 700},
		{"the time since", inbox.Filter{From: at(10000)}, 50, 60},
		{"a time before everything", inbox.Filter{To: at(0)}, 0, 700},
		{"a time to come", inbox.Filter{From: time.Now().Add(time.Hour)}, 0, 10},
		{"a type in a time", inbox.Filter{Type: "t2", From: at(10000), To: at(10100)}, 20, 700},
		{"a provider in a time of another", inbox.Filter{Provider: "q", From: at(10000), To: at(20000)}, 0, 10},
		{"dead letters in a time", inbox.Filter{Status: inbox.Dead, From: at(20000), To: at(20050)}, 10, 60},
		{"dead letters in another time", inbox.Filter{Status: inbox.Dead, From: at(30000), To: at(30050)}, 0, 10},
		{"an id", inbox.Filter{EventID: "evt_000777"}, 1, 10},
		{"an id of another type", inbox.Filter{EventID: "evt_000777", Type: "t1"}, 0, 10},
		{"the beginning of some ids", inbox.Filter{EventID: "evt_0007*"}, 50, 210},
		{"the beginning of all ids", inbox.Filter{EventID: "evt_*"}, 50, 20100},
		{"the beginning of all ids, of a provider", inbox.Filter{EventID: "evt_*", Provider: "q"}, 20, 20100},
	} {
		r.take()
		page, err := box.List(t.Context(), row.f)
		if err != nil || len(page.Deliveries) != row.want {
			t.Errorf("%s: %d found, %v", row.name, len(page.Deliveries), err)
		}
		queries := r.take()
		if len(queries) == 0 {
			t.Errorf("%s: no query was seen", row.name)
		}
		visited := 0
		for _, q := range queries {
			visited += l.visited(t, q)
		}
		if visited > row.most {
			t.Errorf("%s: %d rows looked at, want at most %d\n%s", row.name, visited, row.most, l.plan(t, queries[len(queries)-1]))
		}
	}
}

// node is a step of a plan, as EXPLAIN writes it.
type node struct {
	Relation string  `json:"Relation Name"`
	Rows     float64 `json:"Actual Rows"`
	Loops    float64 `json:"Actual Loops"`
	Removed  float64 `json:"Rows Removed by Filter"`
	Plans    []node  `json:"Plans"`
}

func (n node) visited() (rows int) {
	if n.Relation == "inbox_deliveries" {
		rows = int((n.Rows + n.Removed) * n.Loops)
	}
	for _, p := range n.Plans {
		rows += p.visited()
	}
	return rows
}

// visited asks the server how many deliveries a query looks at.
func (l *ledger) visited(t *testing.T, q asked) int {
	t.Helper()
	var plans []struct{ Plan node }
	if err := json.Unmarshal([]byte(l.explain(t, "ANALYZE, FORMAT JSON", q)), &plans); err != nil {
		t.Fatal(err)
	}
	return plans[0].Plan.visited()
}

func (l *ledger) plan(t *testing.T, q asked) string {
	t.Helper()
	return l.explain(t, "ANALYZE", q)
}

func (l *ledger) explain(t *testing.T, how string, q asked) (plan string) {
	t.Helper()
	err := pgx.BeginFunc(t.Context(), l.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(t.Context(), postgres.ByIndex); err != nil {
			return err
		}
		rows, err := tx.Query(t.Context(), "EXPLAIN ("+how+") "+q.query, q.args...)
		if err != nil {
			return err
		}
		lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
		plan = strings.Join(lines, "\n")
		return err
	})
	if err != nil {
		t.Fatalf("%v: %s", err, q.query)
	}
	return plan
}

// Exports and decisions by a filter go along the same indexes.
func TestFiltersThatSelectManyGoInSteps(t *testing.T) {
	l, box, r, begin := large(t)
	r.take()
	n, err := box.Replay(t.Context(), inbox.Selection{Filter: inbox.Filter{Status: inbox.Dead, From: begin}}, inbox.Reason{By: "ann", Why: "a test"})
	if err != nil || n != 30 {
		t.Errorf("replayed %d, %v", n, err)
	}
	visited := 0
	for _, q := range r.take() {
		visited += l.visited(t, q)
	}
	if visited > 100 {
		t.Errorf("%d rows looked at", visited)
	}
	inboxtest.Honest(t, box)
}

const slot = 10 * time.Minute

// Filters by time find what was accepted then, and nothing else, however the clock jumped between two deliveries, and whoever stored them.
func TestFiltersByTimeWhateverTheClockDoes(t *testing.T) {
	l := newLedger(t)
	boxes := []*postgres.Inbox{l.open(t, inbox.Config{}), l.open(t, inbox.Config{})}
	for _, box := range boxes {
		defer box.Close()
	}
	for i, jump := range []int{0, 0, 1, 1, -1, 0, -7, 3, 3, 30, -30, 0, 2, -2, -2, 100, 0, -101, 1, 0} {
		l.jumpClock(t, jump)
		var wait sync.WaitGroup
		for k := range 4 {
			wait.Go(func() {
				if _, err := boxes[k%2].Accept(t.Context(), inboxtest.Event("p", fmt.Sprint("t", k%2), fmt.Sprint(i, "/", k))); err != nil {
					t.Error(err)
				}
			})
		}
		testwait.All(t, "the end of what was offered", &wait)
	}
	box := boxes[0]
	accepted := map[int64]time.Time{}
	page, err := box.List(t.Context(), inbox.Filter{Limit: 500})
	if err != nil || len(page.Deliveries) != 80 {
		t.Fatal(err, len(page.Deliveries))
	}
	var times []time.Time
	for _, d := range page.Deliveries {
		accepted[d.ID] = d.AcceptedAt
		times = append(times, d.AcceptedAt, d.AcceptedAt.Add(time.Microsecond), d.AcceptedAt.Truncate(slot), d.AcceptedAt.Add(slot))
	}
	times = append(times, time.Time{}, time.Unix(-1, 0), time.Unix(0, 0).Add(time.Hour), time.Now().Add(1000*time.Hour))
	for i := range times {
		for k := i % 97; k < len(times); k += 97 { // each with each would be many
			f := inbox.Filter{From: times[i], To: times[k], Limit: 500}
			if i%3 == 0 {
				f.Provider = "p"
			}
			var want, got []int64
			for id, at := range accepted {
				if (f.From.IsZero() || !at.Before(f.From)) && (f.To.IsZero() || at.Before(f.To)) {
					want = append(want, id)
				}
			}
			slices.Sort(want)
			slices.Reverse(want)
			page, err := box.List(t.Context(), f)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range page.Deliveries {
				got = append(got, d.ID)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("from %v to %v: %s", f.From, f.To, diff)
			}
		}
	}
}

// jumpClock moves all that is stored by so many slots into the past: as if the clock had gone forward by them, or back.
func (l *ledger) jumpClock(t *testing.T, jump int) {
	t.Helper()
	const apart = 1 << 32 // so that no slot meets another on its way
	l.exec(t, "UPDATE inbox_deliveries SET accepted_at = accepted_at - $1::bigint * interval '1 second'", int64(jump)*int64(slot/time.Second))
	l.exec(t, "UPDATE inbox_slots SET slot = slot + $1::bigint", int64(apart-jump))
	l.exec(t, "UPDATE inbox_slots SET slot = slot - $1::bigint", int64(apart))
}
