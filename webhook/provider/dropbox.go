package provider

import (
	"net/http"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook"
)

// Dropbox is the scheme of Dropbox's webhooks.
//
// Signed is the body alone, with HMAC-SHA256, as plain hex in X-Dropbox-Signature.
//
// A delivery says only which accounts have changes, without id, type or time: the same body comes for each change of an account.
// A replay therefore cannot be told from news, and each delivery is an event of its own; what it causes is to ask Dropbox for
// changes, which does no harm twice. Dropbox waits 10 seconds and retries for some minutes.
//
// The handshake is GET with a parameter challenge, which is answered as plain text.
//
// Source: https://www.dropbox.com/developers/reference/webhooks
type Dropbox struct {
	// Secrets are the app's secrets, as text, newest first. At least one is required.
	Secrets []webhook.Secret
}

// Provider returns "dropbox".
func (Dropbox) Provider() string { return "dropbox" }

func (s Dropbox) hmac() HMAC {
	return HMAC{
		Name:    "dropbox",
		Secrets: s.Secrets,
		Header:  "X-Dropbox-Signature",
		Contract: webhook.Contract{
			HandshakeMethods: []string{http.MethodGet},
			AckTimeout:       10 * time.Second,
		},
		unique: true,
	}
}

// Prepare returns a Verifier, or every mistake in s.
func (s Dropbox) Prepare(setup webhook.Setup) (webhook.Verifier, error) {
	v, err := s.hmac().prepare(setup)
	if err != nil {
		return nil, err
	}
	return &dropboxVerifier{v}, nil
}

// Sign signs r as Dropbox does.
func (s Dropbox) Sign(r *http.Request, body []byte, now time.Time, key webhook.Secret) ([]byte, error) {
	return s.hmac().Sign(r, body, now, key)
}

// GenerateSecret returns a new secret.
func (s Dropbox) GenerateSecret() (signing, verifying webhook.Secret, err error) {
	return s.hmac().GenerateSecret()
}

// dropboxVerifier is Dropbox made ready.
type dropboxVerifier struct{ *hmacVerifier }

// Handshake answers GET with a challenge.
func (*dropboxVerifier) Handshake(r *http.Request, _ []byte) (*webhook.Reply, error) {
	if r.Method != http.MethodGet {
		return nil, nil
	}
	query, err := queryOf(r)
	if err != nil {
		return nil, err
	}
	return echo(query.Get("challenge"))
}
