package webhook_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gatehouse-go/gatehouse/webhook"
)

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
		}, 200, "<script>alert(1)</script>", "text/plain; charset=utf-8", webhook.ResultHandshake},
		{"a challenge longer than any provider's is not echoed", func() *http.Request {
			return httptest.NewRequest("GET", "/?challenge="+strings.Repeat("x", 8<<10+1), nil)
		}, 403, "", "application/problem+json", webhook.ResultRefused},
		{"a handshake that the scheme refuses", func() *http.Request { return httptest.NewRequest("GET", "/?challenge=forged", nil) }, 403, "", "application/problem+json", webhook.ResultRefused},
		{"GET without a challenge", func() *http.Request { return httptest.NewRequest("GET", "/", nil) }, 403, "", "application/problem+json", webhook.ResultRefused},
		{"OPTIONS by the provider's protocol", func() *http.Request { return httptest.NewRequest("OPTIONS", "/", nil) }, 204, "", "", webhook.ResultHandshake},
		{"an unsigned POST that the scheme takes for a handshake, whatever its media type", func() *http.Request {
			r := httptest.NewRequest("POST", "/?challenge=abc", strings.NewReader(""))
			r.Header.Set("Content-Type", "text/plain")
			return r
		}, 200, "abc", "text/plain; charset=utf-8", webhook.ResultHandshake},
		{"a signed ping", func() *http.Request { return plainRequest(`{"type":"ping"}`) }, 200, `{"type":1}`, "application/json", webhook.ResultHandshake},
		{"an unsigned ping", func() *http.Request {
			r := plainRequest(`{"type":"ping"}`)
			r.Header.Del("X-Plain-Signature")
			return r
		}, 401, "", "application/problem+json", webhook.ResultRefused},
		{"a signed subscription that cannot be confirmed now", func() *http.Request { return plainRequest(`{"type":"subscribe"}`) }, 503, "", "application/problem+json", webhook.ResultFailed},
		{"an event", func() *http.Request { return plainRequest(`{"id":"1","type":"event"}`) }, 200, "", "", webhook.ResultAccepted},
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
			if o := e.outcomes[0]; o.Result != tt.result || (o.Result == webhook.ResultAccepted) != (len(e.events) == 1) {
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
