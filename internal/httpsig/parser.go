package httpsig

import (
	"strconv"
	"strings"
)

// parser reads a dictionary (RFC 9651, section 4.2) whose members are inner lists or bare items.
type parser struct {
	text string
	pos  int
	into *Dictionary
}

func (p *parser) peek() byte {
	if p.pos < len(p.text) {
		return p.text[p.pos]
	}
	return 0
}

func (p *parser) take(c byte) bool {
	if p.pos < len(p.text) && p.text[p.pos] == c {
		p.pos++
		return true
	}
	return false
}

func (p *parser) skip(set string) {
	for p.pos < len(p.text) && strings.IndexByte(set, p.text[p.pos]) >= 0 {
		p.pos++
	}
}

func (p *parser) dictionary() bool {
	d := p.into
	p.skip(" ")
	for p.pos < len(p.text) {
		m, ok := p.member()
		if !ok || len(d.Members) == maxMembers || d.Get(m.Key) != nil {
			return false
		}
		d.Members = append(d.Members, m)
		p.skip(" \t")
		if p.pos == len(p.text) {
			return true
		}
		if !p.take(',') {
			return false
		}
		p.skip(" \t")
		if p.pos == len(p.text) {
			return false
		}
	}
	return true
}

func (p *parser) member() (m Member, ok bool) {
	if m.Key, ok = p.key(); !ok {
		return m, false
	}
	switch {
	case !p.take('='):
		m.Item = Item{Kind: Boolean, Num: 1}
	case p.take('('):
		m.IsList = true
		if m.List, ok = p.innerList(); !ok {
			return m, false
		}
	default:
		if m.Item, ok = p.item(); !ok {
			return m, false
		}
	}
	m.Params, ok = p.params()
	return m, ok
}

// innerList reads a list from behind its bracket.
func (p *parser) innerList() ([]ListItem, bool) {
	d := p.into
	start := len(d.items)
	for {
		before := p.pos
		p.skip(" ")
		n := len(d.items) - start
		switch {
		case p.take(')'):
			return d.items[start:len(d.items):len(d.items)], true
		case n == maxMembers, len(d.items) == maxTotal, n > 0 && p.pos == before:
			return nil, false
		}
		item, ok := p.item()
		if !ok {
			return nil, false
		}
		params, ok := p.params()
		if !ok {
			return nil, false
		}
		d.items = append(d.items, ListItem{item, params})
	}
}

func (p *parser) params() (Params, bool) {
	d := p.into
	start := len(d.params)
	for p.take(';') {
		p.skip(" ")
		key, ok := p.key()
		before := Params(d.params[start:])
		if _, twice := before.Get(key); !ok || twice || len(before) == maxMembers || len(d.params) == maxTotal {
			return nil, false
		}
		value := Item{Kind: Boolean, Num: 1}
		if p.take('=') {
			if value, ok = p.item(); !ok {
				return nil, false
			}
		}
		d.params = append(d.params, Param{key, value})
	}
	return d.params[start:len(d.params):len(d.params)], true
}

func (p *parser) key() (string, bool) {
	start := p.pos
	for p.pos < len(p.text) {
		c := p.text[p.pos]
		first := c >= 'a' && c <= 'z' || c == '*'
		if !first && (p.pos == start || (c < '0' || c > '9') && c != '_' && c != '-' && c != '.') {
			break
		}
		p.pos++
	}
	return p.text[start:p.pos], p.pos > start
}

// item reads a bare item.
func (p *parser) item() (Item, bool) {
	switch c := p.peek(); {
	case c == '"':
		return p.str()
	case c == ':':
		return p.bytes()
	case c == '?':
		p.pos++
		if p.take('1') {
			return Item{Kind: Boolean, Num: 1}, true
		}
		return Item{Kind: Boolean}, p.take('0')
	case c == '-' || c >= '0' && c <= '9':
		return p.integer()
	case c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '*':
		start := p.pos
		for p.pos < len(p.text) && (tokenByte(p.text[p.pos]) || p.text[p.pos] == ':' || p.text[p.pos] == '/') {
			p.pos++
		}
		return Item{Kind: Token, Text: p.text[start:p.pos]}, true
	}
	return Item{}, false
}

// integer reads an integer. A decimal, which no signature parameter is, is refused.
func (p *parser) integer() (Item, bool) {
	start := p.pos
	p.take('-')
	digits := p.pos
	p.skip("0123456789")
	if n := p.pos - digits; n == 0 || n > 15 || p.peek() == '.' {
		return Item{}, false
	}
	num, err := strconv.ParseInt(p.text[start:p.pos], 10, 64)
	return Item{Kind: Integer, Num: num}, err == nil
}

func (p *parser) bytes() (Item, bool) {
	p.pos++
	text, _, ended := strings.Cut(p.text[p.pos:], ":")
	if !ended {
		return Item{}, false
	}
	p.pos += len(text) + 1
	content, ok := p.into.decode(text)
	return Item{Kind: Bytes, Bytes: content}, ok
}

// str reads a string. Its text is a piece of the field, and one of its own only where the field has escapes.
func (p *parser) str() (Item, bool) {
	p.pos++
	start, escaped := p.pos, false
	for ; p.pos < len(p.text); p.pos++ {
		switch c := p.text[p.pos]; {
		case c == '"':
			text := p.text[start:p.pos]
			p.pos++
			if escaped {
				text = unescape(text)
			}
			return Item{Kind: String, Text: text}, true
		case c == '\\':
			p.pos++
			if c := p.peek(); c != '"' && c != '\\' {
				return Item{}, false
			}
			escaped = true
		case c < ' ' || c > '~':
			return Item{}, false
		}
	}
	return Item{}, false
}

// unescape takes the backslashes out of a string's text that is well formed.
func unescape(text string) string {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] == '\\' {
			i++
		}
		b.WriteByte(text[i])
	}
	return b.String()
}
