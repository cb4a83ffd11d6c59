package pathexp

import (
	"errors"
	"fmt"
	"sort"
	"strings"

	"github.com/gatehouse-go/gatehouse/proxy/internal/jsregexp"
)

// A Matcher is a compiled pattern. It is safe for concurrent use.
type Matcher struct {
	// Params are the parameters, by capture group.
	Params []Token

	re     *jsregexp.Regexp
	plan   *plan   // the quick way, where the pattern has one
	tokens []Token // of the given pattern, without those around it
	o      Options
}

// Compile reads pattern by the options. Its errors are *[Error], with positions in pattern.
func Compile(pattern string, o Options) (*Matcher, error) {
	m, err := compile(pattern, o)
	if at, ok := errors.AsType[*Error](err); ok {
		// What is wrong with the pattern by itself is said of it, not of how it reads with what stands behind it.
		if _, err := Parse(pattern, o.Delimiters); errors.As(err, &at) {
			return nil, at
		}
		return nil, &Error{min(max(at.Pos-len(o.Before), 0), len(pattern)), at.Rule}
	}
	return m, err
}

func compile(pattern string, o Options) (*Matcher, error) {
	if o.Omit {
		pattern = ""
	}
	whole := o.Before + pattern + o.After
	if len(whole) > maxPattern {
		return nil, &Error{0, fmt.Sprintf("a pattern is longer than %d bytes", maxPattern)}
	}
	tokens, err := Parse(whole, o.Delimiters)
	if err != nil {
		return nil, err
	}
	src, err := Build(tokens, o)
	if err != nil {
		return nil, err
	}
	re, err := jsregexp.Compile(src.Expr(), !o.Sensitive)
	if at, ok := errors.AsType[*jsregexp.Error](err); ok {
		return nil, &Error{src.pos(at.Pos), at.Rule}
	}
	if names := re.Names(); len(names) != len(src.Params) {
		return nil, &Error{0, "a group with a name (?<...>) is not allowed, nor a class [...] that is not closed in its group"}
	}
	m := &Matcher{Params: src.Params, re: re, o: o}
	from, to := len(o.Before), len(o.Before)+len(pattern)
	m.plan = newPlan(tokens, from, to, o)
	for _, t := range tokens {
		if t.Pos >= from && t.Pos < to {
			m.tokens = append(m.tokens, t)
		}
	}
	return m, nil
}

// Match reports whether the pattern matches path, and fills spans with the beginning and end of each parameter in bytes,
// -1 for one that took no part.
func (m *Matcher) Match(path string, spans []int) bool {
	if m.plan != nil {
		if matched, decided := m.plan.match(path, spans); decided {
			return matched
		}
	}
	return m.re.Match(path, spans)
}

// Steps returns how many instructions the slow way takes for path.
func (m *Matcher) Steps(path string) (matched bool, steps int) { return m.re.Steps(path) }

// Quick says whether the pattern has a quick way: a segment program or exclusion table.
func (m *Matcher) Quick() bool { return m.plan != nil }

// Tokens returns the tokens of the pattern.
func (m *Matcher) Tokens() []Token { return m.tokens }

// Sensitive says whether letters of the other case do not match.
func (m *Matcher) Sensitive() bool { return m.o.Sensitive }

// Departs says in words where path, which the pattern does not match, departs from it.
func (m *Matcher) Departs(path string) string {
	for _, prefix := range m.o.Excluded {
		if len(path) >= len(prefix) && strings.EqualFold(path[:len(prefix)], prefix) {
			return fmt.Sprintf("paths that begin with %q are excluded", prefix)
		}
	}
	// A path that begins with what k tokens match begins with what fewer match.
	k := sort.Search(len(m.tokens), func(k int) bool { return !m.matchesFirst(k+1, path) })
	if k == len(m.tokens) {
		return "the path goes on where the pattern has ended"
	}
	return "the path has no " + m.tokens[k].String()
}

// matchesFirst says whether path begins with what the first k tokens match.
func (m *Matcher) matchesFirst(k int, path string) bool {
	s := new(Source)
	s.add("^", 0)
	if s.addTokens(m.tokens[:k], m.o) != nil {
		return false
	}
	re, err := jsregexp.Compile(s.Expr(), !m.o.Sensitive)
	return err == nil && re.Match(path, nil)
}
