package jsregexp

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// Bounds that keep a program small: the largest count of a quantifier, and how deep groups may lie in one another.
const (
	maxCount = 1000
	maxDepth = 200
)

// eof is what a parser sees behind the last unit.
const eof = -1

// parser reads an expression unit by unit.
type parser struct {
	units  []uint16
	pos    []int // byte offset of each unit, and of the end
	i      int
	folds  bool
	depth  int
	groups int      // capture groups opened so far
	looks  int      // lookaheads that may have captures opened so far
	names  []string // by group
	total  int      // capture groups of the whole expression, of which a backreference has to know
	named  bool     // the expression has a named group, which gives \k its meaning
}

func parse(expr string, folds bool) (*node, *parser, error) {
	p := &parser{folds: folds}
	for i, r := range expr {
		p.units = utf16.AppendRune(p.units, r)
		for len(p.pos) < len(p.units) {
			p.pos = append(p.pos, i)
		}
	}
	p.pos = append(p.pos, len(expr))
	p.countGroups()
	n, err := p.alternatives()
	if err == nil && p.i < len(p.units) {
		err = p.fail(p.i, "a closing parenthesis has no opening one")
	}
	return n, p, err
}

func (p *parser) fail(at int, format string, args ...any) error {
	return &Error{p.pos[min(at, len(p.units))], fmt.Sprintf(format, args...)}
}

// peek returns the unit n places ahead, or eof.
func (p *parser) peek(n int) int {
	if p.i+n >= len(p.units) {
		return eof
	}
	return int(p.units[p.i+n])
}

// accept consumes text if it comes next.
func (p *parser) accept(text string) bool {
	if p.i+len(text) > len(p.units) {
		return false
	}
	for k := range len(text) {
		if p.units[p.i+k] != uint16(text[k]) {
			return false
		}
	}
	p.i += len(text)
	return true
}

// countGroups looks ahead over the whole expression.
func (p *parser) countGroups() {
	inClass := false
	for i := 0; i < len(p.units); i++ {
		switch p.units[i] {
		case '\\':
			i++
		case '[':
			inClass = true
		case ']':
			inClass = false
		case '(':
			after := string(utf16.Decode(p.units[i+1 : min(i+4, len(p.units))]))
			switch {
			case inClass:
			case !strings.HasPrefix(after, "?"):
				p.total++
			case strings.HasPrefix(after, "?<") && !strings.HasPrefix(after, "?<=") && !strings.HasPrefix(after, "?<!"):
				p.total++
				p.named = true
			}
		}
	}
}

// alternatives reads a disjunction, up to its end or a closing parenthesis.
func (p *parser) alternatives() (*node, error) {
	if p.depth++; p.depth > maxDepth {
		return nil, p.fail(p.i, "groups lie more than %d deep in one another", maxDepth)
	}
	defer func() { p.depth-- }()
	alt := &node{kind: nodeAlt}
	for {
		seq, err := p.sequence()
		if err != nil {
			return nil, err
		}
		alt.subs = append(alt.subs, seq)
		if !p.accept("|") {
			break
		}
	}
	if len(alt.subs) == 1 {
		return alt.subs[0], nil
	}
	return alt, nil
}

// sequence reads the terms of one alternative.
func (p *parser) sequence() (*node, error) {
	seq := &node{kind: nodeConcat}
	for c := p.peek(0); c != eof && c != '|' && c != ')'; c = p.peek(0) {
		inside := captures{firstGroup: p.groups + 1, firstLook: p.looks + 1}
		n, repeatable, err := p.term()
		if err != nil {
			return nil, err
		}
		inside.endGroup, inside.endLook = p.groups+1, p.looks+1
		n.inside = inside
		at := p.i
		lo, hi, ok, err := p.quantifier()
		if err != nil {
			return nil, err
		}
		if ok {
			if !repeatable {
				return nil, p.fail(at, "a quantifier stands after nothing that can repeat")
			}
			n = &node{kind: nodeRepeat, subs: []*node{n}, min: lo, max: hi, lazy: p.accept("?"), inside: inside}
		}
		seq.subs = append(seq.subs, n)
	}
	return seq, nil
}

// term reads an atom or an assertion, and says whether a quantifier may follow.
func (p *parser) term() (n *node, repeatable bool, err error) {
	at := p.i
	switch c := p.peek(0); c {
	case '^', '$':
		p.i++
		if c == '^' {
			return &node{kind: nodeBegin}, false, nil
		}
		return &node{kind: nodeEnd}, false, nil
	case '(':
		n, err = p.group()
		return n, true, err
	case '.':
		p.i++
		return p.setNode(lineBreaks, true), true, nil
	case '[':
		n, err = p.class()
		return n, true, err
	case '\\':
		if p.accept(`\b`) {
			return &node{kind: nodeWord}, false, nil
		}
		if p.accept(`\B`) {
			return &node{kind: nodeNotWord}, false, nil
		}
		n, err = p.atomEscape()
		return n, true, err
	case '*', '+', '?':
		return nil, false, p.fail(at, "a quantifier stands after nothing that can repeat")
	case '{':
		if _, _, ok, err := p.quantifier(); err != nil || ok {
			return nil, false, p.fail(at, "a quantifier stands after nothing that can repeat")
		}
	}
	p.i++
	return p.unit(p.units[at]), true, nil
}

func (p *parser) unit(u uint16) *node { return p.setNode([]interval{{u, u}}, false) }

func (p *parser) setNode(list []interval, negated bool) *node {
	return &node{kind: nodeSet, set: newSet(list, p.folds, negated)}
}

// group reads what an opening parenthesis begins.
func (p *parser) group() (*node, error) {
	at := p.i
	n := &node{kind: nodeGroup}
	switch {
	case p.accept("(?:"):
		n.kind = nodeConcat
	case p.accept("(?="):
		n.kind = nodeLook
		p.looks++
		n.look = p.looks
	case p.accept("(?!"):
		n.kind, n.negated = nodeLook, true
	case p.accept("(?<="), p.accept("(?<!"):
		return nil, p.fail(at, "lookbehind is not supported")
	case p.accept("(?<"):
		name, err := p.groupName()
		if err != nil {
			return nil, err
		}
		p.addGroup(n, name)
	case p.accept("(?"):
		return nil, p.fail(at, "a group begins with ? but is none of (?: (?= (?! (?<name>")
	default:
		p.i++
		p.addGroup(n, "")
	}
	sub, err := p.alternatives()
	if err != nil {
		return nil, err
	}
	if !p.accept(")") {
		return nil, p.fail(at, "a group is not closed")
	}
	n.subs = []*node{sub}
	return n, nil
}

func (p *parser) addGroup(n *node, name string) {
	p.groups++
	n.group = p.groups
	p.names = append(p.names, name)
}

// groupName reads the name of a group up to its closing angle bracket.
func (p *parser) groupName() (string, error) {
	at := p.i
	for p.peek(0) != '>' {
		if p.peek(0) == eof {
			return "", p.fail(at, "the name of a group is not closed")
		}
		p.i++
	}
	name := string(utf16.Decode(p.units[at:p.i]))
	p.i++
	for i, r := range name {
		if r != '$' && r != '_' && !unicode.IsLetter(r) && (i == 0 || !unicode.IsDigit(r)) || r == utf8.RuneError {
			return "", p.fail(at, "a group's name %q is no identifier", name)
		}
	}
	if name == "" {
		return "", p.fail(at, "the name of a group is empty")
	}
	if slices.Contains(p.names, name) {
		return "", p.fail(at, "two groups have the name %q", name)
	}
	return name, nil
}
