// Package jwt verifies JSON Web Tokens (RFC 7519) as bearer tokens of security.Access, with go-jose.
//
//	tokens, err := jwt.New(jwt.Config{
//		Issuer: "https://issuer.example", Audience: "api", Algorithms: []string{"ES256"}, KeysURL: "https://issuer.example/keys",
//	})
//	if err != nil {
//		return err
//	}
//	access, err := security.NewAccess(security.AccessConfig{Schemes: []security.Scheme{security.Bearer{Verify: tokens.Verify}}})
package jwt

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	josejwt "github.com/go-jose/go-jose/v4/jwt"

	"github.com/gatehouse-go/gatehouse/internal/invalid"
	"github.com/gatehouse-go/gatehouse/internal/refusal"
	"github.com/gatehouse-go/gatehouse/security"
)

// ErrSigningKeys is the reason for which a token is not verified: the issuer's keys cannot be fetched. It is answered 503.
var ErrSigningKeys = refusal.New(http.StatusServiceUnavailable, "the issuer's signing keys cannot be fetched")

// Config says which JSON Web Tokens are taken. Issuer, Audience, Algorithms and one of KeysURL and Keys are required: each
// of them that is left open has let somebody else's tokens in (RFC 8725).
type Config struct {
	// Issuer is what the claim "iss" must be. Required.
	Issuer string

	// Audience is what the claim "aud" must be or hold. Required.
	Audience string

	// Algorithms are the values of "alg" that are taken, such as "ES256" or "RS256": of RS256, RS384, RS512, PS256, PS384, PS512,
	// ES256, ES384, ES512 and EdDSA. Algorithms with a shared key are not among them, so that no public key is taken for one. Required.
	Algorithms []string

	// KeysURL is where the issuer publishes its keys (JWK Set, RFC 7517): https, or http on a loopback address. Required without Keys.
	KeysURL string

	// Keys is a JWK Set that does not change. Required without KeysURL.
	Keys []byte

	// Client fetches KeysURL. Nil means one of its own. It is given 5 seconds, follows no redirect away from https, and reads at most 1 MiB.
	Client *http.Client

	// RefreshAfter is the age from which the fetched keys are fetched again. Zero means an hour. Keys are also fetched for a token
	// that names an unknown one, at most once in RetryAfter.
	RefreshAfter time.Duration

	// RetryAfter is the least time between two fetches. Zero means one minute.
	RetryAfter time.Duration

	// StaleFor is how long the last keys are used while they cannot be fetched again. Zero means a day; after it, tokens are refused
	// with [ErrSigningKeys].
	StaleFor time.Duration

	// Types are the values of the header "typ" that are taken, without case (RFC 8725, section 3.11). Nil means "JWT", "at+jwt" (RFC 9068)
	// and none.
	Types []string

	// Leeway is how far clocks may differ. Zero means 30 seconds; at most 5 minutes.
	Leeway time.Duration

	// Principal makes a principal of the claims of a good token. Its error wraps [security.ErrCredentials] where they open nothing here. Nil
	// takes "sub" as the ID and the scopes of "scope" (RFC 8693, section 4.2) or "scp".
	Principal func(Claims) (security.Principal, error)
}

// Claims are the claims of a token whose signature, issuer, audience and times are right.
type Claims struct {
	Subject string
	ID      string // "jti"; "" where there is none
	Expiry  time.Time
	All     map[string]json.RawMessage // every claim as it was signed
}

// Verifier verifies JSON Web Tokens. Its Verify is made for [security.Bearer]:
//
//	security.Bearer{Verify: tokens.Verify}
//
// It is safe for concurrent use.
type Verifier struct {
	config     Config
	algorithms []jose.SignatureAlgorithm
	types      []string
	keys       keySource
}

// New returns a Verifier, or every mistake in c. It fetches nothing: the first token does.
func New(c Config) (*Verifier, error) {
	bad := invalid.Config{Package: "jwt"}
	v := &Verifier{config: c, types: []string{"", "jwt", "at+jwt", "application/at+jwt"}}
	if c.Issuer == "" {
		bad.Hidden("Config.Issuer", "must not be empty")
	}
	if c.Audience == "" {
		bad.Hidden("Config.Audience", "must not be empty")
	}
	if len(c.Algorithms) == 0 {
		bad.Hidden("Config.Algorithms", "must name at least one algorithm")
	}
	for i, name := range c.Algorithms {
		if !slices.Contains(asymmetric, jose.SignatureAlgorithm(name)) {
			bad.Field("Config.Algorithms["+strconv.Itoa(i)+"]", name, "must be one of RS256 to RS512, PS256 to PS512, ES256 to ES512 and EdDSA")
		}
		v.algorithms = append(v.algorithms, jose.SignatureAlgorithm(name))
	}
	if c.Types != nil {
		v.types = nil
		for _, t := range c.Types {
			v.types = append(v.types, strings.ToLower(t))
		}
	}
	for _, d := range []struct {
		field string
		value *time.Duration
		zero  time.Duration
		most  time.Duration
	}{
		{"RefreshAfter", &c.RefreshAfter, time.Hour, 30 * 24 * time.Hour},
		{"RetryAfter", &c.RetryAfter, time.Minute, 24 * time.Hour},
		{"StaleFor", &c.StaleFor, 24 * time.Hour, 30 * 24 * time.Hour},
		{"Leeway", &c.Leeway, 30 * time.Second, 5 * time.Minute},
	} {
		if *d.value < 0 || *d.value > d.most {
			bad.Field("Config."+d.field, *d.value, "must be 0 to "+d.most.String())
		}
		if *d.value == 0 {
			*d.value = d.zero
		}
	}
	v.config = c
	v.keys = newKeySource(c, &bad)
	if err := bad.Err(); err != nil {
		return nil, err
	}
	return v, nil
}

// asymmetric are the algorithms whose verifying key is no secret.
var asymmetric = []jose.SignatureAlgorithm{
	jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512, jose.ES256, jose.ES384, jose.ES512, jose.EdDSA,
}

// Verify returns whom a token belongs to. The error wraps [security.ErrCredentials] where the token is wrong, and is, or wraps, [ErrSigningKeys] where
// that cannot be told.
func (v *Verifier) Verify(ctx context.Context, token string) (security.Principal, error) {
	parsed, err := josejwt.ParseSigned(token, v.algorithms)
	if err != nil || len(parsed.Headers) != 1 {
		return security.Principal{}, wrong("the token is no JSON Web Token signed by an allowed algorithm")
	}
	header := parsed.Headers[0]
	if typ, _ := header.ExtraHeaders[jose.HeaderType].(string); !slices.Contains(v.types, strings.ToLower(typ)) {
		return security.Principal{}, wrong("the token is of another type")
	}
	keys, err := v.keys.find(ctx, header.KeyID, header.Algorithm)
	if err != nil {
		return security.Principal{}, err
	}
	var standard josejwt.Claims
	claims := Claims{}
	verified := false
	for _, key := range keys {
		if verified = parsed.Claims(key, &standard, &claims.All) == nil; verified {
			break
		}
	}
	if !verified {
		return security.Principal{}, wrong("no key of the issuer verifies the token")
	}
	if err := v.check(standard); err != nil {
		return security.Principal{}, err
	}
	claims.Subject, claims.ID, claims.Expiry = standard.Subject, standard.ID, standard.Expiry.Time()
	return v.principal(claims)
}

// check judges the standard claims (RFC 7519, section 4.1). An expiry is required: a token without one is good for ever.
func (v *Verifier) check(c josejwt.Claims) error {
	now := time.Now()
	switch {
	case c.Issuer != v.config.Issuer:
		return wrong("the token is of another issuer")
	case !slices.Contains(c.Audience, v.config.Audience):
		return wrong("the token is for another audience")
	case c.Expiry == nil:
		return wrong("the token has no expiry")
	case !now.Before(c.Expiry.Time().Add(v.config.Leeway)):
		return wrong("the token has expired")
	case c.NotBefore != nil && now.Add(v.config.Leeway).Before(c.NotBefore.Time()):
		return wrong("the token is not valid yet")
	case c.IssuedAt != nil && now.Add(v.config.Leeway).Before(c.IssuedAt.Time()):
		return wrong("the token was issued in the future")
	}
	return nil
}

func (v *Verifier) principal(c Claims) (security.Principal, error) {
	if v.config.Principal != nil {
		p, err := v.config.Principal(c)
		if p.Claims == nil {
			p.Claims = c
		}
		return p, err
	}
	if c.Subject == "" {
		return security.Principal{}, wrong("the token has no subject")
	}
	p := security.Principal{ID: c.Subject, Scheme: "jwt", Claims: c}
	var text string
	if json.Unmarshal(c.All["scope"], &text) == nil || json.Unmarshal(c.All["scp"], &text) == nil {
		p.Scopes = strings.Fields(text)
	} else if raw := c.All["scp"]; raw != nil && json.Unmarshal(raw, &p.Scopes) != nil {
		return security.Principal{}, wrong("the token's scp is no list of scopes")
	}
	return p, nil
}

// wrong is security.ErrCredentials with why, for the log.
func wrong(why string) error { return fmt.Errorf("%w: %s", security.ErrCredentials, why) }

// checkKeysURL notes what is wrong with the address of a key set.
func checkKeysURL(raw string, bad *invalid.Config) {
	u, err := url.Parse(raw)
	if err != nil || !isKeysURL(u) {
		bad.Field("Config.KeysURL", raw, "must be an absolute https URL, or http on a loopback address")
	}
}

func isKeysURL(u *url.URL) bool {
	if u.Host == "" || u.User != nil {
		return false
	}
	loopback := u.Hostname() == "localhost" || u.Hostname() == "127.0.0.1" || u.Hostname() == "::1"
	return u.Scheme == "https" || u.Scheme == "http" && loopback
}

// safeRedirect keeps a client from being led away from https.
func safeRedirect(r *http.Request, via []*http.Request) error {
	if len(via) >= 3 {
		return errors.New("more than three redirects")
	}
	if !isKeysURL(r.URL) {
		return fmt.Errorf("redirect to %s, which is not https", r.URL.Redacted())
	}
	return nil
}
