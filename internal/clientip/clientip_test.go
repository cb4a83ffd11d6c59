package clientip_test

import (
	"context"
	"net/http/httptest"
	"net/netip"
	"testing"

	"github.com/gatehouse-go/gatehouse/internal/clientip"
)

func TestFrom(t *testing.T) {
	for _, row := range []struct{ name, remote, want string }{
		{"IPv4 with a port", "192.0.2.1:4711", "192.0.2.1"},
		{"IPv6 with a port", "[2001:db8::1]:4711", "2001:db8::1"},
		{"IPv4 in IPv6 is IPv4", "[::ffff:192.0.2.1]:4711", "192.0.2.1"},
		{"a zone is dropped", "[fe80::1%eth0]:4711", "fe80::1"},
		{"an address without a port", "192.0.2.1", "192.0.2.1"},
		{"a Unix socket has no address", "@", "invalid IP"},
		{"nothing", "", "invalid IP"},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = row.remote
		if got := clientip.From(r).String(); got != row.want {
			t.Errorf("%s: got %s, want %s", row.name, got, row.want)
		}
	}
	r := httptest.NewRequest("GET", "/", nil)
	r = r.WithContext(clientip.With(r.Context(), netip.MustParseAddr("198.51.100.7")))
	if got := clientip.From(r).String(); got != "198.51.100.7" {
		t.Errorf("a resolved address wins: got %s", got)
	}
	if got := clientip.Remote(r).String(); got != "192.0.2.1" {
		t.Errorf("Remote ignores it: got %s", got)
	}
}

func TestNetworkIsWhatOneClientHas(t *testing.T) {
	for addr, want := range map[string]string{
		"192.0.2.1": "192.0.2.1", "2001:db8:1:2:3:4:5:6": "2001:db8:1:2::", "::": "::",
	} {
		if got := clientip.Network(netip.MustParseAddr(addr)).String(); got != want {
			t.Errorf("%s: got %s, want %s", addr, got, want)
		}
	}
	if got := clientip.Network(netip.Addr{}); got.IsValid() {
		t.Errorf("of no address: %s", got)
	}
}

type other struct{}

func TestWhatTheContextCarriedBeforeStays(t *testing.T) {
	ctx := clientip.With(context.WithValue(context.Background(), other{}, "kept"), netip.Addr{})
	if got := ctx.Value(other{}); got != "kept" {
		t.Errorf("got %v", got)
	}
}
