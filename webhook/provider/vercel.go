package provider

import (
	"crypto"
	"net/http"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook"
)

// Vercel is the scheme of Vercel's webhooks.
//
// Signed is the body alone, with HMAC-SHA1, as plain hex in x-vercel-signature. HMAC with SHA-1 is not broken, but it is the
// weakest keyed hash that is still in use.
//
// The event id is in the body, so it is signed, and it is the same in each attempt: deduplication goes by it. No time is
// signed. Vercel waits 30 seconds for a 2xx and retries for 24 hours.
//
// Source: https://vercel.com/docs/webhooks/webhooks-api, also for the waits (sections "HTTP Response", "Delivery Attempts and Retries").
type Vercel struct {
	// Secrets are the webhook's secrets, or for an integration its client secrets, as text, newest first. At least one is required.
	Secrets []webhook.Secret
}

// Provider returns "vercel".
func (Vercel) Provider() string { return "vercel" }

func (s Vercel) hmac() HMAC {
	return HMAC{
		Name:      "vercel",
		Secrets:   s.Secrets,
		Hash:      crypto.SHA1,
		Header:    "X-Vercel-Signature",
		EventType: Source{JSON: []string{"type"}},
		EventID:   Source{JSON: []string{"id"}},
		Contract: webhook.Contract{
			AckTimeout:  30 * time.Second,
			RetryWindow: 24 * time.Hour,
		},
	}
}

// Prepare returns a Verifier, or every mistake in s.
func (s Vercel) Prepare(setup webhook.Setup) (webhook.Verifier, error) {
	return s.hmac().Prepare(setup)
}

// Sign signs r as Vercel does.
func (s Vercel) Sign(r *http.Request, body []byte, now time.Time, key webhook.Secret) ([]byte, error) {
	return s.hmac().Sign(r, body, now, key)
}

// GenerateSecret returns a new secret.
func (s Vercel) GenerateSecret() (signing, verifying webhook.Secret, err error) {
	return s.hmac().GenerateSecret()
}
