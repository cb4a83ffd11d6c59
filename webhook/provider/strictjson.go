package provider

import (
	"bytes"
	"fmt"
	"iter"
	"slices"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/gatehouse-go/gatehouse/webhook"
)

// strictReader is decodeStrict for readers that may not allocate: it refuses the same, at any depth, and yields raw values. Its room is used
// again: what it returned is valid until the next call of object.
type strictReader struct {
	names   [][]byte // of the objects that are open, decoded
	most    int      // how many names there were at once
	objects []int    // where in names each of them begins
	text    []byte   // of decoded strings
}

// object returns the raw JSON object in body, to be read with pairs and elementsIn.
func (s *strictReader) object(body []byte) (object []byte, err error) {
	s.names, s.objects, s.text = s.names[:0], s.objects[:0], s.text[:0]
	if jsontext.Value(body).IsValid(jsontext.AllowDuplicateNames(true)) && !s.duplicates(body) {
		if object = bytes.TrimSpace(body); isObject(object) {
			return object, nil
		}
	}
	return nil, fmt.Errorf("%w: not the JSON that the provider sends", webhook.ErrPayload)
}

// duplicates reports whether an object in text, which is valid JSON, has a name twice. (jsontext would tell as well, and allocate for
// each name of an object that has many.)
func (s *strictReader) duplicates(text []byte) bool {
	c := cursor{text: text}
	for c.pos < len(text) {
		switch text[c.pos] {
		case '{':
			s.objects = append(s.objects, len(s.names))
		case '}':
			last := len(s.objects) - 1
			begin := s.objects[last]
			if twice(s.names[begin:]) {
				return true
			}
			s.names, s.objects = s.names[:begin], s.objects[:last]
		case '"':
			start := c.pos
			c.str()
			if end := c.pos; c.take(':') {
				s.names = append(s.names, s.unquoted(text[start:end]))
				s.most = max(s.most, len(s.names))
			}
			continue
		}
		c.pos++
	}
	return false
}

// twice sorts names and reports whether two are the same.
func twice(names [][]byte) bool {
	slices.SortFunc(names, bytes.Compare)
	for i := 1; i < len(names); i++ {
		if bytes.Equal(names[i], names[i-1]) {
			return true
		}
	}
	return false
}

// forget lets go of the last body.
func (s *strictReader) forget() {
	clear(s.names[:s.most])
	s.most = 0
}

// isObject, isArray, isString and isScalar report whether a raw value may stand where the provider sends an object, an array, a string,
// or a string, number or boolean. Null may always: it is as good as absent. A scalar beyond maxText is none.
func isObject(raw []byte) bool { return raw[0] == '{' || raw[0] == 'n' }
func isArray(raw []byte) bool  { return raw[0] == '[' || raw[0] == 'n' }
func isString(raw []byte) bool { return raw[0] == '"' || raw[0] == 'n' }
func isScalar(raw []byte) bool { return raw[0] != '{' && raw[0] != '[' && len(raw) <= maxText }

// pairs yields the names, decoded, and the raw values of a JSON object in what object returned. Where it is null or nothing, there are none.
func (s *strictReader) pairs(object []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(name, value []byte) bool) {
		c := cursor{text: object}
		for more := c.take('{'); more; more = c.take(',') {
			c.space()
			start := c.pos
			if !c.str() {
				return // as in {}
			}
			name := s.unquoted(c.text[start:c.pos])
			c.take(':')
			if value, ok := c.value(); !ok || !yield(name, value) {
				return
			}
		}
	}
}

// elementsIn yields the raw elements of a JSON array, on the same terms.
func elementsIn(array []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		c := cursor{text: array}
		for more := c.take('['); more; more = c.take(',') {
			if value, ok := c.value(); !ok || !yield(value) {
				return // as in []
			}
		}
	}
}

// unquoted returns the text of a raw scalar: a string's content, or a number or boolean as written. Null and nothing are "".
func (s *strictReader) unquoted(raw []byte) []byte {
	if len(raw) > 0 && raw[0] == '"' && bytes.IndexByte(raw, '\\') < 0 {
		return raw[1 : len(raw)-1]
	}
	start := len(s.text)
	s.text = appendUnquoted(s.text, raw)
	return s.text[start:len(s.text):len(s.text)]
}

// appendUnquoted appends the text of a raw scalar.
func appendUnquoted(b, raw []byte) []byte {
	switch {
	case len(raw) == 0 || raw[0] == 'n':
		return b
	case raw[0] == '"':
		b, _ = jsontext.AppendUnquote(b, raw) // which is valid
		return b
	default:
		return append(b, raw...)
	}
}
