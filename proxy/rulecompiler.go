package proxy

import (
	"fmt"
	"net/http"
	"strings"

	"golang.org/x/net/http/httpguts"

	"github.com/gatehouse-go/gatehouse/internal/invalid"
)

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
		if t, ok := compileHeader(rc.c, field+".Key", field+".Value", f, r.params()); ok {
			r.headers = append(r.headers, t)
		}
	}
	return r
}

// compileHeader notes mistakes in c by the names of the two fields.
func compileHeader(c *invalid.Config, key, value string, f HeaderField, params []ParamSpec) (t headerTemplate, ok bool) {
	var err error
	if t.name, err = CompileTemplate(f.Key, params); err != nil {
		c.Field(key, f.Key, err.Error())
		return t, false
	}
	if t.value, err = CompileTemplate(f.Value, params); err != nil {
		c.Field(value, f.Value, err.Error())
		return t, false
	}
	if op := (headerOp{name: f.Key, value: f.Value}); t.name.constant() && !checkHeader(&op) || !httpguts.ValidHeaderFieldValue(f.Value) {
		c.Field(key, f.Key, "must be a header field that can be set, with a valid value")
		return t, false
	}
	return t, true
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
