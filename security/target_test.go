package security_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gatehouse-go/gatehouse/security"
)

func mustTarget(tb testing.TB, c security.TargetConfig) *security.Target {
	tb.Helper()
	if c.Logger == nil {
		c.Logger = discard
	}
	target, err := security.NewTarget(c)
	if err != nil {
		tb.Fatal(err)
	}
	return target
}

func TestTargetChecksHostAndPath(t *testing.T) {
	served := security.TargetConfig{Hosts: []string{"example.com", "api.example.com:8443", "localhost:*", "*.example.org", "[2001:db8::1]:8443", "127.0.0.1"}}
	anyHost := security.TargetConfig{InsecureAnyHost: true}
	for _, row := range []struct {
		name string
		c    security.TargetConfig
		host string
		path string
		code int
	}{
		{"a host", served, "example.com", "/", 204},
		{"a host in upper case", served, "Example.COM", "/", 204},
		{"a host with the port of https", served, "example.com:443", "/", 204},
		{"a host with the port of http", served, "example.com:80", "/", 204},
		{"a host with another port", served, "example.com:1337", "/", 421},
		{"a host with its port", served, "api.example.com:8443", "/", 204},
		{"a host without its port", served, "api.example.com", "/", 421},
		{"a host with any port", served, "localhost:49152", "/", 204},
		{"a host with no port where any will do", served, "localhost", "/", 204},
		{"a host below", served, "a.b.example.org", "/", 204},
		{"a host below with a default port", served, "a.example.org:443", "/", 204},
		{"a host below with another port", served, "a.example.org:1337", "/", 421},
		{"the host that others are below", served, "example.org", "/", 421},
		{"no label below", served, ".example.org", "/", 421},
		{"a suffix without a dot", served, "evilexample.org", "/", 421},
		{"an IPv6 host", served, "[2001:db8::1]:8443", "/", 204},
		{"an IPv6 host without its port", served, "[2001:db8::1]", "/", 421},
		{"an IPv4 host", served, "127.0.0.1", "/", 204},
		{"a host of someone else", served, "evil.example", "/", 421},
		{"a host that hides behind a user", served, "evil@example.com", "/", 421},
		{"a port that is none", served, "example.com:80x", "/", 421},
		{"an empty port", served, "example.com:", "/", 421},
		{"no host", served, "", "/", 421},
		{"an encoded slash", served, "example.com", "/a%2fb", 400},
		{"a dot segment", served, "example.com", "/a/%2e%2e/b", 400},
		{"a backslash", served, "example.com", "/a%5cb", 400},
		{"any host", anyHost, "whatever.example:8080", "/", 204},
		{"any host, and a name that is none", anyHost, "what ever", "/", 421},
		{"any host, and HTTP/1.0 without one", anyHost, "", "/", 204},
		{"any host, and a path with two readings", anyHost, "a.example", "/a%00b", 400},
	} {
		r := httptest.NewRequest("GET", row.path, nil)
		r.Host = row.host
		target := mustTarget(t, row.c)
		if w := serve(target.Wrap(http.HandlerFunc(noContent)), r); w.Code != row.code {
			t.Errorf("%s: %d, want %d", row.name, w.Code, row.code)
		}
		if err := target.Check(r); (row.code == 421) != errors.Is(err, security.ErrHost) {
			t.Errorf("%s: Check says %v", row.name, err)
		}
	}
}

func TestNewTargetReportsEveryMistake(t *testing.T) {
	if _, err := security.NewTarget(security.TargetConfig{}); err == nil || !strings.Contains(err.Error(), "TargetConfig.Hosts must name") {
		t.Error(err)
	}
	hosts := []string{"", "Example.com", "https://example.com", "example.com/", "*.example.com:8443", "*.*.example.com", "*.example.com:*", "*.[::1]", "example.com:0", "[::1", "a..b", "*"}
	_, err := security.NewTarget(security.TargetConfig{Hosts: hosts})
	for i := range hosts {
		if want := fmt.Sprintf("Hosts[%d]", i); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is accepted", hosts[i])
		}
	}
}

func ExampleNewTarget() {
	target, err := security.NewTarget(security.TargetConfig{Hosts: []string{"example.com", "*.example.com"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	r := httptest.NewRequest("GET", "/reset-password", nil)
	r.Host = "evil.example"
	fmt.Println(target.Check(r))
	// Output: host is not served here: "evil.example"
}

func FuzzTarget(f *testing.F) {
	for _, s := range []string{"example.com", "a.example.org:443", "[::1]:80", "evil.com#.example.org", "x:y@a.example.org"} {
		f.Add(s)
	}
	target := mustTarget(f, security.TargetConfig{Hosts: []string{"*.example.org"}})
	f.Fuzz(func(t *testing.T, host string) {
		r := httptest.NewRequest("GET", "/", nil)
		r.Host = host
		if target.Check(r) != nil {
			return
		}
		name, _, _ := strings.Cut(strings.ToLower(host), ":")
		label := strings.TrimSuffix(name, ".example.org")
		if label == name || label == "" || strings.ContainsAny(label, "/\\?#@[] \x00") {
			t.Errorf("%q is served", host)
		}
	})
}
