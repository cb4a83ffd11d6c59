package oidc

import (
	"context"
	"fmt"
	"time"

	gooidc "github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
	"golang.org/x/time/rate"
)

// discovered is what a provider's metadata says.
type discovered struct {
	metadata
	endpoint oauth2.Endpoint
	oidc     *gooidc.Provider
	tokens   *gooidc.IDTokenVerifier
	logouts  *gooidc.IDTokenVerifier
}

// metadata are the members of the provider's metadata that go-oidc does not read (OpenID Connect Discovery 1.0, section 3; RFC 8414;
// RFC 9126; RFC 9207; RP-Initiated Logout 1.0).
type metadata struct {
	JWKS       string   `json:"jwks_uri"`
	UserInfo   string   `json:"userinfo_endpoint"`
	PAR        string   `json:"pushed_authorization_request_endpoint"`
	EndSession string   `json:"end_session_endpoint"`
	Issues     bool     `json:"authorization_response_iss_parameter_supported"`
	Auth       []string `json:"token_endpoint_auth_methods_supported"`
}

// discover returns the provider's metadata, fetched again after an hour. Where that fails, what was known before stays in use; where
// nothing was, the failure is answered for a second without asking again.
func (p *provider) discover(ctx context.Context) (*discovered, error) {
	if p.OAuth2 != nil {
		return &discovered{endpoint: oauth2.Endpoint{AuthURL: p.OAuth2.AuthURL, TokenURL: p.OAuth2.TokenURL}}, nil
	}
	ctx = context.WithoutCancel(ctx) // others wait for the answer too; the client has its timeout
	p.mu.Lock()
	now := time.Now()
	if now.Before(p.expires) {
		defer p.mu.Unlock()
		return p.current, p.failed
	}
	if p.current == nil { // all wait for the first answer
		defer p.mu.Unlock()
		p.current, p.failed = p.fetch(ctx)
		p.expires = time.Now().Add(metadataKept)
		if p.failed != nil {
			p.expires = time.Now().Add(failureKept)
		}
		return p.current, p.failed
	}
	p.expires = now.Add(retryAfter) // the others go on with what is known
	known := p.current
	p.mu.Unlock()
	d, err := p.fetch(ctx)
	if err != nil {
		return known, nil
	}
	// Its keys are fetched anew when the next token comes: one that the provider has taken away must not be good for ever.
	p.mu.Lock()
	defer p.mu.Unlock()
	p.current, p.expires = d, time.Now().Add(metadataKept)
	return d, nil
}

func (p *provider) fetch(ctx context.Context) (*discovered, error) {
	op, err := gooidc.NewProvider(gooidc.ClientContext(ctx, p.quiet), p.Issuer)
	if err != nil {
		return nil, err
	}
	d := &discovered{endpoint: op.Endpoint(), oidc: op}
	if err := op.Claims(&d.metadata); err != nil {
		return nil, err
	}
	for name, endpoint := range map[string]string{"authorization_endpoint": d.endpoint.AuthURL, "token_endpoint": d.endpoint.TokenURL, "jwks_uri": d.JWKS} {
		if err := p.safe(endpoint); err != nil {
			return nil, fmt.Errorf("metadata: %s: %w", name, err)
		}
	}
	for name, endpoint := range map[string]*string{"userinfo_endpoint": &d.UserInfo, "pushed_authorization_request_endpoint": &d.PAR, "end_session_endpoint": &d.EndSession} {
		if *endpoint == "" {
			continue
		}
		if err := p.safe(*endpoint); err != nil {
			return nil, fmt.Errorf("metadata: %s: %w", name, err)
		}
	}
	config := &gooidc.Config{ClientID: p.ClientID, SupportedSigningAlgs: p.algorithms}
	background := context.WithoutCancel(ctx)
	keys := gooidc.NewRemoteKeySet(gooidc.ClientContext(background, p.quiet), d.JWKS)
	d.tokens = gooidc.NewVerifier(p.Issuer, keys, config)
	// Keys for logout tokens are kept apart: anybody can send one that names an unknown key, and must not be able to make us ask
	// the provider for keys all day, or to use up the logins' share of asking.
	sparse := *p.quiet
	sparse.Transport = &sparseTransport{next: sparse.Transport, limit: rate.NewLimiter(rate.Every(logoutFetches), 3)}
	logoutKeys := gooidc.NewRemoteKeySet(gooidc.ClientContext(background, &sparse), d.JWKS)
	d.logouts = gooidc.NewVerifier(p.Issuer, logoutKeys, config)
	return d, nil
}
