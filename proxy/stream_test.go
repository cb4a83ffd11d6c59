package proxy_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/websocket"

	"github.com/gatehouse-go/gatehouse/proxy"
)

// chat answers each WebSocket message with itself, after telling what request it came by.
func chat(tb testing.TB) *httptest.Server {
	tb.Helper()
	return serve(tb, websocket.Server{Handler: func(ws *websocket.Conn) {
		r := ws.Request()
		fmt.Fprintf(ws, "%s %s", r.URL.RequestURI(), r.Header.Get("X-Forwarded-For"))
		_, _ = io.Copy(ws, ws)
	}})
}

func TestWebSocket(t *testing.T) {
	up := chat(t)
	p := newProxy(t, proxy.Config{
		Upstreams: map[string]proxy.Upstream{"chat": {Targets: []string{up.URL}}},
		Matchers:  []proxy.Matcher{{Source: "/ws/:path*"}, {Source: "/handled"}},
		Handle: func(r *proxy.Request) proxy.Response {
			if r.Header.Get("Authorization") == "" {
				return proxy.Respond(401, "", nil)
			}
			if r.URL.Path == "/handled" {
				return proxy.Rewrite("http://chat/h").AllowUpgrade().SetHeader("X-Handle", "1")
			}
			return proxy.Next().SetCookie(&http.Cookie{Name: "a", Value: "b"})
		},
		Rewrites: proxy.RewriteRules{Before: []proxy.RewriteRule{
			{Source: "/ws/:path*", Destination: "http://chat/:path*", Upgrade: true},
			{Source: "/plain/:path*", Destination: "http://chat/:path*"},
		}},
	})
	s := serve(t, p.Wrap(http.NotFoundHandler()))
	dial := func(path, authorization string) (*websocket.Conn, error) {
		config, err := websocket.NewConfig("ws"+strings.TrimPrefix(s.URL, "http")+path, s.URL)
		if err != nil {
			t.Fatal(err)
		}
		if authorization != "" {
			config.Header.Set("Authorization", authorization)
		}
		return websocket.DialConfig(config)
	}
	for path, want := range map[string]string{"/ws/room?x=1": "/room?x=1 127.0.0.1", "/handled": "/h 127.0.0.1"} {
		ws, err := dial(path, "yes")
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		var got string
		if err := websocket.Message.Receive(ws, &got); err != nil || got != want {
			t.Errorf("%s: greeting %q, %v", path, got, err)
		}
		for _, message := range []string{"one", "zwei €", strings.Repeat("x", 100_000)} {
			if err := websocket.Message.Send(ws, message); err != nil {
				t.Fatal(err)
			}
			var back []byte
			for len(back) < len(message) {
				var part []byte
				if err := websocket.Message.Receive(ws, &part); err != nil {
					t.Fatal(err)
				}
				back = append(back, part...)
			}
			if string(back) != message {
				t.Errorf("%s: sent %d bytes, got %d other ones", path, len(message), len(back))
			}
		}
		ws.Close()
	}
	if _, err := dial("/ws/room", ""); err == nil {
		t.Error("an upgrade got past the guard")
	}
	if _, err := dial("/plain/room", ""); err == nil {
		t.Error("a route that does not allow upgrades upgraded")
	}
	handshake := "GET /handled HTTP/1.1\r\nHost: x\r\nAuthorization: yes\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: http://x\r\n\r\n"
	if res := raw(t, s, handshake); res.StatusCode != 101 || res.Header.Get("X-Handle") != "1" {
		t.Errorf("what Handle set does not go out with the 101: %d %v", res.StatusCode, res.Header)
	}
}

func TestUpgradeThatUpstreamDeclinesOrTwists(t *testing.T) {
	up := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/other" {
			w.Header().Set("Connection", "Upgrade")
			w.Header().Set("Upgrade", "h2c")
			w.WriteHeader(101)
			return
		}
		fmt.Fprint(w, "no: ", r.Header.Get("Upgrade"))
	}))
	p := newProxy(t, proxy.Config{
		Upstreams: map[string]proxy.Upstream{"up": {Targets: []string{up.URL}}},
		Rewrites:  proxy.RewriteRules{Before: []proxy.RewriteRule{{Source: "/:path*", Destination: "http://up/:path*", Upgrade: true}}},
	})
	s := serve(t, p.Wrap(http.NotFoundHandler()))
	if res := send(t, "GET", s.URL+"/a", "", "Connection: Upgrade", "Upgrade: websocket"); res.StatusCode != 200 || body(t, res) != "no: websocket" {
		t.Errorf("declined: got %d", res.StatusCode)
	}
	if res := raw(t, s, "GET /other HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"); res.StatusCode != 502 {
		t.Errorf("another protocol than asked for: got %d", res.StatusCode)
	}
}

// An upgrade to h2c is a tunnel through which a client asks the upstream for anything, past every rule.
func TestUpgradeIsForWebSocketsOnly(t *testing.T) {
	up := serve(t, tell)
	p := newProxy(t, proxy.Config{
		Upstreams: map[string]proxy.Upstream{"up": {Targets: []string{up.URL}}},
		Rewrites:  proxy.RewriteRules{Before: []proxy.RewriteRule{{Source: "/:path*", Destination: "http://up/:path*", Upgrade: true}}},
	})
	s := serve(t, p.Wrap(http.NotFoundHandler()))
	for _, row := range []struct {
		name   string
		fields []string
		want   string
	}{
		{"a WebSocket", []string{"Connection: Upgrade", "Upgrade: WebSocket"}, "WebSocket"},
		{"h2c", []string{"Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__"}, ""},
		{"either", []string{"Connection: Upgrade", "Upgrade: websocket, h2c"}, ""},
		{"both", []string{"Connection: Upgrade", "Upgrade: websocket", "Upgrade: h2c"}, ""},
		{"another", []string{"Connection: Upgrade", "Upgrade: TLS/1.2"}, ""},
	} {
		a := told(t, send(t, "GET", s.URL+"/a", "", row.fields...))
		if got := a.Header.Get("Upgrade"); got != row.want || a.Header.Get("Http2-Settings") != "" {
			t.Errorf("%s: the upstream got %v", row.name, a.Header)
		}
	}
}

func TestEventStreamIsFlushed(t *testing.T) {
	more := make(chan struct{})
	up := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for i := range 3 {
			fmt.Fprintf(w, "data: %d\n\n", i)
			w.(http.Flusher).Flush()
			<-more // the next event only once this one arrived
		}
	}))
	s := front(t, proxy.Config{Headers: []proxy.HeaderRule{{Source: "/:p*", Headers: []proxy.HeaderField{{Key: "x-a", Value: "1"}}}}}, proxy.Upstream{Targets: []string{up.URL}})
	res := send(t, "GET", s.URL+"/up/events", "")
	lines := bufio.NewScanner(res.Body)
	for i := range 3 {
		if !lines.Scan() || lines.Text() != fmt.Sprintf("data: %d", i) || !lines.Scan() {
			t.Fatalf("event %d: %q, %v", i, lines.Text(), lines.Err())
		}
		more <- struct{}{}
	}
}

func TestStreamThatStalls(t *testing.T) {
	up := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}))
	s := front(t, proxy.Config{}, proxy.Upstream{Targets: []string{up.URL}, IdleTimeout: 20 * time.Millisecond})
	res := send(t, "GET", s.URL+"/up/a", "")
	if _, err := io.ReadAll(res.Body); err == nil {
		t.Error("a stalled answer ended as if it were whole")
	}
	upgraded := serve(t, websocket.Server{Handler: func(ws *websocket.Conn) { _, _ = io.Copy(ws, ws) }})
	p := newProxy(t, proxy.Config{
		Upstreams: map[string]proxy.Upstream{"up": {Targets: []string{upgraded.URL}, IdleTimeout: 20 * time.Millisecond}},
		Rewrites:  proxy.RewriteRules{Before: []proxy.RewriteRule{{Source: "/", Destination: "http://up/", Upgrade: true}}},
	})
	s = serve(t, p.Wrap(http.NotFoundHandler()))
	ws, err := websocket.Dial("ws"+strings.TrimPrefix(s.URL, "http"), "", s.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer ws.Close()
	var got string
	if err := websocket.Message.Receive(ws, &got); err == nil {
		t.Errorf("a silent connection gave %q", got)
	}
}

// A streamed call in the way of gRPC: HTTP/2 on both sides, messages in both directions in turn, and the outcome in a trailer.
func TestStreamedCallOverHTTP2(t *testing.T) {
	up := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor != 2 || r.Header.Get("Te") != "trailers" || r.Header.Get("Via") != "2.0 gatehouse" {
			http.Error(w, fmt.Sprint(r.Proto, r.Header), 400)
			return
		}
		w.Header().Set("Content-Type", "application/grpc")
		w.Header().Set("Trailer", "Grpc-Status")
		w.(http.Flusher).Flush() // the client waits for the header before it sends
		in := bufio.NewScanner(r.Body)
		for in.Scan() {
			fmt.Fprintf(w, "got %s\n", in.Text())
			w.(http.Flusher).Flush()
		}
		w.Header().Set("Grpc-Status", "0")
	}))
	up.Config.Protocols = new(http.Protocols)
	up.Config.Protocols.SetUnencryptedHTTP2(true)
	up.Start()
	t.Cleanup(up.Close)

	p := newProxy(t, proxy.Config{
		Upstreams: map[string]proxy.Upstream{"grpc": {Targets: []string{up.URL}, H2C: true}},
		Rewrites:  proxy.RewriteRules{Before: []proxy.RewriteRule{{Source: "/:path*", Destination: "http://grpc/:path*"}}},
	})
	s := httptest.NewUnstartedServer(p.Wrap(http.NotFoundHandler()))
	s.EnableHTTP2 = true
	s.StartTLS()
	t.Cleanup(s.Close)

	out, in := io.Pipe()
	r, err := http.NewRequest("POST", s.URL+"/chat.Chat/Talk", out)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("TE", "trailers")
	res, err := s.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.ProtoMajor != 2 || res.StatusCode != 200 {
		t.Fatalf("%s %d %s", res.Proto, res.StatusCode, body(t, res))
	}
	lines := bufio.NewScanner(res.Body)
	for i := range 3 {
		fmt.Fprintf(in, "%d\n", i)
		if !lines.Scan() || lines.Text() != fmt.Sprintf("got %d", i) {
			t.Fatalf("message %d: %q %v", i, lines.Text(), lines.Err())
		}
	}
	in.Close()
	if lines.Scan() || res.Trailer.Get("Grpc-Status") != "0" {
		t.Errorf("trailer: %v", res.Trailer)
	}
}

func TestHTTPSUpstream(t *testing.T) {
	up := httptest.NewUnstartedServer(tell)
	up.EnableHTTP2 = true
	up.StartTLS()
	t.Cleanup(up.Close)
	s := front(t, proxy.Config{}, proxy.Upstream{Targets: []string{up.URL}, TLS: &tls.Config{RootCAs: up.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs}})
	if a := told(t, send(t, "POST", s.URL+"/up/a", "hello")); a.Body != "hello" {
		t.Errorf("got %+v", a)
	}
}

func TestClientThatLeavesEndsTheForwardedRequest(t *testing.T) {
	left := make(chan struct{})
	up := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		<-r.Context().Done()
		close(left)
	}))
	s := front(t, proxy.Config{OnError: func(_ http.ResponseWriter, _ *http.Request, err error) {
		t.Errorf("a client that left is nobody's failure: %v", err)
	}}, proxy.Upstream{Targets: []string{up.URL}})
	c := &http.Client{Timeout: 50 * time.Millisecond}
	if res, err := c.Get(s.URL + "/up/a"); err == nil {
		res.Body.Close()
		t.Error("got an answer")
	}
	<-left
}

// A middleware that cancels the request must not turn it into an empty 200.
func TestCancelledRequestIsNoSuccess(t *testing.T) {
	up := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	p := newProxy(t, proxy.Config{
		Upstreams: map[string]proxy.Upstream{"up": {Targets: []string{up.URL}}},
		Rewrites:  proxy.RewriteRules{Before: []proxy.RewriteRule{{Source: "/", Destination: "http://up/"}}},
	})
	h := p.Wrap(http.NotFoundHandler())
	cancelled := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithCancel(r.Context())
		time.AfterFunc(20*time.Millisecond, cancel)
		h.ServeHTTP(w, r.WithContext(ctx))
	})
	if res, err := http.Get(serve(t, cancelled).URL + "/"); err == nil {
		t.Errorf("got %d", res.StatusCode)
		res.Body.Close()
	}
	w := httptest.NewRecorder() // outside of a server there is no connection to end
	cancelled.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	if w.Code < 500 {
		t.Errorf("got %d", w.Code)
	}
}
