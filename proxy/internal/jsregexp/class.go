package jsregexp

// atomEscape reads a backslash and what it escapes outside of a class.
func (p *parser) atomEscape() (*node, error) {
	at := p.i
	c := p.peek(1)
	switch {
	case c == 'k' && p.named:
		return nil, p.fail(at, "a backreference is not supported")
	case c >= '1' && c <= '9':
		p.i++
		n, _ := p.number()
		if n <= p.total {
			return nil, p.fail(at, "a backreference is not supported")
		}
		p.i = at
	}
	list, err := p.escape(false)
	if err != nil {
		return nil, err
	}
	return p.setNode(list, false), nil
}

// escape reads a backslash and what it escapes: a unit or a class.
func (p *parser) escape(inClass bool) ([]interval, error) {
	at := p.i
	p.i++
	c := p.peek(0)
	if c == eof {
		return nil, p.fail(at, "a backslash stands at the end")
	}
	unit := p.units[p.i]
	p.i++
	one := func(u uint16) ([]interval, error) { return []interval{{u, u}}, nil }
	switch c {
	case 'd':
		return digits, nil
	case 'D':
		return complement(digits), nil
	case 'w':
		return wordUnits, nil
	case 'W':
		return complement(wordUnits), nil
	case 's':
		return spaces, nil
	case 'S':
		return complement(spaces), nil
	case 't':
		return one('\t')
	case 'n':
		return one('\n')
	case 'v':
		return one('\v')
	case 'f':
		return one('\f')
	case 'r':
		return one('\r')
	case 'b': // a backspace in a class; outside, the parser has taken it as an assertion
		return one('\b')
	case 'x':
		return one(p.hex(2, 'x'))
	case 'u':
		return one(p.hex(4, 'u'))
	case 'c':
		return one(p.control(inClass))
	case 'k':
		if p.named {
			return nil, p.fail(at, "an escaped k needs a group's name in an expression with named groups")
		}
	case '0', '1', '2', '3', '4', '5', '6', '7':
		p.i--
		return one(p.octal())
	}
	return one(unit)
}

// hex reads n hexadecimal digits; without them the letter that announced them stands for itself.
func (p *parser) hex(n int, letter uint16) uint16 {
	if p.i+n > len(p.units) {
		return letter
	}
	v := uint16(0)
	for _, c := range p.units[p.i : p.i+n] {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F':
			c = c | 0x20 - 'a' + 10
		default:
			return letter
		}
		v = v<<4 | c
	}
	p.i += n
	return v
}

// control reads the letter of a control character; without it the backslash stands for itself, and c comes next.
func (p *parser) control(inClass bool) uint16 {
	c := uint16(0)
	if p.i < len(p.units) {
		c = p.units[p.i]
	}
	letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
	if letter || inClass && (c >= '0' && c <= '9' || c == '_') {
		p.i++
		return c & 31
	}
	p.i--
	return '\\'
}

// octal reads a legacy octal escape: up to three digits, at most 255.
func (p *parser) octal() uint16 {
	v := uint16(0)
	for _, c := range p.units[p.i:min(p.i+3, len(p.units))] {
		if c < '0' || c > '7' || v*8+c-'0' > 255 {
			break
		}
		v = v*8 + c - '0'
		p.i++
	}
	return v
}

// class reads a class in brackets.
func (p *parser) class() (*node, error) {
	at := p.i
	p.i++
	negated := p.accept("^")
	var list []interval
	for !p.accept("]") {
		from, err := p.classAtom(at)
		if err != nil {
			return nil, err
		}
		if p.peek(0) != '-' || p.peek(1) == ']' || p.peek(1) == eof {
			list = append(list, from...)
			continue
		}
		dash := p.i
		p.i++
		to, err := p.classAtom(at)
		if err != nil {
			return nil, err
		}
		if !isUnit(from) || !isUnit(to) { // a class at an end makes the dash a dash
			list = append(append(append(list, from...), to...), interval{'-', '-'})
			continue
		}
		if from[0].lo > to[0].lo {
			return nil, p.fail(dash, "the ends of a range are out of order")
		}
		list = append(list, interval{from[0].lo, to[0].lo})
	}
	return p.setNode(list, negated), nil
}

func (p *parser) classAtom(open int) ([]interval, error) {
	switch p.peek(0) {
	case eof:
		return nil, p.fail(open, "a class is not closed")
	case '\\':
		return p.escape(true)
	}
	u := p.units[p.i]
	p.i++
	return []interval{{u, u}}, nil
}

func isUnit(list []interval) bool { return len(list) == 1 && list[0].lo == list[0].hi }
