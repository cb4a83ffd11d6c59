package callbacktest_test

import (
	"crypto"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/gatehouse-go/gatehouse/callback/callbacktest"
)

// login is what a client sees of one login: the parameters of the response, and the header and claims of the ID token.
type login struct {
	response url.Values
	header   map[string]any
	claims   map[string]any
	valid    bool // the signature is the provider's
	token    map[string]any
}

func (c client) login(extra url.Values) login {
	c.t.Helper()
	request := c.request()
	for name := range extra {
		request.Set(name, extra.Get(name))
	}
	res, _ := c.send("GET", "/authorize?"+request.Encode(), nil)
	back, err := url.Parse(res.Header.Get("Location"))
	if err != nil {
		c.t.Fatal(err)
	}
	l := login{response: back.Query()}
	if l.response.Get("code") == "" {
		return l
	}
	_, l.token = c.send("POST", "/token", c.exchange(l.response.Get("code")))
	raw, _ := l.token["id_token"].(string)
	for i, part := range strings.Split(raw, ".") {
		b, err := base64.RawURLEncoding.DecodeString(part)
		if err != nil {
			c.t.Fatal(err)
		}
		switch i {
		case 0:
			_ = json.Unmarshal(b, &l.header)
		case 1:
			_ = json.Unmarshal(b, &l.claims)
		}
	}
	l.valid = verifies(raw, c.op.PublicKey())
	return l
}

func verifies(raw string, key crypto.PublicKey) bool {
	jws, err := jose.ParseSigned(raw, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		return false
	}
	_, err = jws.Verify(key)
	return err == nil
}

func TestHonestLogin(t *testing.T) {
	c := client{t, callbacktest.NewProvider(t, callbacktest.ProviderConfig{})}
	l := c.login(url.Values{"acr_values": {"high low"}, "max_age": {"60"}})
	want := map[string]any{"iss": c.op.Issuer, "sub": "ana", "aud": "client", "azp": "client", "nonce": "n", "acr": "high", "name": "Ana", "sid": c.op.SessionID()}
	for name, value := range want {
		if l.claims[name] != value {
			t.Errorf("%s = %v, want %v", name, l.claims[name], value)
		}
	}
	if !l.valid || l.claims["auth_time"] == nil || l.claims["at_hash"] == nil || l.header["kid"] != "key-1" || c.op.Requests()[0].Get("nonce") != "n" || c.op.Calls("/token") != 1 {
		t.Errorf("%+v", l)
	}
	c.op.RotateKey(t)
	if next := c.login(nil); !next.valid || next.header["kid"] == "key-1" {
		t.Errorf("after the rotation: %v", next.header)
	}
	if !verifies(c.op.Sign(t, "logout+jwt", c.op.LogoutToken("ana", "1")), c.op.PublicKey()) {
		t.Error("what it signs does not verify")
	}
	w := httptest.NewRecorder()
	c.op.ServeHTTP(w, httptest.NewRequest("GET", "/jwks", nil))
	if w.Code != 200 || !strings.Contains(w.Body.String(), `"kty":"EC"`) {
		t.Errorf("without the network: %d %s", w.Code, w.Body)
	}
}

// TestEachFault switches on one fault at a time, and looks for what it must do.
func TestEachFault(t *testing.T) {
	hour := func(v any) time.Duration { return time.Until(time.Unix(int64(v.(float64)), 0)).Round(time.Hour) }
	for _, tt := range []struct {
		name  string
		fault callbacktest.Faults
		shows func(l login) bool
	}{
		{"IDTokenMissing", callbacktest.Faults{IDTokenMissing: true}, func(l login) bool { return l.token["access_token"] != nil && l.token["id_token"] == nil }},
		{"NonceMissing", callbacktest.Faults{NonceMissing: true}, func(l login) bool { return l.claims["nonce"] == nil }},
		{"NonceWrong", callbacktest.Faults{NonceWrong: true}, func(l login) bool { return l.claims["nonce"] == "another" }},
		{"AudienceWrong", callbacktest.Faults{AudienceWrong: true}, func(l login) bool { return l.claims["aud"] == "another" }},
		{"AudienceExtra", callbacktest.Faults{AudienceExtra: true}, func(l login) bool { return fmt.Sprint(l.claims["aud"]) == "[client another]" && l.claims["azp"] == nil }},
		{"AuthorizedWrong", callbacktest.Faults{AuthorizedWrong: true}, func(l login) bool { return l.claims["azp"] == "another" }},
		{"Expired", callbacktest.Faults{Expired: true}, func(l login) bool { return hour(l.claims["exp"]) == -time.Hour }},
		{"IssuedAtMissing", callbacktest.Faults{IssuedAtMissing: true}, func(l login) bool { return l.claims["iat"] == nil }},
		{"IssuedInFuture", callbacktest.Faults{IssuedInFuture: true}, func(l login) bool { return hour(l.claims["iat"]) == time.Hour }},
		{"IssuedLongAgo", callbacktest.Faults{IssuedLongAgo: true}, func(l login) bool { return hour(l.claims["iat"]) == -time.Hour }},
		{"IssuerWrong", callbacktest.Faults{IssuerWrong: true}, func(l login) bool { return l.claims["iss"] == "https://elsewhere.example" && l.valid }},
		{"SubjectMissing", callbacktest.Faults{SubjectMissing: true}, func(l login) bool { return l.claims["sub"] == nil }},
		{"KeyUnknown", callbacktest.Faults{KeyUnknown: true}, func(l login) bool { return l.header["kid"] == "key-1" && !l.valid }},
		{"AlgorithmNone", callbacktest.Faults{AlgorithmNone: true}, func(l login) bool { return l.header["alg"] == "none" && l.claims["sub"] == "ana" }},
		{"AlgorithmHMAC", callbacktest.Faults{AlgorithmHMAC: true}, func(l login) bool { return l.header["alg"] == "HS256" && l.claims["sub"] == "ana" }},
		{"AccessHashWrong", callbacktest.Faults{AccessHashWrong: true}, func(l login) bool { return l.claims["at_hash"] == "AAAAAAAAAAAAAAAAAAAAAA" && l.valid }},
		{"AuthTimeMissing", callbacktest.Faults{AuthTimeMissing: true}, func(l login) bool { return l.claims["auth_time"] == nil }},
		{"AuthTimeLongAgo", callbacktest.Faults{AuthTimeLongAgo: true}, func(l login) bool { return hour(l.claims["auth_time"]) == -24*time.Hour }},
		{"SignatureDamaged", callbacktest.Faults{SignatureDamaged: true}, func(l login) bool { return l.claims["sub"] == "ana" && !l.valid }},
		{"ResponseIssuerWrong", callbacktest.Faults{ResponseIssuerWrong: true}, func(l login) bool { return l.response.Get("iss") == "https://elsewhere.example" }},
		{"ResponseIssuerMissing", callbacktest.Faults{ResponseIssuerMissing: true}, func(l login) bool { return !l.response.Has("iss") }},
		{"NoResponseIssuer", callbacktest.Faults{NoResponseIssuer: true}, func(l login) bool { return !l.response.Has("iss") }},
		{"StateMissing", callbacktest.Faults{StateMissing: true}, func(l login) bool { return !l.response.Has("state") }},
		{"StateWrong", callbacktest.Faults{StateWrong: true}, func(l login) bool { return len(l.response.Get("state")) == 22 }},
		{"StateTwice", callbacktest.Faults{StateTwice: true}, func(l login) bool { return len(l.response["state"]) == 2 }},
		{"Error", callbacktest.Faults{Error: "access_denied"}, func(l login) bool { return l.response.Get("error") == "access_denied" && !l.response.Has("code") }},
		{"ErrorWithCode", callbacktest.Faults{ErrorWithCode: "access_denied"}, func(l login) bool { return l.response.Get("error") == "access_denied" && l.response.Has("code") }},
		{"TokenFails", callbacktest.Faults{TokenFails: true}, func(l login) bool {
			return l.token["error"] == "server_error" && strings.Contains(fmt.Sprint(l.token["error_description"]), "code=")
		}},
		{"CodeRefused", callbacktest.Faults{CodeRefused: true}, func(l login) bool { return l.token["error"] == "invalid_grant" }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := client{t, callbacktest.NewProvider(t, callbacktest.ProviderConfig{})}
			maxAge := url.Values{"max_age": {"60"}}
			if tt.shows(c.login(maxAge)) {
				t.Error("the fault shows without being set")
			}
			c.op.SetFaults(tt.fault)
			if l := c.login(maxAge); !tt.shows(l) {
				t.Errorf("the fault does not show: %+v", l)
			}
		})
	}
}

func TestFaultsOfOtherEndpoints(t *testing.T) {
	c := client{t, callbacktest.NewProvider(t, callbacktest.ProviderConfig{})}
	good := url.Values{"client_id": {c.op.ClientID}}
	basic := []string{"Authorization", "Basic " + base64.StdEncoding.EncodeToString([]byte(c.op.ClientID+":"+c.op.ClientSecret))}
	if res, _ := c.send("POST", "/par", good, basic...); res.StatusCode != 201 {
		t.Errorf("par: %d", res.StatusCode)
	}
	res, _ := c.send("GET", "/logout?post_logout_redirect_uri=https://app.example.com/", nil)
	if res.Header.Get("Location") != "https://app.example.com/" {
		t.Errorf("logout: %d", res.StatusCode)
	}
	l := c.login(nil)
	bearer := []string{"Authorization", "Bearer " + fmt.Sprint(l.token["access_token"])}
	refresh := c.exchange("")
	refresh.Set("grant_type", "refresh_token")
	refresh.Set("refresh_token", fmt.Sprint(l.token["refresh_token"]))

	c.op.SetFaults(callbacktest.Faults{PushedFails: true, NoPushed: true, NoEndSession: true, UserInfoOther: true, RefreshNoIDToken: true})
	if res, _ := c.send("POST", "/par", good, basic...); res.StatusCode != 500 {
		t.Errorf("PushedFails: %d", res.StatusCode)
	}
	if _, m := c.send("GET", "/.well-known/openid-configuration", nil); m["pushed_authorization_request_endpoint"] != nil || m["end_session_endpoint"] != nil {
		t.Errorf("metadata: %v", m)
	}
	if _, claims := c.send("GET", "/userinfo", nil, bearer...); claims["sub"] != "somebody else" {
		t.Errorf("UserInfoOther: %v", claims)
	}
	_, next := c.send("POST", "/token", refresh)
	if next["id_token"] != nil || next["access_token"] == nil {
		t.Errorf("RefreshNoIDToken: %v", next)
	}
	c.op.SetFaults(callbacktest.Faults{RefreshOther: true, UserInfoFails: true})
	refresh.Set("refresh_token", fmt.Sprint(next["refresh_token"]))
	_, next = c.send("POST", "/token", refresh)
	payload, _ := base64.RawURLEncoding.DecodeString(strings.Split(fmt.Sprint(next["id_token"]), ".")[1])
	if !strings.Contains(string(payload), `"sub":"somebody else"`) {
		t.Errorf("RefreshOther: %s", payload)
	}
	if res, _ := c.send("GET", "/userinfo", nil, bearer...); res.StatusCode != 401 {
		t.Errorf("UserInfoFails: %d", res.StatusCode)
	}
	c.op.SetSubject("ben", nil)
	c.op.SetFaults(callbacktest.Faults{})
	if _, claims := c.send("GET", "/userinfo", nil, bearer...); claims["sub"] != "ana" {
		t.Errorf("who signed in before changed: %v", claims)
	}
	c.op.Close()
}
