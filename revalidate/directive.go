package revalidate

import (
	"net/http"
	"strings"
)

// maxDelta is the greatest number of seconds that a directive says; greater ones are taken for it (RFC 9111, section 1.2.2).
const maxDelta = 1 << 31

// absent stands for a number of seconds that is not there.
const absent = -1

// directives are what the cache directives of a response say to a shared cache (RFC 9111, section 5.2.2, RFC 5861).
type directives struct {
	noStore, noCache, private, public bool
	mustRevalidate                    bool // or proxy-revalidate
	sharesAuthorized                  bool // must-revalidate, of the two, also lets a response to Authorization be stored
	mustUnderstand                    bool
	maxAge, sharedMaxAge              int64
	staleWhileRevalidate              int64
	staleIfError                      int64
	omit                              []string // fields named by no-cache="..." and private="...": not stored
	targeted                          bool     // from a targeted field, which replaces Expires too
}

func noDirectives() directives {
	return directives{maxAge: absent, sharedMaxAge: absent, staleWhileRevalidate: absent, staleIfError: absent}
}

// parseCacheControl reads the lines of a Cache-Control field.
func parseCacheControl(lines []string) directives {
	d := noDirectives()
	for _, line := range lines {
		eachDirective(line, d.set)
	}
	return d
}

func (d *directives) set(name, value string) {
	switch name {
	case "no-store":
		d.noStore = true
	case "no-cache":
		d.fields(value, &d.noCache)
	case "private":
		d.fields(value, &d.private)
	case "public":
		d.public = true
	case "must-revalidate":
		d.mustRevalidate, d.sharesAuthorized = true, true
	case "proxy-revalidate":
		d.mustRevalidate = true
	case "must-understand":
		d.mustUnderstand = true
	case "max-age":
		first(&d.maxAge, value)
	case "s-maxage":
		first(&d.sharedMaxAge, value)
	case "stale-while-revalidate":
		first(&d.staleWhileRevalidate, value)
	case "stale-if-error":
		first(&d.staleIfError, value)
	}
}

// fields handles no-cache and private, which speak of the fields they name, or of the whole response where they name none.
func (d *directives) fields(value string, whole *bool) {
	named := false
	for name := range strings.SplitSeq(value, ",") {
		if name = trimOWS(name); name != "" {
			d.omit = append(d.omit, http.CanonicalHeaderKey(name))
			named = true
		}
	}
	if !named {
		*whole = true
	}
}

// first keeps the first of several values (RFC 9111, section 4.2.1). One that is not a number means no time at all.
func first(seconds *int64, value string) {
	if *seconds == absent {
		*seconds = deltaSeconds(value)
	}
}

// deltaSeconds reads digits; anything else is no time at all.
func deltaSeconds(s string) int64 {
	var n int64
	for i := range len(s) {
		c := s[i]
		if c < '0' || c > '9' {
			return 0
		}
		n = min(n*10+int64(c-'0'), maxDelta)
	}
	return n
}

// requestDirectives are what a request's Cache-Control asks for (RFC 9111, section 5.2.1).
type requestDirectives struct {
	noStore, noCache, onlyIfCached bool
	maxAge, minFresh, maxStale     int64
}

func parseRequestDirectives(lines []string) requestDirectives {
	d := requestDirectives{maxAge: absent, minFresh: absent, maxStale: absent}
	for _, line := range lines {
		eachDirective(line, func(name, value string) {
			switch name {
			case "no-store":
				d.noStore = true
			case "no-cache":
				d.noCache = true
			case "only-if-cached":
				d.onlyIfCached = true
			case "max-age":
				first(&d.maxAge, value)
			case "min-fresh":
				first(&d.minFresh, value)
			case "max-stale":
				if value == "" { // any age will do
					value = "2147483648"
				}
				first(&d.maxStale, value)
			}
		})
	}
	return d
}

// eachDirective calls do for the directives of one line: names in lower case, values without their quotes. Space beside an
// equals sign makes it another directive, as the grammar has it, so "max-age =1" is not a max-age.
func eachDirective(line string, do func(name, value string)) {
	for rest := line; rest != ""; {
		var item string
		item, rest = cutItem(rest)
		if name, value, _ := strings.Cut(item, "="); name != "" {
			do(strings.ToLower(name), unquote(value))
		}
	}
}

// cutItem takes the first item of a comma-separated list off s; a comma in a quoted string separates nothing.
func cutItem(s string) (item, rest string) {
	quoted := false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			quoted = !quoted
		case c == '\\' && quoted:
			i++
		case c == ',' && !quoted:
			return trimOWS(s[:i]), s[i+1:]
		}
	}
	return trimOWS(s), ""
}

// unquote returns the contents of a quoted string, or s where it is none.
func unquote(s string) string {
	if len(s) < 2 || s[0] != '"' || s[len(s)-1] != '"' {
		return s
	}
	s = s[1 : len(s)-1]
	if strings.IndexByte(s, '\\') < 0 {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		b = append(b, s[i])
	}
	return string(b)
}

func trimOWS(s string) string { return strings.Trim(s, " \t") }
