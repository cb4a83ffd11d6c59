package jsregexp

import "sync"

// A Regexp is a compiled expression. It is safe for concurrent use.
type Regexp struct {
	prog     *program
	names    []string // by group, from 1
	always   []bool   // by group: takes part in every match
	anchored bool     // can only match from the beginning of the input
	prefix   []inst   // the instructions that consume the first units of every match
	machines sync.Pool
}

// Compile reads an expression. Its errors are *[Error].
func Compile(expr string, insensitive bool) (*Regexp, error) {
	n, p, err := parse(expr, insensitive)
	if err != nil {
		return nil, err
	}
	return newRegexp(n, p)
}

// CompileWhole reads an expression that has to match the whole of its input, each of its alternatives.
func CompileWhole(expr string) (*Regexp, error) {
	n, p, err := parse(expr, false)
	if err != nil {
		return nil, err
	}
	return newRegexp(&node{kind: nodeConcat, subs: []*node{{kind: nodeBegin}, n, {kind: nodeEnd}}}, p)
}

func newRegexp(n *node, p *parser) (*Regexp, error) {
	prog, err := compile(n, p)
	if err != nil {
		return nil, err
	}
	re := &Regexp{prog: prog, names: p.names, always: make([]bool, p.groups)}
	n.always(re.always)
	re.anchored = n.kind == nodeConcat && len(n.subs) > 0 && n.subs[0].kind == nodeBegin
	if re.anchored {
		re.prefix = prog.prefix()
	}
	return re, nil
}

// Names returns the names of the capture groups, the first group first; an unnamed one has an empty name.
func (re *Regexp) Names() []string { return re.names }

// Always says, for each capture group, whether it takes part in every match.
func (re *Regexp) Always() []bool { return re.always }

// Size returns the number of instructions.
func (re *Regexp) Size() int { return len(re.prog.insts) }

// Match reports whether the expression matches somewhere in s. It fills spans, as far as it goes, with the beginning and
// the end of the capture groups, in bytes and from group 1 on; a group that took no part has -1.
//
// A group that ends amid a surrogate pair ends amid the bytes of that character.
func (re *Regexp) Match(s string, spans []int) bool {
	matched, _ := re.match(s, spans)
	return matched
}

// Steps is Match with the number of instructions that it took.
func (re *Regexp) Steps(s string) (matched bool, steps int) { return re.match(s, nil) }

func (re *Regexp) match(s string, spans []int) (bool, int) {
	if !re.begins(s) {
		return false, len(re.prefix)
	}
	m, ok := re.machines.Get().(*machine)
	if !ok {
		m = new(machine)
	}
	matched := m.match(re, s)
	if matched {
		m.spans(re.prog, spans)
	}
	steps := m.steps
	if m.small() {
		m.text = "" // which may keep a whole request alive
		re.machines.Put(m)
	}
	return matched, steps
}

// begins compares the first units of s with those that every match has.
func (re *Regexp) begins(s string) bool {
	for k, i := range re.prefix {
		if k >= len(s) {
			return false
		}
		c := s[k]
		if c >= 0x80 {
			return true // left to the machine, which reads units
		}
		if i.op == opByte && int(c) != i.arg || i.op == opSet && !re.prog.sets[i.arg].has(uint16(c)) {
			return false
		}
	}
	return true
}
