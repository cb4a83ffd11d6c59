package redis_test

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/testwait"
	"github.com/redis/rueidis"

	"github.com/gatehouse-go/gatehouse/engines/redis"
)

// server is a redis-server of the test's own, which it may kill, stop and start again.
type server struct {
	t       testing.TB
	binary  string
	address string
	tls     *tls.Config // of the test's own commands
	args    []string
	process *exec.Cmd
}

// start starts a redis-server on a free port of the loopback address, and stops it when the test ends.
func start(tb testing.TB, args ...string) *server {
	tb.Helper()
	return startOf(tb, "redis-server", "GATEHOUSE_REQUIRE_ENGINES", args...)
}

// startOf starts a server of another binary. Its absence skips the test, or fails it where the variable required is set.
func startOf(tb testing.TB, binary, required string, args ...string) *server {
	tb.Helper()
	if _, err := exec.LookPath(binary); err != nil {
		if os.Getenv(required) != "" {
			tb.Fatal(binary + " is not installed")
		}
		tb.Skip(binary + " is not installed")
	}
	s := &server{t: tb, binary: binary, address: freeAddress(tb), args: args}
	s.run()
	tb.Cleanup(s.kill)
	return s
}

// startNode starts a node of a cluster, and returns it with the port of its bus: a free one, or, where it cannot be chosen, the node's and 10,000.
func startNode(tb testing.TB) (s *server, bus string) {
	tb.Helper()
	if !olderThan7(tb) {
		_, bus, _ = net.SplitHostPort(freeAddress(tb))
		return start(tb, "--cluster-enabled", "yes", "--cluster-port", bus), bus
	}
	for range 1000 {
		host, port, _ := net.SplitHostPort(freeAddress(tb))
		n, _ := strconv.Atoi(port)
		bus = strconv.Itoa(n + 10_000)
		l, err := net.Listen("tcp", net.JoinHostPort(host, bus))
		if err != nil {
			continue
		}
		l.Close()
		s = &server{t: tb, binary: "redis-server", address: net.JoinHostPort(host, port), args: []string{"--cluster-enabled", "yes"}}
		s.run()
		tb.Cleanup(s.kill)
		return s, bus
	}
	tb.Fatal("no two free ports that are 10,000 apart")
	return nil, ""
}

// olderThan7 reports whether the redis-server that is installed is of a version before 7, which lacks some of what tests, and not the engine, use.
func olderThan7(tb testing.TB) bool {
	tb.Helper()
	text, err := exec.Command("redis-server", "--version").Output()
	if err != nil {
		return false // start skips the test, or fails it
	}
	found := regexp.MustCompile(`v=(\d+)\.`).FindSubmatch(text)
	if found == nil {
		tb.Fatalf("redis-server tells no version: %s", text)
	}
	major, _ := strconv.Atoi(string(found[1]))
	return major < 7
}

func freeAddress(tb testing.TB) string {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// run starts the server's process and waits until it answers.
func (s *server) run() {
	s.t.Helper()
	host, port, _ := net.SplitHostPort(s.address)
	s.process = exec.Command(s.binary, append([]string{"--bind", host, "--port", port, "--save", "", "--appendonly", "no", "--dir", s.t.TempDir()}, s.args...)...)
	if err := s.process.Start(); err != nil {
		s.t.Fatal(err)
	}
	testwait.Until(s.t, "a server that listens", func() bool {
		c, err := net.Dial("tcp", s.address)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
}

// kill is kill -9.
func (s *server) kill() {
	_ = s.process.Process.Kill()
	_ = s.process.Wait()
}

func (s *server) signal(sig syscall.Signal) {
	s.t.Helper()
	if err := s.process.Process.Signal(sig); err != nil {
		s.t.Fatal(err)
	}
}

// do sends one command of the test's own, beside the engine.
func (s *server) do(command ...string) rueidis.RedisResult {
	s.t.Helper()
	c, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{s.address}, DisableCache: true, ForceSingleClient: true, TLSConfig: s.tls})
	if err != nil {
		s.t.Fatal(err)
	}
	defer c.Close()
	return c.Do(context.Background(), c.B().Arbitrary(command...).Build())
}

// answers reports whether the server answers within a time.
func (s *server) answers(within time.Duration) bool {
	s.t.Helper()
	c, err := net.Dial("tcp", s.address)
	if err != nil {
		return false
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(within))
	_, err = c.Write([]byte("PING\r\n"))
	if err == nil {
		_, err = c.Read(make([]byte, 1))
	}
	return err == nil
}

// engine returns an engine on the server, closed when the test ends.
func (s *server) engine(edit ...func(*redis.Config)) *redis.Engine {
	s.t.Helper()
	return engineAt(s.t, append([]func(*redis.Config){func(c *redis.Config) { c.Addresses = []string{s.address} }}, edit...)...)
}

func engineAt(tb testing.TB, edit ...func(*redis.Config)) *redis.Engine {
	tb.Helper()
	c := redis.Config{Timeout: 30 * time.Second, Logger: slog.New(slog.DiscardHandler)}
	for _, f := range edit {
		f(&c)
	}
	e, err := redis.New(c)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(e.Close)
	return e
}

// prefixes gives each store that a suite opens keys of its own on one server.
type prefixes struct {
	mu sync.Mutex
	n  int
}

func (p *prefixes) next(c *redis.Config) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.n++
	c.Prefix = "test" + strconv.Itoa(p.n) + ":"
}

// eventually waits until ok returns true. It fails the test where it does not.
func eventually(tb testing.TB, what string, ok func() bool) {
	tb.Helper()
	testwait.Until(tb, what, ok)
}
