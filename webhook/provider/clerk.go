package provider

import (
	"net/http"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook"
)

// Clerk is the scheme of Clerk's webhooks, which are sent through Svix: see [Svix] for what is signed, the tolerance and the
// attempts. The id (svix-id) is signed and the same in each attempt, so deduplication goes by it.
//
// Source: https://clerk.com/docs/webhooks/sync-data
type Clerk struct {
	// Secrets are the endpoint's signing secrets ("whsec_…"), newest first. At least one is required.
	Secrets []webhook.Secret
}

// Provider returns "clerk".
func (Clerk) Provider() string { return "clerk" }

// Prepare returns a Verifier, or every mistake in s.
func (s Clerk) Prepare(setup webhook.Setup) (webhook.Verifier, error) {
	return svixBased("clerk", s.Secrets).Prepare(setup)
}

// Sign signs r as Clerk does.
func (s Clerk) Sign(r *http.Request, body []byte, now time.Time, key webhook.Secret) ([]byte, error) {
	return svixBased("clerk", s.Secrets).branded().Sign(r, body, now, key)
}

// GenerateSecret returns a new secret.
func (s Clerk) GenerateSecret() (signing, verifying webhook.Secret, err error) {
	return svixBased("clerk", s.Secrets).branded().GenerateSecret()
}
