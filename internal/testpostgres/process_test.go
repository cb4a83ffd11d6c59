//go:build linux

package testpostgres_test

import (
	"bufio"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gatehouse-go/gatehouse/internal/testpostgres"
	"github.com/gatehouse-go/gatehouse/internal/testwait"
)

// asParent makes the test binary start a server and wait to be killed.
const asParent = "TESTPOSTGRES_IS_THE_PARENT"

func TestMain(m *testing.M) {
	if os.Getenv(asParent) == "" {
		os.Exit(m.Run())
	}
	s, err := testpostgres.Start()
	if err != nil {
		panic(err)
	}
	fmt.Println(s.Postmaster(), s.URL())
	_, _ = os.Stdin.Read(make([]byte, 1)) // until it is killed, or the test is
	s.Stop()
}

// lives reports whether a process is there that has not ended.
func lives(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, after, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(after, "Z")
}

// listens reports whether a server takes connections at an address.
func listens(t *testing.T, address string) bool {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", u.Host)
	if err != nil {
		return false
	}
	return conn.Close() == nil
}

func TestAServerEndsWithItsParent(t *testing.T) {
	testpostgres.Of(t) // or there is none
	parent := exec.CommandContext(t.Context(), os.Args[0])
	dir := t.TempDir() // for what a process that is killed leaves behind
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil {
		t.Fatal(err)
	}
	parent.Env = append(os.Environ(), asParent+"=1", "TMPDIR="+dir)
	parent.Stderr = os.Stderr
	in, err := parent.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	lines := make(chan string, 1)
	go func() { // ends with the parent
		line, _ := bufio.NewReader(out).ReadString('\n')
		lines <- line
	}()
	var pid int
	var address string
	if _, err := fmt.Sscan(testwait.For(t, "the server's number", lines), &pid, &address); err != nil {
		t.Fatal(err)
	}
	if !lives(pid) || !listens(t, address) {
		t.Errorf("process %d does not serve %s", pid, address)
	}
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = parent.Wait() // it was killed
	testwait.Until(t, "the end of the server", func() bool { return !lives(pid) && !listens(t, address) })
}

func TestAServerComesBackAtItsAddress(t *testing.T) {
	s := testpostgres.Of(t)
	first, address := s.Postmaster(), s.URL()
	if err := s.Crash(); err != nil {
		t.Fatal(err)
	}
	testwait.For(t, "the end of the server", s.Ended())
	if lives(first) || listens(t, address) {
		t.Error("it serves after a crash")
	}
	if err := s.Restart(); err != nil {
		t.Fatal(err)
	}
	if s.Postmaster() == first || s.URL() != address || !listens(t, address) {
		t.Errorf("process %d serves %s, before it was %d and %s", s.Postmaster(), s.URL(), first, address)
	}
}
