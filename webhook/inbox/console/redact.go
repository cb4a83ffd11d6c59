package console

import (
	"net/http"
	"strings"
)

// hiddenText stands where a value is not shown.
const hiddenText = "[hidden]"

// rules say which members of a payload are not shown.
type rules struct {
	names    map[string]bool // folded
	pointers [][]string
}

// add takes a name or a JSON Pointer, and reports whether it is one.
func (r *rules) add(rule string) bool {
	if rule == "" || rule == "/" {
		return false
	}
	if rule[0] != '/' {
		if r.names == nil {
			r.names = map[string]bool{}
		}
		r.names[fold(rule)] = true
		return true
	}
	unescape := strings.NewReplacer("~1", "/", "~0", "~") // RFC 6901, section 4
	segments := strings.Split(rule[1:], "/")
	for i := range segments {
		segments[i] = unescape.Replace(segments[i])
	}
	r.pointers = append(r.pointers, segments)
	return true
}

// fold makes names equal that differ in letter case, by the rules of [strings.EqualFold].
func fold(s string) string { return strings.ToLower(strings.ToUpper(s)) }

func (r *rules) empty() bool { return len(r.names) == 0 && len(r.pointers) == 0 }

// start is where a walk begins: at the first segment of each pointer.
func (r *rules) start() [][]string { return r.pointers }

// step goes to the member or element called name from a place. It returns whether its value is hidden, and else its place.
func (r *rules) step(place [][]string, name string, member bool) (hidden bool, next [][]string) {
	if member && r.names[fold(name)] {
		return true, nil
	}
	for _, left := range place {
		if left[0] != "*" && left[0] != name {
			continue
		}
		if len(left) == 1 {
			return true, nil
		}
		next = append(next, left[1:])
	}
	return false, next
}

// stepForm goes to the field of a form called name, from the start. Names such as user[card] and user.card are places below user, as well as names
// of their own.
func (r *rules) stepForm(name string) (hidden bool, next [][]string) {
	hidden, next = r.step(r.start(), name, true)
	parts := strings.FieldsFunc(name, func(c rune) bool { return c == '[' || c == ']' || c == '.' })
	place := r.start()
	for _, part := range parts {
		if hidden {
			break
		}
		hidden, place = r.step(place, part, true)
	}
	if len(parts) > 1 {
		next = append(next, place...)
	}
	return hidden, next
}

// credentials are parts of the names of header fields that carry some.
var credentials = []string{"auth", "cookie", "secret", "token", "password", "passwd", "api-key", "apikey", "access-key", "session", "credential", "jwt", "bearer"}

// hidesHeader reports whether the values of a header field are not shown.
func (c *Console) hidesHeader(name string) bool {
	if c.headers[http.CanonicalHeaderKey(name)] {
		return true
	}
	name = strings.ToLower(name)
	for _, part := range credentials {
		if strings.Contains(name, part) {
			return true
		}
	}
	return false
}
