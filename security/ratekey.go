package security

import (
	"errors"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
)

// RateKey says whose quota a request uses up. Requests for which it returns an error share one bucket under their
// policy: nobody escapes a limit by having no key.
//
// Keys should be few for one client: a client that can choose among many, such as by path or by a header of its own, has as
// many quotas.
type RateKey func(*http.Request) (string, error)

// errNoKey is why a key func passes a request to the next of [FirstKey], or to the shared bucket.
var errNoKey = errors.New("security: request has no such key")

// noKey is the key of requests without one. A NUL keeps it apart from all that JoinKeys, ByIP or a header can make.
const noKey = "\x00none"

func (k RateKey) of(r *http.Request) string {
	key, err := k(r)
	if err != nil {
		return noKey
	}
	return key
}

// ByIP keys by the client's address ([ClientAddr]): IPv4 whole, IPv6 by its /64, since a host has all of one to
// itself. Requests without a readable address share one bucket.
func ByIP() RateKey { return ByNetwork(32, 64) }

// ByNetwork keys by the network of the client's address: the first ipv4 or ipv6 bits of it. A second policy with a wider
// network holds those who have many addresses, such as a customer's whole IPv6 /48. Bits outside of 1 to 32 and 1 to 128
// count as the nearest of those.
func ByNetwork(ipv4, ipv6 int) RateKey {
	ipv4, ipv6 = min(max(ipv4, 1), 32), min(max(ipv6, 1), 128)
	return func(r *http.Request) (string, error) {
		addr, text := noteOf(r.Context()).client(r)
		if !addr.IsValid() {
			return "", errNoKey
		}
		if addr.Is4() && ipv4 == 32 {
			return text, nil // as networkKey
		}
		return networkKey(addr, ipv4, ipv6), nil
	}
}

// IPKey is the key under which [ByIP] counts addr, for use with [RateLimit.Allow]: "192.0.2.1" or "2001:db8::/64".
func IPKey(addr netip.Addr) string { return networkKey(addr, 32, 64) }

func networkKey(addr netip.Addr, ipv4, ipv6 int) string {
	addr = addr.Unmap().WithZone("")
	bits := ipv4
	if addr.Is6() {
		bits = ipv6
	}
	if bits == addr.BitLen() {
		return addr.String()
	}
	prefix, _ := addr.Prefix(bits) // fails for more bits than the address has, of which there are none
	return prefix.String()
}

// ByHeader keys by the value of a request header field, such as an API key's. Requests without it, and such with
// several, share one bucket. Values that clients can make up give them as many quotas: use it behind the check of the value.
func ByHeader(name string) RateKey {
	name = http.CanonicalHeaderKey(name)
	return func(r *http.Request) (string, error) {
		if values := r.Header[name]; len(values) == 1 && values[0] != "" {
			return values[0], nil
		}
		return "", errNoKey
	}
}

// ByPattern keys by the [http.ServeMux] pattern that matched, so that a limit behind the mux counts each route apart.
// Unlike the path, a client cannot vary it.
func ByPattern() RateKey {
	return func(r *http.Request) (string, error) {
		if r.Pattern == "" {
			return "", errNoKey
		}
		return r.Pattern, nil
	}
}

// ByEveryone gives all requests one bucket.
func ByEveryone() RateKey {
	return func(*http.Request) (string, error) { return "everyone", nil }
}

// JoinKeys keys by all of keys together, such as address and route. Different lists of values never make the same key.
// Requests that lack one of them are the same in that part.
func JoinKeys(keys ...RateKey) RateKey {
	keys = append([]RateKey(nil), keys...)
	return func(r *http.Request) (string, error) {
		var b strings.Builder
		for _, k := range keys {
			part := k.of(r)
			b.WriteString(strconv.Itoa(len(part)))
			b.WriteByte(':')
			b.WriteString(part)
		}
		return b.String(), nil
	}
}

// FirstKey keys by the first of keys that a request has, such as its principal or else its address. What they return
// is kept apart: no value of one can be mistaken for a value of another.
func FirstKey(keys ...RateKey) RateKey {
	keys = append([]RateKey(nil), keys...)
	return func(r *http.Request) (string, error) {
		for i, k := range keys {
			if part, err := k(r); err == nil {
				return strconv.Itoa(i) + "/" + part, nil
			}
		}
		return "", errNoKey
	}
}
