package webhook_test

import (
	"errors"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook"
	"github.com/gatehouse-go/gatehouse/webhook/provider"
)

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

func TestARequestMadeByHandNeedsNoURL(t *testing.T) {
	for _, id := range provider.IDs() {
		scheme, err := provider.New(id)
		if err != nil {
			t.Fatal(err)
		}
		_, secret, err := scheme.(webhook.Signer).GenerateSecret()
		if err != nil {
			t.Fatal(err)
		}
		if scheme, err = provider.New(id, secret); err != nil {
			t.Fatal(err)
		}
		e := newEndpoint(t, func(c *webhook.Config) { c.Scheme, c.PublicURL = scheme, "https://app.example/webhook" })
		for _, method := range []string{"POST", "GET", "OPTIONS"} {
			r := &http.Request{Method: method, Header: http.Header{"X-Twilio-Signature": {"AAAAAAAAAAAAAAAAAAAAAAAAAAA="}}}
			if e.Check(r, nil) == nil {
				t.Errorf("%s: Check accepts nothing at all", id)
			}
			if _, err := e.VerifyBody(r, []byte("{}")); err == nil {
				t.Errorf("%s: VerifyBody accepts nothing at all", id)
			}
			if _, err := e.Verify(r); err == nil {
				t.Errorf("%s: Verify accepts nothing at all", id)
			}
			if _, err := e.Handshake(r); errors.Is(err, webhook.ErrPanic) {
				t.Errorf("%s: Handshake = %v", id, err)
			}
			if status := serve(e, r).StatusCode; status >= 500 {
				t.Errorf("%s: %s is answered %d", id, method, status)
			}
			if r.URL != nil {
				t.Errorf("%s: the request was given a URL", id)
			}
		}
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
