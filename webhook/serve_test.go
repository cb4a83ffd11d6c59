package webhook_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/requestid"
	"github.com/gatehouse-go/gatehouse/webhook"
)

func TestServeHTTPAnswers(t *testing.T) {
	const body = `{"id":"evt_1","type":"invoice.paid"}`
	tests := []struct {
		name   string
		change func(r *http.Request)
		status int
		reason error // nil: accepted
	}{
		{"a signed delivery is accepted", nil, 200, nil},
		{"a delivery without a signature", func(r *http.Request) { r.Header.Del("X-Plain-Signature") }, 401, webhook.ErrNoSignature},
		{"a signature by another key", func(r *http.Request) { *r = *plainSigned("wrong", time.Now(), body) }, 401, webhook.ErrSignature},
		{"an altered body", func(r *http.Request) {
			r.Body = io.NopCloser(strings.NewReader(strings.Replace(body, "paid", "void", 1)))
		}, 401, webhook.ErrSignature},
		{"a stale delivery", func(r *http.Request) { *r = *plainSigned(goodSecret, time.Now().Add(-time.Hour), body) }, 401, webhook.ErrTooOld},
		{"GET", func(r *http.Request) { r.Method = "GET" }, 405, webhook.ErrMethod},
		{"HEAD, which a GET handler would have answered", func(r *http.Request) { r.Method = "HEAD" }, 405, webhook.ErrMethod},
		{"OPTIONS", func(r *http.Request) { r.Method = "OPTIONS" }, 405, webhook.ErrMethod},
		{"a method in lower case", func(r *http.Request) { r.Method = "post" }, 405, webhook.ErrMethod},
		{"a gzip body", func(r *http.Request) { r.Header.Set("Content-Encoding", "gzip") }, 415, webhook.ErrContentEncoding},
		{"a coding behind identity", func(r *http.Request) { r.Header.Set("Content-Encoding", "identity, br") }, 415, webhook.ErrContentEncoding},
		{"a coding in a second field", func(r *http.Request) { r.Header["Content-Encoding"] = []string{"identity", "Zstd"} }, 415, webhook.ErrContentEncoding},
		{"identity is no coding", func(r *http.Request) { r.Header.Set("Content-Encoding", "Identity") }, 200, nil},
		{"another media type", func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") }, 415, webhook.ErrMediaType},
		{"a media type that only begins right", func(r *http.Request) { r.Header.Set("Content-Type", "application/json-patch+json") }, 415, webhook.ErrMediaType},
		{"a media type that names the right one as a parameter", func(r *http.Request) { r.Header.Set("Content-Type", "text/html; x=application/json") }, 415, webhook.ErrMediaType},
		{"no media type", func(r *http.Request) { r.Header.Del("Content-Type") }, 415, webhook.ErrMediaType},
		{"two media types", func(r *http.Request) { r.Header.Add("Content-Type", "application/json") }, 415, webhook.ErrMediaType},
		{"a media type with parameters and other case", func(r *http.Request) { r.Header.Set("Content-Type", "Application/JSON; charset=utf-8") }, 200, nil},
		{"a declared length above the cap", func(r *http.Request) { r.ContentLength = 1<<20 + 1 }, 413, webhook.ErrTooLarge},
		{"a body above the cap of undeclared length", func(r *http.Request) {
			r.ContentLength = -1
			r.Body = io.NopCloser(strings.NewReader(strings.Repeat("x", 1<<20+1)))
		}, 413, webhook.ErrTooLarge},
		{"a body that ends early", func(r *http.Request) { r.Body = io.NopCloser(io.MultiReader(strings.NewReader("{"), brokenReader{})) }, 400, webhook.ErrIncomplete},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := newEndpoint(t, func(c *webhook.Config) {
				c.Scheme = plain{secrets: []webhook.Secret{webhook.NewSecret(goodSecret)}, contract: webhook.Contract{MediaTypes: []string{"application/json"}}}
			})
			r := plainRequest(body)
			if tt.change != nil {
				tt.change(r)
			}
			r = r.WithContext(requestid.With(r.Context(), "req-77"))
			res := serve(e, r)
			if res.StatusCode != tt.status {
				t.Fatalf("status = %d, want %d", res.StatusCode, tt.status)
			}
			o := e.outcomes[0]
			if len(e.outcomes) != 1 || o.Provider != "plain" || o.Status != tt.status || !errors.Is(o.Reason, tt.reason) {
				t.Errorf("outcomes = %+v", e.outcomes)
			}
			if tt.reason == nil {
				if len(e.events) != 1 || o.Result != webhook.ResultAccepted || o.Bytes != int64(len(body)) || o.Type != "invoice.paid" {
					t.Errorf("events = %+v, outcome %+v", e.events, o)
				}
				if got := bodyOf(t, res); got != "" || res.Header.Get("X-Content-Type-Options") != "nosniff" {
					t.Errorf("answer = %q %v", got, res.Header)
				}
				if e.log.Len() > 0 {
					t.Errorf("log of an accepted delivery: %s", &e.log)
				}
				return
			}
			if len(e.events) != 0 || o.Result != webhook.ResultRefused {
				t.Errorf("a refused delivery was handled: %+v, result %v", e.events, o.Result)
			}
			if got := res.Header.Get("Content-Type"); got != "application/problem+json" {
				t.Errorf("Content-Type = %q", got)
			}
			want := fmt.Sprintf(`{"request_id":"req-77","status":%d,"title":%q}`+"\n", tt.status, http.StatusText(tt.status))
			if got := bodyOf(t, res); got != want {
				t.Errorf("body = %q, want the status and nothing more: %q", got, want)
			}
			if allow := res.Header.Get("Allow"); (tt.status == 405) != (allow == "POST") {
				t.Errorf("Allow = %q", allow)
			}
			if challenge := res.Header.Get("WWW-Authenticate"); (tt.status == 401) != (challenge == "Webhook") {
				t.Errorf("WWW-Authenticate = %q", challenge)
			}
			line := e.log.String()
			if strings.Count(line, "\n") != 1 || !strings.Contains(line, "request_id=req-77") || !strings.Contains(line, tt.reason.Error()) {
				t.Errorf("log = %q, want one line with the reason and the request id", line)
			}
		})
	}
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestABodyThatTricklesIsCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEndpoint(t, func(c *webhook.Config) { c.ReadTimeout, c.HandlerTimeout = time.Minute, 2*time.Minute })
		r := plainRequest("")
		r.ContentLength, r.Body = 1000, io.NopCloser(trickle{})
		start := time.Now()
		if res := serve(e, r); res.StatusCode != 408 || time.Since(start) > 3*time.Second {
			t.Errorf("answer %d after %v, want 408 soon after the two seconds of grace", res.StatusCode, time.Since(start))
		}
	})
}

// trickle gives a byte every 100 ms.
type trickle struct{}

func (trickle) Read(b []byte) (int, error) {
	time.Sleep(100 * time.Millisecond)
	b[0] = ' '
	return 1, nil
}

func TestAcceptedAsTheProviderExpects(t *testing.T) {
	e := newEndpoint(t, func(c *webhook.Config) {
		c.Scheme = plain{secrets: []webhook.Secret{webhook.NewSecret(goodSecret)}, contract: webhook.Contract{
			Methods:  []string{"POST", "PUT"},
			Accepted: webhook.Reply{Status: 202, Body: []byte("[accepted]"), Header: http.Header{"X-Seen": {"1"}}},
		}}
	})
	var first http.Header
	for _, method := range []string{"POST", "PUT"} { // the second is a duplicate: it gets the same answer
		r := plainRequest(`{"id":"1"}`)
		r.Method = method
		res := serve(e, r)
		if res.StatusCode != 202 || bodyOf(t, res) != "[accepted]" || res.Header.Get("X-Seen") != "1" || res.Header.Get("Content-Type") != "text/plain; charset=utf-8" {
			t.Errorf("%s: answer = %d %v", method, res.StatusCode, res.Header)
		}
		if first == nil {
			first = res.Header
			first["X-Seen"][0] = "changed by a middleware" // must not reach the next answer
		}
	}
	if e.outcomes[1].Result != webhook.ResultDuplicate || len(e.events) != 1 {
		t.Errorf("second outcome = %+v", e.outcomes[1])
	}
	r := plainRequest("{}")
	r.Method = "DELETE"
	if res := serve(e, r); res.Header.Get("Allow") != "POST, PUT" {
		t.Errorf("Allow = %q", res.Header.Get("Allow"))
	}
}

func TestForgedDeliveriesAreIgnoredWhereTheProviderAsksForIt(t *testing.T) {
	e := newEndpoint(t, func(c *webhook.Config) {
		c.Scheme = plain{secrets: []webhook.Secret{webhook.NewSecret(goodSecret)}, contract: webhook.Contract{
			IgnoreForged: true, Accepted: webhook.Reply{Status: 204},
		}}
	})
	r := plainRequest(`{"id":"1"}`)
	r.Header.Set("X-Plain-Signature", "00")
	if res := serve(e, r); res.StatusCode != 204 || res.Header.Get("Content-Length") != "" || res.Header.Get("WWW-Authenticate") != "" {
		t.Errorf("answer = %d %v, want 204", res.StatusCode, res.Header)
	}
	if o := e.outcomes[0]; len(e.events) != 0 || o.Result != webhook.ResultRefused || o.Status != 204 || e.log.Len() == 0 {
		t.Errorf("outcome = %+v: it must be refused and logged all the same", o)
	}
	r = plainRequest(`{"id":"1"}`)
	r.Method = "PUT"
	if res := serve(e, r); res.StatusCode != 405 {
		t.Errorf("another refusal is answered %d, want 405", res.StatusCode)
	}

	failing := newEndpoint(t, func(c *webhook.Config) {
		c.Scheme = plain{secrets: []webhook.Secret{webhook.NewSecret(goodSecret)}, contract: webhook.Contract{IgnoreForged: true}}
		c.OnEvent = func(context.Context, webhook.Event) error { return teapot{401} }
	})
	if res := serve(failing, plainRequest(`{"id":"1"}`)); res.StatusCode != 401 || failing.outcomes[0].Result != webhook.ResultFailed {
		t.Errorf("a true delivery whose handler failed with 401 is answered %d: the provider would not send it again", res.StatusCode)
	}
}

func TestSlowBodiesGetARealAnswer(t *testing.T) {
	tests := []struct {
		name   string
		send   func(conn net.Conn)
		status int
	}{
		{"a body that stops", func(conn net.Conn) { fmt.Fprint(conn, "{") }, 408},
		{"a declared length above the cap, before it is sent", nil, 413},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := newEndpoint(t, func(c *webhook.Config) { c.ReadTimeout = 200 * time.Millisecond })
			server := httptest.NewServer(e)
			defer server.Close()
			conn, err := net.Dial("tcp", server.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			length := 100
			if tt.status == 413 {
				length = 1<<20 + 1
			}
			fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: app.example\r\nContent-Length: %d\r\n\r\n", length)
			if tt.send != nil {
				tt.send(conn)
			}
			res, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			if res.StatusCode != tt.status || res.Header.Get("Content-Type") != "application/problem+json" {
				t.Errorf("answer = %d %v", res.StatusCode, res.Header)
			}
		})
	}
}

func TestResultIsAWord(t *testing.T) {
	want := map[webhook.Result]string{
		webhook.ResultRefused: "refused", webhook.ResultAccepted: "accepted", webhook.ResultDuplicate: "duplicate",
		webhook.ResultHandshake: "handshake", webhook.ResultFailed: "failed", webhook.Result(9): "unknown",
	}
	for r, word := range want {
		if r.String() != word {
			t.Errorf("Result(%d) = %q, want %q", r, r, word)
		}
	}
}

func TestAFloodOfForgedDeliveriesIsNoFloodOfLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEndpoint(t, nil)
		forged := func() *http.Request { return plainSigned("of another", time.Now(), `{"id":"1"}`) }
		for range 5000 {
			if res := serve(e, forged()); res.StatusCode != 401 {
				t.Fatalf("a forged delivery is answered %d", res.StatusCode)
			}
		}
		if n := strings.Count(e.log.String(), "\n"); n != 1000 || len(e.outcomes) != 5000 {
			t.Errorf("5000 forged deliveries are %d lines and %d outcomes", n, len(e.outcomes))
		}
		time.Sleep(time.Second)
		e.log.Reset()
		serve(e, forged())
		if got := e.log.String(); !strings.Contains(got, "unlogged=4000") {
			t.Errorf("a second later: %s", got)
		}
	})
}
