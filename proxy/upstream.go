package proxy

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"

	"github.com/gatehouse-go/gatehouse/internal/invalid"
)

// An Upstream is a service to which requests are forwarded: one or more targets that answer alike. It is named by its
// key in Config.Upstreams, and fixed when the Proxy is made: nothing in a request can lead to another address.
//
// Of the client's fields it does not get those that belong to one connection (RFC 9110, section 7.6.1), nor those by which proxies say who
// asked for what, whether they are written with hyphens or with underscores. It gets X-Forwarded-For, -Host, -Port and -Proto, Forwarded
// (RFC 7239) and Via from the Proxy, and what Handle sets.
type Upstream struct {
	// Targets are base URLs such as "http://10.0.0.1:8080" or "https://cms.example/v2"; a path is put before that of each request.
	// Required. A request goes to the target with the fewest requests under way.
	Targets []string

	// Host is the Host field sent to the upstream. Empty means that of the target.
	Host string
	// PassHost sends the Host field that the client sent. The upstream then must not trust it. It excludes Host.
	PassHost bool

	// DialTimeout bounds connecting, and the TLS handshake likewise. Zero means 5 s.
	DialTimeout time.Duration
	// HeaderTimeout bounds the time from the request's last byte to the answer's header. Zero means 30 s.
	HeaderTimeout time.Duration
	// IdleTimeout bounds the time in which no byte of an answer's body comes, or none of an upgraded connection in either direction.
	// Zero means 60 s.
	IdleTimeout time.Duration
	// Timeout bounds the whole exchange with the last byte of the answer. Zero means no bound: streams may last.
	Timeout time.Duration

	// MaxBody is the largest request body that is forwarded, in bytes. Zero means 32 MiB.
	MaxBody int64
	// MaxConns bounds the connections to each target; requests beyond it wait, at most for Timeout. Zero means no bound.
	MaxConns int

	// MaxRetries is how often a request that failed before an answer began is tried again, each time at another target.
	// Only requests that are idempotent (RFC 9110, section 9.2.2) and have no body are. Zero means never.
	MaxRetries int
	// MaxFails is how many failures in a row (no connection, no answer in time, or 502, 503 or 504) put a target out of
	// use for Cooldown. While all targets are out of use, requests are answered 503 with Retry-After at once. Zero means 5.
	MaxFails int
	// Cooldown is how long a failing target is left alone before one request tries it again. Zero means 10 s.
	Cooldown time.Duration

	// HideHeaders are fields of the upstream's answers that do not reach the client, such as "Server". Empty means none:
	// fields that belong to one connection are always dropped.
	HideHeaders []string

	// TLS configures https targets, for a private authority or a client certificate. Nil means the system's authorities.
	// It is cloned.
	TLS *tls.Config
	// H2C speaks HTTP/2 to http targets, as gRPC servers expect. https targets speak it whenever they can.
	H2C bool
}

// upstream is an Upstream in working order.
type upstream struct {
	name        string
	set         targetSet
	host        string
	passHost    bool
	maxBody     int64
	retries     int
	idleTimeout time.Duration
	timeout     time.Duration
	hide        []string
	transport   *http.Transport
	reverse     *httputil.ReverseProxy
	buffers     bufferPool
}

const (
	defaultDialTimeout   = 5 * time.Second
	defaultHeaderTimeout = 30 * time.Second
	defaultIdleTimeout   = 60 * time.Second
	defaultMaxBody       = 32 << 20
	defaultMaxFails      = 5
	defaultCooldown      = 10 * time.Second

	idleConns = 128 // kept to each target: net/http's own 2 would open a connection for most requests of a busy proxy
)

// newUpstream notes every mistake in c; what it returns is used only where there is none.
func newUpstream(name string, u Upstream, c *invalid.Config) *upstream {
	field := func(f string) string { return fmt.Sprintf("Upstreams[%q].%s", name, f) }
	if name == "" || !httpguts.ValidHostHeader(name) || strings.ToLower(name) != name {
		c.Field("Upstreams", name, "must be named like a host, in lower case")
	}
	for _, d := range []struct {
		name  string
		value time.Duration
	}{{"DialTimeout", u.DialTimeout}, {"HeaderTimeout", u.HeaderTimeout}, {"IdleTimeout", u.IdleTimeout}, {"Timeout", u.Timeout}, {"Cooldown", u.Cooldown}} {
		if d.value < 0 {
			c.Field(field(d.name), d.value, "must not be negative")
		}
	}
	for _, n := range []struct {
		name  string
		value int64
	}{{"MaxBody", u.MaxBody}, {"MaxConns", int64(u.MaxConns)}, {"MaxRetries", int64(u.MaxRetries)}, {"MaxFails", int64(u.MaxFails)}} {
		if n.value < 0 || n.name != "MaxBody" && n.value > 1<<30 {
			c.Field(field(n.name), n.value, "must not be negative or beyond 2^30")
		}
	}
	if u.Host != "" && (u.PassHost || !httpguts.ValidHostHeader(u.Host)) {
		c.Field(field("Host"), u.Host, "must be a host, and excludes PassHost")
	}
	up := &upstream{
		name: name, host: u.Host, passHost: u.PassHost, retries: u.MaxRetries, timeout: u.Timeout,
		maxBody: u.MaxBody, idleTimeout: u.IdleTimeout,
	}
	setDefault(&up.maxBody, defaultMaxBody)
	setDefault(&up.idleTimeout, defaultIdleTimeout)
	setDefault(&u.DialTimeout, defaultDialTimeout)
	setDefault(&u.HeaderTimeout, defaultHeaderTimeout)
	setDefault(&u.MaxFails, defaultMaxFails)
	setDefault(&u.Cooldown, defaultCooldown)
	for i, h := range u.HideHeaders {
		if !httpguts.ValidHeaderFieldName(h) {
			c.Field(fmt.Sprintf("%s[%d]", field("HideHeaders"), i), h, "must be a header field name")
		}
		up.hide = append(up.hide, http.CanonicalHeaderKey(h))
	}
	if len(u.Targets) == 0 {
		c.Hidden(field("Targets"), "must not be empty")
	}
	for i, raw := range u.Targets {
		base, rule := parseTarget(raw)
		if rule != "" {
			c.Hidden(fmt.Sprintf("%s[%d]", field("Targets"), i), rule) // not printed: a URL may hold a password
			continue
		}
		if slices.ContainsFunc(up.set.targets, func(t *target) bool { return *t.url == *base }) {
			c.Field(fmt.Sprintf("%s[%d]", field("Targets"), i), raw, "must not be repeated")
		}
		up.set.targets = append(up.set.targets, &target{url: base, maxFails: int32(u.MaxFails), cooldown: u.Cooldown}) //nolint:gosec // at most 2^30
	}
	up.transport = u.newTransport()
	return up
}

func setDefault[T int | int64 | time.Duration](v *T, def T) {
	if *v == 0 {
		*v = def
	}
}

// parseTarget returns the base URL that raw names, or the rule it breaks.
func parseTarget(raw string) (*url.URL, string) {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || !httpguts.ValidHostHeader(u.Host) {
		return nil, "must be an http or https URL with a host"
	}
	if u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
		return nil, "must have neither user, query nor fragment"
	}
	if port := u.Port(); port != "" {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil {
			return nil, "must have a port of at most 65535"
		}
		if n == defaultPort(u.Scheme) {
			u.Host = strings.TrimSuffix(u.Host, ":"+port)
		}
	}
	path := strings.TrimSuffix(u.EscapedPath(), "/")
	base := &url.URL{Scheme: u.Scheme, Host: strings.ToLower(u.Host)}
	if path != "" {
		base.Path, base.RawPath = strings.TrimSuffix(u.Path, "/"), path
	}
	return base, ""
}

// newTransport makes the connections of one upstream. It never asks the environment for a proxy, never decompresses and
// follows no redirect: what the upstream says is what the client gets.
func (u Upstream) newTransport() *http.Transport {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(!u.H2C)
	protocols.SetHTTP2(true)
	protocols.SetUnencryptedHTTP2(u.H2C)
	dialer := net.Dialer{Timeout: u.DialTimeout, KeepAlive: 30 * time.Second}
	return &http.Transport{
		DialContext:           dialer.DialContext,
		TLSClientConfig:       u.TLS.Clone(),
		TLSHandshakeTimeout:   u.DialTimeout,
		ResponseHeaderTimeout: u.HeaderTimeout,
		ExpectContinueTimeout: time.Second,
		IdleConnTimeout:       90 * time.Second,
		MaxIdleConnsPerHost:   idleConns,
		MaxConnsPerHost:       u.MaxConns,
		DisableCompression:    true,
		Protocols:             protocols,
	}
}
