package provider

import (
	"net/http"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook"
)

// Square is the scheme of Square's webhooks.
//
// Signed is the notification URL as it was given to Square, followed by the body, with HMAC-SHA256, as base64 in
// x-square-hmacsha256-signature. The endpoint's public URL is therefore required, to the letter. The URL ends without a mark,
// so it must be fixed: it is never taken from the request.
//
// The event id is in the body, so it is signed, and it is the same in each attempt: deduplication goes by it. No time is
// signed. Square retries for 24 hours; it waits 10 seconds, by an earlier edition of its document.
//
// Source: https://developer.squareup.com/docs/webhooks/step3validate and square-nodejs-sdk tests/integration/webhooks.test.ts.
type Square struct {
	// Secrets are signature keys of the subscription, as text, newest first. At least one is required.
	Secrets []webhook.Secret
}

// Provider returns "square".
func (Square) Provider() string { return "square" }

func (s Square) hmac() HMAC {
	return HMAC{
		Name:      "square",
		Secrets:   s.Secrets,
		Encoding:  Base64,
		Signed:    "{url}{body}",
		Header:    "X-Square-Hmacsha256-Signature",
		EventType: Source{JSON: []string{"type"}},
		EventID:   Source{JSON: []string{"event_id"}},
		Contract: webhook.Contract{
			AckTimeout:  10 * time.Second,
			RetryWindow: 24 * time.Hour,
		},
	}
}

// Prepare returns a Verifier, or every mistake in s.
func (s Square) Prepare(setup webhook.Setup) (webhook.Verifier, error) {
	return s.hmac().Prepare(setup)
}

// Sign signs r as Square does.
func (s Square) Sign(r *http.Request, body []byte, now time.Time, key webhook.Secret) ([]byte, error) {
	return s.hmac().Sign(r, body, now, key)
}

// GenerateSecret returns a new secret.
func (s Square) GenerateSecret() (signing, verifying webhook.Secret, err error) {
	return s.hmac().GenerateSecret()
}
