package proxy

import (
	"fmt"
	"strings"
)

// normalPath writes the path of a destination as a URL parser does (WHATWG URL, section 4.4): backslashes are slashes,
// dot segments are resolved, and what cannot stand in a path is escaped. Braces are escaped too, so that a destination has
// no {groups}.
func normalPath(path string) string {
	segments := strings.Split(strings.ReplaceAll(path, `\`, "/"), "/")
	out := segments[:1] // the empty one before the first slash
	for i, s := range segments[1:] {
		last := i == len(segments)-2
		switch strings.ReplaceAll(strings.ToLower(s), "%2e", ".") {
		case "..":
			if len(out) > 1 {
				out = out[:len(out)-1]
			}
			if last {
				out = append(out, "")
			}
		case ".":
			if last {
				out = append(out, "")
			}
		default:
			out = append(out, s)
		}
	}
	return escapeBytes(strings.Join(out, "/"), "\"<>`{}")
}

// escapeBytes escapes the bytes in reserved, space, controls and everything outside of ASCII.
func escapeBytes(s, reserved string) string {
	escapes := func(c byte) bool { return c <= ' ' || c >= 0x7f || strings.IndexByte(reserved, c) >= 0 }
	var b strings.Builder
	for i := range len(s) {
		if escapes(s[i]) {
			fmt.Fprintf(&b, "%%%02X", s[i])
		} else {
			b.WriteByte(s[i])
		}
	}
	return b.String()
}

// dropBreaks leaves out the tabs and line breaks that a URL parser leaves out.
func dropBreaks(r rune) rune {
	if r == '\t' || r == '\n' || r == '\r' {
		return -1
	}
	return r
}

// mergeSlashes turns each run of slashes and backslashes into one slash.
func mergeSlashes(path string) string {
	var b strings.Builder
	for i := range len(path) {
		c := path[i]
		if c == '\\' {
			c = '/'
		}
		if c == '/' && strings.HasSuffix(b.String(), "/") {
			continue
		}
		b.WriteByte(c)
	}
	return b.String()
}

// escapeComponent is JavaScript's encodeURIComponent.
func escapeComponent(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if isUnreserved(s[i]) || strings.IndexByte("!*'()", s[i]) >= 0 {
			b.WriteByte(s[i])
		} else {
			fmt.Fprintf(&b, "%%%02X", s[i])
		}
	}
	return b.String()
}

// isUnreserved is the set of characters that need no escape anywhere (RFC 3986, section 2.3).
func isUnreserved(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-._~", c) >= 0
}
