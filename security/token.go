package security

import "strings"

// isToken reports whether s is a token (RFC 9110, section 5.6.2), such as a field name or a method.
func isToken(s string) bool {
	for i := range len(s) {
		if !isTchar(s[i]) {
			return false
		}
	}
	return s != ""
}

func isTchar(c byte) bool { return isAlnum(c) || strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0 }

// isAlnum reports whether c is an ASCII letter or digit.
func isAlnum(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

// trimOWS removes the optional white space around a list element (RFC 9110, section 5.6.3).
func trimOWS(s string) string { return strings.Trim(s, " \t") }
