//go:build unix

// Package testpostgres starts PostgreSQL servers for tests and measurements, each on a free port of the loopback address.
package testpostgres

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// ErrAbsent is returned by Start where PostgreSQL's server is not installed.
var ErrAbsent = fmt.Errorf("PostgreSQL's server is not installed: %w", exec.ErrNotFound)

// Server is a PostgreSQL in a folder of its own. Its superuser is gatehouse, without a password.
type Server struct {
	bin, dir string
	port     string
	settings []string
	as       *syscall.SysProcAttr
}

// Start makes a server with settings such as "max_connections=200", and starts it. The caller stops it.
func Start(settings ...string) (s *Server, err error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if path, lookErr := exec.LookPath("initdb"); lookErr == nil {
		found = append(found, path)
	}
	if err != nil || len(found) == 0 {
		return nil, ErrAbsent
	}
	s = &Server{bin: filepath.Dir(slices.Max(found)), settings: settings, as: &syscall.SysProcAttr{}}
	if s.dir, err = os.MkdirTemp("", "postgres"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(s.dir))
			s = nil
		}
	}()
	if os.Getuid() == 0 { // the server refuses to run as root
		who, err := user.Lookup("postgres")
		if err != nil {
			return nil, err
		}
		uid, uidErr := strconv.ParseUint(who.Uid, 10, 32)
		gid, gidErr := strconv.ParseUint(who.Gid, 10, 32)
		if err := errors.Join(uidErr, gidErr); err != nil {
			return nil, err
		}
		s.as.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	}
	if err := s.Give(s.dir); err != nil {
		return nil, err
	}
	free, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	_, s.port, _ = net.SplitHostPort(free.Addr().String()) // an address that was listened on has a port
	if err := free.Close(); err != nil {
		return nil, err
	}
	if err := s.run("initdb", "-D", s.dir+"/data", "-U", "gatehouse", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync"); err != nil {
		return nil, err
	}
	return s, s.Restart()
}

// Of starts a server that ends with the test, or skips the test where PostgreSQL is not installed; where engines are required it fails instead.
func Of(tb testing.TB, settings ...string) *Server {
	tb.Helper()
	s, err := Start(settings...)
	Require(tb, err)
	tb.Cleanup(s.Stop)
	return s
}

// Require skips a test when err says that PostgreSQL is not installed, and fails it for any other error, and where engines are required.
func Require(tb testing.TB, err error) {
	tb.Helper()
	if errors.Is(err, ErrAbsent) && os.Getenv("GATEHOUSE_REQUIRE_ENGINES") != "1" {
		tb.Skip(err)
	}
	if err != nil {
		tb.Fatal(err)
	}
}

// Give makes a folder the server's.
func (s *Server) Give(dir string) error {
	if s.as.Credential == nil {
		return nil
	}
	return os.Chown(dir, int(s.as.Credential.Uid), int(s.as.Credential.Gid))
}

func (s *Server) run(name string, args ...string) error {
	cmd := exec.CommandContext(context.Background(), filepath.Join(s.bin, name), args...) //nolint:gosec // of PostgreSQL's own folder
	cmd.SysProcAttr, cmd.Dir = s.as, s.dir
	log, err := os.OpenFile(s.dir+"/"+name+".out", os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600) //nolint:gosec // of its own folder
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	cmd.Stdout, cmd.Stderr = log, log // a file: the server keeps it open, and a pipe would be waited for
	if err := cmd.Run(); err != nil {
		said, _ := os.ReadFile(log.Name())
		return fmt.Errorf("%s: %w: %s", name, err, said)
	}
	return nil
}

// Restart starts the server again, after a Crash.
func (s *Server) Restart() error {
	options := strings.Join(append([]string{"listen_addresses=127.0.0.1", "unix_socket_directories=", "port=" + s.port}, s.settings...), " -c ")
	return s.run("pg_ctl", "-D", s.dir+"/data", "-w", "-t", "60", "-l", s.dir+"/log", "start", "-o", "-c "+options)
}

// Crash ends the server at once, as if its machine had lost power.
func (s *Server) Crash() error {
	return s.run("pg_ctl", "-D", s.dir+"/data", "-w", "-m", "immediate", "stop")
}

// Stop ends the server and removes its folder.
func (s *Server) Stop() {
	_ = s.Crash()
	_ = os.RemoveAll(s.dir)
}

// Postmaster returns the number of the server's first process.
func (s *Server) Postmaster() (int, error) {
	file, err := os.ReadFile(s.dir + "/data/postmaster.pid")
	if err != nil {
		return 0, err
	}
	first, _, _ := strings.Cut(string(file), "\n")
	return strconv.Atoi(first)
}

// URL returns the address of the server's database, with settings in its query, such as "search_path=mine".
func (s *Server) URL(settings ...string) string {
	return fmt.Sprintf("postgres://gatehouse@127.0.0.1:%s/postgres?%s", s.port, strings.Join(append([]string{"sslmode=disable"}, settings...), "&"))
}
