package security

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"html"
	"math/bits"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// secretIndex finds many strings in a text in one pass. It is immutable.
//
// Each form of a secret is filed under its last eight bytes: the ends of keys are random where their beginnings ("sk_live_")
// are not, so that hardly two share a place. The filter answers "no" for almost every position of a text without a map look-up.
type secretIndex struct {
	filter  []uint64 // one bit a hash
	shift   uint     // takes a hash to a bit number
	byTail  map[uint64][]string
	longest int
}

func newSecretIndex(values []string) *secretIndex {
	if len(values) == 0 {
		return nil
	}
	x := &secretIndex{byTail: make(map[uint64][]string)}
	count := 0
	for _, v := range values {
		for _, form := range secretForms(v) {
			tail := binary.LittleEndian.Uint64([]byte(form[len(form)-8:]))
			if slices.Contains(x.byTail[tail], form) {
				continue
			}
			x.byTail[tail] = append(x.byTail[tail], form)
			x.longest = max(x.longest, len(form))
			count++
		}
	}
	for _, forms := range x.byTail { // the longest first: a match covers what it holds
		slices.SortFunc(forms, func(a, b string) int { return len(b) - len(a) })
	}
	logBits := max(bits.Len(uint(count*32-1)), 6)
	x.filter = make([]uint64, 1<<(logBits-6))
	x.shift = uint(64 - logBits)
	for tail := range x.byTail {
		bit := hashTail(tail) >> x.shift
		x.filter[bit/64] |= 1 << (bit % 64)
	}
	return x
}

// hashTail spreads a tail's bits to the upper end (Fibonacci hashing).
func hashTail(tail uint64) uint64 { return tail * 0x9E3779B97F4A7C15 }

// next returns the first match in text that ends after from+7, and the longest of those that end there.
func (x *secretIndex) next(text string, from int) (start, end int, ok bool) {
	var window uint64
	for i := from; i < len(text); i++ {
		window = window>>8 | uint64(text[i])<<56
		if i-from < 7 {
			continue
		}
		bit := hashTail(window) >> x.shift
		if x.filter[bit/64]&(1<<(bit%64)) == 0 {
			continue
		}
		for _, form := range x.byTail[window] {
			if strings.HasSuffix(text[:i+1], form) {
				return i + 1 - len(form), i + 1, true
			}
		}
	}
	return 0, 0, false
}

// secretForms returns value and how it reads after the encodings that logs and headers meet.
func secretForms(value string) []string {
	forms := []string{value}
	add := func(form string) {
		if len(form) >= minSecret && !slices.Contains(forms, form) {
			forms = append(forms, form)
		}
	}
	for _, escaped := range []string{url.QueryEscape(value), url.PathEscape(value)} {
		add(escaped)
		add(lowerEscapes(escaped))
	}
	if quoted, err := json.Marshal(value); err == nil { // with <, > and & escaped
		add(string(quoted[1 : len(quoted)-1]))
	}
	var plain strings.Builder
	e := json.NewEncoder(&plain)
	e.SetEscapeHTML(false)
	if e.Encode(value) == nil { //nolint:errchkjson // a string, and checked
		add(strings.Trim(plain.String(), "\n")[1 : plain.Len()-2])
	}
	for _, quoted := range []string{strconv.Quote(value), strconv.QuoteToASCII(value)} {
		add(quoted[1 : len(quoted)-1])
	}
	for _, form := range slices.Clip(forms) { // JSON of encoders that write ASCII
		add(asciiJSON(form, "0123456789abcdef"))
		add(asciiJSON(form, "0123456789ABCDEF"))
	}
	add(html.EscapeString(value)) // XML as well
	raw := []byte(value)
	for _, verb := range []string{"%x", "%X", "% x", "% X"} {
		digits := fmt.Sprintf(verb, raw)
		add(digits)
		if verb[1] == ' ' {
			add("%" + strings.ReplaceAll(digits, " ", "%")) // percent-encoded whole
		}
	}
	numbers := strings.Trim(fmt.Sprintf("%v", raw), "[]") // %v of a byte slice
	add(numbers)
	add(strings.ReplaceAll(numbers, " ", ",")) // a byte array in JSON
	literal := fmt.Sprintf("%#v", raw)
	add(literal[len("[]byte{") : len(literal)-1])
	for _, enc := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		for skip := range 3 {
			add(base64Core(enc, raw, skip))
		}
	}
	return forms
}

// base64Core encodes raw as it reads inside a longer value when skip bytes of a group come before it, without the
// characters at both ends that depend on its neighbours.
func base64Core(enc *base64.Encoding, raw []byte, skip int) string {
	text := enc.EncodeToString(append(make([]byte, skip), raw...))
	first := (skip*8 + 5) / 6
	last := (skip + len(raw)) * 8 / 6
	return text[first:last]
}

// asciiJSON writes the characters beyond ASCII as JSON escapes, by two where they need it (RFC 8259, section 7).
func asciiJSON(s, digits string) string {
	var b strings.Builder
	for _, r := range s {
		if r < utf8.RuneSelf {
			b.WriteRune(r)
			continue
		}
		for _, unit := range utf16.AppendRune(nil, r) {
			b.WriteString(`\u`)
			for shift := 12; shift >= 0; shift -= 4 {
				b.WriteByte(digits[unit>>shift&15])
			}
		}
	}
	return b.String()
}

// lowerEscapes writes the hexadecimal digits of percent escapes in lower case.
func lowerEscapes(s string) string {
	b := []byte(s)
	for i := 0; i+2 < len(b); i++ {
		if b[i] == '%' {
			copy(b[i+1:i+3], strings.ToLower(string(b[i+1:i+3])))
		}
	}
	return string(b)
}
