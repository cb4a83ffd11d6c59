package provider

import (
	"net/http"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook"
)

// Sanity is the scheme of Sanity's GROQ-powered webhooks.
//
// Signed is "{t}.{body}" with HMAC-SHA256, as "t=<milliseconds>,v1=<base64url without padding>" in sanity-webhook-signature.
//
// The body is a projection of the customer's making, often without anything that tells two changes apart. The key
// idempotency-key is NOT signed. Two deliveries therefore are the same when body and signed time are; if a new attempt is
// signed anew, it counts as a new event. Type is the field sanity-operation (create, update, delete), which is not signed.
// Tolerance: 5 minutes both ways, where Sanity's toolkit has none. Sanity waits 30 seconds and makes two more
// attempts, 30 seconds apart; before April 2026 it went on for 30 minutes.
//
// Source: https://www.sanity.io/docs/webhooks, its changelog of 29 April 2026, and sanity-io/webhook-toolkit src/signature.ts.
type Sanity struct {
	// Secrets are the webhook's secrets as text, newest first. At least one is required.
	Secrets []webhook.Secret
}

// Provider returns "sanity".
func (Sanity) Provider() string { return "sanity" }

func (s Sanity) hmac() HMAC {
	return HMAC{
		Name:            "sanity",
		Secrets:         s.Secrets,
		Encoding:        Base64URL,
		Signed:          "{timestamp}.{body}",
		Header:          "Sanity-Webhook-Signature",
		Separator:       ",",
		SignatureField:  "v1",
		TimestampField:  "t",
		TimestampFormat: UnixMillis,
		EventType:       Source{Header: "Sanity-Operation"},
		EventID:         Source{Header: "Idempotency-Key"},
		Contract: webhook.Contract{
			Tolerance:   defaultTolerance,
			AckTimeout:  30 * time.Second,
			RetryWindow: 2 * time.Minute,
		},
		timeInKey: true,
	}
}

// Prepare returns a Verifier, or every mistake in s.
func (s Sanity) Prepare(setup webhook.Setup) (webhook.Verifier, error) {
	return s.hmac().Prepare(setup)
}

// Sign signs r as Sanity does.
func (s Sanity) Sign(r *http.Request, body []byte, now time.Time, key webhook.Secret) ([]byte, error) {
	return s.hmac().Sign(r, body, now, key)
}

// GenerateSecret returns a new secret.
func (s Sanity) GenerateSecret() (signing, verifying webhook.Secret, err error) {
	return s.hmac().GenerateSecret()
}
