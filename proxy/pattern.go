package proxy

import (
	"errors"
	"fmt"
	"slices"

	"github.com/gatehouse-go/gatehouse/proxy/internal/pathexp"
)

// A Pattern is a compiled path pattern. It is immutable and safe for concurrent use.
type Pattern struct {
	text    string
	keys    []key
	matcher *pathexp.Matcher
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

// Error names the pattern, the place in it and the rule.
func (e *PatternError) Error() string {
	return fmt.Sprintf("proxy: pattern %q at %d: %s", e.Pattern, e.Pos, e.Rule)
}

func newPatternError(pattern string, err error) *PatternError {
	if at, ok := errors.AsType[*pathexp.Error](err); ok {
		return &PatternError{Pattern: pattern, Pos: at.Pos, Rule: at.Rule}
	}
	return &PatternError{Pattern: pattern, Rule: err.Error()}
}

func newPattern(pattern string, m *pathexp.Matcher, reading Reading) *Pattern {
	p := &Pattern{text: pattern, matcher: m}
	for _, t := range m.Params {
		k := key{name: t.Name, repeated: t.Repeats(), optional: t.Optional(), separator: t.Separator()}
		switch reading {
		case ReadingSource:
			k.hidden = t.Unnamed || slices.ContainsFunc(m.Params, func(other pathexp.Token) bool { return other.Unnamed && other.Name == t.Name })
		case ReadingMatcher:
			k.hidden = t.Unnamed || t.Name == "nextData" || t.Name == "nextInternalLocale"
		default:
		}
		p.keys = append(p.keys, k)
	}
	return p
}

// String returns the pattern as it was given.
func (p *Pattern) String() string { return p.text }

// Match reports whether the pattern matches path, and the parameters it finds there. It takes the path as it is given:
// neither decoded nor cleaned.
func (p *Pattern) Match(path string) (Params, bool) {
	ps := Params{path: path, pattern: p}
	return ps, p.match(&ps)
}

// match fills in the spans of ps, which has its path and pattern.
func (p *Pattern) match(ps *Params) bool {
	var inline [2 * inlineKeys]int
	spans := inline[:]
	if len(p.keys) > inlineKeys {
		spans = make([]int, 2*len(p.keys))
	}
	spans = spans[:2*len(p.keys)]
	if !p.matcher.Match(ps.path, spans) {
		*ps = Params{}
		return false
	}
	for i := range p.keys {
		ps.set(i, spans[2*i], spans[2*i+1])
	}
	return true
}

// Matches reports whether the pattern matches path. It is Match for those who want no parameters, and the quickest.
func (p *Pattern) Matches(path string) bool { return p.matcher.Match(path, nil) }

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
