package jsregexp

// op is what an instruction does.
type op byte

const (
	opFail    op = iota
	opMatch      // the expression, or the body of a lookahead, has matched
	opByte       // consume the ASCII unit arg
	opSet        // consume a unit out of sets[arg]
	opSplit      // go to next, and to alt where that fails
	opSave       // note the position in slot arg
	opReset      // clear the slots from arg to before alt
	opLook       // go on only when alt matches ahead; note the position in slot arg, if there is one
	opLookNot    // go on only when alt does not match ahead
	opBegin
	opEnd
	opWord
	opNotWord
)

// inst is one instruction. All but opFail and opMatch go on at next.
type inst struct {
	op   op
	next int
	alt  int
	arg  int
	// memo is the row of the matcher's memory in which the positions entered are noted. It is -1 where the only way here
	// leads from one other instruction, which is then entered at most once at each position itself.
	memo int
}

// maxInsts bounds a program.
const maxInsts = 6000

// program is a compiled expression.
type program struct {
	insts   []inst
	sets    []*set
	start   int
	rows    int   // of the matcher's memory
	slots   int   // two for each group, counting the whole match as one, then one for each lookahead
	looks   []int // the bodies of lookaheads, by their number; failed for one without captures
	groups  int
	looking bool // has lookahead
}

// compile turns the nodes of an expression into a program.
func compile(n *node, p *parser) (*program, error) {
	c := &compiler{groups: p.groups, looks: make([]int, p.looks), bodies: make(map[*node]int)}
	c.emit(inst{op: opFail})
	start := c.node(n, c.emit(inst{op: opMatch}))
	if c.full {
		return nil, &Error{0, "the expression is too large: its groups and counts multiply to over 6000 instructions"}
	}
	prog := &program{insts: c.insts, sets: c.sets, start: start, looks: c.looks, groups: p.groups, looking: len(c.bodies) > 0}
	prog.slots = 2*(p.groups+1) + p.looks
	prog.addRows()
	return prog, nil
}

// addRows gives a row of memory to each instruction that is entered from several others, and to each split.
func (p *program) addRows() {
	ways := make([]int, len(p.insts))
	ways[p.start]++
	for _, i := range p.insts {
		ways[i.next]++
		switch i.op {
		case opSplit, opLook, opLookNot:
			ways[i.alt]++
		default:
		}
	}
	for pc := range p.insts {
		i := &p.insts[pc]
		i.memo = -1
		if i.op == opSplit || ways[pc] > 1 && i.op != opFail && i.op != opMatch {
			i.memo = p.rows
			p.rows++
		}
	}
}

// prefix returns the consuming instructions that every match from the beginning of the input passes first.
func (p *program) prefix() []inst {
	var out []inst
	for pc := p.start; ; {
		i := p.insts[pc]
		switch i.op {
		case opByte, opSet:
			out = append(out, i)
		case opSave, opReset, opBegin, opLook, opLookNot:
		default:
			return out
		}
		pc = i.next
	}
}
