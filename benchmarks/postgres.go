package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/gatehouse-go/gatehouse/engines/postgres"
	"github.com/gatehouse-go/gatehouse/internal/testpostgres"
	"github.com/gatehouse-go/gatehouse/webhook"
	"github.com/gatehouse-go/gatehouse/webhook/inbox"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"

	"github.com/gatehouse-go/gatehouse/benchmarks/internal/measure"
)

// postgresCases measure the inbox on a PostgreSQL of their own, with its default settings, beside plain tables and River.
func postgresCases(b *bench) []measure.Case {
	server, err := testpostgres.Start("max_connections=1000")
	if errors.Is(err, testpostgres.ErrAbsent) {
		_, _ = fmt.Fprintln(os.Stdout, "inbox: PostgreSQL's server is not installed: its cases are left out") // as the report does
		return nil
	}
	must(err)
	p := &pgBench{server: server, rows: 1_000_000}
	if b.quick {
		p.rows = 100_000
	}
	b.stops = append(b.stops, p.close)
	box, filled, small := p.lazy("accept"), p.lazy("filled"), p.lazy("small")
	return []measure.Case{
		{
			Name:    "durable accept of a 1 KiB event, 64 producers, PostgreSQL",
			AtLeast: busy(b),
			// At least 1.3 times as many a second as River's InsertMany.
			Bars: []measure.Bar{{Quantity: measure.TimesPeer, AtMost: 1 / 1.3}},
			Contenders: []measure.Contender{
				{Name: "one table, INSERT ON CONFLICT", Kind: measure.Limit, Do: p.bareInsert()},
				{Name: "one table, unnest batches", Kind: measure.Limit, Do: p.bareBatches()},
				{Name: "gatehouse engines/postgres Accept", Kind: measure.Ours, Do: acceptInto(box)},
				{Name: "River on PostgreSQL, Insert", Kind: measure.Peer, Do: p.riverEach()},
				{Name: "River on PostgreSQL, InsertMany", Kind: measure.Peer, Do: p.riverBatches()},
			},
		},
		{
			Name: "handler starts after accept, 300 events a second, PostgreSQL",
			Bars: []measure.Bar{{Quantity: measure.Nanoseconds, AtMost: float64(8 * time.Millisecond)}},
			Contenders: []measure.Contender{
				{Name: "gatehouse engines/postgres", Kind: measure.Ours, Waits: p.handled()},
				{Name: "River, FetchCooldown as it comes", Kind: measure.Peer, Waits: p.riverWorked("river_default", 0)},
				{Name: "River, FetchCooldown 1 ms", Kind: measure.Peer, Waits: p.riverWorked("river_quick", time.Millisecond)},
			},
		},
		{
			Name:    fmt.Sprintf("durable accept with %d events in the ledger, 64 producers, PostgreSQL", p.rows),
			AtLeast: busy(b),
			Prepare: func() { p.fill(filled, "filled", p.rows); p.fill(small, "small", 1000) },
			Bars:    []measure.Bar{{Quantity: measure.TimesLimit, AtMost: 1.25}},
			Contenders: []measure.Contender{
				{Name: "with 1000", Kind: measure.Limit, Do: acceptInto(small)},
				{Name: fmt.Sprint("with ", p.rows), Kind: measure.Ours, Do: acceptInto(filled)},
			},
		},
		flat("newest 50 of a provider and status", p.rows, small, filled, inbox.Filter{Provider: "bench", Status: inbox.Done}),
		flat("oldest 50 of a time range", p.rows, small, filled, inbox.Filter{From: filledAt, To: filledAt.Add(100 * time.Second)}),
		flat("50 of a provider and type in a time range", p.rows, small, filled, inbox.Filter{Provider: "bench", Type: "t3", From: filledAt, To: filledAt.Add(500 * time.Second)}),
	}
}

// busy is how many events keep all producers waiting for most of a round.
func busy(b *bench) int {
	if b.quick {
		return 10 * producers
	}
	return 50 * producers
}

// flat compares one page of a large ledger with that of a small one, which its pages of the disk fit into.
func flat(name string, rows int, small, filled func() *postgres.Inbox, f inbox.Filter) measure.Case {
	list := func(box func() *postgres.Inbox) func(int) {
		return func(n int) {
			for range n {
				page, err := box().List(context.Background(), f)
				must(err)
				if len(page.Deliveries) != 50 {
					panic(fmt.Sprintf("%s: %d found", name, len(page.Deliveries)))
				}
			}
		}
	}
	return measure.Case{
		Name: fmt.Sprintf("list %s among %d, PostgreSQL", name, rows),
		Bars: []measure.Bar{{Quantity: measure.Nanoseconds, AtMost: float64(10 * time.Millisecond)}},
		Contenders: []measure.Contender{
			{Name: "among 1000", Kind: measure.Limit, Do: list(small)},
			{Name: fmt.Sprint("among ", rows), Kind: measure.Ours, Do: list(filled)},
		},
	}
}

// pgBench is the server with a schema for each contender.
type pgBench struct {
	server *testpostgres.Server
	rows   int // of the large ledger
	ends   []func()
}

func (p *pgBench) close() {
	for _, end := range slices.Backward(p.ends) {
		end()
	}
	p.server.Stop()
}

// pool makes a schema and connects to it.
func (p *pgBench) pool(schema string) *pgxpool.Pool {
	pool, err := pgxpool.New(context.Background(), p.server.URL("pool_max_conns=70", "search_path="+schema))
	must(err)
	p.ends = append(p.ends, pool.Close)
	_, err = pool.Exec(context.Background(), "CREATE SCHEMA IF NOT EXISTS "+schema)
	must(err)
	return pool
}

// lazy returns an inbox that is opened when it is first asked for.
func (p *pgBench) lazy(schema string) func() *postgres.Inbox {
	return sync.OnceValue(func() *postgres.Inbox {
		box, err := postgres.Open(context.Background(), p.pool(schema), inbox.Config{})
		must(err)
		p.ends = append(p.ends, func() { must(box.Close()) })
		return box
	})
}

func acceptInto(box func() *postgres.Inbox) func(int) {
	body := payload()
	return fromProducers(func(number int64) {
		_, err := box().Accept(context.Background(), numbered(number, body))
		must(err)
	})
}

func numbered(number int64, body []byte) webhook.Event {
	id := strconv.FormatInt(number, 10)
	return webhook.Event{Provider: "bench", Type: "event", ID: id, IDSigned: true, Body: body, Key: webhook.NewKey("bench", []byte(id))}
}

// bareTable is the least that remembers an event and knows a repeat.
const bareTable = "CREATE TABLE events (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, key bytea NOT NULL UNIQUE, body bytea NOT NULL)"

func (p *pgBench) bareInsert() func(int) {
	pool := p.pool("bare_each")
	_, err := pool.Exec(context.Background(), bareTable)
	must(err)
	body := payload()
	return fromProducers(func(number int64) {
		key := webhook.NewKey("bench", []byte(strconv.FormatInt(number, 10)))
		_, err := pool.Exec(context.Background(), "INSERT INTO events (key, body) VALUES ($1, $2) ON CONFLICT (key) DO NOTHING", key[:], body)
		must(err)
	})
}

func (p *pgBench) bareBatches() func(int) {
	pool := p.pool("bare_batches")
	_, err := pool.Exec(context.Background(), bareTable)
	must(err)
	body := payload()
	return inGroups(func(numbers []int64) {
		keys, bodies := make([][]byte, len(numbers)), make([][]byte, len(numbers))
		for i, number := range numbers {
			key := webhook.NewKey("bench", []byte(strconv.FormatInt(number, 10)))
			keys[i], bodies[i] = key[:], body
		}
		_, err := pool.Exec(context.Background(), "INSERT INTO events (key, body) SELECT * FROM unnest($1::bytea[], $2::bytea[]) ON CONFLICT (key) DO NOTHING", keys, bodies)
		must(err)
	})
}

// inGroups calls store with the numbers of all producers that wait.
func inGroups(store func(numbers []int64)) func(int) {
	type one struct {
		number int64
		stored chan struct{}
	}
	waiting := make(chan one, producers)
	go func() { // ends with the process
		for first := range waiting {
			group := []one{first}
			for came := 0; came < len(group); {
				came = len(group)
				runtime.Gosched() // whoever was just told that theirs is stored may have another
				for len(waiting) > 0 {
					group = append(group, <-waiting)
				}
			}
			numbers := make([]int64, len(group))
			for i, o := range group {
				numbers[i] = o.number
			}
			store(numbers)
			for _, o := range group {
				close(o.stored)
			}
		}
	}()
	return fromProducers(func(number int64) {
		o := one{number, make(chan struct{})}
		waiting <- o
		<-o.stored
	})
}

// riverClient returns a client over a schema with River's tables.
func (p *pgBench) riverClient(schema string, c river.Config) *river.Client[pgx.Tx] {
	driver := riverpgxv5.New(p.pool(schema))
	migrator, err := rivermigrate.New(driver, nil)
	must(err)
	_, err = migrator.Migrate(context.Background(), rivermigrate.DirectionUp, nil)
	must(err)
	client, err := river.NewClient(driver, &c)
	must(err)
	return client
}

func (p *pgBench) riverEach() func(int) {
	client := p.riverClient("river_each", river.Config{})
	body := payload()
	return fromProducers(func(number int64) {
		_, err := client.Insert(context.Background(), eventArgs{ID: number, Body: body}, nil)
		must(err)
	})
}

func (p *pgBench) riverBatches() func(int) {
	client := p.riverClient("river_batches", river.Config{})
	body := payload()
	return inGroups(func(numbers []int64) {
		params := make([]river.InsertManyParams, len(numbers))
		for i, number := range numbers {
			params[i].Args = eventArgs{ID: number, Body: body}
		}
		_, err := client.InsertMany(context.Background(), params)
		must(err)
	})
}

// pace is how many events come a second where waits are measured.
const pace = 300

// atPace calls accept at an even pace, in a goroutine each, and returns how long after its return each was begun: begun has the numbers.
func atPace(accept func(number int64), begun <-chan int64) func(d time.Duration) []time.Duration {
	next := int64(0)
	return func(d time.Duration) []time.Duration {
		n := max(1, int(d.Seconds()*pace))
		first := next
		next += int64(n)
		var mu sync.Mutex
		accepted, started := make([]time.Time, n), make([]time.Time, n)
		var wait sync.WaitGroup
		wait.Go(func() {
			for range n {
				number := <-begun
				started[number-first] = time.Now()
			}
		})
		ticker := time.NewTicker(time.Second / pace)
		defer ticker.Stop()
		for i := range n {
			<-ticker.C
			wait.Go(func() {
				accept(first + int64(i))
				mu.Lock()
				defer mu.Unlock()
				accepted[i] = time.Now()
			})
		}
		wait.Wait()
		waits := make([]time.Duration, n)
		for i := range waits {
			waits[i] = max(0, started[i].Sub(accepted[i]))
		}
		return waits
	}
}

// handled has a second inbox over the ledger handle what the first accepts, each with one row written in its transaction.
func (p *pgBench) handled() func(time.Duration) []time.Duration {
	pool := p.pool("handled")
	_, err := pool.Exec(context.Background(), "CREATE TABLE effects (key text NOT NULL)")
	must(err)
	box := p.lazy("handled")()
	begun := make(chan int64, 1000)
	must(box.Handle("bench", "*", func(ctx context.Context, tx pgx.Tx, d *inbox.Delivery) error {
		number, err := strconv.ParseInt(d.Event.ID, 10, 64)
		must(err)
		begun <- number
		_, err = tx.Exec(ctx, "INSERT INTO effects (key) VALUES ($1)", d.IdempotencyKey())
		return err
	}))
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- box.Run(ctx) }()
	p.ends = append(p.ends, func() { stop(); must(<-ended) })
	body := payload()
	return atPace(func(number int64) {
		_, err := box.Accept(context.Background(), numbered(number, body))
		must(err)
	}, begun)
}

// eventWorker does what the inbox's handler does.
type eventWorker struct {
	river.WorkerDefaults[eventArgs]
	pool  *pgxpool.Pool
	begun chan<- int64
}

// Work writes one row and completes the job in one transaction.
func (w *eventWorker) Work(ctx context.Context, job *river.Job[eventArgs]) error {
	w.begun <- job.Args.ID
	return pgx.BeginFunc(ctx, w.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "INSERT INTO effects (key) VALUES ($1)", strconv.FormatInt(job.Args.ID, 10)); err != nil {
			return err
		}
		_, err := river.JobCompleteTx[*riverpgxv5.Driver](ctx, tx, job)
		return err
	})
}

// riverWorked has 100 workers of River work at what it is given, with a cooldown between its fetches; zero is its default of 100 ms, at which
// fewer workers could not keep the pace.
func (p *pgBench) riverWorked(schema string, cooldown time.Duration) func(time.Duration) []time.Duration {
	pool := p.pool(schema)
	_, err := pool.Exec(context.Background(), "CREATE TABLE effects (key text NOT NULL)")
	must(err)
	begun := make(chan int64, 1000)
	workers := river.NewWorkers()
	river.AddWorker(workers, &eventWorker{pool: pool, begun: begun})
	client := p.riverClient(schema, river.Config{Queues: map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: 100}}, Workers: workers, FetchCooldown: cooldown})
	must(client.Start(context.Background()))
	p.ends = append(p.ends, func() { must(client.StopAndCancel(context.Background())) })
	body := payload()
	return atPace(func(number int64) {
		_, err := client.Insert(context.Background(), eventArgs{ID: number, Body: body}, nil)
		must(err)
	}, begun)
}

// filledAt is when the first event of a filled ledger was accepted; one follows each second.
var filledAt = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// fill puts rows into a ledger that its inbox has made, as if they had been accepted and handled long ago.
func (p *pgBench) fill(box func() *postgres.Inbox, schema string, rows int) {
	box()
	pool := p.pool(schema)
	for _, statement := range []string{
		`INSERT INTO inbox_deliveries (key, provider, type, event_id, order_key, status, attempts, tries, accepted_at, due_at, ended_at, meta, body)
			SELECT decode(md5(i::text) || md5((-i)::text), 'hex'), 'bench', 't' || i % 10, 'evt_' || i, '', CASE WHEN i % 1000 = 0 THEN 'dead' ELSE 'done' END, 1, 1, at, at, at,
			'{}', decode(md5(i::text), 'hex') FROM generate_series(1, ` + strconv.Itoa(rows) + `) AS i, LATERAL (SELECT to_timestamp(` +
			strconv.FormatInt(filledAt.Unix(), 10) + ` + i) AS at) AS t`,
		"INSERT INTO inbox_counters SELECT provider, type, status, count(*) FROM inbox_deliveries GROUP BY 1, 2, 3",
		"INSERT INTO inbox_slots SELECT floor(extract(epoch FROM accepted_at) / 600)::bigint, min(id), max(id) FROM inbox_deliveries GROUP BY 1",
		"VACUUM ANALYZE inbox_deliveries",
	} {
		_, err := pool.Exec(context.Background(), statement)
		must(err)
	}
}
