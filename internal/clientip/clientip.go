// Package clientip says which address a request comes from, the same for every package.
package clientip

import (
	"context"
	"net/http"
	"net/netip"
)

type key struct{}

// resolved is a context that carries an address: one allocation.
type resolved struct {
	context.Context //nolint:containedctx // it is a context

	addr netip.Addr
}

func (c *resolved) Value(k any) any {
	if k == (key{}) {
		return &c.addr
	}
	return c.Context.Value(k)
}

// With returns a context in which [From] finds addr: what a resolver decided for this request.
func With(ctx context.Context, addr netip.Addr) context.Context { return &resolved{ctx, addr} }

// From returns the address of r's client: the one resolved earlier in the chain, else that of r.RemoteAddr, unmapped from
// IPv4-in-IPv6 and without zone. It is the zero Addr where none can be read: callers treat that as one client, never as none.
func From(r *http.Request) netip.Addr {
	if addr, ok := Resolved(r.Context()); ok {
		return addr
	}
	return Remote(r)
}

// Resolved returns the address that [With] put into ctx, and whether there is one.
func Resolved(ctx context.Context) (netip.Addr, bool) {
	if addr, ok := ctx.Value(key{}).(*netip.Addr); ok {
		return *addr, true
	}
	return netip.Addr{}, false
}

// Network returns what counts as one client in place of addr: the address itself, or its /64 in IPv6, of which a client has one at least
// (RFC 6177).
func Network(addr netip.Addr) netip.Addr {
	if addr.Is6() {
		if p, err := addr.Prefix(64); err == nil {
			return p.Addr()
		}
	}
	return addr
}

// Remote returns the address of the peer that opened the connection, from r.RemoteAddr alone; zero where it cannot be read.
func Remote(r *http.Request) netip.Addr {
	if ap, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		return ap.Addr().Unmap().WithZone("")
	}
	addr, err := netip.ParseAddr(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return addr.Unmap().WithZone("")
}
