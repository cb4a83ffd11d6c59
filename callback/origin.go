package callback

import (
	"net/netip"
	"strconv"
	"strings"
)

// origin is a scheme, host and port (RFC 6454, section 4), lower case.
type origin struct {
	scheme   string
	host     string // as a browser serialises it: without the scheme's default port
	hostPort string // the same with the port in full
	text     string // scheme://host
}

// parseOrigin returns the origin that text names, or the rule it breaks.
func parseOrigin(text string) (o origin, rule string) {
	scheme, rest, found := strings.Cut(text, "://")
	o.scheme = lower(scheme)
	if !found || (o.scheme != "https" && o.scheme != "http") {
		return origin{}, "must begin with https:// or http://"
	}
	host, port := rest, ""
	if i := strings.LastIndexByte(rest, ':'); i > strings.LastIndexByte(rest, ']') {
		host, port = rest[:i], rest[i+1:]
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 || port[0] < '1' || port[0] > '9' {
			return origin{}, "must have a port from 1 to 65535, or none"
		}
	}
	host = lower(host)
	if !hostname(host) {
		return origin{}, "must have a plain ASCII host name or an IP address, and nothing after the port"
	}
	standard := map[string]string{"https": "443", "http": "80"}[o.scheme]
	if port == "" || port == standard {
		o.host, o.hostPort = host, host+":"+standard
	} else {
		o.host, o.hostPort = host+":"+port, host+":"+port
	}
	o.text = o.scheme + "://" + o.host
	return o, ""
}

// hostname reports whether host is one that every URL parser leaves as it is.
func hostname(host string) bool {
	if len(host) > 253 { // RFC 1035, section 2.3.4
		return false
	}
	if strings.HasPrefix(host, "[") {
		addr, err := netip.ParseAddr(strings.TrimSuffix(host[1:], "]"))
		return err == nil && addr.Is6() && addr.Zone() == "" && !addr.Is4In6() && host == "["+addr.String()+"]"
	}
	labels := strings.Split(strings.TrimSuffix(host, "."), ".")
	for _, label := range labels {
		if label == "" {
			return false
		}
		for i := range len(label) {
			if c := label[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' {
				return false
			}
		}
	}
	// A host whose last label begins with a digit may be read as an IPv4 address in one of its many forms: only the plain one stands
	// for itself (WHATWG URL Standard, section 3.5, "ends in a number").
	if last := labels[len(labels)-1]; last[0] >= '0' && last[0] <= '9' {
		addr, err := netip.ParseAddr(host)
		return err == nil && addr.Is4()
	}
	return true
}

// equalFold compares in ASCII alone: under Unicode folding a Kelvin sign would equal a k.
func equalFold(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		if lowerByte(a[i]) != lowerByte(b[i]) {
			return false
		}
	}
	return true
}

func lower(s string) string {
	b := []byte(s)
	for i, c := range b {
		b[i] = lowerByte(c)
	}
	return string(b)
}

func lowerByte(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}
