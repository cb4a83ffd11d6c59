package main

import (
	"bytes"
	"errors"
	"net/http"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/testsender"
)

// command is the program itself, built once for a test.
type command struct{ path string }

func build(t *testing.T) command {
	t.Helper()
	c := command{filepath.Join(t.TempDir(), "deliver")}
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", c.path, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return c
}

// run returns what the program printed, and its exit code.
func (c command) run(t *testing.T, stdin string, args ...string) (out string, code int) {
	t.Helper()
	var printed bytes.Buffer
	cmd := exec.CommandContext(t.Context(), c.path, args...)
	cmd.Stdin, cmd.Stdout = strings.NewReader(stdin), &printed
	var exit *exec.ExitError
	if err := cmd.Run(); errors.As(err, &exit) {
		code = exit.ExitCode()
	} else if err != nil {
		t.Fatal(err)
	}
	return printed.String(), code
}

// verifyRequest are the arguments that check r.
func verifyRequest(id string, r testsender.Request, at time.Time, secrets ...string) []string {
	args := []string{"verify", "-provider", id, "-url", r.URL, "-method", r.Method, "-body", "-", "-at", strconv.FormatInt(at.Unix(), 10)}
	for _, secret := range secrets {
		args = append(args, "-secret", secret)
	}
	for name, values := range r.Header {
		for _, value := range values {
			args = append(args, "-header", name+": "+value)
		}
	}
	return args
}

// Deliveries that a second writing of every provider makes, as somebody captured them.
func TestCapturedDeliveriesOfEveryProvider(t *testing.T) {
	c := build(t)
	now := time.Unix(1764000000, 0)
	for _, p := range append(testsender.All(), testsender.Variants()...) {
		t.Run(p.ID+"/"+p.Prefix+p.Proof, func(t *testing.T) {
			r := p.Send(testsender.Delivery{URL: "https://app.example/hooks/in", Body: p.Body, Key: p.Keys[0], Time: p.Clock.Text(now)})
			accepted := func(what string, r testsender.Request, at time.Time, secrets ...string) {
				if out, code := c.run(t, r.Body, verifyRequest(p.ID, r, at, secrets...)...); code != 0 || !strings.HasPrefix(out, "accepted provider="+p.ID+" ") {
					t.Errorf("%s: exit %d, %q", what, code, out)
				}
			}
			refused := func(what string, r testsender.Request, at time.Time, secrets ...string) {
				if out, code := c.run(t, r.Body, verifyRequest(p.ID, r, at, secrets...)...); code != 1 || !strings.HasPrefix(out, "refused: ") {
					t.Errorf("%s: exit %d, %q", what, code, out)
				}
			}
			right, wrong := p.Keys[0].Receiver, p.Keys[1].Receiver
			accepted("as it was sent", r, now, right)
			accepted("under the older of two secrets", r, now, wrong, right)
			plain := r
			plain.Header = r.Header.Clone()
			plain.Header.Del("Content-Type")
			accepted("without its media type", plain, now, right)
			refused("under another secret", r, now, wrong)
			refused("under no secret", r, now, "")
			if p.Clock != testsender.Timeless {
				refused("a day later", r, now.Add(24*time.Hour), right)
				refused("a day before", r, now.Add(-24*time.Hour), right)
			}
			if p.Proof == "" {
				return
			}
			changed := func(values ...string) testsender.Request {
				other := r
				other.Header = r.Header.Clone()
				other.Header[p.Proof] = values
				return other
			}
			value := r.Header.Get(p.Proof)
			refused("without its signature", changed(), now, right)
			refused("with its signature twice", changed(value, value), now, right)
			refused("with its signature cut short", changed(value[:len(value)-1]), now, right)
			if p.Signed == nil {
				other := r
				other.Body += "\n"
				refused("with a line break more", other, now, right)
			}
		})
	}
}

// A capture that no provider sent ends with a reason, never with a panic or an acceptance.
func TestCapturesThatNobodySent(t *testing.T) {
	c := build(t)
	hostile := []string{"", "=", ",", "v1,", "t=,v1=", "sha256=", "t=NaN,v1=00", "t=99999999999999999999,v1=00", "v1,AAAA v1a,AAAA", "\x01", "é", strings.Repeat("A", 10000), "sig1=:AA==:"}
	bodies := []string{"", "null", "{}", "[]", "{", `{"signature":{}}`, `{"notificationItems":[{}]}`, `{"value":[]}`, `{"Type":"Notification"}`, strings.Repeat("[", 20000), "a=%zz", "\xff\xfe"}
	for _, p := range testsender.All() {
		t.Run(p.ID, func(t *testing.T) {
			for i, value := range hostile {
				header := http.Header{"Content-Type": {"application/json"}}
				if p.Proof != "" {
					header.Set(p.Proof, value)
				}
				r := testsender.Request{Method: "POST", URL: "https://app.example/hooks/in", Header: header}
				body := bodies[i%len(bodies)]
				if out, code := c.run(t, body, verifyRequest(p.ID, r, time.Unix(1764000000, 0), p.Keys[0].Receiver)...); code != 1 || !strings.HasPrefix(out, "refused: ") {
					t.Errorf("%q, %q: exit %d, %q", value, body, code, out)
				}
			}
		})
	}
}
