package security_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-go/gatehouse/security"
)

func newAccess(tb testing.TB, c security.AccessConfig) *security.Access {
	tb.Helper()
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	a, err := security.NewAccess(c)
	if err != nil {
		tb.Fatal(err)
	}
	return a
}

// whoami answers with the principal it sees.
var whoami = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	p, ok := security.PrincipalFrom(r.Context())
	fmt.Fprintf(w, "%s %v", p.ID, ok)
})

// ask sends a GET with an Authorization field, if it is not empty, from an address.
func ask(h http.Handler, authorization string, from ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("GET", "/", nil)
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	if len(from) > 0 {
		r.RemoteAddr = from[0]
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// The check of the article: one shared token, and a body of the application's own.
func TestAccessBearerTokenOfTheArticle(t *testing.T) {
	access, err := security.NewAccess(security.AccessConfig{
		Schemes: []security.Scheme{security.Bearer{Tokens: []string{"secret"}}},
		OnError: security.AnswerJSON(`{"success":false,"message":"authentication failed"}`),
		Logger:  slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	h := access.Wrap(whoami)
	for _, row := range []struct {
		name, authorization string
		want                int
		challenge           string
	}{
		{"the token", "Bearer secret", 200, ""},
		{"the scheme in another case and more spaces", "bEARER   secret", 200, ""},
		{"nothing", "", 401, `Bearer realm="api"`},
		{"another token", "Bearer secret2", 401, `Bearer realm="api", error="invalid_token"`},
		{"the token's beginning", "Bearer secre", 401, `Bearer realm="api", error="invalid_token"`},
		{"an empty token", "Bearer ", 401, `Bearer realm="api", error="invalid_token"`},
		{"the scheme alone", "Bearer", 401, `Bearer realm="api"`},
		{"another scheme", "Basic c2VjcmV0", 401, `Bearer realm="api"`},
		{"the token alone", "secret", 401, `Bearer realm="api"`},
		{"two tokens in one line", "Bearer secret, Bearer x", 401, `Bearer realm="api", error="invalid_token"`},
		{"a token with a control", "Bearer sec\x00ret", 401, `Bearer realm="api", error="invalid_token"`},
		{"a huge token", "Bearer " + strings.Repeat("a", 9000), 401, `Bearer realm="api", error="invalid_token"`},
	} {
		w := ask(h, row.authorization)
		if w.Code != row.want || w.Header().Get("WWW-Authenticate") != row.challenge {
			t.Errorf("%s: got %d %q", row.name, w.Code, w.Header()["Www-Authenticate"])
		}
		if row.want == 401 && w.Body.String() != `{"success":false,"message":"authentication failed"}` {
			t.Errorf("%s: body %s", row.name, w.Body)
		}
	}
	r := httptest.NewRequest("GET", "/", nil)
	r.Header["Authorization"] = []string{"Bearer secret", "Bearer other"}
	if _, err := access.Check(r); !errors.Is(err, security.ErrAmbiguous) {
		t.Errorf("two fields: %v", err)
	}
}

func TestBearerVerifier(t *testing.T) {
	down := errors.New("the directory is down")
	scheme := security.Bearer{Realm: "shop", Verify: func(_ context.Context, token string) (security.Principal, error) {
		switch token {
		case "ann":
			return security.Principal{ID: "ann", Scopes: []string{"read"}}, nil
		case "nobody":
			return security.Principal{}, nil
		case "down":
			return security.Principal{}, down
		}
		return security.Principal{}, fmt.Errorf("%w: not ann", security.ErrCredentials)
	}}
	var log bytes.Buffer
	a := newAccess(t, security.AccessConfig{Schemes: []security.Scheme{scheme}, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	for token, want := range map[string]int{"ann": 200, "bob": 401, "down": 500, "nobody": 500} {
		if w := ask(a.Wrap(whoami), "Bearer "+token); w.Code != want {
			t.Errorf("%s: %d", token, w.Code)
		}
	}
	for _, want := range []string{"not ann", "the directory is down", "without an ID"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log lacks %q: %s", want, log.String())
		}
	}
	p, err := scheme.Authenticate(func() *http.Request {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Authorization", "Bearer ann")
		return r
	}())
	if err != nil || p.Scheme != "bearer" || scheme.Challenge(security.ErrNoCredentials, nil) != `Bearer realm="shop"` {
		t.Errorf("alone: %+v, %v", p, err)
	}
}

func TestAPIKeys(t *testing.T) {
	key, stored, err := security.NewAPIKey("acme", "ann", "items:read", "items:write")
	if err != nil {
		t.Fatal(err)
	}
	other, _, _ := security.NewAPIKey("acme", "bob")
	foreign, _, _ := security.NewAPIKey("other", "bob")
	soonKey, soon, _ := security.NewAPIKey("acme", "soon")
	soon.NotBefore = time.Now().Add(time.Hour)
	pastKey, past, _ := security.NewAPIKey("acme", "past")
	past.NotAfter = time.Now().Add(-time.Second)
	swapped := stored
	swapped.ID = "aaaaaaaaaaaa"
	keys, err := security.NewAPIKeys(security.APIKeysConfig{Prefix: "acme", Keys: []security.APIKey{stored, soon, past}})
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	access := newAccess(t, security.AccessConfig{Schemes: []security.Scheme{keys}, MaxFailures: 1000, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	h := access.Wrap(whoami)
	flipped := []byte(key)
	flipped[len("acme_")+13+3] ^= 1
	for _, row := range []struct {
		name, key string
		want      int
		logged    string
	}{
		{"a key", key, 200, ""},
		{"an unknown key", other, 401, "no API key has this id"},
		{"a key of another prefix is not an API key at all", foreign, 401, "request has no credentials"},
		{"a key with one character changed", string(flipped), 401, "not whole"},
		{"a key cut short", key[:len(key)-1], 401, "not whole"},
		{"a key with more at its end", key + "a", 401, "not whole"},
		{"the prefix alone", "acme_", 401, "not whole"},
		{"an id with another key's secret", security.WithKeyID(other, stored.ID), 401, "does not match its hash"},
		{"a key that is not valid yet", soonKey, 401, "not valid yet"},
		{"a key that has expired", pastKey, 401, "has expired"},
	} {
		log.Reset()
		w := ask(h, "Bearer "+row.key)
		if w.Code != row.want || !strings.Contains(log.String(), row.logged) {
			t.Errorf("%s: got %d, logged %s", row.name, w.Code, log.String())
		}
		if strings.Contains(log.String(), row.key) && row.key != "acme_" || strings.Contains(w.Body.String(), "id") && row.want == 401 {
			t.Errorf("%s: the key or the reason leaks: %s %s", row.name, log.String(), w.Body)
		}
	}
	p, err := access.Check(func() *http.Request {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Authorization", "Bearer "+key)
		return r
	}())
	if err != nil || p.ID != "ann" || p.Scheme != "api-key" || p.KeyID != stored.ID || !p.Has("items:read", "items:write") || p.Has("items") {
		t.Errorf("principal %+v, %v", p, err)
	}
	if err := keys.Replace([]security.APIKey{swapped, swapped}); err == nil || !strings.Contains(err.Error(), "must not occur twice") {
		t.Errorf("a bad set: %v", err)
	}
	if ask(h, "Bearer "+key).Code != 200 {
		t.Error("a refused Replace changed the set")
	}
	if err := keys.Replace(nil); err != nil || ask(h, "Bearer "+key).Code != 401 {
		t.Error("an empty set still takes a key")
	}
}

func TestAPIKeyInAFieldOfItsOwn(t *testing.T) {
	key, stored, _ := security.NewAPIKey("acme", "ann")
	keys, err := security.NewAPIKeys(security.APIKeysConfig{Prefix: "acme", Keys: []security.APIKey{stored}, Header: "x-api-key"})
	if err != nil {
		t.Fatal(err)
	}
	h := newAccess(t, security.AccessConfig{Schemes: []security.Scheme{keys}}).Wrap(whoami)
	for _, row := range []struct {
		name  string
		lines []string
		want  int
	}{
		{"the key", []string{key}, 200},
		{"no field", nil, 401},
		{"another value", []string{"x"}, 401},
		{"two fields", []string{key, key}, 401},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header["X-Api-Key"] = row.lines
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		challenge := ""
		if row.want == 401 {
			challenge = `ApiKey realm="api"`
		}
		if w.Code != row.want || w.Header().Get("WWW-Authenticate") != challenge {
			t.Errorf("%s: %d %v", row.name, w.Code, w.Header())
		}
		if row.want == 200 && w.Header().Get("Cache-Control") != "private" {
			t.Errorf("%s: a shared cache may keep the answer: %v", row.name, w.Header())
		}
	}
	if got := keys.Challenge(security.ErrScope, []string{"x"}); got != "" {
		t.Errorf("a scope too few: %s", got)
	}
}

func TestAPIKeyRotation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		oldKey, stored, _ := security.NewAPIKey("acme", "ann", "read")
		keys, _ := security.NewAPIKeys(security.APIKeysConfig{Prefix: "acme", Keys: []security.APIKey{stored}})
		h := newAccess(t, security.AccessConfig{Schemes: []security.Scheme{keys}}).Wrap(whoami)
		newKey, next, old, err := stored.Rotate(time.Hour)
		if err != nil || next.Principal != "ann" || next.Scopes[0] != "read" || next.ID == stored.ID || next.Hash == stored.Hash {
			t.Fatalf("%v, %v", next, err)
		}
		if err := keys.Replace([]security.APIKey{next, old}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		if ask(h, "Bearer "+oldKey).Code != 200 || ask(h, "Bearer "+newKey).Code != 200 {
			t.Error("both are taken during the overlap")
		}
		time.Sleep(time.Nanosecond)
		if ask(h, "Bearer "+oldKey).Code != 401 || ask(h, "Bearer "+newKey).Code != 200 {
			t.Error("only the new one is taken after it")
		}
		if _, _, again, _ := old.Rotate(24 * time.Hour); !again.NotAfter.Equal(old.NotAfter) {
			t.Error("a second rotation must not prolong the old key")
		}
		if _, _, _, err := (security.APIKey{}).Rotate(0); err == nil {
			t.Error("a key without a principal has no successor")
		}
	})
}

func TestAPIKeysReportTheirUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		key, stored, _ := security.NewAPIKey("acme", "ann")
		var used []time.Time
		keys, _ := security.NewAPIKeys(security.APIKeysConfig{Prefix: "acme", Keys: []security.APIKey{stored}, OnUse: func(k security.APIKey, at time.Time) {
			if k.ID != stored.ID {
				t.Errorf("key %v", k)
			}
			used = append(used, at)
		}})
		h := newAccess(t, security.AccessConfig{Schemes: []security.Scheme{keys}}).Wrap(whoami)
		start := time.Now()
		for range 5 {
			ask(h, "Bearer "+key)
			time.Sleep(25 * time.Second)
			_ = keys.Replace([]security.APIKey{stored}) // does not forget the last use
		}
		if len(used) != 2 || !used[0].Equal(start) || !used[1].Equal(start.Add(75*time.Second)) {
			t.Errorf("used at %v", used)
		}
	})
}

func TestAPIKeyIsStoredWithoutItsSecret(t *testing.T) {
	key, stored, _ := security.NewAPIKey("acme", "ann", "read")
	stored.NotAfter = time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	text, err := json.Marshal(stored)
	secret := key[len("acme_")+13:]
	if err != nil || strings.Contains(string(text), secret) || strings.Contains(string(text), "not_before") {
		t.Errorf("%s, %v", text, err)
	}
	var back security.APIKey
	if err := json.Unmarshal(text, &back); err != nil || back.Hash != stored.Hash || !back.NotAfter.Equal(stored.NotAfter) {
		t.Errorf("%v, %v", back, err)
	}
	if got := fmt.Sprintf("%v %+v %#v", stored, stored, &stored); strings.Contains(got, stored.Hash) || !strings.Contains(got, "acme_"+stored.ID) {
		t.Errorf("printed %s", got)
	}
	again, _, _ := security.NewAPIKey("acme", "ann")
	if again == key || len(key) != len("acme")+53 {
		t.Errorf("key %d bytes", len(key))
	}
}

func TestRequireProtectsTheHandlerItself(t *testing.T) {
	reader, storedReader, _ := security.NewAPIKey("acme", "reader", "read")
	writer, storedWriter, _ := security.NewAPIKey("acme", "writer", "read", "write")
	keys, _ := security.NewAPIKeys(security.APIKeysConfig{Prefix: "acme", Keys: []security.APIKey{storedReader, storedWriter}})
	access := newAccess(t, security.AccessConfig{Schemes: []security.Scheme{keys}})
	for name, h := range map[string]http.Handler{
		"behind Access": access.Wrap(access.Require("read", "write")(whoami)),
		"alone":         access.Require("read", "write")(whoami),
	} {
		for _, row := range []struct {
			name, key string
			want      int
			challenge string
		}{
			{"no credentials", "", 401, `Bearer realm="api"`},
			{"wrong credentials", "acme_x", 401, `Bearer realm="api", error="invalid_token"`},
			{"too few scopes", reader, 403, `Bearer realm="api", error="insufficient_scope", scope="read write"`},
			{"every scope", writer, 200, ""},
		} {
			authorization := ""
			if row.key != "" {
				authorization = "Bearer " + row.key
			}
			w := ask(h, authorization)
			if w.Code != row.want || w.Header().Get("WWW-Authenticate") != row.challenge {
				t.Errorf("%s, %s: %d %v", name, row.name, w.Code, w.Header())
			}
			if row.want == 200 && w.Body.String() != "writer true" {
				t.Errorf("%s, %s: %s", name, row.name, w.Body)
			}
		}
	}
	if w := ask(access.Require()(whoami), "Bearer "+reader); w.Code != 200 || w.Body.String() != "reader true" {
		t.Errorf("any principal: %d %s", w.Code, w.Body)
	}
}

func TestOneChallengeIsSentOnce(t *testing.T) {
	keys, _ := security.NewAPIKeys(security.APIKeysConfig{Prefix: "acme"})
	access := newAccess(t, security.AccessConfig{Schemes: []security.Scheme{keys, security.Bearer{Tokens: []string{"secret"}}}})
	for authorization, want := range map[string][]string{
		"":              {`Bearer realm="api"`},
		"Bearer wrong":  {`Bearer realm="api"`, `Bearer realm="api", error="invalid_token"`},
		"Bearer secret": {`Bearer realm="api", error="insufficient_scope", scope="read"`},
	} {
		if got := ask(access.Require("read")(whoami), authorization).Header()["Www-Authenticate"]; !slices.Equal(got, want) {
			t.Errorf("%q: %q", authorization, got)
		}
	}
}

// A principal that another Access let in is not one of this: customers are no administrators.
func TestRequireDoesNotTakeThePrincipalOfAnother(t *testing.T) {
	customers := newAccess(t, security.AccessConfig{Schemes: []security.Scheme{security.Bearer{Tokens: []string{"customer"}}}})
	admins := newAccess(t, security.AccessConfig{Schemes: []security.Scheme{security.Bearer{Tokens: []string{"admin"}, As: security.Principal{ID: "admin"}}}})
	h := customers.Wrap(admins.Require()(whoami))
	if w := ask(h, "Bearer customer"); w.Code != 401 {
		t.Errorf("a customer: %d %s", w.Code, w.Body)
	}
	if w := ask(newAccess(t, security.AccessConfig{Schemes: []security.Scheme{security.Bearer{Tokens: []string{"admin"}}}}).Wrap(admins.Require()(whoami)), "Bearer admin"); w.Code != 200 || w.Body.String() != "admin true" {
		t.Errorf("an administrator whom another let in too: %d %s", w.Code, w.Body)
	}
}

func TestAccessOptional(t *testing.T) {
	access := newAccess(t, security.AccessConfig{Schemes: []security.Scheme{security.Bearer{Tokens: []string{"new", "old"}, As: security.Principal{ID: "app"}}}, Optional: true})
	for authorization, want := range map[string]string{"": "200  false", "Bearer new": "200 app true", "Bearer old": "200 app true", "Bearer x": "401"} {
		w := ask(access.Wrap(whoami), authorization)
		if got := fmt.Sprint(w.Code, " ", w.Body); !strings.HasPrefix(got, want) {
			t.Errorf("%q: %s", authorization, got)
		}
	}
}

func TestAccessThrottlesFailuresByAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		access := newAccess(t, security.AccessConfig{Schemes: []security.Scheme{security.Bearer{Tokens: []string{"secret"}}}, MaxFailures: 3, FailureWindow: time.Minute})
		h := access.Wrap(whoami)
		for range 3 {
			if w := ask(h, "Bearer x", "192.0.2.1:1"); w.Code != 401 {
				t.Fatalf("got %d", w.Code)
			}
		}
		w := ask(h, "Bearer secret", "192.0.2.1:2")
		if w.Code != 429 || w.Header().Get("Retry-After") != "20" || w.Header().Get("WWW-Authenticate") != "" {
			t.Errorf("the fourth attempt: %d %v", w.Code, w.Header())
		}
		if w := ask(h, "", "192.0.2.1:2"); w.Code != 401 {
			t.Errorf("without credentials there is nothing to guess: %d", w.Code)
		}
		if w := ask(h, "Bearer secret", "192.0.2.2:1"); w.Code != 200 {
			t.Errorf("another address: %d", w.Code)
		}
		time.Sleep(20 * time.Second)
		if w := ask(h, "Bearer secret", "192.0.2.1:1"); w.Code != 200 {
			t.Errorf("after the time to wait: %d", w.Code)
		}
		for i := range 4 {
			w = ask(h, "Bearer x", fmt.Sprintf("[2001:db8::%x]:1", i))
		}
		if w.Code != 429 {
			t.Errorf("addresses of one /64 are one client: %d", w.Code)
		}
		for range 4 {
			w = ask(h, "Bearer x", "@")
		}
		if w.Code != 429 {
			t.Errorf("clients without an address are one: %d", w.Code)
		}
	})
}

func TestAccessSaysInTheLogWhyItRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // or the time to wait would be a little less than the whole minute
		var log bytes.Buffer
		access := newAccess(t, security.AccessConfig{Schemes: []security.Scheme{security.Bearer{Tokens: []string{"secret"}}}, MaxFailures: 1, Logger: slog.New(slog.NewTextHandler(&log, nil))})
		ask(access.Require("write")(whoami), "Bearer secret")
		ask(access.Wrap(whoami), "Bearer x")
		ask(access.Wrap(whoami), "Bearer x")
		for _, want := range []string{`\"bearer\" lacks one of write`, "none of those known", "too many failed attempts to authenticate: wait 1m0s"} {
			if !strings.Contains(log.String(), want) {
				t.Errorf("the log lacks %q: %s", want, log.String())
			}
		}
	})
	if got := (security.Bearer{}).Challenge(security.ErrScope, nil); got != `Bearer realm="", error="insufficient_scope"` {
		t.Errorf("a scope challenge without scopes: %s", got)
	}
}

func TestAccessForgetsWhatHasPassed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		access := newAccess(t, security.AccessConfig{Schemes: []security.Scheme{security.Bearer{Tokens: []string{"secret"}}}, MaxFailures: 1})
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Authorization", "Bearer x")
		for i := range 2 << 16 {
			if i == 1<<16 {
				time.Sleep(time.Hour)
			}
			r.RemoteAddr = fmt.Sprintf("10.%d.%d.%d:1", i>>16, i>>8&255, i&255)
			if _, err := access.Check(r); !errors.Is(err, security.ErrCredentials) {
				t.Fatalf("%s: %v", r.RemoteAddr, err)
			}
		}
	})
}

func TestAccessRemembersABoundedNumberOfAddresses(t *testing.T) {
	access := newAccess(t, security.AccessConfig{Schemes: []security.Scheme{security.Bearer{Tokens: []string{"secret"}}}, MaxFailures: 1})
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("Authorization", "Bearer x")
	for i := range 1<<16 + 1000 {
		r.RemoteAddr = fmt.Sprintf("10.%d.%d.%d:1", i>>16, i>>8&255, i&255)
		if _, err := access.Check(r); !errors.Is(err, security.ErrCredentials) {
			t.Fatalf("%s: %v", r.RemoteAddr, err)
		}
	}
	if _, err := access.Check(r); !errors.Is(err, security.ErrThrottled) {
		t.Errorf("the last one is remembered: %v", err)
	}
}

func TestNewAccessReportsEveryMistake(t *testing.T) {
	_, err := security.NewAccess(security.AccessConfig{
		Schemes:     []security.Scheme{nil, security.Bearer{}, security.Bearer{Tokens: []string{"", "a b"}, Realm: `"`}},
		MaxFailures: -1, FailureWindow: -1,
	})
	want := `security: AccessConfig.Schemes[0] must not be nil
security: AccessConfig.Schemes[1] must have one of Verify and Tokens
security: AccessConfig.Schemes[2].Tokens[0] must not be empty, and of letters, digits and -._~+/ with = at the end only
security: AccessConfig.Schemes[2].Tokens[1] must not be empty, and of letters, digits and -._~+/ with = at the end only
security: AccessConfig.Schemes[2].Realm = "\"" must be printable ASCII without quotes and backslashes
security: AccessConfig.MaxFailures = -1 must not be negative
security: AccessConfig.FailureWindow = -1ns must not be negative`
	if err == nil || err.Error() != want {
		t.Errorf("got:\n%v", err)
	}
	if _, err := security.NewAccess(security.AccessConfig{}); err == nil || err.Error() != "security: AccessConfig.Schemes must name at least one scheme" {
		t.Errorf("the zero value: %v", err)
	}
	_, err = security.NewAPIKeys(security.APIKeysConfig{Prefix: "A", Header: "a b", Realm: `\`, UseInterval: -1, Keys: []security.APIKey{
		{Prefix: "b", ID: "x", Hash: "x", NotBefore: time.Unix(2, 0), NotAfter: time.Unix(1, 0).UTC()},
	}})
	want = `security: APIKeysConfig.Prefix = "A" must be 2 to 16 lower-case letters and digits
security: APIKeysConfig.Header = "a b" must be a field name
security: APIKeysConfig.UseInterval = -1ns must not be negative
security: APIKeysConfig.Realm = "\\" must be printable ASCII without quotes and backslashes
security: APIKeysConfig.Keys[0].Prefix = "b" must be that of the set, A
security: APIKeysConfig.Keys[0].ID = "x" must be 12 characters of lower-case base32
security: APIKeysConfig.Keys[0].Hash must be a SHA-256 in hexadecimal
security: APIKeysConfig.Keys[0].Principal must not be empty
security: APIKeysConfig.Keys[0].NotAfter = "1970-01-01T00:00:01Z" must not be before NotBefore`
	if err == nil || err.Error() != want {
		t.Errorf("got:\n%v", err)
	}
	if _, _, err := security.NewAPIKey("x", ""); err == nil || err.Error() != "security: prefix = \"x\" must be 2 to 16 lower-case letters and digits\nsecurity: principal must not be empty" {
		t.Errorf("got %v", err)
	}
}

func ExampleNewAccess() {
	access, err := security.NewAccess(security.AccessConfig{
		Schemes: []security.Scheme{security.Bearer{Tokens: []string{"secret"}}},
		OnError: security.AnswerJSON(`{"success":false,"message":"authentication failed"}`),
		Logger:  slog.New(slog.DiscardHandler),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	handler := access.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "welcome")
	}))
	for _, authorization := range []string{"Bearer secret", "Bearer guess"} {
		r := httptest.NewRequest("GET", "/api/hello", nil)
		r.Header.Set("Authorization", authorization)
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		fmt.Println(w.Code, w.Body)
	}
	// Output:
	// 200 welcome
	// 401 {"success":false,"message":"authentication failed"}
}

func ExampleAPIKey_Rotate() {
	_, stored, err := security.NewAPIKey("acme", "ann", "items:write")
	if err != nil {
		fmt.Println(err)
		return
	}
	keys, err := security.NewAPIKeys(security.APIKeysConfig{Prefix: "acme", Keys: []security.APIKey{stored}})
	if err != nil {
		fmt.Println(err)
		return
	}
	key, next, old, err := stored.Rotate(7 * 24 * time.Hour) // key is shown to ann, once
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(len(key), next.Principal, next.Scopes, next.NotAfter.IsZero(), old.NotAfter.IsZero())
	fmt.Println(keys.Replace([]security.APIKey{next, old}))
	// Output:
	// 57 ann [items:write] true false
	// <nil>
}

func ExampleNewAPIKeys() {
	key, stored, err := security.NewAPIKey("acme", "ann", "items:write")
	if err != nil {
		fmt.Println(err)
		return
	}
	keys, err := security.NewAPIKeys(security.APIKeysConfig{Prefix: "acme", Keys: []security.APIKey{stored}})
	if err != nil {
		fmt.Println(err)
		return
	}
	access, err := security.NewAccess(security.AccessConfig{Schemes: []security.Scheme{keys}, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		fmt.Println(err)
		return
	}
	handler := access.Require("items:write")(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p, _ := security.PrincipalFrom(r.Context())
		fmt.Fprintln(w, "hello", p.ID)
	}))
	r := httptest.NewRequest("POST", "/items", nil)
	r.Header.Set("Authorization", "Bearer "+key) // shown once, when it was made
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	fmt.Print(w.Body)
	// Output: hello ann
}
