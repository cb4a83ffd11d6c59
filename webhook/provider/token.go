package provider

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/invalid"
	"github.com/gatehouse-go/gatehouse/webhook"
)

// Token is the weakest scheme: the sender shows a secret, and nothing is signed. Use it only for a sender that can do no better.
//
// Whoever sees one request, in a log, a proxy or a browser's history, can send any other for ever: the body, the time and the id
// of an event prove nothing. A token in the URL is seen by the most; a header field by fewer. The token is taken out of the Event, but
// not out of what other software logs.
//
// A token is shown in one place, once; one shown twice, or in two places that differ, is refused. Tokens are compared in constant
// time.
//
// Deduplication goes by the id where EventID finds one. Without, each request is an event of its own: a digest would swallow true
// repeats, such as the same tag revalidated twice.
type Token struct {
	// Secrets are the tokens, newest first. At least one is required.
	Secrets []webhook.Secret

	// Query is the query parameter that carries the token, such as "token". Header is the header field, such as "X-Api-Key". Bearer
	// means the field Authorization with the scheme Bearer (RFC 6750, section 2.1). At least one of the three is required.
	Query  string
	Header string
	Bearer bool

	// Methods are the methods of deliveries. Zero means POST. With GET the request can be made by any page that a browser
	// opens, if it knows the token.
	Methods []string

	// EventType and EventID say where a delivery carries its type and id. Zero means that it has none.
	EventType, EventID Source
}

// Provider returns "token".
func (Token) Provider() string { return "token" }

// Prepare returns a Verifier, or every mistake in s.
func (s Token) Prepare(setup webhook.Setup) (webhook.Verifier, error) {
	c := invalid.Config{Package: "provider"}
	if s.Query == "" && s.Header == "" && !s.Bearer {
		c.Hidden("Query", "must be given, or Header, or Bearer")
	}
	if s.Header != "" && !validField(s.Header) {
		c.Field("Header", s.Header, "must be a header field")
	}
	v := &tokenVerifier{
		identity: identity{provider: "token", typ: s.EventType.clone(), id: s.EventID.clone(), bearer: true, unique: true},
		contract: webhook.Contract{Methods: append([]string(nil), s.Methods...)},
		tokens:   tokensOf(setup, s.Secrets, &c),
	}
	if s.Query != "" {
		v.places = append(v.places, queryToken(s.Query))
		v.contract.SecretQuery = []string{s.Query}
	}
	if s.Header != "" {
		v.places = append(v.places, headerToken(s.Header))
		v.contract.SecretHeaders = []string{canonical(s.Header)}
	}
	if s.Bearer {
		v.places = append(v.places, authorizationToken("Bearer"))
		v.contract.SecretHeaders = append(v.contract.SecretHeaders, "Authorization")
	}
	if err := c.Err(); err != nil {
		return nil, err
	}
	return v, nil
}

// Sign puts the token into r: into the header field where there is one, else the Authorization field, else the query.
func (s Token) Sign(r *http.Request, body []byte, _ time.Time, key webhook.Secret) ([]byte, error) {
	setMethod(r, webhook.Contract{Methods: s.Methods})
	switch {
	case s.Header != "":
		r.Header.Set(s.Header, key.Reveal())
	case s.Bearer:
		r.Header.Set("Authorization", "Bearer "+key.Reveal())
	default:
		setQuery(r, s.Query, key.Reveal())
	}
	return body, nil
}

// GenerateSecret returns a new token.
func (Token) GenerateSecret() (signing, verifying webhook.Secret, err error) {
	secret := webhook.NewSecret(rand.Text() + rand.Text())
	return secret, secret, nil
}

// setQuery sets one parameter of r's query.
func setQuery(r *http.Request, name, value string) {
	query := r.URL.Query()
	query.Set(name, value)
	r.URL.RawQuery = query.Encode()
}

// token is one accepted token and its place among the secrets.
type token struct {
	index  int
	secret webhook.Secret
}

// tokensOf returns the tokens to accept and notes those that cannot be.
func tokensOf(setup webhook.Setup, own []webhook.Secret, c *invalid.Config) []token {
	var tokens []token
	for i, secret := range secretsOf(setup, own, c) {
		if rule := checkSecret(secret.Reveal()); rule != "" {
			c.Hidden(secretField(i), rule)
			continue
		}
		tokens = append(tokens, token{i, secret})
	}
	return tokens
}

// A place is where a delivery may show a token. It appends what the delivery shows there, which may be nothing.
type place func(shown []string, r *http.Request, body []byte) ([]string, error)

// headerToken is the whole value of a header field.
func headerToken(name string) place {
	name = canonical(name)
	return func(shown []string, r *http.Request, _ []byte) ([]string, error) {
		if len(r.Header[name]) == 0 {
			return shown, nil
		}
		value, err := only(r.Header, name)
		if err != nil {
			return nil, err
		}
		return append(shown, value), nil
	}
}

// authorizationToken is what stands behind the scheme in the field Authorization (RFC 9110, section 11.6.2). Another scheme shows
// no token.
func authorizationToken(scheme string) place {
	return func(shown []string, r *http.Request, _ []byte) ([]string, error) {
		if len(r.Header["Authorization"]) == 0 {
			return shown, nil
		}
		value, err := only(r.Header, "Authorization")
		if err != nil {
			return nil, err
		}
		name, credentials, _ := strings.Cut(value, " ")
		if !strings.EqualFold(name, scheme) {
			return shown, nil
		}
		return append(shown, strings.TrimLeft(credentials, " ")), nil
	}
}

// queryToken is a parameter of the query.
func queryToken(name string) place {
	return func(shown []string, r *http.Request, _ []byte) ([]string, error) {
		query, err := url.ParseQuery(r.URL.RawQuery)
		if err != nil {
			return nil, fmt.Errorf("%w: the query cannot be read", webhook.ErrSignatureFormat)
		}
		if len(query[name]) > 1 {
			return nil, fmt.Errorf("%w: the parameter %s is given %d times", webhook.ErrSignatureFormat, name, len(query[name]))
		}
		if value := query.Get(name); value != "" {
			shown = append(shown, value)
		}
		return shown, nil
	}
}

// tokenVerifier accepts deliveries that show one of its tokens.
type tokenVerifier struct {
	identity
	contract webhook.Contract
	tokens   []token
	places   []place
}

// Contract returns what the provider promises and expects.
func (v *tokenVerifier) Contract() webhook.Contract { return v.contract }

// Verify accepts a delivery when it shows a token, and all that it shows are the same accepted one.
func (v *tokenVerifier) Verify(r *http.Request, body []byte, _ time.Time) (webhook.Proof, error) {
	var room [4]string
	shown := room[:0]
	for _, place := range v.places {
		var err error
		if shown, err = place(shown, r, body); err != nil {
			return webhook.Proof{}, err
		}
	}
	if len(shown) == 0 {
		return webhook.Proof{}, webhook.ErrNoSignature
	}
	for _, t := range v.tokens {
		matched := true
		for _, s := range shown {
			if !same(s, t.secret.Reveal()) {
				matched = false
			}
		}
		if matched {
			return webhook.Proof{Secret: t.index, KeyID: t.secret.ID()}, nil
		}
	}
	return webhook.Proof{}, webhook.ErrSignature
}
