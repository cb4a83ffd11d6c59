package revalidate

import "strings"

// This file reads what the cache needs of Structured Fields (RFC 9651): a Dictionary, for targeted cache control
// (RFC 9213), and a List of Strings, for cache groups (RFC 9875). As the RFC demands, a field with one mistake anywhere
// is no field at all.

// sfItem is a bare item. Only integers, strings and booleans matter here; of the other types the kind is all that is kept.
type sfItem struct {
	kind sfKind
	num  int64
	text string
}

type sfKind uint8

const (
	sfOther sfKind = iota
	sfInteger
	sfString
	sfTrue
	sfFalse
)

// sfMember is a member of a dictionary; of repeated keys the last one is kept, in the place of the first.
type sfMember struct {
	key   string
	value sfItem
}

type sfParser struct {
	s  string
	ok bool
}

// parseDictionary reads the lines of a Dictionary field.
func parseDictionary(lines []string) ([]sfMember, bool) {
	p := sfParser{s: strings.Trim(strings.Join(lines, ","), " "), ok: true}
	var members []sfMember
	for p.ok && p.s != "" {
		key := p.key()
		value := sfItem{kind: sfTrue}
		if p.take('=') {
			value = p.itemOrInnerList()
		} else {
			p.parameters()
		}
		replaced := false
		for i := range members {
			if members[i].key == key {
				members[i].value, replaced = value, true
			}
		}
		if !replaced {
			members = append(members, sfMember{key, value})
		}
		p.next()
	}
	if !p.ok {
		return nil, false
	}
	return members, true
}

// parseStringList reads the lines of a List whose members are all Strings; parameters are ignored.
func parseStringList(lines []string) ([]string, bool) {
	p := sfParser{s: strings.Trim(strings.Join(lines, ","), " "), ok: true}
	var list []string
	for p.ok && p.s != "" {
		item := p.itemOrInnerList()
		if item.kind != sfString {
			return nil, false
		}
		list = append(list, item.text)
		p.next()
	}
	if !p.ok {
		return nil, false
	}
	return list, true
}

// next goes to the member after the comma; a comma with nothing after it is a mistake.
func (p *sfParser) next() {
	p.s = strings.TrimLeft(p.s, " \t")
	if p.s == "" {
		return
	}
	if !p.take(',') {
		p.ok = false
		return
	}
	p.s = strings.TrimLeft(p.s, " \t")
	if p.s == "" {
		p.ok = false
	}
}

func (p *sfParser) take(c byte) bool {
	if p.s == "" || p.s[0] != c {
		return false
	}
	p.s = p.s[1:]
	return true
}

// span takes as many bytes as fit off the front.
func (p *sfParser) span(fits func(byte) bool) string {
	n := 0
	for n < len(p.s) && fits(p.s[n]) {
		n++
	}
	taken := p.s[:n]
	p.s = p.s[n:]
	return taken
}

func isLower(c byte) bool { return 'a' <= c && c <= 'z' }
func isDigit(c byte) bool { return '0' <= c && c <= '9' }
func isAlpha(c byte) bool { return isLower(c | 0x20) }

func (p *sfParser) key() string {
	if p.s == "" || !isLower(p.s[0]) && p.s[0] != '*' {
		p.ok = false
		return ""
	}
	return p.span(func(c byte) bool { return isLower(c) || isDigit(c) || c == '_' || c == '-' || c == '.' || c == '*' })
}

func (p *sfParser) itemOrInnerList() sfItem {
	if p.take('(') {
		for p.ok {
			p.s = strings.TrimLeft(p.s, " ")
			if p.take(')') {
				p.parameters()
				return sfItem{}
			}
			p.bareItem()
			p.parameters()
			if p.s == "" || p.s[0] != ' ' && p.s[0] != ')' {
				p.ok = false
			}
		}
		return sfItem{}
	}
	item := p.bareItem()
	p.parameters()
	return item
}

func (p *sfParser) parameters() {
	for p.ok && p.take(';') {
		p.s = strings.TrimLeft(p.s, " ")
		p.key()
		if p.take('=') {
			p.bareItem()
		}
	}
}

func (p *sfParser) bareItem() sfItem {
	if p.s == "" {
		p.ok = false
		return sfItem{}
	}
	switch c := p.s[0]; {
	case c == '-' || isDigit(c):
		return p.number()
	case c == '"':
		return p.str()
	case c == '*' || isAlpha(c):
		p.span(isTokenByte)
	case c == '?':
		p.s = p.s[1:]
		if p.take('1') {
			return sfItem{kind: sfTrue}
		}
		if p.take('0') {
			return sfItem{kind: sfFalse}
		}
		p.ok = false
	case c == ':':
		p.s = p.s[1:]
		p.span(func(c byte) bool { return isAlpha(c) || isDigit(c) || c == '+' || c == '/' || c == '=' })
		p.ok = p.ok && p.take(':')
	case c == '@':
		p.s = p.s[1:]
		if item := p.number(); item.kind != sfInteger {
			p.ok = false
		}
	default:
		p.ok = false
	}
	return sfItem{}
}

func isTokenByte(c byte) bool {
	return isAlpha(c) || isDigit(c) || strings.IndexByte("!#$%&'*+-.^_`|~:/", c) >= 0
}

func (p *sfParser) number() sfItem {
	negative := p.take('-')
	digits := p.span(isDigit)
	if p.take('.') {
		fraction := p.span(isDigit)
		if len(digits) == 0 || len(digits) > 12 || len(fraction) == 0 || len(fraction) > 3 {
			p.ok = false
		}
		return sfItem{}
	}
	if len(digits) == 0 || len(digits) > 15 {
		p.ok = false
		return sfItem{}
	}
	var n int64
	for i := range len(digits) {
		n = n*10 + int64(digits[i]-'0')
	}
	if negative {
		n = -n
	}
	return sfItem{kind: sfInteger, num: n}
}

func (p *sfParser) str() sfItem {
	var b strings.Builder
	for i := 1; i < len(p.s); i++ {
		switch c := p.s[i]; {
		case c == '"':
			p.s = p.s[i+1:]
			return sfItem{kind: sfString, text: b.String()}
		case c == '\\':
			i++
			if i == len(p.s) || p.s[i] != '"' && p.s[i] != '\\' {
				p.ok = false
				return sfItem{}
			}
			b.WriteByte(p.s[i])
		case c < ' ' || c > '~':
			p.ok = false
			return sfItem{}
		default:
			b.WriteByte(c)
		}
	}
	p.ok = false
	return sfItem{}
}
