package webhook_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook"
)

// plain is a scheme made for these tests: X-Plain-Signature is the hexadecimal HMAC-SHA256 of "{X-Plain-Time}.{body}".
type plain struct {
	secrets  []webhook.Secret
	contract webhook.Contract
	// handshake and confirm, where set, are what the verifier's methods do.
	handshake func(*http.Request, []byte) (*webhook.Reply, error)
	confirm   func(*http.Request, *webhook.Event) (*webhook.Reply, error)
	describe  func(*http.Request, *webhook.Event)
	verify    func() // called before each verification
}

func (plain) Provider() string { return "plain" }

func (p plain) Prepare(s webhook.Setup) (webhook.Verifier, error) {
	if s.Secrets != nil {
		p.secrets = s.Secrets
	}
	if len(p.secrets) == 0 {
		return nil, errors.New("plain: Secrets is required")
	}
	for i, secret := range p.secrets {
		if secret.IsZero() {
			return nil, fmt.Errorf("plain: Secrets[%d] must not be empty", i)
		}
	}
	v := plainVerifier{plain: p, setup: s}
	switch {
	case p.handshake != nil && p.confirm != nil:
		return struct {
			plainVerifier
			plainHandshaker
			plainConfirmer
		}{v, p.handshake, p.confirm}, nil
	case p.handshake != nil:
		return struct {
			plainVerifier
			plainHandshaker
		}{v, p.handshake}, nil
	case p.confirm != nil:
		return struct {
			plainVerifier
			plainConfirmer
		}{v, p.confirm}, nil
	}
	return v, nil
}

type plainHandshaker func(*http.Request, []byte) (*webhook.Reply, error)

func (f plainHandshaker) Handshake(r *http.Request, body []byte) (*webhook.Reply, error) {
	return f(r, body)
}

type plainConfirmer func(*http.Request, *webhook.Event) (*webhook.Reply, error)

func (f plainConfirmer) Confirm(r *http.Request, e *webhook.Event) (*webhook.Reply, error) {
	return f(r, e)
}

type plainVerifier struct {
	plain plain
	setup webhook.Setup
}

func (v plainVerifier) Contract() webhook.Contract { return v.plain.contract }

func (v plainVerifier) Verify(r *http.Request, body []byte, now time.Time) (webhook.Proof, error) {
	if v.plain.verify != nil {
		v.plain.verify()
	}
	signature := r.Header.Get("X-Plain-Signature")
	if signature == "" {
		return webhook.Proof{}, webhook.ErrNoSignature
	}
	seconds, err := strconv.ParseInt(r.Header.Get("X-Plain-Time"), 10, 64)
	if err != nil {
		return webhook.Proof{}, webhook.ErrTimestamp
	}
	for i, secret := range v.plain.secrets {
		if hmac.Equal([]byte(signature), []byte(plainSignature(secret.Reveal(), seconds, body))) {
			sent := time.Unix(seconds, 0)
			if age := now.Sub(sent); !v.setup.InsecureAnyAge && age > 5*time.Minute {
				return webhook.Proof{}, webhook.ErrTooOld
			}
			return webhook.Proof{Secret: i, KeyID: secret.ID(), SentAt: sent}, nil
		}
	}
	return webhook.Proof{}, webhook.ErrSignature
}

func (v plainVerifier) Describe(r *http.Request, e *webhook.Event) {
	if v.plain.describe != nil {
		v.plain.describe(r, e)
		return
	}
	var head struct{ ID, Type string }
	if json.Unmarshal(e.Body, &head) == nil {
		e.ID, e.IDSigned = head.ID, true
		e.Type, e.TypeSigned = head.Type, true
	}
}

func plainSignature(secret string, seconds int64, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	fmt.Fprintf(mac, "%d.%s", seconds, body)
	return hex.EncodeToString(mac.Sum(nil))
}

const goodSecret = "correct horse battery staple"

// plainRequest returns a delivery of body, signed with goodSecret now.
func plainRequest(body string) *http.Request {
	return plainSigned(goodSecret, time.Now(), body)
}

func plainSigned(secret string, at time.Time, body string) *http.Request {
	r := httptest.NewRequest("POST", "https://app.example/hooks/plain", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-Plain-Time", strconv.FormatInt(at.Unix(), 10))
	r.Header.Set("X-Plain-Signature", plainSignature(secret, at.Unix(), []byte(body)))
	return r
}

// endpoint is a Handler under test with what it told.
type endpoint struct {
	*webhook.Handler
	events   []webhook.Event // appended by the default OnEvent; read them when no request runs
	outcomes []webhook.Outcome
	log      bytes.Buffer
}

// newEndpoint returns a Handler for plain with goodSecret; change adapts its Config.
func newEndpoint(t *testing.T, change func(*webhook.Config)) *endpoint {
	t.Helper()
	e := &endpoint{}
	c := webhook.Config{
		Scheme:  plain{secrets: []webhook.Secret{webhook.NewSecret(goodSecret)}},
		OnEvent: func(_ context.Context, event webhook.Event) error { e.events = append(e.events, event); return nil },
		Observe: func(o webhook.Outcome) { e.outcomes = append(e.outcomes, o) },
		Logger:  slog.New(slog.NewTextHandler(&e.log, nil)),
	}
	if change != nil {
		change(&c)
	}
	h, err := webhook.New(c)
	if err != nil {
		t.Fatal(err)
	}
	e.Handler = h
	return e
}

// serve has h answer r.
func serve(h http.Handler, r *http.Request) *http.Response {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func bodyOf(t *testing.T, res *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
