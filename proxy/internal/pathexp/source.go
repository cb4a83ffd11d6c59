package pathexp

import "strings"

// maxPattern bounds a pattern, as Next.js does, so that compiling one is bounded too.
const maxPattern = 4096

// Options says how a pattern is turned into an expression.
type Options struct {
	// Before and After are patterns that stand around the one given. Errors count positions from the given one.
	Before, After string
	// Around says which paths may need Before and After. Nil says nothing.
	Around *Around
	// Omit leaves the given pattern out, so that Before and After stand alone.
	Omit bool
	// Delimiters end a parameter without a group of its own.
	Delimiters string
	// Strict refuses the optional delimiter at the end.
	Strict bool
	// Slash takes no other delimiter than a slash at the end.
	Slash bool
	// Prefix matches the beginning of a path, up to a delimiter.
	Prefix bool
	// Sensitive tells letters of the other case apart.
	Sensitive bool
	// Excluded are beginnings of paths that are not matched.
	Excluded []string
	// Repeatable gives a repeated parameter that has neither prefix nor suffix a slash as its prefix, where the
	// language itself refuses it.
	Repeatable bool
}

// A Source is a regular expression with the way back from each of its bytes to the pattern it was made from.
type Source struct {
	expr   strings.Builder
	Pos    []int   // for each byte of the expression the offset in the pattern
	Params []Token // by capture group, from 1 on
}

// Expr returns the expression.
func (s *Source) Expr() string { return s.expr.String() }

// pos returns the place in the pattern that the byte of the expression comes from.
func (s *Source) pos(at int) int { return s.Pos[min(at, len(s.Pos)-1)] }

func (s *Source) add(text string, pos int) {
	s.expr.WriteString(text)
	for range len(text) {
		s.Pos = append(s.Pos, pos)
	}
}

// addPattern adds the expression of a parameter's value, byte by byte where it was written in the pattern.
func (s *Source) addPattern(t Token) {
	for i := range len(t.Pattern) {
		pos := t.patternPos
		if t.written {
			pos += i
		}
		s.Pos = append(s.Pos, pos)
	}
	s.expr.WriteString(t.Pattern)
}

// Build returns the regular expression that matches the whole path (or, with Prefix, its beginning).
func Build(tokens []Token, o Options) (*Source, error) {
	s := new(Source)
	s.add("^", 0)
	for i, prefix := range o.Excluded {
		s.add([]string{"(?!", "|"}[min(i, 1)]+escape(prefix), 0)
	}
	if len(o.Excluded) > 0 {
		s.add(")", 0)
	}
	if err := s.addTokens(tokens, o); err != nil {
		return nil, err
	}
	end := 0
	if len(tokens) > 0 {
		end = tokens[len(tokens)-1].Pos
	}
	delimiter := "[" + escape(o.Delimiters) + "]"
	switch {
	case o.Slash:
		s.add(`(?:\/)?$`, end)
	case !o.Prefix && o.Strict:
		s.add("$", end)
	case !o.Prefix:
		s.add(delimiter+"?$", end)
	default:
		if !o.Strict {
			s.add("(?:"+delimiter+"(?=[]|$))?", end)
		}
		if !endsDelimited(tokens, delimiter) {
			s.add("(?="+delimiter+"|[]|$)", end)
		}
	}
	return s, nil
}

func (s *Source) addTokens(tokens []Token, o Options) error {
	for _, t := range tokens {
		if !t.Param {
			s.add(escape(t.Text), t.Pos)
			continue
		}
		if err := s.addParam(t, o); err != nil {
			return err
		}
	}
	return nil
}

// endsDelimited says whether the pattern ends where a path segment does. The characters that enclose and escape the
// delimiters in their class count as delimiters, as they do in path-to-regexp.
func endsDelimited(tokens []Token, delimiter string) bool {
	if len(tokens) == 0 {
		return true
	}
	text := tokens[len(tokens)-1].Text
	return text != "" && strings.IndexByte(delimiter, text[len(text)-1]) >= 0
}

func (s *Source) addParam(t Token, o Options) error {
	if t.Pattern == "" {
		s.add("(?:"+escape(t.Prefix)+escape(t.Suffix)+")"+modifier(t), t.Pos)
		return nil
	}
	if t.Repeats() && t.Separator() == "" {
		if !o.Repeatable {
			return &Error{t.Pos, "a repeated parameter needs text before or after each value: ':" + t.Name + "'"}
		}
		t.Prefix = "/"
	}
	s.Params = append(s.Params, t)
	prefix, suffix := escape(t.Prefix), escape(t.Suffix)
	open := t.Pos // the parenthesis
	if t.written {
		open = t.patternPos - 1
	}
	switch {
	case t.Repeats():
		s.add("(?:"+prefix, t.Pos)
		s.add("((?:", open)
		s.addPattern(t)
		s.add(")(?:"+suffix+prefix+"(?:", open)
		s.addPattern(t)
		s.add("))*)"+suffix+")", t.Pos)
		if t.Optional() {
			s.add("?", t.Pos)
		}
	case t.Separator() != "":
		s.add("(?:"+prefix, t.Pos)
		s.add("(", open)
		s.addPattern(t)
		s.add(")"+suffix+")"+modifier(t), t.Pos)
	default:
		s.add("(", open)
		s.addPattern(t)
		s.add(")"+modifier(t), t.Pos)
	}
	return nil
}

func modifier(t Token) string {
	if t.Modifier == 0 {
		return ""
	}
	return string(t.Modifier)
}

// escape makes text stand for itself in a regular expression.
func escape(text string) string {
	var b strings.Builder
	for i := range len(text) {
		if strings.IndexByte(`.+*?=^!:${}()[]|/\`, text[i]) >= 0 {
			b.WriteByte('\\')
		}
		b.WriteByte(text[i])
	}
	return b.String()
}
