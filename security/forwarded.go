package security

import (
	"net/netip"
	"slices"
	"strings"
)

// forwarded walks Forwarded (RFC 7239, section 4) as [ClientIP.Resolve] says. A line is read from its start, since only
// that tells a comma between elements from one inside a quoted string; the lines are taken from the last.
func (c *ClientIP) forwarded(lines []string) netip.Addr {
	var client netip.Addr
	for _, line := range slices.Backward(lines) {
		var stop bool
		client, stop = c.forwardedLine(line)
		if stop {
			break
		}
	}
	return client
}

// forwardedLine returns the address at which the walk through one line ends, and whether it ends there for good: not a trusted
// proxy's, or not to be read. A line that breaks the grammar cannot be read anywhere, since it is unknown where it broke.
func (c *ClientIP) forwardedLine(line string) (client netip.Addr, stop bool) {
	first := true
	for rest := line; ; {
		node, after, ok := forwardedElement(rest)
		if !ok {
			return netip.Addr{}, true
		}
		addr := parseNode(node)
		untrusted := !addr.IsValid() || !c.trusts(addr)
		if first || untrusted {
			client, stop, first = addr, untrusted, false
		}
		if after == "" {
			return client, stop
		}
		rest = after[1:] // the comma
	}
}

// forwardedElement reads one element of s up to a comma or the end and returns the value of its "for" parameter, empty
// where it has none. What follows, comma included, is returned in rest. A value without quotes may hold any byte that
// does not end it: many proxies leave the quotes of RFC 7239 out around ports and IPv6 addresses.
func forwardedElement(s string) (node, rest string, ok bool) {
	seen := false
	for {
		s = strings.TrimLeft(s, " \t")
		if s == "" || s[0] == ',' {
			return node, s, true
		}
		if s[0] == ';' {
			s = s[1:]
			continue
		}
		eq := strings.IndexByte(s, '=')
		if eq < 0 || !isToken(s[:eq]) {
			return "", "", false
		}
		name := s[:eq]
		var value string
		if value, s, ok = forwardedValue(s[eq+1:]); !ok {
			return "", "", false
		}
		if strings.EqualFold(name, "for") {
			if seen {
				return "", "", false // two answers to one question
			}
			node, seen = value, true
		}
	}
}

// forwardedValue reads a parameter's value and the white space after it; what follows is a ';', a ',' or the end.
func forwardedValue(s string) (value, rest string, ok bool) {
	if s == "" || s[0] != '"' {
		end := strings.IndexAny(s, ";,\" \t")
		if end < 0 {
			return s, "", s != ""
		}
		value, rest = s[:end], s[end:]
	} else {
		end := strings.IndexAny(s[1:], `"\`)
		if end < 0 || s[1+end] == '\\' {
			return "", "", false // no address needs an escape
		}
		value, rest = s[1:1+end], s[2+end:]
	}
	rest = strings.TrimLeft(rest, " \t")
	return value, rest, value != "" && (rest == "" || rest[0] == ';' || rest[0] == ',')
}
