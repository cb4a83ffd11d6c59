package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/gatehouse-go/gatehouse/internal/invalid"
	"github.com/gatehouse-go/gatehouse/webhook/inbox"
	"github.com/gatehouse-go/gatehouse/webhook/internal/typeroute"
)

// Inbox is a ledger in a SQLite database. It implements [inbox.Inbox] with [*sql.Tx] as the transaction. It is safe for use by many goroutines.
type Inbox struct {
	db     *sql.DB
	config inbox.Config
	routes typeroute.Table[route]
	turns  turns
	queue  queue
	lanes  lanes

	insert *sql.Stmt // of the writer's connection
	writer *sql.Conn // used by the writer's goroutine alone, and nil while it has none

	running atomic.Bool // Run is under way
	stop    context.CancelFunc
	stopped sync.WaitGroup
}

var _ inbox.Inbox[*sql.Tx] = (*Inbox)(nil)

// route is what is registered for a type: one of the two.
type route struct {
	handler inbox.Handler[*sql.Tx]
	staged  inbox.Staged[*sql.Tx]
}

// Open makes or updates the ledger's tables in db, whose names begin with inbox_, and returns the Inbox. Call Close when done; db stays open.
//
// db must be of a SQLite driver, in WAL mode (PRAGMA journal_mode = WAL) with synchronous = FULL or EXTRA on every connection:
// with less, an event that was acknowledged can be lost when the power fails. FULL is SQLite's default, but not every driver's; with
// github.com/mattn/go-sqlite3 ask for it by _synchronous=FULL. db must allow at least three connections. All this is checked. A ledger that a
// newer version has written is refused.
func Open(db *sql.DB, c inbox.Config) (*Inbox, error) {
	bad := invalid.Config{Package: "sqlite inbox"}
	c, err := c.Complete()
	if db == nil {
		bad.Hidden("db", "must not be nil")
	} else if n := db.Stats().MaxOpenConnections; n > 0 && n < 3 {
		bad.Field("db.SetMaxOpenConns", n, "must be 0 or at least 3: one to store, one to handle, one to look")
	}
	if err := errors.Join(err, bad.Err()); err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	b := &Inbox{db: db, config: c, stop: stop}
	b.queue.init(c)
	b.lanes.init(c)
	if err := b.connect(ctx); err != nil {
		stop()
		return nil, err
	}
	if err := errors.Join(migrate(ctx, b.writer), b.prepare(ctx)); err != nil {
		stop()
		return nil, errors.Join(err, b.disconnect())
	}
	b.stopped.Go(func() { b.write(ctx) })
	return b, nil
}

// Close ends the writer after it has stored what waits. It returns when nothing uses the database any more. End Run first.
func (b *Inbox) Close() error {
	b.queue.close()
	b.stopped.Wait()
	b.stop()
	return b.disconnect()
}

// connect takes a connection for the writer and checks that its commits are durable.
func (b *Inbox) connect(ctx context.Context) error {
	conn, err := b.db.Conn(ctx)
	if err != nil {
		return fmt.Errorf("sqlite inbox: %w", err)
	}
	if err := settle(ctx, conn); err != nil {
		return errors.Join(err, conn.Close())
	}
	b.writer = conn
	return nil
}

// settle makes conn wait for other writers and refuses it when it does not sync its commits.
func settle(ctx context.Context, conn *sql.Conn) error {
	if _, err := conn.ExecContext(ctx, "PRAGMA busy_timeout = 5000"); err != nil {
		return fmt.Errorf("sqlite inbox: %w", err)
	}
	var mode string
	var synchronous int
	err := errors.Join(
		conn.QueryRowContext(ctx, "PRAGMA journal_mode").Scan(&mode),
		conn.QueryRowContext(ctx, "PRAGMA synchronous").Scan(&synchronous),
	)
	switch {
	case err != nil:
		return fmt.Errorf("sqlite inbox: %w", err)
	case mode != "wal" && mode != "memory":
		return fmt.Errorf("sqlite inbox: PRAGMA journal_mode = %s must be wal", mode)
	case synchronous < 2:
		return fmt.Errorf("sqlite inbox: PRAGMA synchronous = %d must be FULL (2) or EXTRA (3): an acknowledged event could be lost", synchronous)
	}
	return nil
}

func (b *Inbox) prepare(ctx context.Context) (err error) {
	b.insert, err = b.writer.PrepareContext(ctx, insertDelivery)
	return err
}

// disconnect gives the writer's connection back.
func (b *Inbox) disconnect() error {
	if b.writer == nil {
		return nil
	}
	var err error
	if b.insert != nil {
		err = b.insert.Close()
	}
	err = errors.Join(err, b.writer.Close())
	b.writer, b.insert = nil, nil
	return err
}

// Handle implements [inbox.Inbox].
func (b *Inbox) Handle(provider, typ string, h inbox.Handler[*sql.Tx]) error {
	if h == nil {
		return errors.New("sqlite inbox: Handle: a handler is required")
	}
	return b.register(provider, typ, route{handler: h})
}

// HandleStaged implements [inbox.Inbox].
func (b *Inbox) HandleStaged(provider, typ string, s inbox.Staged[*sql.Tx]) error {
	if s == nil {
		return errors.New("sqlite inbox: HandleStaged: a handler is required")
	}
	return b.register(provider, typ, route{staged: s})
}

func (b *Inbox) register(provider, typ string, r route) error {
	if err := b.routes.Add(provider, typ, r); err != nil {
		return fmt.Errorf("sqlite inbox: Handle %q: %w", provider, err)
	}
	return nil
}
