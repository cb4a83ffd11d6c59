package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/gatehouse-go/gatehouse/security"
	"github.com/gatehouse-go/gatehouse/webhook/provider"
)

// secrets are those that all instances must have in common, as their environment.
func secrets() ([]string, error) {
	cookies := make([]byte, 32)
	_, _ = rand.Read(cookies) // never fails
	key, stored, err := security.NewAPIKey("demo", "curl", "read")
	if err != nil {
		return nil, err
	}
	kept, err := json.Marshal(stored)
	if err != nil {
		return nil, err
	}
	_, standard, err := provider.StandardWebhooks{}.GenerateSecret()
	if err != nil {
		return nil, err
	}
	return append(os.Environ(),
		"COOKIE_KEY="+base64.StdEncoding.EncodeToString(cookies), "API_KEY="+key, "API_KEY_STORED="+string(kept),
		"REVALIDATE_SECRET_TOKEN="+rand.Text(), "GITHUB_WEBHOOK_SECRET="+rand.Text(), "STRIPE_WEBHOOK_SECRET=whsec_"+rand.Text(), "STANDARD_WEBHOOK_SECRET="+standard.Reveal(),
	), nil
}

// processes are what was started, and is to end with this program.
type processes struct {
	dir  string
	list []*exec.Cmd
}

// stop ends the instances before what they depend on, and waits for each.
func (p *processes) stop() error {
	var all error
	for _, cmd := range slices.Backward(p.list) {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		kill := time.AfterFunc(15*time.Second, func() { _ = cmd.Process.Kill() })
		if err := cmd.Wait(); err != nil && cmd.ProcessState.ExitCode() > 0 {
			all = errors.Join(all, fmt.Errorf("%s: %w", filepath.Base(cmd.Path), err))
		}
		kill.Stop()
	}
	return all
}

func (p *processes) start(cmd *exec.Cmd) error {
	if err := cmd.Start(); err != nil {
		return err
	}
	p.list = append(p.list, cmd)
	return nil
}

// redis starts a server that keeps nothing on disk, on a free port of this machine.
func (p *processes) redis(ctx context.Context) (addr string, err error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	addr = l.Addr().String()
	_, port, _ := net.SplitHostPort(addr) // that of a listener
	if err := l.Close(); err != nil {
		return "", err
	}
	cmd := exec.Command("redis-server", "--port", port, "--bind", "127.0.0.1", "--save", "", "--dir", p.dir, "--loglevel", "warning") //nolint:gosec,noctx // a port; stop ends it
	cmd.Stderr = os.Stderr
	if err := p.start(cmd); err != nil {
		return "", fmt.Errorf("install redis-server, or name one by -redis: %w", err)
	}
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		c, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
		if err == nil {
			return addr, c.Close()
		}
		if time.Now().After(end) {
			return "", err
		}
	}
}

// build compiles the quickstart once for all instances.
func (p *processes) build(ctx context.Context) (program string, err error) {
	program = filepath.Join(p.dir, "quickstart")
	cmd := exec.CommandContext(ctx, "go", "build", "-o", program, "github.com/gatehouse-go/gatehouse/examples/quickstart") //nolint:gosec // a path of this program's own
	cmd.Stderr = os.Stderr
	return program, cmd.Run()
}

var listening = regexp.MustCompile(`^# instance at (\S+)$`)

// instance starts one, and returns where it listens and what it prints.
func (p *processes) instance(ctx context.Context, program string, environment []string, args ...string) (target, hints string, err error) {
	cmd := exec.Command(program, args...) //nolint:gosec,noctx // what build made; stop ends it
	cmd.Env, cmd.Stderr = environment, os.Stderr
	printed, err := cmd.StdoutPipe()
	if err != nil {
		return "", "", err
	}
	if err := p.start(cmd); err != nil {
		return "", "", err
	}
	lines := bufio.NewScanner(printed)
	var text strings.Builder
	for lines.Scan() {
		if found := listening.FindStringSubmatch(lines.Text()); found != nil {
			go func() { _, _ = io.Copy(io.Discard, printed) }()
			return "http://" + found[1], text.String(), nil
		}
		text.WriteString(lines.Text() + "\n")
	}
	return "", "", errors.Join(fmt.Errorf("an instance did not start: %s", text.String()), lines.Err(), ctx.Err())
}
