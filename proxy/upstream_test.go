package proxy_test

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/proxy"
)

func TestTargetsShareTheWork(t *testing.T) {
	now := time.Unix(1e9, 0)
	s := proxy.NewTargetSet(3, 2, time.Second)
	taken := map[string]int{}
	for range 30 {
		name, _, _ := s.Pick(now) // none of them ends
		taken[name]++
	}
	if taken["0"] != 10 || taken["1"] != 10 || taken["2"] != 10 {
		t.Errorf("thirty requests under way: %v", taken)
	}
	s = proxy.NewTargetSet(2, 2, time.Second)
	busy, _, _ := s.Pick(now)
	for range 10 {
		name, _, end := s.Pick(now)
		if name == busy {
			t.Fatalf("target %s has a request under way, and got the next one", name)
		}
		end(true, now)
	}
}

func TestFailingTargetIsLeftOutAndTriedAgain(t *testing.T) {
	now := time.Unix(1e9, 0)
	s := proxy.NewTargetSet(1, 2, 10*time.Second)
	fail := func() {
		t.Helper()
		name, _, end := s.Pick(now)
		if name == "" {
			t.Fatal("left out too early")
		}
		end(false, now)
	}
	fail()
	name, _, end := s.Pick(now)
	if name == "" {
		t.Fatal("one failure left the target out")
	}
	end(true, now)
	fail() // the success between forgave the first
	fail()
	if name, wait, _ := s.Pick(now.Add(4 * time.Second)); name != "" || wait != 6*time.Second {
		t.Errorf("after two failures in a row: %q, wait %v", name, wait)
	}
	now = now.Add(10 * time.Second)
	_, _, probe := s.Pick(now)
	if probe == nil {
		t.Fatal("the cooldown is over and nobody may try")
	}
	if name, wait, _ := s.Pick(now); name != "" || wait != 10*time.Second {
		t.Errorf("beside the one that tries: %q, wait %v", name, wait)
	}
	probe(false, now)
	if name, _, _ := s.Pick(now.Add(9 * time.Second)); name != "" {
		t.Error("a failed try did not begin another cooldown")
	}
	now = now.Add(10 * time.Second)
	_, _, probe = s.Pick(now)
	probe(true, now)
	for range 3 {
		if name, _, _ := s.Pick(now); name == "" {
			t.Error("a good try did not bring the target back")
		}
	}
}

func TestTriedTargetsAreNotPicked(t *testing.T) {
	now := time.Unix(1e9, 0)
	s := proxy.NewTargetSet(2, 5, time.Second)
	for range 4 {
		if name, _, _ := s.Pick(now, "0"); name != "1" {
			t.Errorf("got %q", name)
		}
	}
	if name, wait, _ := s.Pick(now, "0", "1"); name != "" || wait != 0 {
		t.Errorf("got %q, %v", name, wait)
	}
}

// counting is a server that counts the requests it gets.
func counting(tb testing.TB, status int) (*httptest.Server, *atomic.Int32) {
	tb.Helper()
	n := new(atomic.Int32)
	return serve(tb, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n.Add(1)
		w.WriteHeader(status)
	})), n
}

func TestRetries(t *testing.T) {
	dead := listen(t, func(net.Conn) {}) // takes the request and hangs up
	for _, row := range []struct {
		name, method, body string
		retries            int
		all                bool // every request is answered 200
	}{
		{"GET goes to the other target", "GET", "", 1, true},
		{"PUT without a body too", "PUT", "", 1, true},
		{"a POST could have happened", "POST", "", 1, false},
		{"a body may be gone", "PUT", "x", 1, false},
		{"none unless asked for", "GET", "", 0, false},
	} {
		good, _ := counting(t, 200)
		s := front(t, proxy.Config{}, proxy.Upstream{Targets: []string{"http://" + dead, good.URL}, MaxRetries: row.retries, MaxFails: 1000})
		statuses := map[int]int{}
		for range 10 {
			statuses[send(t, row.method, s.URL+"/up/a", row.body).StatusCode]++
		}
		if row.all && statuses[200] != 10 || !row.all && statuses[502] == 0 {
			t.Errorf("%s: %v", row.name, statuses)
		}
	}
}

func TestRetryFindsNoTarget(t *testing.T) {
	dead := listen(t, func(net.Conn) {})
	other := listen(t, func(net.Conn) {})
	s := front(t, proxy.Config{}, proxy.Upstream{Targets: []string{"http://" + dead, "http://" + other}, MaxRetries: 5, MaxFails: 1, Cooldown: time.Hour})
	if res := send(t, "GET", s.URL+"/up/a", ""); res.StatusCode != 502 {
		t.Errorf("every target fails: got %d, want 502", res.StatusCode)
	}
	one := front(t, proxy.Config{}, proxy.Upstream{Targets: []string{"http://" + dead, "http://" + other}, MaxRetries: 1, MaxFails: 1, Cooldown: time.Hour})
	send(t, "POST", one.URL+"/up/a", "x") // puts one of them out of use
	if res := send(t, "GET", one.URL+"/up/a", ""); res.StatusCode != 502 {
		t.Errorf("one target is left out and the other fails: got %d, want 502", res.StatusCode)
	}
	if res := send(t, "GET", s.URL+"/up/a", ""); res.StatusCode != 503 {
		t.Errorf("every target is left out: got %d, want 503", res.StatusCode)
	}
}

func TestCircuitBreaks(t *testing.T) {
	up, reached := counting(t, 503)
	var log strings.Builder
	s := front(t, proxy.Config{Logger: slog.New(slog.NewTextHandler(&syncWriter{w: &log}, nil))}, proxy.Upstream{Targets: []string{up.URL}, MaxFails: 2, Cooldown: time.Hour})
	for range 2 {
		if res := send(t, "GET", s.URL+"/up/a", ""); res.StatusCode != 503 || res.Header.Get("Content-Type") == "application/problem+json" {
			t.Errorf("the upstream's own answer: %d %v", res.StatusCode, res.Header)
		}
	}
	res := send(t, "GET", s.URL+"/up/a", "")
	after, err := strconv.Atoi(res.Header.Get("Retry-After"))
	if res.StatusCode != 503 || res.Header.Get("Content-Type") != "application/problem+json" || err != nil || after < 1 || after > 3600 {
		t.Errorf("the broken circuit: %d %v", res.StatusCode, res.Header)
	}
	if !strings.Contains(log.String(), `no target of the upstream is available: \"up\"`) {
		t.Errorf("the log does not name the upstream: %s", log.String())
	}
	if n := reached.Load(); n != 2 {
		t.Errorf("the upstream got %d requests, want 2", n)
	}
}

func TestTargetComesBack(t *testing.T) {
	var broken atomic.Bool
	broken.Store(true)
	up := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if broken.Load() {
			w.WriteHeader(502)
		}
	}))
	s := front(t, proxy.Config{}, proxy.Upstream{Targets: []string{up.URL}, MaxFails: 1, Cooldown: time.Millisecond})
	send(t, "GET", s.URL+"/up/a", "")
	broken.Store(false)
	for send(t, "GET", s.URL+"/up/a", "").StatusCode != 200 {
		time.Sleep(time.Millisecond) // until the cooldown is over; the test's own timeout ends it otherwise
	}
}

func TestClientFaultsDoNotCountAgainstTheTarget(t *testing.T) {
	up := serve(t, tell)
	s := front(t, proxy.Config{}, proxy.Upstream{Targets: []string{up.URL}, MaxFails: 1, Cooldown: time.Hour})
	for range 3 {
		if res := raw(t, s, "POST /up/a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"); res.StatusCode != 400 {
			t.Errorf("a malformed body: %d", res.StatusCode)
		}
	}
	if res := send(t, "GET", s.URL+"/up/a", ""); res.StatusCode != 200 {
		t.Errorf("afterwards: %d", res.StatusCode)
	}
}

func TestBasePathOfTarget(t *testing.T) {
	up := serve(t, tell)
	s := front(t, proxy.Config{}, proxy.Upstream{Targets: []string{up.URL + "/v2%20x/"}})
	for path, want := range map[string]string{"/up/a%20(b)?c=d": "/v2%20x/a%20(b)?c=d", "/up": "/v2%20x/", "/up/%C3%A9": "/v2%20x/%C3%A9"} {
		if got := told(t, send(t, "GET", s.URL+path, "")).URI; got != want {
			t.Errorf("%s: got %q, want %q", path, got, want)
		}
	}
}

func TestPortThatASchemeHasAnywayIsTheSameOrigin(t *testing.T) {
	for _, row := range []struct{ target, destination string }{
		{"http://up.invalid", "http://up.invalid:80/"}, {"http://up.invalid:80", "http://up.invalid/"}, {"https://up.invalid:443/", "https://up.invalid/"}, {"https://[::1]:443", "https://[::1]/"},
	} {
		_, err := proxy.New(proxy.Config{
			Upstreams: map[string]proxy.Upstream{"up": {Targets: []string{row.target}}},
			Rewrites:  proxy.RewriteRules{Before: []proxy.RewriteRule{{Source: "/", Destination: row.destination}}},
		})
		if err != nil {
			t.Errorf("%s and %s: %v", row.target, row.destination, err)
		}
	}
	if _, err := proxy.New(proxy.Config{Upstreams: map[string]proxy.Upstream{"up": {Targets: []string{"http://up.invalid:65536"}}}}); err == nil || !strings.Contains(err.Error(), "a port of at most 65535") {
		t.Errorf("a port that is none: %v", err)
	}
}

func TestUpstreamIsFoundByNameAndOrigin(t *testing.T) {
	up := serve(t, tell)
	p := newProxy(t, proxy.Config{
		Upstreams: map[string]proxy.Upstream{"api": {Targets: []string{up.URL}}, "based": {Targets: []string{up.URL + "/base"}}},
		Matchers:  []proxy.Matcher{{Source: "/:kind"}},
		Handle: func(r *proxy.Request) proxy.Response {
			switch kind, _ := r.Params.Get("kind"); kind {
			case "name":
				return proxy.Rewrite("http://api/n?x=1")
			case "upper":
				return proxy.Rewrite("HTTPS://API/n")
			case "origin":
				return proxy.Rewrite(up.URL + "/o")
			case "nopath":
				return proxy.Rewrite("http://based")
			case "user":
				return proxy.Rewrite("http://a:b@api/n")
			case "dots":
				return proxy.Rewrite("http://api/../n")
			case "opaque":
				return proxy.Rewrite("http:api")
			}
			return proxy.Rewrite("http://other/n")
		},
	})
	h := p.Wrap(echo)
	for target, want := range map[string]string{"/name": "/n?x=1", "/upper": "/n", "/origin": "/o", "/nopath": "/base/", "/user": "", "/dots": "", "/opaque": "", "/other": ""} {
		res := do(h, "GET", target)
		if want == "" {
			if res.StatusCode < 400 {
				t.Errorf("%s: got %d", target, res.StatusCode)
			}
			continue
		}
		if got := told(t, res).URI; got != want {
			t.Errorf("%s: got %q, want %q", target, got, want)
		}
	}
}

func TestNewReportsEveryMistake(t *testing.T) {
	_, err := proxy.New(proxy.Config{
		Matchers:           []proxy.Matcher{{Source: "no-slash"}, {Source: "/x", Has: []proxy.Condition{{Type: "header", Key: "x", Value: "("}}}},
		Redirects:          []proxy.RedirectRule{{Source: "/a/:x", Destination: "/b/:y"}, {Source: "/(", Destination: "/b"}, {Source: "/s", Destination: "/t", Status: 200}, {Source: "/c", Destination: "/c"}},
		Rewrites:           proxy.RewriteRules{Before: []proxy.RewriteRule{{Source: "/w", Destination: "http://nowhere/"}, {Source: "/u", Destination: "/v", Upgrade: true}}, After: []proxy.RewriteRule{{Source: "/x", Destination: "/y"}}},
		Headers:            []proxy.HeaderRule{{Source: "/h"}, {Source: "/h", Headers: []proxy.HeaderField{{Key: "Content-Length", Value: "1"}, {Key: "x-a", Value: "a\nb"}, {Key: "x-b", Value: ":c(*"}}}},
		BaseURL:            "https://secret:password@example.com/x",
		RedirectHosts:      []string{"", "a.*", "ok.example"},
		DropRequestHeaders: []string{"a b"},
		TrailingSlash:      9,
		AfterTimeout:       -1,
		MaxAfter:           -1,
		Upstreams: map[string]proxy.Upstream{
			"Bad Name": {Targets: []string{"ftp://x", "http://u:secret@x", "http://x?y", "http://", "http://ok", "http://OK/"}},
			"empty":    {},
			"numbers":  {Targets: []string{"http://x"}, DialTimeout: -1, HeaderTimeout: -1, IdleTimeout: -1, Timeout: -1, Cooldown: -1, MaxBody: -1, MaxConns: -1, MaxRetries: -1, MaxFails: 1 << 31, HideHeaders: []string{"a b"}, Host: "a b"},
			"host":     {Targets: []string{"http://x"}, Host: "x", PassHost: true},
		},
	})
	if err == nil {
		t.Fatal("accepted")
	}
	text := err.Error()
	for _, want := range []string{
		"Handle must be set", "Matchers[0].Source", "Matchers[1]", "Redirects[0].Destination", "Redirects[1].Source", "Redirects[2].Status",
		"Rewrites.Before[0].Destination", "Rewrites.Before[1].Upgrade", "Rewrites.After needs Routes", "Headers[0].Headers", "Headers[1].Headers[0].Key", "Headers[1].Headers[1].Key",
		"BaseURL", "RedirectHosts[0]", "RedirectHosts[1]", "DropRequestHeaders[0]", "TrailingSlash", "AfterTimeout", "MaxAfter",
		`Upstreams = "Bad Name"`, `Upstreams["Bad Name"].Targets[0]`, `Upstreams["Bad Name"].Targets[1]`, `Upstreams["Bad Name"].Targets[2]`, `Upstreams["Bad Name"].Targets[3]`, `Upstreams["Bad Name"].Targets[5]`,
		`Upstreams["empty"].Targets`, `Upstreams["numbers"].DialTimeout`, `.HeaderTimeout`, `.IdleTimeout`, `Upstreams["numbers"].Timeout`, `.Cooldown`, `.MaxBody`, `.MaxConns`, `.MaxRetries`, `.MaxFails`, `.HideHeaders[0]`, `Upstreams["numbers"].Host`,
		`Upstreams["host"].Host`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no word of %s", want)
		}
	}
	if strings.Contains(text, "secret") || strings.Contains(text, "password") {
		t.Errorf("a secret is in the error: %s", text)
	}
	if strings.Contains(text, "RedirectHosts[2]") {
		t.Error("a good host was refused")
	}
}

func TestNewRefusesMistakesThatHideOthers(t *testing.T) {
	for _, row := range []struct {
		name   string
		config proxy.Config
		want   string
	}{
		{"a base URL with a path", proxy.Config{BaseURL: "https://example.com/x"}, "BaseURL must have no path"},
		{"a condition that does not compile", proxy.Config{Redirects: []proxy.RedirectRule{{Source: "/a", Destination: "/b", Has: []proxy.Condition{{Type: "nothing"}}}}}, "Redirects[0]"},
		{"a destination that does not compile", proxy.Config{Rewrites: proxy.RewriteRules{Before: []proxy.RewriteRule{{Source: "/a", Destination: "/:x"}}}}, "Rewrites.Before[0].Destination"},
		{"a source of a header rule that does not compile", proxy.Config{Headers: []proxy.HeaderRule{{Source: "/(", Headers: []proxy.HeaderField{{Key: "a", Value: "b"}}}}}, "Headers[0].Source"},
		{"a source of a rewrite that does not compile", proxy.Config{Rewrites: proxy.RewriteRules{Before: []proxy.RewriteRule{{Source: "/(", Destination: "/:x"}}}}, "Rewrites.Before[0].Source"},
	} {
		if _, err := proxy.New(row.config); err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: %v", row.name, err)
		}
	}
}

func TestBasePathMustBePlain(t *testing.T) {
	for path, ok := range map[string]bool{"/docs": true, "/a/b.c~d": true, "": true, "docs": false, "/docs/": false, "/": false, "/a//b": false, "/a/../b": false, "/:x": false, "/a b": false, "/é": false, "/a?b": false} {
		_, err := proxy.New(proxy.Config{BasePath: path})
		if (err == nil) != ok {
			t.Errorf("%q: %v", path, err)
		}
	}
}

func TestParameterInARedirectsHostNeedsRedirectHosts(t *testing.T) {
	rules := []proxy.RedirectRule{{Source: "/h/:x", Destination: "https://:x.example/"}}
	if _, err := proxy.New(proxy.Config{Redirects: rules}); err == nil {
		t.Error("accepted without RedirectHosts")
	}
	if _, err := proxy.New(proxy.Config{Redirects: rules, RedirectHosts: []string{"*.example"}}); err != nil {
		t.Error(err)
	}
}

func TestNewRefusesRedirectsThatLeadInACircle(t *testing.T) {
	for _, row := range []struct {
		name  string
		rules []proxy.RedirectRule
		ok    bool
	}{
		{"to itself", []proxy.RedirectRule{{Source: "/a", Destination: "/a"}}, false},
		{"to itself by a wildcard", []proxy.RedirectRule{{Source: "/a/:p*", Destination: "/a/b"}}, false},
		{"by another", []proxy.RedirectRule{{Source: "/a", Destination: "/b"}, {Source: "/b", Destination: "/a"}}, false},
		{"a chain", []proxy.RedirectRule{{Source: "/a", Destination: "/b"}, {Source: "/b", Destination: "/c"}}, true},
		{"a condition can end it", []proxy.RedirectRule{{Source: "/a", Destination: "/a?x=1", Missing: []proxy.Condition{{Type: "query", Key: "x"}}}}, true},
		{"another host", []proxy.RedirectRule{{Source: "/a", Destination: "https://b.example/a"}}, true},
	} {
		_, err := proxy.New(proxy.Config{Redirects: row.rules})
		if (err == nil) != row.ok {
			t.Errorf("%s: %v", row.name, err)
		}
	}
}

func TestTLSConfigIsCloned(t *testing.T) {
	c := &tls.Config{MinVersion: tls.VersionTLS13}
	newProxy(t, proxy.Config{Upstreams: map[string]proxy.Upstream{"a": {Targets: []string{"https://a.example"}, TLS: c}}})
	if len(c.NextProtos) != 0 {
		t.Errorf("the caller's config was changed: %v", c.NextProtos)
	}
}

func TestDynamicHostIsOneOfTheUpstreams(t *testing.T) {
	one, two := serve(t, tell), serve(t, tell)
	p := newProxy(t, proxy.Config{
		Upstreams: map[string]proxy.Upstream{"one.tenants": {Targets: []string{one.URL}}, "two.tenants": {Targets: []string{two.URL}}},
		Rewrites:  proxy.RewriteRules{Before: []proxy.RewriteRule{{Source: "/t/:tenant/:path*", Destination: "http://:tenant.tenants/:path*"}}},
	})
	h := p.Wrap(echo)
	for target, want := range map[string]string{"/t/one/a": hostOf(t, one), "/t/two/a": hostOf(t, two)} {
		if got := told(t, do(h, "GET", target)).Host; got != want {
			t.Errorf("%s: got %q, want %q", target, got, want)
		}
	}
	for _, target := range []string{"/t/three/a", "/t/evil.example%23/a", "/t/127.0.0.1:1%3F/a", "/t/one.tenants@evil/a"} {
		if res := do(h, "GET", target); res.StatusCode != 400 {
			t.Errorf("%s: got %d, want 400", target, res.StatusCode)
		}
	}
}

func ExampleUpstream() {
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "the API's ", r.URL.Path)
	}))
	defer up.Close()
	p, err := proxy.New(proxy.Config{
		Upstreams: map[string]proxy.Upstream{"api": {
			Targets:    []string{up.URL}, // several share the work, and stand in for one another
			MaxRetries: 1,
			MaxBody:    1 << 20,
		}},
		Rewrites: proxy.RewriteRules{Before: []proxy.RewriteRule{{Source: "/api/:path*", Destination: "http://api/v1/:path*"}}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	w := httptest.NewRecorder()
	p.Wrap(http.NotFoundHandler()).ServeHTTP(w, httptest.NewRequest("GET", "/api/users", nil))
	fmt.Println(w.Code, w.Body)
	// Output: 200 the API's /v1/users
}

// A connection is waited for, and goes from one request to the next.
func TestMaxConns(t *testing.T) {
	var open, most atomic.Int32
	up := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	up.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			if n := open.Add(1); n > most.Load() {
				most.Store(n)
			}
		case http.StateClosed:
			open.Add(-1)
		default:
		}
	}
	up.Start()
	t.Cleanup(up.Close)
	s := front(t, proxy.Config{}, proxy.Upstream{Targets: []string{up.URL}, MaxConns: 2})
	var wait sync.WaitGroup
	for range 20 {
		wait.Go(func() {
			if res := send(t, "GET", s.URL+"/up/a", ""); res.StatusCode != 200 {
				t.Errorf("got %d", res.StatusCode)
			}
		})
	}
	if wait.Wait(); most.Load() > 2 || most.Load() < 1 {
		t.Errorf("%d connections at a time", most.Load())
	}
}

// Over HTTP/2 a client asks for an upgrade by CONNECT with a protocol (RFC 8441): that is a tunnel, and is not opened.
func TestExtendedConnectIsRefused(t *testing.T) {
	var reached atomic.Int32
	up := serve(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Add(1) }))
	p := newProxy(t, proxy.Config{
		Upstreams: map[string]proxy.Upstream{"up": {Targets: []string{up.URL}}},
		Rewrites:  proxy.RewriteRules{Before: []proxy.RewriteRule{{Source: "/:path*", Destination: "http://up/:path*", Upgrade: true}}},
	})
	r := httptest.NewRequest(http.MethodConnect, "/chat", nil)
	r.Proto, r.ProtoMajor, r.ProtoMinor = "HTTP/2.0", 2, 0
	r.Header[":protocol"] = []string{"websocket"} // as net/http hands it on
	w := httptest.NewRecorder()
	p.Wrap(echo).ServeHTTP(w, r)
	if w.Code != http.StatusNotImplemented || reached.Load() != 0 {
		t.Errorf("got %d, reached %d times", w.Code, reached.Load())
	}
}
