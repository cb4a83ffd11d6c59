package oidc_test

import (
	"strings"
	"testing"

	"github.com/gatehouse-go/gatehouse/callback/callbacktest"
	"github.com/gatehouse-go/gatehouse/callback/oidc"
)

// refused checks that the answer brought by the URL is refused with a page and a way on, and that nobody is signed in.
func (a *app) refused(url string, status int, words string) {
	a.t.Helper()
	got := a.Open(url)
	if got.StatusCode != status || !strings.Contains(got.Text, words) || !strings.Contains(got.Text, `<a href="/login`) {
		a.t.Errorf("%d, want %d with %q\n%s", got.StatusCode, status, words, got.Text)
	}
	if got.Header.Get("Location") != "" {
		a.t.Errorf("redirected to %s", got.Header.Get("Location"))
	}
	if who := a.signedIn(a.Browser); who != "" {
		a.t.Errorf("signed in as %s", who)
	}
}

// notRedeemed checks that the provider was never asked to redeem a code.
func (a *app) notRedeemed() {
	a.t.Helper()
	if n := a.op.Calls("/token"); n != 0 {
		a.t.Errorf("%d codes were redeemed", n)
	}
}

// misbehaves returns a case in which the provider's fault must be refused with 403.
func misbehaves(f callbacktest.Faults, cause string) func(*app) {
	return func(a *app) {
		a.op.SetFaults(f)
		a.refused(a.answer(a.Browser, "/login"), 403, "could not verify")
		if !strings.Contains(a.log.String(), cause) {
			a.t.Errorf("%q is not in the log:\n%s", cause, a.log)
		}
	}
}

// TestConformance is what a relying party must do when the provider misbehaves or the browser is led astray.
func TestConformance(t *testing.T) {
	cases := []struct {
		name string
		test func(a *app)
	}{
		{"an honest login signs in and returns to the page", func(a *app) {
			got := a.Open(a.answer(a.Browser, "/login?return_to=/inbox%3Fa%3D1%23b"))
			if got.StatusCode != 303 || got.Header.Get("Location") != "/inbox?a=1#b" || a.signedIn(a.Browser) != "ana" {
				a.t.Errorf("%d %s, signed in as %q", got.StatusCode, got.Header.Get("Location"), a.signedIn(a.Browser))
			}
		}},
		{"PKCE with S256 is always used", func(a *app) {
			a.Open(a.answer(a.Browser, "/login")) // the provider takes no code without its verifier
			r := a.op.Requests()[0]
			if r.Get("code_challenge_method") != "S256" || len(r.Get("code_challenge")) != 43 || a.signedIn(a.Browser) != "ana" {
				a.t.Errorf("request: %v", r)
			}
		}},
		{"a nonce is sent, and another one each time", func(a *app) {
			a.answer(a.Browser, "/login")
			a.answer(a.Browser, "/login")
			one, two := a.op.Requests()[0].Get("nonce"), a.op.Requests()[1].Get("nonce")
			if len(one) < 22 || one == two {
				a.t.Errorf("nonces %q and %q", one, two)
			}
		}},
		{"an ID token with a wrong nonce is refused", misbehaves(callbacktest.Faults{NonceWrong: true}, "nonce")},
		{"an ID token without nonce is refused", misbehaves(callbacktest.Faults{NonceMissing: true}, "nonce")},
		{"an ID token for another audience is refused", misbehaves(callbacktest.Faults{AudienceWrong: true}, "audience")},
		{"an ID token for several audiences without azp is refused", misbehaves(callbacktest.Faults{AudienceExtra: true}, "azp is missing")},
		{"an ID token whose azp is another client is refused", misbehaves(callbacktest.Faults{AuthorizedWrong: true}, "azp is another client")},
		{"an expired ID token is refused", misbehaves(callbacktest.Faults{Expired: true}, "expired")},
		{"an ID token from the future is refused", misbehaves(callbacktest.Faults{IssuedInFuture: true}, "iat is in the future")},
		{"an ID token from before the login is refused", misbehaves(callbacktest.Faults{IssuedLongAgo: true}, "iat is before")},
		{"an ID token of another issuer is refused", misbehaves(callbacktest.Faults{IssuerWrong: true}, "different provider")},
		{"an ID token signed with an unknown key is refused", misbehaves(callbacktest.Faults{KeyUnknown: true}, "signature")},
		{"an unsigned ID token is refused", misbehaves(callbacktest.Faults{AlgorithmNone: true}, "malformed jwt")},
		{"an ID token signed with the client secret is refused", misbehaves(callbacktest.Faults{AlgorithmHMAC: true}, "HS256")},
		{"an answer without ID token is refused", misbehaves(callbacktest.Faults{IDTokenMissing: true}, "there is none")},
		{"an ID token with a hash of another access token is refused", misbehaves(callbacktest.Faults{AccessHashWrong: true}, "at_hash")},
		{"userinfo about somebody else is refused", misbehaves(callbacktest.Faults{UserInfoOther: true}, "userinfo")},
		{"an answer in the name of another issuer is refused before its code is redeemed", func(a *app) {
			misbehaves(callbacktest.Faults{ResponseIssuerWrong: true}, "another issuer")(a)
			a.notRedeemed()
		}},
		{"an answer without issuer is refused where one is promised", func(a *app) {
			misbehaves(callbacktest.Faults{ResponseIssuerMissing: true}, "iss is missing")(a)
			a.notRedeemed()
		}},
		{"an answer without issuer is accepted where none is promised", func(a *app) {
			a.op.SetFaults(callbacktest.Faults{NoResponseIssuer: true})
			b := startAt(a.t, a.op, nil)
			if b.Open(b.answer(b.Browser, "/login")); b.signedIn(b.Browser) != "ana" {
				a.t.Error("not signed in")
			}
		}},
		{"a forged state is refused", func(a *app) {
			a.op.SetFaults(callbacktest.Faults{StateWrong: true})
			a.refused(a.answer(a.Browser, "/login"), 403, "did not begin here")
			a.notRedeemed()
		}},
		{"a missing state is refused", func(a *app) {
			a.op.SetFaults(callbacktest.Faults{StateMissing: true})
			a.refused(a.answer(a.Browser, "/login"), 403, "did not begin here")
			a.notRedeemed()
		}},
		{"a state given twice is refused", func(a *app) {
			a.op.SetFaults(callbacktest.Faults{StateTwice: true})
			a.refused(a.answer(a.Browser, "/login"), 400, "damaged")
			a.notRedeemed()
		}},
		{"an attacker's answer does nothing in a fresh browser", func(a *app) {
			attacker := a.Another()
			a.op.SetSubject("mallory", nil)
			a.refused(a.answer(attacker, "/login"), 403, "did not begin here")
			if n := len(a.Cookies()); n != 0 {
				a.t.Errorf("%d cookies", n)
			}
		}},
		{"an attacker's answer does nothing in a browser with a login of its own under way", func(a *app) {
			mine := a.answer(a.Browser, "/login?return_to=/mine")
			attacker := a.Another()
			a.op.SetSubject("mallory", nil)
			a.refused(a.answer(attacker, "/login"), 403, "did not begin here")
			a.refused(with(a.t, a.answer(attacker, "/login"), "state", param(a.t, mine, "state")), 400, "cannot be finished") // his code, my state
		}},
		{"an attacker's code is not redeemed before the state is checked", func(a *app) {
			a.answer(a.Browser, "/login")
			a.refused(a.answer(a.Another(), "/login"), 403, "did not begin here")
			a.notRedeemed()
		}},
		{"a state chosen by the link to the login is ignored", func(a *app) {
			const chosen = "AAAAAAAAAAAAAAAAAAAAAA"
			back := a.answer(a.Browser, "/login?state="+chosen+"&nonce=x&code_challenge=y")
			if r := a.op.Requests()[0]; r.Get("state") == chosen || r.Get("nonce") == "x" || r.Get("code_challenge") == "y" {
				a.t.Errorf("request: %v", r)
			}
			a.refused(with(a.t, back, "state", chosen), 403, "did not begin here")
		}},
		{"an answer brought again is a plain page, and its code is not redeemed again", func(a *app) {
			back := a.answer(a.Browser, "/login")
			a.Open(back)
			for range 2 {
				if got := a.Open(back); got.StatusCode != 410 || !strings.Contains(got.Text, "used already") {
					a.t.Errorf("%d %s", got.StatusCode, got.Text)
				}
			}
			if n := a.op.Calls("/token"); n != 1 || a.signedIn(a.Browser) != "ana" {
				a.t.Errorf("%d calls, signed in as %q", n, a.signedIn(a.Browser))
			}
		}},
		{"two tabs both finish, each on its page", func(a *app) {
			one, two := a.answer(a.Browser, "/login?return_to=/one"), a.answer(a.Browser, "/login?return_to=/two")
			for want, back := range map[string]string{"/two": two, "/one": one} {
				if got := a.Open(back); got.Header.Get("Location") != want {
					a.t.Errorf("%d %s, want %s", got.StatusCode, got.Header.Get("Location"), want)
				}
			}
		}},
		{"twenty abandoned logins leave room for the next", func(a *app) {
			for range 20 {
				a.answer(a.Browser, "/login?return_to=/"+strings.Repeat("a", 400))
			}
			if n, size := flowCookies(a.Browser); n > 6 || size > 3500 || n == 0 {
				a.t.Errorf("%d cookies of %d bytes", n, size)
			}
			if a.Open(a.answer(a.Browser, "/login")); a.signedIn(a.Browser) != "ana" {
				a.t.Error("not signed in")
			}
		}},
		{"a person who cancels can begin again with the same page", func(a *app) {
			a.op.SetFaults(callbacktest.Faults{Error: "access_denied"})
			a.refused(a.answer(a.Browser, "/login?return_to=/inbox"), 403, `<a href="/login?return_to=%2Finbox"`)
		}},
		{"a code that comes with an error is not redeemed", func(a *app) {
			a.op.SetFaults(callbacktest.Faults{ErrorWithCode: "access_denied"})
			a.refused(a.answer(a.Browser, "/login"), 403, "said no")
			a.notRedeemed()
		}},
		{"a bare callback says that something is missing", func(a *app) {
			a.refused("/auth/callback", 400, "not complete")
		}},
		{"no answer is cached, and none passes its URL on", func(a *app) {
			begun := a.Open("/login")
			back := a.answer(a.Browser, "/login")
			for _, got := range []string{begun.Header.Get("Cache-Control"), a.Open(back).Header.Get("Cache-Control"), a.Open(back).Header.Get("Cache-Control")} {
				if got != "no-store" {
					a.t.Errorf("Cache-Control: %q", got)
				}
			}
			if got := a.Open(back); got.Header.Get("Referrer-Policy") != "no-referrer" || begun.Header.Get("Referrer-Policy") != "no-referrer" {
				a.t.Errorf("Referrer-Policy: %q", got.Header.Get("Referrer-Policy"))
			}
		}},
		{"the session's cookie is as tight as cookies can be", func(a *app) {
			got := a.Open(a.answer(a.Browser, "/login"))
			found := false
			for _, line := range got.Header["Set-Cookie"] {
				if strings.HasPrefix(line, "__Host-session=") {
					found = strings.Contains(line, "; Path=/; ") && strings.Contains(line, "; HttpOnly; Secure; SameSite=Lax")
				}
			}
			if !found {
				a.t.Errorf("Set-Cookie: %q", got.Header["Set-Cookie"])
			}
		}},
		{"a login under way is in a cookie as tight, which shows nothing", func(a *app) {
			got := a.Open("/login")
			line := got.Header.Get("Set-Cookie")
			if !strings.HasPrefix(line, "__Host-login-") || !strings.HasSuffix(line, "; HttpOnly; Secure; SameSite=Lax") || strings.Contains(line, param(a.t, got.Header.Get("Location"), "request_uri")) {
				a.t.Errorf("Set-Cookie: %s", line)
			}
		}},
		{"the cookie of a login is dropped when it finishes, and when it fails", func(a *app) {
			a.Open(a.answer(a.Browser, "/login"))
			if n, _ := flowCookies(a.Browser); n != 0 {
				a.t.Errorf("%d after success", n)
			}
			a.op.SetFaults(callbacktest.Faults{NonceWrong: true})
			a.Open(a.answer(a.Browser, "/login"))
			if n, _ := flowCookies(a.Browser); n != 0 {
				a.t.Errorf("%d after failure", n)
			}
		}},
		{"no code, state or token is in a log, a page or a URL", func(a *app) {
			a.op.SetFaults(callbacktest.Faults{TokenFails: true})
			back := a.answer(a.Browser, "/login")
			failed := a.Open(back)
			again := a.Open(back)
			for _, secret := range []string{param(a.t, back, "code"), param(a.t, back, "state"), a.op.ClientSecret} {
				for where, text := range map[string]string{"log": a.log.String(), "page": failed.Text + again.Text} {
					if strings.Contains(text, secret) {
						a.t.Errorf("a secret is in the %s:\n%s", where, text)
					}
				}
			}
			if failed.StatusCode != 503 || again.StatusCode != 410 {
				a.t.Errorf("%d, then %d", failed.StatusCode, again.StatusCode)
			}
		}},
	}
	if len(cases) != 39 {
		t.Errorf("%d cases, want 39", len(cases))
	}
	for _, tt := range cases {
		t.Run(tt.name, func(t *testing.T) {
			tt.test(start(t, func(c *oidc.Config[account], _ *callbacktest.Provider) { c.Providers[0].UserInfo = true }))
		})
	}
}
