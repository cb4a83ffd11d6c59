// Package testredis starts a redis-server for a test, on a free port of the loopback address.
package testredis

import (
	"net"
	"os"
	"os/exec"
	"testing"
	"time"
)

// patience is how long a server may take to listen.
const patience = 30 * time.Second

// Start starts a server that keeps nothing on disk and ends with the test, and returns its host:port. Where redis-server is not installed the test is
// skipped, or fails if engines are required.
func Start(tb testing.TB) (addr string) {
	tb.Helper()
	path, err := exec.LookPath("redis-server")
	if err != nil {
		if os.Getenv("GATEHOUSE_REQUIRE_ENGINES") == "1" {
			tb.Fatal("redis-server is required and not installed")
		}
		tb.Skip("redis-server is not installed")
	}
	l, err := (&net.ListenConfig{}).Listen(tb.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	addr = l.Addr().String()
	_, port, _ := net.SplitHostPort(addr) // that of a listener
	_ = l.Close()
	cmd := exec.Command(path, "--port", port, "--bind", "127.0.0.1", "--save", "", "--dir", tb.TempDir()) //nolint:gosec,noctx // a port; Cleanup ends it
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		c, err := (&net.Dialer{}).DialContext(tb.Context(), "tcp", addr)
		if err == nil {
			_ = c.Close()
			return addr
		}
		if time.Now().After(end) {
			tb.Fatalf("redis-server does not listen: %v", err)
		}
	}
}
