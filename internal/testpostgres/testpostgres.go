//go:build unix

// Package testpostgres starts PostgreSQL servers for tests and measurements, each on a port of the loopback address. On Linux a server ends with the
// process that started it, however that ends.
package testpostgres

import (
	"errors"
	"fmt"
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

// Server is a PostgreSQL in a folder of its own. Its superuser is gatehouse, without a password. Its methods are called one at a time.
type Server struct {
	bin, dir string
	port     string
	settings []string
	as       *syscall.Credential // nil means the user who tests
	running  *process            // nil while it does not run
}

// Start makes a server with settings such as "max_connections=200", and starts it. The caller stops it.
func Start(settings ...string) (*Server, error) {
	return start(func(s *Server) error { return s.initialize() }, settings)
}

// StartWithLog does what Start does, for a server whose write-ahead log is in a folder of its own, in segments of 1 MiB.
func StartWithLog(dir string, settings ...string) (*Server, error) {
	return start(func(s *Server) error {
		return errors.Join(s.Give(dir), s.initialize("--waldir="+dir, "--wal-segsize=1"))
	}, settings)
}

// Standby starts a server that follows s and takes no writes, until it is promoted.
func (s *Server) Standby(settings ...string) (*Server, error) {
	return start(func(standby *Server) error {
		return standby.run("pg_basebackup", "-D", standby.data(), "-R", "-c", "fast", "-h", loopback, "-p", s.port, "-U", superuser)
	}, settings)
}

const (
	loopback  = "127.0.0.1"
	superuser = "gatehouse"
)

// start starts a server whose folder is filled by fill.
func start(fill func(s *Server) error, settings []string) (s *Server, err error) {
	bin, err := folder()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "postgres")
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(dir))
		}
	}()
	s = &Server{bin: bin, dir: dir, settings: settings}
	if s.as, err = owner(); err != nil {
		return nil, err
	}
	if err := s.Give(s.dir); err != nil {
		return nil, err
	}
	if err := fill(s); err != nil {
		return nil, err
	}
	for range portTries {
		s.port = somePort()
		if err = s.Restart(); err == nil {
			return s, nil
		}
		if !errors.Is(err, errPort) {
			break
		}
	}
	return nil, err
}

// folder returns the one with PostgreSQL's programs: of the newest version where Debian puts them, or else where the path leads to.
func folder() (string, error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if path, lookErr := exec.LookPath("initdb"); lookErr == nil && len(found) == 0 {
		found = append(found, path)
	}
	if err != nil || len(found) == 0 {
		return "", ErrAbsent
	}
	return filepath.Dir(slices.Max(found)), nil
}

// owner returns who runs the server: it refuses to be run by root.
func owner() (*syscall.Credential, error) {
	if os.Getuid() != 0 {
		return nil, nil
	}
	who, err := user.Lookup("postgres")
	if err != nil {
		return nil, err
	}
	uid, uidErr := strconv.ParseUint(who.Uid, 10, 32)
	gid, gidErr := strconv.ParseUint(who.Gid, 10, 32)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, errors.Join(uidErr, gidErr)
}

func (s *Server) initialize(more ...string) error {
	return s.run("initdb", append([]string{"-D", s.data(), "-U", superuser, "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync"}, more...)...)
}

func (s *Server) data() string { return s.dir + "/data" }

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
	if s.as == nil {
		return nil
	}
	return os.Chown(dir, int(s.as.Uid), int(s.as.Gid))
}

// URL returns the address of the server's database, with settings in its query, such as "search_path=mine".
func (s *Server) URL(settings ...string) string {
	return fmt.Sprintf("postgres://%s@%s:%s/postgres?%s", superuser, loopback, s.port, strings.Join(append([]string{"sslmode=disable"}, settings...), "&"))
}
