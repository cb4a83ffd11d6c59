package callbacktest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"strconv"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// idToken returns the ID token of g, with the faults that are set.
func (p *Provider) idToken(g *grant, access string, refreshing bool) (string, error) {
	f := p.faults
	now := time.Now()
	hash := sha256.Sum256([]byte(access))
	claims := map[string]any{
		"iss": p.Issuer, "sub": g.subject, "aud": p.ClientID, "azp": p.ClientID, "exp": now.Add(5 * time.Minute).Unix(), "iat": now.Unix(),
		"sid": g.session, "at_hash": base64.RawURLEncoding.EncodeToString(hash[:16]),
	}
	if nonce := g.request.Get("nonce"); nonce != "" && !refreshing {
		claims["nonce"] = nonce
	}
	if g.request.Get("max_age") != "" {
		claims["auth_time"] = g.begun
	}
	if acr, _, _ := strings.Cut(g.request.Get("acr_values"), " "); acr != "" {
		claims["acr"] = acr
	}
	maps.Copy(claims, p.claims)
	for _, fault := range []struct {
		set   bool
		claim string
		value any // nil takes the claim away
	}{
		{f.NonceMissing, "nonce", nil},
		{f.NonceWrong, "nonce", "another"},
		{f.AudienceWrong, "aud", "another"},
		{f.AudienceExtra, "aud", []string{p.ClientID, "another"}},
		{f.AudienceExtra, "azp", nil},
		{f.AuthorizedWrong, "azp", "another"},
		{f.Expired, "exp", now.Add(-time.Hour).Unix()},
		{f.IssuedAtMissing, "iat", nil},
		{f.IssuedInFuture, "iat", now.Add(time.Hour).Unix()},
		{f.IssuedLongAgo, "iat", now.Add(-time.Hour).Unix()},
		{f.IssuerWrong, "iss", elsewhere},
		{f.SubjectMissing, "sub", nil},
		{f.AccessHashWrong, "at_hash", "AAAAAAAAAAAAAAAAAAAAAA"},
		{f.AuthTimeMissing, "auth_time", nil},
		{f.AuthTimeLongAgo, "auth_time", now.Add(-24 * time.Hour).Unix()},
		{f.RefreshOther && refreshing, "sub", "somebody else"},
	} {
		if fault.set {
			claims[fault.claim] = fault.value
			if fault.value == nil {
				delete(claims, fault.claim)
			}
		}
	}
	switch {
	case f.AlgorithmNone:
		payload, err := json.Marshal(claims)
		return encode([]byte(`{"alg":"none"}`)) + "." + encode(payload) + ".", err
	case f.AlgorithmHMAC:
		return p.signWith(jose.SigningKey{Algorithm: jose.HS256, Key: []byte(p.ClientSecret)}, "", "JWT", claims)
	case f.KeyUnknown:
		other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return "", err
		}
		return p.sign(signingKey{p.key.id, other}, "JWT", claims)
	}
	token, err := p.sign(p.key, "JWT", claims)
	if f.SignatureDamaged {
		dot := strings.LastIndexByte(token, '.')
		token = token[:dot+1] + strings.Repeat("A", len(token)-dot-1)
	}
	return token, err
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func (p *Provider) sign(key signingKey, typ string, claims map[string]any) (string, error) {
	return p.signWith(jose.SigningKey{Algorithm: jose.ES256, Key: key.private}, key.id, typ, claims)
}

func (*Provider) signWith(key jose.SigningKey, kid, typ string, claims map[string]any) (string, error) {
	options := (&jose.SignerOptions{}).WithType(jose.ContentType(typ))
	if kid != "" {
		options = options.WithHeader("kid", kid)
	}
	signer, err := jose.NewSigner(key, options)
	if err != nil {
		return "", err
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		return "", err
	}
	return signed.CompactSerialize()
}

// LogoutToken returns the claims of a valid logout token (Back-Channel Logout 1.0, section 2.4), to be changed and signed with [Provider.Sign].
func (p *Provider) LogoutToken(subject, sid string) map[string]any {
	now := time.Now()
	claims := map[string]any{
		"iss": p.Issuer, "aud": p.ClientID, "iat": now.Unix(), "exp": now.Add(2 * time.Minute).Unix(), "jti": rand.Text() + strconv.FormatInt(now.UnixNano(), 36),
		"events": map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}},
	}
	if subject != "" {
		claims["sub"] = subject
	}
	if sid != "" {
		claims["sid"] = sid
	}
	return claims
}
