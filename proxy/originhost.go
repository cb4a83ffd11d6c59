package proxy

import (
	"errors"
	"net/http"
	"net/netip"
	"strconv"
	"strings"

	"github.com/gatehouse-go/gatehouse/internal/refusal"
	"github.com/gatehouse-go/gatehouse/proxy/internal/pathexp"
)

// ErrHost refuses a request whose parameters would send it to a host that the destination does not allow.
var ErrHost = refusal.New(http.StatusBadRequest, "destination host is not in the allow-list")

// readOrigin takes scheme, host and port from the front of an absolute URL.
func (d *Destination) readOrigin(rest *string) error {
	scheme, after, ok := strings.Cut(*rest, "://")
	scheme = strings.ToLower(scheme)
	if !ok || scheme != "http" && scheme != "https" {
		return errors.New("must begin with a slash, http:// or https://")
	}
	end := strings.IndexAny(after, `/?#\`)
	if end < 0 {
		end = len(after)
	}
	host := after[:end]
	if *rest = after[end:]; *rest == "" || (*rest)[0] == '?' || (*rest)[0] == '#' {
		*rest = "/" + *rest
	}
	if strings.Contains(host, "@") {
		return errors.New("must not hold a user name or password")
	}
	if i := strings.LastIndexByte(host, ':'); i >= 0 && i+1 < len(host) && strings.Trim(host[i+1:], "0123456789") == "" {
		host, d.port = host[:i], host[i:]
	}
	if n, err := strconv.ParseUint(strings.TrimPrefix(d.port, ":"), 10, 16); d.port != "" && err != nil {
		return errors.New("must have a port of at most 65535")
	} else if d.port != "" && n == defaultPort(scheme) {
		d.port = ""
	}
	d.scheme = scheme
	if isIPv6(host) {
		d.origin = scheme + "://" + host + d.port
		return nil
	}
	tokens, err := pathexp.Parse(host, "/#?")
	if err != nil {
		return err
	}
	for i := range tokens {
		t := &tokens[i]
		t.Text = strings.ToLower(t.Text)
		if t.Param {
			d.host = tokens
		}
		if strings.ContainsFunc(t.Text+t.Separator(), func(r rune) bool { return r != '.' && (r >= 0x80 || !isLabel(string(r))) }) {
			return errors.New("must have a host of letters, digits, hyphens and dots (an international name in its xn-- form)")
		}
	}
	if d.host == nil {
		d.origin = scheme + "://" + strings.ToLower(host) + d.port
		if host == "" {
			return errors.New("must have a host")
		}
		if isNumber(host) {
			return errors.New("must not have a host that ends in a number, unless it is an IPv4 address of four decimal parts: browsers read others as addresses")
		}
		return nil
	}
	if len(d.o.Hosts) == 0 && !d.o.InsecureAnyHost {
		return errors.New("has a parameter in its host but no allowed hosts")
	}
	return checkSlots(d.host, d.o.Params)
}

// expandHost returns the host that the parameters lead to, if it is allowed.
func (d *Destination) expandHost(p Params) (string, error) {
	host := expandTokens(d.host, p, escapeComponent)
	if d.o.InsecureAnyHost {
		return host, nil
	}
	host = strings.ToLower(host)
	for _, allowed := range d.o.Hosts {
		if allowed = strings.TrimSuffix(allowed, d.port); allowed == host { // the port is the rule's own
			return host, nil
		}
		if tail, ok := strings.CutPrefix(allowed, "*"); ok && strings.HasSuffix(host, tail) {
			if isLabel(strings.TrimSuffix(host, tail)) {
				return host, nil
			}
		}
	}
	return "", ErrHost
}

// defaultPort is the port of a URL that names none.
func defaultPort(scheme string) uint64 {
	if scheme == "https" {
		return 443
	}
	return 80
}

// isNumber says whether host ends in a number and is none of the usual addresses (WHATWG URL, section 3.5).
func isNumber(host string) bool {
	host = strings.TrimSuffix(host, ".")
	last := strings.ToLower(host[strings.LastIndexByte(host, '.')+1:])
	digits := "0123456789"
	if rest, ok := strings.CutPrefix(last, "0x"); ok {
		last, digits = rest+"0", digits+"abcdef"
	}
	_, err := netip.ParseAddr(host)
	return last != "" && strings.Trim(last, digits) == "" && err != nil
}

// isIPv6 says whether host is an address in brackets.
func isIPv6(host string) bool {
	addr, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && strings.HasPrefix(host, "[") && addr.Is6() && addr.Zone() == ""
}

// isLabel says whether s is one label of a host name: letters, digits, hyphens and underscores.
func isLabel(s string) bool {
	for i := range len(s) {
		if !isUnreserved(s[i]) || strings.IndexByte(".~", s[i]) >= 0 {
			return false
		}
	}
	return s != ""
}
