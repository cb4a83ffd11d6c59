package provider

import (
	"net/http"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook"
)

// OpenAI is the scheme of OpenAI's webhooks: Standard Webhooks with HMAC-SHA256 (see [StandardWebhooks]) in the fields
// webhook-id, webhook-timestamp and webhook-signature.
//
// A secret is "whsec_" and base64 of at least 24 bytes, as OpenAI's libraries demand. They also accept a signature without its
// version ("v1,"), which OpenAI does not send; it is refused here.
//
// The id is signed and the same in each attempt, so deduplication goes by it. Tolerance: 5 minutes both ways. Attempts go on
// for up to 72 hours, each signed anew.
//
// Source: openai-go webhooks/webhook_helpers.go and https://platform.openai.com/docs/guides/webhooks
type OpenAI struct {
	// Secrets are the signing secrets of the endpoint, newest first. At least one is required.
	Secrets []webhook.Secret
}

// Provider returns "openai".
func (OpenAI) Provider() string { return "openai" }

func (s OpenAI) hmac() HMAC {
	h := standard("openai", "Webhook", s.Secrets)
	h.MinSecret = 24
	h.Contract.AckTimeout = 0 // not documented
	h.Contract.RetryWindow = 72 * time.Hour
	return h
}

// Prepare returns a Verifier, or every mistake in s.
func (s OpenAI) Prepare(setup webhook.Setup) (webhook.Verifier, error) {
	return s.hmac().Prepare(setup)
}

// Sign signs r as OpenAI does.
func (s OpenAI) Sign(r *http.Request, body []byte, now time.Time, key webhook.Secret) ([]byte, error) {
	return s.hmac().Sign(r, body, now, key)
}

// GenerateSecret returns a new secret.
func (s OpenAI) GenerateSecret() (signing, verifying webhook.Secret, err error) {
	return s.hmac().GenerateSecret()
}
