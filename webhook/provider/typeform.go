package provider

import (
	"net/http"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook"
)

// Typeform is the scheme of Typeform's webhooks.
//
// Signed is the body alone, with HMAC-SHA256, as "sha256=<base64>" in Typeform-Signature.
//
// The event id is in the body, so it is signed, and it is the same in each attempt: deduplication goes by it. No time is
// signed. Typeform waits 30 seconds and retries for 10 hours.
//
// Source: https://www.typeform.com/developers/webhooks/secure-your-webhooks/
type Typeform struct {
	// Secrets are the webhook's secrets as text, newest first. At least one is required.
	Secrets []webhook.Secret
}

// Provider returns "typeform".
func (Typeform) Provider() string { return "typeform" }

func (s Typeform) hmac() HMAC {
	return HMAC{
		Name:      "typeform",
		Secrets:   s.Secrets,
		Encoding:  Base64,
		Header:    "Typeform-Signature",
		Prefix:    "sha256=",
		EventType: Source{JSON: []string{"event_type"}},
		EventID:   Source{JSON: []string{"event_id"}},
		Contract: webhook.Contract{
			AckTimeout:  30 * time.Second,
			RetryWindow: 10 * time.Hour,
		},
	}
}

// Prepare returns a Verifier, or every mistake in s.
func (s Typeform) Prepare(setup webhook.Setup) (webhook.Verifier, error) {
	return s.hmac().Prepare(setup)
}

// Sign signs r as Typeform does.
func (s Typeform) Sign(r *http.Request, body []byte, now time.Time, key webhook.Secret) ([]byte, error) {
	return s.hmac().Sign(r, body, now, key)
}

// GenerateSecret returns a new secret.
func (s Typeform) GenerateSecret() (signing, verifying webhook.Secret, err error) {
	return s.hmac().GenerateSecret()
}
