package callback

import (
	"strings"

	"github.com/gatehouse-go/gatehouse/internal/invalid"
)

// MaxTarget is the length in bytes, before and after re-serialisation, of the longest target that [ReturnTo] accepts.
const MaxTarget = 2048

// ReturnTo decides where a browser may be sent after a callback. Make one with [NewReturnTo]; it is immutable and safe for
// concurrent use.
//
// A target is a path on the same origin, or an absolute URL whose scheme, host and port are exactly those of an allowed origin.
// What is returned is never the input: it is written anew from the parts that were understood, in the form a browser
// serialises them (WHATWG URL Standard, section 4.5), with dot segments resolved. Anything that two readers could take in two
// ways is refused: control bytes, spaces, backslashes, invalid UTF-8, user names, scheme-relative URLs, and schemes without
// "//" behind them.
type ReturnTo struct {
	origins []origin
}

// NewReturnTo returns a ReturnTo for the given origins, each "scheme://host" or "scheme://host:port" with scheme http or https
// and an ASCII host (an internationalised name in its xn-- form). Name the application's own origin first: a target that is only
// a path is always on the origin of the request, and does not depend on this list.
//
// At least one origin is needed; wildcards do not exist. Every mistake is reported at once.
func NewReturnTo(origins ...string) (*ReturnTo, error) {
	c := invalid.Config{Package: "callback"}
	if len(origins) == 0 {
		c.Hidden("NewReturnTo", "needs at least one origin, such as https://app.example.com")
	}
	t := &ReturnTo{origins: make([]origin, 0, len(origins))}
	for _, text := range origins {
		o, rule := parseOrigin(text)
		if rule != "" {
			c.Field("origin", text, rule)
			continue
		}
		t.origins = append(t.origins, o)
	}
	if err := c.Err(); err != nil {
		return nil, err
	}
	return t, nil
}

// Resolve returns the safe form of raw: an absolute URL on an allowed origin, or a path beginning with exactly one slash.
// Query and fragment are kept. Resolving a result again gives the same result.
//
// When raw is refused, the target is "/" and the error says why: [ErrTargetMissing], [ErrTargetTooLong], [ErrTargetCharacter],
// [ErrTargetScheme], [ErrTargetOrigin] or [ErrTargetPath]. The returned string is safe to redirect to in either case.
//
// A path relative to the current page ("settings", "../x", "?tab=2") is refused, since a bare word is more often a mistake or a
// host name than a path; [ReturnTo.ResolveFrom] takes it. Note that [net/http.Redirect] cleans the path of a relative target
// once more, and turns "/a//b" into "/a/b"; set the Location header yourself where that matters.
func (t *ReturnTo) Resolve(raw string) (string, error) { return t.resolve("", raw) }

// ResolveFrom is [ReturnTo.Resolve], except that it also takes a path relative to base, the escaped path of the page that
// carried raw (such as [net/url.URL.EscapedPath] of the request), as a browser would. A base without leading slash counts as "/".
//
// A lone fragment is refused: a browser would keep the query of the callback with it.
func (t *ReturnTo) ResolveFrom(base, raw string) (string, error) {
	base, _, _ = strings.Cut(base, "#")
	base, _, _ = strings.Cut(base, "?")
	if !strings.HasPrefix(base, "/") {
		base = "/"
	}
	return t.resolve(base, raw)
}

// resolve is Resolve when base is empty.
func (t *ReturnTo) resolve(base, raw string) (string, error) {
	const refused = "/"
	if raw == "" {
		return refused, ErrTargetMissing
	}
	if len(raw) > MaxTarget || len(base) > MaxTarget {
		return refused, ErrTargetTooLong
	}
	if !plain(raw) || !plain(base) {
		return refused, ErrTargetCharacter
	}

	var u urlWriter
	rest := raw
	absolute := false
	switch {
	case raw[0] == '/':
		if len(raw) > 1 && raw[1] == '/' { // scheme-relative: another host (RFC 3986, section 4.2)
			return refused, ErrTargetOrigin
		}
		rest = rest[1:]
		u.root()
	case raw[0] == '#':
		return refused, ErrTargetPath
	case firstSegmentHasColon(raw):
		o, after, err := t.match(raw)
		if err != nil {
			return refused, err
		}
		absolute = true
		u.n = copy(u.buf[:], o.text)
		u.root()
		rest = strings.TrimPrefix(after, "/")
	case base == "":
		return refused, ErrTargetPath
	case raw[0] == '?':
		u.root()
		u.path(base[1:])
	default:
		u.root()
		u.path(base[1 : strings.LastIndexByte(base, '/')+1])
	}

	path, query, fragment := split(rest)
	u.path(path)
	u.endSegment(true)
	if !absolute && u.n > 1 && u.buf[1] == '/' { // "/..//evil.example": sent alone it would name a host
		return refused, ErrTargetPath
	}
	u.escaped(query, inQuery)
	u.escaped(fragment, inFragment)
	if u.full {
		return refused, ErrTargetTooLong
	}
	return string(u.buf[:u.n]), nil
}

// match finds the origin that raw names in full, and returns what follows it.
func (t *ReturnTo) match(raw string) (o *origin, rest string, err error) {
	scheme, rest, _ := strings.Cut(raw, ":")
	if !equalFold(scheme, "https") && !equalFold(scheme, "http") {
		return nil, "", ErrTargetScheme
	}
	if !strings.HasPrefix(rest, "//") { // a browser reads https:evil.example as a host when it is not on https itself
		return nil, "", ErrTargetScheme
	}
	rest = rest[2:]
	end := 0
	for end < len(rest) && rest[end] != '/' && rest[end] != '?' && rest[end] != '#' {
		end++
	}
	authority := rest[:end]
	for i := range t.origins {
		o := &t.origins[i]
		if equalFold(scheme, o.scheme) && (equalFold(authority, o.host) || equalFold(authority, o.hostPort)) {
			return o, rest[end:], nil
		}
	}
	return nil, "", ErrTargetOrigin
}

// firstSegmentHasColon reports whether raw has a colon where a scheme could end.
func firstSegmentHasColon(raw string) bool {
	for i := range len(raw) {
		switch raw[i] {
		case ':':
			return true
		case '/', '?', '#':
			return false
		}
	}
	return false
}

// split cuts s into path, query with its question mark, and fragment with its number sign.
func split(s string) (path, query, fragment string) {
	if i := strings.IndexByte(s, '#'); i >= 0 {
		s, fragment = s[:i], s[i:]
	}
	if i := strings.IndexByte(s, '?'); i >= 0 {
		s, query = s[:i], s[i:]
	}
	return s, query, fragment
}
