package jsregexp

// quantifier reads the counts of a quantifier, if one comes next.
func (p *parser) quantifier() (lo, hi int, ok bool, err error) {
	switch {
	case p.accept("*"):
		return 0, -1, true, nil
	case p.accept("+"):
		return 1, -1, true, nil
	case p.accept("?"):
		return 0, 1, true, nil
	}
	start := p.i
	if !p.accept("{") {
		return 0, 0, false, nil
	}
	lo, ok = p.number()
	hi = lo
	if ok && p.accept(",") {
		if hi = -1; p.peek(0) != '}' {
			hi, ok = p.number()
		}
	}
	if !ok || !p.accept("}") {
		p.i = start // the brace is text
		return 0, 0, false, nil
	}
	switch {
	case lo > maxCount || hi > maxCount:
		return 0, 0, false, p.fail(start, "the count of a quantifier is over %d", maxCount)
	case hi >= 0 && hi < lo:
		return 0, 0, false, p.fail(start, "the counts of a quantifier are out of order")
	}
	return lo, hi, true, nil
}

// number reads a decimal number, which it lets grow no further than it has to be to break a bound.
func (p *parser) number() (int, bool) {
	start, n := p.i, 0
	for c := p.peek(0); c >= '0' && c <= '9'; c = p.peek(0) {
		n = min(n*10+c-'0', maxCount+1)
		p.i++
	}
	return n, p.i > start
}
