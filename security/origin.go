package security

import (
	"net/netip"
	"strings"

	"golang.org/x/net/publicsuffix"
)

// origin is a web origin as a browser writes it into the Origin field (RFC 6454, section 6.2): no user, no path, no
// upper case, no default port.
type origin struct {
	scheme, host, port string // port is empty where it is the scheme's default
}

// longestOrigin bounds what parseOrigin looks at: a scheme, the longest domain name and a port.
const longestOrigin = 32 + 253 + 6

// parseOrigin reads a serialised origin. Anything that is not exactly what a browser would write is refused, so that no two
// readers can find different hosts in it.
func parseOrigin(s string) (o origin, ok bool) {
	if len(s) > longestOrigin {
		return origin{}, false
	}
	scheme, rest, ok := strings.Cut(s, "://")
	if !ok || !isScheme(scheme) {
		return origin{}, false
	}
	var host, port string
	var hasPort bool
	if end := strings.IndexByte(rest, ']'); end >= 0 {
		if rest[0] != '[' || !isIPv6(rest[1:end]) {
			return origin{}, false
		}
		host = rest[:end+1]
		if port, hasPort = strings.CutPrefix(rest[end+1:], ":"); !hasPort && port != "" {
			return origin{}, false
		}
	} else {
		host, port, hasPort = strings.Cut(rest, ":")
		if !isHost(host) {
			return origin{}, false
		}
	}
	if hasPort && (!isPort(port) || port == defaultPort(scheme)) {
		return origin{}, false
	}
	return origin{scheme: scheme, host: host, port: port}, true
}

// isHost reports whether s is a lower-case domain name or IPv4 address; one dot may end it.
func isHost(s string) bool {
	for i := range len(s) {
		if c := s[i]; c >= 'A' && c <= 'Z' {
			return false
		}
	}
	return isDomain(strings.TrimSuffix(s, "."))
}

// isIPv6 reports whether s is an IPv6 address as browsers write it.
func isIPv6(s string) bool {
	addr, err := netip.ParseAddr(s)
	return err == nil && addr.Is6() && addr.Zone() == "" && !strings.ContainsAny(s, "ABCDEF")
}

func defaultPort(scheme string) string {
	switch scheme {
	case "https":
		return "443"
	case "http":
		return "80"
	}
	return ""
}

// isLoopback reports whether the origin can only be on the user's own machine.
func (o origin) isLoopback() bool {
	if o.host == "localhost" || strings.HasSuffix(o.host, ".localhost") {
		return true
	}
	addr, err := netip.ParseAddr(strings.Trim(o.host, "[]"))
	return err == nil && addr.IsLoopback()
}

// originSet is a set of origins, some said as patterns such as "https://*.example.com".
type originSet struct {
	exact    map[string]bool
	patterns []origin // the host begins with a dot
}

// add notes an origin or pattern; the rule it breaks is returned, empty where it breaks none.
func (s *originSet) add(text string) (rule string) {
	const wildcard = "://*."
	before, after, ok := strings.Cut(text, wildcard)
	if !ok {
		if _, ok := parseOrigin(text); !ok {
			return "must be an origin as browsers write it: scheme, host in lower case, port unless the default, and nothing else"
		}
		if s.exact == nil {
			s.exact = map[string]bool{}
		}
		s.exact[text] = true
		return ""
	}
	o, ok := parseOrigin(before + "://" + after)
	if !ok || strings.Contains(o.host, "[") {
		return "must be an origin whose host may begin with *. and nothing else"
	}
	if _, err := netip.ParseAddr(o.host); err == nil {
		return "must not have a wildcard before an IP address"
	}
	if suffix, _ := publicsuffix.PublicSuffix(o.host); suffix == o.host {
		return "must not have a wildcard before a public suffix: anyone can have a name below it"
	}
	o.host = "." + o.host
	s.patterns = append(s.patterns, o)
	return ""
}

// has reports whether the origin that a browser wrote as text is in the set. The asterisk of a pattern stands for one label or more.
func (s *originSet) has(text string) bool {
	if s.exact[text] {
		return true
	}
	if len(s.patterns) == 0 {
		return false
	}
	o, ok := parseOrigin(text)
	if !ok {
		return false
	}
	for i := range s.patterns {
		p := &s.patterns[i]
		if o.scheme == p.scheme && o.port == p.port && len(o.host) > len(p.host) && strings.HasSuffix(o.host, p.host) {
			return true
		}
	}
	return false
}
