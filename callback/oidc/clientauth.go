package oidc

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"net/url"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"
	"golang.org/x/oauth2"

	"github.com/gatehouse-go/gatehouse/internal/invalid"
)

// ClientAuth is how the application authenticates at the token endpoint (OpenID Connect Core 1.0, section 9).
type ClientAuth string

// The methods of client authentication.
const (
	AuthBasic      ClientAuth = "client_secret_basic"
	AuthPost       ClientAuth = "client_secret_post"
	AuthPrivateKey ClientAuth = "private_key_jwt"
	AuthNone       ClientAuth = "none"
)

const (
	assertionType     = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
	assertionLifetime = time.Minute
)

func (p *provider) checkAuth(bad *invalid.Config, field string) {
	if p.PrivateKey != nil {
		sign, err := newAssertionSigner(p.PrivateKey, p.KeyID)
		if err != nil {
			bad.Hidden(field+".PrivateKey", "must be RSA of 2048 bits or more, ECDSA on P-256, P-384 or P-521, or Ed25519")
		}
		p.sign = sign
	}
	if p.ClientAuth == "" {
		switch {
		case p.PrivateKey != nil:
			p.ClientAuth = AuthPrivateKey
		case p.ClientSecret == "":
			p.ClientAuth = AuthNone
		}
	}
	switch p.ClientAuth {
	case "", AuthBasic, AuthPost: // "" is decided by the provider's metadata
		if p.ClientSecret == "" {
			bad.Hidden(field+".ClientSecret", "is required for this ClientAuth")
		}
	case AuthPrivateKey:
		if p.PrivateKey == nil {
			bad.Hidden(field+".PrivateKey", "is required for this ClientAuth")
		}
		if p.Issuer == "" && p.AssertionAudience == "" {
			bad.Hidden(field+".AssertionAudience", "is required without Issuer")
		}
	case AuthNone:
	default:
		bad.Field(field+".ClientAuth", string(p.ClientAuth), "must be client_secret_basic, client_secret_post, private_key_jwt or none")
	}
	if p.ClientSecret != "" && (p.ClientAuth == AuthNone || p.ClientAuth == AuthPrivateKey) {
		bad.Hidden(field+".ClientSecret", "must be empty for this ClientAuth")
	}
}

// oauth returns the configuration for x/oauth2, and the parameters that authenticate one call to the token endpoint.
func (p *provider) oauth(d *discovered) (*oauth2.Config, url.Values, error) {
	c := &oauth2.Config{ClientID: p.ClientID, Endpoint: d.endpoint, RedirectURL: p.redirect, Scopes: p.Scopes}
	c.Endpoint.AuthStyle = oauth2.AuthStyleInParams
	switch method := p.authMethod(d); method {
	case AuthBasic:
		c.Endpoint.AuthStyle = oauth2.AuthStyleInHeader
		c.ClientSecret = string(p.ClientSecret)
	case AuthPost:
		c.ClientSecret = string(p.ClientSecret)
	case AuthNone:
	case AuthPrivateKey:
		audience := p.AssertionAudience
		if audience == "" {
			audience = p.Issuer
		}
		assertion, err := p.sign.assertion(p.ClientID, audience)
		if err != nil {
			return nil, nil, err
		}
		return c, url.Values{"client_assertion_type": {assertionType}, "client_assertion": {assertion}}, nil
	}
	return c, nil, nil
}

func (p *provider) authMethod(d *discovered) ClientAuth {
	if p.ClientAuth != "" {
		return p.ClientAuth
	}
	if len(d.Auth) > 0 && !slices.Contains(d.Auth, string(AuthBasic)) && slices.Contains(d.Auth, string(AuthPost)) {
		return AuthPost
	}
	return AuthBasic // the default where metadata names none
}

// options turns parameters into options of x/oauth2.
func options(params url.Values) []oauth2.AuthCodeOption {
	out := make([]oauth2.AuthCodeOption, 0, len(params))
	for name := range params {
		out = append(out, oauth2.SetAuthURLParam(name, params.Get(name)))
	}
	return out
}

// assertionSigner makes the assertions of private_key_jwt.
type assertionSigner struct{ signer jose.Signer }

func newAssertionSigner(key crypto.Signer, kid string) (*assertionSigner, error) {
	var alg jose.SignatureAlgorithm
	var signing any = key
	switch k := key.(type) {
	case *rsa.PrivateKey:
		if k.N.BitLen() >= 2048 {
			alg = jose.RS256
		}
	case *ecdsa.PrivateKey:
		alg = map[elliptic.Curve]jose.SignatureAlgorithm{elliptic.P256(): jose.ES256, elliptic.P384(): jose.ES384, elliptic.P521(): jose.ES512}[k.Curve]
	case ed25519.PrivateKey:
		alg = jose.EdDSA
	}
	options := (&jose.SignerOptions{}).WithType("JWT")
	if kid != "" {
		options = options.WithHeader("kid", kid)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: signing}, options)
	return &assertionSigner{signer}, err
}

// assertion returns a JWT that authenticates the client once (RFC 7523, section 3).
func (s *assertionSigner) assertion(clientID, audience string) (string, error) {
	now := time.Now()
	claims, err := json.Marshal(map[string]any{
		"iss": clientID, "sub": clientID, "aud": audience, "jti": rand.Text(),
		"iat": now.Unix(), "exp": now.Add(assertionLifetime).Unix(),
	})
	if err != nil {
		return "", err
	}
	signed, err := s.signer.Sign(claims)
	if err != nil {
		return "", err
	}
	return signed.CompactSerialize()
}
