package provider

import (
	"net/http"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook"
)

// Zendesk is the scheme of Zendesk's webhooks.
//
// Signed is the time, directly followed by the body, with HMAC-SHA256, as base64 in X-Zendesk-Webhook-Signature; the time is
// RFC 3339 in X-Zendesk-Webhook-Signature-Timestamp. (A page from the beta of 2021 had body and time the other way round, with
// a sample that verifies so; Zendesk's present text and code do not.) The secret looks like base64 but is used as text. A
// webhook may use any method; GET and DELETE have no body. The method is not signed.
//
// An event webhook has its id in the body, so it is signed; deduplication goes by it. A webhook of a trigger has a body of the
// customer's making, without an id and often the same each time: two deliveries then are the same when body and signed time
// are. The invocation id (X-Zendesk-Webhook-Invocation-Id) is not signed. Tolerance: 5 minutes both ways; Zendesk names none. Zendesk
// retries after certain statuses, without saying whether such an attempt is signed anew. How long it waits is not documented: others
// tell of 10 and of 12 seconds.
//
// Sources: https://developer.zendesk.com/documentation/webhooks/verifying/; for the retries
// https://developer.zendesk.com/api-reference/webhooks/introduction/.
type Zendesk struct {
	// Secrets are signing secrets of the webhook, as text, newest first. At least one is required.
	Secrets []webhook.Secret
}

// Provider returns "zendesk".
func (Zendesk) Provider() string { return "zendesk" }

func (s Zendesk) hmac() HMAC {
	return HMAC{
		Name:            "zendesk",
		Secrets:         s.Secrets,
		Encoding:        Base64,
		Signed:          "{timestamp}{body}",
		Header:          "X-Zendesk-Webhook-Signature",
		TimestampHeader: "X-Zendesk-Webhook-Signature-Timestamp",
		TimestampFormat: RFC3339,
		EventType:       Source{JSON: []string{"type"}},
		EventID:         Source{JSON: []string{"id"}},
		Contract: webhook.Contract{
			Methods: []string{
				http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodGet,
			},
			Tolerance: defaultTolerance,
		},
		timeInKey: true,
	}
}

// Prepare returns a Verifier, or every mistake in s.
func (s Zendesk) Prepare(setup webhook.Setup) (webhook.Verifier, error) {
	return s.hmac().Prepare(setup)
}

// Sign signs r as Zendesk does.
func (s Zendesk) Sign(r *http.Request, body []byte, now time.Time, key webhook.Secret) ([]byte, error) {
	return s.hmac().Sign(r, body, now, key)
}

// GenerateSecret returns a new secret.
func (s Zendesk) GenerateSecret() (signing, verifying webhook.Secret, err error) {
	return s.hmac().GenerateSecret()
}
