package proxy

import (
	"net/url"
	"strings"
)

// Rules match the decoded path, the one that a mux sees. Some of its characters are special in patterns: a parameter
// ends at "?" and "#", "." takes no line or paragraph separator, and a pattern can be written in escaped form. So that no
// such character leads past a guard, a path that has one is matched in two further forms as well.

// isOdd reports whether path has characters for which there are further forms.
func isOdd(path string) bool {
	for i := range len(path) {
		if c := path[i]; c >= 0x7f || c == '?' || c == '#' || c == '%' {
			return true
		}
	}
	return false
}

// matchPath is Match for a decoded path in any of its forms. The parameters are decoded.
func (p *Pattern) matchPath(path string) (Params, bool) {
	params, ok := p.Match(path)
	if ok || !isOdd(path) {
		return params, ok
	}
	separators := escapeWhere(path, func(c byte) bool { return c == '?' || c == '#' || c == '%' })
	separators = strings.NewReplacer("\u2028", "%E2%80%A8", "\u2029", "%E2%80%A9").Replace(separators)
	for _, form := range [...]string{separators, (&url.URL{Path: path}).EscapedPath()} {
		if params, ok := p.Match(form); ok {
			return params.mapValues(func(s string) string {
				decoded, _ := url.PathUnescape(s) // we escaped it; a match that cut an escape in two gives ""
				return decoded
			}), true
		}
	}
	return Params{}, false
}

// mapValues returns the parameters with each value changed by f.
func (p Params) mapValues(f func(string) string) Params {
	values := make(map[string]any)
	for name, v := range p.All() {
		switch v := v.(type) {
		case string:
			values[name] = f(v)
		case []string: // a copy of ours
			for i := range v {
				v[i] = f(v[i])
			}
			values[name] = v
		}
	}
	changed, _ := NewParams(values) // strings and lists of them only
	return changed
}
