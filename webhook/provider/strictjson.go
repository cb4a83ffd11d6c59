package provider

import (
	"bytes"
	"fmt"
	"iter"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/gatehouse-go/gatehouse/webhook"
)

// strictObject is decodeStrict for readers that may not allocate: it returns the raw JSON object in body, to be read with pairsIn and
// elementsIn. It refuses the same, at any depth.
func strictObject(body []byte) (object []byte, err error) {
	if jsontext.Value(body).IsValid() {
		if object = bytes.TrimSpace(body); isObject(object) {
			return object, nil
		}
	}
	return nil, fmt.Errorf("%w: not the JSON that the provider sends", webhook.ErrPayload)
}

// isObject, isArray, isString and isScalar report whether a raw value may stand where the provider sends an object, an array, a string,
// or a string, number or boolean. Null may always: it is as good as absent. A scalar beyond maxText is none.
func isObject(raw []byte) bool { return raw[0] == '{' || raw[0] == 'n' }
func isArray(raw []byte) bool  { return raw[0] == '[' || raw[0] == 'n' }
func isString(raw []byte) bool { return raw[0] == '"' || raw[0] == 'n' }
func isScalar(raw []byte) bool { return raw[0] != '{' && raw[0] != '[' && len(raw) <= maxText }

// pairsIn yields the names, decoded, and the raw values of a JSON object. It is read as strictObject left it: valid, no name twice.
// Where object is null or nothing, there are none.
func pairsIn(object []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(name, value []byte) bool) {
		c := cursor{text: object}
		for more := c.take('{'); more; more = c.take(',') {
			c.space()
			start := c.pos
			if !c.str() {
				return // as in {}
			}
			name := unquoted(c.text[start:c.pos])
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

// unquoted returns the text of a raw scalar: a string's content, or a number or boolean as written. Null and nothing are "". It allocates
// only for a string with an escape.
func unquoted(raw []byte) []byte {
	if len(raw) > 0 && raw[0] == '"' && bytes.IndexByte(raw, '\\') < 0 {
		return raw[1 : len(raw)-1]
	}
	return appendUnquoted(nil, raw)
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
