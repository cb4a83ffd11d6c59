package examples_test

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	// What the programs import: a change of it makes the tests run again.
	_ "github.com/gatehouse-go/gatehouse/callback/oidc"
	_ "github.com/gatehouse-go/gatehouse/engines/redis"
	_ "github.com/gatehouse-go/gatehouse/proxy"
	_ "github.com/gatehouse-go/gatehouse/revalidate/cms"
	_ "github.com/gatehouse-go/gatehouse/security"
	_ "github.com/gatehouse-go/gatehouse/webhook/inbox/sqlite"
	_ "github.com/gatehouse-go/gatehouse/webhook/provider"
)

// patience is how long a program may take for what it must do.
const patience = 30 * time.Second

// program builds the complete program of a page of docs, and returns the path of the binary.
func program(t *testing.T, page string) string {
	t.Helper()
	dir, err := os.MkdirTemp(".", "testdata-docs-") //nolint:usetesting // inside the module, so that its imports are found
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.WriteFile(filepath.Join(dir, "main.go"), []byte(block(t, page, "go")), 0o600); err != nil {
		t.Fatal(err)
	}
	binary := filepath.Join(t.TempDir(), "program")
	for _, args := range [][]string{{"vet", "./" + filepath.Base(dir)}, {"build", "-o", binary, "./" + filepath.Base(dir)}} {
		if out, err := exec.CommandContext(t.Context(), "go", args...).CombinedOutput(); err != nil {
			t.Fatalf("go %v: %v: %s", args, err, out)
		}
	}
	return binary
}

// block returns the one code block of a language on a page of docs.
func block(t *testing.T, page, language string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "docs", page))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(text), "\n```"+language+"\n")
	code, rest, ended := strings.Cut(rest, "\n```\n")
	if !found || !ended || strings.Contains(rest, "\n```"+language+"\n") {
		t.Fatalf("%s has not one block of %s", page, language)
	}
	return code + "\n"
}

// server is a running program.
type server struct {
	url    string
	cmd    *exec.Cmd
	output *output
}

type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// start runs a program that listens on ADDR, and waits until it does.
func start(t *testing.T, binary string, env ...string) *server {
	t.Helper()
	return startAt(t, binary, freeAddress(t), env...)
}

func startAt(t *testing.T, binary, addr string, env ...string) *server {
	t.Helper()
	s := &server{url: "http://" + addr, cmd: exec.Command(binary), output: &output{}}
	s.cmd.Env = append(append(os.Environ(), "ADDR="+addr), env...)
	s.cmd.Stdout, s.cmd.Stderr = s.output, s.output
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the program printed: %s", s.output)
		}
		_ = s.cmd.Process.Kill()
		_ = s.cmd.Wait()
	})
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			_ = c.Close()
			return s
		}
		if time.Now().After(end) {
			t.Fatalf("the program does not listen on %s: %s", addr, s.output)
		}
	}
}

// stop ends the program as an operator does, and fails if it does not end well.
func (s *server) stop(t *testing.T) {
	t.Helper()
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	if err := s.cmd.Wait(); err != nil {
		t.Errorf("the program ended with %v: %s", err, s.output)
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// ask sends a request with header names and values in turn, and returns status, text and header of the answer. It follows no redirect.
func ask(t *testing.T, method, url, body string, header ...string) (int, string, http.Header) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		if header[i] == "Host" {
			r.Host = header[i+1] // what a load balancer passes on
		}
		r.Header.Set(header[i], header[i+1])
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, Timeout: patience}
	res, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(text), res.Header
}

// deliver sends a signed delivery by the example that the pages tell to use.
func deliver(t *testing.T, provider, secret, url, body string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "body.json")
	if err := os.WriteFile(file, []byte(body), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), deliverBinary(t), "send", "-provider", provider, "-secret", secret, "-url", url, "-body", file).CombinedOutput()
	if err != nil {
		t.Fatalf("deliver: %v: %s", err, out)
	}
	return string(out)
}

var deliverOnce sync.Once

var deliverPath string

func deliverBinary(t *testing.T) string {
	t.Helper()
	deliverOnce.Do(func() {
		dir, err := os.MkdirTemp("", "deliver") //nolint:usetesting // several tests share it
		if err != nil {
			t.Fatal(err)
		}
		deliverPath = filepath.Join(dir, "deliver")
		if out, err := exec.Command("go", "build", "-o", deliverPath, "./deliver").CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	})
	return deliverPath
}

func TestMain(m *testing.M) {
	code := m.Run()
	if deliverPath != "" {
		_ = os.RemoveAll(filepath.Dir(deliverPath))
	}
	os.Exit(code)
}
