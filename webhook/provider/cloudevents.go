package provider

import (
	"fmt"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/invalid"
	"github.com/gatehouse-go/gatehouse/webhook"
)

// CloudEvents is the scheme of the CloudEvents specification "HTTP 1.1 Web Hooks for Event Delivery".
//
// A delivery shows a token, in Authorization (Bearer) or in the query parameter access_token; nothing is signed (see [Token] for what that
// means).
//
// ID and Type are ce-id and ce-type, in structured mode the body's id and type. Deduplication goes by source and id together, as
// CloudEvents define an event's identity; a delivery without them is an event of its own. An event is answered 204: the specification
// keeps 200 for an answer with a body.
//
// The handshake is OPTIONS with WebHook-Request-Origin: where the origin is one of Origins, the answer grants it and the rate. It has no
// authority: it only says that the endpoint expects deliveries. WebHook-Request-Callback is ignored; no request is made to a
// URL that a stranger names.
//
// Source: https://github.com/cloudevents/spec/blob/main/cloudevents/http-webhook.md
type CloudEvents struct {
	// Secrets are the access tokens, newest first. At least one is required.
	Secrets []webhook.Secret

	// Origins are the senders that may deliver: DNS names, such as "eventemitter.example.com", or "*" for all. While it is empty,
	// the handshake is refused.
	Origins []string

	// Rate is the granted rate, in requests a minute. Zero means that there is no limit.
	Rate int
}

// Provider returns "cloudevents".
func (CloudEvents) Provider() string { return "cloudevents" }

// Prepare returns a Verifier, or every mistake in s.
func (s CloudEvents) Prepare(setup webhook.Setup) (webhook.Verifier, error) {
	c := invalid.Config{Package: "provider"}
	if s.Rate < 0 {
		c.Field("Rate", s.Rate, "must not be negative")
	}
	for i, origin := range s.Origins {
		if origin != "*" && !validHost(origin) {
			c.Field(fmt.Sprintf("Origins[%d]", i), origin, `must be a DNS name, or "*"`)
		}
	}
	v := &cloudEventsVerifier{
		tokenVerifier: tokenVerifier{
			contract: webhook.Contract{
				Accepted:         webhook.Reply{Status: http.StatusNoContent}, // 200 is for an answer with a body
				HandshakeMethods: []string{http.MethodOptions},
				SecretHeaders:    []string{"Authorization"},
				SecretQuery:      []string{"access_token"},
			},
			tokens: tokensOf(setup, s.Secrets, &c),
			places: []place{authorizationToken("Bearer"), queryToken("access_token")},
		},
		origins: slices.Clone(s.Origins),
		rate:    "*",
	}
	if s.Rate > 0 {
		v.rate = strconv.Itoa(s.Rate)
	}
	if err := c.Err(); err != nil {
		return nil, err
	}
	return v, nil
}

// validHost reports whether name can be a DNS name.
func validHost(name string) bool {
	return name != "" && len(name) <= 253 && strings.Trim(name, alphanumeric+"-.") == ""
}

// cloudEventsVerifier is CloudEvents made ready.
type cloudEventsVerifier struct {
	tokenVerifier
	origins []string
	rate    string
}

// Handshake answers OPTIONS.
func (v *cloudEventsVerifier) Handshake(r *http.Request, _ []byte) (*webhook.Reply, error) {
	if r.Method != http.MethodOptions {
		return nil, nil
	}
	origin, err := only(r.Header, "Webhook-Request-Origin")
	if err != nil || !validHost(origin) {
		return nil, fmt.Errorf("%w: no WebHook-Request-Origin that is a DNS name", webhook.ErrHandshake)
	}
	if !slices.ContainsFunc(v.origins, func(o string) bool { return o == "*" || strings.EqualFold(o, origin) }) {
		return nil, fmt.Errorf("%w: origin %.80q is not one of Origins", webhook.ErrHandshake, origin)
	}
	return &webhook.Reply{Header: http.Header{
		"Allow":                  {http.MethodPost},
		"Webhook-Allowed-Origin": {origin},
		"Webhook-Allowed-Rate":   {v.rate},
	}}, nil
}

// Describe fills in what e says of itself.
func (*cloudEventsVerifier) Describe(_ *http.Request, e *webhook.Event) {
	source := e.Header.Get("Ce-Source")
	e.ID, e.Type = e.Header.Get("Ce-Id"), e.Header.Get("Ce-Type")
	if mediaType, _, _ := mime.ParseMediaType(e.Header.Get("Content-Type")); strings.HasPrefix(mediaType, "application/cloudevents+") {
		source, e.ID, e.Type = member(e.Body, "source"), member(e.Body, "id"), member(e.Body, "type")
	}
	i := identity{provider: "cloudevents", unique: true}
	if e.ID != "" && source != "" {
		e.Key = webhook.NewKey("cloudevents", []byte("event"), []byte(source), []byte(e.ID))
		return
	}
	e.Key = i.key(e, false)
}

// Sign shows the token in the field Authorization.
func (CloudEvents) Sign(r *http.Request, body []byte, _ time.Time, key webhook.Secret) ([]byte, error) {
	setMethod(r, webhook.Contract{})
	r.Header.Set("Authorization", "Bearer "+key.Reveal())
	return body, nil
}

// GenerateSecret returns a new token.
func (CloudEvents) GenerateSecret() (signing, verifying webhook.Secret, err error) {
	return Token{}.GenerateSecret()
}
