package proxy

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/gatehouse-go/gatehouse/internal/urlpath"
)

// A Trace says what the rules of a [Proxy] make of one request, rule by rule, in the order in which they are asked.
type Trace []RuleTrace

// A RuleTrace is what one rule makes of a request.
type RuleTrace struct {
	// Rule names the rule as it is written in the configuration, such as "Redirects[2]".
	Rule string
	// Source is its pattern.
	Source string
	// Matched says that its pattern and its conditions match.
	Matched bool
	// Acts says that it also decides: no rule of its kind before it does.
	Acts bool
	// Why says what does not match, without the values that the client sent.
	Why string
	// Params are the parameters of a match.
	Params Params
	// Target is where a matching redirect or rewrite leads.
	Target string
}

// Explain returns what the rules make of r as it arrives. It answers nothing, calls neither Handle nor the wrapped handler, and so
// follows no rewrite to the rules that come after it. It is for people and takes its time.
func (p *Proxy) Explain(r *http.Request) Trace {
	if err := urlpath.Check(r.URL); err != nil {
		return Trace{{Rule: "path", Matched: true, Acts: true, Why: err.Error()}}
	}
	var t Trace
	if path := p.slash.canonical(r.URL); path != "" {
		t = append(t, RuleTrace{Rule: "TrailingSlash", Matched: true, Acts: true, Target: path})
	}
	rules := p.rules.Load()
	t.add("Headers", &rules.headers, r, true)
	t.add("Redirects", &rules.redirects, r, false)
	t.add("Matchers", &ruleList{rules: p.matchers.rules}, r, false)
	t.add("Rewrites.Before", &rules.before, r, true)
	t.add("Rewrites.After", &rules.after, r, true)
	t.add("Rewrites.Fallback", &rules.fallback, r, true)
	return t
}

// add asks each rule of a list. All of those that match act, or only the first.
func (t *Trace) add(name string, l *ruleList, r *http.Request, all bool) {
	acted := false
	for i := range l.rules {
		rule := &l.rules[i]
		one := RuleTrace{Rule: fmt.Sprintf("%s[%d]", name, i), Source: rule.pattern.String()}
		params, ok := rule.pattern.matchPath(r.URL.Path)
		switch {
		case !ok:
			one.Why = rule.pattern.matcher.Departs(r.URL.Path)
		case !rule.conditions.MatchInto(r, &params):
			one.Why = rule.conditions.fails(r)
		default:
			one.Matched, one.Params = true, params
			one.Acts = all || !acted
			acted = true
			if rule.dest != nil {
				h := hit{rule: rule, params: params, escaped: escapedParams(rule.pattern, params, r.URL)}
				target, query, err := h.expand(r.URL.RawQuery)
				if one.Target = target.location(query); err != nil {
					one.Target, one.Why = "", err.Error()
				}
			}
		}
		*t = append(*t, one)
	}
}

// fails says which condition does not hold for r.
func (c *Conditions) fails(r *http.Request) string {
	for i := range c.has {
		if !c.has[i].match(r, nil) {
			return fmt.Sprintf("Has[%d]: the request has no such %s", i, c.has[i].describe())
		}
	}
	for i := range c.missing {
		if c.missing[i].match(r, nil) {
			return fmt.Sprintf("Missing[%d]: the request has such a %s", i, c.missing[i].describe())
		}
	}
	return "the conditions do not hold"
}

// describe names what the condition looks at, not what it wants there.
func (c *condition) describe() string { return strings.TrimSpace(c.kind + " " + c.key) }

// String returns the trace, one rule a line.
func (t Trace) String() string {
	var b strings.Builder
	for _, one := range t {
		mark := "-"
		switch {
		case one.Acts:
			mark = ">"
		case one.Matched:
			mark = "="
		}
		fmt.Fprintf(&b, "%s %-20s %-30s %s\n", mark, one.Rule, one.Source, one.text())
	}
	return b.String()
}

// text is what the rule makes of the request, in words.
func (one *RuleTrace) text() string {
	if !one.Matched {
		return one.Why
	}
	var b strings.Builder
	b.WriteString(strings.TrimSpace("matches " + one.Why))
	for name, v := range one.Params.All() {
		fmt.Fprintf(&b, " %s=%q", name, v)
	}
	if one.Target != "" {
		b.WriteString(", leads to " + one.Target)
	}
	return b.String()
}
