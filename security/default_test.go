package security_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/justinas/alice"
	"golang.org/x/time/rate"

	"github.com/gatehouse-go/gatehouse/security"
)

// required is the least that Default takes.
func required() security.Config {
	return security.Config{
		Target:  security.TargetConfig{Hosts: []string{"example.com"}},
		IPLimit: security.RateLimitConfig{Policies: []security.RatePolicy{{Limit: rate.Every(time.Second), Burst: 1000}}},
		Body:    security.BodyConfig{MediaTypes: []string{"application/json"}},
		Logger:  slog.New(slog.DiscardHandler),
	}
}

func mustDefault(tb testing.TB, c security.Config) alice.Chain {
	tb.Helper()
	chain, err := security.Default(c)
	if err != nil {
		tb.Fatal(err)
	}
	return chain
}

func TestDefaultNamesWhatItNeeds(t *testing.T) {
	_, err := security.Default(security.Config{})
	want := `security: TargetConfig.Hosts must name the hosts that are served
security: RateLimitConfig.Policies = "0 policies" must be 1 to 8
security: BodyConfig.MediaTypes must name at least one media type`
	if err == nil || err.Error() != want {
		t.Errorf("got:\n%v\nwant:\n%s", err, want)
	}
	_, err = security.Default(security.Config{Off: []security.Stage{security.StageTarget, security.StageIPLimit, security.StageBody}, Methods: security.MethodsConfig{Allow: []string{"a b"}}})
	if err == nil || err.Error() != `security: MethodsConfig.Allow[0] = "a b" must be a method` {
		t.Errorf("what is off is not needed, and other mistakes are told: %v", err)
	}
}

// One request for each stage, which only that stage refuses.
func TestDefaultRefusesAtEachStage(t *testing.T) {
	_, stored, _ := security.NewAPIKey("acme", "ann")
	keys, _ := security.NewAPIKeys(security.APIKeysConfig{Prefix: "acme", Keys: []security.APIKey{stored}})
	c := required()
	c.Access = newAccess(t, security.AccessConfig{Schemes: []security.Scheme{keys}, Optional: true})
	c.CORS = &security.CORSConfig{Origins: []string{"https://app.example"}}
	c.PrincipalLimit = &security.RateLimitConfig{Policies: []security.RatePolicy{{Name: "p", Limit: rate.Every(time.Hour), Burst: 3}}, OmitFields: true}
	h := mustDefault(t, c).ThenFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/panic":
			panic("x")
		case "/echo":
			echo(w, r)
		}
	})
	for _, row := range []struct {
		name   string
		method string
		target string
		body   string
		header http.Header
		want   int
	}{
		{"an ordinary request", "GET", "/", "", nil, 200},
		{"a panic", "GET", "/panic", "", nil, 500},
		{"another host", "GET", "http://evil.example/", "", nil, 421},
		{"a path with two readings", "GET", "/a/%2e%2e/b", "", nil, 400},
		{"a refused preflight", "OPTIONS", "/", "", http.Header{"Origin": {"https://evil.example"}, "Access-Control-Request-Method": {"PUT"}}, 403},
		{"a preflight needs no credentials", "OPTIONS", "/", "", http.Header{"Origin": {"https://app.example"}, "Access-Control-Request-Method": {"POST"}}, 204},
		{"a method of nobody", "TRACE", "/", "", nil, 501},
		{"a form of another site", "POST", "/", "", http.Header{"Sec-Fetch-Site": {"cross-site"}, "Origin": {"https://evil.example"}}, 403},
		{"a body of another type", "POST", "/", "<a/>", http.Header{"Content-Type": {"text/xml"}}, 415},
		{"wrong credentials", "GET", "/", "", http.Header{"Authorization": {"Bearer acme_x"}}, 401},
		{"a body that fits", "POST", "/echo", "{}", http.Header{"Content-Type": {"application/json"}}, 200},
		{"the quota of the principal", "GET", "/", "", nil, 429},
	} {
		r := httptest.NewRequest(row.method, row.target, http.NoBody)
		if row.body != "" {
			r = httptest.NewRequest(row.method, row.target, strings.NewReader(row.body))
		}
		maps.Copy(r.Header, row.header)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != row.want {
			t.Errorf("%s: got %d %s, want %d", row.name, w.Code, w.Body, row.want)
		}
		if w.Header().Get("X-Request-Id") == "" {
			t.Errorf("%s: no request id", row.name)
		}
		for _, name := range []string{"Content-Security-Policy", "X-Content-Type-Options", "Referrer-Policy", "Cross-Origin-Resource-Policy", "Permissions-Policy"} {
			if len(w.Header()[name]) != 1 {
				t.Errorf("%s: %s: %v", row.name, name, w.Header()[name])
			}
		}
	}
	flood := httptest.NewRequest("GET", "/", nil)
	flood.RemoteAddr = "203.0.113.9:1"
	last := 0
	for range 1001 {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, flood)
		last = w.Code
	}
	if last != 429 {
		t.Errorf("the quota of an address: %d", last)
	}
}

// A handler that panics has set fields that must not leave either, and one that panics outside of the headers stage is answered with
// security fields too.
func TestDefaultGuardsTheAnswerToAPanic(t *testing.T) {
	var log bytes.Buffer
	c := required()
	c.Logger = slog.New(slog.NewTextHandler(&log, nil))
	c.Extra = []security.Extra{{Name: "early", After: security.StageRequestID, Wrap: func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/early" {
				panic("early")
			}
			next.ServeHTTP(w, r)
		})
	}}}
	h := mustDefault(t, c).ThenFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header()["X-Echo"] = r.Header["Authorization"]
		w.Header().Set("Server", "x")
		panic("late")
	})
	for _, path := range []string{"/early", "/late"} {
		log.Reset()
		w := serve(h, request("GET", "http://example.com"+path, "Authorization: Bearer very-secret-token", "X-Request-Id: r7"))
		if w.Code != 500 || w.Header().Get("X-Frame-Options") != "DENY" || w.Header().Get("X-Echo") != "" || w.Header().Get("Server") != "" {
			t.Errorf("%s: %d %v", path, w.Code, w.Header())
		}
		if !strings.Contains(w.Body.String(), `"request_id":"r7"`) || !strings.Contains(log.String(), "panic="+path[1:]+" request_id=r7 ") {
			t.Errorf("%s: the answer and the log name no id: %s %s", path, w.Body, log.String())
		}
	}
}

func TestRefusalsAreLoggedWithTheRequest(t *testing.T) {
	var log bytes.Buffer
	c := required()
	c.Logger = slog.New(slog.NewTextHandler(&log, nil))
	serve(mustDefault(t, c).Then(whoami), request("GET", "http://evil.example/", "X-Request-Id: r7"))
	if !strings.Contains(log.String(), `msg="request refused" stage=target cause="host is not served here: \"evil.example\"" request_id=r7`) {
		t.Errorf("got %s", log.String())
	}
}

func TestDefaultLogsWithoutSecrets(t *testing.T) {
	var out bytes.Buffer
	c := required()
	c.Logger = slog.New(slog.NewTextHandler(&out, nil))
	c.Secrets = newSecrets(t, listed)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /a/{x}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Debug", "see "+listed)
		panic(fmt.Errorf("lost %s, password=%s", listed, hidden))
	})
	w := httptest.NewRecorder()
	mustDefault(t, c).Then(mux).ServeHTTP(w, httptest.NewRequest("GET", "/a/b?token="+hidden, nil))
	if w.Code != 500 || strings.Contains(out.String(), listed) || strings.Contains(out.String(), hidden) {
		t.Errorf("leaked: %d %s", w.Code, out.String())
	}
	if !strings.Contains(out.String(), "url.path=/a/b") || !strings.Contains(out.String(), "handler panicked") {
		t.Errorf("the log lacks what happened: %s", out.String())
	}
	out.Reset()
	mux.HandleFunc("GET /b", func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X-Debug", "see "+listed) })
	w = httptest.NewRecorder()
	mustDefault(t, c).Then(mux).ServeHTTP(w, httptest.NewRequest("GET", "/b", nil))
	if strings.Contains(w.Result().Header.Get("X-Debug"), listed) {
		t.Errorf("a secret left in a header: %v", w.Result().Header)
	}
	if !strings.Contains(out.String(), `http.route=/b `) {
		t.Errorf("the route is not logged: %s", out.String())
	}
}

func TestDefaultKeepsTheConnectionReachable(t *testing.T) {
	c := required()
	c.Target.Hosts = []string{"127.0.0.1:*"}
	srv := httptest.NewServer(mustDefault(t, c).ThenFunc(func(w http.ResponseWriter, _ *http.Request) {
		rc := http.NewResponseController(w)
		w.WriteHeader(http.StatusEarlyHints)
		if err := errors.Join(rc.SetWriteDeadline(time.Now().Add(time.Minute)), rc.SetReadDeadline(time.Now().Add(time.Minute)), rc.Flush()); err != nil {
			t.Error(err)
		}
		_, _ = io.WriteString(w, "streamed")
	}))
	defer srv.Close()
	res, err := http.Get(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if body, _ := io.ReadAll(res.Body); res.StatusCode != 200 || string(body) != "streamed" {
		t.Errorf("got %d %s", res.StatusCode, body)
	}
}

// The nonce is one for an answer, also where a Headers stands inside of another.
func TestDefaultGivesEachAnswerItsNonce(t *testing.T) {
	c := required()
	c.Headers = security.HTMLHeaders()
	inner, err := security.NewHeaders(security.HTMLHeaders())
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	note := func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, security.Nonce(r.Context())) }
	for name, h := range map[string]http.Handler{
		"alone":  mustDefault(t, c).ThenFunc(note),
		"nested": mustDefault(t, c).Then(inner.Wrap(http.HandlerFunc(note))),
	} {
		for range 2 {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
			nonce := w.Body.String()
			if nonce == "" || seen[nonce] || !strings.Contains(w.Result().Header.Get("Content-Security-Policy"), "'nonce-"+nonce+"'") {
				t.Errorf("%s: nonce %q in %q", name, nonce, w.Result().Header.Get("Content-Security-Policy"))
			}
			seen[nonce] = true
		}
	}
	c.Headers = security.APIHeaders()
	w := httptest.NewRecorder()
	mustDefault(t, c).ThenFunc(note).ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	if w.Body.Len() != 0 {
		t.Errorf("a nonce without a policy for it: %q", w.Body)
	}
}

// Stages copy the request, and net/http removes a form's files by the one that it made.
func TestDefaultLeavesNoFilesOfForms(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	c := required()
	c.Target.Hosts = []string{"127.0.0.1:*"}
	c.Body.MediaTypes = []string{"multipart/form-data"}
	key, stored, _ := security.NewAPIKey("acme", "ann")
	keys, _ := security.NewAPIKeys(security.APIKeysConfig{Prefix: "acme", Keys: []security.APIKey{stored}})
	access := newAccess(t, security.AccessConfig{Schemes: []security.Scheme{keys}})
	ids, _ := security.NewRequestID(security.RequestIDConfig{})
	recovery, _ := security.NewRecover(security.RecoverConfig{})
	clients, err := security.NewClientIP(security.ClientIPConfig{Header: "X-Forwarded-For", TrustedProxies: prefixes("10.0.0.0/8")})
	if err != nil {
		t.Fatal(err)
	}
	page, err := security.NewHeaders(security.HeadersConfig{CSP: &security.CSP{ScriptSrc: []security.Source{security.SourceNonce}}})
	if err != nil {
		t.Fatal(err)
	}
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseMultipartForm(10); err != nil {
			t.Error(err)
		}
		if files, _ := os.ReadDir(dir); len(files) == 0 {
			t.Error("the form was not put into a file")
		}
	})
	for name, h := range map[string]http.Handler{
		"the chain":                       mustDefault(t, c).Then(access.Require()(handler)),
		"stages one by one":               ids.Wrap(newBody(t, security.BodyConfig{}).Wrap(access.Wrap(handler))),
		"a client's address, and a nonce": clients.Wrap(page.Wrap(handler)),
		"a client's address in a Recover": recovery.Wrap(clients.Wrap(handler)),
	} {
		srv := httptest.NewServer(h)
		contentType, body := form(file("f", strings.Repeat("x", 50<<10)))
		r, err := http.NewRequest("POST", srv.URL, bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", contentType)
		r.Header.Set("Authorization", "Bearer "+key)
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		srv.Close()
		if files, _ := os.ReadDir(dir); res.StatusCode != 200 || len(files) != 0 {
			t.Errorf("%s: %d, left %v", name, res.StatusCode, files)
		}
	}
}

func TestByPrincipal(t *testing.T) {
	access := newAccess(t, security.AccessConfig{Schemes: []security.Scheme{security.Bearer{Tokens: []string{"secret"}, As: security.Principal{ID: "app"}}}, Optional: true})
	for authorization, want := range map[string]string{"Bearer secret": "app <nil>", "": " "} {
		access.Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			key, err := security.ByPrincipal()(r)
			if got := fmt.Sprint(key, " ", err); !strings.HasPrefix(got, want) || authorization == "" && err == nil {
				t.Errorf("%q: %s", authorization, got)
			}
		})).ServeHTTP(httptest.NewRecorder(), func() *http.Request {
			r := httptest.NewRequest("GET", "/", nil)
			if authorization != "" {
				r.Header.Set("Authorization", authorization)
			}
			return r
		}())
	}
}

func TestDefaultSharesOnErrorAndLogger(t *testing.T) {
	c := required()
	c.OnError = security.AnswerJSON(`{"error":"no"}`)
	c.Body.OnError = security.AnswerJSON(`{"error":"body"}`)
	h := mustDefault(t, c).Then(whoami)
	for target, want := range map[string]string{"http://evil.example/": `{"error":"no"}`, "/": `{"error":"body"}`} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("POST", target, strings.NewReader("x")))
		if w.Body.String() != want {
			t.Errorf("%s: %s", target, w.Body)
		}
	}
}

func TestDefaultTurnsOffAndReplaces(t *testing.T) {
	c := required()
	c.Off = []security.Stage{security.StageRequestID, security.StageBody}
	c.Replace = map[security.Stage]alice.Constructor{security.StageMethods: func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Mine", "yes")
			next.ServeHTTP(w, r)
		})
	}}
	c.Extra = []security.Extra{
		{Name: "one", After: security.StageAccess, Wrap: mark("1"), ReadsBody: true},
		{Name: "two", After: security.StageAccess, Wrap: mark("2")},
		{Name: "answers", After: security.StagePrincipalLimit, Wrap: func(http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(200)
				_, _ = io.WriteString(w, "answered")
			})
		}},
	}
	w := httptest.NewRecorder()
	mustDefault(t, c).Then(http.NotFoundHandler()).ServeHTTP(w, httptest.NewRequest("TRACE", "/", nil))
	if w.Code != 200 || w.Header().Get("X-Mine") != "yes" || w.Header().Get("X-Request-Id") != "" || strings.Join(w.Header()["X-Mark"], "") != "12" {
		t.Errorf("got %d %v", w.Code, w.Header())
	}
	plan := c.Explain()
	names := make([]string, len(plan))
	for i, s := range plan {
		names[i] = s.Name
	}
	want := []string{"recover", "request-id", "client-ip", "access-log", "target", "headers", "deadlines", "ip-limit", "cors", "methods", "cross-origin", "body", "access", "one", "two", "principal-limit", "answers", "decode"}
	if !slices.Equal(names, want) {
		t.Errorf("got %v", names)
	}
	for _, line := range []string{
		"request-id       off  turned off by Config.Off\n",
		"methods          on   replaced by Config.Replace\n",
		"cors             off  Config.CORS is nil: no page of another origin may read answers\n",
		"two              on   an extra of the application\n",
	} {
		if !strings.Contains(plan.String(), line) {
			t.Errorf("no line %q in\n%s", line, plan)
		}
	}
}

// mark is a middleware that adds its name to the answer's header.
func mark(name string) alice.Constructor {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Add("X-Mark", name)
			next.ServeHTTP(w, r)
		})
	}
}

// hiding is a middleware whose ResponseWriter has no Unwrap: deadlines, Flush and Hijack fail inside of it.
func hiding(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(struct{ http.ResponseWriter }{w}, r)
	})
}

func TestDefaultRefusesAnUnsafeShape(t *testing.T) {
	order := func(change func([]security.Stage) []security.Stage) []security.Stage {
		return change([]security.Stage{
			"recover", "request-id", "client-ip", "access-log", "target", "headers", "deadlines", "ip-limit", "cors", "methods", "cross-origin", "body", "access", "principal-limit",
		})
	}
	swap := func(a, b security.Stage) []security.Stage {
		return order(func(s []security.Stage) []security.Stage {
			i, j := slices.Index(s, a), slices.Index(s, b)
			s[i], s[j] = s[j], s[i]
			return s
		})
	}
	for _, row := range []struct {
		name   string
		change func(*security.Config)
		want   string
	}{
		{"CORS after access", func(c *security.Config) { c.Order = swap("cors", "access") }, `security: Config.Order = "access" must come after cors: else it would refuse preflights, which have no credentials`},
		{"the body before the limit", func(c *security.Config) { c.Order = swap("body", "ip-limit") }, `security: Config.Order = "body" must come after ip-limit: else it would work for clients before they are limited`},
		{"recovery inside", func(c *security.Config) { c.Order = swap("recover", "request-id") }, `security: Config.Order = "request-id" must come after recover: else a panic outside of it would not be answered`},
		{"the limit before the client is known", func(c *security.Config) { c.Order = swap("client-ip", "ip-limit") }, `"ip-limit" must come after client-ip: else it would take the proxy for the client`},
		{"the principal's limit before access", func(c *security.Config) { c.Order = swap("access", "principal-limit") }, `"principal-limit" must come after access: else it would know no principal`},
		{"an unknown stage", func(c *security.Config) { c.Order = append(order(slices.Clip), "gzip") }, `Config.Order = "gzip" must be one of the stages`},
		{"a stage twice", func(c *security.Config) { c.Order = append(order(slices.Clip), "body") }, `Config.Order = "body" must not occur twice`},
		{"a stage that is on and not named", func(c *security.Config) { c.Order = order(slices.Clip)[:11] }, `Config.Order = "body" must be named, or turned off`},
		{"an unknown stage turned off", func(c *security.Config) { c.Off = []security.Stage{"gzip"} }, `Config.Off[0] = "gzip" must be one of the stages`},
		{"a stage both off and replaced", func(c *security.Config) {
			c.Off, c.Replace = []security.Stage{"body"}, map[security.Stage]alice.Constructor{"body": mark("x")}
		}, `Config.Off[0] = "body" must not be replaced as well`},
		{"an unknown stage replaced", func(c *security.Config) { c.Replace = map[security.Stage]alice.Constructor{"gzip": mark("x")} }, `Config.Replace = "gzip" must name one of the stages`},
		{"a wrapper without Unwrap", func(c *security.Config) { c.Extra = []security.Extra{{Name: "x", After: "body", Wrap: hiding}} }, `Config.Extra[0] must hand on a ResponseWriter with an Unwrap method`},
		{"a replacement without Unwrap", func(c *security.Config) { c.Replace = map[security.Stage]alice.Constructor{"methods": hiding} }, `Config.Replace["methods"] must hand on a ResponseWriter with an Unwrap method`},
		{"a wrapper without Unwrap where the client takes gzip", func(c *security.Config) {
			c.Extra = []security.Extra{{Name: "x", After: "body", Wrap: hidingFrom(func(r *http.Request) bool { return strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") })}}
		}, `Config.Extra[0] must hand on a ResponseWriter with an Unwrap method`},
		{"a wrapper without Unwrap around what writes", func(c *security.Config) {
			c.Extra = []security.Extra{{Name: "x", After: "body", Wrap: hidingFrom(func(r *http.Request) bool { return r.Method == "POST" })}}
		}, `Config.Extra[0] must hand on a ResponseWriter with an Unwrap method`},
		{"an extra that parses forms too early, and does not say so", func(c *security.Config) {
			c.Extra = []security.Extra{{Name: "x", After: "access-log", Wrap: reading}}
		}, `Config.Extra[0] must not read bodies before body: they would be read without bounds, of a client that is not limited`},
		{"a replacement that parses forms too early", func(c *security.Config) {
			c.Replace = map[security.Stage]alice.Constructor{"cross-origin": reading}
		}, `Config.Replace["cross-origin"] must not read bodies before body`},
		{"a middleware that is nil", func(c *security.Config) { c.Extra = []security.Extra{{Name: "x", After: "body"}} }, `Config.Extra[0] must not be nil`},
		{"a middleware that makes nil", func(c *security.Config) {
			c.Extra = []security.Extra{{Name: "x", After: "body", Wrap: func(http.Handler) http.Handler { return nil }}}
		}, `Config.Extra[0] must not make a nil handler`},
		{"a middleware that panics", func(c *security.Config) {
			c.Extra = []security.Extra{{Name: "x", After: "body", Wrap: func(http.Handler) http.Handler { panic(errors.New("no")) }}}
		}, `Config.Extra[0] = "*errors.errorString" must not panic when it is tried`},
		{"an extra after nothing", func(c *security.Config) { c.Extra = []security.Extra{{After: "gzip", Wrap: mark("x")}} }, "Config.Extra[0].After = \"gzip\" must be one of the stages\nsecurity: Config.Extra[0].Name must not be empty"},
		{"an extra that parses the body too early", func(c *security.Config) {
			c.Extra = []security.Extra{{Name: "x", After: "headers", Wrap: mark("x"), ReadsBody: true}}
		}, `Config.Extra[0].After = "headers" must not be before body`},
	} {
		c := required()
		row.change(&c)
		_, err := security.Default(c)
		if err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: got %v", row.name, err)
		}
	}
	c := required()
	c.Extra = []security.Extra{{Name: "form", After: "body", Wrap: reading, ReadsBody: true}, {Name: "also", After: "access", Wrap: reading}}
	c.Replace = map[security.Stage]alice.Constructor{"body": reading, "access": reading}
	if _, err := security.Default(c); err != nil {
		t.Errorf("bodies may be read from the body stage on: %v", err)
	}
	c = required()
	c.Extra = []security.Extra{{Name: "form", After: "ip-limit", Wrap: reading}}
	c.Off = []security.Stage{"body"}
	if _, err := security.Default(c); err != nil {
		t.Errorf("where there is no body stage, from the limit on: %v", err)
	}
	c.Extra[0].After = "headers"
	if _, err := security.Default(c); err == nil || !strings.Contains(err.Error(), "must not read bodies before ip-limit") {
		t.Errorf("where there is no body stage, not before the limit: %v", err)
	}
	c.Off = append(c.Off, "ip-limit")
	if _, err := security.Default(c); err != nil {
		t.Errorf("where there is neither, nothing is too early: %v", err)
	}
	c = required()
	c.Order = swap("methods", "cors")
	c.Order = order(func(s []security.Stage) []security.Stage { return s[:12] })
	if _, err := security.Default(c); err != nil {
		t.Errorf("stages that are off need not be named: %v", err)
	}
}

// hidingFrom hides the connection from those requests that are picked.
func hidingFrom(picked func(*http.Request) bool) alice.Constructor {
	return func(next http.Handler) http.Handler {
		hidden := hiding(next)
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if picked(r) {
				hidden.ServeHTTP(w, r)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}

// reading is a middleware that looks into forms.
func reading(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = r.FormValue("_method")
		next.ServeHTTP(w, r)
	})
}

func TestExplainSaysWhoTheClientIs(t *testing.T) {
	c := required()
	c.ClientIP = security.ClientIPConfig{Header: "X-Forwarded-For", TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}
	c.CORS = &security.CORSConfig{}
	c.Access = &security.Access{}
	c.PrincipalLimit = &security.RateLimitConfig{}
	plan := c.Explain().String()
	for _, line := range []string{
		"client-ip        on   the client is read from X-Forwarded-For of 1 trusted networks\n",
		"access           on ", "principal-limit  on ", "cors             on ",
	} {
		if !strings.Contains(plan, line) {
			t.Errorf("no %q in\n%s", line, plan)
		}
	}
}

func TestDefaultCostsAtMostTenAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("pools drop values at random under the race detector")
	}
	for name, headers := range map[string]security.HeadersConfig{"API": security.APIHeaders(), "HTML": security.HTMLHeaders()} {
		c := required()
		c.Headers = headers
		c.IPLimit.Policies[0].Limit = 1e9
		c.Logger = slog.New(slog.NewJSONHandler(io.Discard, nil)) //nolint:sloglint // what a log costs is counted
		h := mustDefault(t, c).Then(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }))
		r := httptest.NewRequest("GET", "/api/items?page=2", nil)
		r.Header.Set("User-Agent", "curl/8.5")
		w := &freeWriter{header: http.Header{}}
		n := testing.AllocsPerRun(200, func() { clear(w.header); h.ServeHTTP(w, r) })
		if n > 10 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

// freeWriter is a connection that costs nothing.
type freeWriter struct{ header http.Header }

func (w *freeWriter) Header() http.Header              { return w.header }
func (w *freeWriter) Write(b []byte) (int, error)      { return len(b), nil }
func (w *freeWriter) WriteHeader(int)                  {}
func (w *freeWriter) SetReadDeadline(time.Time) error  { return nil }
func (w *freeWriter) SetWriteDeadline(time.Time) error { return nil }

func BenchmarkDefault(b *testing.B) {
	for _, log := range []struct {
		name    string
		handler slog.Handler
	}{{"NoLog", slog.DiscardHandler}, {"JSONLog", slog.NewJSONHandler(io.Discard, nil)}} { //nolint:sloglint // what a log costs is measured
		for _, preset := range []struct {
			name    string
			headers security.HeadersConfig
		}{{"API", security.APIHeaders()}, {"HTML", security.HTMLHeaders()}} {
			b.Run(preset.name+"/"+log.name, func(b *testing.B) {
				c := required()
				c.Headers = preset.headers
				c.IPLimit.Policies[0].Limit = 1e9
				c.Logger = slog.New(log.handler)
				h := mustDefault(b, c).Then(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }))
				r := httptest.NewRequest("GET", "/api/items?page=2", nil)
				r.Header.Set("User-Agent", "curl/8.5")
				w := &freeWriter{header: http.Header{}}
				b.ReportAllocs()
				for b.Loop() {
					clear(w.header)
					h.ServeHTTP(w, r)
				}
			})
		}
	}
}

func ExampleDefault() {
	config := security.Config{
		Target:  security.TargetConfig{Hosts: []string{"example.com"}},
		IPLimit: security.RateLimitConfig{Policies: []security.RatePolicy{{Limit: rate.Every(time.Second), Burst: 60}}},
		Body:    security.BodyConfig{MediaTypes: []string{"application/json"}},
		Logger:  slog.New(slog.DiscardHandler),
	}
	chain, err := security.Default(config)
	if err != nil {
		fmt.Println(err)
		return
	}
	handler := chain.ThenFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") })
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	fmt.Println(w.Code, w.Body, w.Header().Get("X-Content-Type-Options"))
	// Output: 200 hello nosniff
}

func ExampleConfig_Explain() {
	config := security.Config{Off: []security.Stage{security.StageCrossOrigin}}
	fmt.Print(config.Explain())
	// Output:
	// recover          on   a panic is logged and answered 500
	// request-id       on   every request has an id, in its answer and in logs
	// client-ip        on   the client is the peer of the connection
	// access-log       on   every request is logged, redacted
	// target           on   only the hosts served here, and paths with one reading
	// headers          on   every answer has security fields, refusals too
	// deadlines        on   a slow client or handler is given up
	// ip-limit         on   each client's address has a quota
	// cors             off  Config.CORS is nil: no page of another origin may read answers
	// methods          on   methods that no handler implements are refused
	// cross-origin     off  turned off by Config.Off
	// body             on   bodies are of a declared type, length and coding
	// access           off  Config.Access is nil: handlers protect themselves by Access.Require
	// principal-limit  off  Config.PrincipalLimit is nil
	// decode           on   handlers read bodies by Decode, within the bounds of the body stage
}
