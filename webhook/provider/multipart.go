package provider

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/gatehouse-go/gatehouse/internal/urlform"
	"github.com/gatehouse-go/gatehouse/webhook"
)

// maxParts is how many parts of a multipart form are looked at.
const maxParts = 1000

// maxBoundary is the longest boundary (RFC 2046, section 5.1.1).
const maxBoundary = 70

// readMultipart reads the fields of a multipart form (RFC 7578) into f; their values are those of body. Files are passed over.
//
// It is stricter than [mime/multipart], and reads nothing that this would read otherwise: lines end with CR and LF, nothing stands before the
// first part or behind the last, a part has one Content-Disposition and no coding, a field's name has no escape. What a sender's library
// writes is none of that.
func readMultipart(f *form, contentType string, body []byte) error {
	f.Pairs = f.Pairs[:0]
	boundary, ok := boundaryOf(contentType)
	if !ok {
		return fmt.Errorf("%w: a multipart form without its boundary", webhook.ErrPayload)
	}
	rest, last, ok := afterBoundary(body, boundary)
	for range maxParts {
		if !ok {
			break
		}
		if last {
			if len(rest) > 0 && string(rest) != "\r\n" {
				break
			}
			return nil
		}
		var field urlform.Pair
		var file bool
		if field.Name, file, rest, ok = headerOfPart(rest); !ok {
			break
		}
		if field.Value, rest, last, ok = valueOfPart(rest, boundary); ok && !file {
			f.Pairs = append(f.Pairs, field)
		}
	}
	if ok && !last {
		return fmt.Errorf("%w: more than %d parts", webhook.ErrPayload, maxParts)
	}
	return fmt.Errorf("%w: not a multipart form", webhook.ErrPayload)
}

// boundaryOf returns the boundary of a multipart media type, which may have a charset beside it and no other parameter.
func boundaryOf(contentType string) (boundary string, ok bool) {
	charset := false
	for _, rest, more := strings.Cut(contentType, ";"); more; {
		name, value, next, ok := parameter(rest)
		switch {
		case !ok:
			return "", false
		case strings.EqualFold(name, "boundary") && boundary == "":
			boundary = value
		case strings.EqualFold(name, "charset") && !charset:
			charset = true
		default:
			return "", false
		}
		if rest, more = strings.CutPrefix(next, ";"); !more && next != "" {
			return "", false
		}
	}
	return boundary, boundary != "" && len(boundary) <= maxBoundary && !strings.Contains(boundary, `\`)
}

// afterBoundary takes the boundary's line off text, from behind the line break before it. last is true for the one that ends the form.
func afterBoundary(text []byte, boundary string) (rest []byte, last, ok bool) {
	if !isBoundary(text, boundary) {
		return nil, false, false
	}
	text = text[len("--")+len(boundary):]
	if rest, ok = bytes.CutPrefix(text, []byte("\r\n")); ok {
		return rest, false, true
	}
	rest, ok = bytes.CutPrefix(text, []byte("--"))
	return rest, true, ok
}

// isBoundary reports whether text begins with the boundary, and not with a longer text.
func isBoundary(text []byte, boundary string) bool {
	n := len("--") + len(boundary)
	return len(text) > n && string(text[:2]) == "--" && string(text[2:n]) == boundary && strings.IndexByte(" \t\r\n-", text[n]) >= 0
}

// headerOfPart takes the header off a part.
func headerOfPart(text []byte) (name []byte, file bool, rest []byte, ok bool) {
	found := false
	for {
		line, rest, ok := bytes.Cut(text, []byte("\r\n"))
		switch {
		case !ok:
			return nil, false, nil, false
		case len(line) == 0:
			return name, file, rest, found
		}
		text = rest
		key, value, ok := bytes.Cut(line, []byte(":"))
		if !ok || !isToken(key) || bytes.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
			return nil, false, nil, false
		}
		value = bytes.Trim(value, " \t")
		switch {
		case equalFold(key, "content-disposition"):
			if found {
				return nil, false, nil, false
			}
			if name, file, found = disposition(value); !found {
				return nil, false, nil, false
			}
		case equalFold(key, "content-transfer-encoding"):
			if !equalFold(value, "7bit") && !equalFold(value, "8bit") && !equalFold(value, "binary") {
				return nil, false, nil, false
			}
		}
	}
}

// disposition reads a field Content-Disposition (RFC 7578, section 4.2).
func disposition(value []byte) (name []byte, file, ok bool) {
	kind, rest, _ := bytes.Cut(value, []byte(";"))
	if !equalFold(bytes.TrimRight(kind, " \t"), "form-data") {
		return nil, false, false
	}
	named := false
	for more := len(kind) < len(value); more; {
		key, text, next, ok := parameter(rest)
		if !ok {
			return nil, false, false
		}
		switch {
		case equalFold(key, "name"):
			if named || bytes.IndexByte(text, '\\') >= 0 {
				return nil, false, false
			}
			name, named = text, true
		case equalFold(key, "filename"), equalFold(key, "filename*"):
			file = file || len(text) > 0
		case bytes.IndexByte(key, '*') >= 0: // a part of another parameter, or one in some charset (RFC 2231)
			return nil, false, false
		}
		if rest, more = bytes.CutPrefix(next, []byte(";")); !more && len(next) > 0 {
			return nil, false, false
		}
	}
	return name, file, named
}

// parameter takes a name and its value off text, from behind the semicolon. A quoted value is returned without its quotation marks and with
// its escapes. rest begins with the next semicolon or is empty, if all is well.
func parameter[T string | []byte](text T) (name, value, rest T, ok bool) {
	i := spaces(text, 0)
	start := i
	for i < len(text) && tokenByte(text[i]) {
		i++
	}
	name = text[start:i]
	if i == start || i == len(text) || text[i] != '=' {
		return name, value, rest, false
	}
	i++
	start = i
	if i == len(text) || text[i] != '"' {
		for i < len(text) && tokenByte(text[i]) {
			i++
		}
		return name, text[start:i], text[spaces(text, i):], i > start
	}
	for i++; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return name, text[start+1 : i], text[spaces(text, i+1):], true
		}
	}
	return name, value, rest, false
}

// spaces returns the first place in text from i on that is no space.
func spaces[T string | []byte](text T, i int) int {
	for i < len(text) && (text[i] == ' ' || text[i] == '\t') {
		i++
	}
	return i
}

// valueOfPart takes the value off a part, and the boundary behind it.
func valueOfPart(text []byte, boundary string) (value, rest []byte, last, ok bool) {
	if isBoundary(text, boundary) {
		return nil, nil, false, false // an empty part, or one that begins like its end
	}
	for at := 0; ; {
		next := bytes.Index(text[at:], []byte("\r\n--"))
		if next < 0 {
			return nil, nil, false, false
		}
		at += next + len("\r\n")
		if isBoundary(text[at:], boundary) {
			rest, last, ok = afterBoundary(text[at:], boundary)
			return text[:at-len("\r\n")], rest, last, ok
		}
	}
}

// isToken reports whether text is a token (RFC 9110, section 5.6.2).
func isToken(text []byte) bool {
	for _, c := range text {
		if !tokenByte(c) {
			return false
		}
	}
	return len(text) > 0
}

// equalFold reports whether text is lower, which is in lower case ASCII, in any case.
func equalFold(text []byte, lower string) bool {
	if len(text) != len(lower) {
		return false
	}
	for i, c := range text {
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}
