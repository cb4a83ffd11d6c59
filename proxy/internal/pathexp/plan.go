package pathexp

import (
	"strings"

	"github.com/gatehouse-go/gatehouse/proxy/internal/jsregexp"
)

// plan is the quick way to match a pattern that reads from left to right without a choice: text, values that end where
// the next text begins, and at the end an optional value, a list, or a rest that must not begin in certain ways.
type plan struct {
	around *Around // forms that the plan leaves to the slow way
	fold   bool
	steps  []step
	trail  string // characters of which one may stand at the end
}

// step is one piece of a plan: text, then the value of a parameter.
type step struct {
	text  string // in lower case where case does not matter
	run   *jsregexp.Run
	param int // by capture group, from 0

	stops    string // the characters that can come behind the value
	optional bool   // text and value may be missing; only at the end
	list     bool   // text and value may come several times; only at the end
}

// newPlan returns the plan for a pattern, or nil where it has none.
func newPlan(tokens []Token, from, to int, o Options) *plan {
	if o.Prefix || o.Omit || len(o.Excluded) > 0 || o.Around == nil && o.Before+o.After != "" {
		return nil
	}
	p := &plan{around: o.Around, fold: !o.Sensitive, trail: o.Delimiters}
	switch {
	case o.Slash:
		p.trail = "/"
	case o.Strict:
		p.trail = ""
	}
	text, params := "", 0
	if o.Around != nil {
		text = o.Around.Text
	}
	for _, t := range tokens {
		inside := t.Pos >= from && t.Pos < to
		switch {
		case !t.Param && inside:
			text += t.Text
		case t.Param && inside:
			s := step{text: text + t.Prefix, param: params, optional: t.Optional(), list: t.Repeats()}
			s.run = jsregexp.NewRun(t.Pattern, !o.Sensitive)
			if s.run == nil || s.list && t.Suffix != "" || s.optional && !s.list && t.Suffix != "" {
				return nil
			}
			if s.optional || s.list {
				// The text before belongs to every path, that of the parameter only to its value.
				if t.Prefix == "" || s.run.Guarded() || s.run.Empty || s.run.Words != nil {
					return nil
				}
				p.steps = append(p.steps, step{text: text, param: -1})
				s.text = t.Prefix
			}
			p.steps = append(p.steps, s)
			text = t.Suffix
		}
		if t.Pattern != "" {
			params++
		}
	}
	p.steps = append(p.steps, step{text: text, param: -1})
	if !p.ready() {
		return nil
	}
	return p
}

// ready checks that the plan has no choice to make, and puts its text into the form in which it is compared.
func (p *plan) ready() bool {
	for i := range p.steps {
		s := &p.steps[i]
		if strings.IndexFunc(s.text, func(r rune) bool { return r >= 0x80 }) >= 0 {
			return false
		}
		if p.fold {
			s.text = strings.ToLower(s.text)
		}
	}
	for i := range p.steps {
		s := &p.steps[i]
		last := p.isLast(i)
		if (s.optional || s.list) && (!last || s.run.Bytes[s.text[0]] != jsregexp.Out) {
			return false
		}
		if s.run == nil || last && !s.run.Lazy && s.run.Words == nil {
			continue // a greedy value at the end takes all that it can
		}
		var ok bool
		if s.stops, ok = p.behind(i); !ok || !s.ends() {
			return false
		}
	}
	return true
}

// isLast says whether nothing but the end comes behind a step.
func (p *plan) isLast(i int) bool { return i == len(p.steps)-2 && p.steps[i+1].text == "" }

// behind returns the characters that can come behind the value of a step. It is not ok where that is another value.
func (p *plan) behind(i int) (characters string, ok bool) {
	switch {
	case p.isLast(i):
		characters = p.trail
	case p.steps[i+1].text != "":
		characters = p.steps[i+1].text[:1]
	case i+2 < len(p.steps) && (p.steps[i+2].optional || p.steps[i+2].list):
		characters = p.steps[i+2].text[:1] + p.trail
	default:
		return "", false
	}
	if p.fold {
		characters += strings.ToUpper(characters)
	}
	return characters, true
}

// ends says whether the value ends in front of any of its stops, because it holds none.
func (s *step) ends() bool {
	for k := range len(s.stops) {
		if s.run.Bytes[s.stops[k]] != jsregexp.Out {
			return false
		}
	}
	for _, w := range s.run.Words {
		if strings.ContainsAny(w, s.stops) {
			return false
		}
	}
	return true
}

// match reports whether the path matches. It is not decided where the plan does not know what JavaScript would say.
func (p *plan) match(path string, spans []int) (matched, decided bool) {
	if p.around != nil && p.around.concerns(path, p.trail) {
		return false, false
	}
	for i := range spans {
		spans[i] = -1
	}
	at := 0
	for i := range p.steps {
		s := &p.steps[i]
		if s.optional || s.list {
			at, matched, decided = p.repeat(s, path, at, spans)
		} else {
			at, matched, decided = p.once(s, path, at, spans)
		}
		if !matched || !decided {
			return false, decided
		}
	}
	return at == len(path) || at == len(path)-1 && strings.IndexByte(p.trail, path[at]) >= 0, true
}

// once takes the text and the value of a step.
func (p *plan) once(s *step, path string, at int, spans []int) (end int, matched, decided bool) {
	if !p.hasText(path, at, s.text) {
		return at, false, true
	}
	at += len(s.text)
	if s.run == nil {
		return at, true, true
	}
	if s.run.Guarded() {
		if excluded, decided := s.run.Excludes(path[at:]); excluded || !decided {
			return at, false, decided
		}
	}
	end, sure := p.value(s, path, at)
	if !sure || end == at && !s.run.Empty {
		return at, false, sure
	}
	note(spans, s.param, at, end)
	return end, true, true
}

// repeat takes a step that may be missing or come several times.
func (p *plan) repeat(s *step, path string, at int, spans []int) (end int, matched, decided bool) {
	begin := -1
	for p.hasText(path, at, s.text) {
		from := at + len(s.text)
		to, sure := p.value(s, path, from)
		if !sure {
			return at, false, false
		}
		if to == from {
			break
		}
		if begin < 0 {
			begin = from
		}
		if at = to; !s.list {
			break
		}
	}
	if begin >= 0 {
		note(spans, s.param, begin, at)
	}
	return at, begin >= 0 || s.optional, true
}

// value returns where the value that begins at from ends, and whether that is sure.
func (p *plan) value(s *step, path string, from int) (end int, sure bool) {
	if s.run.Words != nil {
		return p.word(s, path, from), true
	}
	bytes := &s.run.Bytes
	end = from
	for end < len(path) && bytes[path[end]] == jsregexp.In {
		end++
	}
	return end, end == len(path) || bytes[path[end]] == jsregexp.Out
}

// word returns where the word that begins at from ends: the one behind which a character stands that can come next. There is
// at most one, since no word holds such a character. Without one it returns from.
func (p *plan) word(s *step, path string, from int) int {
	for _, w := range s.run.Words {
		end := from + len(w)
		if p.hasText(path, from, w) && (end == len(path) || strings.IndexByte(s.stops, path[end]) >= 0) {
			return end
		}
	}
	return from
}

func note(spans []int, param, from, to int) {
	if 2*param+1 < len(spans) {
		spans[2*param], spans[2*param+1] = from, to
	}
}

// hasText says whether text stands in the path.
func (p *plan) hasText(path string, at int, text string) bool {
	if len(path)-at < len(text) {
		return false
	}
	if !p.fold {
		return path[at:at+len(text)] == text
	}
	for i := range len(text) {
		c := path[at+i]
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		if c != text[i] {
			return false
		}
	}
	return true
}

// Around says which paths may need the patterns before and after the given one; the others match without them.
type Around struct {
	Text   string   // plain text that stands before every path
	Begins string   // how those paths begin, which is longer than a slash
	Ends   []string // or end, before a delimiter
}

// concerns says whether path is one of those, in either case of letters.
func (a *Around) concerns(path, trail string) bool {
	if len(path) >= len(a.Begins) && path[1] == a.Begins[1] && strings.EqualFold(path[:len(a.Begins)], a.Begins) {
		return true
	}
	if n := len(path) - 1; n >= 0 && strings.IndexByte(trail, path[n]) >= 0 {
		path = path[:n]
	}
	for _, end := range a.Ends {
		if n := len(path) - len(end); n >= 0 && path[n] == end[0] && strings.EqualFold(path[n:], end) {
			return true
		}
	}
	return false
}
