// Package httpsig reads and writes what HTTP Message Signatures (RFC 9421) are made of: structured fields, signature bases, signatures and
// content digests.
package httpsig

import (
	"encoding/base64"
	"errors"
	"strconv"
	"strings"
)

// What follows reads and writes the structured fields (RFC 9651) that HTTP message signatures are made of: dictionaries whose members
// are inner lists of strings, or byte sequences.

// Kind is the kind of a bare item.
type Kind uint8

// Kinds of bare items (RFC 9651, section 3.3).
const (
	String  Kind = iota // a string
	Integer             // an integer
	Token               // a token
	Bytes               // a byte sequence
	Boolean             // a boolean
)

// Item is a bare item.
type Item struct {
	Kind Kind
	Text string // content of a string, token or byte sequence
	Num  int64  // of an integer; 1 of a true boolean
}

// AppendTo appends i as section 4.1 serialises it.
func (i Item) AppendTo(b []byte) []byte {
	switch i.Kind {
	case Integer:
		return strconv.AppendInt(b, i.Num, 10)
	case Token:
		return append(b, i.Text...)
	case Bytes:
		b = append(b, ':')
		b = base64.StdEncoding.AppendEncode(b, []byte(i.Text))
		return append(b, ':')
	case Boolean:
		return append(b, '?', '0'+byte(i.Num&1))
	default:
		b = append(b, '"')
		for _, c := range []byte(i.Text) {
			if c == '"' || c == '\\' {
				b = append(b, '\\')
			}
			b = append(b, c)
		}
		return append(b, '"')
	}
}

// Param is a parameter.
type Param struct {
	Key   string
	Value Item
}

// Params are parameters, in order, each key once.
type Params []Param

// Get returns the value of key.
func (p Params) Get(key string) (Item, bool) {
	for _, param := range p {
		if param.Key == key {
			return param.Value, true
		}
	}
	return Item{}, false
}

// AppendTo appends p as section 4.1.1.2 serialises it.
func (p Params) AppendTo(b []byte) []byte {
	for _, param := range p {
		b = append(append(b, ';'), param.Key...)
		if param.Value.Kind == Boolean && param.Value.Num == 1 {
			continue
		}
		b = param.Value.AppendTo(append(b, '='))
	}
	return b
}

// Member is a member of a dictionary: an item or an inner list, with parameters.
type Member struct {
	Key    string
	IsList bool
	Item   Item
	List   []ListItem
	Params Params
}

// ListItem is an item of an inner list.
type ListItem struct {
	Item   Item
	Params Params
}

// AppendList appends the inner list and its parameters.
func (m Member) AppendList(b []byte) []byte {
	b = append(b, '(')
	for i, item := range m.List {
		if i > 0 {
			b = append(b, ' ')
		}
		b = item.Params.AppendTo(item.Item.AppendTo(b))
	}
	return m.Params.AppendTo(append(b, ')'))
}

// ErrField is what ParseDictionary returns for a field that is no dictionary.
var ErrField = errors.New("not a structured field")

// maxMembers bounds a dictionary, an inner list and a list of parameters.
const maxMembers = 64

// ParseDictionary reads the lines of one header field. A key that is given twice is refused, where the RFC lets the last one win: two readers
// may not agree.
func ParseDictionary(lines []string) ([]Member, error) {
	p := parser{text: strings.Join(lines, ", ")}
	members, ok := p.dictionary()
	if !ok {
		return nil, ErrField
	}
	return members, nil
}

type parser struct {
	text string
	pos  int
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

func (p *parser) dictionary() ([]Member, bool) {
	var members []Member
	p.skip(" ")
	for p.pos < len(p.text) {
		m, ok := p.member()
		if !ok || len(members) == maxMembers {
			return nil, false
		}
		for _, other := range members {
			if other.Key == m.Key {
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

func (p *parser) member() (m Member, ok bool) {
	if m.Key, ok = p.key(); !ok {
		return m, false
	}
	switch {
	case !p.take('='):
		m.Item = Item{Kind: Boolean, Num: 1}
	case p.peek() == '(':
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

func (p *parser) innerList() ([]ListItem, bool) {
	if !p.take('(') {
		return nil, false
	}
	var list []ListItem
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
		list = append(list, ListItem{item, params})
	}
}

func (p *parser) params() (Params, bool) {
	var params Params
	for p.take(';') {
		p.skip(" ")
		key, ok := p.key()
		if !ok || len(params) == maxMembers {
			return nil, false
		}
		if _, twice := params.Get(key); twice {
			return nil, false
		}
		value := Item{Kind: Boolean, Num: 1}
		if p.take('=') {
			if value, ok = p.item(); !ok {
				return nil, false
			}
		}
		params = append(params, Param{key, value})
	}
	return params, true
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

func (p *parser) item() (Item, bool) {
	switch c := p.peek(); {
	case c == '"':
		return p.str()
	case c == ':':
		p.pos++
		end := strings.IndexByte(p.text[p.pos:], ':')
		if end < 0 {
			return Item{}, false
		}
		content, err := base64.StdEncoding.Strict().DecodeString(p.text[p.pos : p.pos+end])
		p.pos += end + 1
		return Item{Kind: Bytes, Text: string(content)}, err == nil
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

func (p *parser) str() (Item, bool) {
	var b strings.Builder
	for p.pos++; p.pos < len(p.text); p.pos++ {
		switch c := p.text[p.pos]; {
		case c == '"':
			p.pos++
			return Item{Kind: String, Text: b.String()}, true
		case c == '\\':
			p.pos++
			if c := p.peek(); c != '"' && c != '\\' {
				return Item{}, false
			}
			b.WriteByte(p.text[p.pos])
		case c < ' ' || c > '~':
			return Item{}, false
		default:
			b.WriteByte(c)
		}
	}
	return Item{}, false
}
