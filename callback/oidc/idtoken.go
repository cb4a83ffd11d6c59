package oidc

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	gooidc "github.com/coreos/go-oidc/v3/oidc"
)

// verified is an identity with the claims of its ID token that only the checks need.
type verified struct {
	Identity
	nonce    string
	issuedAt time.Time
}

// verify checks an ID token on its own (OpenID Connect Core 1.0, section 3.1.3.7). The numbers are those of its steps.
func (p *provider) verify(ctx context.Context, d *discovered, raw, accessToken string) (*verified, error) {
	fail := func(err error) (*verified, error) { return nil, because(ErrIDToken, err) }
	if raw == "" {
		return fail(errors.New("there is none"))
	}
	token, err := d.tokens.Verify(gooidc.ClientContext(ctx, p.quiet), raw) // 2, 3, 6 to 8, 9
	if err != nil {
		return fail(err)
	}
	var claims struct {
		AuthorizedParty string   `json:"azp"`
		SessionID       string   `json:"sid"`
		AuthTime        float64  `json:"auth_time"` // some write it with a fraction
		ACR             string   `json:"acr"`
		AMR             textList `json:"amr"`
	}
	var all json.RawMessage
	if err := errors.Join(token.Claims(&claims), token.Claims(&all)); err != nil {
		return fail(fmt.Errorf("claims: %w", err))
	}
	if token.Subject == "" {
		return fail(errors.New("sub is missing"))
	}
	if claims.AuthorizedParty == "" && len(token.Audience) > 1 { // 4
		return fail(errors.New("aud has several values, and azp is missing"))
	}
	if claims.AuthorizedParty != "" && claims.AuthorizedParty != p.ClientID { // 5
		return fail(errors.New("azp is another client"))
	}
	if token.IssuedAt.IsZero() { // 10
		return fail(errors.New("iat is missing"))
	}
	if token.IssuedAt.After(time.Now().Add(clockSkew)) {
		return fail(errors.New("iat is in the future"))
	}
	if token.AccessTokenHash != "" { // section 3.1.3.8
		if err := token.VerifyAccessToken(accessToken); err != nil {
			return fail(fmt.Errorf("at_hash: %w", err))
		}
	}
	v := &verified{nonce: token.Nonce, issuedAt: token.IssuedAt}
	v.Identity = Identity{Provider: p.ID, Issuer: p.Issuer, Subject: token.Subject, SessionID: claims.SessionID, ACR: claims.ACR, AMR: claims.AMR, Claims: all}
	if claims.AuthTime != 0 {
		v.AuthTime = time.Unix(int64(claims.AuthTime), 0)
	}
	return v, nil
}

// textList is a list of strings, or the one string that some providers write in its place.
type textList []string

// UnmarshalJSON takes either.
func (l *textList) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		*l = textList{one}
		return nil
	}
	return json.Unmarshal(b, (*[]string)(l))
}

// matches checks that the ID token is the answer to one login.
func (v *verified) matches(flow pending) error {
	fail := func(text string) error { return because(ErrIDToken, errors.New(text)) }
	if subtle.ConstantTimeCompare([]byte(v.nonce), []byte(flow.Nonce)) != 1 { // 11
		return fail("nonce is missing or another one")
	}
	if v.issuedAt.Before(time.Unix(flow.Begun, 0).Add(-clockSkew)) { // 10: issued before it was asked for
		return fail("iat is before the login began")
	}
	if flow.MaxAge != nil { // 13
		oldest := time.Now().Add(-time.Duration(*flow.MaxAge)*time.Second - clockSkew)
		if v.AuthTime.IsZero() || v.AuthTime.Before(oldest) {
			return fail("auth_time is missing or too long ago")
		}
	}
	return nil
}
