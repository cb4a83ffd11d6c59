package security

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
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/gatehouse-go/gatehouse/internal/invalid"
	"github.com/gatehouse-go/gatehouse/internal/refusal"
)

// ErrSigningKeys is the reason for which a token is not verified: the issuer's keys cannot be fetched. It is answered 503.
var ErrSigningKeys = refusal.New(http.StatusServiceUnavailable, "the issuer's signing keys cannot be fetched")

// JWTConfig says which JSON Web Tokens are taken. Issuer, Audience, Algorithms and one of KeysURL and Keys are required: each
// of them that is left open has let somebody else's tokens in (RFC 8725).
type JWTConfig struct {
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

	// Principal makes a principal of the claims of a good token. Its error wraps [ErrCredentials] where they open nothing here. Nil
	// takes "sub" as the ID and the scopes of "scope" (RFC 8693, section 4.2) or "scp".
	Principal func(JWTClaims) (Principal, error)
}

// JWTClaims are the claims of a token whose signature, issuer, audience and times are right.
type JWTClaims struct {
	Subject string
	ID      string // "jti"; "" where there is none
	Expiry  time.Time
	All     map[string]json.RawMessage // every claim as it was signed
}

// JWT verifies JSON Web Tokens (RFC 7519), with go-jose. Its Verify is made for [Bearer]:
//
//	security.Bearer{Verify: tokens.Verify}
//
// It is safe for concurrent use.
type JWT struct {
	config     JWTConfig
	algorithms []jose.SignatureAlgorithm
	types      []string
	keys       keySource
}

// NewJWT returns a JWT, or every mistake in c. It fetches nothing: the first token does.
func NewJWT(c JWTConfig) (*JWT, error) {
	bad := invalid.Config{Package: "security"}
	j := &JWT{config: c, types: []string{"", "jwt", "at+jwt", "application/at+jwt"}}
	if c.Issuer == "" {
		bad.Hidden("JWTConfig.Issuer", "must not be empty")
	}
	if c.Audience == "" {
		bad.Hidden("JWTConfig.Audience", "must not be empty")
	}
	if len(c.Algorithms) == 0 {
		bad.Hidden("JWTConfig.Algorithms", "must name at least one algorithm")
	}
	for i, name := range c.Algorithms {
		if !slices.Contains(asymmetric, jose.SignatureAlgorithm(name)) {
			bad.Field("JWTConfig.Algorithms["+strconv.Itoa(i)+"]", name, "must be one of RS256 to RS512, PS256 to PS512, ES256 to ES512 and EdDSA")
		}
		j.algorithms = append(j.algorithms, jose.SignatureAlgorithm(name))
	}
	if c.Types != nil {
		j.types = nil
		for _, t := range c.Types {
			j.types = append(j.types, strings.ToLower(t))
		}
	}
	for _, d := range []struct {
		field string
		v     *time.Duration
		zero  time.Duration
		most  time.Duration
	}{
		{"RefreshAfter", &c.RefreshAfter, time.Hour, 30 * 24 * time.Hour},
		{"RetryAfter", &c.RetryAfter, time.Minute, 24 * time.Hour},
		{"StaleFor", &c.StaleFor, 24 * time.Hour, 30 * 24 * time.Hour},
		{"Leeway", &c.Leeway, 30 * time.Second, 5 * time.Minute},
	} {
		if *d.v < 0 || *d.v > d.most {
			bad.Field("JWTConfig."+d.field, *d.v, "must be 0 to "+d.most.String())
		}
		if *d.v == 0 {
			*d.v = d.zero
		}
	}
	j.config = c
	j.keys = newKeySource(c, &bad)
	if err := bad.Err(); err != nil {
		return nil, err
	}
	return j, nil
}

// asymmetric are the algorithms whose verifying key is no secret.
var asymmetric = []jose.SignatureAlgorithm{
	jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512, jose.ES256, jose.ES384, jose.ES512, jose.EdDSA,
}

// Verify returns whom a token belongs to. The error wraps [ErrCredentials] where the token is wrong, and is, or wraps, [ErrSigningKeys] where
// that cannot be told.
func (j *JWT) Verify(ctx context.Context, token string) (Principal, error) {
	parsed, err := jwt.ParseSigned(token, j.algorithms)
	if err != nil || len(parsed.Headers) != 1 {
		return Principal{}, wrong("the token is no JSON Web Token signed by an allowed algorithm")
	}
	header := parsed.Headers[0]
	if typ, _ := header.ExtraHeaders[jose.HeaderType].(string); !slices.Contains(j.types, strings.ToLower(typ)) {
		return Principal{}, wrong("the token is of another type")
	}
	keys, err := j.keys.find(ctx, header.KeyID, header.Algorithm)
	if err != nil {
		return Principal{}, err
	}
	var standard jwt.Claims
	claims := JWTClaims{}
	verified := false
	for _, key := range keys {
		if verified = parsed.Claims(key, &standard, &claims.All) == nil; verified {
			break
		}
	}
	if !verified {
		return Principal{}, wrong("no key of the issuer verifies the token")
	}
	if err := j.check(standard); err != nil {
		return Principal{}, err
	}
	claims.Subject, claims.ID, claims.Expiry = standard.Subject, standard.ID, standard.Expiry.Time()
	return j.principal(claims)
}

// check judges the standard claims (RFC 7519, section 4.1). An expiry is required: a token without one is good for ever.
func (j *JWT) check(c jwt.Claims) error {
	now := time.Now()
	switch {
	case c.Issuer != j.config.Issuer:
		return wrong("the token is of another issuer")
	case !slices.Contains(c.Audience, j.config.Audience):
		return wrong("the token is for another audience")
	case c.Expiry == nil:
		return wrong("the token has no expiry")
	case !now.Before(c.Expiry.Time().Add(j.config.Leeway)):
		return wrong("the token has expired")
	case c.NotBefore != nil && now.Add(j.config.Leeway).Before(c.NotBefore.Time()):
		return wrong("the token is not valid yet")
	case c.IssuedAt != nil && now.Add(j.config.Leeway).Before(c.IssuedAt.Time()):
		return wrong("the token was issued in the future")
	}
	return nil
}

func (j *JWT) principal(c JWTClaims) (Principal, error) {
	if j.config.Principal != nil {
		p, err := j.config.Principal(c)
		if p.Claims == nil {
			p.Claims = c
		}
		return p, err
	}
	if c.Subject == "" {
		return Principal{}, wrong("the token has no subject")
	}
	p := Principal{ID: c.Subject, Scheme: "jwt", Claims: c}
	var text string
	if json.Unmarshal(c.All["scope"], &text) == nil || json.Unmarshal(c.All["scp"], &text) == nil {
		p.Scopes = strings.Fields(text)
	} else if raw := c.All["scp"]; raw != nil && json.Unmarshal(raw, &p.Scopes) != nil {
		return Principal{}, wrong("the token's scp is no list of scopes")
	}
	return p, nil
}

// checkKeysURL notes what is wrong with the address of a key set.
func checkKeysURL(raw string, bad *invalid.Config) {
	u, err := url.Parse(raw)
	if err != nil || !isKeysURL(u) {
		bad.Field("JWTConfig.KeysURL", raw, "must be an absolute https URL, or http on a loopback address")
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
