// Package webhooktest makes the requests that webhook providers send, for the tests of an application's endpoint, and checks
// schemes and dedupe stores that an application brings itself.
//
// A test of an endpoint is one line for each delivery:
//
//	res := webhooktest.Send(t, endpoint, webhooktest.Delivery{Scheme: provider.GitHub{}, Key: secret, Body: body})
package webhooktest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/gatehouse-go/gatehouse/webhook"
)

// Delivery is one delivery as a provider would make it. Scheme and Key are required.
type Delivery struct {
	// Scheme is the provider's, such as provider.Stripe{}. Its secrets are not needed.
	Scheme webhook.Signer

	// Key is what the provider signs with: a shared secret, a token, or the private key of a public key scheme.
	Key webhook.Secret

	// URL is the delivery URL as the provider knows it. Zero means https://app.example/webhook.
	URL string

	// Method is the request's method. Zero means the provider's own.
	Method string

	// Header has the fields that the scheme leaves open, such as an event's name. It is copied. Where neither it nor the scheme says
	// the Content-Type, a body that is JSON is sent as application/json and another one as a form.
	Header http.Header

	// Body is the payload. A provider that puts the signature into the body adds it there.
	Body []byte

	// At is when the delivery is signed. Zero means now.
	At time.Time
}

// Request returns d signed, as a request for an [http.Client]. Nothing is sent. The error is that of a wrong URL, a key in
// another format, or a body that the provider could not sign.
func (d Delivery) Request(ctx context.Context) (*http.Request, error) {
	r, body, err := d.sign(ctx)
	if err != nil {
		return nil, err
	}
	r.Body, r.ContentLength = http.NoBody, int64(len(body))
	if len(body) > 0 {
		r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
		r.Body, _ = r.GetBody() // has no error to give
	}
	return r, nil
}

// sign returns d as a request without its body, and the body.
func (d Delivery) sign(ctx context.Context) (*http.Request, []byte, error) {
	if d.Scheme == nil {
		return nil, nil, errors.New("webhooktest: Delivery.Scheme is required")
	}
	if d.URL == "" {
		d.URL = "https://app.example/webhook"
	}
	if d.At.IsZero() {
		d.At = time.Now()
	}
	method := d.Method
	if method == "" {
		method = http.MethodPost
	}
	r, err := http.NewRequestWithContext(ctx, method, d.URL, nil)
	if err != nil {
		return nil, nil, fmt.Errorf("webhooktest: %w", err)
	}
	if d.Header != nil {
		r.Header = d.Header.Clone()
	}
	body, err := d.Scheme.Sign(r, d.Body, d.At, d.Key)
	if err != nil {
		return nil, nil, fmt.Errorf("webhooktest: sign as %s: %w", d.Scheme.Provider(), err)
	}
	if d.Method != "" {
		r.Method = d.Method
	}
	if len(body) > 0 && r.Header["Content-Type"] == nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if jsontext.Value(body).IsValid() {
			r.Header.Set("Content-Type", "application/json")
		}
	}
	return r, body, nil
}

// Send has h answer d and returns the answer, its body in memory. A delivery that cannot be made fails the test at once.
func Send(tb testing.TB, h http.Handler, d Delivery) *http.Response {
	tb.Helper()
	r, err := d.Request(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	in := httptest.NewRequestWithContext(tb.Context(), r.Method, r.URL.String(), r.Body) // as a server sees it
	in.Header, in.ContentLength = r.Header, r.ContentLength
	w := httptest.NewRecorder()
	h.ServeHTTP(w, in)
	return w.Result()
}
