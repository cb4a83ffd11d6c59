package jsregexp

import "slices"

// machine runs a program over one input. It is used by one goroutine at a time.
type machine struct {
	prog *program
	input

	// The memory: one bit for each row and position.
	entered bitmap
	good    bitmap // a lookahead's body matched from here
	second  bitmap // by the second way of the split

	slots []int // positions noted, or -1
	stack []frame
	trail []int // inside lookaheads: the bits entered on the way here, doubled, plus one for the second way of a split
	ahead int   // how many lookaheads lie in one another
	steps int
}

// frame is what to go back to: another way, or the earlier value of a slot.
type frame struct {
	pc    int // of the other way; a slot is written as -1-slot
	pos   int // of the other way, or value of the slot
	trail int // how long the trail was
}

type bitmap []uint64

func (b bitmap) has(i int) bool { return b[i>>6]>>(uint(i)&63)&1 != 0 }
func (b bitmap) set(i int)      { b[i>>6] |= 1 << (uint(i) & 63) }

// sized returns b with room for n bits, all clear.
func (b bitmap) sized(n int) bitmap {
	words := (n + 63) / 64
	if cap(b) < words {
		return make(bitmap, words)
	}
	b = b[:words]
	clear(b)
	return b
}

// match runs the program from each position at which a match may begin.
func (m *machine) match(re *Regexp, s string) bool {
	m.prog, m.steps, m.ahead = re.prog, 0, 0
	m.stack, m.trail = m.stack[:0], m.trail[:0]
	m.read(s)
	bits := m.prog.rows * (m.n + 1)
	m.entered = m.entered.sized(bits)
	if m.prog.looking {
		m.good = m.good.sized(bits)
		m.second = m.second.sized(bits)
	}
	m.slots = slices.Grow(m.slots[:0], m.prog.slots)[:m.prog.slots]
	for i := range m.slots {
		m.slots[i] = -1
	}
	for start := 0; start <= m.n; start++ {
		if m.run(m.prog.start, start) {
			return true
		}
		if re.anchored {
			break
		}
	}
	return false
}

// run follows the program from pc at pos until it matches or every way has failed.
func (m *machine) run(pc int, pos int) bool {
	base, trail := len(m.stack), len(m.trail)
	for {
		m.steps++
		i := &m.prog.insts[pc]
		ok := true
		if i.memo >= 0 {
			bit := i.memo*(m.n+1) + pos
			switch {
			case !m.entered.has(bit):
				m.entered.set(bit)
				if m.ahead > 0 {
					m.trail = append(m.trail, bit<<1)
				}
			case m.ahead > 0 && m.good.has(bit):
				m.succeed(base, trail)
				return true
			default:
				ok = false
			}
		}
		if ok {
			switch i.op {
			case opMatch:
				m.succeed(base, trail)
				return true
			case opByte:
				ok = pos < m.n && int(m.at(pos)) == i.arg
				pos++
			case opSet:
				ok = pos < m.n && m.prog.sets[i.arg].has(m.at(pos))
				pos++
			case opSplit:
				m.stack = append(m.stack, frame{i.alt, pos, len(m.trail)})
			case opSave:
				m.note(i.arg, pos)
			case opReset:
				for slot := i.arg; slot < i.alt; slot++ {
					m.note(slot, -1)
				}
			case opLook:
				if ok = m.look(i.alt, pos); ok && i.arg >= 0 {
					m.note(i.arg, pos)
				}
			case opLookNot:
				ok = !m.look(i.alt, pos)
			default:
				ok = m.holds(i.op, pos)
			}
			pc = i.next
		}
		if !ok {
			if pc, pos, ok = m.back(base); !ok {
				m.trail = m.trail[:trail]
				return false
			}
		}
	}
}

// succeed leaves a run that has matched. That of a lookahead notes the way it came as good for the next one.
func (m *machine) succeed(base, trail int) {
	if m.ahead == 0 {
		return
	}
	for _, entry := range m.trail[trail:] {
		m.good.set(entry >> 1)
		if entry&1 != 0 {
			m.second.set(entry >> 1)
		}
	}
	m.trail = m.trail[:trail]
	m.stack = m.stack[:base]
}

// back returns to the last way not taken since base.
func (m *machine) back(base int) (pc int, pos int, ok bool) {
	for len(m.stack) > base {
		f := m.stack[len(m.stack)-1]
		m.stack = m.stack[:len(m.stack)-1]
		if f.pc < 0 {
			m.slots[-1-f.pc] = f.pos
			continue
		}
		if m.ahead > 0 {
			m.trail = m.trail[:f.trail]
			m.trail[f.trail-1] |= 1
		}
		return f.pc, f.pos, true
	}
	return 0, 0, false
}

// note writes a position into a slot, and how to take that back. Captures inside of a lookahead wait for captureAhead.
func (m *machine) note(slot, pos int) {
	if m.ahead == 0 && m.slots[slot] != pos {
		m.stack = append(m.stack, frame{pc: -1 - slot, pos: m.slots[slot]})
		m.slots[slot] = pos
	}
}

// look runs the body of a lookahead.
func (m *machine) look(pc int, pos int) bool {
	m.ahead++
	ok := m.run(pc, pos)
	m.ahead--
	return ok
}

// holds answers an assertion that is no lookahead.
func (m *machine) holds(o op, pos int) bool {
	switch o {
	case opBegin:
		return pos == 0
	case opEnd:
		return pos == m.n
	case opWord:
		return m.isWord(pos-1) != m.isWord(pos)
	case opNotWord:
		return m.isWord(pos-1) == m.isWord(pos)
	default:
		return false
	}
}

// spans fills out the capture groups after a match.
func (m *machine) spans(p *program, spans []int) {
	if len(spans) == 0 {
		return
	}
	for i, body := range p.looks {
		if pos := m.slots[2*(p.groups+1)+i]; body != failed && pos >= 0 {
			m.captureAhead(body, pos)
		}
	}
	for k := range spans {
		pos := -1
		if k+2 < 2*(p.groups+1) {
			pos = m.slots[k+2]
		}
		if pos >= 0 && len(m.wide) > 0 {
			pos = m.bytes[pos]
		}
		spans[k] = pos
	}
}

// captureAhead goes the way on which the body of a lookahead matched once more, for its captures. Lookaheads inside it
// have higher numbers and come later.
func (m *machine) captureAhead(pc int, pos int) {
	for {
		i := &m.prog.insts[pc]
		pc = i.next
		switch i.op {
		case opMatch:
			return
		case opByte, opSet:
			pos++
		case opSplit:
			if m.second.has(i.memo*(m.n+1) + pos) {
				pc = i.alt
			}
		case opSave:
			m.slots[i.arg] = pos
		case opReset:
			for slot := i.arg; slot < i.alt; slot++ {
				m.slots[slot] = -1
			}
		case opLook:
			if i.arg >= 0 {
				m.slots[i.arg] = pos
			}
		default: // an assertion that held
		}
	}
}

// maxKept bounds the memory that a machine keeps between two inputs, in words.
const maxKept = 1 << 14

func (m *machine) small() bool {
	return cap(m.entered) <= maxKept && cap(m.stack) <= maxKept && cap(m.trail) <= maxKept && cap(m.wide) <= maxKept
}
