// Package load runs servers as processes of their own and sends requests to them.
package load

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// startTimeout bounds the time in which a server has to begin to listen.
const startTimeout = 60 * time.Second

// A Server is a process that answers HTTP requests on a port of the loopback.
type Server struct {
	Addr   string
	cmd    *exec.Cmd
	exited chan struct{} // closed once the process is gone
}

// Start runs a command, whose arguments may hold HOST, PORT and ADDR for where to listen, in dir, and waits until it
// does. Stop the server afterwards.
func Start(ctx context.Context, dir string, env []string, name string, args ...string) (*Server, error) {
	addr, err := freeAddr(ctx)
	if err != nil {
		return nil, err
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	placed := strings.NewReplacer("HOST", host, "PORT", port, "ADDR", addr)
	for i, arg := range args {
		args[i] = placed.Replace(arg)
	}
	cmd := exec.CommandContext(ctx, name, args...) //nolint:gosec // the part says which
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	log := new(tail)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	s := &Server{Addr: addr, cmd: cmd, exited: make(chan struct{})}
	go func() {
		_ = cmd.Wait() // how it ended is of interest only while it should not
		close(s.exited)
	}()
	var dialer net.Dialer
	for deadline := time.Now().Add(startTimeout); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if conn, err := dialer.DialContext(ctx, "tcp", addr); err == nil {
			return s, conn.Close()
		}
		select {
		case <-s.exited:
			return nil, fmt.Errorf("%s ended at once: %s", filepath.Base(name), log)
		default:
		}
	}
	return nil, errors.Join(fmt.Errorf("%s does not listen at %s: %s", filepath.Base(name), addr, log), s.Stop())
}

func freeAddr(ctx context.Context) (string, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// Stop ends the process and waits until it is gone.
func (s *Server) Stop() error {
	err := s.cmd.Process.Kill()
	if errors.Is(err, os.ErrProcessDone) {
		err = nil
	}
	<-s.exited
	return err
}

// CPU returns the processor time that the process has used, its threads together.
func (s *Server) CPU() time.Duration {
	used, err := processTime(s.cmd.Process.Pid)
	if err != nil {
		panic(fmt.Sprintf("CPU time of process %s: %v", strconv.Itoa(s.cmd.Process.Pid), err))
	}
	return used
}

// tail keeps the end of what a process prints.
type tail struct{ text []byte }

func (t *tail) Write(b []byte) (int, error) {
	t.text = append(t.text, b...)
	if over := len(t.text) - 2000; over > 0 {
		t.text = append(t.text[:0], t.text[over:]...)
	}
	return len(b), nil
}

func (t *tail) String() string { return string(t.text) }
