package webhook_test

import (
	"bufio"
	"context"
	"encoding/json"
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
				if len(e.events) != 1 || o.Result != webhook.Accepted || o.Bytes != int64(len(body)) || o.Type != "invoice.paid" {
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
			if len(e.events) != 0 || o.Result != webhook.Refused {
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
			line := e.log.String()
			if strings.Count(line, "\n") != 1 || !strings.Contains(line, "request_id=req-77") || !strings.Contains(line, tt.reason.Error()) {
				t.Errorf("log = %q, want one line with the reason and the request id", line)
			}
		})
	}
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestEventHoldsWhatWasReceived(t *testing.T) {
	e := newEndpoint(t, func(c *webhook.Config) {
		c.Scheme = plain{secrets: []webhook.Secret{webhook.NewSecret(goodSecret).Named("k1")}, contract: webhook.Contract{
			SecretHeaders: []string{"X-Plain-Signature"}, SecretQuery: []string{"token"},
		}}
	})
	body := "{\"id\":\"evt_1\",\"type\":\"a.b\"}\r\n "
	r := plainRequest(body)
	r.URL.RawQuery = "token=hunter2&tag=posts"
	if res := serve(e, r); res.StatusCode != 200 {
		t.Fatal(res.Status)
	}
	got := e.events[0]
	if string(got.Body) != body {
		t.Errorf("Body = %q, want the exact bytes", got.Body)
	}
	if got.Provider != "plain" || got.ID != "evt_1" || !got.IDSigned || got.Type != "a.b" || !got.TypeSigned || got.Proof.KeyID != "k1" || got.Method != "POST" {
		t.Errorf("Event = %+v", got)
	}
	if time.Since(got.SentAt) > time.Minute || time.Since(got.ReceivedAt) > time.Minute {
		t.Errorf("SentAt %v, ReceivedAt %v", got.SentAt, got.ReceivedAt)
	}
	if got.Header.Get("X-Plain-Signature") != "" || got.Query.Get("token") != "" {
		t.Error("a field that carries the secret reached the event")
	}
	if got.Header.Get("X-Plain-Time") == "" || got.Query.Get("tag") != "posts" {
		t.Error("the other fields did not reach the event")
	}
	if r.Header.Get("X-Plain-Signature") == "" {
		t.Error("the request's own header was changed")
	}
}

func TestVerifyLeavesTheBodyReadable(t *testing.T) {
	e := newEndpoint(t, func(c *webhook.Config) {
		c.Scheme = plain{secrets: []webhook.Secret{webhook.NewSecret(goodSecret)}, contract: webhook.Contract{MediaTypes: []string{"application/json"}}}
	})
	r := plainRequest(`{"id":"1"}`)
	if _, err := e.Verify(r); err != nil {
		t.Fatal(err)
	}
	if b, _ := io.ReadAll(r.Body); string(b) != `{"id":"1"}` {
		t.Errorf("body after Verify = %q", b)
	}
	for name, change := range map[string]func(*http.Request){
		"ErrMethod":          func(r *http.Request) { r.Method = "PUT" },
		"ErrContentEncoding": func(r *http.Request) { r.Header.Set("Content-Encoding", "gzip") },
		"ErrTooLarge":        func(r *http.Request) { r.ContentLength = 1 << 30 },
		"ErrMediaType":       func(r *http.Request) { r.Header.Set("Content-Type", "text/html") },
		"ErrSignature":       func(r *http.Request) { r.Header.Set("X-Plain-Signature", "00") },
	} {
		want := map[string]error{
			"ErrMethod": webhook.ErrMethod, "ErrContentEncoding": webhook.ErrContentEncoding,
			"ErrTooLarge": webhook.ErrTooLarge, "ErrMediaType": webhook.ErrMediaType, "ErrSignature": webhook.ErrSignature,
		}[name]
		r := plainRequest(`{"id":"1"}`)
		change(r)
		if _, err := e.Verify(r); !errors.Is(err, want) {
			t.Errorf("Verify = %v, want %s", err, name)
		}
	}
	if len(e.events)+e.log.Len() != 0 {
		t.Error("Verify handled or logged something")
	}
}

func TestVerifyBodyLooksAtNeitherMethodNorMediaType(t *testing.T) {
	e := newEndpoint(t, func(c *webhook.Config) {
		c.Scheme = plain{secrets: []webhook.Secret{webhook.NewSecret(goodSecret)}, contract: webhook.Contract{MediaTypes: []string{"application/json"}}}
	})
	if got := e.Contract().MediaTypes; len(got) != 1 || got[0] != "application/json" {
		t.Errorf("Contract().MediaTypes = %v", got)
	}
	body := []byte(`{"id":"1","type":"a.b"}`)
	r := plainRequest(string(body))
	r.Method, r.Body = "PUT", nil
	r.Header.Del("Content-Type")
	if event, err := e.VerifyBody(r, body); err != nil || event.Type != "a.b" || event.Key == (webhook.Key{}) {
		t.Errorf("VerifyBody = %+v, %v", event, err)
	}
	if err := e.Check(r, body); err != nil {
		t.Errorf("Check = %v", err)
	}
	body[0] = ' '
	if _, err := e.VerifyBody(r, body); !errors.Is(err, webhook.ErrSignature) {
		t.Errorf("VerifyBody of another body = %v", err)
	}
}

// ready is a scheme whose verifier accepts everything at no cost.
type ready struct{ webhook.Verifier }

func (ready) Provider() string                                  { return "ready" }
func (r ready) Prepare(webhook.Setup) (webhook.Verifier, error) { return r, nil }
func (ready) Contract() webhook.Contract                        { return webhook.Contract{} }
func (ready) Verify(*http.Request, []byte, time.Time) (webhook.Proof, error) {
	return webhook.Proof{}, nil
}

func TestCheckAddsNoAllocation(t *testing.T) {
	e := newEndpoint(t, func(c *webhook.Config) { c.Scheme = ready{} })
	r, body := plainRequest(""), []byte("{}")
	if n := testing.AllocsPerRun(100, func() { _ = e.Check(r, body) }); n != 0 {
		t.Errorf("Check allocates %v times", n)
	}
}

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

func TestHandlerErrorsAreAnsweredSoThatTheProviderRetries(t *testing.T) {
	tests := []struct {
		name       string
		onEvent    func(context.Context, webhook.Event) error
		status     int
		reason     error
		retryAfter string
	}{
		{"an error", func(context.Context, webhook.Event) error { return errors.New("disk full") }, 500, webhook.ErrHandler, ""},
		{"a panic", func(context.Context, webhook.Event) error { panic("boom") }, 500, webhook.ErrPanic, ""},
		{"a panic that net/http would let pass in silence", func(context.Context, webhook.Event) error { panic(http.ErrAbortHandler) }, 500, webhook.ErrPanic, ""},
		{"an error with a status of its own", func(context.Context, webhook.Event) error { return teapot{418} }, 418, webhook.ErrHandler, ""},
		{"an error whose status is no error", func(context.Context, webhook.Event) error { return teapot{204} }, 500, webhook.ErrHandler, ""},
		{"too many requests", func(context.Context, webhook.Event) error { return teapot{429} }, 429, webhook.ErrHandler, "30"},
		{"retry later", func(context.Context, webhook.Event) error {
			return webhook.RetryLater(1500*time.Millisecond, io.ErrNoProgress)
		}, 503, io.ErrNoProgress, "2"},
		{"a payload that does not decode", func(_ context.Context, e webhook.Event) error {
			_, err := webhook.Decode[struct{ ID int }](e)
			return err
		}, 400, webhook.ErrPayload, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := newEndpoint(t, func(c *webhook.Config) { c.OnEvent = tt.onEvent })
			res := serve(e, plainRequest(`{"id":"1","ID":"x"}`))
			if res.StatusCode != tt.status || res.Header.Get("Retry-After") != tt.retryAfter {
				t.Errorf("answer %d, Retry-After %q; want %d, %q", res.StatusCode, res.Header.Get("Retry-After"), tt.status, tt.retryAfter)
			}
			if o := e.outcomes[0]; o.Result != webhook.Failed || !errors.Is(o.Reason, tt.reason) {
				t.Errorf("outcome = %+v", o)
			}
			if strings.Count(e.log.String(), "\n") != 1 {
				t.Errorf("log = %q, want one line", e.log.String())
			}
			if panicked := errors.Is(tt.reason, webhook.ErrPanic); panicked != strings.Contains(e.log.String(), "stack=") {
				t.Errorf("log = %q: a stack belongs to a panic", e.log.String())
			}
		})
	}
}

type teapot struct{ status int }

func (t teapot) Error() string   { return "teapot" }
func (t teapot) StatusCode() int { return t.status }

func TestOnErrorAnswersInsteadOfTheDefault(t *testing.T) {
	e := newEndpoint(t, func(c *webhook.Config) {
		c.OnError = func(w http.ResponseWriter, _ *http.Request, err error) {
			if !errors.Is(err, webhook.ErrMethod) {
				t.Errorf("err = %v", err)
			}
			w.WriteHeader(499)
		}
	})
	r := plainRequest(`{}`)
	r.Method = "PUT"
	if res := serve(e, r); res.StatusCode != 499 || res.Header.Get("Allow") != "POST" {
		t.Errorf("answer = %d, Allow %q", res.StatusCode, res.Header.Get("Allow"))
	}
}

func TestPanicInASchemeIsAnswered(t *testing.T) {
	e := newEndpoint(t, func(c *webhook.Config) {
		c.Scheme = plain{secrets: []webhook.Secret{webhook.NewSecret(goodSecret)}, verify: func() { panic("bad scheme") }}
	})
	if res := serve(e, plainRequest(`{}`)); res.StatusCode != 500 || !errors.Is(e.outcomes[0].Reason, webhook.ErrPanic) {
		t.Errorf("answer = %d, outcome %+v", res.StatusCode, e.outcomes)
	}
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
	if e.outcomes[1].Result != webhook.Duplicate || len(e.events) != 1 {
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
	if res := serve(e, r); res.StatusCode != 204 || res.Header.Get("Content-Length") != "" {
		t.Errorf("answer = %d %v, want 204", res.StatusCode, res.Header)
	}
	if o := e.outcomes[0]; len(e.events) != 0 || o.Result != webhook.Refused || o.Status != 204 || e.log.Len() == 0 {
		t.Errorf("outcome = %+v: it must be refused and logged all the same", o)
	}
	r = plainRequest(`{"id":"1"}`)
	r.Method = "PUT"
	if res := serve(e, r); res.StatusCode != 405 {
		t.Errorf("another refusal is answered %d, want 405", res.StatusCode)
	}
}

func TestHandshakes(t *testing.T) {
	scheme := plain{
		secrets:  []webhook.Secret{webhook.NewSecret(goodSecret)},
		contract: webhook.Contract{HandshakeMethods: []string{"GET", "OPTIONS"}, MediaTypes: []string{"application/json"}},
		handshake: func(r *http.Request, body []byte) (*webhook.Reply, error) {
			switch challenge := r.URL.Query().Get("challenge"); {
			case challenge == "forged":
				return nil, webhook.ErrHandshake
			case challenge != "":
				return &webhook.Reply{Body: []byte(challenge)}, nil
			case r.Method == "OPTIONS":
				return &webhook.Reply{Status: 204, Header: http.Header{"Webhook-Allowed-Origin": {"app.example"}, "Allow": {"POST"}}}, nil
			}
			return nil, nil
		},
		confirm: func(_ *http.Request, e *webhook.Event) (*webhook.Reply, error) {
			switch e.Type {
			case "ping":
				return &webhook.Reply{JSON: true, Body: []byte(`{"type":1}`)}, nil
			case "subscribe":
				return nil, webhook.ErrUnavailable
			}
			return nil, nil
		},
	}
	tests := []struct {
		name        string
		request     func() *http.Request
		status      int
		body        string
		contentType string
		result      webhook.Result
	}{
		{"a challenge is echoed as text", func() *http.Request {
			return httptest.NewRequest("GET", "/?challenge=%3Cscript%3Ealert(1)%3C/script%3E", nil)
		}, 200, "<script>alert(1)</script>", "text/plain; charset=utf-8", webhook.Handshake},
		{"a challenge longer than any provider's is not echoed", func() *http.Request {
			return httptest.NewRequest("GET", "/?challenge="+strings.Repeat("x", 8<<10+1), nil)
		}, 403, "", "application/problem+json", webhook.Refused},
		{"a handshake that the scheme refuses", func() *http.Request { return httptest.NewRequest("GET", "/?challenge=forged", nil) }, 403, "", "application/problem+json", webhook.Refused},
		{"GET without a challenge", func() *http.Request { return httptest.NewRequest("GET", "/", nil) }, 403, "", "application/problem+json", webhook.Refused},
		{"OPTIONS by the provider's protocol", func() *http.Request { return httptest.NewRequest("OPTIONS", "/", nil) }, 204, "", "", webhook.Handshake},
		{"an unsigned POST that the scheme takes for a handshake, whatever its media type", func() *http.Request {
			r := httptest.NewRequest("POST", "/?challenge=abc", strings.NewReader(""))
			r.Header.Set("Content-Type", "text/plain")
			return r
		}, 200, "abc", "text/plain; charset=utf-8", webhook.Handshake},
		{"a signed ping", func() *http.Request { return plainRequest(`{"type":"ping"}`) }, 200, `{"type":1}`, "application/json", webhook.Handshake},
		{"an unsigned ping", func() *http.Request {
			r := plainRequest(`{"type":"ping"}`)
			r.Header.Del("X-Plain-Signature")
			return r
		}, 401, "", "application/problem+json", webhook.Refused},
		{"a signed subscription that cannot be confirmed now", func() *http.Request { return plainRequest(`{"type":"subscribe"}`) }, 503, "", "application/problem+json", webhook.Failed},
		{"an event", func() *http.Request { return plainRequest(`{"id":"1","type":"event"}`) }, 200, "", "", webhook.Accepted},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := newEndpoint(t, func(c *webhook.Config) { c.Scheme = scheme })
			res := serve(e, tt.request())
			if res.StatusCode != tt.status || res.Header.Get("Content-Type") != tt.contentType {
				t.Errorf("answer = %d %q, want %d %q", res.StatusCode, res.Header.Get("Content-Type"), tt.status, tt.contentType)
			}
			if body := bodyOf(t, res); tt.status < 300 && body != tt.body {
				t.Errorf("body = %q, want %q", body, tt.body)
			}
			if res.Header.Get("X-Content-Type-Options") != "nosniff" || res.Header.Get("Cache-Control") != "no-store" {
				t.Errorf("header = %v, want nosniff and no-store", res.Header)
			}
			if o := e.outcomes[0]; o.Result != tt.result || (o.Result == webhook.Accepted) != (len(e.events) == 1) {
				t.Errorf("outcome = %+v with %d events", o, len(e.events))
			}
		})
	}

	e := newEndpoint(t, func(c *webhook.Config) { c.Scheme = scheme })
	r := httptest.NewRequest("POST", "/", nil) // without a body the media type is no matter: the signature is missed
	if res := serve(e, r); res.StatusCode != 401 {
		t.Errorf("an empty POST: %d, want 401", res.StatusCode)
	}
	r = plainRequest("{}")
	r.Method = "PATCH"
	if res := serve(e, r); res.StatusCode != 405 || res.Header.Get("Allow") != "GET, OPTIONS, POST" {
		t.Errorf("PATCH: %d, Allow %q", res.StatusCode, res.Header.Get("Allow"))
	}
	t.Run("Handshake decides without answering", func(t *testing.T) {
		if reply, err := e.Handshake(httptest.NewRequest("GET", "/?challenge=abc", nil)); err != nil || string(reply.Body) != "abc" {
			t.Errorf("Handshake = %+v, %v", reply, err)
		}
		r := plainRequest(`{"id":"1"}`)
		if reply, err := e.Handshake(r); err != nil || reply != nil {
			t.Errorf("Handshake of an event = %+v, %v", reply, err)
		}
		if _, err := e.Verify(r); err != nil {
			t.Errorf("Verify after Handshake: %v", err)
		}
		r = plainRequest(`{}`)
		r.Header.Set("Content-Encoding", "br")
		if _, err := e.Handshake(r); !errors.Is(err, webhook.ErrContentEncoding) {
			t.Errorf("Handshake = %v", err)
		}
		r = plainRequest(`{}`)
		r.ContentLength = 1 << 40
		if _, err := e.Handshake(r); !errors.Is(err, webhook.ErrTooLarge) {
			t.Errorf("Handshake = %v", err)
		}
		if reply, err := newEndpoint(t, nil).Handshake(httptest.NewRequest("GET", "/?challenge=abc", nil)); reply != nil || err != nil {
			t.Errorf("Handshake of a provider without one = %v, %v", reply, err)
		}
	})
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

func TestNothingSecretIsLogged(t *testing.T) {
	const canary = "canary-4111111111111111"
	e := newEndpoint(t, func(c *webhook.Config) {
		c.Scheme = plain{secrets: []webhook.Secret{webhook.NewSecret(canary)}}
		c.OnEvent = func(_ context.Context, event webhook.Event) error {
			_, err := webhook.Decode[struct {
				Card int `json:"card"`
			}](event)
			return err
		}
	})
	answers := ""
	for _, body := range []string{`{"card":"` + canary + `"}`, `{"card":"` + canary, `{"` + canary + `":1,"` + canary + `":2}`, canary, "\"\xff" + canary + "\""} {
		for _, secret := range []string{canary, "wrong"} {
			answers += bodyOf(t, serve(e, plainSigned(secret, time.Now(), body)))
		}
	}
	outcomes, err := json.Marshal(e.outcomes)
	if err != nil {
		t.Fatal(err)
	}
	for place, text := range map[string]string{"the log": e.log.String(), "an answer": answers, "an outcome": string(outcomes) + fmt.Sprintf("%+v", e.outcomes)} {
		if strings.Contains(text, canary) {
			t.Errorf("%s shows the canary:\n%s", place, text)
		}
	}
	if strings.Count(e.log.String(), "\n") != 10 {
		t.Errorf("log has not one line for each refusal:\n%s", e.log.String())
	}
}

func TestResultIsAWord(t *testing.T) {
	want := map[webhook.Result]string{
		webhook.Refused: "refused", webhook.Accepted: "accepted", webhook.Duplicate: "duplicate",
		webhook.Handshake: "handshake", webhook.Failed: "failed", webhook.Result(9): "unknown",
	}
	for r, word := range want {
		if r.String() != word {
			t.Errorf("Result(%d) = %q, want %q", r, r, word)
		}
	}
}
