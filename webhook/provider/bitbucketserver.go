package provider

import (
	"net/http"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook"
)

// BitbucketServer is the scheme of the webhooks of Bitbucket Data Center and Server.
//
// Signed is the body alone, with HMAC-SHA256, as "sha256=<hex>" in X-Hub-Signature.
//
// The event (X-Event-Key) and the request id (X-Request-Id) are NOT signed, and neither is a time. Deduplication goes by the
// body. The event diagnostics:ping, sent by the button "Test connection", is answered and not handed on.
//
// Source: https://confluence.atlassian.com/bitbucketserver/manage-webhooks-938025878.html
type BitbucketServer struct {
	// Secrets are the hook's secrets as text, newest first. At least one is required.
	Secrets []webhook.Secret
}

// Provider returns "bitbucket-server".
func (BitbucketServer) Provider() string { return "bitbucket-server" }

func (s BitbucketServer) hmac() HMAC {
	return HMAC{
		Name:      "bitbucket-server",
		Secrets:   s.Secrets,
		Header:    "X-Hub-Signature",
		Prefix:    "sha256=",
		EventType: Source{Header: "X-Event-Key"},
		EventID:   Source{Header: "X-Request-Id"},
	}
}

// Prepare returns a Verifier, or every mistake in s.
func (s BitbucketServer) Prepare(setup webhook.Setup) (webhook.Verifier, error) {
	v, err := s.hmac().prepare(setup)
	if err != nil {
		return nil, err
	}
	return &pinged{v, func(e *webhook.Event) bool {
		return e.Type == "diagnostics:ping" && member(e.Body, "test") == "true" // the name is not signed, the member is
	}}, nil
}

// Sign signs r as Bitbucket Data Center does.
func (s BitbucketServer) Sign(r *http.Request, body []byte, now time.Time, key webhook.Secret) ([]byte, error) {
	return s.hmac().Sign(r, body, now, key)
}

// GenerateSecret returns a new secret.
func (s BitbucketServer) GenerateSecret() (signing, verifying webhook.Secret, err error) {
	return s.hmac().GenerateSecret()
}
