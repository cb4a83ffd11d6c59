package postgres_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/gatehouse-go/gatehouse/internal/testpostgres"
	"github.com/gatehouse-go/gatehouse/internal/testwait"
	"github.com/gatehouse-go/gatehouse/webhook/inbox"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/inboxtest"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/gatehouse-go/gatehouse/engines/postgres"
)

// shared is the server that all tests use.
var (
	shared    *testpostgres.Server
	errServer error
)

func TestMain(m *testing.M) {
	if inboxtest.Victim() {
		os.Exit(m.Run()) // over the server of the one who kills it
	}
	shared, errServer = testpostgres.Start("max_connections=300")
	if errServer == nil {
		_ = os.Setenv("DATABASE_URL", shared.URL("pool_max_conns=40")) // for the Example
	} else if os.Getenv("GATEHOUSE_REQUIRE_ENGINES") != "1" {
		flag.Parse()
		_ = flag.Set("test.skip", "^Example") // it cannot skip itself
	}
	code := m.Run()
	if shared != nil {
		shared.Stop()
	}
	os.Exit(code)
}

var schemas atomic.Int64

// ledger is a schema with a table for the effects.
type ledger struct {
	pool        *pgxpool.Pool
	dsn, schema string
}

func newLedger(t *testing.T) *ledger {
	t.Helper()
	testpostgres.Require(t, errServer)
	return newLedgerOn(t, shared)
}

// newLedgerOn makes a schema on a server, and opens it with more settings.
func newLedgerOn(t *testing.T, s *testpostgres.Server, settings ...string) *ledger {
	t.Helper()
	l := ledgerAt(t, s, fmt.Sprintf("ledger%d", schemas.Add(1)), settings...)
	l.exec(t, "CREATE SCHEMA "+l.schema)
	l.exec(t, "CREATE TABLE credits (key text NOT NULL)")
	return l
}

// ledgerAt opens a schema of a server.
func ledgerAt(t *testing.T, s *testpostgres.Server, schema string, settings ...string) *ledger {
	t.Helper()
	dsn := s.URL(append([]string{"pool_max_conns=40", "search_path=" + schema}, settings...)...) // room for several inboxes in one pool
	return &ledger{connect(t, dsn), dsn, schema}
}

// newLedgerIn makes a schema whose tables are below dir.
func newLedgerIn(t *testing.T, dir string) *ledger {
	t.Helper()
	testpostgres.Require(t, errServer)
	data := filepath.Join(dir, "data")
	if err := errors.Join(os.Mkdir(data, 0o700), shared.Give(data), shared.Give(dir)); err != nil {
		t.Fatal(err)
	}
	admin, name := connect(t, shared.URL()), fmt.Sprintf("disk%d", schemas.Add(1))
	if _, err := admin.Exec(t.Context(), fmt.Sprintf("CREATE TABLESPACE %s LOCATION '%s'", name, data)); err != nil {
		t.Fatal(err)
	}
	l := newLedgerOn(t, shared, "default_tablespace="+name)
	t.Cleanup(func() { // before the disk is taken away, and after the inbox is closed
		ctx := context.WithoutCancel(t.Context())
		_, schemaErr := admin.Exec(ctx, fmt.Sprintf("DROP SCHEMA %s CASCADE", l.schema))
		_, err := admin.Exec(ctx, "DROP TABLESPACE "+name)
		if err := errors.Join(schemaErr, err); err != nil {
			t.Error(err)
		}
	})
	return l
}

func connect(t *testing.T, dsn string) *pgxpool.Pool {
	t.Helper()
	settings, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		t.Fatal(err)
	}
	return connectTo(t, settings)
}

func connectTo(t *testing.T, settings *pgxpool.Config) *pgxpool.Pool {
	t.Helper()
	pool, err := pgxpool.NewWithConfig(t.Context(), settings)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { testwait.End(t, "closing a pool", pool.Close) }) // which waits for every connection that was not given back
	return pool
}

func (l *ledger) exec(t *testing.T, statement string, args ...any) {
	t.Helper()
	if _, err := l.pool.Exec(t.Context(), statement, args...); err != nil {
		t.Fatal(err)
	}
}

func (l *ledger) Open(t *testing.T, c inbox.Config) inboxtest.Inbox[pgx.Tx] {
	t.Helper()
	return l.open(t, c)
}

func (l *ledger) open(t *testing.T, c inbox.Config) *postgres.Inbox {
	t.Helper()
	box, err := postgres.Open(t.Context(), l.pool, c)
	if err != nil {
		t.Fatal(err)
	}
	return box
}

func (l *ledger) Credit(ctx context.Context, tx pgx.Tx, key string) error {
	_, err := tx.Exec(ctx, "INSERT INTO credits (key) VALUES ($1)", key)
	return err
}

func (l *ledger) Credits(t *testing.T) map[string]int {
	t.Helper()
	rows, err := l.pool.Query(t.Context(), "SELECT key, count(*) FROM credits GROUP BY key")
	if err != nil {
		t.Fatal(err)
	}
	credits := map[string]int{}
	var key string
	var n int
	if _, err := pgx.ForEachRow(rows, []any{&key, &n}, func() error { credits[key] = n; return nil }); err != nil {
		t.Fatal(err)
	}
	return credits
}

// finish runs box until nothing is left to do.
func finish(t *testing.T, box *postgres.Inbox) {
	t.Helper()
	stop := inboxtest.Start(t, box)
	inboxtest.Quiet(t, box)
	stop()
}

// until waits until a query says true.
func (l *ledger) until(t *testing.T, what, query string) {
	t.Helper()
	testwait.Until(t, what, func() (is bool) {
		return l.pool.QueryRow(t.Context(), query).Scan(&is) == nil && is
	})
}
