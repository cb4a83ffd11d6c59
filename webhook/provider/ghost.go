package provider

import (
	"net/http"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook"
)

// Ghost is the scheme of Ghost's webhooks.
//
// Signed is the body, directly followed by the time, with HMAC-SHA256, as "sha256=<hex>, t=<milliseconds>" in
// X-Ghost-Signature.
//
// A delivery names neither its type nor an id: use one URL for each event. The body of site.changed is the same each time, and
// attempts made again carry the same time: two deliveries are the same when body and signed time are. Tolerance: 5 minutes both ways; Ghost
// names none. Ghost waits 2 seconds and makes five more attempts of the same request, at once. An answer of 410 removes the
// webhook.
//
// Source: TryGhost/Ghost ghost/core/core/server/services/webhooks/webhook-trigger.js.
type Ghost struct {
	// Secrets are the webhook's secrets as text, newest first. At least one is required.
	Secrets []webhook.Secret
}

// Provider returns "ghost".
func (Ghost) Provider() string { return "ghost" }

func (s Ghost) hmac() HMAC {
	return HMAC{
		Name:            "ghost",
		Secrets:         s.Secrets,
		Signed:          "{body}{timestamp}",
		Header:          "X-Ghost-Signature",
		Separator:       ",",
		SignatureField:  "sha256",
		TimestampField:  "t",
		TimestampFormat: UnixMillis,
		Contract: webhook.Contract{
			Tolerance:   defaultTolerance,
			AckTimeout:  2 * time.Second,
			RetryWindow: time.Minute,
		},
		layout:    "sha256={signature}, t={timestamp}",
		timeInKey: true,
	}
}

// Prepare returns a Verifier, or every mistake in s.
func (s Ghost) Prepare(setup webhook.Setup) (webhook.Verifier, error) {
	return s.hmac().Prepare(setup)
}

// Sign signs r as Ghost does.
func (s Ghost) Sign(r *http.Request, body []byte, now time.Time, key webhook.Secret) ([]byte, error) {
	return s.hmac().Sign(r, body, now, key)
}

// GenerateSecret returns a new secret.
func (s Ghost) GenerateSecret() (signing, verifying webhook.Secret, err error) {
	return s.hmac().GenerateSecret()
}
