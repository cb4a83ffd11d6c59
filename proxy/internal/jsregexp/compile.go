package jsregexp

import "slices"

// compiler turns nodes into instructions, from the last to the first: each node is compiled with the instruction that
// follows it.
type compiler struct {
	insts  []inst
	sets   []*set
	groups int
	looks  []int
	bodies map[*node]int // of lookaheads: an expression that is compiled twice has them once
	visits int           // of nodes; those that are empty emit nothing, however often a count repeats them
	full   bool
}

// emit adds an instruction and returns where it is.
func (c *compiler) emit(i inst) int {
	if len(c.insts) >= maxInsts {
		c.full = true
		return failed
	}
	c.insts = append(c.insts, i)
	return len(c.insts) - 1
}

// visit counts the nodes compiled, so that the compiler ends soon whatever counts multiply to.
func (c *compiler) visit() {
	if c.visits++; c.visits > 8*maxInsts {
		c.full = true
	}
}

// node compiles n to go on at next.
func (c *compiler) node(n *node, next int) int {
	if c.visit(); c.full {
		return failed
	}
	switch n.kind {
	case nodeSet:
		return c.set(n.set, next)
	case nodeConcat:
		for _, s := range slices.Backward(n.subs) {
			next = c.node(s, next)
		}
		return next
	case nodeAlt:
		pc := c.node(n.subs[len(n.subs)-1], next)
		for i := len(n.subs) - 2; i >= 0; i-- {
			pc = c.emit(inst{op: opSplit, next: c.node(n.subs[i], next), alt: pc})
		}
		return pc
	case nodeGroup:
		end := c.emit(inst{op: opSave, arg: 2*n.group + 1, next: next})
		return c.emit(inst{op: opSave, arg: 2 * n.group, next: c.node(n.subs[0], end)})
	case nodeRepeat:
		return c.repeat(n, next)
	default:
		return c.assertion(n, next)
	}
}

// progress compiles n to go on at same where it has consumed nothing, at moved where it has. JavaScript gives up a turn of
// a repetition that consumes nothing (ECMA-262, section 22.2.2.3.1); telling the two ends apart in the program leaves
// nothing for the matcher to remember but instruction and position.
func (c *compiler) progress(n *node, same, moved int) int {
	if c.visit(); c.full {
		return failed
	}
	switch n.kind {
	case nodeSet:
		return c.set(n.set, moved)
	case nodeConcat:
		for i, s := range slices.Backward(n.subs) {
			same = c.progress(s, same, moved)
			if i > 0 {
				moved = c.node(s, moved)
			}
		}
		return same
	case nodeAlt:
		pc := c.progress(n.subs[len(n.subs)-1], same, moved)
		for i := len(n.subs) - 2; i >= 0; i-- {
			pc = c.emit(inst{op: opSplit, next: c.progress(n.subs[i], same, moved), alt: pc})
		}
		return pc
	case nodeGroup:
		end := 2*n.group + 1
		sameEnd := c.emit(inst{op: opSave, arg: end, next: same})
		movedEnd := c.emit(inst{op: opSave, arg: end, next: moved})
		return c.emit(inst{op: opSave, arg: 2 * n.group, next: c.progress(n.subs[0], sameEnd, movedEnd)})
	case nodeRepeat:
		return c.repeatProgress(n, same, moved)
	default:
		return c.assertion(n, same)
	}
}

func (c *compiler) set(s *set, next int) int {
	if b, ok := s.single(); ok {
		return c.emit(inst{op: opByte, arg: int(b), next: next})
	}
	c.sets = append(c.sets, s)
	return c.emit(inst{op: opSet, arg: len(c.sets) - 1, next: next})
}

// assertion compiles what consumes nothing.
func (c *compiler) assertion(n *node, next int) int {
	switch n.kind {
	case nodeBegin:
		return c.emit(inst{op: opBegin, next: next})
	case nodeEnd:
		return c.emit(inst{op: opEnd, next: next})
	case nodeWord:
		return c.emit(inst{op: opWord, next: next})
	case nodeNotWord:
		return c.emit(inst{op: opNotWord, next: next})
	default: // a lookahead
	}
	body, ok := c.bodies[n]
	if !ok {
		body = c.node(n.subs[0], c.emit(inst{op: opMatch}))
		c.bodies[n] = body
	}
	if n.negated {
		return c.emit(inst{op: opLookNot, alt: body, next: next})
	}
	i := inst{op: opLook, alt: body, arg: -1, next: next}
	if n.inside.endGroup > n.inside.firstGroup {
		i.arg = c.lookSlot(n.look)
		c.looks[n.look-1] = body
	}
	return c.emit(i)
}

// lookSlot returns the slot of the numbered lookahead, behind those of the groups.
func (c *compiler) lookSlot(look int) int { return 2*(c.groups+1) + look - 1 }

// turn compiles one turn of a repetition that has had as many as it must: it has to consume something.
func (c *compiler) turn(n *node, next int) int {
	if n.nullable() {
		return c.reset(n, c.progress(n, failed, next))
	}
	return c.reset(n, c.node(n, next))
}

// failed is the instruction that fails.
const failed = 0

// reset clears what the groups inside a repetition have captured in the turn before.
func (c *compiler) reset(n *node, next int) int {
	in := n.inside
	if in.endGroup == in.firstGroup {
		return next
	}
	if in.endLook > in.firstLook {
		next = c.emit(inst{op: opReset, arg: c.lookSlot(in.firstLook), alt: c.lookSlot(in.endLook), next: next})
	}
	return c.emit(inst{op: opReset, arg: 2 * in.firstGroup, alt: 2 * in.endGroup, next: next})
}

// choice prefers another turn, or for a lazy repetition to go on.
func (c *compiler) choice(n *node, turn, next int) inst {
	if n.lazy {
		turn, next = next, turn
	}
	return inst{op: opSplit, next: turn, alt: next}
}

// loop compiles an unbounded repetition that goes on at next, and returns its choice and its turn.
func (c *compiler) loop(n *node, next int) (choice, turn int) {
	choice = c.emit(inst{op: opSplit})
	turn = c.turn(n.subs[0], choice)
	if !c.full {
		c.insts[choice] = c.choice(n, turn, next)
	}
	return choice, turn
}

func (c *compiler) repeat(n *node, next int) int {
	sub, pc := n.subs[0], next
	if n.max < 0 {
		pc, _ = c.loop(n, next)
	}
	for range n.max - n.min {
		pc = c.emit(c.choice(n, c.turn(sub, pc), next))
	}
	for range n.min {
		pc = c.reset(sub, c.node(sub, pc))
	}
	return pc
}

// repeatProgress is repeat with the two ends of progress.
func (c *compiler) repeatProgress(n *node, same, moved int) int {
	sub, pcSame, pcMoved := n.subs[0], same, moved
	if n.max < 0 {
		var turn int
		pcMoved, turn = c.loop(n, moved)
		pcSame = c.emit(c.choice(n, turn, same))
	}
	for k := range n.max - n.min {
		turn := c.turn(sub, pcMoved)
		pcMoved = c.emit(c.choice(n, turn, moved))
		if k == n.max-n.min-1 {
			pcSame = c.emit(c.choice(n, turn, same))
		}
	}
	for range n.min {
		pcSame = c.reset(sub, c.progress(sub, pcSame, pcMoved))
		pcMoved = c.reset(sub, c.node(sub, pcMoved))
	}
	return pcSame
}
