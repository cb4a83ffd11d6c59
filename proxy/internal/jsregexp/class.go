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
	p.i++
	one := func(u int) ([]interval, error) { return []interval{{uint16(u), uint16(u)}}, nil }
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
	return one(c)
}

// hex reads n hexadecimal digits; without them the letter that announced them stands for itself.
func (p *parser) hex(n, letter int) int {
	v := 0
	for k := range n {
		c := p.peek(k)
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
func (p *parser) control(inClass bool) int {
	c := p.peek(0)
	letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
	if letter || inClass && (c >= '0' && c <= '9' || c == '_') {
		p.i++
		return c & 31
	}
	p.i--
	return '\\'
}

// octal reads a legacy octal escape: up to three digits, at most 255.
func (p *parser) octal() int {
	v := 0
	for range 3 {
		c := p.peek(0)
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
	c := p.peek(0)
	switch c {
	case eof:
		return nil, p.fail(open, "a class is not closed")
	case '\\':
		return p.escape(true)
	}
	p.i++
	return []interval{{uint16(c), uint16(c)}}, nil
}

func isUnit(list []interval) bool { return len(list) == 1 && list[0].lo == list[0].hi }
