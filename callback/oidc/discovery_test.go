package oidc_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/gatehouse-go/gatehouse/callback/callbacktest"
	"github.com/gatehouse-go/gatehouse/callback/oidc"
)

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
	c.Client = flaky
	c.Providers[0].ID = "" // a lone one is named by its issuer
	if _, err := oidc.New(t.Context(), c); err == nil || !strings.Contains(err.Error(), "no route to host") || !strings.Contains(err.Error(), `provider "`+op.Issuer+`"`) {
		t.Errorf("New: %v", err)
	}
	a := startAt(t, op, func(c *oidc.Config[account], _ *callbacktest.Provider) {
		c.Client, c.AllowUnreachable = flaky, true
	})
	if got := a.Open("/login?return_to=/inbox"); got.StatusCode != 503 || !strings.Contains(got.Text, "does not answer") || !strings.Contains(got.Text, `<a href="/login?return_to=%2Finbox">`) {
		t.Errorf("%d %s", got.StatusCode, got.Text)
	}
	down = false
	if got := a.Open("/login"); got.StatusCode != 503 {
		t.Errorf("asked again at once: %d", got.StatusCode)
	}
}

func TestProviderThatGoesAwayMeanwhile(t *testing.T) {
	op := callbacktest.NewProvider(t, callbacktest.ProviderConfig{})
	up := startAt(t, op, nil)
	down := startAt(t, op, func(c *oidc.Config[account], _ *callbacktest.Provider) {
		c.AllowUnreachable = true
		c.Client = &http.Client{Transport: roundTrip(func(*http.Request) (*http.Response, error) { return nil, errors.New("no route to host") })}
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
				c.Client = &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
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
	c.Client = &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
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

func TestKeyThatTheProviderTookAwayIsForgotten(t *testing.T) {
	op := callbacktest.NewProvider(t, callbacktest.ProviderConfig{})
	synctest.Test(t, func(t *testing.T) {
		down := false
		login := inBubble(t, op, &down)
		at := func(after time.Duration) string {
			claims := op.LogoutToken("ana", "")
			claims["iat"], claims["exp"] = time.Now().Add(after).Unix(), time.Now().Add(after+time.Hour).Unix()
			return op.Sign(t, "logout+jwt", claims)
		}
		post := func(token string) int {
			w := httptest.NewRecorder()
			login.BackChannel().ServeHTTP(w, httptest.NewRequest("POST", "/backchannel", strings.NewReader("logout_token="+token)))
			return w.Code
		}
		now := at(0)
		op.RotateKey(t)
		if status := post(now); status != 400 {
			t.Errorf("a key that was never seen: %d", status)
		}
		if status := post(at(0)); status != 501 { // a good token, and no store to end a session in
			t.Errorf("the new key: %d", status)
		}
		good := at(70 * time.Minute)
		op.RotateKey(t)
		time.Sleep(70 * time.Minute)
		w := httptest.NewRecorder()
		login.Start().ServeHTTP(w, httptest.NewRequest("GET", "/login", nil)) // which fetches the metadata again
		if status := post(good); status != 400 {
			t.Errorf("a key that was good an hour ago: %d", status)
		}
		if status := post(at(0)); status != 501 {
			t.Errorf("the newest key: %d", status)
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
		c.Client = proxyTo(t, op, change)
		if _, err := oidc.New(t.Context(), c); err == nil || (name != "another issuer" && !strings.Contains(err.Error(), name)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What a provider says when it fails may be long, and may repeat what it was sent.
func TestWhatAFailingProviderSaysIsNotLogged(t *testing.T) {
	const says = "the token at-secret-1 of ana@example.com is not good"
	op := callbacktest.NewProvider(t, callbacktest.ProviderConfig{})
	for _, path := range []string{"/userinfo", "/jwks", "/.well-known/openid-configuration"} {
		failing := false
		a := startAt(t, op, func(c *oidc.Config[account], op *callbacktest.Provider) {
			c.Providers[0].UserInfo = true
			next := op.Client().Transport
			c.Client = &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
				if failing && r.URL.Path == path {
					return &http.Response{Status: "500 Oops", StatusCode: 500, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(says)), Request: r}, nil
				}
				return next.RoundTrip(r)
			})}
		})
		back := a.answer(a.Browser, "/login")
		failing = true
		if got := a.Open(back); path != "/.well-known/openid-configuration" && got.StatusCode < 400 {
			t.Errorf("%s: %d", path, got.StatusCode)
		}
		var log strings.Builder
		c := config(t, "https://app.example.com", op, nil, &log)
		c.AllowUnreachable = true
		c.Client = &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			return &http.Response{Status: "500 Oops", StatusCode: 500, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(says)), Request: r}, nil
		})}
		if _, err := oidc.New(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{a.log.String(), log.String()} {
			if strings.Contains(text, "secret-1") || strings.Contains(text, "example.com is") {
				t.Errorf("%s: %s", path, text)
			}
		}
	}
}

func TestLongErrorsAreCutInTheLog(t *testing.T) {
	a := start(t, func(c *oidc.Config[account], _ *callbacktest.Provider) {
		c.User = func(context.Context, oidc.Identity) (account, error) {
			return account{}, errors.New(strings.Repeat("long ", 10_000))
		}
	})
	if got := a.Open(a.answer(a.Browser, "/login")); got.StatusCode != 500 || a.log.Len() > 2000 || !strings.Contains(a.log.String(), "long …") {
		t.Errorf("%d, %d bytes: %.1200s", got.StatusCode, a.log.Len(), a.log)
	}
}

// Keys for logout tokens are fetched by a client of their own, which must be as careful.
func TestKeysForLogoutTokensAreNotFetchedFromElsewhere(t *testing.T) {
	op := callbacktest.NewProvider(t, callbacktest.ProviderConfig{})
	elsewhere := 0
	a := startAt(t, op, func(c *oidc.Config[account], op *callbacktest.Provider) {
		next := op.Client().Transport
		c.Client = &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			switch r.URL.Path {
			case "/jwks":
				return &http.Response{StatusCode: 302, Header: http.Header{"Location": {op.Issuer + "/elsewhere"}}, Body: http.NoBody, Request: r}, nil
			case "/elsewhere":
				elsewhere++
				r.URL.Path = "/jwks"
			}
			return next.RoundTrip(r)
		})}
	})
	if got := a.Send(a.Request("POST", "/backchannel", "logout_token="+op.Sign(t, "logout+jwt", op.LogoutToken("ana", "")))); got.StatusCode != 400 || elsewhere != 0 {
		t.Errorf("%d, followed %d times", got.StatusCode, elsewhere)
	}
	if a.Open(a.answer(a.Browser, "/login")); a.signedIn(a.Browser) != "" || elsewhere != 0 {
		t.Errorf("a login followed %d times", elsewhere)
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
