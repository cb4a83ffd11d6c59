package proxy

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
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

// mayMatch reports whether there are rules for paths that begin as that of r does.
func (l *ruleList) mayMatch(r *http.Request) bool {
	return len(l.rules) > 0 && len(l.index.candidates(r.URL.Path)) > 0
}

// find finds the first rule from the given one on that matches r, and fills in h.
func (l *ruleList) find(r *http.Request, from int, h *hit) bool {
	path := r.URL.Path
	for _, i := range l.index.candidates(path) {
		if int(i) < from {
			continue
		}
		rule := &l.rules[i]
		params, ok := rule.pattern.matchPath(path)
		if !ok || !rule.conditions.MatchInto(r, &params) {
			continue
		}
		*h = hit{rule: rule, at: int(i), params: params, escaped: escapedParams(rule.pattern, params, r.URL)}
		return true
	}
	return false
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
		e := &p.extra[i]
		e.value, e.values = escapeSegment(e.value), slices.Clone(e.values)
		for k := range e.values {
			e.values[k] = escapeSegment(e.values[k])
		}
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
func (h *hit) expand(rawQuery string) (t Target, query string, err error) {
	asWritten := len(h.dest.query) == 0 && !h.dest.append // the client's query goes along as it is
	if t.Origin = h.dest.origin; !asWritten || h.dest.host != nil {
		if t, err = h.dest.Expand(h.params, rawQuery); err != nil {
			return Target{}, "", err
		}
	}
	path := escapeUnsafe(expandTokens(h.dest.path, h.escaped, func(s string) string { return s }))
	t.Path, t.Fragment, _ = strings.Cut(path, "#")
	if asWritten {
		return t, rawQuery, nil
	}
	return t, t.Query.Encode(), nil
}

func (l *ruleList) build(fold bool) {
	sources := make([]string, len(l.rules))
	for i := range l.rules {
		sources[i] = l.rules[i].pattern.String()
	}
	l.index = newSegmentIndex(sources, fold, false)
}
