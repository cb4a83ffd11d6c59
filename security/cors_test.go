package security_test

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/security"
)

func mustCORS(tb testing.TB, c security.CORSConfig) *security.CORS {
	tb.Helper()
	if c.Logger == nil {
		c.Logger = discard
	}
	cors, err := security.NewCORS(c)
	if err != nil {
		tb.Fatal(err)
	}
	return cors
}

// request makes one whose header fields are given as "Name: value" lines.
func request(method, target string, lines ...string) *http.Request {
	r := httptest.NewRequest(method, target, nil)
	for _, line := range lines {
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Add(name, value)
	}
	return r
}

// fields writes the CORS fields of an answer, and Vary, in order of names.
func fields(h http.Header) string {
	var out []string
	for name, values := range h {
		if strings.HasPrefix(name, "Access-Control-") || name == "Vary" {
			out = append(out, strings.TrimPrefix(name, "Access-Control-")+": "+strings.Join(values, " | "))
		}
	}
	slices.Sort(out)
	return strings.Join(out, "\n")
}

func TestCORSPreflights(t *testing.T) {
	exact := security.CORSConfig{
		Origins: []string{"https://app.example.com", "http://localhost:3000"}, Credentials: true,
		Methods: []string{"PUT", "DELETE"}, Headers: []string{"Content-Type", "X-Requested-With"}, MaxAge: time.Hour,
	}
	below := security.CORSConfig{Origins: []string{"https://*.example.org", "https://*.example.net:8443"}}
	public := security.CORSConfig{Origins: []string{"*"}, Methods: []string{"*"}, Headers: []string{"*", "Authorization"}}
	wild := security.CORSConfig{Origins: []string{"*"}, Methods: []string{"*"}, Headers: []string{"*"}}
	null := security.CORSConfig{InsecureNull: true}
	granted := "Allow-Credentials: true\nAllow-Headers: Content-Type, X-Requested-With\nAllow-Methods: PUT, DELETE\n" +
		"Allow-Origin: https://app.example.com\nMax-Age: 3600\nVary: Origin, Access-Control-Request-Method, Access-Control-Request-Headers"
	const vary = "Vary: Origin, Access-Control-Request-Method, Access-Control-Request-Headers"
	for _, row := range []struct {
		name   string
		c      security.CORSConfig
		origin string
		method string
		lines  []string
		why    error
		want   string
	}{
		{"an allowed origin and method", exact, "https://app.example.com", "PUT", nil, nil, granted},
		{"a method that needs no leave", exact, "https://app.example.com", "GET", nil, nil, granted},
		{"another origin", exact, "https://evil.example.com", "PUT", nil, security.ErrOrigin, vary},
		{"the same host by http", exact, "http://app.example.com", "PUT", nil, security.ErrOrigin, vary},
		{"the same host on another port", exact, "https://app.example.com:8443", "PUT", nil, security.ErrOrigin, vary},
		{"the same host with its default port, as no browser writes it", exact, "https://app.example.com:443", "PUT", nil, security.ErrOrigin, vary},
		{"the same host in upper case, as no browser writes it", exact, "https://APP.example.com", "PUT", nil, security.ErrOrigin, vary},
		{"a host that ends in an allowed one", exact, "https://evilapp.example.com", "PUT", nil, security.ErrOrigin, vary},
		{"a host that begins with an allowed one", exact, "https://app.example.com.evil.org", "PUT", nil, security.ErrOrigin, vary},
		{"null", exact, "null", "PUT", nil, security.ErrOrigin, vary},
		{"an empty Origin", exact, "", "PUT", nil, security.ErrOrigin, vary},
		{"a method that is not allowed", exact, "https://app.example.com", "PATCH", nil, security.ErrRequestMethod, vary},
		{"a method in lower case is another", exact, "https://app.example.com", "put", nil, security.ErrRequestMethod, vary},
		{"an allowed header", exact, "https://app.example.com", "PUT", []string{"content-type"}, nil, granted},
		{"both allowed headers", exact, "https://app.example.com", "PUT", []string{"content-type,x-requested-with"}, nil, granted},
		{"allowed headers with spaces and over two lines, as intermediaries make of them", exact, "https://app.example.com", "PUT", []string{"content-type ", " x-requested-with"}, nil, granted},
		{"allowed headers in other cases", exact, "https://app.example.com", "PUT", []string{"X-REQUESTED-WITH"}, nil, granted},
		{"a header that is not allowed", exact, "https://app.example.com", "PUT", []string{"authorization"}, security.ErrRequestHeader, vary},
		{"one allowed header and one not", exact, "https://app.example.com", "PUT", []string{"content-type,x-evil"}, security.ErrRequestHeader, vary},
		{"an empty list of headers", exact, "https://app.example.com", "PUT", []string{""}, security.ErrRequestHeader, vary},
		{"more headers than are allowed", exact, "https://app.example.com", "PUT", []string{"content-type,content-type,content-type"}, security.ErrRequestHeader, vary},
		{"a header among 16 KiB of spaces", exact, "https://app.example.com", "PUT", []string{strings.Repeat(" ", 16<<10) + "content-type"}, security.ErrRequestHeader, vary},
		{"16 KiB of commas", exact, "https://app.example.com", "PUT", []string{strings.Repeat(",", 16<<10)}, security.ErrRequestHeader, vary},

		{"a header among all headers", wild, "https://a.example", "PUT", []string{"x-anything"}, nil, "Allow-Headers: *\nAllow-Methods: *\nAllow-Origin: *\n" + vary},
		{"Authorization is not among all headers", wild, "https://a.example", "PUT", []string{"x-a, authorization"}, security.ErrRequestHeader, vary},
		{"a header whose name holds it is", wild, "https://a.example", "PUT", []string{"x-authorization"}, nil, "Allow-Headers: *\nAllow-Methods: *\nAllow-Origin: *\n" + vary},
		{"a host below", below, "https://a.example.org", "GET", nil, nil, "Allow-Origin: https://a.example.org\n" + vary},
		{"a host far below", below, "https://a.b.example.org", "GET", nil, nil, "Allow-Origin: https://a.b.example.org\n" + vary},
		{"a host below on the pattern's port", below, "https://a.example.net:8443", "GET", nil, nil, "Allow-Origin: https://a.example.net:8443\n" + vary},
		{"a host below on another port", below, "https://a.example.net", "GET", nil, security.ErrOrigin, vary},
		{"the host itself is not below", below, "https://example.org", "GET", nil, security.ErrOrigin, vary},
		{"an empty label", below, "https://.example.org", "GET", nil, security.ErrOrigin, vary},
		{"a suffix without a dot", below, "https://evilexample.org", "GET", nil, security.ErrOrigin, vary},
		{"a host that hides behind a port", below, "https://evil.org:443.example.org", "GET", nil, security.ErrOrigin, vary},
		{"a host that hides behind a path", below, "https://evil.org/.example.org", "GET", nil, security.ErrOrigin, vary},
		{"a host that hides behind a query", below, "https://evil.org?.example.org", "GET", nil, security.ErrOrigin, vary},
		{"a host that hides behind a fragment", below, "https://evil.org#.example.org", "GET", nil, security.ErrOrigin, vary},
		{"a host that hides behind a user", below, "https://evil.org@a.example.org", "GET", nil, security.ErrOrigin, vary},
		{"a host that hides behind a backslash", below, `https://evil.org\.example.org`, "GET", nil, security.ErrOrigin, vary},
		{"a host that hides behind a NUL", below, "https://evil.org\x00.example.org", "GET", nil, security.ErrOrigin, vary},
		{"a host that hides behind a space", below, "https://evil.org .example.org", "GET", nil, security.ErrOrigin, vary},
		{"a bracket that hides a host", below, "https://[evil.org].example.org", "GET", nil, security.ErrOrigin, vary},
		{"an origin with a path", below, "https://a.example.org/", "GET", nil, security.ErrOrigin, vary},
		{"an origin of http", below, "http://a.example.org", "GET", nil, security.ErrOrigin, vary},
		{"an endless origin", below, "https://" + strings.Repeat("a.", 4000) + "example.org", "GET", nil, security.ErrOrigin, vary},

		{"any origin", public, "https://anyone.example", "PURGE", []string{"x-anything"}, nil, "Allow-Headers: *, Authorization\nAllow-Methods: *\nAllow-Origin: *\n" + vary},
		{"any origin, and a method that is none", public, "https://anyone.example", "P U T", nil, security.ErrRequestMethod, vary},
		{"null where it is allowed", null, "null", "POST", nil, nil, "Allow-Origin: null\n" + vary},
		{"another origin where null is allowed", null, "https://app.example.com", "POST", nil, security.ErrOrigin, vary},
	} {
		reached := false
		cors := mustCORS(t, row.c)
		h := cors.Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true }))
		r := request("OPTIONS", "/")
		r.Header["Origin"] = []string{row.origin}
		r.Header["Access-Control-Request-Method"] = []string{row.method}
		if row.lines != nil {
			r.Header["Access-Control-Request-Headers"] = row.lines
		}
		w := serve(h, r)
		code := http.StatusNoContent
		if row.why != nil {
			code = http.StatusForbidden
		}
		if w.Code != code || reached {
			t.Errorf("%s: %d, handler reached: %v", row.name, w.Code, reached)
		}
		if got := fields(w.Header()); got != row.want {
			t.Errorf("%s: got\n%s\nwant\n%s", row.name, got, row.want)
		}
		if err := cors.Check(r); !errors.Is(err, row.why) || (err == nil) != (row.why == nil) {
			t.Errorf("%s: Check says %v", row.name, err)
		}
	}
}

func TestCORSRefusesTwoOfAField(t *testing.T) {
	cors := mustCORS(t, security.CORSConfig{Origins: []string{"https://a.example", "https://b.example"}})
	h := cors.Wrap(http.HandlerFunc(noContent))
	w := serve(h, request("OPTIONS", "/", "Origin: https://a.example", "Origin: https://b.example", "Access-Control-Request-Method: GET"))
	if w.Code != 403 || !errors.Is(cors.Check(request("GET", "/", "Origin: https://a.example", "Origin: https://b.example")), security.ErrOrigin) {
		t.Errorf("two origins: %d", w.Code)
	}
	w = serve(h, request("OPTIONS", "/", "Origin: https://a.example", "Access-Control-Request-Method: GET", "Access-Control-Request-Method: PUT"))
	if w.Code != 403 {
		t.Errorf("two methods: %d", w.Code)
	}
}

func TestCORSAnswers(t *testing.T) {
	exact := security.CORSConfig{Origins: []string{"https://app.example.com"}, Credentials: true, Expose: []string{"X-Total", "RateLimit"}}
	public := security.CORSConfig{Origins: []string{"*"}, Expose: []string{"*"}}
	for _, row := range []struct {
		name  string
		c     security.CORSConfig
		r     *http.Request
		want  string
		cause error
	}{
		{"an allowed origin may read", exact, request("GET", "/", "Origin: https://app.example.com"), "Allow-Credentials: true\nAllow-Origin: https://app.example.com\nExpose-Headers: X-Total, RateLimit\nVary: Accept | Origin", nil},
		{"another origin reaches the handler and may not read", exact, request("POST", "/", "Origin: https://evil.example"), "Vary: Accept | Origin", security.ErrOrigin},
		{"without an Origin the answer varies all the same", exact, request("GET", "/"), "Vary: Accept | Origin", nil},
		{"two origins may not read", exact, request("GET", "/", "Origin: https://app.example.com", "Origin: https://app.example.com"), "Vary: Accept | Origin", security.ErrOrigin},
		{"OPTIONS without a requested method is no preflight", exact, request("OPTIONS", "/", "Origin: https://app.example.com"), "Allow-Credentials: true\nAllow-Origin: https://app.example.com\nExpose-Headers: X-Total, RateLimit\nVary: Accept | Origin", nil},
		{"OPTIONS without an origin is no preflight", exact, request("OPTIONS", "/", "Access-Control-Request-Method: PUT"), "Vary: Accept | Origin", nil},
		{"what all may read does not vary", public, request("GET", "/", "Origin: https://anyone.example"), "Allow-Origin: *\nExpose-Headers: *\nVary: Accept", nil},
		{"what all may read says so to all", public, request("GET", "/"), "Allow-Origin: *\nVary: Accept", nil},
		{"what all may read is closed to two origins at once", public, request("GET", "/", "Origin: https://a.example", "Origin: https://b.example"), "Allow-Origin: *\nVary: Accept", nil},
	} {
		cors := mustCORS(t, row.c)
		h := cors.Wrap(http.HandlerFunc(noContent))
		w := httptest.NewRecorder()
		w.Header().Set("Vary", "Accept") // set further out in the chain
		h.ServeHTTP(w, row.r)
		if strings.Contains(row.name, "closed") {
			row.want, row.cause = "Vary: Accept", security.ErrOrigin
		}
		if got := fields(w.Header()); w.Code != 204 || got != row.want {
			t.Errorf("%s: %d\n%s\nwant\n%s", row.name, w.Code, got, row.want)
		}
		if err := cors.Check(row.r); !errors.Is(err, row.cause) || (err == nil) != (row.cause == nil) {
			t.Errorf("%s: Check says %v", row.name, err)
		}
	}
}

func TestNewCORSReportsEveryMistake(t *testing.T) {
	for _, row := range []struct {
		name string
		c    security.CORSConfig
		want []string
	}{
		{"nothing at all", security.CORSConfig{}, []string{"CORSConfig.Origins must name"}},
		{"every site with credentials", security.CORSConfig{Origins: []string{"*"}, Credentials: true}, []string{"must not be allowed with Credentials"}},
		{"every site and one", security.CORSConfig{Origins: []string{"*", "https://a.example"}}, []string{"must stand alone"}},
		{
			"wild lists with credentials",
			security.CORSConfig{Origins: []string{"https://a.example"}, Credentials: true, Methods: []string{"*"}, Headers: []string{"*"}, Expose: []string{"*"}},
			[]string{`Methods[0] = "*"`, `Headers[0] = "*"`, `Expose[0] = "*"`},
		},
		{
			"origins that no browser writes",
			security.CORSConfig{Origins: []string{"a.example", "https://a.example/", "https://A.example", "https://a.example:443", "https://u@a.example", "https://", "https://[::1", "https://[::G]", "https://[::1]x", "https://a.example:0", "https://a.example:65536", "null", ""}},
			[]string{"Origins[0]", "Origins[1]", "Origins[2]", "Origins[3]", "Origins[4]", "Origins[5]", "Origins[6]", "Origins[7]", "Origins[8]", "Origins[9]", "Origins[10]", "Origins[11]", "Origins[12]"},
		},
		{
			"patterns that match too much",
			security.CORSConfig{Origins: []string{"https://*.com", "https://*.co.uk", "https://*.github.io", "https://*.192.0.2.1", "https://*.[::1]", "https://*", "https://*a.example", "https://a.*.example"}},
			[]string{"[0] = \"https://*.com\" must not have a wildcard before a public suffix", "[1]", "[2]", "[3] = \"https://*.192.0.2.1\" must not have a wildcard before an IP", "[4]", "[5]", "[6]", "[7]"},
		},
		{"http that is not on this machine", security.CORSConfig{Origins: []string{"http://a.example", "http://*.b.example"}}, []string{"[0] = \"http://a.example\" must be https", "[1]"}},
		{
			"names that are none, and names that browsers keep to themselves",
			security.CORSConfig{Origins: []string{"https://a.example"}, Methods: []string{"TRACE", "P T"}, Headers: []string{"Cookie", "Sec-Fetch-Site", "Proxy-X", "a b"}, Expose: []string{"Set-Cookie", ""}, MaxAge: 25 * time.Hour},
			[]string{"Methods[0]", "Methods[1]", "Headers[0]", "Headers[1]", "Headers[2]", "Headers[3]", "Expose[0]", "Expose[1]", "MaxAge = 25h0m0s"},
		},
		{"an age that no field can say", security.CORSConfig{Origins: []string{"https://a.example"}, MaxAge: time.Millisecond}, []string{"MaxAge = 1ms"}},
	} {
		_, err := security.NewCORS(row.c)
		for _, want := range row.want {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v does not say %s", row.name, err, want)
			}
		}
	}
	for _, ok := range [][]string{{"http://localhost:3000"}, {"http://127.0.0.1"}, {"http://[::1]:8080"}, {"http://app.localhost"}, {"https://[2001:db8::1]:8443"}, {"chrome-extension://abcdefgh"}, {"app://host:8080"}} {
		if _, err := security.NewCORS(security.CORSConfig{Origins: ok}); err != nil {
			t.Errorf("%v", err)
		}
	}
	if _, err := security.NewCORS(security.CORSConfig{Origins: []string{"http://intranet.example"}, InsecureHTTP: true}); err != nil {
		t.Error(err)
	}
}

func TestCORSTellsOperatorsWhy(t *testing.T) {
	var log strings.Builder
	c := security.CORSConfig{Origins: []string{"https://a.example"}, Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))}
	h := mustCORS(t, c).Wrap(http.HandlerFunc(noContent))
	serve(h, request("GET", "/", "Origin: https://b.example"))
	serve(h, request("OPTIONS", "/", "Origin: https://a.example", "Access-Control-Request-Method: PUT"))
	for _, want := range []string{`origin is not allowed: \"https://b.example\"`, `method is not allowed to other origins: \"PUT\"`} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log lacks %s:\n%s", want, log.String())
		}
	}
}

func TestCORSSharesNoSlice(t *testing.T) {
	c := security.CORSConfig{Origins: []string{"https://a.example"}, Credentials: true, Methods: []string{"PUT"}, Headers: []string{"X-A"}, Expose: []string{"X-B"}, MaxAge: time.Minute}
	cors := mustCORS(t, c)
	c.Origins[0], c.Methods[0], c.Headers[0] = "https://evil.example", "EVIL", "X-Evil"
	h := cors.Wrap(http.HandlerFunc(noContent))
	preflight := request("OPTIONS", "/", "Origin: https://a.example", "Access-Control-Request-Method: PUT", "Access-Control-Request-Headers: x-a")
	actual := request("GET", "/", "Origin: https://a.example")
	for _, r := range []*http.Request{preflight, actual} {
		first := serve(h, r).Header()
		before := fields(first)
		for _, values := range first {
			_ = append(values, "appended")
			values[0] = "changed"
		}
		if after := fields(serve(h, r).Header()); after != before {
			t.Errorf("a change to one answer's header reached the next:\n%s", after)
		}
	}
}

func TestCORSAllocates(t *testing.T) {
	cors := mustCORS(t, security.CORSConfig{Origins: []string{"https://a.example"}, Credentials: true, Methods: []string{"PUT"}, Headers: []string{"X-A"}})
	h := cors.Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	w := &nullWriter{h: http.Header{}}
	for _, row := range []struct {
		name string
		r    *http.Request
		most float64
	}{
		{"an actual request", request("GET", "/", "Origin: https://a.example"), 1},
		{"a preflight", request("OPTIONS", "/", "Origin: https://a.example", "Access-Control-Request-Method: PUT", "Access-Control-Request-Headers: x-a"), 2},
	} {
		if got := testing.AllocsPerRun(100, func() { clear(w.h); h.ServeHTTP(w, row.r) }); got > row.most {
			t.Errorf("%s: %v allocations", row.name, got)
		}
	}
}

// nullWriter is a ResponseWriter that allocates nothing.
type nullWriter struct {
	h      http.Header
	status int
}

func (w *nullWriter) Header() http.Header         { return w.h }
func (w *nullWriter) Write(b []byte) (int, error) { return len(b), nil }
func (w *nullWriter) WriteHeader(status int)      { w.status = status }

func ExampleNewCORS() {
	cors, err := security.NewCORS(security.CORSConfig{
		Origins:     []string{"https://app.example.com"},
		Credentials: true,
		Methods:     []string{"PUT"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	handler := cors.Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))

	preflight := httptest.NewRequest("OPTIONS", "/items/1", nil)
	preflight.Header.Set("Origin", "https://app.example.com")
	preflight.Header.Set("Access-Control-Request-Method", "PUT")
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, preflight)
	fmt.Println(w.Code, w.Header().Get("Access-Control-Allow-Origin"), w.Header().Get("Access-Control-Allow-Methods"))
	// Output: 204 https://app.example.com PUT
}

func ExampleNewCORS_incorrect() {
	_, err := security.NewCORS(security.CORSConfig{Origins: []string{"*"}, Credentials: true})
	fmt.Println(err)
	// Output: security: CORSConfig.Origins[0] = "*" must not be allowed with Credentials: every site could act as its visitors
}

func FuzzCORSOrigin(f *testing.F) {
	for _, s := range []string{"https://a.example.org", "https://evil.org:443.example.org", "https://[::1]", "null", "https://x@a.example.org", "https://a.example.org:8443"} {
		f.Add(s)
	}
	cors := mustCORS(f, security.CORSConfig{Origins: []string{"https://*.example.org"}})
	f.Fuzz(func(t *testing.T, origin string) {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header["Origin"] = []string{origin}
		if cors.Check(r) != nil {
			return
		}
		host, ok := strings.CutPrefix(origin, "https://")
		label := strings.TrimSuffix(host, ".example.org")
		if !ok || label == host || label == "" || strings.ContainsAny(label, "/\\?#@:[] \x00") {
			t.Errorf("%q is allowed", origin)
		}
	})
}
