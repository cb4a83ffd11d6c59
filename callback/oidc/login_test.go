package oidc_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/gatehouse-go/gatehouse/callback"
	"github.com/gatehouse-go/gatehouse/callback/callbacktest"
	"github.com/gatehouse-go/gatehouse/callback/oidc"
	"github.com/gatehouse-go/gatehouse/internal/testbrowser"
)

// mustSignIn signs in as ana.
func (a *app) mustSignIn() {
	a.t.Helper()
	got := a.Open(a.answer(a.Browser, "/login"))
	if got.StatusCode != 303 || a.signedIn(a.Browser) != "ana" {
		a.t.Fatalf("%d %s\nlog: %s", got.StatusCode, got.Text, a.log)
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

func TestClaimsThatProvidersWriteInTwoWays(t *testing.T) {
	var seen oidc.Identity
	a := start(t, func(c *oidc.Config[account], _ *callbacktest.Provider) {
		c.User = func(ctx context.Context, id oidc.Identity) (account, error) {
			seen = id
			return accountOf(ctx, id)
		}
	})
	for _, amr := range []any{"pwd", []string{"pwd"}} {
		a.op.SetSubject("ana", map[string]any{"amr": amr, "auth_time": 1e9 + 0.5})
		a.mustSignIn()
		if len(seen.AMR) != 1 || seen.AMR[0] != "pwd" || seen.AuthTime.Unix() != 1e9 {
			t.Errorf("amr %v, auth_time %v", seen.AMR, seen.AuthTime)
		}
	}
}

func TestProviderWithoutUserInfo(t *testing.T) {
	op := callbacktest.NewProvider(t, callbacktest.ProviderConfig{})
	a := startAt(t, op, func(c *oidc.Config[account], _ *callbacktest.Provider) {
		c.Providers[0].UserInfo = true
		c.Client = proxyTo(t, op, func(s string) string { return strings.Replace(s, `"userinfo_endpoint"`, `"x"`, 1) })
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
		c.Providers = append(c.Providers, oidc.Provider{ID: "other", Name: "The <other> one", Issuer: other.Issuer, ClientID: other.ClientID, ClientSecret: oidc.Secret(other.ClientSecret)})
	})
	got := a.Open("/login?return_to=/inbox")
	for _, link := range []string{`<a href="/login?provider=main&amp;return_to=%2Finbox">main</a>`, `<a href="/login?provider=other&amp;return_to=%2Finbox">The &lt;other&gt; one</a>`} {
		if got.StatusCode != 200 || !strings.Contains(got.Text, "Choose how to sign in") || !strings.Contains(got.Text, link) || len(got.Header["Set-Cookie"]) > 0 {
			t.Errorf("without a choice: %d %s", got.StatusCode, got.Text)
		}
	}
	for name, r := range map[string]*http.Request{
		"a script without a choice": a.Request("GET", "/login", "", "Accept", "application/json"),
		"an unknown choice":         a.Request("GET", "/login?provider=x", ""),
		"a hostile target":          a.Request("GET", "/login?return_to=//evil.example", ""),
	} {
		if got := a.Send(r); got.StatusCode != 400 {
			t.Errorf("%s: %d", name, got.StatusCode)
		}
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
	got = a.Open(a.Open(a.Open("/login?provider=other").Header.Get("Location")).Header.Get("Location"))
	if a.signedIn(a.Browser) != "ben" {
		t.Errorf("not signed in at the second: %d\n%s", got.StatusCode, a.log)
	}
}

func TestRetryKeepsThePageAndTheProvider(t *testing.T) {
	a := start(t, func(c *oidc.Config[account], _ *callbacktest.Provider) {
		second := c.Providers[0]
		c.Providers[0].ID, second.ID = "one", "two"
		c.Providers = append(c.Providers, second)
	})
	const link = `<a href="/login?provider=two&amp;return_to=%2Finbox%3Fa%3D1">`
	kept := func(when string, got testbrowser.Answer, status int) {
		t.Helper()
		if got.StatusCode != status || !strings.Contains(got.Text, link) {
			t.Errorf("%s: %d %s", when, got.StatusCode, got.Text)
		}
	}
	begin := func() string { return a.answer(a.Browser, "/login?provider=two&return_to=/inbox%3Fa=1") }
	back := begin()
	kept("in another browser", a.Another().Open(back), 403)
	kept("without code", a.Open(with(t, back, "code", "")), 400)
	if got := a.Open(back); got.Header.Get("Location") != "/inbox?a=1" {
		t.Errorf("%d %v", got.StatusCode, got.Header)
	}
	kept("used", a.Open(back), 410)
	kept("used, in another browser", a.Another().Open(back), 410)
	kept("another code", a.Open(with(t, begin(), "code", "x")), 400)
	a.op.SetFaults(callbacktest.Faults{Error: "access_denied"})
	kept("denied", a.Open(begin()), 403)
}

func TestPrefetchBeginsNoLogin(t *testing.T) {
	a := start(t, nil)
	for range 10 {
		if got := a.Send(a.Request("GET", "/login", "", "Sec-Purpose", "prefetch")); got.StatusCode != 503 {
			t.Errorf("%d", got.StatusCode)
		}
	}
	back := a.answer(a.Browser, "/login")
	if got := a.Send(a.Request("GET", back, "", "Sec-Purpose", "prefetch;prerender")); got.StatusCode != 503 || a.op.Calls("/token") != 0 {
		t.Errorf("%d", got.StatusCode)
	}
	if a.Open(back); a.signedIn(a.Browser) != "ana" {
		t.Error("not signed in")
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
	identifyErr = &callback.Reason{Text: "no member", Status: 403, Title: "You are not a member", Cause: "Ask to be invited."}
	if got := a.Open(a.answer(a.Browser, "/login")); got.StatusCode != 403 || !strings.Contains(got.Text, "not a member") {
		t.Errorf("with a reason: %d", got.StatusCode)
	}
	identifyErr = errors.New("down")
	if got := a.Open(a.answer(a.Browser, "/login")); got.StatusCode != 503 {
		t.Errorf("when it cannot be asked: %d", got.StatusCode)
	}
}

func TestClaimsOfAnotherType(t *testing.T) {
	a := start(t, nil)
	a.op.SetSubject("ana", map[string]any{"azp": 7})
	a.refused(a.answer(a.Browser, "/login"), 403, "could not verify")
}
