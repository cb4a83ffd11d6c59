package provider

import (
	"net/http"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook"
)

// Stripe is the scheme of Stripe's webhooks, for snapshot and thin events.
//
// Signed is "{t}.{body}" with HMAC-SHA256, as "t=<seconds>,v1=<hex>" in Stripe-Signature. There are two v1 while a secret is being
// rolled; either may match. v0 is a test scheme and does not count.
//
// A secret is used as it is shown, "whsec_" included: unlike that of Standard Webhooks it is not base64.
//
// The event id is in the body, so it is signed, and it is the same in each attempt: deduplication goes by it. Tolerance: 5 minutes both
// ways, where Stripe's own libraries accept any time in the future. Each attempt is signed anew; attempts go on for three days.
// Stripe does not say how long it waits for an answer.
//
// Source: https://docs.stripe.com/webhooks#verify-manually and stripe-go/webhook/client.go.
type Stripe struct {
	// Secrets are the endpoint's signing secrets, newest first. At least one is required.
	Secrets []webhook.Secret
}

// Provider returns "stripe".
func (Stripe) Provider() string { return "stripe" }

func (s Stripe) hmac() HMAC {
	return HMAC{
		Name:           "stripe",
		Secrets:        s.Secrets,
		Header:         "Stripe-Signature",
		Separator:      ",",
		SignatureField: "v1",
		TimestampField: "t",
		Signed:         "{timestamp}.{body}",
		EventType:      Source{JSON: []string{"type"}},
		EventID:        Source{JSON: []string{"id"}},
		Contract: webhook.Contract{
			MediaTypes:  []string{"application/json"},
			Tolerance:   5 * time.Minute,
			RetryWindow: 72 * time.Hour,
		},
		newSecret: "whsec_",
	}
}

// Prepare returns a Verifier, or every mistake in s.
func (s Stripe) Prepare(setup webhook.Setup) (webhook.Verifier, error) {
	return s.hmac().Prepare(setup)
}

// Sign signs r as Stripe does.
func (s Stripe) Sign(r *http.Request, body []byte, now time.Time, key webhook.Secret) ([]byte, error) {
	return s.hmac().Sign(r, body, now, key)
}

// GenerateSecret returns a new secret.
func (s Stripe) GenerateSecret() (signing, verifying webhook.Secret, err error) {
	return s.hmac().GenerateSecret()
}
