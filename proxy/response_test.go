package proxy_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gatehouse-go/gatehouse/proxy"
)

// answer runs one GET of target through a Proxy whose Handle returns r for it, and for it alone.
func answer(t *testing.T, r proxy.Response, target string, fields ...string) *http.Response {
	t.Helper()
	first := true
	p := newProxy(t, proxy.Config{
		RedirectHosts: []string{"login.example", "*.tenant.example"},
		Handle: func(*proxy.Request) proxy.Response {
			if !first {
				return proxy.Next()
			}
			first = false
			return r
		},
	})
	return do(p.Wrap(echo), "GET", target, fields...)
}

func TestJSON(t *testing.T) {
	res := answer(t, proxy.JSON(418, map[string]int{"a": 1}).SetHeader("x-j", "1"), "/")
	if got := body(t, res); res.StatusCode != 418 || got != `{"a":1}` || res.Header.Get("Content-Type") != "application/json" || res.Header.Get("X-J") != "1" {
		t.Errorf("got %d %v %s", res.StatusCode, res.Header, got)
	}
}

func TestRespondToHEADHasNoBody(t *testing.T) {
	p := newProxy(t, proxy.Config{Handle: func(*proxy.Request) proxy.Response { return proxy.Respond(200, "text/plain", []byte("x")) }})
	if got := body(t, do(p.Wrap(echo), "HEAD", "/")); got != "" {
		t.Errorf("got %q", got)
	}
}

func TestRedirect(t *testing.T) {
	for _, row := range []struct {
		name, location string
		status         int
		want           string // empty for a refusal
	}{
		{"a path", "/new/a%20b?c=d#e", 307, "/new/a%20b?c=d#e"},
		{"the root", "/", 303, "/"},
		{"a path beyond ASCII is escaped", "/é?é", 308, "/%C3%A9?%C3%A9"},
		{"an allowed host", "https://login.example/x", 302, "https://login.example/x"},
		{"a label below an allowed host", "https://a.tenant.example", 302, "https://a.tenant.example"},
		{"two labels below", "https://a.b.tenant.example/", 302, ""},
		{"the allowed host's parent", "https://tenant.example/", 302, ""},
		{"another host", "https://evil.example/", 302, ""},
		{"another port of an allowed host", "https://login.example:8443/", 302, ""},
		{"an allowed host as the user", "https://login.example@evil.example/", 302, ""},
		{"an allowed host with a user", "https://evil@login.example/", 302, ""},
		{"a host without a scheme", "//evil.example/", 302, ""},
		{"the same with a backslash", `/\evil.example/`, 302, ""},
		{"the same after a dot segment", `/./\evil.example`, 302, ""},
		{"a tab that browsers drop", "/\t/evil.example", 302, ""},
		{"a line break", "/x\r\nSet-Cookie: a=b", 302, ""},
		{"another scheme", "javascript:alert(1)", 302, ""},
		{"a scheme without a host", "https:evil.example", 302, ""},
		{"a relative path", "x", 302, ""},
		{"nothing", "", 302, ""},
		{"a status that is no redirect", "/x", 304, ""},
		{"a status that is an answer", "/x", 200, ""},
	} {
		res := answer(t, proxy.Redirect(row.location, row.status), "/from")
		status := row.status
		if row.want == "" {
			status = 500
		}
		if got := res.Header.Get("Location"); got != row.want || res.StatusCode != status {
			t.Errorf("%s: %q: got %d %q, want %d %q", row.name, row.location, res.StatusCode, got, status, row.want)
		}
	}
}

func TestNextKeepsRequestAndAnswerApart(t *testing.T) {
	res := answer(t, proxy.Next().
		SetRequestHeader("x-added", "1").DelRequestHeader("x-remove").
		SetHeader("x-resp", "r").AddHeader("Vary", "Accept").
		SetCookie(&http.Cookie{Name: "pc", Value: "v", Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode}),
		"/", "X-Remove: 1", "X-Keep: 2", "Cookie: s=1", "Authorization: Bearer q")
	s := sawBy(t, res)
	if s.Header.Get("X-Added") != "1" || s.Header.Get("X-Remove") != "" || s.Header.Get("X-Keep") != "2" {
		t.Errorf("request: %v", s.Header)
	}
	for _, name := range []string{"X-Resp", "Set-Cookie", "Vary"} {
		if s.Header.Get(name) != "" {
			t.Errorf("%s reached the request", name)
		}
	}
	for _, name := range []string{"X-Added", "X-Keep", "Authorization", "Cookie"} {
		if res.Header.Get(name) != "" {
			t.Errorf("%s reached the answer", name)
		}
	}
	if res.Header.Get("X-Resp") != "r" || res.Header.Get("Set-Cookie") != "pc=v; Path=/; HttpOnly; SameSite=Lax" || res.Header.Get("Vary") != "Accept" {
		t.Errorf("answer: %v", res.Header)
	}
}

func TestNextDoesNotChangeTheCallersRequest(t *testing.T) {
	p := newProxy(t, proxy.Config{Handle: func(*proxy.Request) proxy.Response {
		return proxy.Next().SetRequestHeader("x-a", "new").DelRequestHeader("x-b")
	}})
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("X-A", "old")
	r.Header.Set("X-B", "old")
	p.Wrap(echo).ServeHTTP(httptest.NewRecorder(), r)
	if r.Header.Get("X-A") != "old" || r.Header.Get("X-B") != "old" {
		t.Errorf("got %v", r.Header)
	}
}

func TestResponseIsAValue(t *testing.T) {
	base := proxy.JSON(401, "no").SetHeader("x-a", "1")
	one, two := base.SetHeader("x-b", "one"), base.SetHeader("x-b", "two")
	for _, row := range []struct {
		r    proxy.Response
		want string
	}{{base, ""}, {one, "one"}, {two, "two"}, {one, "one"}} {
		if got := answer(t, row.r, "/").Header.Get("X-B"); got != row.want {
			t.Errorf("got %q, want %q", got, row.want)
		}
	}
	c := &http.Cookie{Name: "a", Value: "1"}
	r := proxy.JSON(200, 1).SetCookie(c)
	c.Value = "2"
	if got := answer(t, r, "/").Header.Get("Set-Cookie"); got != "a=1" {
		t.Errorf("a cookie changed after it was set: %q", got)
	}
}

type userKey struct{}

func TestWithValueReachesTheHandler(t *testing.T) {
	p := newProxy(t, proxy.Config{Handle: func(*proxy.Request) proxy.Response { return proxy.Next().WithValue(userKey{}, "ann") }})
	got := any(nil)
	do(p.Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r.Context().Value(userKey{}) })), "GET", "/")
	if got != "ann" {
		t.Errorf("got %v", got)
	}
}

func TestRewrite(t *testing.T) {
	for _, row := range []struct{ name, target, path, query string }{
		{"a path", "/echo/a", "/echo/a", ""},
		{"the query is that of the target", "/echo/a?x=1", "/echo/a", "x=1"},
		{"an escaped path", "/echo/a%20b", "/echo/a b", ""},
		{"the path itself is Next", "/from?q=1", "/from", "q=1"},
	} {
		s := sawBy(t, answer(t, proxy.Rewrite(row.target), "/from?q=1"))
		if s.Path != row.path || s.Query != row.query || s.URI != "/from?q=1" {
			t.Errorf("%s: got %+v", row.name, s)
		}
	}
	for _, row := range []struct{ name, target string }{
		{"a dot segment", "/echo/../secure"},
		{"an encoded slash", "/echo/a%2Fb"},
		{"two slashes", "/echo//a"},
		{"two slashes at the front", "//cms/a"},
		{"an invalid escape", "/echo/%zz"},
		{"a relative path", "echo"},
		{"nothing", ""},
		{"a host that is no upstream", "http://169.254.169.254/latest"},
		{"another scheme", "file:///etc/passwd"},
		{"an asterisk", "*"},
	} {
		if res := answer(t, proxy.Rewrite(row.target), "/from"); res.StatusCode != 500 {
			t.Errorf("%s: %q: got %d, want 500", row.name, row.target, res.StatusCode)
		}
	}
}

func TestRewritesAreBounded(t *testing.T) {
	calls := 0
	p := newProxy(t, proxy.Config{Handle: func(r *proxy.Request) proxy.Response {
		if r.Rewrites() != calls {
			t.Errorf("call %d sees %d rewrites", calls, r.Rewrites())
		}
		calls++
		return proxy.Rewrite("/a" + r.URL.Path)
	}})
	if res := do(p.Wrap(echo), "GET", "/x"); res.StatusCode != http.StatusLoopDetected || calls > 32 {
		t.Errorf("got %d after %d calls", res.StatusCode, calls)
	}
}

func TestMisuseIsAnErrorAndNotSent(t *testing.T) {
	for _, row := range []struct {
		name string
		r    proxy.Response
	}{
		{"a header with a line break", proxy.Next().SetHeader("x-a", "a\r\nb")},
		{"a header name with a space", proxy.Next().AddHeader("x a", "b")},
		{"a framing header", proxy.JSON(200, 1).SetHeader("Content-Length", "0")},
		{"a hop-by-hop request header", proxy.Next().SetRequestHeader("connection", "x-secret")},
		{"a trailer", proxy.Next().SetHeader("Trailer:x", "a")},
		{"a cookie with a bad name", proxy.Next().SetCookie(&http.Cookie{Name: "a b", Value: "c"})},
		{"a value that JSON cannot say", proxy.JSON(200, func() {})},
		{"a status that is none", proxy.Respond(99, "", nil)},
		{"an interim status", proxy.Respond(103, "", nil)},
		{"a refusal without an error", proxy.Refuse(nil)},
		{"the first misuse counts", proxy.Next().SetHeader("x a", "").SetCookie(&http.Cookie{}).SetHeader("x b", "")},
	} {
		if res := answer(t, row.r, "/"); res.StatusCode != 500 || res.Header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: got %d %v", row.name, res.StatusCode, res.Header)
		}
	}
}

type paymentError struct{}

func (paymentError) Error() string   { return "card 4111 declined" }
func (paymentError) StatusCode() int { return 402 }

func TestRefuseAnswersWithTheErrorsStatus(t *testing.T) {
	res := answer(t, proxy.Refuse(paymentError{}).SetHeader("x-a", "1"), "/")
	if b := body(t, res); res.StatusCode != 402 || strings.Contains(b, "4111") {
		t.Errorf("got %d %s", res.StatusCode, b)
	}
	if res := answer(t, proxy.Refuse(errors.New("secret-in-error")), "/"); res.StatusCode != 500 || strings.Contains(body(t, res), "secret") {
		t.Errorf("got %d", res.StatusCode)
	}
}

// A refusal of credentials says which are asked for (RFC 9110, section 11.6.1).
func TestRefuseKeepsWhatIsSetForTheAnswer(t *testing.T) {
	p := newProxy(t, proxy.Config{Handle: func(*proxy.Request) proxy.Response {
		return proxy.Refuse(proxy.ErrBody).SetHeader("WWW-Authenticate", "Bearer").SetCookie(&http.Cookie{Name: "a", Value: "b"})
	}})
	res := do(p.Wrap(echo), "GET", "/")
	if res.StatusCode != 400 || res.Header.Get("WWW-Authenticate") != "Bearer" || res.Header.Get("Set-Cookie") != "a=b" || res.Header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("got %d %v", res.StatusCode, res.Header)
	}
}

func TestPanicInHandleLeaksNothing(t *testing.T) {
	var tokens strings.Builder
	for _, response := range []proxy.Response{proxy.Redirect("https://other.example/x?token=secret-in-query", 307), proxy.Rewrite("http://other.example/x?token=secret-in-query"), proxy.Rewrite("/../x?token=secret-in-query")} {
		p := newProxy(t, proxy.Config{Logger: slog.New(slog.NewTextHandler(&tokens, nil)), Handle: func(*proxy.Request) proxy.Response { return response }})
		do(p.Wrap(echo), "GET", "/x")
	}
	if strings.Contains(tokens.String(), "secret") || !strings.Contains(tokens.String(), "other.example") {
		t.Errorf("the log has what a target's query holds, or not the target: %s", tokens.String())
	}
	var log strings.Builder
	p := newProxy(t, proxy.Config{
		Logger:  slog.New(slog.NewTextHandler(&log, nil)),
		Handle:  func(*proxy.Request) proxy.Response { panic("boom secret-in-error") },
		Headers: []proxy.HeaderRule{{Source: "/:p*", Headers: []proxy.HeaderField{{Key: "X-Frame-Options", Value: "DENY"}}}},
	})
	res := do(p.Wrap(echo), "GET", "/x")
	if b := body(t, res); res.StatusCode != 500 || strings.Contains(b, "secret") || res.Header.Get("X-Frame-Options") != "DENY" {
		t.Errorf("got %d %v %s", res.StatusCode, res.Header, b)
	}
	if !strings.Contains(log.String(), "boom") {
		t.Errorf("the log lacks the cause: %s", log.String())
	}
}

func TestAbortHandlerPassesThrough(t *testing.T) {
	p := newProxy(t, proxy.Config{Handle: func(*proxy.Request) proxy.Response { panic(http.ErrAbortHandler) }})
	defer func() {
		if v := recover(); v != http.ErrAbortHandler { //nolint:errorlint // the very value, as net/http compares it
			t.Errorf("got %v", v)
		}
	}()
	do(p.Wrap(echo), "GET", "/x")
}

func TestParamsReachHandle(t *testing.T) {
	got := ""
	p := newProxy(t, proxy.Config{
		Matchers: []proxy.Matcher{{Source: "/no"}, {Source: "/u/:id", Has: []proxy.Condition{{Type: "header", Key: "x-a"}}}},
		Handle: func(r *proxy.Request) proxy.Response {
			id, _ := r.Params.Get("id")
			got += r.Source + " " + id
			return proxy.Next()
		},
	})
	h := p.Wrap(echo)
	do(h, "GET", "/u/a%20b", "X-A: 1")
	do(h, "GET", "/u/c")
	do(h, "GET", "/u/%2525%3F%C3%A9", "X-A: 1")
	if got != "/u/:id a b/u/:id %25?é" {
		t.Errorf("got %q", got)
	}
}

func TestPreflightIsToldApart(t *testing.T) {
	p := newProxy(t, proxy.Config{Handle: func(r *proxy.Request) proxy.Response {
		if r.Preflight() {
			return proxy.Next()
		}
		return guardSecure(r)
	}})
	h := p.Wrap(echo)
	for _, row := range []struct {
		name, method string
		fields       []string
		status       int
	}{
		{"a preflight passes an authentication rule", "OPTIONS", []string{"Origin: https://a.example", "Access-Control-Request-Method: PUT"}, 200},
		{"OPTIONS alone is none", "OPTIONS", nil, 401},
		{"nor is OPTIONS with an origin", "OPTIONS", []string{"Origin: https://a.example"}, 401},
		{"nor one without an origin", "OPTIONS", []string{"Access-Control-Request-Method: PUT"}, 401},
		{"another method with its fields is none", "PUT", []string{"Origin: https://a.example", "Access-Control-Request-Method: PUT"}, 401},
	} {
		if res := do(h, row.method, "/secure", row.fields...); res.StatusCode != row.status {
			t.Errorf("%s: got %d, want %d", row.name, res.StatusCode, row.status)
		}
	}
}

func ExampleNew() {
	p, err := proxy.New(proxy.Config{
		Matchers: []proxy.Matcher{{Source: "/api/:function*"}},
		Handle: func(r *proxy.Request) proxy.Response {
			if r.Header.Get("Authorization") != "Bearer secret" {
				return proxy.JSON(http.StatusUnauthorized, map[string]any{"success": false, "message": "authentication failed"})
			}
			return proxy.Next()
		},
		Redirects: []proxy.RedirectRule{{Source: "/old/:slug", Destination: "/new/:slug", Permanent: true}},
		Rewrites:  proxy.RewriteRules{Before: []proxy.RewriteRule{{Source: "/blog/:slug", Destination: "/posts/:slug"}}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer p.Close(context.Background())
	mux := http.NewServeMux()
	mux.HandleFunc("GET /posts/{slug}", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "post ", r.PathValue("slug")) })
	handler := p.Wrap(mux)
	for _, target := range []string{"/api/hello", "/old/a", "/blog/a"} {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest("GET", target, nil))
		fmt.Printf("%d %q %q\n", w.Code, w.Header().Get("Location"), w.Body.String())
	}
	// Output:
	// 401 "" "{\"message\":\"authentication failed\",\"success\":false}"
	// 308 "/new/a" ""
	// 200 "" "post a"
}
