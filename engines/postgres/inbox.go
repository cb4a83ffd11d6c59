package postgres

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/invalid"
	"github.com/gatehouse-go/gatehouse/webhook/inbox"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/engine"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Inbox is a ledger in a PostgreSQL database. It implements [inbox.Inbox] with [pgx.Tx] as the transaction. It is safe for use by many goroutines.
type Inbox struct {
	pool   *pgxpool.Pool
	config inbox.Config
	routes engine.Routes[pgx.Tx]
	queue  engine.Queue[*arrival]
	lanes  engine.Lanes
	work   engine.Work[pgx.Tx]

	writer  *pgxpool.Conn // used by the writer's goroutine alone, and nil while it has none
	written time.Time     // when it was last used
	changed atomic.Bool   // there may be changes of counters to add up
	news    chan struct{} // has a token when other processes are to be told of events

	running atomic.Bool // Run is under way
	stop    context.CancelFunc
	writing sync.WaitGroup
	tending sync.WaitGroup
}

var _ inbox.Inbox[pgx.Tx] = (*Inbox)(nil)

// spare is how many connections an Inbox uses beside those of its workers: to store, to be present, to look.
const spare = 3

// Open makes or updates the ledger's tables in the pool's database, and returns the Inbox. Call Close when done; the pool stays open.
//
// The pool must allow as many connections as [inbox.Config].Workers and three more, beside what the program itself needs. The server must
// have PostgreSQL 13 or newer, with the encoding UTF8 and fsync and synchronous_commit not off: with less, an event that was acknowledged can be lost.
// All but its version is checked. A ledger that a newer version has written is refused. To run the migrations yourself, see [Migrations].
func Open(ctx context.Context, pool *pgxpool.Pool, c inbox.Config) (*Inbox, error) {
	bad := invalid.Config{Package: "postgres inbox"}
	c, err := c.Complete()
	if pool == nil {
		bad.Hidden("pool", "must not be nil")
	} else if n, need := int(pool.Config().MaxConns), c.Workers+spare; n < need {
		bad.Field("pool MaxConns", n, fmt.Sprintf("must be at least %d: one for each of the Workers, and %d", need, spare))
	}
	if err := errors.Join(err, bad.Err()); err != nil {
		return nil, err
	}
	conn, err := pool.Acquire(ctx)
	if err != nil {
		return nil, fmt.Errorf("postgres inbox: %w", err)
	}
	if err = settings(ctx, conn.Conn()); err == nil {
		err = migrate(ctx, conn.Conn())
	}
	if err != nil {
		conn.Release()
		return nil, fmt.Errorf("postgres inbox: %w", err)
	}
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	b := &Inbox{pool: pool, config: c, stop: stop, writer: conn, news: make(chan struct{}, 1)}
	b.queue.Init(c)
	b.lanes.Init(c)
	b.work = engine.Work[pgx.Tx]{Config: c, Routes: &b.routes, Effect: b.effect, Fail: b.fail}
	b.changed.Store(true) // a process may have died before it added up
	b.writing.Go(func() { b.write(background) })
	b.tending.Go(func() { b.tend(background) })
	return b, nil
}

// Close ends the Inbox after it has stored what waits. It returns when nothing of it uses the pool any more. End Run first.
func (b *Inbox) Close() error {
	b.queue.Close()
	b.writing.Wait()
	b.stop()
	b.tending.Wait()
	if b.writer != nil {
		b.writer.Release()
		b.writer = nil
	}
	return nil
}

// Handle implements [inbox.Inbox].
func (b *Inbox) Handle(provider, typ string, h inbox.Handler[pgx.Tx]) error {
	return b.routes.Handle(provider, typ, h)
}

// HandleStaged implements [inbox.Inbox].
func (b *Inbox) HandleStaged(provider, typ string, s inbox.Staged[pgx.Tx]) error {
	return b.routes.HandleStaged(provider, typ, s)
}

// Periods of what is done in the background.
const (
	tellEvery  = 10 * time.Millisecond
	countEvery = time.Second
)

// tend tells other processes of stored events, and adds the counters up, until ctx ends.
func (b *Inbox) tend(ctx context.Context) {
	ticker := time.NewTicker(countEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-b.news:
			// Apart from the commit that stored them: commits with a NOTIFY wait for each other. A message that is lost is made up for by the
			// others' look at the tables.
			if _, err := b.pool.Exec(ctx, "SELECT pg_notify('inbox_deliveries', '')"); err != nil && ctx.Err() == nil {
				b.config.Logger.DebugContext(ctx, "inbox cannot tell other processes", "error", err)
			}
			if !engine.Sleep(ctx, tellEvery) {
				return
			}
		case <-ticker.C:
			if b.changed.Swap(false) {
				if err := addUp(ctx, b.pool); err != nil {
					b.changed.Store(true)
				}
			}
		}
	}
}

// tell has other processes told that there is something to handle.
func (b *Inbox) tell() {
	select {
	case b.news <- struct{}{}:
	default:
	}
}

// wake says here and to others that l has something due now.
func (b *Inbox) wake(l engine.Lane) {
	b.lanes.Wake(l)
	b.tell()
}
