package provider

import (
	"net/http"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook"
)

// Bitbucket is the scheme of Bitbucket Cloud's webhooks.
//
// Signed is the body alone, with HMAC-SHA256, as "sha256=<hex>" in X-Hub-Signature: the field in which others send SHA-1. A
// hook without a secret is not signed at all, and its deliveries are refused.
//
// The event (X-Event-Key) and the request id (X-Request-UUID) are NOT signed, and neither is a time. Deduplication goes by the
// body, which a new attempt repeats. Bitbucket waits 10 seconds. After an answer of 500 to 599 it makes up to two more attempts; when, it
// does not say.
//
// Sources: https://support.atlassian.com/bitbucket-cloud/docs/manage-webhooks/; for the field X-Request-UUID
// https://support.atlassian.com/bitbucket-cloud/docs/event-payloads/; for the wait and the attempts
// https://support.atlassian.com/bitbucket-cloud/docs/troubleshoot-webhooks/.
type Bitbucket struct {
	// Secrets are the hook's secrets as text, newest first. At least one is required.
	Secrets []webhook.Secret
}

// Provider returns "bitbucket".
func (Bitbucket) Provider() string { return "bitbucket" }

func (s Bitbucket) hmac() HMAC {
	return HMAC{
		Name:      "bitbucket",
		Secrets:   s.Secrets,
		Header:    "X-Hub-Signature",
		Prefix:    "sha256=",
		EventType: Source{Header: "X-Event-Key"},
		EventID:   Source{Header: "X-Request-Uuid"},
		Contract:  webhook.Contract{AckTimeout: 10 * time.Second},
	}
}

// Prepare returns a Verifier, or every mistake in s.
func (s Bitbucket) Prepare(setup webhook.Setup) (webhook.Verifier, error) {
	return s.hmac().Prepare(setup)
}

// Sign signs r as Bitbucket Cloud does.
func (s Bitbucket) Sign(r *http.Request, body []byte, now time.Time, key webhook.Secret) ([]byte, error) {
	return s.hmac().Sign(r, body, now, key)
}

// GenerateSecret returns a new secret.
func (s Bitbucket) GenerateSecret() (signing, verifying webhook.Secret, err error) {
	return s.hmac().GenerateSecret()
}
