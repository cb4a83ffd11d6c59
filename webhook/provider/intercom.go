package provider

import (
	"crypto"
	"net/http"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook"
)

// Intercom is the scheme of Intercom's webhooks.
//
// Signed is the body alone, with HMAC-SHA1, as "sha1=<hex>" in X-Hub-Signature. HMAC with SHA-1 is not broken, but it is the
// weakest keyed hash that is still in use.
//
// The notification id is in the body, so it is signed, and it is the same in each attempt: deduplication goes by it. No time is
// signed. A HEAD request, which Intercom makes when the endpoint is entered, is answered 200; a ping is answered and not handed
// on. Intercom waits 5 seconds and makes one more attempt after a minute.
//
// Source: https://developers.intercom.com/docs/webhooks/setting-up-webhooks
type Intercom struct {
	// Secrets are client secrets of the app, as text, newest first. At least one is required.
	Secrets []webhook.Secret
}

// Provider returns "intercom".
func (Intercom) Provider() string { return "intercom" }

func (s Intercom) hmac() HMAC {
	return HMAC{
		Name:      "intercom",
		Secrets:   s.Secrets,
		Hash:      crypto.SHA1,
		Header:    "X-Hub-Signature",
		Prefix:    "sha1=",
		EventType: Source{JSON: []string{"topic"}},
		EventID:   Source{JSON: []string{"id"}},
		Contract: webhook.Contract{
			HandshakeMethods: []string{http.MethodHead},
			AckTimeout:       5 * time.Second,
			RetryWindow:      time.Minute,
		},
	}
}

// Prepare returns a Verifier, or every mistake in s.
func (s Intercom) Prepare(setup webhook.Setup) (webhook.Verifier, error) {
	v, err := s.hmac().prepare(setup)
	if err != nil {
		return nil, err
	}
	return &intercomVerifier{pinged{v, func(e *webhook.Event) bool { return e.Type == "ping" }}}, nil
}

// Sign signs r as Intercom does.
func (s Intercom) Sign(r *http.Request, body []byte, now time.Time, key webhook.Secret) ([]byte, error) {
	return s.hmac().Sign(r, body, now, key)
}

// GenerateSecret returns a new secret.
func (s Intercom) GenerateSecret() (signing, verifying webhook.Secret, err error) {
	return s.hmac().GenerateSecret()
}

// intercomVerifier is Intercom made ready.
type intercomVerifier struct{ pinged }

// Handshake answers HEAD.
func (*intercomVerifier) Handshake(r *http.Request, _ []byte) (*webhook.Reply, error) {
	if r.Method == http.MethodHead {
		return &webhook.Reply{}, nil
	}
	return nil, nil
}
