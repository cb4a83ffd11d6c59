package provider

import (
	"net/http"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook"
)

// Paddle is the scheme of Paddle Billing's notifications.
//
// Signed is "{ts}:{body}" with HMAC-SHA256, as "ts=<seconds>;h1=<hex>" in Paddle-Signature. There are several h1 while a secret
// is being rotated; any may match.
//
// The event id is in the body, so it is signed: deduplication goes by it. (notification_id is another for each destination.)
// Tolerance: 5 seconds both ways, as Paddle recommends and its Node library does; widen it where the clocks are worse. Each
// attempt is signed anew. Paddle waits 5 seconds and retries for three days.
//
// Source: https://developer.paddle.com/webhooks/signature-verification
type Paddle struct {
	// Secrets are secret keys of the destination ("pdl_ntfset_…"), used as text, newest first. At least one is required.
	Secrets []webhook.Secret
}

// Provider returns "paddle".
func (Paddle) Provider() string { return "paddle" }

func (s Paddle) hmac() HMAC {
	return HMAC{ //nolint:gosec // the prefix of a secret is none
		Name:           "paddle",
		Secrets:        s.Secrets,
		Signed:         "{timestamp}:{body}",
		Header:         "Paddle-Signature",
		Separator:      ";",
		SignatureField: "h1",
		TimestampField: "ts",
		EventType:      Source{JSON: []string{"event_type"}},
		EventID:        Source{JSON: []string{"event_id"}},
		Contract: webhook.Contract{
			Tolerance:   5 * time.Second,
			AckTimeout:  5 * time.Second,
			RetryWindow: 72 * time.Hour,
		},
		newSecret: "pdl_ntfset_",
	}
}

// Prepare returns a Verifier, or every mistake in s.
func (s Paddle) Prepare(setup webhook.Setup) (webhook.Verifier, error) {
	return s.hmac().Prepare(setup)
}

// Sign signs r as Paddle does.
func (s Paddle) Sign(r *http.Request, body []byte, now time.Time, key webhook.Secret) ([]byte, error) {
	return s.hmac().Sign(r, body, now, key)
}

// GenerateSecret returns a new secret.
func (s Paddle) GenerateSecret() (signing, verifying webhook.Secret, err error) {
	return s.hmac().GenerateSecret()
}
