package provider

import (
	"encoding/json"
	"iter"
	"strings"
)

// maxText is the longest value that is taken from a payload as a type, an id or a time. A longer one is none.
const maxText = 1024

// members yields the raw values at path in the JSON text body: member names joined by dots, where "[]" stands for each element of
// an array, as in "events[].type". Of two members with one name the first counts; webhook.Decode refuses such a payload. What
// cannot be read ends the sequence. It allocates nothing and reads no further than it must.
func members(body []byte, path string) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		c := cursor{text: body}
		c.walk(path, yield)
	}
}

// member returns the text of the first value at path: a string's content, or a number or boolean as written. It is "" for
// what is absent, null, an object, an array, or longer than maxText.
func member(body []byte, path string) string {
	for raw := range members(body, path) {
		return text(raw)
	}
	return ""
}

// raw returns the first value at path as it is written, nil when there is none.
func raw(body []byte, path string) []byte {
	for value := range members(body, path) {
		return value
	}
	return nil
}

// text returns the text of a raw scalar.
func text(raw []byte) string {
	if len(raw) == 0 || len(raw) > maxText {
		return ""
	}
	switch raw[0] {
	case '"':
		for _, c := range raw {
			if c == '\\' || c >= 0x80 || c < 0x20 {
				var s string
				if json.Unmarshal(raw, &s) != nil {
					return ""
				}
				return s
			}
		}
		return string(raw[1 : len(raw)-1])
	case '{', '[', 'n':
		return ""
	default:
		return string(raw)
	}
}

// A cursor reads JSON from left to right. It checks only what it needs to find the way: a payload that some other reader
// would refuse may still give a value.
type cursor struct {
	text []byte
	pos  int
}

// walk yields what lies at path below the value at the cursor, and moves behind that value. It reports whether to go on.
func (c *cursor) walk(path string, yield func([]byte) bool) bool {
	if path == "" {
		raw, ok := c.value()
		return ok && yield(raw)
	}
	if rest, ok := strings.CutPrefix(path, "[]"); ok {
		return c.elements(strings.TrimPrefix(rest, "."), yield)
	}
	end := strings.IndexAny(path, ".[")
	if end < 0 {
		end = len(path)
	}
	return c.object(path[:end], strings.TrimPrefix(path[end:], "."), yield)
}

func (c *cursor) elements(path string, yield func([]byte) bool) bool {
	if !c.take('[') {
		_, ok := c.value()
		return ok
	}
	if c.take(']') {
		return true
	}
	for {
		if !c.walk(path, yield) {
			return false
		}
		if c.take(']') {
			return true
		}
		if !c.take(',') {
			return false
		}
	}
}

func (c *cursor) object(name, path string, yield func([]byte) bool) bool {
	if !c.take('{') {
		_, ok := c.value()
		return ok
	}
	if c.take('}') {
		return true
	}
	found := false
	for {
		c.space()
		start := c.pos
		if !c.str() {
			return false
		}
		key := c.text[start+1 : c.pos-1]
		if !c.take(':') {
			return false
		}
		if !found && string(key) == name {
			found = true
			if !c.walk(path, yield) {
				return false
			}
		} else if _, ok := c.value(); !ok {
			return false
		}
		if c.take('}') {
			return true
		}
		if !c.take(',') {
			return false
		}
	}
}

func (c *cursor) space() {
	for c.pos < len(c.text) {
		switch c.text[c.pos] {
		case ' ', '\t', '\n', '\r':
			c.pos++
		default:
			return
		}
	}
}

// take moves behind b, and space before it, where b comes next.
func (c *cursor) take(b byte) bool {
	c.space()
	if c.pos < len(c.text) && c.text[c.pos] == b {
		c.pos++
		return true
	}
	return false
}

// str moves behind the string that begins at the cursor.
func (c *cursor) str() bool {
	if c.pos >= len(c.text) || c.text[c.pos] != '"' {
		return false
	}
	for c.pos++; c.pos < len(c.text); c.pos++ {
		switch c.text[c.pos] {
		case '\\':
			c.pos++
		case '"':
			c.pos++
			return true
		}
	}
	return false
}

// value moves behind the value that begins at the cursor and returns it. Nesting is counted, not recursed into, so that its depth costs
// nothing.
func (c *cursor) value() (raw []byte, ok bool) {
	c.space()
	start := c.pos
	for depth := 0; ; {
		c.space()
		if c.pos >= len(c.text) {
			return nil, false
		}
		switch b := c.text[c.pos]; b {
		case '{', '[':
			depth++
			c.pos++
		case '}', ']':
			depth--
			c.pos++
		case '"':
			if !c.str() {
				return nil, false
			}
		case ',', ':':
			if depth == 0 {
				return nil, false
			}
			c.pos++
			continue
		default:
			begin := c.pos
			for c.pos < len(c.text) && scalar(c.text[c.pos]) {
				c.pos++
			}
			if c.pos == begin {
				return nil, false
			}
		}
		if depth < 0 {
			return nil, false
		}
		if depth == 0 {
			return c.text[start:c.pos], true
		}
	}
}

// scalar reports whether b can be part of a number, true, false or null.
func scalar(b byte) bool {
	return b >= '0' && b <= '9' || b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b == '-' || b == '+' || b == '.'
}

// names yields the member names of the object at the cursor, as they are written.
func (c *cursor) names() iter.Seq[string] {
	return func(yield func(string) bool) {
		if !c.take('{') {
			return
		}
		for {
			c.space()
			start := c.pos
			if !c.str() || !yield(string(c.text[start+1:c.pos-1])) || !c.take(':') {
				return
			}
			if _, ok := c.value(); !ok || !c.take(',') {
				return
			}
		}
	}
}
