package httpsig

import "strings"

// AppendCanonical appends the key under which net/http keeps a header field, whose name is valid and in lower case.
func AppendCanonical(b []byte, name string) []byte {
	start := true
	for i := range len(name) {
		c := name[i]
		if start && c >= 'a' && c <= 'z' {
			c -= 'a' - 'A'
		}
		b = append(b, c)
		start = c == '-'
	}
	return b
}

// isFieldName reports whether name can be a header field (RFC 9110, section 5.1) and is in lower case.
func isFieldName(name string) bool {
	for i := range len(name) {
		if c := name[i]; !tokenByte(c) || c >= 'A' && c <= 'Z' {
			return false
		}
	}
	return name != ""
}

// tokenByte reports whether b is a tchar (RFC 9110, section 5.6.2).
func tokenByte(b byte) bool {
	return b >= '0' && b <= '9' || b|0x20 >= 'a' && b|0x20 <= 'z' || b != 0 && strings.IndexByte("!#$%&'*+-.^_`|~", b) >= 0
}
