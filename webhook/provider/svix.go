package provider

import (
	"net/http"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook"
)

// Svix is the scheme of webhooks sent through Svix: Standard Webhooks with HMAC-SHA256 (see [StandardWebhooks]) in the fields svix-id,
// svix-timestamp and svix-signature. A sender may have Svix leave its name out; then they are webhook-id and so on. Fields of
// the two kinds are not mixed: where svix-signature is given, the others are not looked at.
//
// A secret begins with "whsec_" (the prefix may be left off) and is base64 of at least 16 bytes.
//
// The id is signed and the same in each attempt, so deduplication goes by it. Tolerance: 5 minutes both ways. Svix waits 15 seconds and
// makes seven more attempts in 28 hours, each signed anew.
//
// Source: https://docs.svix.com/receiving/verifying-payloads/how-manual and https://docs.svix.com/retries
type Svix struct {
	// Secrets are the endpoint's signing secrets, newest first. At least one is required.
	Secrets []webhook.Secret
}

// Provider returns "svix".
func (Svix) Provider() string { return "svix" }

// Prepare returns a Verifier, or every mistake in s.
func (s Svix) Prepare(setup webhook.Setup) (webhook.Verifier, error) {
	return svixBased("svix", s.Secrets).Prepare(setup)
}

// Sign signs r as Svix does.
func (s Svix) Sign(r *http.Request, body []byte, now time.Time, key webhook.Secret) ([]byte, error) {
	return svixBased("svix", s.Secrets).branded().Sign(r, body, now, key)
}

// GenerateSecret returns a new secret.
func (s Svix) GenerateSecret() (signing, verifying webhook.Secret, err error) {
	return svixBased("svix", s.Secrets).branded().GenerateSecret()
}

// svixScheme is the scheme of a provider that sends through Svix.
type svixScheme struct {
	id      string
	secrets []webhook.Secret
}

func svixBased(id string, secrets []webhook.Secret) svixScheme { return svixScheme{id, secrets} }

func (s svixScheme) branded() HMAC { return s.hmac("Svix") }

func (s svixScheme) hmac(prefix string) HMAC {
	h := standard(s.id, prefix, s.secrets)
	h.EventType = Source{JSON: []string{"type", "event_type"}}
	h.Contract.RetryWindow = 28 * time.Hour
	return h
}

func (s svixScheme) Prepare(setup webhook.Setup) (webhook.Verifier, error) {
	branded, err := s.branded().prepare(setup)
	if err != nil {
		return nil, err
	}
	plain, err := s.hmac("Webhook").prepare(setup)
	if err != nil {
		return nil, err
	}
	return &svixVerifier{branded, plain}, nil
}

// svixVerifier reads the fields with Svix's name, or those without.
type svixVerifier struct {
	*hmacVerifier
	plain *hmacVerifier
}

func (v *svixVerifier) of(h http.Header) *hmacVerifier {
	if len(h["Svix-Signature"]) > 0 {
		return v.hmacVerifier
	}
	return v.plain
}

// Verify checks the one set of fields that r has.
func (v *svixVerifier) Verify(r *http.Request, body []byte, now time.Time) (webhook.Proof, error) {
	return v.of(r.Header).Verify(r, body, now)
}

// Describe fills in what e says of itself.
func (v *svixVerifier) Describe(r *http.Request, e *webhook.Event) { v.of(e.Header).Describe(r, e) }
