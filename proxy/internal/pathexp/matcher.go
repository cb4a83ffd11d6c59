package pathexp

import (
	"errors"
	"fmt"

	"github.com/gatehouse-go/gatehouse/proxy/internal/jsregexp"
)

// A Matcher is a compiled pattern. It is safe for concurrent use.
type Matcher struct {
	// Params are the parameters, by capture group.
	Params []Token

	re   *jsregexp.Regexp
	plan *plan // the quick way, where the pattern has one
}

// Compile reads pattern by the options. Its errors are *[Error], with positions in pattern.
func Compile(pattern string, o Options) (*Matcher, error) {
	m, err := compile(pattern, o)
	var at *Error
	if errors.As(err, &at) {
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
	re, err := jsregexp.Compile(src.Expr, !o.Sensitive)
	var at *jsregexp.Error
	switch {
	case errors.As(err, &at):
		return nil, &Error{src.pos(at.Pos), at.Rule}
	case err != nil:
		return nil, err
	}
	if names := re.Names(); len(names) != len(src.Params) {
		return nil, &Error{0, "a group with a name (?<...>) is not allowed, nor a class [...] that is not closed in its group"}
	}
	return &Matcher{Params: src.Params, re: re, plan: newPlan(tokens, len(o.Before), len(o.Before)+len(pattern), o)}, nil
}

// Match reports whether the pattern matches path, and fills spans with the beginning and end of each parameter in bytes,
// -1 for one that took no part.
func (m *Matcher) Match(path string, spans []int32) bool {
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
