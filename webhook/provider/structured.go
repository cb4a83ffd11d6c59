package provider

import (
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"

	"github.com/gatehouse-go/gatehouse/webhook"
)

// What follows reads and writes the structured fields (RFC 9651) that HTTP message signatures are made of: dictionaries whose members
// are inner lists of strings, or byte sequences.

// sfKind is the kind of a bare item.
type sfKind uint8

const (
	sfString sfKind = iota
	sfInteger
	sfToken
	sfBytes
	sfBoolean
)

// sfItem is a bare item.
type sfItem struct {
	kind sfKind
	text string // content of a string, token or byte sequence
	num  int64  // of an integer; 1 of a true boolean
}

// appendTo appends i as section 4.1 serialises it.
func (i sfItem) appendTo(b []byte) []byte {
	switch i.kind {
	case sfInteger:
		return strconv.AppendInt(b, i.num, 10)
	case sfToken:
		return append(b, i.text...)
	case sfBytes:
		b = append(b, ':')
		b = base64.StdEncoding.AppendEncode(b, []byte(i.text))
		return append(b, ':')
	case sfBoolean:
		return append(b, '?', '0'+byte(i.num))
	default:
		b = append(b, '"')
		for _, c := range []byte(i.text) {
			if c == '"' || c == '\\' {
				b = append(b, '\\')
			}
			b = append(b, c)
		}
		return append(b, '"')
	}
}

// sfParam is a parameter.
type sfParam struct {
	key   string
	value sfItem
}

// sfParams are parameters, in order, each key once.
type sfParams []sfParam

// get returns the value of key.
func (p sfParams) get(key string) (sfItem, bool) {
	for _, param := range p {
		if param.key == key {
			return param.value, true
		}
	}
	return sfItem{}, false
}

func (p sfParams) appendTo(b []byte) []byte {
	for _, param := range p {
		b = append(append(b, ';'), param.key...)
		if param.value.kind == sfBoolean && param.value.num == 1 {
			continue
		}
		b = param.value.appendTo(append(b, '='))
	}
	return b
}

// sfMember is a member of a dictionary: an item or an inner list, with parameters.
type sfMember struct {
	key    string
	isList bool
	item   sfItem
	list   []sfListItem
	params sfParams
}

type sfListItem struct {
	item   sfItem
	params sfParams
}

// appendList appends the inner list and its parameters.
func (m sfMember) appendList(b []byte) []byte {
	b = append(b, '(')
	for i, item := range m.list {
		if i > 0 {
			b = append(b, ' ')
		}
		b = item.params.appendTo(item.item.appendTo(b))
	}
	return m.params.appendTo(append(b, ')'))
}

// maxMembers bounds a dictionary, an inner list and a list of parameters.
const maxMembers = 64

// parseDictionary reads the lines of one header field. A key that is given twice is refused, where the RFC lets the last one win: two readers
// may not agree.
func parseDictionary(lines []string) ([]sfMember, error) {
	p := sfParser{text: strings.Join(lines, ", ")}
	members, ok := p.dictionary()
	if !ok {
		return nil, fmt.Errorf("%w: not a structured field", webhook.ErrSignatureFormat)
	}
	return members, nil
}

type sfParser struct {
	text string
	pos  int
}

func (p *sfParser) peek() byte {
	if p.pos < len(p.text) {
		return p.text[p.pos]
	}
	return 0
}

func (p *sfParser) take(c byte) bool {
	if p.pos < len(p.text) && p.text[p.pos] == c {
		p.pos++
		return true
	}
	return false
}

func (p *sfParser) skip(set string) {
	for p.pos < len(p.text) && strings.IndexByte(set, p.text[p.pos]) >= 0 {
		p.pos++
	}
}

func (p *sfParser) dictionary() ([]sfMember, bool) {
	var members []sfMember
	p.skip(" ")
	for p.pos < len(p.text) {
		m, ok := p.member()
		if !ok || len(members) == maxMembers {
			return nil, false
		}
		for _, other := range members {
			if other.key == m.key {
				return nil, false
			}
		}
		members = append(members, m)
		p.skip(" \t")
		if p.pos == len(p.text) {
			return members, true
		}
		if !p.take(',') {
			return nil, false
		}
		p.skip(" \t")
		if p.pos == len(p.text) {
			return nil, false
		}
	}
	return members, true
}

func (p *sfParser) member() (m sfMember, ok bool) {
	if m.key, ok = p.key(); !ok {
		return m, false
	}
	switch {
	case !p.take('='):
		m.item = sfItem{kind: sfBoolean, num: 1}
	case p.peek() == '(':
		m.isList = true
		if m.list, ok = p.innerList(); !ok {
			return m, false
		}
	default:
		if m.item, ok = p.item(); !ok {
			return m, false
		}
	}
	m.params, ok = p.params()
	return m, ok
}

func (p *sfParser) innerList() ([]sfListItem, bool) {
	if !p.take('(') {
		return nil, false
	}
	var list []sfListItem
	for {
		start := p.pos
		p.skip(" ")
		if p.take(')') {
			return list, true
		}
		if len(list) == maxMembers || len(list) > 0 && p.pos == start {
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
		list = append(list, sfListItem{item, params})
	}
}

func (p *sfParser) params() (sfParams, bool) {
	var params sfParams
	for p.take(';') {
		p.skip(" ")
		key, ok := p.key()
		if !ok || len(params) == maxMembers {
			return nil, false
		}
		if _, twice := params.get(key); twice {
			return nil, false
		}
		value := sfItem{kind: sfBoolean, num: 1}
		if p.take('=') {
			if value, ok = p.item(); !ok {
				return nil, false
			}
		}
		params = append(params, sfParam{key, value})
	}
	return params, true
}

func (p *sfParser) key() (string, bool) {
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

func (p *sfParser) item() (sfItem, bool) {
	switch c := p.peek(); {
	case c == '"':
		return p.str()
	case c == ':':
		p.pos++
		end := strings.IndexByte(p.text[p.pos:], ':')
		if end < 0 {
			return sfItem{}, false
		}
		content, err := decodeBase64(p.text[p.pos : p.pos+end])
		p.pos += end + 1
		return sfItem{kind: sfBytes, text: string(content)}, err == nil
	case c == '?':
		p.pos++
		if p.take('1') {
			return sfItem{kind: sfBoolean, num: 1}, true
		}
		return sfItem{kind: sfBoolean}, p.take('0')
	case c == '-' || c >= '0' && c <= '9':
		return p.integer()
	case c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '*':
		start := p.pos
		for p.pos < len(p.text) && (tokenByte(p.text[p.pos]) || p.text[p.pos] == ':' || p.text[p.pos] == '/') {
			p.pos++
		}
		return sfItem{kind: sfToken, text: p.text[start:p.pos]}, true
	}
	return sfItem{}, false
}

// integer reads an integer. A decimal, which no signature parameter is, is refused.
func (p *sfParser) integer() (sfItem, bool) {
	start := p.pos
	p.take('-')
	digits := p.pos
	p.skip("0123456789")
	if n := p.pos - digits; n == 0 || n > 15 || p.peek() == '.' {
		return sfItem{}, false
	}
	num, err := strconv.ParseInt(p.text[start:p.pos], 10, 64)
	return sfItem{kind: sfInteger, num: num}, err == nil
}

func (p *sfParser) str() (sfItem, bool) {
	var b strings.Builder
	for p.pos++; p.pos < len(p.text); p.pos++ {
		switch c := p.text[p.pos]; {
		case c == '"':
			p.pos++
			return sfItem{kind: sfString, text: b.String()}, true
		case c == '\\':
			p.pos++
			if c := p.peek(); c != '"' && c != '\\' {
				return sfItem{}, false
			}
			b.WriteByte(p.text[p.pos])
		case c < ' ' || c > '~':
			return sfItem{}, false
		default:
			b.WriteByte(c)
		}
	}
	return sfItem{}, false
}
