package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/testpostgres"
	"github.com/gatehouse-go/gatehouse/internal/testwait"
	"github.com/gatehouse-go/gatehouse/webhook"
	"github.com/gatehouse-go/gatehouse/webhook/provider"
)

const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// asProgram makes the test binary be the program, so that it can be killed.
const asProgram = "INBOX_POSTGRES_IS_THE_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// program is a run of the program, which serves at a port that stays the same.
type program struct {
	addr, database string
	*exec.Cmd
	log bytes.Buffer
}

func newProgram(t *testing.T) *program {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	return &program{addr: listener.Addr().String(), database: testpostgres.Of(t).URL()}
}

// start begins a run and waits until it serves.
func (p *program) start(t *testing.T) {
	t.Helper()
	p.Cmd = exec.CommandContext(t.Context(), os.Args[0], "-addr", p.addr, "-database-url", p.database, "-workers", "4", "-handler-delay", "5ms")
	p.Env = append(os.Environ(), asProgram+"=1", "WEBHOOK_SECRET="+secret, "CONSOLE_PASSWORD=correct horse")
	p.Stderr = &p.log
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(testwait.Patience); p.effects(t.Context()) == (effectsAnswer{Events: -1}); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			p.kill()
			t.Fatalf("it does not serve: %s", p.log.String())
		}
	}
}

func (p *program) kill() {
	_ = p.Process.Kill()
	_ = p.Wait() // it was killed
}

type effectsAnswer struct{ Events, Effects, Duplicates, Pending, Dead int64 }

// effects asks the program; -1 events where it does not answer.
func (p *program) effects(ctx context.Context) effectsAnswer {
	none := effectsAnswer{Events: -1}
	status, text := p.send(ctx, "GET", "/effects", "", nil)
	var a effectsAnswer
	if status != http.StatusOK || json.Unmarshal([]byte(text), &a) != nil {
		return none
	}
	return a
}

// send sends a request and returns its status and body; status 0 where no answer comes.
func (p *program) send(ctx context.Context, method, path, body string, prepare func(*http.Request)) (int, string) {
	r, err := http.NewRequestWithContext(ctx, method, "http://"+p.addr+path, strings.NewReader(body))
	if err != nil {
		return 0, err.Error()
	}
	if prepare != nil {
		prepare(r)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, err.Error()
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, err.Error()
	}
	return res.StatusCode, string(text)
}

// deliver sends one payment, and reports whether it was acknowledged.
func (p *program) deliver(ctx context.Context, id string) (bool, error) {
	const body = `{"type":"payment.made","card_number":"4242"}`
	var signErr error
	status, text := p.send(ctx, "POST", "/hooks/standard", body, func(r *http.Request) {
		r.Header.Set("Webhook-Id", id)
		_, signErr = provider.StandardWebhooks{}.Sign(r, []byte(body), time.Now(), webhook.NewSecret(secret))
	})
	switch {
	case signErr != nil:
		return false, signErr
	case status == http.StatusOK:
		return true, nil
	case status == 0, status == http.StatusServiceUnavailable: // its provider sends again
		return false, nil
	}
	return false, fmt.Errorf("%d: %s", status, text)
}

// await waits until the program says what is wanted.
func (p *program) await(t *testing.T, want effectsAnswer) {
	t.Helper()
	var got effectsAnswer
	for end := time.Now().Add(testwait.Patience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if got = p.effects(t.Context()); got == want {
			return
		}
	}
	t.Fatalf("effects are %+v, want %+v: %s", got, want, p.log.String())
}

// A payment that is sent twice is credited once, and an operator with the password sees it in the console.
func TestAPaymentIsCreditedOnceAndShown(t *testing.T) {
	p := newProgram(t)
	p.start(t)
	defer p.kill()
	for range 2 {
		if ok, err := p.deliver(t.Context(), "msg_1"); !ok || err != nil {
			t.Fatalf("acknowledged %v, %v", ok, err)
		}
	}
	p.await(t, effectsAnswer{Events: 1, Effects: 1})
	for _, row := range []struct {
		name, password string
		want           int
	}{{"nobody", "", 401}, {"a guess", "correct house", 401}, {"the operator", "correct horse", 200}} {
		status, page := p.send(t.Context(), "GET", "/console/deliveries/1", "", func(r *http.Request) {
			if row.password != "" {
				r.SetBasicAuth("operator", row.password)
			}
		})
		if status != row.want || strings.Contains(page, "4242") || (row.want == 200) != strings.Contains(page, "payment.made") {
			t.Errorf("%s: %d, %s", row.name, status, page)
		}
	}
}

// The program is killed five times under load, while providers send again what was not acknowledged: no acknowledged payment is missing, and
// none is credited twice.
func TestKilledFiveTimesUnderLoadCreditsOnce(t *testing.T) {
	p := newProgram(t)
	p.start(t)
	defer func() { p.kill() }()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var next, acknowledged, refused atomic.Int64
	var providers sync.WaitGroup
	for range 16 {
		providers.Go(func() {
			for ctx.Err() == nil {
				id := fmt.Sprint("msg_", next.Add(1))
				for ok := false; !ok && t.Context().Err() == nil; { // until it is acknowledged, also after the last kill
					var err error
					if ok, err = p.deliver(t.Context(), id); err != nil {
						t.Errorf("%s: %v", id, err)
						return
					}
					if !ok {
						refused.Add(1)
						time.Sleep(5 * time.Millisecond)
					}
				}
				acknowledged.Add(1)
			}
		})
	}
	for range 5 {
		before := acknowledged.Load()
		testwait.Until(t, "the acknowledgement of 200 payments", func() bool { return acknowledged.Load() >= before+200 })
		p.kill()
		p.start(t)
	}
	stop()
	testwait.All(t, "the end of the providers", &providers)
	sent := next.Load()
	p.await(t, effectsAnswer{Events: sent, Effects: sent})
	if refused.Load() == 0 || acknowledged.Load() != sent {
		t.Errorf("%d refused, %d of %d acknowledged: nothing is shown", refused.Load(), acknowledged.Load(), sent)
	}
	t.Logf("%d payments, %d times sent again", sent, refused.Load())
}
