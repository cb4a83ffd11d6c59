package provider

import (
	"bytes"
	"encoding/hex"
	"slices"
)

// form is a form body or a query (application/x-www-form-urlencoded), read into room that is used again. Its texts are valid until
// the next read.
type form struct {
	pairs  []formPair // in the order in which they are given, until join sorts them; of a multipart form they are the body's
	joined []byte     // see join
	text   []byte     // what was read, each name and value decoded in place
}

// formPair is one name with its value.
type formPair struct{ name, value []byte }

// maxPairs is how many pairs of a form are read, as with [url.ParseQuery].
const maxPairs = 10000

// readForm reads text into f and reports whether it is a form. The rules are those of [url.ParseQuery]: what cannot be read whole is none.
func readForm[T string | []byte](f *form, text T) bool {
	f.text, f.pairs = append(f.text[:0], text...), f.pairs[:0]
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
		f.pairs = append(f.pairs, formPair{name, value})
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

// values returns the first value of name and how often name is given.
func (f *form) values(name string) (first []byte, n int) {
	for _, p := range f.pairs {
		if string(p.name) != name {
			continue
		}
		if n == 0 {
			first = p.value
		}
		n++
	}
	return first, n
}

// firstOf returns the value of the first of these names that has one of a sensible length, and whether one has.
func (f *form) firstOf(names ...string) (value string, ok bool) {
	for _, name := range names {
		if value, _ := f.values(name); len(value) > 0 && len(value) <= maxText {
			return string(value), true
		}
	}
	return "", false
}

// join sorts the pairs and sets joined to their names and values, each pair once and without a border.
func (f *form) join() {
	slices.SortFunc(f.pairs, formPair.compare)
	f.joined = f.joined[:0]
	for i, p := range f.pairs {
		if i == 0 || p.compare(f.pairs[i-1]) != 0 {
			f.joined = append(append(f.joined, p.name...), p.value...)
		}
	}
}

func (p formPair) compare(other formPair) int {
	if order := bytes.Compare(p.name, other.name); order != 0 {
		return order
	}
	return bytes.Compare(p.value, other.value)
}

// forget lets go of the last delivery's body.
func (f *form) forget() { clear(f.pairs) }
