package provider

import (
	"net/http"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/invalid"
	"github.com/gatehouse-go/gatehouse/webhook"
)

// Prismic is the scheme of Prismic's webhooks.
//
// A delivery shows a token in the body's member secret; nothing is signed (see [Token] for what that means). The token stays in
// Event.Body: keep bodies out of logs.
//
// There is no id and no time, and two changes of one release have the same body: each delivery is an event of its own, so the handler must
// not mind an attempt made again. Type is the member type; test-trigger, sent by the button, is answered and not handed on. Prismic
// makes five more attempts, ten minutes apart.
//
// Source: https://prismic.io/docs/webhooks and @prismicio/client's webhook types.
type Prismic struct {
	// Secrets are the webhook's secrets, newest first. At least one is required.
	Secrets []webhook.Secret
}

// Provider returns "prismic".
func (Prismic) Provider() string { return "prismic" }

// Prepare returns a Verifier, or every mistake in s.
func (s Prismic) Prepare(setup webhook.Setup) (webhook.Verifier, error) {
	c := invalid.Config{Package: "provider"}
	v := &prismicVerifier{tokenVerifier{
		identity: identity{provider: "prismic", typ: Source{JSON: []string{"type"}}, bearer: true, unique: true},
		contract: webhook.Contract{RetryWindow: 50 * time.Minute},
		tokens:   tokensOf(setup, s.Secrets, &c),
		places:   []place{prismicToken},
	}}
	if err := c.Err(); err != nil {
		return nil, err
	}
	return v, nil
}

// prismicToken is the body's member secret.
func prismicToken(shown []string, _ *http.Request, body []byte) ([]string, error) {
	var payload struct {
		Secret string `json:"secret"`
	}
	if err := decodeStrict(body, &payload); err != nil {
		return nil, err
	}
	if payload.Secret == "" {
		return nil, webhook.ErrNoSignature
	}
	return append(shown, payload.Secret), nil
}

// prismicVerifier is Prismic made ready.
type prismicVerifier struct{ tokenVerifier }

// Confirm answers a test.
func (*prismicVerifier) Confirm(_ *http.Request, e *webhook.Event) (*webhook.Reply, error) {
	if e.Type == "test-trigger" {
		return &webhook.Reply{}, nil
	}
	return nil, nil
}

// Sign writes the token into body, which is a JSON object.
func (Prismic) Sign(r *http.Request, body []byte, _ time.Time, key webhook.Secret) ([]byte, error) {
	setMethod(r, webhook.Contract{})
	return edit(body, func(object map[string]any) { object["secret"] = key.Reveal() })
}

// GenerateSecret returns a new token.
func (Prismic) GenerateSecret() (signing, verifying webhook.Secret, err error) {
	return Token{}.GenerateSecret()
}
