package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"sync"
	"sync/atomic"

	"github.com/gatehouse-go/gatehouse/internal/invalid"
	"github.com/gatehouse-go/gatehouse/webhook/inbox"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/engine"
)

// Inbox is a ledger in a SQLite database. It implements [inbox.Inbox] with [*sql.Tx] as the transaction. It is safe for use by many goroutines.
type Inbox struct {
	db     *sql.DB
	config inbox.Config
	routes engine.Routes[*sql.Tx]
	turns  turns
	queue  engine.Queue[*op]
	lanes  engine.Lanes
	work   engine.Work[*sql.Tx]

	writer   *session // used by the writer's goroutine alone, and nil while it has none
	keys     keys
	handling *session // used by whoever has the turn to write, and nil while there is none

	running atomic.Bool // Run is under way
	stopped sync.WaitGroup
}

var _ inbox.Inbox[*sql.Tx] = (*Inbox)(nil)

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
	ctx := context.Background()
	b := &Inbox{db: db, config: c}
	b.queue.Init(c)
	b.lanes.Init(c)
	b.work = engine.Work[*sql.Tx]{Config: c, Routes: &b.routes, Effect: b.effect, Fail: b.fail}
	b.writer, err = newSession(ctx, db)
	if err == nil {
		if err = migrate(ctx, b.writer.conn); err == nil {
			err = b.keys.catchUp(ctx, b.writer, newTally())
		}
		if err != nil {
			err = errors.Join(err, b.writer.close())
		}
	}
	if err != nil {
		return nil, err
	}
	b.stopped.Go(func() { b.write(ctx) })
	return b, nil
}

// Close ends the writer after it has stored what waits. It returns when nothing uses the database any more. End Run first.
func (b *Inbox) Close() error {
	b.queue.Close()
	b.stopped.Wait()
	b.turns.take(false)
	defer b.turns.give()
	return errors.Join(drop(&b.handling), drop(&b.writer))
}

// drop gives a session's connection back, if there is one.
func drop(s **session) error {
	if *s == nil {
		return nil
	}
	err := (*s).close()
	*s = nil
	return err
}

// discard ends the connection of a session on which a statement failed. One that was opened while the disk was read only stays so, when the disk is
// not any more: given back, it would come again.
func discard(s **session) {
	(*s).end()
	*s = nil
}

// Handle implements [inbox.Inbox].
func (b *Inbox) Handle(provider, typ string, h inbox.Handler[*sql.Tx]) error {
	return b.routes.Handle(provider, typ, h)
}

// HandleStaged implements [inbox.Inbox].
func (b *Inbox) HandleStaged(provider, typ string, s inbox.Staged[*sql.Tx]) error {
	return b.routes.HandleStaged(provider, typ, s)
}
