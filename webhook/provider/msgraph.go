package provider

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/invalid"
	"github.com/gatehouse-go/gatehouse/webhook"
)

// MicrosoftGraph is the scheme of Microsoft Graph's change notifications.
//
// Each notification of a delivery shows the subscription's clientState; nothing is signed (see [Token] for what that means). All must
// show the same accepted one. The validationTokens (JWT) of rich notifications are not checked: decrypting the content proves the sender.
//
// Type is changeType, or lifecycleEvent, where all notifications have the same. ID is a notification's id where there is one
// notification; the id is optional. Deduplication goes by the ids, and a delivery without any is an event of its own: Graph sends
// the same body again for each change of one thing. Graph waits 3 seconds, and slows down whoever often needs more; it retries for 4 hours.
// Answers are 202, as Graph asks for what is only queued.
//
// The handshake is POST with the query parameter validationToken and no body, answered as plain text. A token with characters that
// could make a page is refused.
//
// Source: https://learn.microsoft.com/en-us/graph/change-notifications-delivery-webhooks
type MicrosoftGraph struct {
	// Secrets are the values of clientState, at most 128 characters each, newest first. At least one is required.
	Secrets []webhook.Secret
}

// Provider returns "msgraph".
func (MicrosoftGraph) Provider() string { return "msgraph" }

// Prepare returns a Verifier, or every mistake in s.
func (s MicrosoftGraph) Prepare(setup webhook.Setup) (webhook.Verifier, error) {
	c := invalid.Config{Package: "provider"}
	v := &graphVerifier{tokenVerifier{
		identity: identity{
			provider: "msgraph",
			typ:      Source{JSON: []string{"value[].changeType", "value[].lifecycleEvent"}},
			id:       Source{JSON: []string{"value[].id"}},
			bearer:   true,
			unique:   true,
		},
		contract: webhook.Contract{
			Accepted:    webhook.Reply{Status: http.StatusAccepted},
			AckTimeout:  3 * time.Second,
			RetryWindow: 4 * time.Hour,
			SecretQuery: []string{"validationToken"},
		},
		tokens: tokensOf(setup, s.Secrets, &c),
		places: []place{graphToken},
	}}
	for _, t := range v.tokens {
		if len(t.secret.Reveal()) > 128 {
			c.Hidden(secretField(t.index), "must have at most 128 characters")
		}
	}
	if err := c.Err(); err != nil {
		return nil, err
	}
	return v, nil
}

// graphToken is the clientState of each notification.
func graphToken(shown []string, _ *http.Request, body []byte) ([]string, error) {
	var envelope struct {
		Value []struct {
			ClientState string `json:"clientState"`
		} `json:"value"`
	}
	if err := decodeStrict(body, &envelope); err != nil {
		return nil, err
	}
	for _, n := range envelope.Value {
		if n.ClientState == "" {
			return nil, webhook.ErrNoSignature
		}
		shown = append(shown, n.ClientState)
	}
	return shown, nil
}

// graphVerifier is MicrosoftGraph made ready.
type graphVerifier struct{ tokenVerifier }

// Handshake answers a validationToken.
func (*graphVerifier) Handshake(r *http.Request, body []byte) (*webhook.Reply, error) {
	if r.Method != http.MethodPost || len(body) > 0 || !strings.Contains(r.URL.RawQuery, "validationToken=") {
		return nil, nil
	}
	query, err := queryOf(r)
	if err != nil {
		return nil, err
	}
	token := query.Get("validationToken")
	if token == "" || len(token) > 2*maxChallenge {
		return nil, fmt.Errorf("%w: validationToken is absent or too long", webhook.ErrHandshake)
	}
	for i := range len(token) { // Graph's has spaces and colons
		if c := token[i]; c < ' ' || c > '~' || strings.IndexByte("<>&\"'`{}\\", c) >= 0 {
			return nil, fmt.Errorf("%w: validationToken has other characters than Graph's", webhook.ErrHandshake)
		}
	}
	return &webhook.Reply{Body: []byte(token)}, nil
}

// Sign writes clientState into each notification of body, which is a collection ("value") or becomes the one notification in it.
func (MicrosoftGraph) Sign(r *http.Request, body []byte, _ time.Time, key webhook.Secret) ([]byte, error) {
	setMethod(r, webhook.Contract{})
	return edit(body, func(object map[string]any) {
		for _, notification := range objectsIn(object, "value") {
			notification["clientState"] = key.Reveal()
		}
	})
}

// GenerateSecret returns a new clientState.
func (MicrosoftGraph) GenerateSecret() (signing, verifying webhook.Secret, err error) {
	return Token{}.GenerateSecret()
}
