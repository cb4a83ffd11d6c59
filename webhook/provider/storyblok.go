package provider

import (
	"crypto"
	"net/http"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook"
)

// Storyblok is the scheme of Storyblok's webhooks.
//
// Signed is the body alone, with HMAC-SHA1, as plain hex in webhook-signature: the field in which Standard Webhooks have
// something else. HMAC with SHA-1 is not broken, but it is the weakest keyed hash that is still in use.
//
// There is no event id and no time, and two publications of one story have the same body. Storyblok does not retry. Each
// delivery therefore is an event of its own: a replay cannot be told from a second publication, so the handler must not mind
// one. Storyblok waits 120 seconds for a 2xx.
//
// Sources: https://www.storyblok.com/tp/webhook-secret-with-different-technologies; for the wait, and that nothing is sent again,
// https://www.storyblok.com/docs/guide/in-depth/webhooks.
type Storyblok struct {
	// Secrets are the webhook's secrets as text, newest first. At least one is required.
	Secrets []webhook.Secret
}

// Provider returns "storyblok".
func (Storyblok) Provider() string { return "storyblok" }

func (s Storyblok) hmac() HMAC {
	return HMAC{
		Name:      "storyblok",
		Secrets:   s.Secrets,
		Hash:      crypto.SHA1,
		Header:    "Webhook-Signature",
		EventType: Source{JSON: []string{"action"}},
		Contract:  webhook.Contract{AckTimeout: 120 * time.Second},
		unique:    true,
	}
}

// Prepare returns a Verifier, or every mistake in s.
func (s Storyblok) Prepare(setup webhook.Setup) (webhook.Verifier, error) {
	return s.hmac().Prepare(setup)
}

// Sign signs r as Storyblok does.
func (s Storyblok) Sign(r *http.Request, body []byte, now time.Time, key webhook.Secret) ([]byte, error) {
	return s.hmac().Sign(r, body, now, key)
}

// GenerateSecret returns a new secret.
func (s Storyblok) GenerateSecret() (signing, verifying webhook.Secret, err error) {
	return s.hmac().GenerateSecret()
}
