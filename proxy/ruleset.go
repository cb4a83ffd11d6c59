package proxy

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/net/http/httpguts"

	"github.com/gatehouse-go/gatehouse/internal/invalid"
)

// A ruleset is Rules in working order. It is immutable: SetRules replaces it whole, so a request sees one set only.
type ruleset struct {
	headers, redirects      ruleList
	before, after, fallback ruleList
}

// A ruleList is rules of one kind in the order in which they are tried, with an index by the first segment of the path.
type ruleList struct {
	rules []rule
	index segmentIndex
}

// rule is a source and what happens on a match of it.
type rule struct {
	pattern    *Pattern
	conditions *Conditions
	dest       *Destination     // of redirects and rewrites
	status     int              // of redirects
	upstream   *upstream        // of rewrites to a fixed host; nil where a parameter chooses among the upstreams
	upgrade    bool             // of rewrites
	headers    []headerTemplate // of header rules
}

type headerTemplate struct{ name, value *Template }

// hit is a match of a rule.
type hit struct {
	*rule
	at int // index of the rule
	// params are decoded.
	params Params
	// escaped are the same in the form in which the client wrote them, for paths; those of conditions are escaped here.
	escaped Params
}

// find returns the first rule from the given one on that matches r.
func (l *ruleList) find(r *http.Request, from int) (hit, bool) {
	if from >= len(l.rules) {
		return hit{}, false
	}
	odd := isOdd(r.URL.Path)
	for _, i := range l.index.candidates(r.URL.Path) {
		if int(i) < from {
			continue
		}
		rule := &l.rules[i]
		params, ok := rule.pattern.matchPath(r.URL.Path, odd)
		if !ok || !rule.conditions.MatchInto(r, &params) {
			continue
		}
		return hit{rule: rule, at: int(i), params: params, escaped: escapedParams(rule.pattern, params, r.URL)}, true
	}
	return hit{}, false
}

// escapedParams returns params in escaped form. Rules match the decoded path, the one that a mux sees. Where the client's encoding
// differs from it, the values are taken from a second match of the path as it was written; they are used only if they
// decode to the same, and encoded anew otherwise.
func escapedParams(p *Pattern, params Params, u *url.URL) Params {
	raw := u.EscapedPath()
	if raw == u.Path {
		return params.withExtraEscaped(params)
	}
	if again, ok := p.Match(raw); ok && sameValues(p, again, params) {
		return again.withExtraEscaped(params)
	}
	return params.mapValues(escapeSegment)
}

// withExtraEscaped returns p with the parameters of other that are no parts of the path, which can hold anything.
func (p Params) withExtraEscaped(other Params) Params {
	if len(other.extra) == 0 {
		return p
	}
	p.extra = slices.Clone(other.extra)
	for i := range p.extra {
		p.extra[i].value = escapeSegment(p.extra[i].value)
	}
	return p
}

func sameValues(p *Pattern, escaped, decoded Params) bool {
	for _, spec := range p.Params() {
		if !slices.EqualFunc(escaped.Values(spec.Name), decoded.Values(spec.Name), func(e, d string) bool {
			one, err := url.PathUnescape(e)
			return err == nil && one == d
		}) {
			return false
		}
	}
	return true
}

// escapeSegment escapes what cannot stand in a path segment for itself (RFC 3986, section 3.3).
func escapeSegment(s string) string { return escapeWhere(s, func(c byte) bool { return !isPchar(c) }) }

func escapeWhere(s string, unsafe func(byte) bool) string {
	const hex = "0123456789ABCDEF"
	n := 0
	for i := range len(s) {
		if unsafe(s[i]) {
			n++
		}
	}
	if n == 0 {
		return s
	}
	b := make([]byte, 0, len(s)+2*n)
	for i := range len(s) {
		if c := s[i]; unsafe(c) {
			b = append(b, '%', hex[c>>4], hex[c&15])
		} else {
			b = append(b, c)
		}
	}
	return string(b)
}

// escapeUnsafe escapes what a URL cannot hold at all, and leaves what is escaped already.
func escapeUnsafe(s string) string {
	return escapeWhere(s, func(c byte) bool { return c <= ' ' || c >= 0x7f || strings.IndexByte("\"<>\\^`{|}", c) >= 0 })
}

func isPchar(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-._~!$&'()*+,;=:@", c) >= 0
}

// expand returns where the hit leads. rawQuery is the request's.
func (h *hit) expand(rawQuery string) (Target, string, error) {
	t, err := h.dest.Expand(h.params, rawQuery)
	if err != nil {
		return Target{}, "", err
	}
	path := escapeUnsafe(expandTokens(h.dest.path, h.escaped, func(s string) string { return s }))
	t.Path, t.Fragment, _ = strings.Cut(path, "#")
	if len(h.dest.query) == 0 && !h.dest.append {
		return t, rawQuery, nil // as the client wrote it
	}
	return t, t.Query.Encode(), nil
}

// compileRules notes every mistake in c; what it returns is used only where there is none.
func (p *Proxy) compileRules(r Rules, c *invalid.Config) *ruleset {
	s := &ruleset{}
	rc := ruleCompiler{p: p, c: c}
	for i, h := range r.Headers {
		s.headers.rules = append(s.headers.rules, rc.header(fmt.Sprintf("Headers[%d]", i), h))
	}
	for i, d := range r.Redirects {
		s.redirects.rules = append(s.redirects.rules, rc.redirect(fmt.Sprintf("Redirects[%d]", i), d))
	}
	for _, phase := range []struct {
		name string
		from []RewriteRule
		to   *ruleList
	}{{"Before", r.Rewrites.Before, &s.before}, {"After", r.Rewrites.After, &s.after}, {"Fallback", r.Rewrites.Fallback, &s.fallback}} {
		if phase.name != "Before" && len(phase.from) > 0 && p.routes == nil {
			c.Hidden("Rewrites."+phase.name, "needs Routes, to know which routes the wrapped handler has")
		}
		for i, w := range phase.from {
			phase.to.rules = append(phase.to.rules, rc.rewrite(fmt.Sprintf("Rewrites.%s[%d]", phase.name, i), w))
		}
	}
	if c.Err() == nil {
		s.redirects.refuseCircles(c)
		for _, l := range []*ruleList{&s.headers, &s.redirects, &s.before, &s.after, &s.fallback} {
			l.build(!p.caseSensitive)
		}
	}
	return s
}

func (l *ruleList) build(fold bool) {
	sources := make([]string, len(l.rules))
	for i := range l.rules {
		sources[i] = l.rules[i].pattern.String()
	}
	l.index = newSegmentIndex(sources, fold, false)
}

// ruleCompiler compiles rules for p, and notes mistakes by the field they are in.
type ruleCompiler struct {
	p *Proxy
	c *invalid.Config
}

func (rc ruleCompiler) source(field, source string, noBasePath bool, has, missing []Condition) rule {
	r := rule{}
	var err error
	o := PatternOptions{Reading: ReadingSource, Case: rc.p.caseRule()}
	if !strings.HasPrefix(source, "/") {
		rc.c.Field(field+".Source", source, "must begin with a slash")
	}
	if r.pattern, err = o.Compile(rc.p.based(source, noBasePath)); err != nil {
		rc.c.Field(field+".Source", source, err.Error())
	}
	if r.conditions, err = CompileConditions(has, missing); err != nil {
		rc.c.Hidden(field, err.Error())
	}
	return r
}

func (r *rule) params() []ParamSpec {
	if r.pattern == nil {
		return nil
	}
	return append(r.pattern.Params(), r.conditions.Params()...)
}

func (rc ruleCompiler) destination(field, text string, noBasePath bool, r *rule, o DestinationOptions) {
	if r.pattern == nil {
		return // the parameters are not known
	}
	if strings.HasPrefix(text, "/") {
		text = rc.p.based(text, noBasePath)
	}
	o.Params = r.params()
	var err error
	if r.dest, err = CompileDestination(text, o); err != nil {
		rc.c.Field(field+".Destination", text, err.Error())
	}
}

func (rc ruleCompiler) redirect(field string, d RedirectRule) rule {
	r := rc.source(field, d.Source, d.NoBasePath, d.Has, d.Missing)
	rc.destination(field, d.Destination, d.NoBasePath, &r, DestinationOptions{Hosts: rc.p.redirectHosts})
	switch r.status = d.Status; d.Status {
	case 0:
		r.status = http.StatusTemporaryRedirect
		if d.Permanent {
			r.status = http.StatusPermanentRedirect
		}
	case 301, 302, 303, 307, 308:
	default:
		rc.c.Field(field+".Status", d.Status, "must be 301, 302, 303, 307 or 308")
	}
	return r
}

func (rc ruleCompiler) rewrite(field string, w RewriteRule) rule {
	r := rc.source(field, w.Source, w.NoBasePath, w.Has, w.Missing)
	r.upgrade = w.Upgrade
	// A parameter in the host can lead to the configured upstreams only: they are the allow-list.
	rc.destination(field, w.Destination, w.NoBasePath, &r, DestinationOptions{AppendParams: true, InsecureAnyHost: true})
	if r.dest == nil {
		return r
	}
	if r.dest.External() && r.dest.host == nil {
		if r.upstream = rc.p.upstreams.find(r.dest.origin); r.upstream == nil {
			rc.c.Field(field+".Destination", w.Destination, "must lead to one of Upstreams, by its name or by the origin of a target")
		}
	}
	if !r.dest.External() && w.Upgrade {
		rc.c.Field(field+".Upgrade", w.Upgrade, "must not be set on a rewrite within the wrapped handler, which decides for itself")
	}
	return r
}

func (rc ruleCompiler) header(field string, h HeaderRule) rule {
	r := rc.source(field, h.Source, h.NoBasePath, h.Has, h.Missing)
	if len(h.Headers) == 0 {
		rc.c.Hidden(field+".Headers", "must not be empty")
	}
	if r.pattern == nil {
		return r
	}
	for i, f := range h.Headers {
		field := fmt.Sprintf("%s.Headers[%d]", field, i)
		name, err := CompileTemplate(f.Key, r.params())
		if err != nil {
			rc.c.Field(field+".Key", f.Key, err.Error())
			continue
		}
		value, err := CompileTemplate(f.Value, r.params())
		if err != nil {
			rc.c.Field(field+".Value", f.Value, err.Error())
			continue
		}
		if op := (headerOp{name: f.Key, value: f.Value}); name.constant() && !checkHeader(&op) || !httpguts.ValidHeaderFieldValue(f.Value) {
			rc.c.Field(field+".Key", f.Key, "must be a header field that can be set, with a valid value")
		}
		r.headers = append(r.headers, headerTemplate{name, value})
	}
	return r
}

func (t *Template) constant() bool {
	for _, token := range t.tokens {
		if token.Param {
			return false
		}
	}
	return true
}

// refuseCircles finds redirects that lead back to where they began whatever the request: those between fixed paths without conditions.
func (l *ruleList) refuseCircles(c *invalid.Config) {
	next := func(path string) (string, bool) {
		for i := range l.rules {
			r := &l.rules[i]
			if r.conditions.empty() && !r.dest.External() && !usesAny(r.dest.path, r.params()) {
				if _, ok := r.pattern.Match(path); ok {
					t, err := r.dest.Expand(Params{}, "")
					return t.Path, err == nil
				}
			}
		}
		return "", false
	}
	for i := range l.rules {
		r := &l.rules[i]
		if !r.conditions.empty() || r.dest.External() || usesAny(r.dest.path, r.params()) {
			continue
		}
		t, err := r.dest.Expand(Params{}, "")
		if err != nil {
			continue
		}
		seen := map[string]bool{}
		path := t.Path
		for ok := true; ok; path, ok = next(path) {
			if seen[path] {
				c.Field(fmt.Sprintf("Redirects[%d].Destination", i), r.dest.String(), "must not lead back to itself")
				break
			}
			seen[path] = true
		}
	}
}

func (c *Conditions) empty() bool { return c == nil || len(c.has) == 0 && len(c.missing) == 0 }
