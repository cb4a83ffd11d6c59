package provider

import (
	"net/http"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/invalid"
	"github.com/gatehouse-go/gatehouse/webhook"
)

// Strapi is the scheme of Strapi's webhooks.
//
// A delivery shows a token in a header field that the webhook's settings name, such as Authorization; nothing is signed (see [Token] for
// what that means). In Authorization the token may stand alone or behind "Bearer ".
//
// There is no id. Deduplication goes by the body, which has the entry's updatedAt. Type is the member event, such as "entry.publish", which
// the field X-Strapi-Event repeats. Strapi does not retry.
//
// Source: https://docs.strapi.io/cms/backend-customization/webhooks
type Strapi struct {
	// Secrets are the tokens, newest first. At least one is required.
	Secrets []webhook.Secret

	// Header is the field that carries the token. Zero means Authorization.
	Header string

	anyHeader bool // see Inspect
}

// Provider returns "strapi".
func (Strapi) Provider() string { return "strapi" }

// Prepare returns a Verifier, or every mistake in s.
func (s Strapi) Prepare(setup webhook.Setup) (webhook.Verifier, error) {
	return tokenField{
		id: "strapi", header: s.Header, anyHeader: s.anyHeader, schemes: []string{"Bearer"},
		typ: Source{JSON: []string{"event"}},
	}.prepare(setup, s.Secrets)
}

// Sign shows the token as Strapi does.
func (s Strapi) Sign(r *http.Request, body []byte, _ time.Time, key webhook.Secret) ([]byte, error) {
	return tokenField{header: s.Header}.sign(r, body, key)
}

// GenerateSecret returns a new token.
func (Strapi) GenerateSecret() (signing, verifying webhook.Secret, err error) {
	return Token{}.GenerateSecret()
}

// tokenField is a scheme whose token is in one header field, by default Authorization, where it may stand behind a scheme.
type tokenField struct {
	id      string
	header  string
	schemes []string
	typ     Source
	event   Source // of the event's id
	dated   string // see identity

	anyHeader bool // the token may be in any field
}

func (f tokenField) field() string {
	if f.header == "" {
		return "Authorization"
	}
	return canonical(f.header)
}

func (f tokenField) prepare(setup webhook.Setup, own []webhook.Secret) (webhook.Verifier, error) {
	c := invalid.Config{Package: "provider"}
	if !validField(f.field()) {
		c.Field("Header", f.header, "must be a header field")
	}
	v := &tokenVerifier{
		identity: identity{provider: f.id, typ: f.typ, id: f.event, bearer: true, dated: f.dated},
		contract: webhook.Contract{SecretHeaders: []string{f.field()}},
		tokens:   tokensOf(setup, own, &c),
		places:   []place{headerToken(f.field())},
	}
	if f.anyHeader {
		v.places = []place{v.anywhere}
	}
	if err := c.Err(); err != nil {
		return nil, err
	}
	if f.field() == "Authorization" {
		for _, t := range v.tokens {
			for _, credentials := range schemed(f.schemes, t.secret.Reveal()) {
				v.tokens = append(v.tokens, token{t.index, webhook.NewSecret(credentials).Named(t.secret.ID())})
			}
		}
	}
	return v, nil
}

// anywhere is the first header field that shows one of v's tokens, or else every field that might.
func (v *tokenVerifier) anywhere(shown []string, r *http.Request, _ []byte) ([]string, error) {
	for name, values := range r.Header {
		for _, value := range values {
			for _, t := range v.tokens {
				if same(value, t.secret.Reveal()) {
					value, err := only(r.Header, name)
					return append(shown, value), err
				}
			}
		}
	}
	if len(r.Header) == 0 {
		return shown, nil
	}
	return nil, webhook.ErrSignature
}

func (f tokenField) sign(r *http.Request, body []byte, key webhook.Secret) ([]byte, error) {
	setMethod(r, webhook.Contract{})
	r.Header.Set(f.field(), key.Reveal())
	return body, nil
}
