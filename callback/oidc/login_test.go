package oidc_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/gatehouse-go/gatehouse/callback"
	"github.com/gatehouse-go/gatehouse/callback/callbacktest"
	"github.com/gatehouse-go/gatehouse/callback/oidc"
)

// mustSignIn signs in as ana.
func (a *app) mustSignIn() {
	a.t.Helper()
	got := a.Open(a.answer(a.Browser, "/login"))
	if got.StatusCode != 303 || a.signedIn(a.Browser) != "ana" {
		a.t.Fatalf("%d %s\nlog: %s", got.StatusCode, got.Text, a.log)
	}
}

func TestClientAuthentication(t *testing.T) {
	key := func(k crypto.Signer, err error) crypto.Signer {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	p256 := key(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	for _, tt := range []struct {
		name   string
		op     callbacktest.ProviderConfig
		change func(*oidc.Provider)
	}{
		{"secret in the header", callbacktest.ProviderConfig{ClientID: "a b", ClientSecret: "p%+/:?"}, func(p *oidc.Provider) { p.ClientAuth = oidc.AuthBasic }},
		{"secret in the form", callbacktest.ProviderConfig{ClientSecret: "p%+/:?"}, func(p *oidc.Provider) { p.ClientAuth = oidc.AuthPost }},
		{"no secret", callbacktest.ProviderConfig{PublicClient: true}, func(p *oidc.Provider) {}},
		{"P-256 key", callbacktest.ProviderConfig{ClientKey: p256.Public()}, func(p *oidc.Provider) { p.PrivateKey, p.KeyID = p256, "k" }},
		{"P-384 key", callbacktest.ProviderConfig{}, func(p *oidc.Provider) { p.PrivateKey = key(ecdsa.GenerateKey(elliptic.P384(), rand.Reader)) }},
		{"P-521 key", callbacktest.ProviderConfig{}, func(p *oidc.Provider) { p.PrivateKey = key(ecdsa.GenerateKey(elliptic.P521(), rand.Reader)) }},
		{"RSA key", callbacktest.ProviderConfig{}, func(p *oidc.Provider) { p.PrivateKey = key(rsa.GenerateKey(rand.Reader, 2048)) }},
		{"Ed25519 key", callbacktest.ProviderConfig{}, func(p *oidc.Provider) {
			_, k, err := ed25519.GenerateKey(rand.Reader)
			p.PrivateKey = key(k, err)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var p oidc.Provider
			tt.change(&p)
			if p.PrivateKey != nil {
				tt.op.ClientKey = p.PrivateKey.Public()
			}
			op := callbacktest.NewProvider(t, tt.op)
			a := startAt(t, op, func(c *oidc.Config[account], op *callbacktest.Provider) {
				p.Issuer, p.ClientID, p.ClientSecret = op.Issuer, op.ClientID, oidc.Secret(op.ClientSecret)
				c.Providers[0] = p
			})
			a.mustSignIn() // which pushes its request, authenticated in the same way
			if op.Calls("/par") != 1 {
				t.Errorf("%d requests were pushed", op.Calls("/par"))
			}
		})
	}
}

func TestSecretInTheFormWhereTheProviderTakesNoOther(t *testing.T) {
	op := callbacktest.NewProvider(t, callbacktest.ProviderConfig{})
	front := proxyTo(t, op, func(body string) string { return strings.Replace(body, `"client_secret_basic",`, "", 1) })
	a := startAt(t, op, func(c *oidc.Config[account], _ *callbacktest.Provider) { c.HTTPClient = front })
	a.mustSignIn()
}

// proxyTo returns a client that reaches op, with the provider's metadata changed on the way.
func proxyTo(t *testing.T, op *callbacktest.Provider, change func(string) string) *http.Client {
	t.Helper()
	return &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		res, err := op.Client().Transport.RoundTrip(r)
		if err != nil || !strings.HasSuffix(r.URL.Path, "/openid-configuration") {
			return res, err
		}
		defer res.Body.Close()
		w := httptest.NewRecorder()
		w.Header().Set("Content-Type", "application/json")
		var b strings.Builder
		if _, err := fmt.Fprint(&b, readAll(t, res)); err != nil {
			return nil, err
		}
		_, _ = w.WriteString(change(b.String()))
		return w.Result(), nil
	})}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestRequestWithoutPAR(t *testing.T) {
	for name, change := range map[string]func(*oidc.Config[account], *callbacktest.Provider){
		"not offered": func(_ *oidc.Config[account], op *callbacktest.Provider) {
			op.SetFaults(callbacktest.Faults{NoPushed: true})
		},
		"not wanted": func(c *oidc.Config[account], _ *callbacktest.Provider) { c.Providers[0].DisablePAR = true },
	} {
		t.Run(name, func(t *testing.T) {
			a := start(t, change)
			target := a.toProvider(a.Browser, "/login")
			for name, want := range map[string]string{"response_type": "code", "client_id": a.op.ClientID, "redirect_uri": a.URL + "/auth/callback", "scope": "openid profile email", "code_challenge_method": "S256"} {
				if got := param(t, target, name); got != want {
					t.Errorf("%s = %q, want %q", name, got, want)
				}
			}
			a.mustSignIn()
			if a.op.Calls("/par") != 0 {
				t.Error("pushed")
			}
		})
	}
}

func TestPushedRequestShowsNothing(t *testing.T) {
	a := start(t, nil)
	u, _ := url.Parse(a.toProvider(a.Browser, "/login"))
	if q := u.Query(); len(q) != 2 || q.Get("client_id") == "" || q.Get("request_uri") == "" {
		t.Errorf("parameters: %v", q)
	}
	a.op.SetFaults(callbacktest.Faults{PushedFails: true})
	if got := a.Open("/login"); got.StatusCode != 503 || !strings.Contains(a.log.String(), "pushed authorization request: provider answered 500 server_error") {
		t.Errorf("%d, log %s", got.StatusCode, a.log)
	}
}

func TestPushedRequestWithoutAnswer(t *testing.T) {
	a := start(t, func(c *oidc.Config[account], op *callbacktest.Provider) {
		c.HTTPClient = &http.Client{Timeout: time.Second, Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			if r.URL.Path == "/par" {
				w := httptest.NewRecorder()
				_, _ = w.WriteString("{}")
				return w.Result(), nil
			}
			return op.Client().Transport.RoundTrip(r)
		})}
	})
	if got := a.Open("/login"); got.StatusCode != 503 || !strings.Contains(a.log.String(), "no request_uri") {
		t.Errorf("%d, log %s", got.StatusCode, a.log)
	}
}

func TestAuthorizationIsPassedThrough(t *testing.T) {
	age := 5 * time.Minute
	ask := oidc.Authorization{Prompt: "login", LoginHint: "ana@example.com", ACRValues: []string{"high", "low"}, MaxAge: &age, UILocales: []string{"de", "en"}}
	var seen oidc.Identity
	a := start(t, func(c *oidc.Config[account], _ *callbacktest.Provider) {
		c.Authorize = func(*http.Request) oidc.Authorization { return ask }
		c.User = func(ctx context.Context, id oidc.Identity) (account, error) {
			seen = id
			return accountOf(ctx, id)
		}
	})
	a.mustSignIn()
	r := a.op.Requests()[0]
	for name, want := range map[string]string{"prompt": "login", "login_hint": "ana@example.com", "acr_values": "high low", "max_age": "300", "ui_locales": "de en"} {
		if r.Get(name) != want {
			t.Errorf("%s = %q, want %q", name, r.Get(name), want)
		}
	}
	if seen.ACR != "high" || time.Since(seen.AuthTime) > time.Minute || seen.SessionID == "" || seen.Issuer != a.op.Issuer {
		t.Errorf("identity: %+v", seen)
	}
	for name, f := range map[string]callbacktest.Faults{"missing": {AuthTimeMissing: true}, "long ago": {AuthTimeLongAgo: true}} {
		a.op.SetFaults(f)
		if got := a.Open(a.answer(a.Browser, "/login")); got.StatusCode != 403 {
			t.Errorf("auth_time %s: %d", name, got.StatusCode)
		}
	}
}

func TestMoreFaultsOfTheProvider(t *testing.T) {
	for _, tt := range []struct {
		name   string
		fault  callbacktest.Faults
		status int
		words  string
		cause  string // in the log
	}{
		{"no subject", callbacktest.Faults{SubjectMissing: true}, 403, "could not verify", "sub is missing"},
		{"no iat", callbacktest.Faults{IssuedAtMissing: true}, 403, "could not verify", "iat is missing"},
		{"damaged signature", callbacktest.Faults{SignatureDamaged: true}, 403, "could not verify", "signature"},
		{"userinfo refuses", callbacktest.Faults{UserInfoFails: true}, 503, "does not answer", "userinfo"},
		{"code refused", callbacktest.Faults{CodeRefused: true}, 400, "cannot be finished", "invalid_grant"},
		{"token endpoint fails", callbacktest.Faults{TokenFails: true}, 503, "does not answer", "provider answered 500 server_error"},
		{"server error", callbacktest.Faults{Error: "server_error"}, 503, "does not answer", "server_error"},
		{"overloaded", callbacktest.Faults{Error: "temporarily_unavailable"}, 503, "does not answer", "temporarily_unavailable"},
		{"login required", callbacktest.Faults{Error: "login_required"}, 401, "need to sign in", "login_required"},
		{"an error code that is none", callbacktest.Faults{Error: "x\n\"y"}, 403, "said no", "unreadable error code"},
		{"a long error code", callbacktest.Faults{Error: strings.Repeat("x", 65)}, 403, "said no", "unreadable error code"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := start(t, func(c *oidc.Config[account], _ *callbacktest.Provider) { c.Providers[0].UserInfo = true })
			a.op.SetFaults(tt.fault)
			a.refused(a.answer(a.Browser, "/login?return_to=/inbox"), tt.status, tt.words)
			if !strings.Contains(a.log.String(), tt.cause) {
				t.Errorf("%q is not in the log:\n%s", tt.cause, a.log)
			}
		})
	}
}

func TestKeyRotation(t *testing.T) {
	a := start(t, nil)
	a.mustSignIn()
	a.mustSignIn()
	if n := a.op.Calls("/jwks"); n != 1 {
		t.Errorf("keys were fetched %d times", n)
	}
	a.op.RotateKey(t)
	a.mustSignIn()
	if n := a.op.Calls("/jwks"); n != 2 {
		t.Errorf("after the rotation keys were fetched %d times", n)
	}
	if n := a.op.Calls("/.well-known/openid-configuration"); n != 1 {
		t.Errorf("metadata was fetched %d times", n)
	}
}

func TestClaimsOfBothKinds(t *testing.T) {
	var seen oidc.Identity
	a := start(t, func(c *oidc.Config[account], _ *callbacktest.Provider) {
		c.Providers[0].UserInfo = true
		c.Providers[0].Scopes = []string{"email"}
		c.User = func(ctx context.Context, id oidc.Identity) (account, error) {
			seen = id
			return accountOf(ctx, id)
		}
	})
	a.op.SetSubject("ana", map[string]any{"email": "ana@example.com"})
	a.mustSignIn()
	var claims struct {
		Email    string
		UserInfo bool
		Nonce    string
	}
	if err := seen.Decode(&claims); err != nil || claims.Email != "ana@example.com" || !claims.UserInfo || claims.Nonce == "" {
		t.Errorf("claims: %+v, %v", claims, err)
	}
	if got := a.op.Requests()[0].Get("scope"); got != "openid email" {
		t.Errorf("scope %q", got)
	}
	seen.Claims = []byte("[]")
	if err := seen.Decode(&claims); err == nil {
		t.Error("claims that are no object were decoded")
	}
}

func TestProviderWithoutUserInfo(t *testing.T) {
	op := callbacktest.NewProvider(t, callbacktest.ProviderConfig{})
	a := startAt(t, op, func(c *oidc.Config[account], _ *callbacktest.Provider) {
		c.Providers[0].UserInfo = true
		c.HTTPClient = proxyTo(t, op, func(s string) string { return strings.Replace(s, `"userinfo_endpoint"`, `"x"`, 1) })
	})
	a.mustSignIn()
	if op.Calls("/userinfo") != 0 {
		t.Error("asked")
	}
}

func TestErrorOfTheApplication(t *testing.T) {
	a := start(t, func(c *oidc.Config[account], _ *callbacktest.Provider) {
		c.User = func(_ context.Context, id oidc.Identity) (account, error) {
			return account{}, fmt.Errorf("token %s: %w", id.Tokens.Access, &callback.Reason{Text: "locked", Status: 403, Title: "Your account is locked", Cause: "Call us."})
		}
	})
	a.refused(a.answer(a.Browser, "/login"), 403, "Your account is locked")
	if !strings.Contains(a.log.String(), "token [redacted]: locked") {
		t.Errorf("log: %s", a.log)
	}
}

func TestStartRefuses(t *testing.T) {
	a := start(t, nil)
	for path, status := range map[string]int{
		"/login?return_to=//evil.example":                400,
		"/login?return_to=https://x.test/":               400,
		"/login?return_to=/a&return_to=/b":               400,
		"/login?return_to=%zz":                           400,
		"/login?provider=x":                              400,
		"/login?return_to=/" + strings.Repeat("a", 2500): 400,
	} {
		if got := a.Open(path); got.StatusCode != status || len(a.Cookies()) != 0 {
			t.Errorf("%.40s: %d, want %d", path, got.StatusCode, status)
		}
	}
	for path, allow := range map[string]string{"/login": "GET", "/auth/callback": "GET", "/logout": "POST", "/backchannel": "POST", "/frontchannel": "GET"} {
		for _, method := range []string{"HEAD", "PUT", "DELETE"} {
			if got := a.Send(a.Request(method, path, "")); got.StatusCode != 405 || got.Header.Get("Allow") != allow {
				t.Errorf("%s %s: %d, Allow %q", method, path, got.StatusCode, got.Header.Get("Allow"))
			}
		}
	}
}

func TestReturnToOwnOriginIsAllowed(t *testing.T) {
	a := start(t, nil)
	if got := a.Open(a.answer(a.Browser, "/login?return_to="+url.QueryEscape(a.URL+"/inbox"))); got.Header.Get("Location") != a.URL+"/inbox" {
		t.Errorf("%d %s", got.StatusCode, got.Header.Get("Location"))
	}
}

func TestMalformedCallback(t *testing.T) {
	a := start(t, nil)
	a.refused("/auth/callback?code=%zz", 400, "damaged")
	a.refused(a.answer(a.Browser, "/login")+"&code=x", 400, "damaged")
	a.refused(a.answer(a.Browser, "/login")+"&iss=x", 400, "damaged")
}

func TestSeveralProviders(t *testing.T) {
	other := callbacktest.NewProvider(t, callbacktest.ProviderConfig{ClientID: "at-other"})
	a := start(t, func(c *oidc.Config[account], op *callbacktest.Provider) {
		// Neither says who answers, so that nothing but the path tells them apart.
		op.SetFaults(callbacktest.Faults{NoResponseIssuer: true, NoPushed: true})
		other.SetFaults(callbacktest.Faults{NoResponseIssuer: true, NoPushed: true})
		c.Providers[0].ID = "main"
		c.Providers = append(c.Providers, oidc.Provider{ID: "other", Issuer: other.Issuer, ClientID: other.ClientID, ClientSecret: oidc.Secret(other.ClientSecret)})
	})
	if got := a.Open("/login"); got.StatusCode != 400 || !strings.Contains(got.Text, "Choose how to sign in") {
		t.Errorf("without a choice: %d", got.StatusCode)
	}
	target := a.toProvider(a.Browser, "/login?provider=main")
	if got := param(t, target, "redirect_uri"); got != a.URL+"/auth/callback/main" {
		t.Errorf("redirect URI %s", got)
	}
	back := a.Open(target).Header.Get("Location")
	mixed := strings.Replace(back, "/callback/main", "/callback/other", 1)
	a.refused(mixed, 403, "could not verify")
	a.notRedeemed()
	if a.Open(a.answer(a.Browser, "/login?provider=main")); a.signedIn(a.Browser) != "ana" {
		t.Error("not signed in at the first")
	}
	other.SetSubject("ben", nil)
	got := a.Open(a.Open(a.Open("/login?provider=other").Header.Get("Location")).Header.Get("Location"))
	if a.signedIn(a.Browser) != "ben" {
		t.Errorf("not signed in at the second: %d\n%s", got.StatusCode, a.log)
	}
}

func TestProviderThatIsTakenAwayMeanwhile(t *testing.T) {
	op := callbacktest.NewProvider(t, callbacktest.ProviderConfig{})
	before := startAt(t, op, nil)
	after := startAt(t, op, func(c *oidc.Config[account], _ *callbacktest.Provider) { c.Providers[0].ID = "new" })
	back := before.answer(before.Browser, "/login") // cookies know no ports: the browser takes them along
	after.Jar = before.Jar
	after.refused(strings.Replace(back, before.URL, after.URL, 1), 400, "Choose how to sign in")
}

func TestFlowOfAnotherVersion(t *testing.T) {
	a := start(t, nil)
	flows, err := callback.NewFlows(callback.FlowsConfig{Keys: keyring(t), Name: "login"})
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	state, err := flows.Begin(w, httptest.NewRequest("GET", "/", nil), []byte("not JSON"))
	if err != nil {
		t.Fatal(err)
	}
	u, _ := url.Parse(a.URL)
	a.Jar.SetCookies(u, w.Result().Cookies())
	a.refused("/auth/callback?code=x&state="+state, 403, "did not begin here")
}

func TestProviderWithoutIDTokens(t *testing.T) {
	op := callbacktest.NewProvider(t, callbacktest.ProviderConfig{})
	op.SetFaults(callbacktest.Faults{IDTokenMissing: true, NoResponseIssuer: true})
	subject := "42"
	var identifyErr error
	a := startAt(t, op, func(c *oidc.Config[account], op *callbacktest.Provider) {
		c.Providers[0].Issuer, c.Providers[0].Scopes = "", []string{"read:user"}
		c.Providers[0].OAuth2 = &oidc.OAuth2{
			AuthURL: op.Issuer + "/authorize", TokenURL: op.Issuer + "/token",
			Identify: func(ctx context.Context, client *http.Client) (oidc.Identity, error) {
				r, err := http.NewRequestWithContext(ctx, "GET", op.Issuer+"/userinfo", nil)
				if err != nil {
					return oidc.Identity{}, err
				}
				res, err := client.Do(r)
				if err != nil {
					return oidc.Identity{}, err
				}
				defer res.Body.Close()
				if res.StatusCode != 200 {
					return oidc.Identity{}, fmt.Errorf("userinfo: %d", res.StatusCode)
				}
				return oidc.Identity{Subject: subject}, identifyErr
			},
		}
	})
	target := a.toProvider(a.Browser, "/login")
	if param(t, target, "nonce") != "" || param(t, target, "code_challenge_method") != "S256" || param(t, target, "scope") != "read:user" {
		t.Errorf("request: %s", target)
	}
	if a.Open(a.answer(a.Browser, "/login")); a.signedIn(a.Browser) != "42" {
		t.Errorf("signed in as %q", a.signedIn(a.Browser))
	}
	subject = ""
	if got := a.Open(a.answer(a.Browser, "/login")); got.StatusCode != 403 {
		t.Errorf("without subject: %d", got.StatusCode)
	}
	identifyErr = errors.New("down")
	if got := a.Open(a.answer(a.Browser, "/login")); got.StatusCode != 503 {
		t.Errorf("when it cannot be asked: %d", got.StatusCode)
	}
}

func TestOwnPageAndOwnAnswer(t *testing.T) {
	a := start(t, func(c *oidc.Config[account], _ *callbacktest.Provider) {
		c.Page = template.Must(template.New("").Parse("{{.Status}} {{.Link}}"))
		c.LoginPath = "/login?from=page"
	})
	if got := a.Open("/auth/callback"); got.Text != "400 /login?from=page" {
		t.Errorf("%s", got.Text)
	}
	a.op.SetFaults(callbacktest.Faults{Error: "access_denied"})
	if got := a.Open(a.answer(a.Browser, "/login?return_to=/inbox")); got.Text != "403 /login?from=page&amp;return_to=%2Finbox" {
		t.Errorf("%s", got.Text)
	}
	a = start(t, func(c *oidc.Config[account], _ *callbacktest.Provider) {
		c.OnError = func(w http.ResponseWriter, _ *http.Request, err error) {
			w.WriteHeader(418)
			fmt.Fprint(w, errors.Is(err, callback.ErrTicketMissing))
		}
	})
	if got := a.Open("/auth/callback"); got.StatusCode != 418 || got.Text != "true" {
		t.Errorf("%d %s", got.StatusCode, got.Text)
	}
}

func TestSessionsOfItsOwn(t *testing.T) {
	a := start(t, func(c *oidc.Config[account], _ *callbacktest.Provider) {
		c.Sessions = nil
		c.User = func(_ context.Context, id oidc.Identity) (account, error) { return account{Subject: id.Subject}, nil }
	})
	a.mustSignIn()
	if got := a.Another().Open("/inbox"); got.Header.Get("Location") != "/login?return_to=%2Finbox" {
		t.Errorf("%d %s", got.StatusCode, got.Header.Get("Location"))
	}
}

func TestNewReportsEveryMistake(t *testing.T) {
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Skip("this Go makes no small keys:", err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, err = oidc.New(t.Context(), oidc.Config[account]{
		BaseURL: "http://app.example.com", CallbackPath: "//evil.example", Home: "https://x.example/",
		Providers: []oidc.Provider{
			{},
			{ID: "a/b", Issuer: "http://idp.example.com", ClientID: "c", ClientSecret: "s", ClientAuth: oidc.AuthNone},
			{ID: "q", Issuer: "https://idp.example.com?x", ClientID: "c", ClientAuth: oidc.AuthBasic, Algorithms: []string{"RS256", "HS256"}},
			{ID: "k", Issuer: "https://idp.example.com", ClientID: "c", ClientAuth: oidc.AuthPrivateKey},
			{ID: "k", Issuer: "https://user@idp.example.com", ClientID: "c", PrivateKey: small},
			{ID: "u", Issuer: "https://idp.example.com", ClientID: "c", ClientAuth: "mtls"},
			{ID: "o", ClientID: "c", UserInfo: true, PrivateKey: key, OAuth2: &oidc.OAuth2{AuthURL: "ftp://x.example/", TokenURL: ""}},
			{ID: "p", Issuer: "https://idp.example.com", ClientID: "c", ClientSecret: "s", PrivateKey: key},
		},
	})
	want := []string{
		`Config.BaseURL = "http://app.example.com" must begin with https`, "Config.User is required", "Config.Keys is required",
		"Providers[0].ID is required", "Providers[0].ClientID is required", "Providers[0].Issuer is required",
		`Providers[1].ID = "a/b"`, `Providers[1].Issuer = "http://idp.example.com" must be a URL with https`, "Providers[1].ClientSecret must be empty",
		"Providers[2].Issuer", "Providers[2].ClientSecret is required", `Providers[2].Algorithms = "HS256"`,
		"Providers[3].PrivateKey is required", "Providers[4].PrivateKey must be RSA", `Providers[4].ID = "k" must differ`, `Providers[4].Issuer = "https://user@`,
		`Providers[5].ClientAuth = "mtls"`,
		"Providers[6].OAuth2.AuthURL", "Providers[6].OAuth2.TokenURL", "Providers[6].OAuth2.Identify", "Providers[6].UserInfo", "Providers[6].AssertionAudience",
		"Providers[7].ClientSecret must be empty",
	}
	lines := strings.Split(fmt.Sprint(err), "\n")
	for _, w := range want {
		if !slices.ContainsFunc(lines, func(line string) bool { return strings.Contains(line, w) }) {
			t.Errorf("%s is not in\n%v", w, err)
		}
	}
	if len(lines) != len(want) {
		t.Errorf("%d mistakes, want %d:\n%v", len(lines), len(want), err)
	}

	_, err = oidc.New(t.Context(), oidc.Config[account]{BaseURL: "https://app.example.com", CallbackPath: "//evil.example", Home: "https://x.example/", LoginPath: "login", AfterLogout: "https://app.example.com/"})
	for _, w := range []string{"Config.CallbackPath", "Config.Home", "Config.LoginPath", "Config.AfterLogout", "Config.Providers"} {
		if !strings.Contains(fmt.Sprint(err), w) {
			t.Errorf("%s is not in\n%v", w, err)
		}
	}
	if _, err := oidc.New(t.Context(), oidc.Config[account]{Keys: keyring(t), Lifetime: time.Millisecond}); !strings.Contains(fmt.Sprint(err), "Lifetime = 1ms") {
		t.Errorf("lifetime: %v", err)
	}
	for _, base := range []string{"", "app.example.com", "https://app.example.com/path"} {
		if _, err := oidc.New(t.Context(), oidc.Config[account]{BaseURL: base}); !strings.Contains(fmt.Sprint(err), "Config.BaseURL") {
			t.Errorf("BaseURL %q: %v", base, err)
		}
	}
}

func TestProviderThatCannotBeReached(t *testing.T) {
	op := callbacktest.NewProvider(t, callbacktest.ProviderConfig{})
	down := true
	flaky := &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		if down {
			return nil, errors.New("no route to host")
		}
		return op.Client().Transport.RoundTrip(r)
	})}
	var log strings.Builder
	c := config(t, "https://app.example.com", op, nil, &log)
	c.HTTPClient = flaky
	if _, err := oidc.New(t.Context(), c); err == nil || !strings.Contains(err.Error(), "no route to host") {
		t.Errorf("New: %v", err)
	}
	a := startAt(t, op, func(c *oidc.Config[account], _ *callbacktest.Provider) {
		c.HTTPClient, c.AllowUnreachable = flaky, true
	})
	if got := a.Open("/login"); got.StatusCode != 503 || !strings.Contains(got.Text, "does not answer") {
		t.Errorf("%d %s", got.StatusCode, got.Text)
	}
	down = false
	if got := a.Open("/login"); got.StatusCode != 503 {
		t.Errorf("asked again at once: %d", got.StatusCode)
	}
}

func TestLongTargetFits(t *testing.T) {
	a := start(t, nil)
	target := "/?" + strings.Repeat("&<", 500)
	if got := a.Open(a.answer(a.Browser, "/login?return_to="+url.QueryEscape(target))); got.StatusCode != 303 || len(got.Header.Get("Location")) < 2000 {
		t.Errorf("%d %s", got.StatusCode, got.Header.Get("Location"))
	}
}

func TestClaimsOfAnotherType(t *testing.T) {
	a := start(t, nil)
	a.op.SetSubject("ana", map[string]any{"azp": 7})
	a.refused(a.answer(a.Browser, "/login"), 403, "could not verify")
}

func TestProviderThatGoesAwayMeanwhile(t *testing.T) {
	op := callbacktest.NewProvider(t, callbacktest.ProviderConfig{})
	up := startAt(t, op, nil)
	down := startAt(t, op, func(c *oidc.Config[account], _ *callbacktest.Provider) {
		c.AllowUnreachable = true
		c.HTTPClient = &http.Client{Transport: roundTrip(func(*http.Request) (*http.Response, error) { return nil, errors.New("no route to host") })}
	})
	back := up.answer(up.Browser, "/login")
	down.Jar = up.Jar
	down.refused(strings.Replace(back, up.URL, down.URL, 1), 503, "does not answer")
	token := op.Sign(t, "logout+jwt", op.LogoutToken("ana", ""))
	if got := down.Send(down.Request("POST", "/backchannel", "logout_token="+token)); got.StatusCode != 503 {
		t.Errorf("logout: %d", got.StatusCode)
	}
	if _, err := down.login.Refresh(t.Context(), oidc.Tokens{Access: "a", Refresh: "r"}); !errors.Is(err, oidc.ErrUnreachable) {
		t.Errorf("refresh: %v", err)
	}
	up.mustSignIn()
	down.Jar = up.Jar // sessions are in stores of their own
	if got := down.Post("/logout", nil); got.StatusCode != 303 || got.Header.Get("Location") != "/" {
		t.Errorf("logout: %d", got.StatusCode)
	}
}

func TestEndpointsThatBreakOff(t *testing.T) {
	for name, breakOff := range map[string]func() (*http.Response, error){
		"no connection": func() (*http.Response, error) { return nil, errors.New("no route to host") },
		"half an answer": func() (*http.Response, error) {
			return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(iotest.ErrReader(errors.New("cut off")))}, nil
		},
	} {
		for path, open := range map[string]func(*app) string{"/par": func(*app) string { return "/login" }, "/token": func(a *app) string { return a.answer(a.Browser, "/login") }} {
			a := start(t, func(c *oidc.Config[account], op *callbacktest.Provider) {
				c.HTTPClient = &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
					if r.URL.Path == path {
						return breakOff()
					}
					return op.Client().Transport.RoundTrip(r)
				})}
			})
			if got := a.Open(open(a)); got.StatusCode != 503 {
				t.Errorf("%s at %s: %d", name, path, got.StatusCode)
			}
		}
	}
}

// inBubble is a login whose provider is reached without the network, so that time can be faked.
func inBubble(t *testing.T, op *callbacktest.Provider, down *bool) *oidc.Login[account] {
	t.Helper()
	var log strings.Builder
	c := config(t, "https://app.example.com", op, nil, &log)
	c.HTTPClient = &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		if *down {
			return nil, errors.New("no route to host")
		}
		w := httptest.NewRecorder()
		op.ServeHTTP(w, r)
		return w.Result(), nil
	})}
	c.AllowUnreachable = true
	login, err := oidc.New(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return login
}

func TestMetadataIsFetchedAgain(t *testing.T) {
	op := callbacktest.NewProvider(t, callbacktest.ProviderConfig{})
	synctest.Test(t, func(t *testing.T) {
		down := true
		login := inBubble(t, op, &down)
		begin := func() string {
			w := httptest.NewRecorder()
			login.Start().ServeHTTP(w, httptest.NewRequest("GET", "/login", nil))
			return w.Header().Get("Location")
		}
		fetched := func() int { return op.Calls("/.well-known/openid-configuration") }
		if begin() != "" {
			t.Error("a login began at a provider that is down")
		}
		down = false
		time.Sleep(6 * time.Second)
		if begin() == "" || fetched() != 1 {
			t.Errorf("it is back: fetched %d times", fetched())
		}
		time.Sleep(59 * time.Minute)
		if begin(); fetched() != 1 {
			t.Errorf("within an hour: fetched %d times", fetched())
		}
		op.SetFaults(callbacktest.Faults{NoPushed: true})
		time.Sleep(2 * time.Minute)
		if target := begin(); fetched() != 2 || !strings.Contains(target, "code_challenge=") {
			t.Errorf("after an hour: fetched %d times, %s", fetched(), target)
		}
		down = true
		time.Sleep(time.Hour)
		if begin() == "" {
			t.Error("what was known is not used while the provider is down")
		}
		down = false
		if begin(); fetched() != 2 {
			t.Error("asked again at once")
		}
		time.Sleep(time.Minute)
		if begin(); fetched() != 3 {
			t.Error("not asked again after a minute")
		}
	})
}

func TestRefreshedTokensAreForgotten(t *testing.T) {
	op := callbacktest.NewProvider(t, callbacktest.ProviderConfig{})
	a := startAt(t, op, nil)
	a.mustSignIn()
	records, err := a.store.ListLinked(t.Context(), "user:ana")
	if err != nil || len(records) != 1 {
		t.Fatal(records, err)
	}
	var u account
	if err := json.Unmarshal(records[0].Data, &u); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		down := false
		login := inBubble(t, op, &down)
		old := u.Tokens
		old.Expires = time.Now()
		op.SetFaults(callbacktest.Faults{RefreshNoIDToken: true}) // the provider's clock is not the bubble's
		if _, err := login.Refresh(t.Context(), old); err != nil {
			t.Fatal(err)
		}
		time.Sleep(59 * time.Second)
		if _, err := login.Refresh(t.Context(), old); err != nil {
			t.Errorf("within a minute: %v", err)
		}
		time.Sleep(time.Second)
		if _, err := login.Refresh(t.Context(), old); !errors.Is(err, oidc.ErrNoRefresh) {
			t.Errorf("after a minute: %v", err)
		}
	})
}

func TestMetadataThatIsRefused(t *testing.T) {
	op := callbacktest.NewProvider(t, callbacktest.ProviderConfig{})
	for name, change := range map[string]func(string) string{
		"another issuer": func(s string) string {
			return strings.Replace(s, `"issuer":"https`, `"issuer":"https://elsewhere.example/?`, 1)
		},
		"token_endpoint": func(s string) string {
			return strings.Replace(s, `"token_endpoint":"https`, `"token_endpoint":"http`, 1)
		},
		"userinfo_endpoint": func(s string) string {
			return strings.Replace(s, `"userinfo_endpoint":"https`, `"userinfo_endpoint":"http`, 1)
		},
		"jwks_uri": func(s string) string { return strings.Replace(s, `"jwks_uri":"https`, `"jwks_uri":"file`, 1) },
		"cannot unmarshal": func(s string) string {
			return strings.Replace(s, `_parameter_supported":true`, `_parameter_supported":"x"`, 1)
		},
		"failed to decode": func(string) string { return "not JSON" },
		"unexpected end":   func(s string) string { return s[:len(s)/2] },
		"authorization_endp": func(s string) string {
			return strings.Replace(s, `"authorization_endpoint":"https`, `"authorization_endpoint":":`, 1)
		},
	} {
		var log strings.Builder
		c := config(t, "https://app.example.com", op, nil, &log)
		c.HTTPClient = proxyTo(t, op, change)
		if _, err := oidc.New(t.Context(), c); err == nil || (name != "another issuer" && !strings.Contains(err.Error(), name)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestPlainHTTPIsForLoopbackAlone(t *testing.T) {
	op := callbacktest.NewProvider(t, callbacktest.ProviderConfig{PlainHTTP: true})
	var log strings.Builder
	c := config(t, "https://app.example.com", op, nil, &log)
	c.HTTPClient = nil
	if _, err := oidc.New(t.Context(), c); err == nil {
		t.Error("accepted without InsecureHTTP")
	}
	c.Providers[0].InsecureHTTP = true
	if _, err := oidc.New(t.Context(), c); err != nil {
		t.Error(err)
	}
	for issuer, ok := range map[string]bool{"http://localhost:1": true, "http://[::1]:1": true, "http://10.0.0.1": false, "http://idp.example.com": false} {
		c.Providers[0].Issuer = issuer
		c.AllowUnreachable = true
		if _, err := oidc.New(t.Context(), c); (err == nil) != ok {
			t.Errorf("%s: %v", issuer, err)
		}
	}
}

func TestProviderCannotRedirectOrFlood(t *testing.T) {
	op := callbacktest.NewProvider(t, callbacktest.ProviderConfig{})
	for name, answer := range map[string]http.HandlerFunc{
		"redirect": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, op.Issuer+"/x", http.StatusFound) },
		"flood": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write([]byte(`{"issuer":"`))
			for range 3000 {
				_, _ = w.Write(make([]byte, 1000))
			}
		},
	} {
		s := httptest.NewTLSServer(answer)
		var log strings.Builder
		c := config(t, "https://app.example.com", op, nil, &log)
		c.Providers[0].Issuer = s.URL
		if _, err := oidc.New(t.Context(), c); err == nil {
			t.Errorf("%s: accepted", name)
		}
		s.Close()
	}
}
