package proxy_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/proxy"
)

// arrived is what an upstream tells of the request it got.
type arrived struct {
	Method, URI, Host, Body string
	Header                  http.Header
	Trailer                 http.Header
}

var tell = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	b, _ := io.ReadAll(r.Body)
	w.Header().Set("X-Up", "1")
	w.Header().Set("Server", "secret/1.0")
	writeJSON(w, arrived{r.Method, r.RequestURI, r.Host, string(b), r.Header, r.Trailer})
})

func serve(tb testing.TB, h http.Handler) *httptest.Server {
	tb.Helper()
	s := httptest.NewServer(h)
	tb.Cleanup(s.Close)
	return s
}

// front is a server in front of an upstream named "up"; every path below /up is forwarded to it.
func front(tb testing.TB, c proxy.Config, up proxy.Upstream) *httptest.Server {
	tb.Helper()
	c.Upstreams = map[string]proxy.Upstream{"up": up}
	c.Rewrites.Before = append(c.Rewrites.Before, proxy.RewriteRule{Source: "/up/:path*", Destination: "http://up/:path*"})
	return serve(tb, newProxy(tb, c).Wrap(http.NotFoundHandler()))
}

// client adds no fields of its own.
var client = &http.Transport{DisableCompression: true}

func send(tb testing.TB, method, url, body string, fields ...string) *http.Response {
	tb.Helper()
	var b io.Reader
	if body != "" {
		b = strings.NewReader(body)
	}
	r, err := http.NewRequest(method, url, b)
	if err != nil {
		tb.Fatal(err)
	}
	for _, f := range fields {
		name, value, _ := strings.Cut(f, ": ")
		if name == "Host" {
			r.Host = value
		}
		r.Header.Add(name, value)
	}
	res, err := client.RoundTrip(r)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { res.Body.Close() })
	return res
}

func told(tb testing.TB, res *http.Response) arrived {
	tb.Helper()
	var a arrived
	if err := json.Unmarshal([]byte(body(tb, res)), &a); err != nil {
		tb.Fatalf("status %d: %v", res.StatusCode, err)
	}
	return a
}

func hostOf(tb testing.TB, s *httptest.Server) string {
	tb.Helper()
	u, err := url.Parse(s.URL)
	if err != nil {
		tb.Fatal(err)
	}
	return u.Host
}

func TestForward(t *testing.T) {
	up := serve(t, tell)
	s := front(t, proxy.Config{}, proxy.Upstream{Targets: []string{up.URL}, HideHeaders: []string{"server"}})
	for _, row := range []struct{ name, method, path, body, uri string }{
		{"path and query", "GET", "/up/a/b?x=1&y=%20", "", "/a/b?x=1&y=%20"},
		{"the root", "GET", "/up", "", "/"},
		{"the client's encoding", "GET", "/up/%61%20(%28)+%C3%A9", "", "/%61%20(%28)+%C3%A9"},
		{"a body", "POST", "/up/p", "hello", "/p"},
		{"an unusual method", "PROPFIND", "/up/p", "", "/p"},
		{"a query that parsers read differently is cleaned (CVE-2022-2880)", "GET", "/up/p?a=1&b=%zz&c=2", "", "/p?a=1&c=2"},
	} {
		res := send(t, row.method, s.URL+row.path, row.body)
		a := told(t, res)
		if a.Method != row.method || a.URI != row.uri || a.Body != row.body || a.Host != hostOf(t, up) {
			t.Errorf("%s: got %+v", row.name, a)
		}
		if res.Header.Get("X-Up") != "1" || res.Header.Get("Server") != "" {
			t.Errorf("%s: answer has %v", row.name, res.Header)
		}
	}
}

func TestForwardingFields(t *testing.T) {
	up := serve(t, tell)
	s := front(t, proxy.Config{}, proxy.Upstream{Targets: []string{up.URL}})
	_, port, _ := net.SplitHostPort(hostOf(t, s))
	a := told(t, send(t, "GET", s.URL+"/up/h", "",
		"TE: trailers", "Upgrade: websocket", "Keep-Alive: x", "Proxy-Authorization: z", "Connection: keep-alive, X-Secret, Upgrade", "X-Secret: 1",
		"X-Forwarded-For: 1.2.3.4", "X-Forwarded-Host: evil.example", "X-Forwarded-Proto: https", "X-Forwarded-Prefix: /x", "X-Forwarded-Port: 1",
		"Forwarded: for=1.2.3.4", "X-Real-IP: 1.2.3.4", "X-Original-URL: /admin", "X-Rewrite-URL: /admin", "True-Client-IP: 1.2.3.4", "Proxy: evil.example",
		"X_Forwarded_For: 1.2.3.4", "x_real-ip: 1.2.3.4", "Forwarded-For: 1.2.3.4", "CF-Connecting-IP: 1.2.3.4", "X-Scheme: https", "HTTP2-Settings: AAMAAABk",
		"Cookie: a=b", "Authorization: Bearer q", "X-Kept: 1", "X_Kept: 1", "Via: 1.0 other"))
	for name, want := range map[string]string{
		"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Host": hostOf(t, s), "X-Forwarded-Proto": "http", "X-Forwarded-Port": port,
		"Forwarded": `for=127.0.0.1;host="` + hostOf(t, s) + `";proto=http`,
		"Te":        "trailers", "Upgrade": "", "Keep-Alive": "", "Proxy-Authorization": "", "X-Secret": "", "Connection": "",
		"X-Forwarded-Prefix": "", "X-Real-Ip": "", "X-Original-Url": "", "X-Rewrite-Url": "", "True-Client-Ip": "", "Proxy": "",
		"X_forwarded_for": "", "X_real-Ip": "", "Forwarded-For": "", "Cf-Connecting-Ip": "", "X-Scheme": "", "Http2-Settings": "",
		"Cookie": "a=b", "Authorization": "Bearer q", "X-Kept": "1", "X_kept": "1", "Accept-Encoding": "",
		"Via": "1.0 other, 1.1 gatehouse",
	} {
		if got := strings.Join(a.Header.Values(name), ", "); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}

// What Handle says of a user cannot be taken away or said by the client.
func TestFieldsOfHandleReachTheUpstream(t *testing.T) {
	up := serve(t, tell)
	p := newProxy(t, proxy.Config{
		Upstreams: map[string]proxy.Upstream{"up": {Targets: []string{up.URL}}},
		Handle: func(*proxy.Request) proxy.Response {
			return proxy.Next().SetRequestHeader("X-User", "ann").SetRequestHeader("X-Forwarded-User", "ann").DelRequestHeader("X-Admin")
		},
		Rewrites: proxy.RewriteRules{Before: []proxy.RewriteRule{{Source: "/:path*", Destination: "http://up/:path*"}}},
	})
	inner := newProxy(t, proxy.Config{
		Upstreams: map[string]proxy.Upstream{"up": {Targets: []string{up.URL}}},
		Rewrites:  proxy.RewriteRules{Before: []proxy.RewriteRule{{Source: "/:path*", Destination: "http://up/:path*"}}},
	})
	outer := newProxy(t, proxy.Config{Handle: func(*proxy.Request) proxy.Response { return proxy.Next().SetRequestHeader("X-User", "ann") }})
	for name, h := range map[string]http.Handler{"one proxy": p.Wrap(echo), "one in front of another": outer.Wrap(inner.Wrap(echo))} {
		a := told(t, send(t, "GET", serve(t, h).URL+"/", "", "Connection: keep-alive, x-user, X-Forwarded-User, X-Other", "Connection: X-USER", "X-User: root", "X-Forwarded-User: root", "X-Admin: 1", "X-Other: 1", "X_User: root", "X_Admin: 1"))
		if a.Header.Get("X-User") != "ann" || a.Header.Get("X-Other") != "" {
			t.Errorf("%s: %v", name, a.Header)
		}
		if name == "one proxy" && (a.Header["X_user"] != nil || a.Header["X_admin"] != nil) {
			t.Errorf("%s: an upstream behind CGI would take the client's word: %v", name, a.Header)
		}
		if name == "one proxy" && (a.Header.Get("X-Forwarded-User") != "ann" || a.Header.Get("X-Admin") != "") {
			t.Errorf("%s: %v", name, a.Header)
		}
	}
}

func TestHostChoice(t *testing.T) {
	up := serve(t, tell)
	for _, row := range []struct {
		name string
		up   proxy.Upstream
		want string
	}{
		{"the target's", proxy.Upstream{}, hostOf(t, up)},
		{"a fixed one", proxy.Upstream{Host: "app.example"}, "app.example"},
		{"the client's, when asked for", proxy.Upstream{PassHost: true}, "client.example"},
	} {
		row.up.Targets = []string{up.URL}
		s := front(t, proxy.Config{}, row.up)
		if a := told(t, send(t, "GET", s.URL+"/up/", "", "Host: client.example")); a.Host != row.want {
			t.Errorf("%s: got %q, want %q", row.name, a.Host, row.want)
		}
	}
}

// The ways in which a client could choose the server that is asked.
func TestClientCannotChooseTheServer(t *testing.T) {
	var reached atomic.Int32
	other := serve(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Add(1) }))
	up := serve(t, tell)
	c := proxy.Config{
		Upstreams: map[string]proxy.Upstream{"up": {Targets: []string{up.URL}}},
		Rewrites: proxy.RewriteRules{Before: []proxy.RewriteRule{
			{Source: "/up/:path*", Destination: up.URL + "/:path*", Upgrade: true},
			{Source: "/tenant/:name", Destination: "http://:name/"},
			{Source: "/header", Has: []proxy.Condition{{Type: "header", Key: "x-host", Value: "(?<h>.*)"}}, Destination: "http://:h/"},
		}},
	}
	s := serve(t, newProxy(t, c).Wrap(http.NotFoundHandler()))
	for _, row := range []struct{ name, request string }{
		{"an absolute-form target (CVE-2026-44578)", "GET " + other.URL + "/up/a HTTP/1.1\r\nHost: " + hostOf(t, other) + "\r\n\r\n"},
		{"an absolute-form target with an upgrade (CVE-2026-44578)", "GET " + other.URL + "/up/a HTTP/1.1\r\nHost: " + hostOf(t, other) + "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"},
		{"a Host field", "GET /up/a HTTP/1.1\r\nHost: " + hostOf(t, other) + "\r\n\r\n"},
		{"a Location header (CVE-2025-57822)", "GET /up/a HTTP/1.1\r\nHost: x\r\nLocation: " + other.URL + "\r\n\r\n"},
		{"a rewrite header", "GET /up/a HTTP/1.1\r\nHost: x\r\nX-Middleware-Rewrite: " + other.URL + "\r\n\r\n"},
		{"a parameter in the host (CVE-2026-64645)", "GET /tenant/" + hostOf(t, other) + " HTTP/1.1\r\nHost: x\r\n\r\n"},
		{"a condition in the host", "GET /header HTTP/1.1\r\nHost: x\r\nX-Host: " + hostOf(t, other) + "\r\n\r\n"},
		{"a user before the host", "GET /tenant/up@" + hostOf(t, other) + " HTTP/1.1\r\nHost: x\r\n\r\n"},
		{"a path that begins with two slashes", "GET //" + hostOf(t, other) + "/up/a HTTP/1.1\r\nHost: x\r\n\r\n"},
		{"CONNECT", "CONNECT " + hostOf(t, other) + " HTTP/1.1\r\nHost: x\r\n\r\n"},
	} {
		raw(t, s, row.request)
		if reached.Swap(0) != 0 {
			t.Errorf("%s reached another server", row.name)
		}
	}
	if a := told(t, send(t, "GET", s.URL+"/tenant/up", "")); a.URI != "/" {
		t.Errorf("a parameter may name an upstream: %+v", a)
	}
}

// raw sends bytes as they are and returns the answer.
func raw(tb testing.TB, s *httptest.Server, request string) *http.Response {
	tb.Helper()
	conn, err := net.Dial("tcp", hostOf(tb, s))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { conn.Close() })
	if _, err := io.WriteString(conn, request); err != nil {
		tb.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		tb.Fatal(err)
	}
	return res
}

func TestUpstreamFailures(t *testing.T) {
	silent := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	garbage := listen(t, func(c net.Conn) { fmt.Fprint(c, "SSH-2.0-OpenSSH\r\n") })
	closing := listen(t, func(c net.Conn) {})
	gone := httptest.NewServer(tell)
	gone.Close()
	for _, row := range []struct {
		name   string
		up     proxy.Upstream
		status int
	}{
		{"nobody listens", proxy.Upstream{Targets: []string{gone.URL}}, 502},
		{"it speaks another protocol", proxy.Upstream{Targets: []string{"http://" + garbage}}, 502},
		{"its status is none", proxy.Upstream{Targets: []string{"http://" + listen(t, func(c net.Conn) { fmt.Fprint(c, "HTTP/1.1 099 Odd\r\nContent-Length: 0\r\n\r\n") })}}, 502},
		{"it hangs up", proxy.Upstream{Targets: []string{"http://" + closing}}, 502},
		{"its certificate is not trusted", proxy.Upstream{Targets: []string{httptestTLS(t, tell).URL}}, 502},
		{"its name does not resolve", proxy.Upstream{Targets: []string{"http://upstream.invalid"}}, 502},
		{"its header does not come", proxy.Upstream{Targets: []string{silent.URL}, HeaderTimeout: 20 * time.Millisecond}, 504},
		{"the whole time is up", proxy.Upstream{Targets: []string{silent.URL}, Timeout: 20 * time.Millisecond}, 504},
	} {
		var log strings.Builder
		s := front(t, proxy.Config{
			Logger:  slog.New(slog.NewTextHandler(&syncWriter{w: &log}, nil)),
			Headers: []proxy.HeaderRule{{Source: "/:p*", Headers: []proxy.HeaderField{{Key: "X-Frame-Options", Value: "DENY"}}}},
		}, row.up)
		res := send(t, "GET", s.URL+"/up/a", "")
		b := body(t, res)
		if res.StatusCode != row.status || res.Header.Get("Content-Type") != "application/problem+json" || res.Header.Get("X-Frame-Options") != "DENY" {
			t.Errorf("%s: got %d %v", row.name, res.StatusCode, res.Header)
		}
		address := strings.TrimPrefix(strings.TrimPrefix(row.up.Targets[0], "https://"), "http://")
		host, _, _ := strings.Cut(address, ":")
		if strings.Contains(b, host) || strings.Contains(fmt.Sprint(res.Header), address) {
			t.Errorf("%s: the answer names the upstream: %s %v", row.name, b, res.Header)
		}
		if !strings.Contains(log.String(), `upstream`) {
			t.Errorf("%s: the log lacks the cause: %s", row.name, log.String())
		}
	}
}

type syncWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (s *syncWriter) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.w.Write(b)
}

func httptestTLS(tb testing.TB, h http.Handler) *httptest.Server {
	tb.Helper()
	s := httptest.NewUnstartedServer(h)
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo)
	s.StartTLS()
	tb.Cleanup(s.Close)
	return s
}

// listen serves each connection by f, after the request's header came, and closes it.
func listen(tb testing.TB, f func(net.Conn)) string {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_, _ = textproto.NewReader(bufio.NewReader(c)).ReadLine()
				f(c)
			}()
		}
	}()
	return l.Addr().String()
}

func TestRequestBodies(t *testing.T) {
	up := serve(t, tell)
	s := front(t, proxy.Config{}, proxy.Upstream{Targets: []string{up.URL}, MaxBody: 10})
	if res := send(t, "POST", s.URL+"/up/a", "0123456789"); res.StatusCode != 200 || told(t, res).Body != "0123456789" {
		t.Errorf("as much as allowed: got %d", res.StatusCode)
	}
	if res := send(t, "POST", s.URL+"/up/a", "0123456789a"); res.StatusCode != 413 {
		t.Errorf("a declared length beyond: got %d", res.StatusCode)
	}
	if res := raw(t, s, "POST /up/a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nb\r\n0123456789a\r\n0\r\n\r\n"); res.StatusCode != 413 {
		t.Errorf("chunks beyond: got %d", res.StatusCode)
	}
	if res := raw(t, s, "POST /up/a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"); res.StatusCode != 400 {
		t.Errorf("a malformed chunk: got %d", res.StatusCode)
	}
	if res := raw(t, s, "TRACE /up/a HTTP/1.1\r\nHost: x\r\nCookie: secret\r\n\r\n"); res.StatusCode != 501 || strings.Contains(body(t, res), "secret") {
		t.Errorf("TRACE: got %d", res.StatusCode)
	}
	for sent, status := range map[string]int{"0123456789": 200, "0123456789a": 413} { // a length of 0 from an adapter that does not know it
		r := httptest.NewRequest("POST", "/up/a", nil)
		r.Body, r.ContentLength = io.NopCloser(strings.NewReader(sent)), 0
		w := httptest.NewRecorder()
		s.Config.Handler.ServeHTTP(w, r)
		if w.Code != status || status == 200 && told(t, w.Result()).Body != sent {
			t.Errorf("%q of a length that nobody said: got %d %s", sent, w.Code, w.Body)
		}
	}
	outer := serve(t, http.MaxBytesHandler(s.Config.Handler, 4))
	if res := raw(t, outer, "POST /up/a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n012345678\r\n0\r\n\r\n"); res.StatusCode != 413 {
		t.Errorf("the cap of an outer handler: got %d", res.StatusCode)
	}
}

func TestViaLoop(t *testing.T) {
	var h http.Handler
	s := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.ServeHTTP(w, r) }))
	h = newProxy(t, proxy.Config{
		Upstreams: map[string]proxy.Upstream{"self": {Targets: []string{s.URL}}},
		Rewrites:  proxy.RewriteRules{Before: []proxy.RewriteRule{{Source: "/:path*", Destination: "http://self/:path*"}}},
	}).Wrap(echo)
	if res := send(t, "GET", s.URL+"/a", ""); res.StatusCode != 508 {
		t.Errorf("got %d, want 508", res.StatusCode)
	}
}

func TestAnswerFields(t *testing.T) {
	up := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Frame-Options", "ALLOWALL")
		w.Header().Set("Cache-Control", "public")
		w.Header().Set("Vary", "Accept")
		w.Header().Add("Set-Cookie", "up=1")
		w.Header().Set("Connection", "X-Hop")
		w.Header().Set("X-Hop", "1")
		w.Header().Set("Keep-Alive", "timeout=5")
		w.WriteHeader(204)
	}))
	p := newProxy(t, proxy.Config{
		Upstreams: map[string]proxy.Upstream{"up": {Targets: []string{up.URL}}},
		Headers:   []proxy.HeaderRule{{Source: "/:p*", Headers: []proxy.HeaderField{{Key: "X-Frame-Options", Value: "DENY"}}}},
		Handle: func(r *proxy.Request) proxy.Response {
			return proxy.Rewrite("http://up/x").SetCookie(&http.Cookie{Name: "handle", Value: "1"}).SetRequestHeader("x-only-request", "1")
		},
	})
	s := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Vary", "Origin")
		w.Header().Set("Set-Cookie", "outer=1")
		w.Header().Set("X-Outer", "1")
		p.Wrap(echo).ServeHTTP(w, r)
	}))
	res := send(t, "GET", s.URL+"/", "")
	for name, want := range map[string]string{
		"X-Frame-Options": "DENY", "Cache-Control": "public", "Vary": "Origin, Accept", "Set-Cookie": "outer=1, up=1, handle=1",
		"X-Outer": "1", "X-Hop": "", "Keep-Alive": "", "X-Only-Request": "",
	} {
		if got := strings.Join(res.Header.Values(name), ", "); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}

func TestInterimAnswersAndTrailers(t *testing.T) {
	up := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Link", "</a.css>; rel=preload")
		w.WriteHeader(103)
		w.Header().Del("Link")
		w.Header().Set("Trailer", "X-Sum")
		_, _ = io.WriteString(w, "body")
		w.Header().Set("X-Sum", "42")
		w.Header().Set(http.TrailerPrefix+"X-Late", "43")
	}))
	p := newProxy(t, proxy.Config{
		Upstreams: map[string]proxy.Upstream{"up": {Targets: []string{up.URL}}},
		Rewrites:  proxy.RewriteRules{Before: []proxy.RewriteRule{{Source: "/", Destination: "http://up/"}}},
	})
	s := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Outer", "1")
		p.Wrap(echo).ServeHTTP(w, r)
	}))
	var early []string
	ctx := httptrace.WithClientTrace(context.Background(), &httptrace.ClientTrace{Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
		early = append(early, strconv.Itoa(code)+" "+h.Get("Link")+" "+h.Get("X-Outer"))
		return nil
	}})
	r, _ := http.NewRequestWithContext(ctx, "GET", s.URL+"/", nil)
	res, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if got := strings.Join(early, "; "); got != "103 </a.css>; rel=preload " {
		t.Errorf("interim answers: %q", got)
	}
	bare := serve(t, p.Wrap(echo)) // nobody in front sets anything
	early = nil
	r, _ = http.NewRequestWithContext(ctx, "GET", bare.URL+"/", nil)
	if res, err := http.DefaultTransport.RoundTrip(r); err != nil {
		t.Error(err)
	} else {
		if b := body(t, res); len(early) != 1 || b != "body" || res.Header.Get("Link") != "" || res.Trailer.Get("X-Sum") != "42" {
			t.Errorf("without an outer handler: %q, %q %v %v", early, b, res.Header, res.Trailer)
		}
		res.Body.Close()
	}
	if res.Header.Get("X-Outer") != "1" || res.Header.Get("Link") != "" {
		t.Errorf("header: %v", res.Header)
	}
	if b := body(t, res); b != "body" || res.Trailer.Get("X-Sum") != "42" || res.Trailer.Get("X-Late") != "43" {
		t.Errorf("body %q, trailer %v", b, res.Trailer)
	}
}
