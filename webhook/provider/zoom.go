package provider

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook"
)

// Zoom is the scheme of Zoom's webhooks.
//
// Signed is "v0:{timestamp}:{body}" with HMAC-SHA256, as "v0=<hex>" in x-zm-signature; the time is in seconds in x-zm-request-timestamp.
//
// There is no event id. Deduplication goes by the body, which has the event's own time (event_ts). Tolerance: 5 minutes both ways;
// Zoom names none. Zoom waits 3 seconds and makes three more attempts, after 5, 30 and 90 minutes.
//
// endpoint.url_validation, which Zoom sends when the URL is entered and every 72 hours, is signed like an event. It is
// answered after it was verified: with plainToken and its HMAC under the secret that verified it. A token with other characters
// than Zoom's is refused, so that the answer is never the signature of a delivery.
//
// Source: https://developers.zoom.us/docs/api/webhooks/ and zoom/webhook-sample index.js.
type Zoom struct {
	// Secrets are the app's secret tokens, as text, newest first. At least one is required.
	Secrets []webhook.Secret
}

// Provider returns "zoom".
func (Zoom) Provider() string { return "zoom" }

func (s Zoom) hmac() HMAC {
	return HMAC{
		Name:            "zoom",
		Secrets:         s.Secrets,
		Signed:          "v0:{timestamp}:{body}",
		Header:          "X-Zm-Signature",
		Prefix:          "v0=",
		TimestampHeader: "X-Zm-Request-Timestamp",
		EventType:       Source{JSON: []string{"event"}},
		Contract: webhook.Contract{
			Tolerance:   defaultTolerance,
			AckTimeout:  3 * time.Second,
			RetryWindow: 125 * time.Minute,
		},
	}
}

// Prepare returns a Verifier, or every mistake in s.
func (s Zoom) Prepare(setup webhook.Setup) (webhook.Verifier, error) {
	v, err := s.hmac().prepare(setup)
	if err != nil {
		return nil, err
	}
	return &zoomVerifier{v}, nil
}

// Sign signs r as Zoom does.
func (s Zoom) Sign(r *http.Request, body []byte, now time.Time, key webhook.Secret) ([]byte, error) {
	return s.hmac().Sign(r, body, now, key)
}

// GenerateSecret returns a new secret.
func (s Zoom) GenerateSecret() (signing, verifying webhook.Secret, err error) {
	return s.hmac().GenerateSecret()
}

// zoomVerifier is Zoom made ready.
type zoomVerifier struct{ *hmacVerifier }

// Confirm answers endpoint.url_validation.
func (v *zoomVerifier) Confirm(_ *http.Request, e *webhook.Event) (*webhook.Reply, error) {
	if e.Type != "endpoint.url_validation" {
		return nil, nil
	}
	plain := member(e.Body, "payload.plainToken")
	if !plainToken(plain, maxChallenge) {
		return nil, fmt.Errorf("%w: plainToken is absent, too long, or has other characters than Zoom's", webhook.ErrHandshake)
	}
	for _, key := range v.keys {
		if key.index == e.Proof.Secret {
			body, err := json.Marshal(struct {
				PlainToken     string `json:"plainToken"`
				EncryptedToken string `json:"encryptedToken"`
			}{plain, key.mac(Hex, plain)})
			return &webhook.Reply{Body: body, JSON: true}, err
		}
	}
	return nil, fmt.Errorf("%w: the secret that verified it is gone", webhook.ErrHandshake)
}
