//go:build unix

package testpostgres

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// patience is how long a server may take to begin or to end.
const patience = 2 * time.Minute

const portTries = 20

// errPort says that another process has the server's port.
var errPort = errors.New("the port is taken")

// somePort returns a port that no client is given by chance, so that a server that was ended finds it free again.
func somePort() string { return strconv.Itoa(10_000 + rand.IntN(20_000)) } //nolint:gosec // nothing to guess

// process is a run of a server.
type process struct {
	*exec.Cmd
	ended chan struct{} // closed when it has ended
}

// command returns one of PostgreSQL's programs, to be run as the server is.
func (s *Server) command(name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(context.Background(), filepath.Join(s.bin, name), args...) //nolint:gosec // of PostgreSQL's own folder
	cmd.SysProcAttr, cmd.Dir = &syscall.SysProcAttr{Credential: s.as}, s.dir
	return cmd
}

// run runs a program to its end.
func (s *Server) run(name string, args ...string) error {
	if said, err := s.command(name, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", name, err, said)
	}
	return nil
}

// Restart starts the server again, after a Crash or when it has ended by itself.
func (s *Server) Restart() error {
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", net.JoinHostPort(loopback, s.port))
	if err != nil {
		return fmt.Errorf("%w: %w", errPort, err)
	}
	if err := l.Close(); err != nil {
		return err
	}
	args := []string{"-D", s.data()}
	for _, setting := range append([]string{"listen_addresses=" + loopback, "unix_socket_directories=", "port=" + s.port}, s.settings...) {
		args = append(args, "-c", setting)
	}
	cmd := s.command("postgres", args...)
	endWithParent(cmd.SysProcAttr)
	log, err := os.OpenFile(s.log(), os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	cmd.Stdout, cmd.Stderr = log, log
	s.running = &process{cmd, make(chan struct{})}
	if err := s.running.begin(); err != nil {
		return err
	}
	return s.awaitReady()
}

func (s *Server) log() string { return s.dir + "/log" }

// begin starts p from a thread that lives as long: a process ends with the thread that began it, where it ends with its parent.
func (p *process) begin() error {
	begun := make(chan error, 1)
	go func() { // ends with p
		defer close(p.ended)
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := p.Start()
		begun <- err
		if err == nil {
			_ = p.Wait() // how it ended is in its log
		}
	}()
	return <-begun
}

// awaitReady waits until the server takes connections.
func (s *Server) awaitReady() error {
	for end := time.Now().Add(patience); ; {
		select {
		case <-s.running.ended:
			return s.failed("the server has ended")
		case <-time.After(10 * time.Millisecond):
		}
		if s.ready() {
			return nil
		}
		if time.Now().After(end) {
			return errors.Join(s.failed("the server does not come up"), s.Crash())
		}
	}
}

// ready reports whether the server says that it takes connections, as pg_ctl does.
func (s *Server) ready() bool {
	file, err := os.ReadFile(s.data() + "/postmaster.pid")
	if err != nil {
		return false
	}
	const (
		number = 0
		status = 7
	)
	lines := strings.Split(string(file), "\n")
	if len(lines) <= status || lines[number] != strconv.Itoa(s.Postmaster()) {
		return false
	}
	is := strings.TrimSpace(lines[status])
	return is == "ready" || is == "standby"
}

func (s *Server) failed(what string) error {
	said, _ := os.ReadFile(s.log())
	return fmt.Errorf("postgres: %s: %s", what, said)
}

// Crash ends the server at once, as if its machine had lost power.
func (s *Server) Crash() error {
	if err := s.running.Process.Signal(syscall.SIGQUIT); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-s.running.ended:
		return nil
	case <-time.After(patience):
		return errors.Join(s.failed("the server does not end"), s.running.Process.Kill())
	}
}

// Ended returns a channel that is closed when the server has ended, by Crash or by itself.
func (s *Server) Ended() <-chan struct{} { return s.running.ended }

// Stop ends the server and removes its folder.
func (s *Server) Stop() {
	_ = s.Crash()
	_ = os.RemoveAll(s.dir)
}

// Postmaster returns the number of the server's first process.
func (s *Server) Postmaster() int { return s.running.Process.Pid }
