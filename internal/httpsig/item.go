// Package httpsig reads and writes what HTTP Message Signatures (RFC 9421) are made of: structured fields, signature bases, signatures and
// content digests.
package httpsig

import (
	"encoding/base64"
	"strconv"
)

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
	Kind  Kind
	Text  string // content of a string or token
	Bytes []byte // content of a byte sequence
	Num   int64  // of an integer; 1 of a true boolean
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
		b = base64.StdEncoding.AppendEncode(b, i.Bytes)
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
	for i := range p {
		if p[i].Key == key {
			return p[i].Value, true
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
