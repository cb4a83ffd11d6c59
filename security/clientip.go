package security

import (
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/gatehouse-go/gatehouse/internal/clientip"
	"github.com/gatehouse-go/gatehouse/internal/invalid"
	"github.com/gatehouse-go/gatehouse/internal/reqcopy"
)

// ClientIPConfig says who may name a request's client.
//
// The zero value believes nobody: the client is the peer that opened the connection.
type ClientIPConfig struct {
	// Header is the field in which the proxies in front of this server name the client: "X-Forwarded-For", "Forwarded"
	// (RFC 7239), or another that holds exactly one address, such as "CF-Connecting-IP".
	// Empty means none. Name only a field that the proxies set or append to on every request: one that they pass
	// through untouched lets every client choose its address.
	Header string

	// TrustedProxies are the networks of those proxies. The field is read only when the peer is in one of them, and
	// an address in a list is passed over only when it is in one of them. Required with Header, and refused without it.
	// A prefix that covers a whole address family is refused, since it makes every client a proxy.
	TrustedProxies []netip.Prefix

	// TrustUnixSocket counts a peer without an IP address, as behind a Unix socket, as a trusted proxy. It needs Header.
	TrustUnixSocket bool
}

// ClientIP says which address a request comes from, for every package of gatehouse: limits, logs and throttles all ask
// the same answer. It is safe for concurrent use.
//
// In a chain it stands before everything that asks, and inside recovery and request ids.
type ClientIP struct {
	header    string // canonical; empty where only the peer counts
	read      func(c *ClientIP, lines []string) netip.Addr
	trusted   []netip.Prefix
	trustUnix bool
}

// NewClientIP returns a ClientIP, or every mistake in c.
func NewClientIP(c ClientIPConfig) (*ClientIP, error) {
	bad := invalid.Config{Package: "security"}
	ip := &ClientIP{header: http.CanonicalHeaderKey(c.Header), trustUnix: c.TrustUnixSocket}
	switch ip.header {
	case "":
		if len(c.TrustedProxies) > 0 || c.TrustUnixSocket {
			bad.Hidden("ClientIPConfig.Header", "must name the field that the trusted proxies set")
		}
	case "X-Forwarded-For":
		ip.read = (*ClientIP).forwardedFor
	case "Forwarded":
		ip.read = (*ClientIP).forwarded
	default:
		ip.read = (*ClientIP).single
	}
	if c.Header != "" {
		if !isToken(c.Header) {
			bad.Field("ClientIPConfig.Header", c.Header, "must be a header field name")
		}
		if len(c.TrustedProxies) == 0 && !c.TrustUnixSocket {
			bad.Hidden("ClientIPConfig.TrustedProxies", "must list the networks of the proxies that set Header")
		}
	}
	for i, p := range c.TrustedProxies {
		field := "ClientIPConfig.TrustedProxies[" + strconv.Itoa(i) + "]"
		if p.Addr().Is4In6() && p.Bits() >= 96 {
			p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
		}
		switch {
		case !p.IsValid():
			bad.Field(field, p, "must be a valid prefix")
		case p.Bits() == 0:
			bad.Field(field, p, "must not cover a whole address family")
		case p.Addr().Is4In6():
			bad.Field(field, p, "must be longer than /95 where it is IPv4-mapped")
		default:
			ip.trusted = append(ip.trusted, p.Masked())
		}
	}
	if err := bad.Err(); err != nil {
		return nil, err
	}
	return ip, nil
}

// Resolve returns the address of r's client, without zone and with IPv4-mapped IPv6 as IPv4.
//
// The list that proxies wrote is walked from its end, the nearest proxy, towards the client: the first address that is
// not a trusted proxy's is the client. What stands further left was written by that client, and is not looked at. An
// element that cannot be read, an obfuscated name (RFC 7239, section 6.3) or "unknown" ends the walk with the zero Addr:
// callers treat all such requests as one client, so that nobody escapes a limit by being unreadable. When every
// address is a trusted proxy's, the leftmost is the client; when a trusted peer sent no field, the peer is.
func (c *ClientIP) Resolve(r *http.Request) netip.Addr {
	peer := clientip.Remote(r)
	if c.read == nil || !c.trusts(peer) {
		return peer
	}
	lines := r.Header[c.header]
	if len(lines) == 0 {
		return peer
	}
	return c.read(c, lines)
}

// Wrap returns a handler that puts the address of each request's client into its context, where every package of
// gatehouse and [ClientAddr] find it. With the zero ClientIPConfig it is next itself: the peer's address is found without help.
func (c *ClientIP) Wrap(next http.Handler) http.Handler {
	if c.read == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := clientip.With(r.Context(), c.Resolve(r))
		var inner *http.Request
		if x := takeExchange(w); x != nil {
			inner = x.with(r, ctx)
		} else {
			inner = r.WithContext(ctx)
		}
		next.ServeHTTP(w, inner)
		reqcopy.HandBack(r, inner)
	})
}

// ClientAddr returns the address of r's client as a [ClientIP] around it resolved it, else that of r.RemoteAddr. It is
// the zero Addr where neither can be read: treat all such requests as one client.
func ClientAddr(r *http.Request) netip.Addr { return clientip.From(r) }

func (c *ClientIP) trusts(addr netip.Addr) bool {
	if !addr.IsValid() {
		return c.trustUnix
	}
	return slices.ContainsFunc(c.trusted, func(p netip.Prefix) bool { return p.Contains(addr) })
}

// forwardedFor walks X-Forwarded-For. Several lines are one list (RFC 9110, section 5.3).
func (c *ClientIP) forwardedFor(lines []string) netip.Addr {
	var client netip.Addr
	for _, line := range slices.Backward(lines) {
		for more := true; more; {
			comma := strings.LastIndexByte(line, ',')
			client = parseNode(trimOWS(line[comma+1:]))
			if !client.IsValid() || !c.trusts(client) {
				return client
			}
			if more = comma >= 0; more {
				line = line[:comma]
			}
		}
	}
	return client
}

// single reads a field that holds one address. Two of them are two opinions, and none is believed.
func (c *ClientIP) single(lines []string) netip.Addr {
	if len(lines) != 1 {
		return netip.Addr{}
	}
	return parseNode(trimOWS(lines[0]))
}

// parseNode reads an address with or without a port: 192.0.2.1, 192.0.2.1:80, 2001:db8::1, [2001:db8::1], [2001:db8::1]:80.
// Anything else is the zero Addr.
func parseNode(s string) netip.Addr {
	if len(s) > 2 && s[0] == '[' && s[len(s)-1] == ']' {
		if addr, err := netip.ParseAddr(s[1 : len(s)-1]); err == nil && addr.Is6() {
			return addr.Unmap().WithZone("")
		}
		return netip.Addr{}
	}
	if s == "" || s[0] != '[' && strings.Count(s, ":") != 1 {
		addr, err := netip.ParseAddr(s)
		if err != nil {
			return netip.Addr{}
		}
		return addr.Unmap().WithZone("")
	}
	ap, err := netip.ParseAddrPort(s)
	if err != nil {
		return netip.Addr{}
	}
	return ap.Addr().Unmap().WithZone("")
}
