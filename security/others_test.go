package security_test

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/time/rate"

	"github.com/gatehouse-go/gatehouse/internal/testwait"
	"github.com/gatehouse-go/gatehouse/security"
)

// guarded serves a small application behind Default, on a real connection: /admin needs a key, every other path is open.
func guarded(t *testing.T, change func(*security.Config)) (addr, key string) {
	t.Helper()
	key, stored, err := security.NewAPIKey("acme", "ann", "admin")
	if err != nil {
		t.Fatal(err)
	}
	keys, err := security.NewAPIKeys(security.APIKeysConfig{Prefix: "acme", Keys: []security.APIKey{stored}})
	if err != nil {
		t.Fatal(err)
	}
	c := required()
	c.Target.Hosts = append(c.Target.Hosts, "127.0.0.1:*")
	c.Access = newAccess(t, security.AccessConfig{Schemes: []security.Scheme{keys}, Optional: true})
	c.CORS = &security.CORSConfig{Origins: []string{"https://*.example.org"}, Methods: []string{"PUT"}, Headers: []string{"Authorization"}, Credentials: true}
	if change != nil {
		change(&c)
	}
	mux := http.NewServeMux()
	mux.Handle("/admin", c.Access.Require("admin")(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "admin") })))
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		maps.Copy(w.Header(), r.Header) // as a proxy that mirrors what it was sent
		body, err := io.ReadAll(r.Body)
		if err != nil {
			security.WriteError(w, r, err)
			return
		}
		_, _ = w.Write(append([]byte("open "), body...))
	})
	server := security.Server(mustDefault(t, c).Then(mux))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error)
	go func() { ended <- server.Serve(listener) }()
	t.Cleanup(func() {
		_ = server.Close()
		<-ended
	})
	return listener.Addr().String(), key
}

// send writes a request as it is and returns the answer and its body.
func send(t *testing.T, addr, text string) (*http.Response, string) {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(testwait.Patience))
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	body, _ := io.ReadAll(res.Body)
	return res, string(body)
}

// One row for each way past a middleware that other libraries and frameworks left open, those with a CVE among them.
func TestWhatOthersLetThrough(t *testing.T) {
	addr, key := guarded(t, nil)
	const plain = "Host: example.com\r\n"
	for _, row := range []struct {
		name, request string
		status        int
		not           string // in no field of the answer
	}{
		{"a control field of a framework (CVE-2025-29927)", "GET /admin HTTP/1.1\r\n" + plain + "x-middleware-subrequest: middleware:middleware:middleware\r\n\r\n", 401, ""},
		{"fields that steer a framework's rewrite (CVE-2025-57822)", "GET /admin HTTP/1.1\r\n" + plain + "x-middleware-rewrite: /\r\nx-middleware-next: 1\r\nx-original-url: /\r\nx-rewrite-url: /\r\n\r\n", 401, ""},
		{"another spelling of a protected path (CVE-2026-44575)", "GET /%61dmin HTTP/1.1\r\n" + plain + "\r\n", 401, ""},
		{"an encoded separator that skips a rule (CVE-2026-55677)", "GET /x%2f..%2fadmin HTTP/1.1\r\n" + plain + "\r\n", 400, ""},
		{"an encoded backslash", "GET /x%5c..%5cadmin HTTP/1.1\r\n" + plain + "\r\n", 400, ""},
		{"dot segments under an encoding", "GET /x/%2e%2e/admin HTTP/1.1\r\n" + plain + "\r\n", 400, ""},
		{"a path with a NUL", "GET /admin%00 HTTP/1.1\r\n" + plain + "\r\n", 400, ""},
		{"an absolute form that names another host (CVE-2026-44578)", "GET http://evil.example/ HTTP/1.1\r\n" + plain + "\r\n", 421, ""},
		{"a host that a redirect would lead to", "GET // HTTP/1.1\r\nHost: evil.example\r\n\r\n", 421, "evil.example"},
		{"a host with userinfo", "GET / HTTP/1.1\r\nHost: example.com@evil.example\r\n\r\n", 400, "evil.example"},
		{"X-Forwarded-Host", "GET / HTTP/1.1\r\nHost: evil.example\r\nX-Forwarded-Host: example.com\r\n\r\n", 421, ""},
		{"a preflight before access", "OPTIONS /admin HTTP/1.1\r\n" + plain + "Origin: https://a.example.org\r\nAccess-Control-Request-Method: PUT\r\nAccess-Control-Request-Headers: authorization\r\n\r\n", 204, ""},
		{"a preflight is no way around access", "OPTIONS /admin HTTP/1.1\r\n" + plain + "Origin: https://a.example.org\r\n\r\n", 401, ""},
		{"a suffix that hides behind a port", "OPTIONS / HTTP/1.1\r\n" + plain + "Origin: https://evil.org:443.example.org\r\nAccess-Control-Request-Method: PUT\r\n\r\n", 403, "evil.org"},
		{"the null origin", "OPTIONS / HTTP/1.1\r\n" + plain + "Origin: null\r\nAccess-Control-Request-Method: PUT\r\n\r\n", 403, "null"},
		{"16 KiB of names in a preflight", "OPTIONS / HTTP/1.1\r\n" + plain + "Origin: https://a.example.org\r\nAccess-Control-Request-Method: PUT\r\nAccess-Control-Request-Headers: " + strings.Repeat("x-a,", 4<<10) + "x-a\r\n\r\n", 403, ""},
		{"a form of an http page on the same host (CrossOriginProtection)", "POST / HTTP/1.1\r\n" + plain + "Origin: http://user@example.com\r\nContent-Length: 0\r\n\r\n", 403, ""},
		{"a GET that a field turns into DELETE", "GET / HTTP/1.1\r\n" + plain + "Origin: https://evil.example\r\nX-HTTP-Method-Override: DELETE\r\n\r\n", 403, ""},
		{"credentials copied to the answer", "GET / HTTP/1.1\r\n" + plain + "Authorization: Bearer " + key + "\r\nX-Copy: " + key + "\r\nCookie: sid=0123456789abcdef0123\r\nX-Sid: 0123456789abcdef0123\r\n\r\n", 200, key},
		{"a cookie copied to the answer", "GET / HTTP/1.1\r\n" + plain + "Cookie: sid=0123456789abcdef0123\r\nX-Sid: 0123456789abcdef0123\r\n\r\n", 200, "0123456789abcdef0123"},
		{"two Authorization fields", "GET /admin HTTP/1.1\r\n" + plain + "Authorization: Bearer " + key + "\r\nAuthorization: Bearer x\r\n\r\n", 400, key},
		{"TRACE, which mirrors", "TRACE / HTTP/1.1\r\n" + plain + "Cookie: sid=0123456789abcdef0123\r\n\r\n", 501, "0123456789abcdef0123"},
		{"a body on a GET", "GET / HTTP/1.1\r\n" + plain + "Content-Length: 2\r\nContent-Type: application/json\r\n\r\n{}", 400, ""},
		{"a gzip bomb's first bytes", "POST / HTTP/1.1\r\n" + plain + "Content-Length: 2\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\n\r\n{}", 415, ""},
		{"a length above the bound", "POST / HTTP/1.1\r\n" + plain + "Content-Length: 1048577\r\nContent-Type: application/json\r\n\r\n", 413, ""},
		{"the key itself", "GET /admin HTTP/1.1\r\n" + plain + "Authorization: Bearer " + key + "\r\n\r\n", 200, key},
	} {
		res, body := send(t, addr, row.request)
		if res.StatusCode != row.status || row.status != 200 && strings.Contains(body, "admin") {
			t.Errorf("%s: %d %s, want %d", row.name, res.StatusCode, body, row.status)
		}
		if fields := fmt.Sprint(res.Header); row.not != "" && strings.Contains(fields, row.not) {
			t.Errorf("%s: %s", row.name, fields)
		}
		if len(res.Header["Location"]) > 0 {
			t.Errorf("%s: a redirect to %s", row.name, res.Header["Location"])
		}
	}
}

// Clients that vary what they can choose have one quota: an address in their /64, fields that name an address, the path.
func TestNobodyHasManyQuotas(t *testing.T) {
	for _, row := range []struct {
		name   string
		change func(r *http.Request, i int)
	}{
		{"the same request", func(*http.Request, int) {}},
		{"addresses of one /64", func(r *http.Request, i int) { r.RemoteAddr = fmt.Sprintf("[2001:db8::%x]:4711", i+1) }},
		{"X-Forwarded-For", func(r *http.Request, i int) { r.Header.Set("X-Forwarded-For", fmt.Sprintf("198.51.100.%d", i)) }},
		{"X-Real-IP and its like", func(r *http.Request, i int) {
			for _, name := range []string{"X-Real-Ip", "True-Client-Ip", "Cf-Connecting-Ip", "Forwarded"} {
				r.Header.Set(name, fmt.Sprintf("198.51.100.%d", i))
			}
		}},
		{"paths", func(r *http.Request, i int) { r.URL.Path = fmt.Sprintf("/%d", i) }},
		{"queries and methods", func(r *http.Request, i int) {
			r.URL.RawQuery, r.Method = fmt.Sprint(i), []string{"GET", "HEAD", "DELETE"}[i%3]
		}},
		{"addresses that cannot be read", func(r *http.Request, i int) { r.RemoteAddr = fmt.Sprintf("unix-%d", i) }},
		{"addresses on both sides of a mapping", func(r *http.Request, i int) { r.RemoteAddr = []string{"192.0.2.1:1", "[::ffff:192.0.2.1]:1"}[i%2] }},
	} {
		c := required()
		c.IPLimit.Policies[0] = security.RatePolicy{Limit: rate.Every(time.Hour), Burst: 5}
		h := mustDefault(t, c).Then(whoami)
		served := 0
		for i := range 50 {
			r := httptest.NewRequest("GET", "https://example.com/", nil)
			row.change(r, i)
			if serve(h, r).Code == 200 {
				served++
			}
		}
		if served != 5 {
			t.Errorf("%s: %d of 50 served, want 5", row.name, served)
		}
	}
	// Behind a proxy the client is who the proxy saw, whatever was in the field before.
	c := required()
	c.ClientIP = security.ClientIPConfig{Header: "X-Forwarded-For", TrustedProxies: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}}
	c.IPLimit.Policies[0] = security.RatePolicy{Limit: rate.Every(time.Hour), Burst: 5}
	h := mustDefault(t, c).Then(whoami)
	served := 0
	for i := range 50 {
		r := httptest.NewRequest("GET", "https://example.com/", nil)
		r.Header.Set("X-Forwarded-For", fmt.Sprintf("198.51.100.%d, 203.0.113.7", i))
		if serve(h, r).Code == 200 {
			served++
		}
	}
	if served != 5 {
		t.Errorf("X-Forwarded-For of a client behind a proxy: %d of 50 served, want 5", served)
	}
}

// A body that stops gets its 408 in each of twelve tries, and none waits for it to go on.
func TestEverySlowBodyIsAnswered(t *testing.T) {
	addr, _ := guarded(t, func(c *security.Config) {
		c.Deadlines = security.DeadlinesConfig{Body: 200 * time.Millisecond, Grace: 200 * time.Millisecond}
	})
	for range 12 {
		if res, body := send(t, addr, "POST / HTTP/1.1\r\nHost: example.com\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"); res.StatusCode != 408 || !res.Close {
			t.Errorf("got %d %s", res.StatusCode, body)
		}
	}
}

// HSTS is not for what comes by http, whatever a field of the request claims.
func TestTLSIsNotClaimedByAField(t *testing.T) {
	h := mustDefault(t, required()).Then(whoami)
	r := request("GET", "http://example.com/", "X-Forwarded-Proto: https", "X-Forwarded-Ssl: on", "Front-End-Https: on", "Forwarded: proto=https")
	if w := serve(h, r); w.Header().Get("Strict-Transport-Security") != "" {
		t.Errorf("by http: %v", w.Header())
	}
	r.TLS = &tls.ConnectionState{}
	if w := serve(h, r); w.Header().Get("Strict-Transport-Security") != "max-age=31536000" {
		t.Errorf("on TLS: %v", w.Header())
	}
}
