package nats_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/url"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/testwait"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/inboxtest"
	"github.com/nats-io/nats-server/v2/server"
	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// serverEnv has a serverPlan as JSON, for a process of this program that is a server.
const serverEnv = "GATEHOUSE_NATS_SERVER"

var (
	shared    *natsServer
	errServer error
)

func TestMain(m *testing.M) {
	if plan := os.Getenv(serverEnv); plan != "" {
		serve(plan)
		return
	}
	if inboxtest.Victim() {
		os.Exit(m.Run()) // over the server of the one who kills it
	}
	shared, errServer = newServer("", false)
	if errServer == nil {
		_ = os.Setenv("NATS_URL", shared.url()) // for the Example
	}
	code := m.Run()
	if shared != nil {
		shared.stop()
	}
	os.Exit(code)
}

// serverPlan is what a server is told.
type serverPlan struct {
	Port       int
	Dir        string
	SyncAlways bool

	// Of one in a cluster.
	Name   string
	Route  int   // port for the others
	Routes []int // of all
}

// What a server says first.
const (
	saysReady = "ready"
	saysTaken = "taken" // one of its ports is another's
)

var errTaken = errors.New("a port is taken")

// serve is a NATS server, until it is killed or its parent's end of the pipe closes.
func serve(text string) {
	var plan serverPlan
	if err := json.Unmarshal([]byte(text), &plan); err != nil {
		panic(err)
	}
	o := &server.Options{Host: "127.0.0.1", Port: plan.Port, JetStream: true, StoreDir: plan.Dir, SyncAlways: plan.SyncAlways, NoSigs: true}
	if plan.Name != "" {
		o.ServerName, o.Cluster = plan.Name, server.ClusterOpts{Name: "gatehouse", Host: "127.0.0.1", Port: plan.Route}
		for _, port := range plan.Routes {
			o.Routes = append(o.Routes, &url.URL{Scheme: "nats", Host: address(port)})
		}
	}
	if !free(plan.Port) || plan.Name != "" && !free(plan.Route) {
		fmt.Println(saysTaken)
		return
	}
	s, err := server.NewServer(o)
	if err != nil {
		panic(err)
	}
	s.Start()
	if !s.ReadyForConnections(testwait.Patience) {
		panic("the server does not come up")
	}
	fmt.Println(saysReady)
	_, _ = os.Stdin.Read(make([]byte, 1)) // until the tests end, however they do
}

func address(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

func free(port int) bool {
	l, err := net.Listen("tcp", address(port))
	if err != nil {
		return false
	}
	return l.Close() == nil
}

// portTries is how often a server looks for ports that are free.
const portTries = 20

// somePort returns a port that no client is given by chance, so that a server finds it free again when it comes back.
func somePort() int { return 10_000 + rand.IntN(20_000) }

// natsServer is a server of the tests' own, in a process that can be killed.
type natsServer struct {
	serverPlan
	cmd  *exec.Cmd
	hold interface{ Close() error }
}

// newServer starts a server over a folder; none means one of its own.
func newServer(dir string, syncAlways bool) (*natsServer, error) {
	if dir == "" {
		var err error
		if dir, err = os.MkdirTemp("", "nats"); err != nil {
			return nil, err
		}
	}
	s := &natsServer{serverPlan: serverPlan{Dir: dir, SyncAlways: syncAlways}}
	err := errTaken
	for n := 0; errors.Is(err, errTaken) && n < portTries; n++ {
		s.Port = somePort()
		err = s.start()
	}
	return s, err
}

func (s *natsServer) start() error {
	plan, err := json.Marshal(s.serverPlan)
	if err != nil {
		return err
	}
	s.cmd = exec.Command(os.Args[0])
	s.cmd.Env = append(os.Environ(), serverEnv+"="+string(plan))
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
	late := time.AfterFunc(2*testwait.Patience, func() { _ = s.cmd.Process.Kill() })
	defer late.Stop()
	line, err := bufio.NewReader(out).ReadString('\n')
	switch strings.TrimSpace(line) {
	case saysReady:
		return nil
	case saysTaken:
		err = errTaken
	}
	s.kill()
	return fmt.Errorf("the server says %q: %w", line, err)
}

// kill ends the server at once.
func (s *natsServer) kill() {
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait() // it was killed
}

func (s *natsServer) signal(sig syscall.Signal) error { return s.cmd.Process.Signal(sig) }

func (s *natsServer) stop() {
	s.kill()
	_ = os.RemoveAll(s.Dir)
}

func (s *natsServer) url() string { return "nats://" + address(s.Port) }

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

// own starts a server for one test, which may do with it what it likes.
func own(t *testing.T, syncAlways bool) *natsServer {
	t.Helper()
	s, err := newServer("", syncAlways)
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
