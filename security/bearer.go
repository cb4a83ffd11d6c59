package security

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/gatehouse-go/gatehouse/internal/invalid"
)

// Bearer is a [Scheme] for tokens in "Authorization: Bearer" (RFC 6750). Exactly one of Verify and Tokens is required.
type Bearer struct {
	// Verify returns whom a token belongs to. Its error wraps [ErrCredentials] where the token is wrong; another error means that
	// it could not be verified. The token is at most 8 KiB long and of the characters that RFC 6750 allows. Package security/jwt has one for JSON Web Tokens.
	Verify func(ctx context.Context, token string) (Principal, error)

	// Tokens are shared secrets, any of which is taken: the newest and those being rotated out. They are compared in
	// constant time. Prefer [APIKeys], whose secrets are stored hashed and have owners, scopes and an end.
	Tokens []string

	// As is the principal of Tokens. A zero ID means "bearer".
	As Principal

	// Realm names what the tokens open, in WWW-Authenticate. Empty means "api".
	Realm string
}

// maxToken bounds a bearer token, of which verifiers make copies.
const maxToken = 8 << 10

// Claim reports whether r has a bearer token. Tokens cannot be guessed, so it names nobody.
func (b Bearer) Claim(r *http.Request) (name string, ok bool) {
	_, ok = credentialsOf(r, "bearer")
	return "", ok
}

// Authenticate verifies the token of r.
func (b Bearer) Authenticate(r *http.Request) (Principal, error) {
	return b.compile("Bearer", new(invalid.Config)).Authenticate(r)
}

// Challenge returns a challenge by RFC 6750, section 3.
func (b Bearer) Challenge(reason error, scopes []string) string {
	return bearerChallenge(b.Realm, reason, scopes)
}

func (b Bearer) compile(field string, bad *invalid.Config) Scheme {
	c := &compiledBearer{Bearer: b}
	if (b.Verify == nil) == (len(b.Tokens) == 0) {
		bad.Hidden(field, "must have one of Verify and Tokens")
	}
	for i, token := range b.Tokens {
		if !isToken68(token) {
			bad.Hidden(field+".Tokens["+strconv.Itoa(i)+"]", "must not be empty, and of letters, digits and -._~+/ with = at the end only")
		}
		c.hashes = append(c.hashes, sha256.Sum256([]byte(token)))
	}
	if c.As.ID == "" {
		c.As.ID = "bearer"
	}
	c.As.Scheme = "bearer"
	if c.Realm == "" {
		c.Realm = "api"
	}
	if !isRealm(c.Realm) {
		bad.Field(field+".Realm", b.Realm, "must be printable ASCII without quotes and backslashes")
	}
	return c
}

// compiledBearer is a Bearer with its tokens hashed, so that they are compared at equal length.
type compiledBearer struct {
	Bearer
	hashes [][sha256.Size]byte
}

func (c *compiledBearer) Authenticate(r *http.Request) (Principal, error) {
	token, _ := credentialsOf(r, "bearer")
	if len(token) > maxToken || !isToken68(token) {
		return Principal{}, wrong("the bearer token is no token68 of at most 8 KiB")
	}
	if c.Verify != nil {
		p, err := c.Verify(r.Context(), token)
		if err == nil && p.ID == "" {
			err = errors.New("security: Bearer.Verify returned a principal without an ID")
		}
		if p.Scheme == "" {
			p.Scheme = "bearer"
		}
		return p, err
	}
	sum := sha256.Sum256([]byte(token))
	match := 0
	for i := range c.hashes { // all of them, whichever matches
		match |= subtle.ConstantTimeCompare(sum[:], c.hashes[i][:])
	}
	if match != 1 {
		return Principal{}, wrong("the bearer token is none of those known")
	}
	return c.As, nil
}

// credentialsOf returns what follows the scheme, which is compared without case (RFC 9110, section 11.1), in the Authorization field.
func credentialsOf(r *http.Request, scheme string) (string, bool) {
	lines := r.Header["Authorization"]
	if len(lines) != 1 || len(lines[0]) <= len(scheme) || lines[0][len(scheme)] != ' ' || !strings.EqualFold(lines[0][:len(scheme)], scheme) {
		return "", false
	}
	return strings.Trim(lines[0][len(scheme):], " "), true
}

// isToken68 checks the form of a bearer token (b64token of RFC 6750, section 2.1).
func isToken68(s string) bool {
	s = strings.TrimRight(s, "=")
	if s == "" {
		return false
	}
	for i := range len(s) {
		if !isWordByte(s[i]) && strings.IndexByte("-._~+/", s[i]) < 0 {
			return false
		}
	}
	return true
}

func bearerChallenge(realm string, reason error, scopes []string) string {
	switch {
	case errors.Is(reason, ErrScope):
		if len(scopes) > 0 {
			return `Bearer realm="` + realm + `", error="insufficient_scope", scope="` + strings.Join(scopes, " ") + `"`
		}
		return `Bearer realm="` + realm + `", error="insufficient_scope"`
	case errors.Is(reason, ErrCredentials):
		return `Bearer realm="` + realm + `", error="invalid_token"`
	}
	return `Bearer realm="` + realm + `"`
}

// isRealm reports whether s may stand between the quotes of a quoted-string.
func isRealm(s string) bool {
	for i := range len(s) {
		if s[i] < 0x20 || s[i] > 0x7e || s[i] == '"' || s[i] == '\\' {
			return false
		}
	}
	return true
}
