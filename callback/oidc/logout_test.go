package oidc_test

import (
	"context"
	"encoding/base64"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/callback"
	"github.com/gatehouse-go/gatehouse/callback/callbacktest"
	"github.com/gatehouse-go/gatehouse/callback/oidc"
)

func TestLogoutEndsBothSessions(t *testing.T) {
	a := start(t, nil)
	a.mustSignIn()
	if got := a.Post("/logout", nil, "Sec-Fetch-Site", "cross-site"); got.StatusCode != 403 || a.signedIn(a.Browser) != "ana" {
		t.Errorf("from another site: %d", got.StatusCode)
	}
	got := a.Post("/logout", nil)
	target := got.Header.Get("Location")
	if got.StatusCode != 303 || !strings.HasPrefix(target, a.op.Issuer+"/logout?") || got.Header.Get("Cache-Control") != "no-store" {
		t.Fatalf("%d %s", got.StatusCode, target)
	}
	if param(t, target, "client_id") != a.op.ClientID || param(t, target, "post_logout_redirect_uri") != a.URL+"/" || strings.Count(param(t, target, "id_token_hint"), ".") != 2 {
		t.Errorf("target: %s", target)
	}
	if a.signedIn(a.Browser) != "" {
		t.Error("still signed in")
	}
	if got := a.Open(target); got.Header.Get("Location") != a.URL+"/" {
		t.Errorf("provider: %d %s", got.StatusCode, got.Header.Get("Location"))
	}
	if got := a.Post("/logout", nil); got.StatusCode != 303 || got.Header.Get("Location") != "/" {
		t.Errorf("when nobody is signed in: %d %s", got.StatusCode, got.Header.Get("Location"))
	}
}

func TestLogoutWithoutHint(t *testing.T) {
	a := start(t, func(c *oidc.Config[account], _ *callbacktest.Provider) {
		c.LogoutHint = nil
		c.Providers[0].ID = "main"
	})
	a.mustSignIn()
	if target := a.Post("/logout", nil).Header.Get("Location"); param(t, target, "id_token_hint") != "" || param(t, target, "client_id") == "" {
		t.Errorf("target: %s", target)
	}
}

func TestLogoutWhereTheProviderOffersNone(t *testing.T) {
	a := start(t, func(c *oidc.Config[account], op *callbacktest.Provider) {
		op.SetFaults(callbacktest.Faults{NoEndSession: true})
		c.AfterLogout = "/bye"
	})
	a.mustSignIn()
	if target := a.Post("/logout", nil).Header.Get("Location"); target != "/bye" {
		t.Errorf("target: %s", target)
	}
	a = start(t, func(c *oidc.Config[account], _ *callbacktest.Provider) {
		second := c.Providers[0]
		c.Providers[0].ID, second.ID = "one", "two"
		c.Providers = append(c.Providers, second)
		c.LogoutHint = nil // does not say which
	})
	if a.Open(a.answer(a.Browser, "/login?provider=two")); a.signedIn(a.Browser) != "ana" {
		t.Fatal("not signed in")
	}
	if target := a.Post("/logout", nil).Header.Get("Location"); target != "/" {
		t.Errorf("target: %s", target)
	}
}

func TestBackChannelLogout(t *testing.T) {
	a := start(t, nil)
	a.mustSignIn()
	first := a.op.SessionID()
	laptop := a.Another()
	a.Open(a.answer(laptop, "/login"))
	laptop.Open(a.answer(laptop, "/login"))
	second := a.op.SessionID()
	post := func(claims map[string]any) int {
		t.Helper()
		return a.Send(a.Request("POST", "/backchannel", url.Values{"logout_token": {a.op.Sign(t, "logout+jwt", claims)}}.Encode(), "Content-Type", "application/x-www-form-urlencoded")).StatusCode
	}
	without := func(name string) map[string]any {
		c := a.op.LogoutToken("ana", first)
		delete(c, name)
		return c
	}
	set := func(name string, value any) map[string]any {
		c := a.op.LogoutToken("ana", first)
		c[name] = value
		return c
	}
	neither := without("sub")
	delete(neither, "sid")
	for name, claims := range map[string]map[string]any{
		"without events": without("events"), "of another event": set("events", map[string]any{"x": struct{}{}}), "without jti": without("jti"), "without iat": without("iat"),
		"without exp": without("exp"), "without sub and sid": neither, "without iss": without("iss"), "of another issuer": set("iss", "https://elsewhere.example"),
		"for another client": set("aud", "another"), "expired": set("exp", time.Now().Add(-time.Minute).Unix()), "from the future": set("iat", time.Now().Add(time.Hour).Unix()),
		"from long ago": set("iat", time.Now().Add(-time.Hour).Unix()), "that is an ID token": set("nonce", "x"),
	} {
		if status := post(claims); status != 400 {
			t.Errorf("a token %s: %d", name, status)
		}
	}
	for name, form := range map[string]string{
		"nothing": "", "not a token": "logout_token=x", "not base64": "logout_token=a.!.c", "not JSON": "logout_token=a." + base64.RawURLEncoding.EncodeToString([]byte("x")) + ".c",
		"two tokens": "logout_token=x&logout_token=y", "malformed": "logout_token=%zz",
		"unsigned": "logout_token=eyJhbGciOiJub25lIn0." + base64.RawURLEncoding.EncodeToString([]byte(`{"iss":"`+a.op.Issuer+`"}`)) + ".",
	} {
		if got := a.Send(a.Request("POST", "/backchannel", form)); got.StatusCode != 400 {
			t.Errorf("%s: %d", name, got.StatusCode)
		}
	}
	if got := a.Send(a.Request("POST", "/backchannel", strings.Repeat("a", 40<<10))); got.StatusCode != 413 {
		t.Errorf("40 KiB: %d", got.StatusCode)
	}
	if a.signedIn(a.Browser) != "ana" {
		t.Fatal("signed out by a token that was refused")
	}

	token := a.op.LogoutToken("ana", second)
	if status := post(token); status != 200 || a.signedIn(laptop) != "" || a.signedIn(a.Browser) != "ana" {
		t.Errorf("by session: %d, laptop %q, other %q", status, a.signedIn(laptop), a.signedIn(a.Browser))
	}
	if status := post(token); status != 400 {
		t.Errorf("the same token again: %d", status)
	}
	if status := post(a.op.LogoutToken("ben", "")); status != 200 || a.signedIn(a.Browser) != "ana" {
		t.Errorf("another subject: %d", status)
	}
	if status := post(a.op.LogoutToken("ana", "")); status != 200 || a.signedIn(a.Browser) != "" {
		t.Errorf("by subject: %d, signed in as %q", status, a.signedIn(a.Browser))
	}
}

func TestLogoutTokensOfOtherTypesAreRefused(t *testing.T) {
	a := start(t, nil)
	a.mustSignIn()
	post := func(typ string, claims map[string]any) int {
		t.Helper()
		return a.Send(a.Request("POST", "/backchannel", "logout_token="+a.op.Sign(t, typ, claims))).StatusCode
	}
	for _, typ := range []string{"at+jwt", "application/at+jwt", "dpop+jwt", "secevent+jwt"} {
		if status := post(typ, a.op.LogoutToken("ana", "")); status != 400 || a.signedIn(a.Browser) != "ana" {
			t.Errorf("%s: %d", typ, status)
		}
	}
	for _, event := range []any{nil, true, "x", []int{}} {
		claims := a.op.LogoutToken("ana", "")
		claims["events"] = map[string]any{"http://schemas.openid.net/event/backchannel-logout": event}
		if status := post("logout+jwt", claims); status != 400 || a.signedIn(a.Browser) != "ana" {
			t.Errorf("event %v: %d", event, status)
		}
	}
	for _, typ := range []string{"JWT", "application/logout+jwt"} {
		a.mustSignIn()
		if status := post(typ, a.op.LogoutToken("ana", "")); status != 200 || a.signedIn(a.Browser) != "" {
			t.Errorf("%s: %d", typ, status)
		}
	}
}

// A token whose iat is ahead, as far as clocks may differ, is good for longer than one of now. It must be remembered for as long.
func TestLogoutTokenIsRememberedAsLongAsItIsGood(t *testing.T) {
	var kept time.Duration
	a := start(t, func(c *oidc.Config[account], _ *callbacktest.Provider) {
		marks, err := callback.NewMemoryMarks(callback.MemoryMarksConfig{MaxMarks: 10})
		if err != nil {
			t.Fatal(err)
		}
		c.Marks = keeping{marks, &kept}
	})
	a.mustSignIn()
	kept = 0
	claims := a.op.LogoutToken("ana", "")
	claims["iat"], claims["exp"] = time.Now().Add(110*time.Second).Unix(), time.Now().Add(time.Hour).Unix()
	if got := a.Send(a.Request("POST", "/backchannel", "logout_token="+a.op.Sign(t, "logout+jwt", claims))); got.StatusCode != 200 {
		t.Fatal(got.StatusCode)
	}
	if kept < 17*time.Minute {
		t.Errorf("remembered for %v; it is taken for 16m50s", kept)
	}
}

// keeping notes for how long the last mark is kept.
type keeping struct {
	callback.MarkStore
	last *time.Duration
}

func (k keeping) Spend(ctx context.Context, name string, keep time.Duration) (bool, error) {
	*k.last = keep
	return k.MarkStore.Spend(ctx, name, keep)
}

func TestLogoutTokenOfTheSecondClientAtOneIssuer(t *testing.T) {
	a := start(t, func(c *oidc.Config[account], _ *callbacktest.Provider) {
		other := c.Providers[0]
		c.Providers[0].ID, other.ID, c.Providers[0].ClientID = "one", "two", "another client"
		c.Providers = append(c.Providers, other)
	})
	if a.Open(a.answer(a.Browser, "/login?provider=two")); a.signedIn(a.Browser) != "ana" {
		t.Fatal("not signed in")
	}
	got := a.Send(a.Request("POST", "/backchannel", "logout_token="+a.op.Sign(t, "logout+jwt", a.op.LogoutToken("ana", ""))))
	if got.StatusCode != 200 || a.signedIn(a.Browser) != "" {
		t.Errorf("%d, signed in as %q", got.StatusCode, a.signedIn(a.Browser))
	}
}

func TestLogoutWhenMarksAreDown(t *testing.T) {
	a := start(t, func(c *oidc.Config[account], _ *callbacktest.Provider) { c.Marks = noMarks{} })
	if got := a.Send(a.Request("POST", "/backchannel", "logout_token="+a.op.Sign(t, "logout+jwt", a.op.LogoutToken("ana", "")))); got.StatusCode != 503 {
		t.Errorf("%d", got.StatusCode)
	}
	if got := a.Open(a.answer(a.Browser, "/login")); got.StatusCode != 503 || a.op.Calls("/token") != 0 {
		t.Errorf("a login: %d, %d codes redeemed", got.StatusCode, a.op.Calls("/token"))
	}
}

// noMarks is a store that is down.
type noMarks struct{}

func (noMarks) Spend(context.Context, string, time.Duration) (bool, error) {
	return false, errors.New("down")
}
func (noMarks) Spent(context.Context, string) (bool, error) { return false, errors.New("down") }
func (noMarks) Release(context.Context, string) error       { return errors.New("down") }

func TestForgedLogoutTokensDoNotMakeUsAskForKeys(t *testing.T) {
	a := start(t, nil)
	forger := callbacktest.NewProvider(t, callbacktest.ProviderConfig{})
	forger.RotateKey(t)
	forger.Issuer = a.op.Issuer
	for range 20 {
		token := forger.Sign(t, "logout+jwt", forger.LogoutToken("ana", ""))
		if got := a.Send(a.Request("POST", "/backchannel", "logout_token="+token)); got.StatusCode != 400 {
			t.Errorf("%d", got.StatusCode)
		}
	}
	if n := a.op.Calls("/jwks"); n > 3 {
		t.Errorf("keys were fetched %d times", n)
	}
	a.op.RotateKey(t)
	a.mustSignIn() // logins have their own share
}

func TestFrontChannelLogout(t *testing.T) {
	a := start(t, nil)
	a.mustSignIn()
	for _, path := range []string{"/frontchannel", "/frontchannel?iss=x&sid=y", "/frontchannel?sid=" + a.op.SessionID(), "/frontchannel?iss=" + url.QueryEscape(a.op.Issuer), "/frontchannel?iss=a&iss=b&sid=c"} {
		if got := a.Another().Open(path); got.StatusCode != 400 {
			t.Errorf("%s: %d", path, got.StatusCode)
		}
	}
	if a.signedIn(a.Browser) != "ana" {
		t.Fatal("signed out")
	}
	got := a.Another().Open("/frontchannel?iss=" + url.QueryEscape(a.op.Issuer) + "&sid=" + a.op.SessionID())
	if got.StatusCode != 200 || a.signedIn(a.Browser) != "" || got.Header.Get("Content-Security-Policy") != "default-src 'none'; frame-ancestors "+a.op.Issuer || got.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("%d %v, signed in as %q", got.StatusCode, got.Header, a.signedIn(a.Browser))
	}
}

func TestProvidersLogoutNeedsAStore(t *testing.T) {
	a := start(t, func(c *oidc.Config[account], _ *callbacktest.Provider) { c.Sessions = nil })
	token := a.op.Sign(t, "logout+jwt", a.op.LogoutToken("ana", ""))
	for range 2 { // refused, not used up
		if got := a.Send(a.Request("POST", "/backchannel", "logout_token="+token)); got.StatusCode != 501 {
			t.Errorf("%d %s", got.StatusCode, got.Text)
		}
	}
}

func TestLogoutWhenTheStoreIsDown(t *testing.T) {
	a := start(t, func(c *oidc.Config[account], _ *callbacktest.Provider) {
		sessions, err := callback.NewSessions(callback.SessionsConfig[account]{
			Keys: c.Keys, Store: failing{}, Subject: func(a account) string { return a.Subject }, Logger: c.Logger,
		})
		if err != nil {
			t.Fatal(err)
		}
		c.Sessions = sessions
	})
	a.Open(a.answer(a.Browser, "/login"))
	if got := a.Post("/logout", nil); got.StatusCode != 503 {
		t.Errorf("%d %s", got.StatusCode, got.Text)
	}
}
