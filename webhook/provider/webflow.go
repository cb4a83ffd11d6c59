package provider

import (
	"net/http"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook"
)

// Webflow is the scheme of Webflow's webhooks.
//
// Signed is "{timestamp}:{body}" with HMAC-SHA256, as plain hex in x-webflow-signature; the time is in milliseconds in
// x-webflow-timestamp. Webhooks made in the dashboard are not signed before April 2025 and are refused.
//
// There is no event id. Deduplication goes by the body, in which each event has its own id and time. Tolerance: 5 minutes both
// ways. Webflow makes three more attempts, ten minutes apart.
//
// Source: https://developers.webflow.com/data/docs/working-with-webhooks
type Webflow struct {
	// Secrets are client secrets of the app, or the webhook's own, as text, newest first. At least one is required.
	Secrets []webhook.Secret
}

// Provider returns "webflow".
func (Webflow) Provider() string { return "webflow" }

func (s Webflow) hmac() HMAC {
	return HMAC{
		Name:            "webflow",
		Secrets:         s.Secrets,
		Signed:          "{timestamp}:{body}",
		Header:          "X-Webflow-Signature",
		TimestampHeader: "X-Webflow-Timestamp",
		TimestampFormat: UnixMillis,
		EventType:       Source{JSON: []string{"triggerType"}},
		Contract: webhook.Contract{
			Tolerance:   defaultTolerance,
			RetryWindow: 30 * time.Minute,
		},
	}
}

// Prepare returns a Verifier, or every mistake in s.
func (s Webflow) Prepare(setup webhook.Setup) (webhook.Verifier, error) {
	return s.hmac().Prepare(setup)
}

// Sign signs r as Webflow does.
func (s Webflow) Sign(r *http.Request, body []byte, now time.Time, key webhook.Secret) ([]byte, error) {
	return s.hmac().Sign(r, body, now, key)
}

// GenerateSecret returns a new secret.
func (s Webflow) GenerateSecret() (signing, verifying webhook.Secret, err error) {
	return s.hmac().GenerateSecret()
}
