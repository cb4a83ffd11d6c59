package oidc_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/gatehouse-go/gatehouse/callback"
	"github.com/gatehouse-go/gatehouse/callback/callbacktest"
	"github.com/gatehouse-go/gatehouse/callback/oidc"
	"github.com/gatehouse-go/gatehouse/internal/testbrowser"
)

// account is the application's user.
type account struct {
	Provider string      `json:"provider"`
	Subject  string      `json:"subject"`
	Name     string      `json:"name"`
	Tokens   oidc.Tokens `json:"tokens"`
}

func accountOf(_ context.Context, id oidc.Identity) (account, error) {
	var claims struct {
		Name string `json:"name"`
	}
	if err := id.Decode(&claims); err != nil {
		return account{}, err
	}
	return account{id.Provider, id.Subject, claims.Name, id.Tokens}, nil
}

// app is an application with a browser in front of it and a provider beside it.
type app struct {
	*testbrowser.Browser
	t     *testing.T
	op    *callbacktest.Provider
	login *oidc.Login[account]
	store *callback.MemorySessions
	log   *strings.Builder
}

func keyring(tb testing.TB) *callback.Keyring {
	tb.Helper()
	k, err := callback.NewKeyring([]byte("Xq3#pN8!vT5^kZ1&mB7*rL4(wD9)yG2@"))
	if err != nil {
		tb.Fatal(err)
	}
	return k
}

// config returns the configuration of an application at base that signs people in at op.
func config(tb testing.TB, base string, op *callbacktest.Provider, store callback.SessionStore, log *strings.Builder) oidc.Config[account] {
	tb.Helper()
	logger := slog.New(slog.NewTextHandler(log, nil))
	sessions, err := callback.NewSessions(callback.SessionsConfig[account]{
		Keys: keyring(tb), Store: store, Subject: func(a account) string { return a.Subject }, LoginPath: "/login", Logger: logger,
	})
	if err != nil {
		tb.Fatal(err)
	}
	return oidc.Config[account]{
		Providers: []oidc.Provider{{Issuer: op.Issuer, ClientID: op.ClientID, ClientSecret: oidc.Secret(op.ClientSecret)}},
		BaseURL:   base,
		Keys:      keyring(tb),
		Sessions:  sessions,
		Client:    op.Client(),
		User:      accountOf,
		LogoutHint: func(a account) oidc.LogoutHint {
			return oidc.LogoutHint{Provider: a.Provider, IDToken: a.Tokens.ID}
		},
		Logger: logger,
	}
}

// start starts an application, after change has had its way with the configuration.
func start(t *testing.T, change func(*oidc.Config[account], *callbacktest.Provider)) *app {
	t.Helper()
	op := callbacktest.NewProvider(t, callbacktest.ProviderConfig{})
	return startAt(t, op, change)
}

func startAt(t *testing.T, op *callbacktest.Provider, change func(*oidc.Config[account], *callbacktest.Provider)) *app {
	t.Helper()
	mux := http.NewServeMux()
	a := &app{t: t, op: op, log: new(strings.Builder), Browser: testbrowser.Serve(t, mux)}
	var err error
	if a.store, err = callback.NewMemorySessions(callback.MemorySessionsConfig{MaxSessions: 100}); err != nil {
		t.Fatal(err)
	}
	c := config(t, a.URL, op, a.store, a.log)
	if change != nil {
		change(&c, op)
	}
	if a.login, err = oidc.New(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	mux.Handle("/login", a.login.Start())
	mux.Handle("/auth/callback", a.login.Callback())
	mux.Handle("/auth/callback/", a.login.Callback())
	mux.Handle("/logout", a.login.Logout())
	mux.Handle("/backchannel", a.login.BackChannel())
	mux.Handle("/frontchannel", a.login.FrontChannel())
	mux.Handle("/", a.login.Sessions().Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		u, _ := callback.SessionFrom[account](r.Context())
		fmt.Fprintf(w, "signed in as %s", u.Subject)
	})))
	return a
}

// toProvider opens path, which must lead to the provider, and returns the provider's URL.
func (a *app) toProvider(b *testbrowser.Browser, path string) string {
	a.t.Helper()
	got := b.Open(path)
	if got.StatusCode != 303 || !strings.HasPrefix(got.Header.Get("Location"), a.op.Issuer+"/authorize?") {
		a.t.Fatalf("%s: %d %s %s", path, got.StatusCode, got.Header.Get("Location"), got.Text)
	}
	return got.Header.Get("Location")
}

// answer begins a login at path in b and returns the URL with which the provider sends the browser back.
func (a *app) answer(b *testbrowser.Browser, path string) string {
	a.t.Helper()
	got := b.Open(a.toProvider(b, path))
	if got.StatusCode != 303 {
		a.t.Fatalf("provider: %d %s", got.StatusCode, got.Text)
	}
	return got.Header.Get("Location")
}

// signedIn returns who b is signed in as, or "".
func (a *app) signedIn(b *testbrowser.Browser) string {
	a.t.Helper()
	got := b.Open("/")
	if got.StatusCode != 200 {
		return ""
	}
	return strings.TrimPrefix(got.Text, "signed in as ")
}

// with returns the URL with one parameter set, or taken away where value is empty.
func with(tb testing.TB, raw, name, value string) string {
	tb.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		tb.Fatal(err)
	}
	q := u.Query()
	q.Set(name, value)
	if value == "" {
		q.Del(name)
	}
	u.RawQuery = q.Encode()
	return u.String()
}

// param returns a parameter of the URL.
func param(tb testing.TB, raw, name string) string {
	tb.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		tb.Fatal(err)
	}
	return u.Query().Get(name)
}

// flowCookies counts the logins under way that b remembers.
func flowCookies(b *testbrowser.Browser) (n, size int) {
	for name, value := range b.Cookies() {
		if strings.HasPrefix(name, "__Host-login-") {
			n++
			size += len(name) + len(value)
		}
	}
	return n, size
}
