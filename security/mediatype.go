package security

import (
	"mime"
	"slices"
	"strings"
)

// mediaRange is one media type, or all of a type, or all of a type with one structured suffix (RFC 6838, section 4.2.8).
type mediaRange struct {
	kind    string // "application"
	subtype string // "json"; "" for all
	suffix  string // "json" for application/*+json; then subtype is ""
}

func (m mediaRange) exact() bool { return m.subtype != "" }

func (m mediaRange) name() string { return m.kind + "/" + m.subtype }

func (m mediaRange) matches(kind, subtype string) bool {
	switch {
	case m.kind != kind:
		return false
	case m.subtype != "":
		return m.subtype == subtype
	case m.suffix != "":
		base, suffix, ok := cutLast(subtype, '+')
		return ok && base != "" && suffix == m.suffix
	}
	return true
}

// parseMediaRange reads "application/json", "image/*" or "application/*+json".
func parseMediaRange(s string) (mediaRange, bool) {
	kind, subtype, ok := strings.Cut(strings.ToLower(s), "/")
	if !ok || !isToken(kind) || kind == "*" {
		return mediaRange{}, false
	}
	if subtype == "*" {
		return mediaRange{kind: kind}, true
	}
	if suffix, ok := strings.CutPrefix(subtype, "*+"); ok {
		return mediaRange{kind: kind, suffix: suffix}, isToken(suffix) && !strings.ContainsAny(suffix, "*+")
	}
	return mediaRange{kind: kind, subtype: subtype}, isToken(subtype) && !strings.Contains(subtype, "*")
}

// mediaType judges the Content-Type field lines and returns the boundary of a multipart body. Several lines are two opinions of
// one body, and are refused.
func (b *Body) mediaType(lines []string) (boundary string, err error) {
	if len(lines) != 1 {
		return "", ErrMediaType
	}
	if b.exact[lines[0]] {
		return "", nil
	}
	full, params, err := mime.ParseMediaType(lines[0])
	if err != nil {
		return "", ErrMediaType
	}
	kind, subtype, ok := strings.Cut(full, "/")
	if !ok || !slices.ContainsFunc(b.types, func(m mediaRange) bool { return m.matches(kind, subtype) }) {
		return "", ErrMediaType
	}
	if charset, ok := params["charset"]; ok && !isUTF8Name(charset) {
		return "", ErrCharset
	}
	if kind != "multipart" {
		return "", nil
	}
	boundary = params["boundary"]
	if !isBoundary(boundary) {
		return "", ErrMediaType
	}
	return boundary, nil
}

// isUTF8Name reports whether a charset's text is UTF-8: that, or its ASCII part. A body in another one would be read
// differently by those who look at the charset and those who do not.
func isUTF8Name(charset string) bool {
	return strings.EqualFold(charset, "utf-8") || strings.EqualFold(charset, "us-ascii")
}

// isBoundary checks a boundary by RFC 2046, section 5.1.1: 1 to 70 characters, not ending in a space.
func isBoundary(s string) bool {
	if s == "" || len(s) > 70 || s[len(s)-1] == ' ' {
		return false
	}
	for i := range len(s) {
		if !isWordByte(s[i]) && strings.IndexByte("'()+_,-./:=? ", s[i]) < 0 {
			return false
		}
	}
	return true
}

// cutLast cuts s around its last sep.
func cutLast(s string, sep byte) (before, after string, found bool) {
	i := strings.LastIndexByte(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+1:], true
}
