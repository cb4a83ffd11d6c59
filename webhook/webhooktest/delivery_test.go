package webhooktest_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook"
	"github.com/gatehouse-go/gatehouse/webhook/webhooktest"
)

func TestRequestIsWhatTheProviderSends(t *testing.T) {
	at := time.Unix(1614265330, 0)
	header := http.Header{"X-Acme-Id": {"evt_1"}}
	r, err := webhooktest.Delivery{
		Scheme: acme{}, Key: webhook.NewSecret("secret"), Header: header, Body: []byte(`{"a":1}`), At: at,
	}.Request(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if r.Method != "POST" || r.URL.String() != "https://app.example/webhook" || r.ContentLength != 7 {
		t.Errorf("request = %s %s, %d bytes", r.Method, r.URL, r.ContentLength)
	}
	if r.Header.Get("X-Acme-Time") != "1614265330" || r.Header.Get("X-Acme-Signature") == "" || r.Header.Get("X-Acme-Id") != "evt_1" {
		t.Errorf("header = %v", r.Header)
	}
	if len(header) != 1 {
		t.Error("the caller's header was changed")
	}
	for range 2 { // GetBody lets a client follow a redirect and send again
		if b, err := io.ReadAll(r.Body); err != nil || string(b) != `{"a":1}` {
			t.Errorf("body = %q, %v", b, err)
		}
		if r.Body, err = r.GetBody(); err != nil {
			t.Fatal(err)
		}
	}
	r, err = webhooktest.Delivery{Scheme: acme{}, Key: webhook.NewSecret("secret"), Method: "PUT", URL: "http://localhost:1/x?a=1"}.Request(t.Context())
	if err != nil || r.Method != "PUT" || r.URL.RawQuery != "a=1" || r.Body != http.NoBody {
		t.Errorf("request = %+v, %v", r, err)
	}
}

func TestRequestSaysItsMediaType(t *testing.T) {
	tests := []struct{ name, set, body, want string }{
		{"as the caller says", "text/plain", "{}", "text/plain"},
		{"JSON by its looks", "", `{"a":[1]}`, "application/json"},
		{"a form otherwise", "", "a=1&b=2", "application/x-www-form-urlencoded"},
		{"none without a body", "", "", ""},
	}
	for _, tt := range tests {
		d := webhooktest.Delivery{Scheme: bare{}, Key: webhook.NewSecret("s"), Body: []byte(tt.body), Header: http.Header{}}
		if tt.set != "" {
			d.Header.Set("Content-Type", tt.set)
		}
		r, err := d.Request(t.Context())
		if err != nil || r.Header.Get("Content-Type") != tt.want {
			t.Errorf("%s: %q, %v; want %q", tt.name, r.Header.Get("Content-Type"), err, tt.want)
		}
	}
}

// bare signs nothing and says nothing of the media type.
type bare struct{ acme }

func (bare) Sign(_ *http.Request, body []byte, _ time.Time, _ webhook.Secret) ([]byte, error) {
	return body, nil
}

func TestRequestThatCannotBeMade(t *testing.T) {
	tests := map[string]struct {
		delivery webhooktest.Delivery
		want     string
	}{
		"no scheme":      {webhooktest.Delivery{}, "Scheme is required"},
		"a wrong URL":    {webhooktest.Delivery{Scheme: acme{}, URL: "://"}, "missing protocol scheme"},
		"a wrong method": {webhooktest.Delivery{Scheme: acme{}, Method: "a b"}, "invalid method"},
		"no key":         {webhooktest.Delivery{Scheme: acme{}}, "sign as acme: acme: key is required"},
	}
	for name, tt := range tests {
		if _, err := tt.delivery.Request(t.Context()); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
	}
}

func TestSendIsOneLine(t *testing.T) {
	secret := webhook.NewSecret("secret")
	var got webhook.Event
	endpoint, err := webhook.New(webhook.Config{
		Scheme:  prepared{acme{}, secret},
		OnEvent: func(_ context.Context, e webhook.Event) error { got = e; return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	res := webhooktest.Send(t, endpoint, webhooktest.Delivery{Scheme: acme{}, Key: secret, Body: []byte(`{"id":"evt_1"}`)})
	if res.StatusCode != 200 || got.ID != "evt_1" {
		t.Errorf("answer %d, event %+v", res.StatusCode, got)
	}
	res = webhooktest.Send(t, endpoint, webhooktest.Delivery{Scheme: acme{}, Key: webhook.NewSecret("wrong"), Body: []byte(`{"id":"evt_2"}`)})
	if res.StatusCode != 401 {
		t.Errorf("answer %d, want 401", res.StatusCode)
	}
}

// prepared is acme with its own secret.
type prepared struct {
	acme
	secret webhook.Secret
}

func (p prepared) Prepare(s webhook.Setup) (webhook.Verifier, error) {
	if s.Secrets == nil {
		s.Secrets = []webhook.Secret{p.secret}
	}
	return p.acme.Prepare(s)
}

// fatal is a testing.TB that remembers a call of Fatal.
type fatal struct {
	testing.TB
	called bool
}

func (f *fatal) Fatal(...any) { f.called = true; panic(f) }

func TestSendFailsTheTestOfADeliveryThatCannotBeMade(t *testing.T) {
	f := &fatal{TB: t}
	func() {
		defer func() { _ = recover() }()
		webhooktest.Send(f, http.NotFoundHandler(), webhooktest.Delivery{})
	}()
	if !f.called {
		t.Error("Send did not fail the test")
	}
}
