package jsregexp

import "strings"

// An Exclusion is one way in which an expression says at its beginning how a text must not go on.
type Exclusion struct {
	// Text is how it must not begin, or with Anywhere what it must not hold. A unit that is not one character is a ".".
	Text string
	// Open says that anything can come after Text, and no slash or end has to.
	Open bool
	// Anywhere says that any text can come before Text, and Open that any can come after.
	Anywhere bool
	// Dotted says that a bare dot stands between characters, where it stands for any of them.
	Dotted bool
}

// Exclusions returns what the negative lookaheads at the beginning of expr exclude, as far as it can be said.
func Exclusions(expr string) []Exclusion {
	n, _, err := parse(expr, false)
	if err != nil || n.kind != nodeConcat {
		return nil
	}
	var out []Exclusion
	for _, look := range n.subs {
		if look.kind != nodeLook || !look.negated {
			break
		}
		for _, l := range expand([]linear{{}}, look.subs[0]) {
			e := Exclusion{Anywhere: l.gap != nil}
			text := l.head
			if e.Anywhere {
				text = l.units
			}
			e.Text, e.Dotted = textOf(text)
			e.Open = !l.end && len(l.not) == 0 && !strings.HasSuffix(e.Text, "/")
			out = append(out, e)
		}
	}
	return out
}

func textOf(units []*set) (text string, dotted bool) {
	var b strings.Builder
	for i, s := range units {
		if c, ok := s.single(); ok {
			b.WriteByte(c)
			continue
		}
		b.WriteByte('.')
		dotted = dotted || i > 0 && i < len(units)-1 && s.has('.') && s.has('a') && s.has('/')
	}
	return b.String(), dotted
}
