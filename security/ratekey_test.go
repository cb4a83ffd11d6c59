package security_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"

	"github.com/gatehouse-go/gatehouse/security"
)

func TestRateKeys(t *testing.T) {
	byKey := security.ByHeader("x-api-key")
	broken := security.RateKey(func(*http.Request) (string, error) { return "", errors.New("broken") })
	a := func(change func(*http.Request)) *http.Request {
		r := from("203.0.113.7:1")
		r.Pattern = "GET /items/{id}"
		r.Header.Set("X-Api-Key", "k1")
		if change != nil {
			change(r)
		}
		return r
	}
	remote := func(s string) func(*http.Request) { return func(r *http.Request) { r.RemoteAddr = s } }
	for _, row := range []struct {
		name string
		key  security.RateKey
		r, s *http.Request
		same bool
	}{
		{"two ports of an address are one client", security.ByIP(), a(nil), a(remote("203.0.113.7:99")), true},
		{"two IPv4 addresses are two clients", security.ByIP(), a(nil), a(remote("203.0.113.8:1")), false},
		{"an address and its IPv4-mapped form are one client", security.ByIP(), a(nil), a(remote("[::ffff:203.0.113.7]:1")), true},
		{"IPv6 addresses that rotate in their /64 are one client", security.ByIP(), a(remote("[2001:db8::1]:1")), a(remote("[2001:db8::ffff:ffff:ffff:ffff]:1")), true},
		{"two /64 are two clients", security.ByIP(), a(remote("[2001:db8::1]:1")), a(remote("[2001:db8:0:1::1]:1")), false},
		{"networks are as wide as one says", security.ByNetwork(24, 48), a(nil), a(remote("203.0.113.200:1")), true},
		{"wide networks of IPv6", security.ByNetwork(24, 48), a(remote("[2001:db8:0:1::1]:1")), a(remote("[2001:db8:0:ffff::1]:1")), true},
		{"two wide networks are two", security.ByNetwork(24, 48), a(nil), a(remote("203.0.112.7:1")), false},
		{"a network of too many bits is one address", security.ByNetwork(99, 999), a(remote("[2001:db8::1]:1")), a(remote("[2001:db8::2]:1")), false},
		{"a network of no bits is half the internet", security.ByNetwork(-1, 0), a(remote("1.2.3.4:1")), a(remote("101.2.3.4:1")), true},
		{"an unreadable address has no network", security.ByNetwork(24, 48), a(remote("@")), a(remote("")), true},
		{"a zone makes no other client", security.ByIP(), a(remote("[fe80::1%eth0]:1")), a(remote("[fe80::1%eth1]:1")), true},
		{"unreadable addresses are one client", security.ByIP(), a(remote("@")), a(remote("garbage")), true},
		{"an X-Forwarded-For that nobody trusts makes no other client", security.ByIP(), a(nil), a(func(r *http.Request) { r.Header.Set("X-Forwarded-For", "198.51.100.1") }), true},
		{"another path makes no other client", security.ByIP(), a(nil), a(func(r *http.Request) { r.URL.Path = "/elsewhere" }), true},
		{"two header values are two clients", byKey, a(nil), a(func(r *http.Request) { r.Header.Set("X-Api-Key", "k2") }), false},
		{"requests without the header are one client", byKey, a(func(r *http.Request) { r.Header.Del("X-Api-Key") }), a(func(r *http.Request) { r.Header.Set("X-Api-Key", "") }), true},
		{"requests with two values are that client too", byKey, a(func(r *http.Request) { r.Header.Del("X-Api-Key") }), a(func(r *http.Request) { r.Header.Add("X-Api-Key", "k2") }), true},
		{"a path cannot vary its route", security.ByPattern(), a(nil), a(func(r *http.Request) { r.URL.Path = "/items/77" }), true},
		{"two routes are two", security.ByPattern(), a(nil), a(func(r *http.Request) { r.Pattern = "POST /items" }), false},
		{"outside of a mux all are one", security.ByPattern(), a(func(r *http.Request) { r.Pattern = "" }), a(func(r *http.Request) { r.Pattern, r.URL.Path = "", "/x" }), true},
		{"everyone is one", security.ByEveryone(), a(nil), a(remote("198.51.100.1:1")), true},
		{"joined keys differ in each part", security.JoinKeys(security.ByIP(), byKey), a(nil), a(func(r *http.Request) { r.Header.Set("X-Api-Key", "k2") }), false},
		{"joined keys are the same where all parts are", security.JoinKeys(security.ByIP(), byKey), a(nil), a(nil), true},
		{"joined values cannot shift from one part to another", security.JoinKeys(byKey, security.ByPattern()), a(func(r *http.Request) { r.Pattern = "x" }), a(func(r *http.Request) { r.Header.Set("X-Api-Key", "k1x"); r.Pattern = "" }), false},
		{"a joined key with a part that fails", security.JoinKeys(broken, byKey), a(nil), a(func(r *http.Request) { r.Header.Set("X-Api-Key", "k2") }), false},
		{"the first key that is there counts", security.FirstKey(byKey, security.ByIP()), a(nil), a(remote("198.51.100.1:1")), true},
		{"without the first the second counts", security.FirstKey(byKey, security.ByIP()), a(func(r *http.Request) { r.Header.Del("X-Api-Key") }), a(func(r *http.Request) { r.Header.Del("X-Api-Key"); r.RemoteAddr = "198.51.100.1:1" }), false},
		{"a value of the first is none of the second", security.FirstKey(byKey, security.ByIP()), a(func(r *http.Request) { r.Header.Set("X-Api-Key", "203.0.113.7") }), a(func(r *http.Request) { r.Header.Del("X-Api-Key") }), false},
		{"where none is there all are one", security.FirstKey(broken, security.ByPattern()), a(func(r *http.Request) { r.Pattern = "" }), a(func(r *http.Request) { r.Pattern, r.RemoteAddr = "", "198.51.100.1:1" }), true},
		{"where the key fails all are one", broken, a(nil), a(remote("198.51.100.1:1")), true},
	} {
		c := tenAMinute(row.key)
		c.Policies[0].Burst = 1
		h := mustRateLimit(t, c).Wrap(http.HandlerFunc(noContent))
		first, second := serve(h, row.r).Code, serve(h, row.s).Code
		if first != 204 || (second == 429) != row.same {
			t.Errorf("%s: %d, then %d", row.name, first, second)
		}
	}
}

func TestAForwardedListThatRotatesIsOneClient(t *testing.T) {
	ip, err := security.NewClientIP(security.ClientIPConfig{Header: "X-Forwarded-For", TrustedProxies: prefixes("10.0.0.0/8")})
	if err != nil {
		t.Fatal(err)
	}
	h := ip.Wrap(mustRateLimit(t, tenAMinute(security.ByIP())).Wrap(http.HandlerFunc(noContent)))
	for i := range 20 {
		r := from("10.0.0.1:1")
		r.Header.Set("X-Forwarded-For", fmt.Sprintf("192.0.2.%d, 203.0.113.7", i)) // the proxy appended the second
		if w := serve(h, r); (w.Code == 204) != (i < 10) {
			t.Errorf("request %d: %d", i, w.Code)
		}
	}
}

func TestIPKeyIsTheKeyOfByIP(t *testing.T) {
	for addr, want := range map[string]string{"203.0.113.7": "203.0.113.7", "::ffff:203.0.113.7": "203.0.113.7", "2001:db8:1:2:3:4:5:6": "2001:db8:1:2::/64", "fe80::1%eth0": "fe80::/64"} {
		if got := security.IPKey(netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s: %s, want %s", addr, got, want)
		}
	}
	c := tenAMinute(security.ByIP())
	c.Policies[0].Burst = 1
	l := mustRateLimit(t, c)
	if _, err := l.Check(from("203.0.113.7:1")); err != nil {
		t.Fatal(err)
	}
	if d, err := l.Allow(t.Context(), security.IPKey(netip.MustParseAddr("203.0.113.7")), 1); d.Allowed || !errors.Is(err, security.ErrRateLimited) {
		t.Errorf("Allow counts apart: %+v, %v", d, err)
	}
}

func TestLimitsInARowEachAddTheirFields(t *testing.T) {
	outer, inner := tenAMinute(security.ByIP()), tenAMinute(security.ByEveryone())
	outer.Policies[0].Name, inner.Policies[0].Name = "ip", "all"
	h := mustRateLimit(t, outer).Wrap(mustRateLimit(t, inner).Wrap(http.HandlerFunc(noContent)))
	w := serve(h, from("203.0.113.7:1"))
	if got := fmt.Sprint(w.Header()["Ratelimit"], w.Header()["Ratelimit-Policy"]); got != `["ip";r=9;t=6 "all";r=9;t=6] ["ip";q=10;w=60 "all";q=10;w=60]` {
		t.Error(got)
	}
}

func ExampleRateLimit_Allow() {
	c := security.RateLimitConfig{Policies: []security.RatePolicy{{Name: "mails", Limit: 1. / 3600, Burst: 3, Key: security.ByIP()}}}
	limit, err := security.NewRateLimit(c)
	if err != nil {
		fmt.Println(err)
		return
	}
	// Outside of HTTP: a job that mails a user asks for two units of the user's three.
	r := httptest.NewRequest("GET", "/", nil)
	for range 2 {
		d, err := limit.Allow(r.Context(), "user:42", 2)
		fmt.Println(d.Allowed, d.Policies[0].Remaining, errors.Is(err, security.ErrRateLimited))
	}
	// Output:
	// true 1 false
	// false 1 true
}
