package proxy

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/gatehouse-go/gatehouse/internal/refusal"
	"github.com/gatehouse-go/gatehouse/internal/reqcopy"
	"github.com/gatehouse-go/gatehouse/internal/respwriter"
	"github.com/gatehouse-go/gatehouse/internal/urlpath"
)

// maxRewrites bounds how often one request is rewritten within the wrapped handler.
const maxRewrites = 16

// Wrap returns a handler that applies the rules and passes on to next what they leave. One Proxy can wrap several handlers, and
// several can wrap one another.
func (p *Proxy) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := urlpath.Check(r.URL); err != nil {
			p.onError(w, r, err)
			return
		}
		if r.URL.Path == "*" {
			if r.Method != http.MethodOptions {
				p.onError(w, r, urlpath.ErrRelative)
				return
			}
			next.ServeHTTP(w, r) // OPTIONS * is about the server and not about a path (RFC 9110, section 9.3.7)
			return
		}
		if path := p.slash.canonical(r.URL); path != "" {
			p.redirect(w, path+querySuffix(r.URL.RawQuery), http.StatusPermanentRedirect)
			return
		}
		p.serve(w, r, next)
	})
}

func querySuffix(raw string) string {
	if raw == "" {
		return ""
	}
	return "?" + raw
}

// clean takes from the request what must not steer anything: the origin in an absolute-form target (RFC 9112, section
// 3.2.2), and the fields to drop.
func (p *Proxy) clean(r *http.Request) *http.Request {
	if r.URL.Host != "" || r.URL.Scheme != "" || r.URL.User != nil {
		r = withURL(r, &url.URL{Path: r.URL.Path, RawPath: r.URL.RawPath, RawQuery: r.URL.RawQuery, ForceQuery: r.URL.ForceQuery})
	}
	for _, name := range p.drop {
		if r.Header[name] != nil {
			copied := *r
			copied.Header = r.Header.Clone()
			for _, name := range p.drop {
				delete(copied.Header, name)
			}
			return &copied
		}
	}
	return r
}

// withURL returns a shallow copy of r for another URL.
func withURL(r *http.Request, u *url.URL) *http.Request {
	copied := *r
	copied.URL = u
	return &copied
}

// exchange is one request on its way through the rules.
type exchange struct {
	p        *Proxy
	w        http.ResponseWriter
	outer    *http.Request // as it came
	r        *http.Request // as rewritten so far
	next     http.Handler
	final    *overlay
	request  []headerOp // what Handle set for the request
	rewrites int
	after    []func(context.Context)
	private  bool // r is a copy that nobody else has
	cloned   bool // r.Header is a copy of our own
}

// own makes r a copy that may be changed.
func (e *exchange) own() {
	if !e.private {
		copied := *e.r
		e.r, e.private = &copied, true
	}
}

func (p *Proxy) serve(w http.ResponseWriter, r *http.Request, next http.Handler) {
	rules := p.rules.Load()
	e := exchange{p: p, w: w, outer: r, r: p.clean(r), next: next}
	if len(rules.headers.rules) > 0 && !e.noteHeaders(&rules.headers) {
		return
	}
	if len(rules.redirects.rules) > 0 && !e.redirect(&rules.redirects) {
		return
	}
	if p.handle != nil {
		defer func() { p.after.run(r.Context(), e.after) }() // also when the wrapped handler panics
		if !e.guard() {
			return
		}
	}
	if (len(rules.before.rules) == 0 || e.rewrite(&rules.before, nil)) && (p.routes == nil || e.rewriteAround(rules)) {
		e.pass()
	}
}

// rewriteAround applies the rules that come after those of the wrapped handler's routes that they do not replace. It
// reports whether the request is still to be served.
func (e *exchange) rewriteAround(rules *ruleset) bool {
	// To ask the index of rules is quicker than to ask for a route.
	if rules.after.mayMatch(e.r) && !hasFixedRoute(e.p.routes, e.r) && !e.rewrite(&rules.after, hasFixedRoute) {
		return false
	}
	return !rules.fallback.mayMatch(e.r) || hasRoute(e.p.routes, e.r) || e.rewrite(&rules.fallback, hasRoute)
}

// pass calls the wrapped handler.
func (e *exchange) pass() {
	defer reqcopy.HandBack(e.outer, e.r)
	if e.final == nil {
		e.next.ServeHTTP(e.w, e.r)
		return
	}
	w := respwriter.New(e.w)
	final, h := e.final, e.w.Header()
	w.BeforeHeader = func(status int) int {
		final.apply(h)
		return status
	}
	e.next.ServeHTTP(w, e.r)
	if w.Status() == 0 && !w.Hijacked() { // a handler that wrote nothing: net/http answers 200 without asking
		w.WriteHeader(http.StatusOK)
	}
}

// fail answers with an error, and with what rules and Handle set for the answer.
func (e *exchange) fail(err error) {
	e.final.apply(e.w.Header())
	e.p.onError(e.w, e.r, err)
}

// noteHeaders collects what the header rules set for the answer. It reports whether the request goes on.
func (e *exchange) noteHeaders(l *ruleList) bool {
	var h hit
	for at := 0; ; at++ {
		if !l.find(e.r, at, &h) {
			return true
		}
		at = h.at
		if e.final == nil {
			e.final = new(overlay)
		}
		for _, t := range h.headers {
			op := headerOp{name: t.name.Expand(h.escaped), value: t.value.Expand(h.escaped)}
			op.add = strings.EqualFold(op.name, "Set-Cookie") // beside the cookies of others
			if !checkHeader(&op) {
				e.final = nil
				e.p.onError(e.w, e.r, ErrHeader)
				return false
			}
			e.final.ops = append(e.final.ops, op)
		}
	}
}

// redirect answers by the first redirect rule that matches. It reports whether the request goes on.
func (e *exchange) redirect(l *ruleList) bool {
	var h hit
	if !l.find(e.r, 0, &h) {
		return true
	}
	t, query, err := h.expand(e.r.URL.RawQuery)
	if err != nil {
		e.fail(err)
		return false
	}
	e.final.apply(e.w.Header())
	e.p.redirect(e.w, t.location(query), h.status)
	return false
}

// location returns the target as a Location, with a query that is escaped already.
func (t Target) location(query string) string {
	path := t.Path
	if t.Origin == "" {
		path = "/" + strings.TrimLeft(path, `/\`)
	}
	s := t.Origin + path + querySuffix(query)
	if t.Fragment != "" {
		s += "#" + t.Fragment
	}
	return s
}

// rewrite applies the rules of l in order. After each that leads to another path of the wrapped handler it asks the guard
// again, and it ends early where done says that the handler has the path. It reports whether the request is still to be served.
func (e *exchange) rewrite(l *ruleList, done func(Routes, *http.Request) bool) bool {
	var h hit
	for at := 0; ; at++ {
		if !l.find(e.r, at, &h) {
			return true
		}
		at = h.at
		t, query, err := h.expand(e.r.URL.RawQuery)
		if err != nil {
			e.fail(err)
			return false
		}
		if h.dest.External() {
			up := h.upstream
			if up == nil { // a parameter chose the host
				if up = e.p.upstreams.find(t.Origin); up == nil {
					e.fail(ErrHost)
					return false
				}
			}
			e.forward(up, t.Path, query, h.upgrade)
			return false
		}
		if err := e.to(t.Path, query); err != nil {
			e.fail(err)
			return false
		}
		if e.p.handle != nil && !e.guard() {
			return false
		}
		if done != nil && done(e.p.routes, e.r) {
			return true
		}
	}
}

// to rewrites the request to another escaped path of the wrapped handler.
func (e *exchange) to(path, query string) error {
	if e.rewrites++; e.rewrites > maxRewrites {
		return ErrLoop
	}
	u, err := parsePath(path, query)
	if err != nil {
		return err
	}
	e.own()
	e.r.URL = u
	if e.r.MultipartForm == nil { // a form that was parsed before has the query of before; what is in it from the body stays in PostForm
		e.r.Form = nil
	}
	return nil
}

var errNotCanonical = refusal.New(http.StatusBadRequest, "proxy: path of a rewrite is not canonical")

// parsePath reads an escaped path, with the same care as that of a request: parameters that are no parts of a path can
// have put anything into it.
func parsePath(path, query string) (*url.URL, error) {
	decoded, err := url.PathUnescape(path)
	if err != nil {
		return nil, errNotCanonical
	}
	u := &url.URL{Path: decoded, RawQuery: query}
	if u.EscapedPath() != path {
		u.RawPath = path
	}
	if err := urlpath.Check(u); err != nil {
		return nil, err
	}
	if decoded == "*" || strings.Contains(decoded, "//") {
		return nil, errNotCanonical
	}
	return u, nil
}

func (e *exchange) forward(up *upstream, path, query string, upgrade bool) {
	if path == "" {
		path = "/"
	}
	u, err := parsePath(path, query)
	if err != nil {
		e.fail(err)
		return
	}
	up.forward(e, destination{path: u.Path, rawPath: u.RawPath, query: u.RawQuery, upgrade: upgrade})
}
