package provider

import (
	"net/http"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook"
)

// Linear is the scheme of Linear's webhooks.
//
// Signed is the body alone, with HMAC-SHA256, as plain hex in Linear-Signature. The signed time is the body's member
// webhookTimestamp, in milliseconds, which Linear's document has among the members of every payload. The field Linear-Timestamp has the
// same, but unsigned: it is not read. A delivery without the member is refused, since a captured one would stay valid for ever; Linear's
// library accepts it, and checks no time then.
//
// Type is "<type>.<action>", such as "Issue.create". The delivery id (Linear-Delivery) is NOT signed. A new attempt has a new
// webhookTimestamp, so deduplication goes by the rest that says what happened: action, type, createdAt, webhookId and data.
// Tolerance: one minute both ways. Linear waits 5 seconds and makes three more attempts: after a minute, an hour and six hours.
//
// Source: https://linear.app/developers/webhooks and linear/linear packages/sdk/src/webhooks/client.ts.
type Linear struct {
	// Secrets are the webhook's signing secrets as text, newest first. At least one is required.
	Secrets []webhook.Secret
}

// Provider returns "linear".
func (Linear) Provider() string { return "linear" }

func (s Linear) hmac() HMAC {
	return HMAC{
		Name:            "linear",
		Secrets:         s.Secrets,
		Header:          "Linear-Signature",
		TimestampJSON:   "webhookTimestamp",
		TimestampFormat: UnixMillis,
		EventType:       Source{JSON: []string{"type+action"}},
		EventID:         Source{Header: "Linear-Delivery"},
		Contract: webhook.Contract{
			Tolerance:   time.Minute,
			AckTimeout:  5 * time.Second,
			RetryWindow: 7*time.Hour + time.Minute,
		},
		batch: []string{"action", "type", "createdAt", "webhookId", "data"},
	}
}

// Prepare returns a Verifier, or every mistake in s.
func (s Linear) Prepare(setup webhook.Setup) (webhook.Verifier, error) {
	return s.hmac().Prepare(setup)
}

// Sign signs r as Linear does.
func (s Linear) Sign(r *http.Request, body []byte, now time.Time, key webhook.Secret) ([]byte, error) {
	return s.hmac().Sign(r, body, now, key)
}

// GenerateSecret returns a new secret.
func (s Linear) GenerateSecret() (signing, verifying webhook.Secret, err error) {
	return s.hmac().GenerateSecret()
}
