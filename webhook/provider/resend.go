package provider

import (
	"net/http"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook"
)

// Resend is the scheme of Resend's webhooks, which are sent through Svix: see [Svix] for what is signed, the tolerance and the
// attempts. The id (svix-id) is signed and the same in each attempt, so deduplication goes by it.
//
// Source: https://resend.com/docs/dashboard/webhooks/verify-webhooks-requests
type Resend struct {
	// Secrets are the endpoint's signing secrets ("whsec_…"), newest first. At least one is required.
	Secrets []webhook.Secret
}

// Provider returns "resend".
func (Resend) Provider() string { return "resend" }

// Prepare returns a Verifier, or every mistake in s.
func (s Resend) Prepare(setup webhook.Setup) (webhook.Verifier, error) {
	return svixBased("resend", s.Secrets).Prepare(setup)
}

// Sign signs r as Resend does.
func (s Resend) Sign(r *http.Request, body []byte, now time.Time, key webhook.Secret) ([]byte, error) {
	return svixBased("resend", s.Secrets).branded().Sign(r, body, now, key)
}

// GenerateSecret returns a new secret.
func (s Resend) GenerateSecret() (signing, verifying webhook.Secret, err error) {
	return svixBased("resend", s.Secrets).branded().GenerateSecret()
}
