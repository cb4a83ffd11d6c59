package nats_test

import (
	"context"
	"database/sql"
	"encoding/hex"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/gatehouse-go/gatehouse/webhook/inbox"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/inboxtest"
	"github.com/nats-io/nats.go/jetstream"
	_ "modernc.org/sqlite"

	"github.com/gatehouse-go/gatehouse/engines/nats"
)

var streams atomic.Int64

// ledger is a stream, and a database of the handlers' own for their effects.
type ledger struct {
	js     jetstream.JetStream
	url    string
	stream string
	path   string // of the database
	db     *sql.DB
}

func newLedger(t *testing.T, s *natsServer) *ledger {
	t.Helper()
	return ledgerAt(t, s.url(), fmt.Sprint("LEDGER", streams.Add(1)), filepath.Join(t.TempDir(), "effects.db"))
}

func ledgerAt(t *testing.T, url, stream, path string) *ledger {
	t.Helper()
	js, err := dial(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(js.Conn().Close)
	db, err := openEffects(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return &ledger{js, url, stream, path, db}
}

func openEffects(path string) (*sql.DB, error) {
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=journal_mode(WAL)&_pragma=busy_timeout(20000)&_pragma=synchronous(NORMAL)&_txlock=immediate")
	if err != nil {
		return nil, err
	}
	for _, table := range []string{inbox.EffectsTable, "CREATE TABLE IF NOT EXISTS credits (key TEXT NOT NULL)"} {
		if _, err := db.Exec(table); err != nil {
			return nil, err
		}
	}
	return db, nil
}

func (l *ledger) config(c inbox.Config) nats.Config {
	return nats.Config{Inbox: c, Stream: l.stream, Replicas: 1, InsecureFewReplicas: true}
}

func (l *ledger) Open(t *testing.T, c inbox.Config) inboxtest.Inbox[nats.NoTx] {
	t.Helper()
	return l.open(t, c)
}

func (l *ledger) open(t *testing.T, c inbox.Config) *nats.Inbox {
	t.Helper()
	box, err := nats.Open(t.Context(), l.js, l.config(c))
	if err != nil {
		t.Fatal(err)
	}
	return box
}

// Credit writes the effect in a transaction of the database, once for each key.
func (l *ledger) Credit(ctx context.Context, _ nats.NoTx, key string) error {
	d, err := deliveryOf(key)
	if err != nil {
		return err
	}
	tx, err := l.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // does nothing after the commit
	if _, err := inbox.Once(ctx, tx, d, "credit", func(ctx context.Context) error {
		_, err := tx.ExecContext(ctx, "INSERT INTO credits (key) VALUES (?)", key)
		return err
	}); err != nil {
		return err
	}
	return tx.Commit()
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

// deliveryOf returns a delivery with a key as text.
func deliveryOf(key string) (*inbox.Delivery, error) {
	d := &inbox.Delivery{}
	if n, err := hex.Decode(d.Event.Key[:], []byte(key)); err != nil || n != len(d.Event.Key) {
		return nil, fmt.Errorf("key %q: %w", key, err)
	}
	return d, nil
}
