package callbacktest_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/gatehouse-go/gatehouse/callback/callbacktest"
)

// client is a relying party made by hand.
type client struct {
	t  *testing.T
	op *callbacktest.Provider
}

func (c client) send(method, target string, form url.Values, header ...string) (*http.Response, map[string]any) {
	c.t.Helper()
	if strings.HasPrefix(target, "/") {
		target = c.op.Issuer + target
	}
	r, err := http.NewRequestWithContext(c.t.Context(), method, target, strings.NewReader(form.Encode()))
	if err != nil {
		c.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	browser := *c.op.Client()
	browser.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	res, err := browser.Do(r)
	if err != nil {
		c.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	var answer map[string]any
	_ = json.Unmarshal(body, &answer)
	return res, answer
}

const verifier = "a-verifier-of-43-characters-or-more-as-required"

// request returns the parameters of a good authorization request.
func (c client) request() url.Values {
	sum := sha256.Sum256([]byte(verifier))
	return url.Values{
		"response_type": {"code"}, "client_id": {c.op.ClientID}, "redirect_uri": {"https://app.example.com/cb?a=1"}, "state": {"s"}, "nonce": {"n"},
		"code_challenge_method": {"S256"}, "code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])},
	}
}

func (c client) code() string {
	c.t.Helper()
	res, _ := c.send("GET", "/authorize?"+c.request().Encode(), nil)
	back, err := url.Parse(res.Header.Get("Location"))
	if err != nil || res.StatusCode != 303 || back.Query().Get("a") != "1" || back.Query().Get("state") != "s" || back.Query().Get("iss") != c.op.Issuer {
		c.t.Fatalf("authorize: %d %s", res.StatusCode, back)
	}
	return back.Query().Get("code")
}

func (c client) exchange(code string) url.Values {
	return url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {"https://app.example.com/cb?a=1"}, "code_verifier": {verifier}, "client_id": {c.op.ClientID}, "client_secret": {c.op.ClientSecret}}
}

func TestProviderHoldsItsClientToTheRules(t *testing.T) {
	c := client{t, callbacktest.NewProvider(t, callbacktest.ProviderConfig{})}
	for name, change := range map[string]func(url.Values){
		"no redirect URI":            func(v url.Values) { v.Del("redirect_uri") },
		"another client":             func(v url.Values) { v.Set("client_id", "x") },
		"implicit flow":              func(v url.Values) { v.Set("response_type", "token") },
		"no PKCE":                    func(v url.Values) { v.Del("code_challenge_method") },
		"plain PKCE":                 func(v url.Values) { v.Set("code_challenge_method", "plain") },
		"an unknown pushed request":  func(v url.Values) { v.Set("request_uri", "urn:x") },
		"a challenge that is no sum": func(v url.Values) { v.Set("code_challenge", "x") },
	} {
		v := c.request()
		change(v)
		if res, _ := c.send("GET", "/authorize?"+v.Encode(), nil); res.StatusCode != 400 {
			t.Errorf("%s: %d", name, res.StatusCode)
		}
	}
	for name, change := range map[string]func(url.Values){
		"a wrong secret":       func(v url.Values) { v.Set("client_secret", "x") },
		"a wrong verifier":     func(v url.Values) { v.Set("code_verifier", "x") },
		"another redirect URI": func(v url.Values) { v.Set("redirect_uri", "https://app.example.com/cb") },
		"an unknown code":      func(v url.Values) { v.Set("code", "x") },
		"an unknown grant":     func(v url.Values) { v.Set("grant_type", "password") },
		"an unknown refresh":   func(v url.Values) { v.Set("grant_type", "refresh_token"); v.Set("refresh_token", "x") },
	} {
		v := c.exchange(c.code())
		change(v)
		if res, answer := c.send("POST", "/token", v); res.StatusCode < 400 || answer["error"] == nil {
			t.Errorf("%s: %d %v", name, res.StatusCode, answer)
		}
	}
	if res, _ := c.send("POST", "/token?%zz", nil, "Content-Type", "text/plain; ="); res.StatusCode != 401 {
		t.Errorf("a form that cannot be read: %d", res.StatusCode)
	}
	if res, _ := c.send("POST", "/par", url.Values{}); res.StatusCode != 401 {
		t.Errorf("a pushed request without authentication: %d", res.StatusCode)
	}
	if res, _ := c.send("GET", "/userinfo", nil); res.StatusCode != 401 {
		t.Errorf("userinfo without token: %d", res.StatusCode)
	}
}

func TestCodesAndRefreshTokensWorkOnce(t *testing.T) {
	c := client{t, callbacktest.NewProvider(t, callbacktest.ProviderConfig{})}
	form := c.exchange(c.code())
	res, first := c.send("POST", "/token", form)
	if res.StatusCode != 200 || first["id_token"] == nil {
		t.Fatalf("%d %v", res.StatusCode, first)
	}
	refresh := func(token any) int {
		v := c.exchange("")
		v.Set("grant_type", "refresh_token")
		v.Set("refresh_token", fmt.Sprint(token))
		res, answer := c.send("POST", "/token", v)
		if res.StatusCode == 200 {
			first["next"] = answer["refresh_token"]
		}
		return res.StatusCode
	}
	if refresh(first["refresh_token"]) != 200 || refresh(first["next"]) != 200 {
		t.Error("rotation")
	}
	if refresh(first["refresh_token"]) != 400 || refresh(first["next"]) != 400 {
		t.Error("a refresh token used twice should end the grant")
	}

	form = c.exchange(c.code())
	_, first = c.send("POST", "/token", form)
	bearer := []string{"Authorization", "Bearer " + fmt.Sprint(first["access_token"])}
	if res, claims := c.send("GET", "/userinfo", nil, bearer...); res.StatusCode != 200 || claims["sub"] != "ana" || claims["name"] != "Ana" {
		t.Errorf("userinfo: %d %v", res.StatusCode, claims)
	}
	if res, _ := c.send("POST", "/token", form); res.StatusCode != 400 {
		t.Errorf("a code used twice: %d", res.StatusCode)
	}
	if res, _ := c.send("GET", "/userinfo", nil, bearer...); res.StatusCode != 401 {
		t.Errorf("its access token afterwards: %d", res.StatusCode)
	}
}

func TestEndSessionWithoutReturn(t *testing.T) {
	c := client{t, callbacktest.NewProvider(t, callbacktest.ProviderConfig{PlainHTTP: true})}
	if !strings.HasPrefix(c.op.Issuer, "http://127.0.0.1:") {
		t.Errorf("issuer %s", c.op.Issuer)
	}
	if res, _ := c.send("GET", "/logout", nil); res.StatusCode != 204 {
		t.Errorf("%d", res.StatusCode)
	}
	c.op.SetFaults(callbacktest.Faults{MetadataIssuer: "https://elsewhere.example"})
	if _, m := c.send("GET", "/.well-known/openid-configuration", nil); m["issuer"] != "https://elsewhere.example" {
		t.Errorf("metadata: %v", m)
	}
}

func TestClaimsThatCannotBeSigned(t *testing.T) {
	c := client{t, callbacktest.NewProvider(t, callbacktest.ProviderConfig{})}
	c.op.SetSubject("ana", map[string]any{"x": make(chan int)})
	for _, f := range []callbacktest.Faults{{}, {AlgorithmNone: true}} {
		c.op.SetFaults(f)
		if res, _ := c.send("POST", "/token", c.exchange(c.code())); res.StatusCode != 500 {
			t.Errorf("%d", res.StatusCode)
		}
	}
}

func TestAssertions(t *testing.T) {
	signer := callbacktest.NewProvider(t, callbacktest.ProviderConfig{})
	other := callbacktest.NewProvider(t, callbacktest.ProviderConfig{})
	c := client{t, callbacktest.NewProvider(t, callbacktest.ProviderConfig{ClientKey: signer.PublicKey()})}
	claims := func(change func(map[string]any)) map[string]any {
		m := map[string]any{"iss": "client", "sub": "client", "aud": c.op.Issuer, "jti": "j", "exp": 9999999999}
		change(m)
		return m
	}
	for name, tt := range map[string]struct {
		assertion string
		want      int
	}{
		"a good one":           {signer.Sign(t, "JWT", claims(func(map[string]any) {})), 201},
		"none":                 {"", 401},
		"another key":          {other.Sign(t, "JWT", claims(func(map[string]any) {})), 401},
		"another audience":     {signer.Sign(t, "JWT", claims(func(m map[string]any) { m["aud"] = "x" })), 401},
		"expired":              {signer.Sign(t, "JWT", claims(func(m map[string]any) { m["exp"] = 1 })), 401},
		"without jti":          {signer.Sign(t, "JWT", claims(func(m map[string]any) { delete(m, "jti") })), 401},
		"claims of other type": {signer.Sign(t, "JWT", claims(func(m map[string]any) { m["exp"] = "x" })), 401},
	} {
		if res, _ := c.send("POST", "/par", url.Values{"client_assertion": {tt.assertion}}); res.StatusCode != tt.want {
			t.Errorf("%s: %d, want %d", name, res.StatusCode, tt.want)
		}
	}
}

func ExampleNewProvider() {
	t := &testing.T{} // in a test, its own
	provider := callbacktest.NewProvider(t, callbacktest.ProviderConfig{ClientID: "app"})
	defer provider.Close()

	// Configure the application with provider.Issuer, provider.ClientID, provider.ClientSecret and provider.Client(). Then:
	provider.SetSubject("ben", map[string]any{"email": "ben@example.com"})
	provider.SetFaults(callbacktest.Faults{NonceWrong: true}) // the application must refuse the login
	fmt.Println(provider.ClientID, provider.Calls("/token"))
	// Output: app 0
}
