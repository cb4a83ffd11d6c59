package provider

import (
	"net/http"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook"
)

// LemonSqueezy is the scheme of Lemon Squeezy's webhooks.
//
// Signed is the body alone, with HMAC-SHA256, as plain hex in X-Signature. The name in the field X-Event-Name is also in the
// body, and is taken from there.
//
// There is no event id and no signed time. Deduplication goes by the body, which a new attempt repeats and in which each change
// has its own updated_at. Lemon Squeezy makes up to three more attempts, within minutes.
//
// Source: https://docs.lemonsqueezy.com/help/webhooks/signing-requests
type LemonSqueezy struct {
	// Secrets are the webhook's signing secrets as text; Lemon Squeezy asks for 6 to 40 characters, newest first. At least one is required.
	Secrets []webhook.Secret
}

// Provider returns "lemonsqueezy".
func (LemonSqueezy) Provider() string { return "lemonsqueezy" }

func (s LemonSqueezy) hmac() HMAC {
	return HMAC{
		Name:      "lemonsqueezy",
		Secrets:   s.Secrets,
		Header:    "X-Signature",
		EventType: Source{JSON: []string{"meta.event_name"}},
		Contract:  webhook.Contract{RetryWindow: 5 * time.Minute},
	}
}

// Prepare returns a Verifier, or every mistake in s.
func (s LemonSqueezy) Prepare(setup webhook.Setup) (webhook.Verifier, error) {
	return s.hmac().Prepare(setup)
}

// Sign signs r as Lemon Squeezy does.
func (s LemonSqueezy) Sign(r *http.Request, body []byte, now time.Time, key webhook.Secret) ([]byte, error) {
	return s.hmac().Sign(r, body, now, key)
}

// GenerateSecret returns a new secret.
func (s LemonSqueezy) GenerateSecret() (signing, verifying webhook.Secret, err error) {
	return s.hmac().GenerateSecret()
}
