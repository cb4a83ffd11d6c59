package security_test

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/gatehouse-go/gatehouse/security"
)

// logged serves one request through an AccessLog and returns the record, nil where none was written.
func logged(t *testing.T, c security.AccessLogConfig, r *http.Request, h http.Handler) map[string]any {
	t.Helper()
	var out bytes.Buffer
	c.Logger = slog.New(slog.NewJSONHandler(&out, nil))
	l, err := security.NewAccessLog(c)
	if err != nil {
		t.Fatal(err)
	}
	l.Wrap(h).ServeHTTP(httptest.NewRecorder(), r)
	if out.Len() == 0 {
		return nil
	}
	var record map[string]any
	if err := json.Unmarshal(out.Bytes(), &record); err != nil {
		t.Fatal(err)
	}
	return record
}

func TestAccessLogFields(t *testing.T) {
	key, stored, _ := security.NewAPIKey("acme", "ann")
	keys, _ := security.NewAPIKeys(security.APIKeysConfig{Prefix: "acme", Keys: []security.APIKey{stored}})
	access := newAccess(t, security.AccessConfig{Schemes: []security.Scheme{keys}})
	mux := http.NewServeMux()
	mux.HandleFunc("POST /items/{id}", func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(201)
		_, _ = io.WriteString(w, "four")
	})
	r := httptest.NewRequest("POST", "https://shop.example/items/7?q=a&token=hunter2&b=registered-value-77", strings.NewReader("body"))
	r.TLS = &tls.ConnectionState{}
	r.Header.Set("Authorization", "Bearer "+key)
	r.Header.Set("User-Agent", "curl/8 registered-value-77")
	r.Header.Set("X-Request-Id", "r7")
	r.RemoteAddr = "[::ffff:198.51.100.7]:4711"
	ids, _ := security.NewRequestID(security.RequestIDConfig{})
	c := security.AccessLogConfig{Secrets: newSecrets(t, listed)}
	inner := access.Wrap(mux)
	for name, record := range map[string]map[string]any{
		"alone": func() map[string]any {
			record := logged(t, c, r, inner)
			record["request_id"] = "r7"
			return record
		}(),
		"behind a RequestID": func() map[string]any {
			var out bytes.Buffer
			c.Logger = slog.New(slog.NewJSONHandler(&out, nil))
			l, _ := security.NewAccessLog(c)
			newRecover(t, security.RecoverConfig{}).Wrap(ids.Wrap(l.Wrap(inner))).ServeHTTP(httptest.NewRecorder(), r)
			var record map[string]any
			_ = json.Unmarshal(out.Bytes(), &record)
			return record
		}(),
	} {
		if d, ok := record["http.server.request.duration"].(float64); !ok || d < 0 || d > 60 {
			t.Errorf("%s: duration %v", name, record["http.server.request.duration"])
		}
		for field, want := range map[string]any{
			"level": "INFO", "msg": "request",
			"http.request.method":       "POST",
			"url.scheme":                "https",
			"url.path":                  "/items/7",
			"url.query":                 "q=a&token=[redacted]&b=[redacted]",
			"server.address":            "shop.example",
			"http.route":                "/items/{id}",
			"client.address":            "198.51.100.7",
			"user_agent.original":       "curl/8 [redacted]",
			"network.protocol.version":  "1.1",
			"http.request.body.size":    4.0,
			"http.response.status_code": 201.0,
			"http.response.body.size":   4.0,
			"user.id":                   "ann",
			"request_id":                "r7",
		} {
			if record[field] != want {
				t.Errorf("%s: %s is %v, want %v", name, field, record[field], want)
			}
		}
		if len(record) != 18 {
			t.Errorf("%s: %d fields: %v", name, len(record), record)
		}
	}
}

func TestAccessLogVariants(t *testing.T) {
	ok := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	broken := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) })
	routed := func(pattern string) http.Handler {
		return http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { r.Pattern = pattern })
	}
	request := func(method, target string, change func(*http.Request)) *http.Request {
		r := httptest.NewRequest(method, target, nil)
		if change != nil {
			change(r)
		}
		return r
	}
	skip := func(r *http.Request) bool { return r.URL.Path == "/health" }
	for _, row := range []struct {
		name    string
		config  security.AccessLogConfig
		request *http.Request
		handler http.Handler
		want    map[string]any
	}{
		{"an empty answer is a 200", security.AccessLogConfig{}, request("GET", "/", nil), ok, map[string]any{"http.response.status_code": 200.0, "url.query": nil, "url.scheme": "http"}},
		{"a 5xx is an error", security.AccessLogConfig{}, request("GET", "/", nil), broken, map[string]any{"level": "ERROR", "error.type": "503"}},
		{"a method of the client's own", security.AccessLogConfig{}, request("GRAB", "/", nil), ok, map[string]any{"http.request.method": "_OTHER", "http.request.method_original": "GRAB"}},
		{"no method is GET", security.AccessLogConfig{}, request("GET", "/", func(r *http.Request) { r.Method = "" }), ok, map[string]any{"http.request.method": "GET"}},
		{"a port is no part of the host", security.AccessLogConfig{}, request("GET", "http://shop.example:8443/", nil), ok, map[string]any{"server.address": "shop.example", "server.port": 8443.0}},
		{"no port", security.AccessLogConfig{}, request("GET", "http://shop.example/", nil), ok, map[string]any{"server.address": "shop.example", "server.port": nil}},
		{"an IPv6 host", security.AccessLogConfig{}, request("GET", "http://[2001:db8::1]:81/", nil), ok, map[string]any{"server.address": "2001:db8::1", "server.port": 81.0}},
		{"a host that is none", security.AccessLogConfig{}, request("GET", "/", func(r *http.Request) { r.Host = "a b:c" }), ok, map[string]any{"server.address": "a b:c", "server.port": nil}},
		{"a pattern with a host", security.AccessLogConfig{}, request("GET", "/", nil), routed("GET shop.example/a/{$}"), map[string]any{"http.route": "/a/{$}"}},
		{"a pattern without a path", security.AccessLogConfig{}, request("GET", "/", nil), routed("odd"), map[string]any{"http.route": "odd"}},
		{"no query", security.AccessLogConfig{OmitQuery: true}, request("GET", "/?a=b", nil), ok, map[string]any{"url.query": nil}},
		{"HTTP/2", security.AccessLogConfig{}, request("GET", "/", func(r *http.Request) { r.Proto, r.ProtoMajor = "HTTP/2.0", 2 }), ok, map[string]any{"network.protocol.version": "2"}},
		{"HTTP/3", security.AccessLogConfig{}, request("GET", "/", func(r *http.Request) { r.Proto, r.ProtoMajor = "HTTP/3.0", 3 }), ok, map[string]any{"network.protocol.version": "3"}},
		{"a client without an address", security.AccessLogConfig{}, request("GET", "/", func(r *http.Request) { r.RemoteAddr = "@" }), ok, map[string]any{"client.address": nil}},
		{"a skipped request that fails", security.AccessLogConfig{Skip: skip}, request("GET", "/health", nil), broken, map[string]any{"level": "ERROR"}},
	} {
		record := logged(t, row.config, row.request, row.handler)
		for field, want := range row.want {
			if record[field] != want {
				t.Errorf("%s: %s is %v, want %v", row.name, field, record[field], want)
			}
		}
	}
	if record := logged(t, security.AccessLogConfig{Skip: skip}, request("GET", "/health", nil), ok); record != nil {
		t.Errorf("a skipped request: %v", record)
	}
}

// What was written for one request must not show in the record of the next.
func TestAccessLogOfManyRequests(t *testing.T) {
	var out bytes.Buffer
	l, _ := security.NewAccessLog(security.AccessLogConfig{Logger: slog.New(slog.NewJSONHandler(&out, nil)).With("app", "shop")})
	for _, status := range []int{200, 404, 503, 207} {
		for _, method := range []string{"GET", "POST", "BREW"} {
			for _, scheme := range []string{"http", "https"} {
				for _, version := range []string{"1.0", "1.1", "2", "3"} {
					for range 2 {
						out.Reset()
						r := httptest.NewRequest(method, "/", nil)
						if r.Proto, r.ProtoMajor = "HTTP/"+version, int(version[0]-'0'); scheme == "https" {
							r.TLS = &tls.ConnectionState{}
						}
						l.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })).ServeHTTP(httptest.NewRecorder(), r)
						var record map[string]any
						if err := json.Unmarshal(out.Bytes(), &record); err != nil {
							t.Fatal(err)
						}
						known := method
						if method == "BREW" {
							known = "_OTHER"
						}
						for field, want := range map[string]any{
							"app": "shop", "http.response.status_code": float64(status), "http.request.method": known, "url.scheme": scheme, "network.protocol.version": version,
						} {
							if record[field] != want || strings.Count(out.String(), `"`+field+`"`) != 1 {
								t.Errorf("%d %s %s %s: %s", status, method, scheme, version, out.String())
							}
						}
					}
				}
			}
		}
	}
}

func TestAccessLogSeesPanicsAndTakenConnections(t *testing.T) {
	var out bytes.Buffer
	l, _ := security.NewAccessLog(security.AccessLogConfig{Logger: slog.New(slog.NewJSONHandler(&out, nil))})
	h := newRecover(t, security.RecoverConfig{}).Wrap(l.Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("x") })))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	if w.Code != 500 || !strings.Contains(out.String(), `"http.response.status_code":500`) {
		t.Errorf("a panic: %d, %s", w.Code, out.String())
	}
	out.Reset()
	done := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer close(done)
		l.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n")
			_ = conn.Close()
		})).ServeHTTP(w, r)
	}))
	defer srv.Close()
	res, err := http.Get(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	<-done
	if !strings.Contains(out.String(), `"http.response.status_code":101`) {
		t.Errorf("a connection taken over: %s", out.String())
	}
}

func TestAccessLogUsesTheLoggersRedactor(t *testing.T) {
	var out bytes.Buffer
	secrets := newSecrets(t, listed)
	redactor, _ := security.NewRedactor(slog.NewTextHandler(&out, nil), security.RedactorConfig{Secrets: secrets, Keys: []string{"q"}})
	for _, c := range []security.AccessLogConfig{{}, {Secrets: secrets}, {Secrets: newSecrets(t, "another-value")}} {
		out.Reset()
		c.Logger = slog.New(redactor)
		l, err := security.NewAccessLog(c)
		if err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequest("GET", "/?q=visible&a="+listed+"&b=another-value", nil)
		l.Wrap(whoami).ServeHTTP(httptest.NewRecorder(), r)
		if strings.Contains(out.String(), listed) || c.Secrets != secrets && c.Secrets != nil && strings.Contains(out.String(), "another-value") {
			t.Errorf("leaked: %s", out.String())
		}
	}
}

func TestAccessLogIsQuietWhenDisabled(t *testing.T) {
	l, _ := security.NewAccessLog(security.AccessLogConfig{Logger: slog.New(slog.DiscardHandler)})
	w := httptest.NewRecorder()
	l.Wrap(whoami).ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	if w.Body.String() != " false" {
		t.Errorf("got %s", w.Body)
	}
	if l, err := security.NewAccessLog(security.AccessLogConfig{}); l == nil || err != nil {
		t.Error("the zero value is slog.Default()")
	}
}

func TestAccessLogNamesTheResolvedClient(t *testing.T) {
	ip, err := security.NewClientIP(security.ClientIPConfig{Header: "X-Forwarded-For", TrustedProxies: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}})
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	l, _ := security.NewAccessLog(security.AccessLogConfig{Logger: slog.New(slog.NewTextHandler(&out, nil))})
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("X-Forwarded-For", "198.51.100.9")
	ip.Wrap(l.Wrap(whoami)).ServeHTTP(httptest.NewRecorder(), r)
	if !strings.Contains(out.String(), "client.address=198.51.100.9") {
		t.Errorf("got %s", out.String())
	}
}

func ExampleNewAccessLog() {
	plain := slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		switch a.Key {
		case "http.request.method", "url.path", "url.query", "http.response.status_code":
			return a
		}
		return slog.Attr{}
	}})
	log, err := security.NewAccessLog(security.AccessLogConfig{Logger: slog.New(plain)})
	if err != nil {
		fmt.Println(err)
		return
	}
	handler := log.Wrap(http.NotFoundHandler())
	handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/login?user=ann&password=hunter2", nil))
	// Output: http.response.status_code=404 http.request.method=GET url.path=/login url.query="user=ann&password=[redacted]"
}
