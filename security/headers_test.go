package security_test

import (
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/oneuse"
	"github.com/gatehouse-go/gatehouse/security"
)

func mustHeaders(tb testing.TB, c security.HeadersConfig) *security.Headers {
	tb.Helper()
	h, err := security.NewHeaders(c)
	if err != nil {
		tb.Fatal(err)
	}
	return h
}

func overTLS(method, target string) *http.Request {
	r := httptest.NewRequest(method, target, nil)
	r.TLS = &tls.ConnectionState{}
	return r
}

func TestZeroHeadersAreStrict(t *testing.T) {
	w := serve(mustHeaders(t, security.HeadersConfig{}).Wrap(http.HandlerFunc(noContent)), overTLS("GET", "https://example.com/"))
	for name, want := range map[string]string{
		"Content-Security-Policy":      "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
		"Strict-Transport-Security":    "max-age=31536000",
		"X-Content-Type-Options":       "nosniff",
		"X-Frame-Options":              "DENY",
		"Referrer-Policy":              "no-referrer",
		"Cross-Origin-Opener-Policy":   "same-origin",
		"Cross-Origin-Resource-Policy": "same-origin",
		"Permissions-Policy": "accelerometer=(), browsing-topics=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), hid=(), idle-detection=(), " +
			"local-fonts=(), magnetometer=(), microphone=(), midi=(), payment=(), serial=(), usb=(), xr-spatial-tracking=()",
	} {
		if got := w.Result().Header.Get(name); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

func TestHSTSGoesOverTLSOnly(t *testing.T) {
	for _, row := range []struct {
		name string
		c    security.HeadersConfig
		r    *http.Request
		want string
	}{
		{"over TLS", security.HeadersConfig{}, overTLS("GET", "https://example.com/"), "max-age=31536000"},
		{"not over a plain connection", security.HeadersConfig{}, request("GET", "/"), ""},
		{"not because a client says it came over TLS", security.HeadersConfig{}, request("GET", "/", "X-Forwarded-Proto: https", "Forwarded: proto=https"), ""},
		{"behind a front that speaks TLS", security.HeadersConfig{BehindTLS: true}, request("GET", "/"), "max-age=31536000"},
		{"for as long as it is told, below it, and for the list of browsers", security.HeadersConfig{HSTS: security.HSTS{MaxAge: 2 * 365 * 24 * time.Hour, IncludeSubDomains: true, Preload: true}}, overTLS("GET", "https://example.com/"), "max-age=63072000; includeSubDomains; preload"},
		{"not where it is turned off", security.HeadersConfig{HSTS: security.HSTS{InsecureOff: true}}, overTLS("GET", "https://example.com/"), ""},
	} {
		w := serve(mustHeaders(t, row.c).Wrap(http.HandlerFunc(noContent)), row.r)
		if got := w.Header().Get("Strict-Transport-Security"); got != row.want {
			t.Errorf("%s: %q, want %q", row.name, got, row.want)
		}
	}
}

func TestHeadersOfAllKinds(t *testing.T) {
	self := []security.Source{security.SourceSelf}
	c := security.HeadersConfig{
		CSP: &security.CSP{
			DefaultSrc:     self,
			ScriptSrc:      []security.Source{security.SourceSelf, security.SourceHash("alert(1)"), "https://cdn.example.com/lib/", security.SourceReportSample},
			ImgSrc:         []security.Source{security.SourceData, "*.img.example.com:8443", security.SourceHTTPS},
			ObjectSrc:      []security.Source{},
			FormAction:     self,
			FrameAncestors: self,
			Sandbox:        true, SandboxAllow: []string{"allow-scripts", "allow-top-navigation-by-user-activation"},
			UpgradeInsecureRequests: true,
			RequireTrustedTypes:     true, TrustedTypes: []string{"dompurify", "'allow-duplicates'"},
			ReportTo: "csp", ReportURI: "/reports",
		},
		CSPReportOnly:  &security.CSP{ScriptSrc: []security.Source{security.SourceStrictDynamic}, FrameAncestors: []security.Source{"https://a.example"}},
		Permissions:    security.PermissionsPolicy{"geolocation": {"self", "https://maps.example.com"}, "camera": nil, "fullscreen": {"*"}},
		ReferrerPolicy: "same-origin", OpenerPolicy: "same-origin-allow-popups", EmbedderPolicy: "require-corp", ResourcePolicy: "same-site",
		ReportingEndpoints: map[string]string{"csp": "/reports", "default": "https://reports.example.com/r?app=1"},
	}
	w := serve(mustHeaders(t, c).Wrap(http.HandlerFunc(noContent)), request("GET", "/"))
	for name, want := range map[string]string{
		"Content-Security-Policy": "default-src 'self'; script-src 'self' 'sha256-bhHHL3z2vDgxUt0W3dWQOrprscmda2Y5pLsLg4GF+pI=' https://cdn.example.com/lib/ 'report-sample'; " +
			"img-src data: *.img.example.com:8443 https:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'self'; " +
			"sandbox allow-scripts allow-top-navigation-by-user-activation; upgrade-insecure-requests; require-trusted-types-for 'script'; " +
			"trusted-types dompurify 'allow-duplicates'; report-uri /reports; report-to csp",
		"Content-Security-Policy-Report-Only": "default-src 'none'; script-src 'strict-dynamic'; base-uri 'none'; form-action 'none'; frame-ancestors https://a.example",
		"Permissions-Policy":                  `camera=(), fullscreen=(*), geolocation=(self "https://maps.example.com")`,
		"Reporting-Endpoints":                 `csp="/reports", default="https://reports.example.com/r?app=1"`,
		"X-Frame-Options":                     "SAMEORIGIN",
		"Referrer-Policy":                     "same-origin",
		"Cross-Origin-Opener-Policy":          "same-origin-allow-popups",
		"Cross-Origin-Embedder-Policy":        "require-corp",
		"Cross-Origin-Resource-Policy":        "same-site",
	} {
		if got := w.Header().Get(name); got != want {
			t.Errorf("%s: %s\nwant %s", name, got, want)
		}
	}
	c.CSP.FrameAncestors = []security.Source{"https://partner.example"}
	c.Permissions = security.PermissionsPolicy{}
	w = serve(mustHeaders(t, c).Wrap(http.HandlerFunc(noContent)), request("GET", "/"))
	if w.Header()["X-Frame-Options"] != nil || w.Header()["Permissions-Policy"] != nil {
		t.Errorf("fields that say nothing right: %v", w.Header())
	}
}

func TestNELGoesOverTLSOnly(t *testing.T) {
	c := security.HeadersConfig{
		ReportingEndpoints: map[string]string{"net": "https://reports.example.com/nel"},
		NEL:                &security.NEL{ReportTo: "net", IncludeSubDomains: true, Fraction: 0.05, MaxAge: time.Hour},
	}
	h := mustHeaders(t, c).Wrap(http.HandlerFunc(noContent))
	w := serve(h, overTLS("GET", "https://example.com/"))
	if got := w.Header().Get("NEL"); got != `{"report_to":"net","max_age":3600,"failure_fraction":0.05,"include_subdomains":true}` {
		t.Error(got)
	}
	if got := w.Header().Get("Report-To"); got != `{"group":"net","max_age":3600,"include_subdomains":true,"endpoints":[{"url":"https://reports.example.com/nel"}]}` {
		t.Error(got)
	}
	if w := serve(h, request("GET", "/")); w.Header().Get("NEL") != "" || w.Header().Get("Report-To") != "" || w.Header().Get("Reporting-Endpoints") == "" {
		t.Errorf("over a plain connection: %v", w.Header())
	}
	c.NEL = &security.NEL{ReportTo: "net"}
	w = serve(mustHeaders(t, c).Wrap(http.HandlerFunc(noContent)), overTLS("GET", "https://example.com/"))
	if got := w.Header().Get("NEL"); got != `{"report_to":"net","max_age":2592000,"failure_fraction":1}` || w.Header().Get("Strict-Transport-Security") == "" {
		t.Error(got)
	}
}

func TestHeadersAreOnRefusals(t *testing.T) {
	c := tenAMinute(security.ByEveryone())
	c.Policies[0].Burst = 1
	h := mustHeaders(t, security.HeadersConfig{}).Wrap(mustRateLimit(t, c).Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "fails", 500)
	})))
	for _, code := range []int{500, 429} {
		w := serve(h, request("GET", "/"))
		if w.Code != code || w.Header().Get("Content-Security-Policy") == "" || w.Header().Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%d: %v", w.Code, w.Header())
		}
	}
}

func TestNonceIsInTheAnswersPolicy(t *testing.T) {
	c := security.HTMLHeaders()
	c.CSPReportOnly = &security.CSP{ScriptSrc: []security.Source{security.SourceNonce, security.SourceStrictDynamic}}
	page := template.Must(template.New("").Parse(`<script nonce="{{.}}">start()</script>`))
	seen := map[string]bool{}
	h := mustHeaders(t, c).Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "public, max-age=3600")
		w.Header().Set("CDN-Cache-Control", "max-age=3600")
		w.Header().Set("ETag", `"1"`)
		if first, second := security.Nonce(r.Context()), security.Nonce(r.Context()); first != second {
			t.Error("two nonces in one request")
		}
		if err := page.Execute(w, security.Nonce(r.Context())); err != nil {
			t.Error(err)
		}
	}))
	for range 100 {
		w := serve(h, request("GET", "/"))
		nonce := strings.TrimSuffix(strings.TrimPrefix(w.Body.String(), `<script nonce="`), `">start()</script>`)
		if raw, err := base64.RawURLEncoding.DecodeString(nonce); err != nil || len(raw) < 16 || seen[nonce] {
			t.Fatalf("nonce %q", nonce)
		}
		seen[nonce] = true
		want := "default-src 'self'; script-src 'self' 'nonce-" + nonce + "'; style-src 'self' 'nonce-" + nonce + "'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
		if got := w.Header().Get("Content-Security-Policy"); got != want {
			t.Fatalf("policy %s", got)
		}
		want = "default-src 'none'; script-src 'nonce-" + nonce + "' 'strict-dynamic'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
		if got := w.Header().Get("Content-Security-Policy-Report-Only"); got != want {
			t.Fatalf("policy to report %s", got)
		}
		if w.Header().Get("Cache-Control") != "no-store" || w.Header()["Cdn-Cache-Control"] != nil || w.Header()["Etag"] != nil {
			t.Fatalf("a cacheable answer carries a nonce: %v", w.Header())
		}
	}
}

func TestNonceIsNowhereElse(t *testing.T) {
	h := func(f http.HandlerFunc) *httptest.ResponseRecorder {
		return serve(mustHeaders(t, security.HTMLHeaders()).Wrap(f), request("GET", "/"))
	}
	w := h(func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Cache-Control", "public, max-age=60") })
	if w.Header().Get("Cache-Control") != "public, max-age=60" || strings.Contains(w.Header().Get("Content-Security-Policy"), "nonce") {
		t.Errorf("an answer that uses no nonce: %v", w.Header())
	}
	h(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(200)
		if got := security.Nonce(r.Context()); got != "" {
			t.Errorf("a nonce that no policy can name any more: %q", got)
		}
	})
	w = h(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", "default-src 'none'")
		_, _ = io.WriteString(w, security.Nonce(r.Context()))
	})
	if got := w.Header()["Content-Security-Policy"]; len(got) != 1 || got[0] != "default-src 'none'" {
		t.Errorf("a handler's own policy: %v", got)
	}
	if got := security.Nonce(t.Context()); got != "" {
		t.Errorf("a nonce without Headers: %q", got)
	}
	serve(mustHeaders(t, security.APIHeaders()).Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if got := security.Nonce(r.Context()); got != "" {
			t.Errorf("a nonce that no policy has a place for: %q", got)
		}
	})), request("GET", "/"))
}

// A cache between Headers and the handler sees the header before Headers makes the answer uncacheable: it is told.
func TestNonceTellsCachesInside(t *testing.T) {
	for path, want := range map[string]bool{"/": true, "/plain": false} {
		serve(mustHeaders(t, security.HTMLHeaders()).Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			ctx, mark := oneuse.With(r.Context())
			if want {
				_, _ = io.WriteString(w, security.Nonce(ctx))
			}
			if mark.IsSet() != want {
				t.Errorf("%s: the mark of the cache is %v", path, mark.IsSet())
			}
		})), request("GET", path))
	}
	if ctx, mark := oneuse.With(t.Context()); security.Nonce(ctx) != "" || mark.IsSet() {
		t.Error("an answer without a nonce is marked")
	}
}

func TestHeadersDropWhatMustNotLeave(t *testing.T) {
	secrets, err := security.NewSecrets("registered-secret")
	if err != nil {
		t.Fatal(err)
	}
	c := security.HeadersConfig{Drop: []string{"x-internal"}, EchoAllowed: []string{"x-csrf-token"}, Secrets: secrets, Logger: discard}
	const basic, session, csrf = "Basic dXNlcjpwYXNzd29yZCs=", "0123456789abcdef0123", "csrf-token-0123456789"
	in := []string{"Authorization: " + basic, "Proxy-Authorization: secretproxy", "Cookie: lang=en-US; sid=\"" + session + "\"; csrf=" + csrf}
	for _, row := range []struct {
		name string
		in   []string
		line string // what the handler sets
		kept bool
	}{
		{"what the server runs on", nil, "Server: nginx/1.2.3", false},
		{"what the application is made with", nil, "X-Powered-By: Go", false},
		{"its version", nil, "X-AspNet-Version: 4", false},
		{"a request's credentials as a field", nil, "Authorization: anything", false},
		{"a request's cookies as a field", nil, "Cookie: a=b", false},
		{"a request's credentials to a proxy as a field", nil, "Proxy-Authorization: x", false},
		{"what the application wants dropped", nil, "X-Internal: 1", false},
		{"any other field", nil, "X-Total: 7", true},
		{"the credentials", in, "X-Debug: " + basic, false},
		{"the credentials without their scheme", in, "Location: /?t=dXNlcjpwYXNzd29yZCs=&x=1", false},
		{"the credentials percent-encoded", in, "Location: /?t=dXNlcjpwYXNzd29yZCs%3D&x=1", false},
		{"the credentials percent-encoded behind a stray percent sign", in, "Location: /?p=100%&t=dXNlcjpwYXNzd29yZCs%3d", false},
		{"credentials without a scheme", in, "X-Debug: is secretproxy", false},
		{"the credentials in Set-Cookie", in, "Set-Cookie: a=dXNlcjpwYXNzd29yZCs=", false},
		{"a session's cookie in another field", in, "Location: /?sid=" + session, false},
		{"a session's cookie set again", in, "Set-Cookie: sid=" + session, true},
		{"a short cookie's value", in, "Content-Language: en-US", true},
		{"a cookie's value where it is allowed", in, "X-CSRF-Token: " + csrf, true},
		{"a cookie's value where it is not", in, "X-Other: " + csrf, false},
		{"a percent sign and nothing else", in, "X-Rate: 100%", true},
		{"a registered secret", nil, "X-Debug: key=registered-secret;", false},
		{"the password in Basic credentials", in, "X-Debug: user is password+", false},
		{"the name in Basic credentials", in, "X-Debug: user", true},
		{"a registered secret percent-encoded", nil, "X-Debug: key=registered%2Dsecret", false},
	} {
		name, value, _ := strings.Cut(row.line, ": ")
		w := serve(mustHeaders(t, c).Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set(name, value)
			w.WriteHeader(200)
		})), request("GET", "/", row.in...))
		if got := w.Header().Get(name); (got == value) != row.kept || !row.kept && got != "" {
			t.Errorf("%s: %q", row.name, got)
		}
		if w.Header().Get("X-Frame-Options") != "DENY" {
			t.Errorf("%s: our own fields are gone: %v", row.name, w.Header())
		}
	}
}

func TestAPlantedCookieTakesNoFieldAway(t *testing.T) {
	h := mustHeaders(t, security.HTMLHeaders()).Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Permissions-Policy", "camera=(self), microphone=(self)")
		w.Header().Set("Vary", "Accept-Language, Origin")
		_, _ = io.WriteString(w, security.Nonce(r.Context()))
	}))
	for _, planted := range []string{
		"application/json", "max-age=31536000", "default-src 'self'", "frame-ancestors 'none'", "strict-origin-when-cross-origin",
		"camera=(self), microphone=(self)", "Accept-Language, Origin", "microphone=(self)",
	} {
		r := overTLS("GET", "https://example.com/")
		r.Header["Cookie"] = []string{"planted=" + planted}
		w := serve(h, r)
		for _, name := range []string{"Content-Type", "Permissions-Policy", "Vary", "Content-Security-Policy", "Strict-Transport-Security", "Referrer-Policy", "X-Content-Type-Options"} {
			if w.Header().Get(name) == "" {
				t.Errorf("a cookie of %q takes %s away", planted, name)
			}
		}
	}
	r := overTLS("GET", "https://example.com/")
	r.Header["Authorization"] = []string{"e"}
	if w := serve(h, r); w.Header().Get("Vary") == "" || w.Header().Get("Content-Type") == "" {
		t.Errorf("credentials of one byte take fields away: %v", w.Header())
	}
}

func TestNamesThatAreNotCanonicalAreDroppedToo(t *testing.T) {
	for _, name := range []string{"server", "x-powered-by"} {
		h := mustHeaders(t, security.HeadersConfig{}).Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header()[name] = []string{"nginx/1.2.3"}
		}))
		if w := serve(h, request("GET", "/")); len(w.Header()[name]) > 0 {
			t.Errorf("%s: got %v", name, w.Header())
		}
	}
}

// A recovery outside answers with the header as the handler left it.
func TestHeadersGuardWhatAPanicLeaves(t *testing.T) {
	h := newRecover(t, security.RecoverConfig{}).Wrap(mustHeaders(t, security.HeadersConfig{Logger: slog.New(slog.DiscardHandler)}).Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header()["X-Echo"] = r.Header["Authorization"]
		w.Header().Set("Server", "x")
		panic("x")
	})))
	w := serve(h, request("GET", "/", "Authorization: Bearer very-secret-token"))
	if w.Code != 500 || w.Header().Get("X-Echo")+w.Header().Get("Server") != "" || w.Header().Get("X-Frame-Options") != "DENY" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
}

// Trailers are fields of the answer too.
func TestNoTrailerHoldsACredential(t *testing.T) {
	guard := mustHeaders(t, security.HeadersConfig{Secrets: newSecrets(t, listed), Logger: slog.New(slog.DiscardHandler)})
	server := httptest.NewServer(guard.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Trailer", "X-Sum, X-Echo, X-Key")
		_, _ = io.WriteString(w, "body")
		w.Header().Set("X-Sum", "7")
		w.Header().Set("X-Key", listed)
		w.Header()["X-Echo"] = r.Header["Authorization"]
		w.Header()[http.TrailerPrefix+"X-Undeclared"] = r.Header["Authorization"]
	})))
	defer server.Close()
	r, err := http.NewRequest("GET", server.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer very-secret-token")
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(res.Body)
	_ = res.Body.Close()
	if string(body) != "body" || res.Trailer.Get("X-Sum") != "7" || res.Trailer.Get("X-Echo")+res.Trailer.Get("X-Key")+res.Trailer.Get("X-Undeclared") != "" {
		t.Errorf("got %s, %v", body, res.Trailer)
	}
}

func TestADroppedEchoIsLoggedByName(t *testing.T) {
	var log strings.Builder
	h := mustHeaders(t, security.HeadersConfig{Logger: slog.New(slog.NewTextHandler(&log, nil))}).Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header()["X-Echo"] = r.Header["Authorization"]
	}))
	serve(h, request("GET", "/", "Authorization: Bearer very-secret-token"))
	if got := log.String(); !strings.Contains(got, "field=X-Echo") || strings.Contains(got, "very-secret") {
		t.Errorf("log: %s", got)
	}
}

func TestHeadersShareNoSlice(t *testing.T) {
	spoil := true
	h := mustHeaders(t, security.HeadersConfig{}).Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if !spoil {
			return
		}
		for name, values := range w.Header() {
			_ = append(values, "appended")
			w.Header()[name][0] = "spoiled"
		}
	}))
	if w := serve(h, request("GET", "/")); w.Header().Get("X-Frame-Options") != "spoiled" {
		t.Fatal("the test spoils nothing")
	}
	spoil = false
	for range 100 {
		for name, values := range serve(h, request("GET", "/")).Header() {
			if len(values) != 1 || values[0] == "spoiled" || values[0] == "appended" {
				t.Fatalf("%s: %v: a handler's change reached another answer", name, values)
			}
		}
	}
}

func TestHeadersOfRealAnswers(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("/empty", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("/flush", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Server", "x")
		_ = http.NewResponseController(w).Flush()
		_, _ = io.WriteString(w, "streamed")
	})
	mux.HandleFunc("/hijack", func(w http.ResponseWriter, _ *http.Request) {
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = io.WriteString(rw, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
		_ = rw.Flush()
		_ = conn.Close()
	})
	mux.HandleFunc("/panic", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	srv := httptest.NewServer(mustHeaders(t, security.HeadersConfig{}).Wrap(mux))
	t.Cleanup(srv.Close)
	for range 3 {
		for path, want := range map[string]string{"/empty": "", "/flush": "streamed", "/hijack": "ok", "/panic": "EOF"} {
			resp, err := srv.Client().Get(srv.URL + path)
			if err != nil {
				if path != "/panic" {
					t.Errorf("%s: %v", path, err)
				}
				continue
			}
			body, _ := io.ReadAll(resp.Body)
			if string(body) != want || (resp.Header.Get("X-Frame-Options") == "DENY") != (path != "/hijack") || resp.Header.Get("Server") != "" {
				t.Errorf("%s: %q %v", path, body, resp.Header)
			}
			if path == "/empty" && (resp.StatusCode != 200 || resp.ContentLength != 0) {
				t.Errorf("%s: %d, length %d", path, resp.StatusCode, resp.ContentLength)
			}
		}
	}
}

func TestHeadersAllocate(t *testing.T) {
	h := mustHeaders(t, security.HeadersConfig{BehindTLS: true, ReportingEndpoints: map[string]string{"default": "/r"}}).Wrap(http.HandlerFunc(noContent))
	w, r := &nullWriter{h: http.Header{}}, request("GET", "/", "Authorization: Bearer 0123456789", "Cookie: sid=0123456789abcdef")
	if got := testing.AllocsPerRun(1000, func() { clear(w.h); h.ServeHTTP(w, r) }); got > 0 || len(w.h) != 9 {
		t.Errorf("%v allocations for %d fields", got, len(w.h))
	}
}

func TestDataIsASourceOfWhatIsNoScript(t *testing.T) {
	mustHeaders(t, security.HeadersConfig{CSP: &security.CSP{
		DefaultSrc: []security.Source{security.SourceSelf, security.SourceData}, ScriptSrc: []security.Source{security.SourceSelf}, ObjectSrc: []security.Source{}, ImgSrc: []security.Source{security.SourceData},
	}})
}

func TestNewHeadersReportsEveryMistake(t *testing.T) {
	sources := func(list ...security.Source) *security.CSP { return &security.CSP{ScriptSrc: list} }
	for _, row := range []struct {
		name string
		c    security.HeadersConfig
		want []string
	}{
		{
			"sources that are more than one",
			security.HeadersConfig{CSP: sources("'self'; script-src *", "a.example,b.example", "a.example b.example", "a.example\r\nX: y", "", "\x00", "é.example", "\"x\"")},
			[]string{"ScriptSrc[0]", "ScriptSrc[1]", "ScriptSrc[2]", "ScriptSrc[3]", "ScriptSrc[4]", "ScriptSrc[5]", "ScriptSrc[6]", "ScriptSrc[7]"},
		},
		{
			"sources that are none",
			security.HeadersConfig{CSP: sources("self", "'unknown'", "'nonce-abc'", "'sha256-short'", "'sha1-AAAA'", "'sha256-"+security.Source(strings.Repeat("A", 43))+"=", "https://", "https:///x", "1https:", "a.example:99999", "a..example", "*", "a.*.example", "a.example/?q", "HTTPS://a.example")},
			[]string{"ScriptSrc[1]", "ScriptSrc[2]", "ScriptSrc[3]", "ScriptSrc[4]", "ScriptSrc[5]", "ScriptSrc[6]", "ScriptSrc[7]", "ScriptSrc[8]", "ScriptSrc[9]", "ScriptSrc[10]", "ScriptSrc[12]", "ScriptSrc[13]", "ScriptSrc[14]"},
		},
		{"none beside others", security.HeadersConfig{CSP: sources(security.SourceNone, security.SourceSelf)}, []string{"ScriptSrc[0] = \"'none'\" must stand alone"}},
		{"a script's keyword where no scripts are", security.HeadersConfig{CSP: &security.CSP{ImgSrc: []security.Source{security.SourceNonce}}}, []string{"ImgSrc[0]", "directive for scripts"}},
		{
			"keywords without their quotes, which would be hosts",
			security.HeadersConfig{CSP: &security.CSP{DefaultSrc: []security.Source{"none"}, ScriptSrc: []security.Source{"self", "Unsafe-Inline", "nonce-abc", "sha256-abc"}, FrameAncestors: []security.Source{"self"}}},
			[]string{`DefaultSrc[0] = "none" must be in single quotes`, "ScriptSrc[0]", "ScriptSrc[1]", "ScriptSrc[2]", "ScriptSrc[3]", "FrameAncestors[0]"},
		},
		{
			"scripts from URLs that anybody can write",
			security.HeadersConfig{
				CSP:           &security.CSP{ScriptSrc: []security.Source{security.SourceData, "javascript:", "filesystem:"}, ObjectSrc: []security.Source{security.SourceData}},
				CSPReportOnly: &security.CSP{DefaultSrc: []security.Source{security.SourceSelf, security.SourceData}},
			},
			[]string{`CSP.ScriptSrc[0] = "data:" must not be where scripts come from`, "CSP.ScriptSrc[1]", "CSP.ScriptSrc[2]", "CSP.ObjectSrc[0]", "CSPReportOnly.DefaultSrc[1]"},
		},
		{
			"everything else in a policy",
			security.HeadersConfig{CSPReportOnly: &security.CSP{SandboxAllow: []string{"allow-scripts", "allow;x", "scripts"}, TrustedTypes: []string{"a b", ""}, ReportTo: "nowhere", ReportURI: "http://a.example/"}},
			[]string{"CSPReportOnly.SandboxAllow[0] = \"allow-scripts\" needs Sandbox", "SandboxAllow[1]", "SandboxAllow[2]", "TrustedTypes[0]", "TrustedTypes[1]", "ReportTo", "ReportURI"},
		},
		{
			"permissions that add to the field",
			security.HeadersConfig{Permissions: security.PermissionsPolicy{"camera=*, x": {"self"}, "usb": {"https://a.example\", \"x", "a.example", "https://a.example/", "none"}, "": nil}},
			[]string{`Permissions = "camera=*, x"`, `Permissions["usb"][0]`, `Permissions["usb"][1]`, `Permissions["usb"][2]`, `Permissions["usb"][3]`, `Permissions = ""`},
		},
		{
			"endpoints that no browser reports to",
			security.HeadersConfig{ReportingEndpoints: map[string]string{"A": "/r", "plain": "http://a.example/", "relative": "r", "quote": "/\"", "user": "https://u@a.example/", "empty": "", "fragment": "/r#x", "host": "//a.example/r", "bad": "https://a.example/%zz"}},
			[]string{`ReportingEndpoints = "A"`, `["plain"]`, `["relative"]`, `["quote"]`, `["user"]`, `["empty"]`, `["fragment"]`, `["host"]`, `["bad"]`},
		},
		{
			"values that the fields do not have",
			security.HeadersConfig{ReferrerPolicy: "never", OpenerPolicy: "none", EmbedderPolicy: "x", ResourcePolicy: "same-origin\r\nX: y", HSTS: security.HSTS{MaxAge: -1, Preload: true}, NEL: &security.NEL{ReportTo: "x", MaxAge: 1, Fraction: 2}, Drop: []string{"a b"}, EchoAllowed: []string{""}},
			[]string{"ReferrerPolicy = \"never\" must be one of", "OpenerPolicy", "EmbedderPolicy", "ResourcePolicy", "HSTS.MaxAge", "HSTS.Preload", "NEL.ReportTo", "NEL.MaxAge", "NEL.Fraction", "Drop[0]", "EchoAllowed[0]"},
		},
	} {
		_, err := security.NewHeaders(row.c)
		for _, want := range row.want {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v does not say %s", row.name, err, want)
			}
		}
	}
}

func FuzzCSPSource(f *testing.F) {
	for _, s := range []string{"'self'", "https://a.example/x", "*.a.example:*", "'sha256-bhHHL3z2vDgxUt0W3dWQOrprscmda2Y5pLsLg4GF+pI='", "a; b", "data:", "\r\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, source string) {
		h, err := security.NewHeaders(security.HeadersConfig{CSP: &security.CSP{ImgSrc: []security.Source{security.Source(source)}, ScriptSrc: []security.Source{security.Source(source)}}})
		if err != nil {
			return
		}
		got := serve(h.Wrap(http.HandlerFunc(noContent)), request("GET", "/")).Header().Get("Content-Security-Policy")
		if want := "default-src 'none'; script-src " + source + "; img-src " + source + "; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"; got != want && source != string(security.SourceNonce) ||
			strings.Count(got, ";") != 5 || strings.ContainsAny(got, ",\r\n\x00") {
			t.Errorf("%q became %q", source, got)
		}
	})
}

func FuzzPermissions(f *testing.F) {
	f.Add("camera", "self")
	f.Add("usb", "https://a.example:8443")
	f.Add("x=*", "a\"b")
	f.Fuzz(func(t *testing.T, feature, origin string) {
		h, err := security.NewHeaders(security.HeadersConfig{Permissions: security.PermissionsPolicy{feature: {origin}}})
		if err != nil {
			return
		}
		if got := serve(h.Wrap(http.HandlerFunc(noContent)), request("GET", "/")).Header().Get("Permissions-Policy"); got != feature+"=("+origin+")" && got != feature+`=("`+origin+`")` || strings.ContainsAny(got, ",;\\\r\n") {
			t.Errorf("%q and %q became %q", feature, origin, got)
		}
	})
}

func ExampleNewHeaders() {
	headers, err := security.NewHeaders(security.HTMLHeaders())
	if err != nil {
		fmt.Println(err)
		return
	}
	page := headers.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "<script nonce=%q>start()</script>", security.Nonce(r.Context()))
	}))
	w := httptest.NewRecorder()
	page.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	fmt.Println(w.Header().Get("X-Frame-Options"), w.Header().Get("Cache-Control"))
	// Output: DENY no-store
}
