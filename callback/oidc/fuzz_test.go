package oidc_test

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gatehouse-go/gatehouse/callback"
	"github.com/gatehouse-go/gatehouse/callback/callbacktest"
	"github.com/gatehouse-go/gatehouse/callback/oidc"
)

func fuzzed(f *testing.F) (*oidc.Login[account], *callbacktest.Provider) {
	f.Helper()
	op := callbacktest.NewProvider(f, callbacktest.ProviderConfig{})
	store, err := callback.NewMemorySessions(callback.MemorySessionsConfig{MaxSessions: 10})
	if err != nil {
		f.Fatal(err)
	}
	login, err := oidc.New(f.Context(), config(f, "https://app.example.com", op, store, new(strings.Builder)))
	if err != nil {
		f.Fatal(err)
	}
	return login, op
}

// FuzzCallback brings answers that nobody asked for: each is refused with 4xx, and no code is redeemed.
func FuzzCallback(f *testing.F) {
	login, op := fuzzed(f)
	for _, q := range []string{"", "code=a", "code=a&state=b", "code=a&state=AAAAAAAAAAAAAAAAAAAAAA&iss=x", "error=access_denied&state=x", "code=a&code=b", "%zz"} {
		f.Add(q)
	}
	f.Fuzz(func(t *testing.T, query string) {
		r := httptest.NewRequest("GET", "/auth/callback", nil)
		r.URL.RawQuery = query
		w := httptest.NewRecorder()
		login.Callback().ServeHTTP(w, r)
		if w.Code < 400 || w.Code > 499 || w.Header().Get("Location") != "" || op.Calls("/token") != 0 {
			t.Errorf("%q: %d", query, w.Code)
		}
	})
}

// FuzzBackChannel sends logout tokens that the provider did not sign: each is refused with 400.
func FuzzBackChannel(f *testing.F) {
	login, _ := fuzzed(f)
	for _, form := range []string{"", "logout_token=a.b.c", "logout_token=a.e30.c", "logout_token=eyJhbGciOiJub25lIn0.e30.", "logout_token=x&logout_token=y", "%zz"} {
		f.Add(form)
	}
	f.Fuzz(func(t *testing.T, form string) {
		w := httptest.NewRecorder()
		login.BackChannel().ServeHTTP(w, httptest.NewRequest("POST", "/backchannel", strings.NewReader(form)))
		if w.Code != 400 && (w.Code != 413 || len(form) <= 32<<10) {
			t.Errorf("%q: %d", form, w.Code)
		}
	})
}
