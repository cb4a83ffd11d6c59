package proxy

import (
	"fmt"
	"strings"
)

// An Explanation says how a pattern reads, and how it reads one path. String makes it readable.
type Explanation struct {
	Pattern string
	// Parts are the pieces of the pattern in order, in words.
	Parts []string
	// Sensitive says that letters of the other case do not match.
	Sensitive bool
	// Warnings are what [Pattern.Warnings] returns.
	Warnings []string

	Path    string
	Matched bool
	// Params are the parameters of a match.
	Params Params
	// Why says where the path departs from the pattern, when it does.
	Why string
}

// Explain returns how the pattern reads and what it makes of path. It is for people and takes its time.
func (p *Pattern) Explain(path string) Explanation {
	e := Explanation{Pattern: p.text, Sensitive: p.matcher.Sensitive(), Warnings: p.Warnings(), Path: path}
	for _, t := range p.matcher.Tokens() {
		e.Parts = append(e.Parts, t.String())
	}
	if e.Params, e.Matched = p.Match(path); !e.Matched {
		e.Why = p.matcher.Departs(path)
	}
	return e
}

// String returns the explanation in a few lines.
func (e Explanation) String() string {
	var b strings.Builder
	line := func(label, text string) {
		b.WriteString(strings.TrimRight(fmt.Sprintf("%-9s%s", label, text), " ") + "\n")
	}
	line("pattern", e.Pattern)
	for _, part := range e.Parts {
		line("", part)
	}
	if e.Sensitive {
		line("case", "letters match as they are written")
	} else {
		line("case", "letters match in either case")
	}
	for _, w := range e.Warnings {
		line("warning", w)
	}
	line("path", e.Path)
	if !e.Matched {
		line("no match", e.Why)
		return b.String()
	}
	line("matches", "")
	for name, v := range e.Params.All() {
		line("", fmt.Sprintf("%s = %q", name, v))
	}
	return b.String()
}
