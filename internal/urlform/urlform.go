// Package urlform reads forms and queries (application/x-www-form-urlencoded) into memory that is used again.
package urlform

import (
	"bytes"
	"encoding/hex"
)

// Form is a form that was read. Its texts are valid until the next read. The zero value is ready and empty; it is not safe for
// concurrent use.
type Form struct {
	Pairs []Pair // in the order in which they are given
	text  []byte // what was read, each name and value decoded in place
}

// Pair is one name with its value.
type Pair struct{ Name, Value []byte }

// maxPairs is how many pairs are read, as with [net/url.ParseQuery].
const maxPairs = 10000

// Read reads text into f and reports whether it is a form. The rules are those of [net/url.ParseQuery]: what cannot be read whole is none.
func Read[T string | []byte](f *Form, text T) bool {
	f.text, f.Pairs = append(f.text[:0], text...), f.Pairs[:0]
	if bytes.Count(f.text, []byte("&")) >= maxPairs {
		return false
	}
	for rest := f.text; len(rest) > 0; {
		var next []byte
		next, rest, _ = bytes.Cut(rest, []byte("&"))
		if len(next) == 0 {
			continue
		}
		if bytes.IndexByte(next, ';') >= 0 {
			return false
		}
		name, value, _ := bytes.Cut(next, []byte("="))
		name, ok := unescape(name)
		if !ok {
			return false
		}
		if value, ok = unescape(value); !ok {
			return false
		}
		f.Pairs = append(f.Pairs, Pair{name, value})
	}
	return true
}

// unescape decodes text in place.
func unescape(text []byte) (decoded []byte, ok bool) {
	decoded = text[:0]
	for i := 0; i < len(text); i++ {
		switch c := text[i]; c {
		case '+':
			decoded = append(decoded, ' ')
		case '%':
			var b [1]byte
			if len(text)-i < 3 {
				return nil, false
			}
			if _, err := hex.Decode(b[:], text[i+1:i+3]); err != nil {
				return nil, false
			}
			decoded = append(decoded, b[0])
			i += 2
		default:
			decoded = append(decoded, c)
		}
	}
	return decoded, true
}

// Get returns the first value of name and how often name is given.
func (f *Form) Get(name string) (first []byte, n int) {
	for _, p := range f.Pairs {
		if string(p.Name) != name {
			continue
		}
		if n == 0 {
			first = p.Value
		}
		n++
	}
	return first, n
}

// Forget lets go of what Pairs were made of, where that is not f's own.
func (f *Form) Forget() { clear(f.Pairs) }
