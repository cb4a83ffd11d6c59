package provider

import (
	"net/http"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook"
)

// Gitea is the scheme of the webhooks of Gitea and Forgejo.
//
// Signed is the body alone, with HMAC-SHA256, as plain hex in X-Gitea-Signature, which Forgejo sends as well.
//
// The delivery id (X-Gitea-Delivery) and the event (X-Gitea-Event) are NOT signed, and neither is a time. Deduplication goes by
// the body, which a delivery made again repeats. Gitea waits 5 seconds unless configured otherwise, and does not retry by
// itself.
//
// Source: https://docs.gitea.com/usage/webhooks and services/webhook/deliver.go of Gitea.
type Gitea struct {
	// Secrets are the hook's secrets as text, newest first. At least one is required.
	Secrets []webhook.Secret
}

// Provider returns "gitea".
func (Gitea) Provider() string { return "gitea" }

func (s Gitea) hmac() HMAC {
	return HMAC{
		Name:      "gitea",
		Secrets:   s.Secrets,
		Header:    "X-Gitea-Signature",
		EventType: Source{Header: "X-Gitea-Event"},
		EventID:   Source{Header: "X-Gitea-Delivery"},
		Contract:  webhook.Contract{AckTimeout: 5 * time.Second},
	}
}

// Prepare returns a Verifier, or every mistake in s.
func (s Gitea) Prepare(setup webhook.Setup) (webhook.Verifier, error) {
	return s.hmac().Prepare(setup)
}

// Sign signs r as Gitea does.
func (s Gitea) Sign(r *http.Request, body []byte, now time.Time, key webhook.Secret) ([]byte, error) {
	return s.hmac().Sign(r, body, now, key)
}

// GenerateSecret returns a new secret.
func (s Gitea) GenerateSecret() (signing, verifying webhook.Secret, err error) {
	return s.hmac().GenerateSecret()
}
