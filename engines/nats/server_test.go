package nats_test

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/hex"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook/inbox"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/inboxtest"
	"github.com/nats-io/nats-server/v2/server"
	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	_ "modernc.org/sqlite"

	"github.com/gatehouse-go/gatehouse/engines/nats"
)

// serverEnv has "port folder sync" for a process of this program that is a server.
const serverEnv = "GATEHOUSE_NATS_SERVER"

var (
	shared    *natsServer
	errServer error
)

func TestMain(m *testing.M) {
	if args := os.Getenv(serverEnv); args != "" {
		serve(args)
		return
	}
	if inboxtest.Victim() {
		os.Exit(m.Run()) // over the server of the one who kills it
	}
	shared, errServer = newServer(false)
	if errServer == nil {
		_ = os.Setenv("NATS_URL", shared.url()) // for the Example
	}
	code := m.Run()
	if shared != nil {
		shared.stop()
	}
	os.Exit(code)
}

// serve is a NATS server, until it is killed or its parent's end of the pipe closes.
func serve(args string) {
	var port int
	var dir string
	var always bool
	if _, err := fmt.Sscan(args, &port, &dir, &always); err != nil {
		panic(err)
	}
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: port, JetStream: true, StoreDir: dir, SyncAlways: always, NoSigs: true})
	if err != nil {
		panic(err)
	}
	s.Start()
	if !s.ReadyForConnections(time.Minute) {
		panic("the server does not come up")
	}
	fmt.Println("ready")
	_, _ = os.Stdin.Read(make([]byte, 1)) // until the tests end, however they do
}

// natsServer is a server of the tests' own, in a process that can be killed.
type natsServer struct {
	port   int
	dir    string
	always bool
	cmd    *exec.Cmd
	hold   interface{ Close() error }
}

func newServer(syncAlways bool) (*natsServer, error) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &natsServer{port: free.Addr().(*net.TCPAddr).Port, always: syncAlways}
	if err := free.Close(); err != nil {
		return nil, err
	}
	if s.dir, err = os.MkdirTemp("", "nats"); err != nil {
		return nil, err
	}
	return s, s.start()
}

func (s *natsServer) start() error {
	s.cmd = exec.Command(os.Args[0])
	s.cmd.Env = append(os.Environ(), serverEnv+"="+fmt.Sprint(s.port, " ", s.dir, " ", s.always))
	s.cmd.Stderr = os.Stderr
	in, err := s.cmd.StdinPipe()
	if err != nil {
		return err
	}
	s.hold = in
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := s.cmd.Start(); err != nil {
		return err
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "ready\n" {
		return fmt.Errorf("the server says %q: %w", line, err)
	}
	return nil
}

// kill ends the server at once.
func (s *natsServer) kill() {
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait() // it was killed
}

func (s *natsServer) signal(sig syscall.Signal) error { return s.cmd.Process.Signal(sig) }

func (s *natsServer) stop() {
	s.kill()
	_ = os.RemoveAll(s.dir)
}

func (s *natsServer) url() string { return "nats://127.0.0.1:" + strconv.Itoa(s.port) }

// own starts a server for one test, which may do with it what it likes.
func own(t *testing.T, syncAlways bool) *natsServer {
	t.Helper()
	s, err := newServer(syncAlways)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.stop)
	return s
}

func running(t *testing.T) *natsServer {
	t.Helper()
	if errServer != nil {
		t.Fatal(errServer)
	}
	return shared
}

func connect(t *testing.T, s *natsServer) jetstream.JetStream {
	t.Helper()
	js, err := dial(s.url())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(js.Conn().Close)
	return js
}

func dial(url string, more ...natsgo.Option) (jetstream.JetStream, error) {
	options := []natsgo.Option{
		natsgo.MaxReconnects(-1), natsgo.ReconnectWait(time.Millisecond), natsgo.ReconnectJitter(0, 0),
		natsgo.ErrorHandler(func(*natsgo.Conn, *natsgo.Subscription, error) {}), // which would print
	}
	conn, err := natsgo.Connect(url, append(options, more...)...)
	if err != nil {
		return nil, err
	}
	return jetstream.New(conn)
}

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

// stopped keeps the server from doing anything until resume is called.
func (s *natsServer) stopped(t *testing.T) (resume func()) {
	t.Helper()
	if err := s.signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	var status syscall.WaitStatus
	if _, err := syscall.Wait4(s.cmd.Process.Pid, &status, syscall.WUNTRACED, nil); err != nil || !status.Stopped() { // it takes a moment
		t.Fatalf("the server does not stop: %v, %v", status, err)
	}
	resume = sync.OnceFunc(func() {
		if err := s.signal(syscall.SIGCONT); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(resume)
	return resume
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
