package security_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/gatehouse-go/gatehouse/security"
)

func prefixes(list ...string) (out []netip.Prefix) {
	for _, s := range list {
		out = append(out, netip.MustParsePrefix(s))
	}
	return out
}

func TestClientIPResolves(t *testing.T) {
	direct := security.ClientIPConfig{}
	behind := func(header string) security.ClientIPConfig {
		return security.ClientIPConfig{Header: header, TrustedProxies: prefixes("10.0.0.0/8", "2001:db8:aaaa::/48", "::ffff:192.168.0.0/112")}
	}
	xff, fwd, cf := behind("x-forwarded-for"), behind("Forwarded"), behind("CF-Connecting-IP")
	unix := security.ClientIPConfig{Header: "X-Forwarded-For", TrustUnixSocket: true}
	const none = "invalid IP" // how netip writes the zero Addr
	for _, row := range []struct {
		name   string
		c      security.ClientIPConfig
		remote string
		lines  []string
		want   string
	}{
		{"the peer, by default", direct, "203.0.113.7:1234", nil, "203.0.113.7"},
		{"the peer, by default, whatever X-Forwarded-For says", direct, "203.0.113.7:1234", []string{"198.51.100.1"}, "203.0.113.7"},
		{"an IPv4-mapped peer is IPv4", direct, "[::ffff:203.0.113.7]:1234", nil, "203.0.113.7"},
		{"a zone is no part of the client", direct, "[fe80::1%eth0]:1234", nil, "fe80::1"},
		{"an unreadable peer is the shared client", direct, "@", nil, none},
		{"a peer that is no proxy cannot speak for others", xff, "203.0.113.7:1234", []string{"198.51.100.1"}, "203.0.113.7"},
		{"a proxy names the client", xff, "10.0.0.1:1", []string{"198.51.100.1"}, "198.51.100.1"},
		{"a proxy without the field is the client", xff, "10.0.0.1:1", nil, "10.0.0.1"},
		{"what the client wrote stands left and is not believed", xff, "10.0.0.1:1", []string{"1.1.1.1, 2.2.2.2, 198.51.100.1"}, "198.51.100.1"},
		{"a spoofed trusted address on the left is not believed", xff, "10.0.0.1:1", []string{"10.9.9.9, 198.51.100.1"}, "198.51.100.1"},
		{"trusted proxies on the right are passed over", xff, "10.0.0.1:1", []string{"198.51.100.1, 10.0.0.3 ,10.0.0.2"}, "198.51.100.1"},
		{"several lines are one list", xff, "10.0.0.1:1", []string{"1.1.1.1", "198.51.100.1", "10.0.0.2"}, "198.51.100.1"},
		{"a list of proxies alone ends at the leftmost", xff, "10.0.0.1:1", []string{"10.0.0.3, 10.0.0.2"}, "10.0.0.3"},
		{"garbage next to the proxy is the shared client, not a skip", xff, "10.0.0.1:1", []string{"198.51.100.1, garbage"}, none},
		{"garbage further left is not looked at", xff, "10.0.0.1:1", []string{"garbage, 198.51.100.1"}, "198.51.100.1"},
		{"an empty field is the shared client", xff, "10.0.0.1:1", []string{""}, none},
		{"a trailing comma is the shared client", xff, "10.0.0.1:1", []string{"198.51.100.1,"}, none},
		{"an IPv4 address with a port", xff, "10.0.0.1:1", []string{"198.51.100.1:8080"}, "198.51.100.1"},
		{"a bracketed IPv6 address with a port", xff, "10.0.0.1:1", []string{"[2001:db8::7]:8080"}, "2001:db8::7"},
		{"a bracketed IPv6 address", xff, "10.0.0.1:1", []string{"[2001:db8::7]"}, "2001:db8::7"},
		{"a bare IPv6 address", xff, "10.0.0.1:1", []string{"2001:db8::7"}, "2001:db8::7"},
		{"a bracketed IPv4 address is unreadable", xff, "10.0.0.1:1", []string{"[198.51.100.1]"}, none},
		{"a port that is none is unreadable", xff, "10.0.0.1:1", []string{"198.51.100.1:http"}, none},
		{"leading zeros are unreadable", xff, "10.0.0.1:1", []string{"198.051.100.1"}, none},
		{"an IPv4-mapped client is IPv4", xff, "10.0.0.1:1", []string{"::ffff:198.51.100.1"}, "198.51.100.1"},
		{"an IPv4-mapped peer is matched as IPv4", xff, "[::ffff:10.0.0.1]:1", []string{"198.51.100.1"}, "198.51.100.1"},
		{"a client's zone is dropped", xff, "10.0.0.1:1", []string{"fe80::1%en0"}, "fe80::1"},
		{"an IPv4-mapped trusted prefix is IPv4", xff, "192.168.3.4:1", []string{"198.51.100.1"}, "198.51.100.1"},
		{"an IPv6 proxy", xff, "[2001:db8:aaaa::1]:1", []string{"198.51.100.1"}, "198.51.100.1"},
		{"a Unix socket is not trusted unless said so", xff, "@", []string{"198.51.100.1"}, none},
		{"a Unix socket that is trusted", unix, "@", []string{"198.51.100.1"}, "198.51.100.1"},
		{"behind a trusted Unix socket garbage is the shared client", unix, "", []string{"garbage"}, none},

		{"Forwarded names the client", fwd, "10.0.0.1:1", []string{"for=198.51.100.1"}, "198.51.100.1"},
		{"Forwarded is read without regard to case", fwd, "10.0.0.1:1", []string{"By=10.0.0.1; FOR=198.51.100.1;proto=https"}, "198.51.100.1"},
		{"Forwarded with a quoted IPv6 address and port", fwd, "10.0.0.1:1", []string{`for="[2001:db8:cafe::17]:4711"`}, "2001:db8:cafe::17"},
		{"Forwarded with a port and no quotes", fwd, "10.0.0.1:1", []string{"for=198.51.100.1:4711"}, "198.51.100.1"},
		{"Forwarded walks from the right", fwd, "10.0.0.1:1", []string{"for=1.1.1.1, for=198.51.100.1, for=10.0.0.2"}, "198.51.100.1"},
		{"Forwarded over several lines", fwd, "10.0.0.1:1", []string{"for=1.1.1.1", `for="198.51.100.1"`, "for=10.0.0.2"}, "198.51.100.1"},
		{"Forwarded of proxies alone ends at the leftmost", fwd, "10.0.0.1:1", []string{"for=10.0.0.4, for=10.0.0.3", "for=10.0.0.2"}, "10.0.0.4"},
		{"an obfuscated name is the shared client", fwd, "10.0.0.1:1", []string{"for=198.51.100.1, for=_hidden"}, none},
		{"unknown is the shared client", fwd, "10.0.0.1:1", []string{"for=unknown"}, none},
		{"an element without for is the shared client", fwd, "10.0.0.1:1", []string{"for=198.51.100.1, proto=https"}, none},
		{"a comma within quotes separates nothing", fwd, "10.0.0.1:1", []string{`for=198.51.100.1;by="a, for=10.0.0.2"`}, "198.51.100.1"},
		{"an open quote of the client swallows nothing", fwd, "10.0.0.1:1", []string{`for="1.1.1.1, for=198.51.100.1`}, none},
		{"an open quote of the client against a quoting proxy", fwd, "10.0.0.1:1", []string{`for="1.1.1.1, for="198.51.100.1"`}, none},
		{"an escape in a quoted value is unreadable", fwd, "10.0.0.1:1", []string{`for="198.51.100.1\""`}, none},
		{"two answers in one element are none", fwd, "10.0.0.1:1", []string{"for=1.1.1.1;for=198.51.100.1"}, none},
		{"a parameter without a value is unreadable", fwd, "10.0.0.1:1", []string{"for"}, none},
		{"an empty value is unreadable", fwd, "10.0.0.1:1", []string{"for="}, none},
		{"an empty quoted value is unreadable", fwd, "10.0.0.1:1", []string{`for=""`}, none},
		{"words after a value are unreadable", fwd, "10.0.0.1:1", []string{"for=198.51.100.1 x"}, none},
		{"a broken line left of a good one is not looked at", fwd, "10.0.0.1:1", []string{`for="`, "for=198.51.100.1"}, "198.51.100.1"},

		{"a field with one address", cf, "10.0.0.1:1", []string{" 198.51.100.1 "}, "198.51.100.1"},
		{"a field with one address, twice, is the shared client", cf, "10.0.0.1:1", []string{"198.51.100.1", "198.51.100.2"}, none},
		{"a list in such a field is the shared client", cf, "10.0.0.1:1", []string{"198.51.100.1, 198.51.100.2"}, none},
		{"such a field from a stranger is not read", cf, "203.0.113.7:1", []string{"198.51.100.1"}, "203.0.113.7"},
	} {
		c, err := security.NewClientIP(row.c)
		if err != nil {
			t.Fatalf("%s: %v", row.name, err)
		}
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = row.remote
		name := http.CanonicalHeaderKey(row.c.Header)
		if name == "" {
			name = "X-Forwarded-For"
		}
		if row.lines != nil {
			r.Header[name] = row.lines
		}
		if got := c.Resolve(r).String(); got != row.want {
			t.Errorf("%s: got %s, want %s", row.name, got, row.want)
		}
		var inside string
		c.Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { inside = security.ClientAddr(r).String() })).ServeHTTP(nil, r)
		if inside != row.want {
			t.Errorf("%s: the handler saw %s, want %s", row.name, inside, row.want)
		}
	}
}

func TestNewClientIPReportsEveryMistake(t *testing.T) {
	for _, row := range []struct {
		name string
		c    security.ClientIPConfig
		want []string
	}{
		{"a header without proxies", security.ClientIPConfig{Header: "X-Forwarded-For"}, []string{"TrustedProxies must list"}},
		{"proxies without a header", security.ClientIPConfig{TrustedProxies: prefixes("10.0.0.0/8")}, []string{"Header must name"}},
		{"a Unix socket without a header", security.ClientIPConfig{TrustUnixSocket: true}, []string{"Header must name"}},
		{
			"a bad name and bad prefixes at once",
			security.ClientIPConfig{Header: "X Forwarded", TrustedProxies: append(prefixes("0.0.0.0/0", "::/0", "::ffff:0.0.0.0/96", "::ffff:0:0/90"), netip.Prefix{})},
			[]string{`Header = "X Forwarded"`, "[0] = 0.0.0.0/0 must not cover", "[1] = ::/0 must not cover", "[2] = 0.0.0.0/0 must not cover", "[3]", "[4] = invalid Prefix must be a valid prefix"},
		},
	} {
		_, err := security.NewClientIP(row.c)
		for _, want := range row.want {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v does not say %q", row.name, err, want)
			}
		}
	}
}

func TestClientIPDoesNotKeepTheCallersSlice(t *testing.T) {
	trusted := prefixes("10.0.0.0/8")
	c, err := security.NewClientIP(security.ClientIPConfig{Header: "X-Forwarded-For", TrustedProxies: trusted})
	if err != nil {
		t.Fatal(err)
	}
	trusted[0] = netip.MustParsePrefix("203.0.113.0/24")
	r := httptest.NewRequest("GET", "/", nil)
	r.RemoteAddr = "203.0.113.7:1"
	r.Header.Set("X-Forwarded-For", "198.51.100.1")
	if got := c.Resolve(r).String(); got != "203.0.113.7" {
		t.Errorf("a later change of the slice made a stranger a proxy: %s", got)
	}
}

func ExampleNewClientIP() {
	ip, err := security.NewClientIP(security.ClientIPConfig{
		Header:         "X-Forwarded-For",
		TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	handler := ip.Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { fmt.Println(security.ClientAddr(r)) }))

	r := httptest.NewRequest("GET", "/", nil)
	r.RemoteAddr = "10.0.0.1:4711"
	r.Header.Set("X-Forwarded-For", "192.0.2.66, 198.51.100.1") // the first was written by the client itself
	handler.ServeHTTP(httptest.NewRecorder(), r)
	// Output: 198.51.100.1
}

func FuzzClientIP(f *testing.F) {
	for _, s := range []string{"198.51.100.1", "for=198.51.100.1", `for="[2001:db8::1]:80"`, `for="a, b", for=_x`, "10.0.0.1,10.0.0.2", "fe80::1%1", "for=10.0.0.1;by=\"x;y\" , for=1.1.1.1"} {
		f.Add(s, false)
		f.Add(s, true)
	}
	trusted := prefixes("10.0.0.0/8", "2001:db8::/32")
	xff, _ := security.NewClientIP(security.ClientIPConfig{Header: "X-Forwarded-For", TrustedProxies: trusted})
	fwd, _ := security.NewClientIP(security.ClientIPConfig{Header: "Forwarded", TrustedProxies: trusted})
	f.Fuzz(func(t *testing.T, value string, forwarded bool) {
		c, name, last := xff, "X-Forwarded-For", "203.0.113.9"
		if forwarded {
			c, name, last = fwd, "Forwarded", "for=203.0.113.9"
		}
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = "10.0.0.1:1"
		r.Header[name] = []string{value}
		if addr := c.Resolve(r); addr.Zone() != "" || addr.Is4In6() {
			t.Errorf("%q: %s is not folded", value, addr)
		}
		// Whatever a client wrote, the address that the nearest proxy appends to it is never passed over.
		r.Header[name] = []string{value + ", " + last}
		if addr := c.Resolve(r); addr.IsValid() && addr.String() != "203.0.113.9" {
			t.Errorf("%q: client chose its address %s", value, addr)
		}
		r.Header[name] = []string{value, last}
		if addr := c.Resolve(r); addr.String() != "203.0.113.9" {
			t.Errorf("%q on a line before: client is %s", value, addr)
		}
	})
}
