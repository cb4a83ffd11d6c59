// Package urlpath refuses request paths that two readers could understand in two ways, so that a rule and the handler behind it judge the same path.
package urlpath

import (
	"net/http"
	"net/url"
	"unicode/utf8"

	"github.com/gatehouse-go/gatehouse/internal/refusal"
)

// Reasons for which [Check] refuses a path. All are answered 400.
var (
	ErrEncodedSeparator = refusal.New(http.StatusBadRequest, "path has an encoded slash or backslash, or a raw backslash")
	ErrControl          = refusal.New(http.StatusBadRequest, "path has a control character")
	ErrDotSegment       = refusal.New(http.StatusBadRequest, "path has a dot segment")
	ErrUTF8             = refusal.New(http.StatusBadRequest, "path is not valid UTF-8")
	ErrRelative         = refusal.New(http.StatusBadRequest, "path does not begin with a slash")
	ErrRaw              = refusal.New(http.StatusBadRequest, "path or query has a byte that must be percent-encoded")
)

// Check returns nil when the raw and the decoded form of u's path name the same segments: no separator is encoded,
// no segment is "." or ".." in either form, with or without parameters (RFC 3986, section 3.3 and 6.2.2.3), no byte is NUL or another control,
// the decoded path is UTF-8 and begins with a slash. The path "*" of a server-wide OPTIONS is accepted.
// Bytes outside of ASCII and the "#" must have come percent-encoded, in the query as well (RFC 3986, section 2): servers read
// raw bytes in encodings of their own, and some end the path or query at a "#".
//
// Empty segments ("//") are left to the caller: they are one reading, if an unusual one. Check does not allocate.
func Check(u *url.URL) error {
	path := u.Path
	if path == "*" {
		return nil
	}
	if path == "" || path[0] != '/' {
		return ErrRelative
	}
	dots, ascii := false, true // whether a segment begins with a dot
	for i := range len(path) {
		switch c := path[i]; {
		case c < 0x20 || c == 0x7f:
			return ErrControl
		case c == '\\':
			return ErrEncodedSeparator
		case c == '.':
			dots = dots || path[max(i-1, 0)] == '/'
		case c >= utf8.RuneSelf:
			ascii = false
		}
	}
	if dots && hasDotSegment(path) {
		return ErrDotSegment
	}
	if u.RawPath != "" && encodesSlash(u.RawPath) {
		return ErrEncodedSeparator
	}
	if !ascii && !utf8.ValidString(path) {
		return ErrUTF8
	}
	if hasRaw(u.RawPath) || hasRaw(u.RawQuery) {
		return ErrRaw
	}
	return nil
}

func hasRaw(s string) bool {
	for i := range len(s) {
		if c := s[i]; c >= utf8.RuneSelf || c == '#' {
			return true
		}
	}
	return false
}

// hasDotSegment looks at the decoded path, where an encoded dot has become a dot. A dot segment with parameters, "..;x", counts:
// servers that take the parameters off a segment (RFC 3986, section 3.3) then climb.
func hasDotSegment(path string) bool {
	for i := range len(path) {
		if path[i] != '/' {
			continue
		}
		rest := path[i+1:]
		dots := 0
		for dots < len(rest) && rest[dots] == '.' {
			dots++
		}
		if (dots == 1 || dots == 2) && (dots == len(rest) || rest[dots] == '/' || rest[dots] == ';') {
			return true
		}
	}
	return false
}

// encodesSlash looks at the raw path, which [url.Parse] keeps only where it differs from the default encoding of the decoded
// one; a path with an encoded slash always does.
func encodesSlash(raw string) bool {
	for i := 0; i+2 < len(raw); i++ {
		if raw[i] == '%' && raw[i+1] == '2' && (raw[i+2] == 'f' || raw[i+2] == 'F') {
			return true
		}
	}
	return false
}
