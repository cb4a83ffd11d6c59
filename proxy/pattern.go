package proxy

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/gatehouse-go/gatehouse/proxy/internal/pathexp"
)

// A Pattern is a compiled path pattern. It is immutable and safe for concurrent use.
type Pattern struct {
	text string
	keys []key
	re   *regexp.Regexp
	skip []string
}

// Compile reads pattern as the matcher of Next.js's proxy.ts does ([ReadingMatcher]): named parameters (/blog/:slug),
// modifiers (/docs/:path*), {groups} and (regular expressions) with JavaScript's meaning, lookahead included.
// Use [PatternOptions] for the other readings.
//
// The error is a *[PatternError] and names the pattern, the position and the rule it breaks.
func Compile(pattern string) (*Pattern, error) { return PatternOptions{}.Compile(pattern) }

// A PatternError says why a pattern was refused.
type PatternError struct {
	Pattern string // as given
	Pos     int    // byte offset in Pattern
	Rule    string // the rule that is broken
}

func (e *PatternError) Error() string {
	return fmt.Sprintf("proxy: pattern %q at %d: %s", e.Pattern, e.Pos, e.Rule)
}

// newPatternError turns a position in the extended pattern into one in the pattern as given.
func newPatternError(pattern string, shift int, err error) *PatternError {
	e := &PatternError{Pattern: pattern, Rule: err.Error()}
	var at *pathexp.Error
	if errors.As(err, &at) {
		e.Rule, e.Pos = at.Rule, min(max(at.Pos-shift, 0), len(pattern))
	}
	return e
}

// newPattern compiles the expression of a pattern.
func newPattern(pattern string, src *pathexp.Source, o PatternOptions) (*Pattern, error) {
	p := &Pattern{text: pattern, skip: o.Excluded}
	for _, t := range src.Params {
		k := key{name: t.Name, repeated: t.Repeats(), optional: t.Optional(), separator: t.Separator()}
		switch o.Reading {
		case ReadingSource:
			k.hidden = t.Unnamed
		case ReadingMatcher:
			k.hidden = t.Unnamed || t.Name == "nextData" || t.Name == "nextInternalLocale"
		}
		p.keys = append(p.keys, k)
	}
	expr := src.Expr
	if o.Reading == ReadingSource {
		expr = strings.TrimSuffix(expr, "$") + `(?:\/)?$`
	}
	if o.Case == CaseInsensitive || o.Case == CaseOfReading && o.Reading != ReadingMatcher {
		expr = "(?i)" + expr
	}
	re, err := regexp.Compile(expr)
	if err != nil {
		return nil, &pathexp.Error{Rule: err.Error()}
	}
	p.re = re
	return p, nil
}

// String returns the pattern as it was given.
func (p *Pattern) String() string { return p.text }

// Match reports whether the pattern matches path, and the parameters it finds there. It takes the path as it is given:
// neither decoded nor cleaned.
func (p *Pattern) Match(path string) (Params, bool) {
	for _, s := range p.skip {
		if strings.HasPrefix(path, s) {
			return Params{}, false
		}
	}
	m := p.re.FindStringSubmatchIndex(path)
	if m == nil {
		return Params{}, false
	}
	ps := Params{path: path, keys: p.keys}
	for i := range p.keys {
		from, to := m[2*i+2], m[2*i+3]
		ps.set(i, from, to)
	}
	return ps, true
}

// Params returns the parameters that a match of the pattern can give.
func (p *Pattern) Params() []ParamSpec {
	var out []ParamSpec
	for _, k := range p.keys {
		if !k.hidden {
			out = append(out, ParamSpec{Name: k.name, Repeated: k.repeated, Optional: k.optional})
		}
	}
	return out
}
