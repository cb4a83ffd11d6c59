package postgres_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook/inbox"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/inboxtest"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/gatehouse-go/gatehouse/engines/postgres"
)

func TestMain(m *testing.M) {
	if inboxtest.Victim() {
		os.Exit(m.Run()) // over the server of the one who kills it
	}
	shared, errServer = newServer()
	if errServer == nil {
		_ = os.Setenv("DATABASE_URL", shared.dsn("public")) // for the Example
	} else if os.Getenv("GATEHOUSE_REQUIRE_ENGINES") != "1" {
		flag.Parse()
		_ = flag.Set("test.skip", "^Example") // it cannot skip itself
	}
	code := m.Run()
	if shared != nil {
		shared.stop()
	}
	os.Exit(code)
}

// server is a PostgreSQL of the tests' own.
type server struct {
	bin, dir string
	port     int
	as       *syscall.SysProcAttr
}

var (
	shared    *server
	errServer error
)

// running returns the server that all tests use, or skips where PostgreSQL is not installed.
func running(t *testing.T) *server {
	t.Helper()
	if errors.Is(errServer, exec.ErrNotFound) && os.Getenv("GATEHOUSE_REQUIRE_ENGINES") != "1" {
		t.Skip("PostgreSQL's server is not installed")
	}
	if errServer != nil {
		t.Fatal(errServer)
	}
	return shared
}

func newServer() (*server, error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if path, lookErr := exec.LookPath("initdb"); lookErr == nil {
		found = append(found, path)
	}
	if err != nil || len(found) == 0 {
		return nil, fmt.Errorf("initdb: %w", exec.ErrNotFound)
	}
	s := &server{bin: filepath.Dir(slices.Max(found)), as: &syscall.SysProcAttr{}}
	if s.dir, err = os.MkdirTemp("", "postgres"); err != nil {
		return nil, err
	}
	if os.Getuid() == 0 { // the server refuses to run as root
		who, err := user.Lookup("postgres")
		if err != nil {
			return nil, err
		}
		uid, _ := strconv.ParseUint(who.Uid, 10, 32)
		gid, _ := strconv.ParseUint(who.Gid, 10, 32)
		s.as.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
		if err := os.Chown(s.dir, int(uid), int(gid)); err != nil {
			return nil, err
		}
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s.port = free.Addr().(*net.TCPAddr).Port
	if err := free.Close(); err != nil {
		return nil, err
	}
	if err := s.run("initdb", "-D", s.dir+"/data", "-U", "gatehouse", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync"); err != nil {
		return nil, err
	}
	return s, s.start()
}

func (s *server) run(name string, args ...string) error {
	cmd := exec.Command(filepath.Join(s.bin, name), args...)
	cmd.SysProcAttr, cmd.Dir = s.as, s.dir
	log, err := os.OpenFile(s.dir+"/"+name+".out", os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o666)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log // a file: the server keeps it open, and a pipe would be waited for
	if err := cmd.Run(); err != nil {
		said, _ := os.ReadFile(log.Name())
		return fmt.Errorf("%s: %w: %s", name, err, said)
	}
	return nil
}

func (s *server) start() error {
	return s.run("pg_ctl", "-D", s.dir+"/data", "-w", "-t", "60", "-l", s.dir+"/log", "start",
		"-o", fmt.Sprintf("-p %d -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c max_connections=200", s.port))
}

// crash ends the server at once, as if its machine had lost power.
func (s *server) crash() error {
	return s.run("pg_ctl", "-D", s.dir+"/data", "-w", "-m", "immediate", "stop")
}

func (s *server) stop() {
	_ = s.crash()
	_ = os.RemoveAll(s.dir)
}

// dsn names a schema of the server's database, with room for several inboxes in one pool.
func (s *server) dsn(schema string) string {
	return fmt.Sprintf("postgres://gatehouse@127.0.0.1:%d/postgres?sslmode=disable&pool_max_conns=40&search_path=%s", s.port, schema)
}

var schemas atomic.Int64

// ledger is a schema with a table for the effects.
type ledger struct {
	pool *pgxpool.Pool
	dsn  string
}

func newLedger(t *testing.T) *ledger {
	t.Helper()
	s := running(t)
	schema := fmt.Sprintf("ledger%d", schemas.Add(1))
	l := &ledger{connect(t, s.dsn(schema)), s.dsn(schema)}
	l.exec(t, "CREATE SCHEMA "+schema)
	l.exec(t, "CREATE TABLE credits (key text NOT NULL)")
	return l
}

func connect(t *testing.T, dsn string) *pgxpool.Pool {
	t.Helper()
	pool, err := pgxpool.New(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
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
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- box.Run(ctx) }()
	quiet(t, box)
	cancel()
	if err := <-done; err != nil {
		t.Errorf("Run: %v", err)
	}
}

// quiet waits until nothing is to be done.
func quiet(t *testing.T, box *postgres.Inbox) inbox.Stats {
	t.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		stats, err := box.Stats(t.Context())
		if err == nil && stats.Total(inbox.Pending)+stats.Total(inbox.Waiting)+stats.Total(inbox.Running) == 0 {
			return stats
		}
		if time.Now().After(end) {
			t.Fatalf("something is left: %+v, %v", stats, err)
		}
	}
}
