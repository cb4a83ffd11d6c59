package security

import (
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/gatehouse-go/gatehouse/internal/invalid"
	"github.com/gatehouse-go/gatehouse/internal/refusal"
)

// Reasons for which [CrossOrigin] refuses a request. Both are answered 403.
var (
	ErrCrossOrigin = refusal.New(http.StatusForbidden, "request that may change state comes from another origin")
	ErrIsolated    = refusal.New(http.StatusForbidden, "resource is requested by a page of another site")
)

// CrossOriginConfig says which requests that browsers send for other sites are accepted. The zero value accepts none that could
// change state.
type CrossOriginConfig struct {
	// TrustedOrigins are the origins whose pages may send what they like, as browsers write them: "https://app.example.com".
	TrustedOrigins []string

	// BehindTLS declares that this server is reached only through a front that speaks TLS to clients, so that a page of
	// http is another origin though its host is the same. Requests on TLS are judged so without it.
	BehindTLS bool

	// MethodOverrides are the request fields in which the application takes another method than the request line's. A request with
	// one counts as one that may change state. Nil means X-HTTP-Method-Override, X-HTTP-Method and X-Method-Override.
	MethodOverrides []string

	// Isolate also refuses what pages of other sites load from here, such as images, scripts, frames' objects and fetches, by the
	// Fetch Metadata fields (resource isolation policy). Links to pages, requests of the same site and clients that are no browsers pass.
	Isolate bool

	// Shared are http.ServeMux patterns of what other sites may load nevertheless. It needs Isolate.
	Shared []string

	// InsecureBypass are http.ServeMux patterns of what is not judged at all, such as an endpoint that is protected by a
	// signature and never by a cookie.
	InsecureBypass []string

	// OnError answers a refused request. Nil means a problem answer.
	OnError func(http.ResponseWriter, *http.Request, error)

	// Logger gets the causes. Nil means slog.Default().
	Logger *slog.Logger
}

// CrossOrigin refuses requests that a page of another origin makes a browser send with its user's cookies (cross-site request
// forgery). It is safe for concurrent use.
//
// It does what [http.CrossOriginProtection] does, and refuses more:
//
//   - a page of http on the host of this https server, also in a browser that sends no Fetch Metadata;
//   - an Origin field that is not as browsers write it, or two of them;
//   - GET or HEAD with a field that makes it another method;
//   - a WebSocket handshake from another origin, which is a GET.
//
// In a chain it stands inside [CORS], which answers preflights, and outside the handler's reading of the body.
type CrossOrigin struct {
	std       *http.CrossOriginProtection
	trusted   map[string]bool
	bypass    *http.ServeMux // nil where there is none
	shared    *http.ServeMux
	overrides []string
	isolate   bool
	behindTLS bool
	refuser   refuser
}

// NewCrossOrigin returns a CrossOrigin, or every mistake in c.
func NewCrossOrigin(c CrossOriginConfig) (*CrossOrigin, error) {
	bad := invalid.Config{Package: "security"}
	x := &CrossOrigin{std: http.NewCrossOriginProtection(), trusted: map[string]bool{}, isolate: c.Isolate, behindTLS: c.BehindTLS}
	for i, text := range c.TrustedOrigins {
		if _, ok := parseOrigin(text); !ok || x.std.AddTrustedOrigin(text) != nil {
			bad.Field("CrossOriginConfig.TrustedOrigins["+strconv.Itoa(i)+"]", text, "must be an origin as browsers write it: scheme, host in lower case, port unless the default, and nothing else")
		}
		x.trusted[text] = true
	}
	if c.MethodOverrides == nil {
		c.MethodOverrides = []string{"X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"}
	}
	for i, name := range c.MethodOverrides {
		if !isToken(name) {
			bad.Field("CrossOriginConfig.MethodOverrides["+strconv.Itoa(i)+"]", name, "must be a header field name")
		}
		x.overrides = append(x.overrides, http.CanonicalHeaderKey(name))
	}
	x.shared = patterns(&bad, "CrossOriginConfig.Shared", c.Shared)
	x.bypass = patterns(&bad, "CrossOriginConfig.InsecureBypass", c.InsecureBypass)
	if len(c.Shared) > 0 && !c.Isolate {
		bad.Hidden("CrossOriginConfig.Shared", "needs Isolate")
	}
	if err := bad.Err(); err != nil {
		return nil, err
	}
	x.refuser = newRefuser("cross-origin", c.OnError, c.Logger)
	return x, nil
}

// matched is the handler of every pattern of ours, by which a match is told from a redirect of the mux. It is never run.
type matched struct{ http.Handler }

// patterns returns a mux that knows the patterns, or nil where there are none.
func patterns(bad *invalid.Config, field string, list []string) *http.ServeMux {
	if len(list) == 0 {
		return nil
	}
	mux := http.NewServeMux()
	for i, pattern := range list {
		func() {
			defer func() { // ServeMux.Handle has no other way to refuse a pattern
				if reason := recover(); reason != nil {
					bad.Field(field+"["+strconv.Itoa(i)+"]", pattern, fmt.Sprintf("must be a pattern: %v", reason))
				}
			}()
			mux.Handle(pattern, matched{})
		}()
	}
	return mux
}

// matches reports whether r itself matches a pattern, and not another request that mux would redirect it to.
func matches(mux *http.ServeMux, r *http.Request) bool {
	if mux == nil {
		return false
	}
	h, _ := mux.Handler(r)
	return h == matched{}
}

// Check returns nil when r is no request that another origin's page makes a browser send, or one that is harmless. The error is, or
// wraps, [ErrCrossOrigin] or [ErrIsolated].
func (x *CrossOrigin) Check(r *http.Request) error {
	origins, sites := r.Header["Origin"], r.Header["Sec-Fetch-Site"]
	mayChange := x.mayChange(r)
	if !mayChange && (!x.isolate || len(sites) == 0) || matches(x.bypass, r) {
		return nil
	}
	if len(origins) > 1 || len(sites) > 1 {
		return &originError{ErrCrossOrigin, "more than one Origin or Sec-Fetch-Site"}
	}
	if len(origins) == 1 && x.trusted[origins[0]] {
		return nil
	}
	if mayChange {
		if err := x.checkChange(r, origins, sites); err != nil {
			return err
		}
	}
	if x.isolate && len(sites) == 1 {
		return x.checkIsolation(r, sites[0])
	}
	return nil
}

// mayChange reports whether r is more than a request to read.
func (x *CrossOrigin) mayChange(r *http.Request) bool {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
	default:
		return true
	}
	for _, name := range x.overrides {
		if len(r.Header[name]) > 0 {
			return true
		}
	}
	return len(r.Header["Upgrade"]) > 0 // browsers send cookies with a WebSocket handshake, and no preflight before it
}

func (x *CrossOrigin) checkChange(r *http.Request, origins, sites []string) error {
	probe := r
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		unsafe := *r
		unsafe.Method = http.MethodPost
		probe = &unsafe
	}
	if err := x.std.Check(probe); err != nil {
		return &originError{ErrCrossOrigin, strings.Join(append(slices.Clone(sites), origins...), " ")}
	}
	if len(sites) > 0 || len(origins) == 0 {
		return nil
	}
	// A browser without Fetch Metadata, of which net/http looks at the host only.
	o, ok := parseOrigin(origins[0])
	if !ok || (r.TLS != nil || x.behindTLS) && o.scheme == "http" {
		return &originError{ErrCrossOrigin, origins[0]}
	}
	return nil
}

// checkIsolation applies the resource isolation policy that the Fetch Metadata specification was made for.
func (x *CrossOrigin) checkIsolation(r *http.Request, site string) error {
	if site == "same-origin" || site == "same-site" || site == "none" {
		return nil
	}
	if r.Header.Get("Sec-Fetch-Mode") == "navigate" && r.Method == http.MethodGet {
		if dest := r.Header.Get("Sec-Fetch-Dest"); dest != "object" && dest != "embed" {
			return nil // a link or form that leads here
		}
	}
	if matches(x.shared, r) {
		return nil
	}
	return &originError{ErrIsolated, site + " " + r.Header.Get("Sec-Fetch-Dest")}
}

// Wrap returns a handler that passes to next the requests that [CrossOrigin.Check] accepts.
func (x *CrossOrigin) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if x.isolate {
			addField(w.Header(), "Vary", []string{"Sec-Fetch-Dest, Sec-Fetch-Mode, Sec-Fetch-Site"})
		}
		if err := x.Check(r); err != nil {
			x.refuser.refuse(w, r, err)
			return
		}
		next.ServeHTTP(w, r)
	})
}
