package oidc_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/callback/callbacktest"
	"github.com/gatehouse-go/gatehouse/callback/oidc"
)

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
		c.Client = &http.Client{Timeout: time.Second, Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
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

func TestLongTargetFits(t *testing.T) {
	a := start(t, nil)
	target := "/?" + strings.Repeat("&<", 500)
	if got := a.Open(a.answer(a.Browser, "/login?return_to="+url.QueryEscape(target))); got.StatusCode != 303 || len(got.Header.Get("Location")) < 2000 {
		t.Errorf("%d %s", got.StatusCode, got.Header.Get("Location"))
	}
}
