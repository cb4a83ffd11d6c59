package oidc

import (
	"cmp"
	"context"
	"crypto"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	gooidc "github.com/coreos/go-oidc/v3/oidc"

	"github.com/gatehouse-go/gatehouse/internal/invalid"
)

// Provider says where and as whom the application signs people in.
type Provider struct {
	// ID names the provider in the application: in LoginPath's parameter, in its callback path and in [Identity]. It may be empty where
	// there is only one; else letters, digits, '-' and '_'.
	ID string

	// Name is what a person knows the provider by, for the page on which they choose. Empty means ID.
	Name string

	// Issuer is the provider's issuer identifier, exactly as in its metadata. Required, but for a provider with OAuth2 set, where it
	// may be empty.
	Issuer string

	// ClientID is what the provider knows the application by. Required.
	ClientID string

	// ClientSecret authenticates the application. Empty with PrivateKey, and for a public client.
	ClientSecret Secret

	// ClientAuth is how the application authenticates. Empty means AuthPrivateKey where PrivateKey is set, AuthNone where there is
	// no secret either, else AuthBasic, or AuthPost where the provider does not advertise AuthBasic.
	ClientAuth ClientAuth

	// PrivateKey signs the assertions of AuthPrivateKey (RFC 7523): an RSA key of 2048 bits or more, a P-256, P-384 or P-521 ECDSA key, or an
	// Ed25519 key. KeyID is its "kid", if the provider needs one.
	PrivateKey crypto.Signer
	KeyID      string

	// AssertionAudience is the audience of those assertions. Empty means the issuer; some providers want their token endpoint's URL.
	AssertionAudience string

	// Scopes are asked for. Empty means "openid", "profile" and "email"; "openid" is added where it is missing, unless OAuth2 is set.
	Scopes []string

	// Algorithms are those with which ID tokens may be signed. Empty means every asymmetric one. HS256 and "none" are never allowed.
	Algorithms []string

	// UserInfo fetches the claims of the userinfo endpoint too, where the provider has one. Its subject must be the ID token's.
	UserInfo bool

	// OAuth2, if not nil, makes this a provider without ID tokens, such as GitHub.
	OAuth2 *OAuth2

	// DisablePAR sends the parameters of a login through the browser even where the provider takes them directly (RFC 9126).
	DisablePAR bool

	// InsecureHTTP allows endpoints with plain HTTP on a loopback address, for development.
	InsecureHTTP bool
}

// Format prints which provider it is, and no secret or key, whatever the verb.
func (p Provider) Format(s fmt.State, _ rune) {
	_, _ = io.WriteString(s, fmt.Sprintf("oidc.Provider(%q %s %s)", p.ID, p.Issuer, p.ClientID))
}

// LogValue is for log/slog.
func (p Provider) LogValue() slog.Value {
	return slog.GroupValue(slog.String("id", p.ID), slog.String("issuer", p.Issuer), slog.String("client_id", p.ClientID))
}

// OAuth2 describes a provider that speaks OAuth 2.0 alone.
type OAuth2 struct {
	AuthURL, TokenURL string // required

	// Identify asks the provider who the person is. Required. The client sends the access token. The Subject of the identity is
	// required, and must be an id that the provider never gives to anybody else. An error is answered 503, unless it is a
	// [callback.Reason].
	Identify func(ctx context.Context, client *http.Client) (Identity, error)
}

// provider is a Provider ready for use.
type provider struct {
	Provider
	redirect   string // redirect URI
	client     *http.Client
	quiet      *http.Client // for go-oidc
	algorithms []string
	sign       *assertionSigner // nil without PrivateKey

	mu      sync.Mutex
	current *discovered
	failed  error     // why current is nil
	expires time.Time // when to ask again
}

// label names the provider to people: a lone one may have no ID. OAuth2 has neither, and is never asked for metadata.
func (p *provider) label() string { return cmp.Or(p.ID, p.Issuer) }

const (
	metadataKept  = time.Hour
	retryAfter    = time.Minute
	failureKept   = time.Second
	callTimeout   = 15 * time.Second
	answerLimit   = 1 << 20
	logoutFetches = 10 * time.Second // between fetches of keys for logout tokens, which anybody may send
)

// asymmetric are the signature algorithms of ID tokens that are allowed at all.
var asymmetric = []string{
	gooidc.RS256, gooidc.RS384, gooidc.RS512, gooidc.ES256, gooidc.ES384, gooidc.ES512, gooidc.PS256, gooidc.PS384, gooidc.PS512, gooidc.EdDSA,
}

func newProvider(bad *invalid.Config, field string, p Provider, redirect string, client *http.Client) *provider {
	out := &provider{Provider: p, redirect: redirect, client: client, quiet: quiet(client), algorithms: asymmetric}
	if strings.Trim(p.ID, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") != "" || len(p.ID) > 64 {
		bad.Field(field+".ID", p.ID, "must be at most 64 letters, digits, '-' and '_'")
	}
	if p.ClientID == "" {
		bad.Hidden(field+".ClientID", "is required")
	}
	if p.OAuth2 == nil {
		out.checkURL(bad, field+".Issuer", p.Issuer)
		if strings.ContainsAny(p.Issuer, "?#") {
			bad.Field(field+".Issuer", p.Issuer, "must have no query and no fragment")
		}
		out.Scopes = slices.Clone(p.Scopes)
		if len(p.Scopes) == 0 {
			out.Scopes = []string{"openid", "profile", "email"}
		} else if !slices.Contains(p.Scopes, "openid") {
			out.Scopes = append([]string{"openid"}, p.Scopes...)
		}
	} else {
		out.checkURL(bad, field+".OAuth2.AuthURL", p.OAuth2.AuthURL)
		out.checkURL(bad, field+".OAuth2.TokenURL", p.OAuth2.TokenURL)
		if p.OAuth2.Identify == nil {
			bad.Hidden(field+".OAuth2.Identify", "is required")
		}
		if p.UserInfo {
			bad.Hidden(field+".UserInfo", "must not be set with OAuth2: Identify asks")
		}
	}
	if len(p.Algorithms) > 0 {
		out.algorithms = slices.Clone(p.Algorithms)
		for _, alg := range p.Algorithms {
			if !slices.Contains(asymmetric, alg) {
				bad.Field(field+".Algorithms", alg, "must be an asymmetric algorithm of JWA, such as RS256 or ES256")
			}
		}
	}
	out.checkAuth(bad, field)
	return out
}

// checkURL notes text unless it is a URL that secrets may be sent to.
func (p *provider) checkURL(bad *invalid.Config, field, text string) {
	if text == "" {
		bad.Hidden(field, "is required")
	} else if err := p.safe(text); err != nil {
		bad.Field(field, text, "must be a URL with https, or with http on a loopback address where InsecureHTTP is set")
	}
}

var errEndpoint = errors.New("endpoint is not a URL with https")

// safe returns an error unless endpoint is a URL that secrets may be sent to.
func (p *provider) safe(endpoint string) error {
	u, err := url.Parse(endpoint)
	if err != nil || u.Host == "" || u.User != nil {
		return errEndpoint
	}
	if u.Scheme == "https" || (u.Scheme == "http" && p.InsecureHTTP && loopback(u.Hostname())) {
		return nil
	}
	return errEndpoint
}

func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}
