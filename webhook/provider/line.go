package provider

import (
	"net/http"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook"
)

// LINE is the scheme of the LINE Messaging API.
//
// Signed is the body alone, with HMAC-SHA256, as base64 in X-Line-Signature.
//
// A delivery is a batch of events; each has an id, webhookEventId, that is signed and the same in each attempt. A new attempt
// sets deliveryContext.isRedelivery, so the body changes: deduplication goes by the ids. Type is set where all events have the
// same, ID where there is one. No time is signed beside each event's own. The empty batch that the console sends to try the
// endpoint is answered and not handed on.
//
// Source: https://developers.line.biz/en/docs/messaging-api/verify-webhook-signature/
type LINE struct {
	// Secrets are channel secrets, as text, newest first. At least one is required.
	Secrets []webhook.Secret
}

// Provider returns "line".
func (LINE) Provider() string { return "line" }

func (s LINE) hmac() HMAC {
	return HMAC{
		Name:      "line",
		Secrets:   s.Secrets,
		Encoding:  Base64,
		Header:    "X-Line-Signature",
		EventType: Source{JSON: []string{"events[].type"}},
		EventID:   Source{JSON: []string{"events[].webhookEventId"}},
	}
}

// Prepare returns a Verifier, or every mistake in s.
func (s LINE) Prepare(setup webhook.Setup) (webhook.Verifier, error) {
	v, err := s.hmac().prepare(setup)
	if err != nil {
		return nil, err
	}
	return &pinged{v, func(e *webhook.Event) bool { return string(raw(e.Body, "events")) == "[]" }}, nil
}

// Sign signs r as LINE does.
func (s LINE) Sign(r *http.Request, body []byte, now time.Time, key webhook.Secret) ([]byte, error) {
	return s.hmac().Sign(r, body, now, key)
}

// GenerateSecret returns a new secret.
func (s LINE) GenerateSecret() (signing, verifying webhook.Secret, err error) {
	return s.hmac().GenerateSecret()
}
