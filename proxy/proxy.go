package proxy

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/net/http/httpguts"

	"github.com/gatehouse-go/gatehouse/internal/invalid"
	"github.com/gatehouse-go/gatehouse/internal/logsample"
	"github.com/gatehouse-go/gatehouse/internal/problem"
	"github.com/gatehouse-go/gatehouse/internal/refusal"
	"github.com/gatehouse-go/gatehouse/internal/requestid"
)

// Config configures [New]. Every field may be left out; a Proxy with none of them still refuses ambiguous paths.
type Config struct {
	// Handle decides about the requests that one of Matchers takes. Nil passes all of them on.
	Handle func(*Request) Response
	// Matchers say for which requests Handle is called. None means for all.
	Matchers []Matcher

	// Redirects, Rewrites and Headers are the rules to begin with; [Proxy.SetRules] replaces them.
	Redirects []RedirectRule
	Rewrites  RewriteRules
	Headers   []HeaderRule

	// Upstreams are the services that requests can be forwarded to, by name. A rule or a Rewrite leads to one by a URL
	// whose host is the name ("http://cms/:path*") or whose origin is that of a target without a path.
	Upstreams map[string]Upstream

	// Routes says which paths the wrapped handler has routes for. A *http.ServeMux does. Rewrites.After
	// and Rewrites.Fallback need it.
	Routes Routes

	// BasePath, such as "/docs", is put before each source and each destination that is a path, and before the matchers, except
	// where a rule sets NoBasePath. Empty means none.
	BasePath string
	// CaseSensitive matches letters only as they are written, in all rules and matchers. False lets a guard on
	// "/secure" cover "/SECURE" too, whatever handler or upstream tells them apart or does not.
	CaseSensitive bool
	// TrailingSlash redirects paths with a trailing slash to those without, or the other way round. Zero does neither.
	TrailingSlash TrailingSlash

	// BaseURL, such as "https://www.example.com", is put before each Location that is a path. Empty leaves it
	// relative, which clients resolve against what they asked for (RFC 9110, section 10.2.2). The client's Host is never used.
	BaseURL string
	// RedirectHosts are the hosts, with their port if any, that a [Redirect] and the parameters in the host of a redirect
	// rule may lead to: "a.example.com", or "*.example.com" for any one label. Empty means none.
	RedirectHosts []string
	// DropRequestHeaders are fields taken off each request before anything sees it, such as the control fields of a framework
	// behind this proxy. Empty means none.
	DropRequestHeaders []string

	// AfterTimeout bounds the work that [Request.After] adds for one request. Zero means 30 s.
	AfterTimeout time.Duration
	// MaxAfter is how many requests' work runs at a time beside the requests. Zero means 64.
	MaxAfter int

	// OnError answers what is refused or failed; the error's StatusCode method says the status. It must not send the error's
	// text, which is for the log. Nil answers with problem+json and logs to Logger.
	OnError func(http.ResponseWriter, *http.Request, error)
	// Logger takes causes that clients are not told; a flood of refusals is logged in samples. Nil means slog.Default().
	Logger *slog.Logger
}

// A Proxy applies rules to requests on their way to a handler: it answers, redirects, rewrites and forwards them. It is
// safe for concurrent use.
//
// For each request it does, in this order:
//
//  1. refuse with 400 a path that could be read in two ways, such as one with an encoded slash or a dot segment, before any rule;
//  2. redirect to one slash between segments, and as TrailingSlash says;
//  3. note the header rules that match;
//  4. redirect by the first redirect rule that matches;
//  5. call Handle where a matcher matches;
//  6. apply Rewrites.Before; then, unless the wrapped handler has a fixed route for the path, Rewrites.After; then, unless
//     it has any route, Rewrites.Fallback. After each rewrite within the wrapped handler, step 5 is done again for the new path;
//  7. call the wrapped handler.
//
// Rules and matchers judge the decoded path, the one that a ServeMux sees, by one rule for upper and lower case.
//
// Put it outside of the mux, and inside of what concerns every answer (request id, logging, security headers, client IP).
// Do not rely on it alone for access: a handler that must not be reached without a check checks by itself as well.
type Proxy struct {
	handle   func(*Request) Response
	matchers matcherList
	rules    atomic.Pointer[ruleset]

	upstreams     upstreamSet
	routes        Routes
	basePath      string
	caseSensitive bool
	slash         TrailingSlash
	baseURL       string
	redirectHosts []string
	drop          []string
	after         *afterwork
	onError       func(http.ResponseWriter, *http.Request, error)
	logger        *slog.Logger
	lines         *logsample.Refusals
}

const (
	defaultAfterTimeout = 30 * time.Second
	defaultMaxAfter     = 64
)

// New returns a Proxy, or an error that names every mistake in the configuration: also those that Next.js finds per
// request, such as a destination that uses a parameter which its source does not have. It opens no connection.
func New(config Config) (*Proxy, error) {
	c := &invalid.Config{Package: "proxy"}
	p := &Proxy{
		handle:        config.Handle,
		routes:        config.Routes,
		caseSensitive: config.CaseSensitive,
		slash:         config.TrailingSlash,
		onError:       config.OnError,
		logger:        config.Logger,
		lines:         logsample.NewRefusals(),
	}
	if p.logger == nil {
		p.logger = slog.Default()
	}
	if p.onError == nil {
		p.onError = p.answerError
	}
	if p.slash < TrailingSlashKeep || p.slash > TrailingSlashAdd {
		c.Field("TrailingSlash", int(p.slash), "must be one of the constants")
	}
	p.setBase(config, c)
	for i, h := range config.RedirectHosts {
		if !httpguts.ValidHostHeader(strings.TrimPrefix(h, "*.")) || h == "" || strings.ContainsAny(strings.TrimPrefix(h, "*."), "*/") {
			c.Field(fmt.Sprintf("RedirectHosts[%d]", i), h, `must be a host, or "*." and a host`)
		}
		p.redirectHosts = append(p.redirectHosts, strings.ToLower(h))
	}
	for i, h := range config.DropRequestHeaders {
		if !httpguts.ValidHeaderFieldName(h) {
			c.Field(fmt.Sprintf("DropRequestHeaders[%d]", i), h, "must be a header field name")
		}
		p.drop = append(p.drop, http.CanonicalHeaderKey(h))
	}
	if config.AfterTimeout < 0 {
		c.Field("AfterTimeout", config.AfterTimeout, "must not be negative")
	}
	if config.MaxAfter < 0 {
		c.Field("MaxAfter", config.MaxAfter, "must not be negative")
	}
	setDefault(&config.AfterTimeout, defaultAfterTimeout)
	setDefault(&config.MaxAfter, defaultMaxAfter)
	p.upstreams = newUpstreamSet(config.Upstreams, c)
	p.matchers = p.compileMatchers(config, c)
	rules := p.compileRules(Rules{Redirects: config.Redirects, Rewrites: config.Rewrites, Headers: config.Headers}, c)
	if err := c.Err(); err != nil {
		return nil, err
	}
	p.after = newAfterwork(config.MaxAfter, config.AfterTimeout, p.logger)
	p.upstreams.connect(p.logger)
	p.rules.Store(rules)
	return p, nil
}

func (p *Proxy) setBase(config Config, c *invalid.Config) {
	p.basePath = config.BasePath
	if b := p.basePath; b != "" {
		plain := escapeWhere(b, func(c byte) bool { return c != '/' && (!isPchar(c) || strings.IndexByte(":()*+", c) >= 0) }) == b
		if b[0] != '/' || b[len(b)-1] == '/' || strings.Contains(b, "//") || strings.Contains(b+"/", "/./") || strings.Contains(b+"/", "/../") || !plain {
			c.Field("BasePath", b, `must be a plain path such as "/docs", without a slash at its end`)
		}
	}
	if config.BaseURL != "" {
		u, rule := parseTarget(config.BaseURL)
		if rule == "" && u.Path != "" {
			rule = "must have no path: BasePath has it"
		}
		if rule != "" {
			c.Hidden("BaseURL", rule)
			return
		}
		p.baseURL = u.String()
	}
}

// based puts the base path before a source or destination that begins with a slash.
func (p *Proxy) based(path string, noBasePath bool) string {
	switch {
	case noBasePath || p.basePath == "":
		return path
	case path == "/":
		return p.basePath
	}
	return p.basePath + path
}

func (p *Proxy) caseRule() Case {
	if p.caseSensitive {
		return CaseSensitive
	}
	return CaseInsensitive
}

// SetRules replaces all redirects, rewrites and header rules at once: a request sees either the old or the new ones. Where
// the new ones have a mistake, the error names it and the old ones stay. Matchers, Handle and upstreams are not rules.
func (p *Proxy) SetRules(r Rules) error {
	c := &invalid.Config{Package: "proxy"}
	rules := p.compileRules(r, c)
	if err := c.Err(); err != nil {
		return err
	}
	p.rules.Store(rules)
	return nil
}

// Close waits for the work that requests left behind, and closes idle connections to upstreams. When ctx is done before the
// work is, Close cancels the contexts of the work and returns the error of ctx. Call it after [http.Server.Shutdown]. The Proxy still
// serves afterwards; work then runs in its request's goroutine.
func (p *Proxy) Close(ctx context.Context) error {
	defer p.upstreams.closeIdle()
	return p.after.close(ctx)
}

// answerError is the default of Config.OnError.
func (p *Proxy) answerError(w http.ResponseWriter, r *http.Request, err error) {
	p.log(r, err)
	problem.Error(w, r, err)
}

// log writes the line of a request that was refused or failed, if it is let in.
func (p *Proxy) log(r *http.Request, err error) {
	status := refusal.Status(err)
	left, ok := p.lines.Take(status)
	if !ok {
		return
	}
	level := slog.LevelInfo
	if status >= 500 {
		level = slog.LevelError
	}
	attrs := []slog.Attr{slog.Int("status", status), slog.String("method", r.Method), slog.String("path", r.URL.Path), slog.Any("err", err)}
	if id := requestid.From(r.Context()); id != "" {
		attrs = append(attrs, slog.String("request_id", id))
	}
	if left > 0 {
		attrs = append(attrs, slog.Int64("unlogged", left))
	}
	p.logger.LogAttrs(r.Context(), level, "proxy: request refused or failed", attrs...)
}
