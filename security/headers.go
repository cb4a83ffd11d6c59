package security

import (
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/gatehouse-go/gatehouse/internal/invalid"
	"github.com/gatehouse-go/gatehouse/internal/problem"
	"github.com/gatehouse-go/gatehouse/internal/reqcopy"
)

// HeadersConfig says which security fields responses carry.
//
// The zero value is that of [APIHeaders]: nothing that a browser could do with the answer is allowed. [HTMLHeaders]
// is where a site with pages begins.
type HeadersConfig struct {
	// CSP is the Content-Security-Policy. Nil means the zero CSP, which allows nothing.
	CSP *CSP

	// CSPReportOnly is sent beside CSP as Content-Security-Policy-Report-Only: a stricter policy that is tried out. Nil means none.
	CSPReportOnly *CSP

	// Permissions is the Permissions-Policy. Nil means [DefaultPermissions]; empty and not nil means no such field.
	Permissions PermissionsPolicy

	// HSTS is Strict-Transport-Security. It is sent on TLS only (RFC 6797, section 7.2).
	HSTS HSTS

	// BehindTLS declares that this server is reached only through a front that speaks TLS to clients, so that plain
	// requests from it count as TLS. No request header can say so.
	BehindTLS bool

	// ReferrerPolicy, OpenerPolicy, EmbedderPolicy and ResourcePolicy are the fields Referrer-Policy, Cross-Origin-Opener-Policy,
	// Cross-Origin-Embedder-Policy and Cross-Origin-Resource-Policy. Empty means no-referrer, same-origin, no such field, and same-origin.
	ReferrerPolicy string
	OpenerPolicy   string
	EmbedderPolicy string
	ResourcePolicy string

	// ReportingEndpoints names the URLs to which browsers send reports (Reporting API): https, or a path on this origin.
	// [Reports] is a handler for them. The endpoint "default" also gets deprecations, interventions and crashes.
	ReportingEndpoints map[string]string

	// NEL asks browsers to report network errors. It is sent on TLS only. Nil means no such field.
	NEL *NEL

	// Drop names response fields that never leave, besides those that tell what the server runs on (Server, X-Powered-By,
	// X-AspNet-Version, X-AspNetMvc-Version) and those that only a request has (Authorization, Proxy-Authorization, Cookie).
	Drop []string

	// EchoAllowed names response fields that may hold a value of the request's Cookie field, such as one with a CSRF token.
	// No field may hold its Authorization, nor the password in one of the scheme Basic.
	EchoAllowed []string

	// Secrets are values that no response field may hold; such a field is dropped. Nil means that only the request's own
	// credentials are looked for.
	Secrets *Secrets

	// Logger is told of each dropped field that held a credential or secret, by its name. Nil means slog.Default().
	Logger *slog.Logger
}

// APIHeaders returns the configuration for a server whose answers are data: it is the zero HeadersConfig.
func APIHeaders() HeadersConfig { return HeadersConfig{} }

// HTMLHeaders returns the configuration for a server whose answers are pages: everything comes from their own origin, and scripts and
// styles in the page carry the request's [Nonce].
func HTMLHeaders() HeadersConfig {
	self := []Source{SourceSelf}
	return HeadersConfig{
		CSP: &CSP{
			DefaultSrc: self,
			ScriptSrc:  []Source{SourceSelf, SourceNonce},
			StyleSrc:   []Source{SourceSelf, SourceNonce},
			ImgSrc:     []Source{SourceSelf, SourceData},
			ObjectSrc:  []Source{SourceNone},
			FormAction: self,
		},
		ReferrerPolicy: "strict-origin-when-cross-origin",
	}
}

// Headers puts security fields into each answer, refusals included, and takes out what must not leave. It is safe for
// concurrent use.
//
// In a chain it stands outside all that can answer, save recovery and logging. A handler may set any of the fields to
// another value for its own answers.
//
// The handler's ResponseWriter keeps Flush, Hijack and ReadFrom, and like net/http's own must not be used after the handler returned.
type Headers struct {
	names       []string // canonical, in the order of values
	values      []string
	tlsOnly     int // fields from this index on are sent on TLS only
	csp         cspText
	cspReport   cspText
	drop        []string
	echoAllowed map[string]bool
	secrets     *Secrets
	behindTLS   bool
	logger      *slog.Logger
	writers     sync.Pool // of *headersWriter
}

// NewHeaders returns a Headers, or every mistake in c.
func NewHeaders(c HeadersConfig) (*Headers, error) {
	bad := invalid.Config{Package: "security"}
	h := &Headers{behindTLS: c.BehindTLS, secrets: c.Secrets, logger: c.Logger, echoAllowed: map[string]bool{}}
	if h.logger == nil {
		h.logger = slog.Default()
	}
	if c.CSP == nil {
		c.CSP = &CSP{}
	}
	h.csp = c.CSP.write(&bad, "HeadersConfig.CSP", c.ReportingEndpoints)
	h.add("Content-Security-Policy", h.csp.plain)
	if c.CSPReportOnly != nil {
		h.cspReport = c.CSPReportOnly.write(&bad, "HeadersConfig.CSPReportOnly", c.ReportingEndpoints)
		h.add("Content-Security-Policy-Report-Only", h.cspReport.plain)
	}
	if c.Permissions == nil {
		c.Permissions = DefaultPermissions()
	}
	h.add("Permissions-Policy", c.Permissions.write(&bad, "HeadersConfig.Permissions"))
	h.add("Reporting-Endpoints", writeEndpoints(&bad, c.ReportingEndpoints))
	h.add("X-Content-Type-Options", "nosniff")
	switch ancestors := c.CSP.ancestors(); { // for browsers that do not know frame-ancestors
	case len(ancestors) == 0 || ancestors[0] == SourceNone:
		h.add("X-Frame-Options", "DENY")
	case len(ancestors) == 1 && ancestors[0] == SourceSelf:
		h.add("X-Frame-Options", "SAMEORIGIN")
	}
	for _, f := range enumerated {
		value := f.value(&c)
		if value == "" {
			value = f.otherwise
		} else if !slices.Contains(f.allowed, value) {
			bad.Field("HeadersConfig."+f.field, value, "must be one of "+strings.Join(f.allowed, ", "))
		}
		h.add(f.name, value)
	}
	h.tlsOnly = len(h.names)
	if c.NEL != nil {
		policy, group := c.NEL.write(&bad, c.ReportingEndpoints)
		h.add("Nel", policy)
		h.add("Report-To", group)
	}
	if !c.HSTS.InsecureOff {
		h.add("Strict-Transport-Security", c.HSTS.write(&bad))
	}
	for i, name := range c.Drop {
		if !isToken(name) {
			bad.Field("HeadersConfig.Drop["+strconv.Itoa(i)+"]", name, "must be a header field name")
		}
		h.drop = append(h.drop, http.CanonicalHeaderKey(name))
	}
	for i, name := range c.EchoAllowed {
		if !isToken(name) {
			bad.Field("HeadersConfig.EchoAllowed["+strconv.Itoa(i)+"]", name, "must be a header field name")
		}
		h.echoAllowed[http.CanonicalHeaderKey(name)] = true
	}
	h.writers.New = h.newWriter
	if err := bad.Err(); err != nil {
		return nil, err
	}
	return h, nil
}

// enumerated are the fields that have one of a few values.
var enumerated = [...]struct {
	name, field, otherwise string
	allowed                []string
	value                  func(*HeadersConfig) string
}{
	{
		"Referrer-Policy", "ReferrerPolicy", "no-referrer",
		[]string{"no-referrer", "no-referrer-when-downgrade", "same-origin", "origin", "strict-origin", "origin-when-cross-origin", "strict-origin-when-cross-origin", "unsafe-url"},
		func(c *HeadersConfig) string { return c.ReferrerPolicy },
	},
	{
		"Cross-Origin-Opener-Policy", "OpenerPolicy", "same-origin",
		[]string{"same-origin", "same-origin-allow-popups", "noopener-allow-popups", "unsafe-none"},
		func(c *HeadersConfig) string { return c.OpenerPolicy },
	},
	{
		"Cross-Origin-Embedder-Policy", "EmbedderPolicy", "",
		[]string{"require-corp", "credentialless", "unsafe-none"},
		func(c *HeadersConfig) string { return c.EmbedderPolicy },
	},
	{
		"Cross-Origin-Resource-Policy", "ResourcePolicy", "same-origin",
		[]string{"same-origin", "same-site", "cross-origin"},
		func(c *HeadersConfig) string { return c.ResourcePolicy },
	},
}

// add notes a field; an empty value is none.
func (h *Headers) add(name, value string) {
	if value != "" {
		h.names = append(h.names, name)
		h.values = append(h.values, value)
	}
}

// Wrap returns a handler that answers as next does, with the fields.
func (h *Headers) Wrap(next http.Handler) http.Handler {
	nonces := h.csp.usesNonce() || h.cspReport.usesNonce()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		hw, _ := h.writers.Get().(*headersWriter)
		inner := r
		if nonces {
			inner = hw.withNonce(r)
		}
		hw.begin(w, inner)
		returned := false
		defer func() {
			if !returned {
				hw.abandon()
			}
		}()
		next.ServeHTTP(hw, inner)
		returned = true
		hw.end()
		reqcopy.HandBack(r, inner)
	})
}

// dressed returns an OnError that answers as the given one does, problem.Error where it is nil, with the fields.
func (h *Headers) dressed(onError func(http.ResponseWriter, *http.Request, error)) func(http.ResponseWriter, *http.Request, error) {
	if onError == nil {
		onError = problem.Error
	}
	return func(w http.ResponseWriter, r *http.Request, err error) {
		h.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { onError(w, r, err) })).ServeHTTP(w, r)
	}
}
