package callbacktest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/go-jose/go-jose/v4"
)

// ProviderConfig configures a [Provider]. The zero value is fine.
type ProviderConfig struct {
	// ClientID and ClientSecret are the one client's. Empty means "client" and a secret of the package's own.
	ClientID, ClientSecret string

	// ClientKey, if not nil, verifies the assertions of a client that authenticates with private_key_jwt.
	ClientKey crypto.PublicKey

	// PublicClient means that the client has no secret.
	PublicClient bool

	// PlainHTTP serves without TLS. The issuer then begins with http://127.0.0.1.
	PlainHTTP bool
}

// Provider is an OpenID provider for tests. It signs everybody in at once, without asking: what [Provider.SetSubject] said last. It keeps to the
// specifications and holds the client to them (PKCE S256, single-use codes, exact redirect URI, rotation of refresh tokens), but
// for the [Faults] that are set. It is safe for concurrent use.
type Provider struct {
	// Issuer, ClientID and ClientSecret configure the client.
	Issuer, ClientID, ClientSecret string

	config ProviderConfig
	server *httptest.Server
	mux    *http.ServeMux

	mu           sync.Mutex
	faults       Faults
	subject      string
	claims       map[string]any
	key          signingKey
	requests     []url.Values // authorization requests
	pushed       map[string]url.Values
	codes        map[string]*grant
	spentCodes   map[string]*grant
	refresh      map[string]*grant
	spentRefresh map[string]bool
	access       map[string]*grant
	revoked      map[*grant]bool
	calls        map[string]int
	lastSession  string
}

type signingKey struct {
	id      string
	private *ecdsa.PrivateKey
}

// grant is what one authorization led to.
type grant struct {
	subject string
	session string
	request url.Values
	begun   int64
}

// NewProvider returns a Provider that serves until the test ends.
func NewProvider(tb testing.TB, c ProviderConfig) *Provider {
	tb.Helper()
	if c.ClientID == "" {
		c.ClientID = "client"
	}
	if c.ClientSecret == "" && !c.PublicClient && c.ClientKey == nil {
		c.ClientSecret = "client-secret-of-32-bytes-or-more"
	}
	p := &Provider{
		ClientID: c.ClientID, ClientSecret: c.ClientSecret, config: c, subject: "ana", claims: map[string]any{"name": "Ana"}, key: newKey(tb, "key-1"),
		pushed: map[string]url.Values{}, codes: map[string]*grant{}, spentCodes: map[string]*grant{}, refresh: map[string]*grant{},
		spentRefresh: map[string]bool{},
		access:       map[string]*grant{}, revoked: map[*grant]bool{}, calls: map[string]int{},
	}
	p.mux = http.NewServeMux()
	for pattern, h := range map[string]http.HandlerFunc{
		"GET /.well-known/openid-configuration": p.metadata,
		"GET /jwks":                             p.keys,
		"GET /authorize":                        p.authorize,
		"POST /par":                             p.push,
		"POST /token":                           p.token,
		"GET /userinfo":                         p.userinfo,
		"GET /logout":                           p.endSession,
	} {
		p.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.calls[r.URL.Path]++
			h(w, r)
		})
	}
	p.server = httptest.NewUnstartedServer(p)
	tb.Cleanup(p.server.Close)
	p.Issuer = "http://" + p.server.Listener.Addr().String() // before the first request can come
	if c.PlainHTTP {
		p.server.Start()
	} else {
		p.Issuer = "https" + strings.TrimPrefix(p.Issuer, "http")
		p.server.StartTLS()
	}
	return p
}

func newKey(tb testing.TB, id string) signingKey {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	return signingKey{id, key}
}

// ServeHTTP answers a request without the network, for tests that keep time with testing/synctest.
func (p *Provider) ServeHTTP(w http.ResponseWriter, r *http.Request) { p.mux.ServeHTTP(w, r) }

// Client returns a client that trusts the provider's certificate.
func (p *Provider) Client() *http.Client { return p.server.Client() }

// Close stops the provider early, as an outage would.
func (p *Provider) Close() { p.server.Close() }

// SetFaults changes how the provider misbehaves from now on.
func (p *Provider) SetFaults(f Faults) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults = f
}

// SetSubject changes who signs in next, and what else is claimed of them. The claims may replace those that the provider sets itself.
func (p *Provider) SetSubject(subject string, claims map[string]any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.subject, p.claims = subject, maps.Clone(claims)
}

// RotateKey signs with a new key from now on, and publishes it alone.
func (p *Provider) RotateKey(tb testing.TB) {
	tb.Helper()
	key := newKey(tb, rand.Text())
	p.mu.Lock()
	defer p.mu.Unlock()
	p.key = key
}

// Calls returns how often the endpoint with that path was called, such as "/token", "/jwks" or "/par".
func (p *Provider) Calls(path string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.calls[path]
}

// Requests returns the parameters of each authorization request so far, pushed ones included.
func (p *Provider) Requests() []url.Values {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.requests)
}

// SessionID returns the provider's id ("sid") of the session that the last login began.
func (p *Provider) SessionID() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.lastSession
}

// Sign returns a JWT of claims with the given "typ", signed with the provider's key: a logout token, say.
func (p *Provider) Sign(tb testing.TB, typ string, claims map[string]any) string {
	tb.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	token, err := p.sign(p.key, typ, claims)
	if err != nil {
		tb.Fatal(err)
	}
	return token
}

// PublicKey returns the key that verifies what [Provider.Sign] signs.
func (p *Provider) PublicKey() crypto.PublicKey {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.key.private.Public()
}

// keySet returns the published keys.
func (p *Provider) keySet() jose.JSONWebKeySet {
	return jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: p.key.private.Public(), KeyID: p.key.id, Algorithm: "ES256", Use: "sig"}}}
}
