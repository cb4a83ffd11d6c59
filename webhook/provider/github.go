package provider

import (
	"net/http"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook"
)

// GitHub is the scheme of GitHub's webhooks.
//
// Signed is the body alone, with HMAC-SHA256, as "sha256=<hex>" in X-Hub-Signature-256. The older X-Hub-Signature (SHA-1) is not
// read. A form delivery (application/x-www-form-urlencoded) is signed as it is sent; its JSON is the field payload.
//
// The delivery id (X-GitHub-Delivery) and the event name (X-GitHub-Event) are NOT signed, and neither is a time: who has
// captured one delivery can send it again under another id or name. Deduplication therefore goes by the body, which GitHub repeats
// byte for byte when it delivers again; two events with the very same body, such as a workflow_dispatch made twice while nothing else
// changed, then count as one. A handler that must be sure of the kind of event looks at the body's members.
//
// A ping, which GitHub sends when a hook is made, is answered and not handed on. GitHub waits 10 seconds and does not retry by itself.
//
// Source: https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries
type GitHub struct {
	// Secrets are the hook's secrets as text, newest first: GitHub has one at a time, so hold the old one until all hooks have the new.
	// At least one is required.
	Secrets []webhook.Secret
}

// Provider returns "github".
func (GitHub) Provider() string { return "github" }

func (s GitHub) hmac() HMAC {
	return HMAC{
		Name:      "github",
		Secrets:   s.Secrets,
		Header:    "X-Hub-Signature-256",
		Prefix:    "sha256=",
		EventType: Source{Header: "X-Github-Event"},
		EventID:   Source{Header: "X-Github-Delivery"},
		Contract: webhook.Contract{
			MediaTypes: []string{"application/json", "application/x-www-form-urlencoded"},
			AckTimeout: 10 * time.Second,
		},
	}
}

// Prepare returns a Verifier, or every mistake in s.
func (s GitHub) Prepare(setup webhook.Setup) (webhook.Verifier, error) {
	v, err := s.hmac().prepare(setup)
	if err != nil {
		return nil, err
	}
	return &pinged{v, githubPing}, nil
}

// githubPing reports whether e is a ping: by a member of the payload, because the name is not signed.
func githubPing(e *webhook.Event) bool {
	if e.Type != "ping" {
		return false
	}
	payload := e.Body
	if form, err := parseForm(e.Body); err == nil && form.Has("payload") {
		payload = []byte(form.Get("payload"))
	}
	return member(payload, "hook_id") != ""
}

// Sign signs r as GitHub does.
func (s GitHub) Sign(r *http.Request, body []byte, now time.Time, key webhook.Secret) ([]byte, error) {
	return s.hmac().Sign(r, body, now, key)
}

// GenerateSecret returns a new secret.
func (s GitHub) GenerateSecret() (signing, verifying webhook.Secret, err error) {
	return s.hmac().GenerateSecret()
}
