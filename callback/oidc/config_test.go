package oidc_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/callback"
	"github.com/gatehouse-go/gatehouse/callback/callbacktest"
	"github.com/gatehouse-go/gatehouse/callback/oidc"
)

func TestClientAuthentication(t *testing.T) {
	key := func(k crypto.Signer, err error) crypto.Signer {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	p256 := key(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	for _, tt := range []struct {
		name   string
		op     callbacktest.ProviderConfig
		change func(*oidc.Provider)
	}{
		{"secret in the header", callbacktest.ProviderConfig{ClientID: "a b", ClientSecret: "p%+/:?"}, func(p *oidc.Provider) { p.ClientAuth = oidc.AuthBasic }},
		{"secret in the form", callbacktest.ProviderConfig{ClientSecret: "p%+/:?"}, func(p *oidc.Provider) { p.ClientAuth = oidc.AuthPost }},
		{"no secret", callbacktest.ProviderConfig{PublicClient: true}, func(p *oidc.Provider) {}},
		{"P-256 key", callbacktest.ProviderConfig{ClientKey: p256.Public()}, func(p *oidc.Provider) { p.PrivateKey, p.KeyID = p256, "k" }},
		{"P-384 key", callbacktest.ProviderConfig{}, func(p *oidc.Provider) { p.PrivateKey = key(ecdsa.GenerateKey(elliptic.P384(), rand.Reader)) }},
		{"P-521 key", callbacktest.ProviderConfig{}, func(p *oidc.Provider) { p.PrivateKey = key(ecdsa.GenerateKey(elliptic.P521(), rand.Reader)) }},
		{"RSA key", callbacktest.ProviderConfig{}, func(p *oidc.Provider) { p.PrivateKey = key(rsa.GenerateKey(rand.Reader, 2048)) }},
		{"Ed25519 key", callbacktest.ProviderConfig{}, func(p *oidc.Provider) {
			_, k, err := ed25519.GenerateKey(rand.Reader)
			p.PrivateKey = key(k, err)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var p oidc.Provider
			tt.change(&p)
			if p.PrivateKey != nil {
				tt.op.ClientKey = p.PrivateKey.Public()
			}
			op := callbacktest.NewProvider(t, tt.op)
			a := startAt(t, op, func(c *oidc.Config[account], op *callbacktest.Provider) {
				p.Issuer, p.ClientID, p.ClientSecret = op.Issuer, op.ClientID, oidc.Secret(op.ClientSecret)
				c.Providers[0] = p
			})
			a.mustSignIn() // which pushes its request, authenticated in the same way
			if op.Calls("/par") != 1 {
				t.Errorf("%d requests were pushed", op.Calls("/par"))
			}
		})
	}
}

func TestSecretInTheFormWhereTheProviderTakesNoOther(t *testing.T) {
	op := callbacktest.NewProvider(t, callbacktest.ProviderConfig{})
	front := proxyTo(t, op, func(body string) string { return strings.Replace(body, `"client_secret_basic",`, "", 1) })
	a := startAt(t, op, func(c *oidc.Config[account], _ *callbacktest.Provider) { c.Client = front })
	a.mustSignIn()
}

func TestOwnPageAndOwnAnswer(t *testing.T) {
	a := start(t, func(c *oidc.Config[account], _ *callbacktest.Provider) {
		c.Page = template.Must(template.New("").Parse("{{.Status}} {{.Link}}"))
		c.LoginPath = "/login?from=page"
	})
	if got := a.Open("/auth/callback"); got.Text != "400 /login?from=page" {
		t.Errorf("%s", got.Text)
	}
	a.op.SetFaults(callbacktest.Faults{Error: "access_denied"})
	if got := a.Open(a.answer(a.Browser, "/login?return_to=/inbox")); got.Text != "403 /login?from=page&amp;return_to=%2Finbox" {
		t.Errorf("%s", got.Text)
	}
	a = start(t, func(c *oidc.Config[account], _ *callbacktest.Provider) {
		c.OnError = func(w http.ResponseWriter, _ *http.Request, err error) {
			w.WriteHeader(418)
			fmt.Fprint(w, errors.Is(err, callback.ErrTicketMissing))
		}
	})
	if got := a.Open("/auth/callback"); got.StatusCode != 418 || got.Text != "true" {
		t.Errorf("%d %s", got.StatusCode, got.Text)
	}
}

func TestSessionsOfItsOwn(t *testing.T) {
	a := start(t, func(c *oidc.Config[account], _ *callbacktest.Provider) {
		c.Sessions = nil
		c.User = func(_ context.Context, id oidc.Identity) (account, error) { return account{Subject: id.Subject}, nil }
	})
	a.mustSignIn()
	if got := a.Another().Open("/inbox"); got.Header.Get("Location") != "/login?return_to=%2Finbox" {
		t.Errorf("%d %s", got.StatusCode, got.Header.Get("Location"))
	}
}

func TestNewReportsEveryMistake(t *testing.T) {
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Skip("this Go makes no small keys:", err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, err = oidc.New(t.Context(), oidc.Config[account]{
		BaseURL: "http://app.example.com", CallbackPath: "//evil.example", Home: "https://x.example/",
		Providers: []oidc.Provider{
			{},
			{ID: "a/b", Issuer: "http://idp.example.com", ClientID: "c", ClientSecret: "s", ClientAuth: oidc.AuthNone},
			{ID: "q", Issuer: "https://idp.example.com?x", ClientID: "c", ClientAuth: oidc.AuthBasic, Algorithms: []string{"RS256", "HS256"}},
			{ID: "k", Issuer: "https://idp.example.com", ClientID: "c", ClientAuth: oidc.AuthPrivateKey},
			{ID: "k", Issuer: "https://user@idp.example.com", ClientID: "c", PrivateKey: small},
			{ID: "u", Issuer: "https://idp.example.com", ClientID: "c", ClientAuth: "mtls"},
			{ID: "o", ClientID: "c", UserInfo: true, PrivateKey: key, OAuth2: &oidc.OAuth2{AuthURL: "ftp://x.example/", TokenURL: ""}},
			{ID: "p", Issuer: "https://idp.example.com", ClientID: "c", ClientSecret: "s", PrivateKey: key},
		},
	})
	want := []string{
		`Config.BaseURL = "http://app.example.com" must begin with https`, "Config.User is required", "Config.Keys is required",
		"Providers[0].ID is required", "Providers[0].ClientID is required", "Providers[0].Issuer is required",
		`Providers[1].ID = "a/b"`, `Providers[1].Issuer = "http://idp.example.com" must be a URL with https`, "Providers[1].ClientSecret must be empty",
		"Providers[2].Issuer", "Providers[2].ClientSecret is required", `Providers[2].Algorithms = "HS256"`,
		"Providers[3].PrivateKey is required", "Providers[4].PrivateKey must be RSA", `Providers[4].ID = "k" must differ`, `Providers[4].Issuer = "https://user@`,
		`Providers[5].ClientAuth = "mtls"`,
		"Providers[6].OAuth2.AuthURL", "Providers[6].OAuth2.TokenURL", "Providers[6].OAuth2.Identify", "Providers[6].UserInfo", "Providers[6].AssertionAudience",
		"Providers[7].ClientSecret must be empty",
	}
	lines := strings.Split(fmt.Sprint(err), "\n")
	for _, w := range want {
		if !slices.ContainsFunc(lines, func(line string) bool { return strings.Contains(line, w) }) {
			t.Errorf("%s is not in\n%v", w, err)
		}
	}
	if len(lines) != len(want) {
		t.Errorf("%d mistakes, want %d:\n%v", len(lines), len(want), err)
	}

	_, err = oidc.New(t.Context(), oidc.Config[account]{BaseURL: "https://app.example.com", CallbackPath: "//evil.example", Home: "https://x.example/", LoginPath: "login", AfterLogout: "https://app.example.com/"})
	for _, w := range []string{"Config.CallbackPath", "Config.Home", "Config.LoginPath", "Config.AfterLogout", "Config.Providers"} {
		if !strings.Contains(fmt.Sprint(err), w) {
			t.Errorf("%s is not in\n%v", w, err)
		}
	}
	if _, err := oidc.New(t.Context(), oidc.Config[account]{Keys: keyring(t), Lifetime: time.Millisecond}); !strings.Contains(fmt.Sprint(err), "Lifetime = 1ms") {
		t.Errorf("lifetime: %v", err)
	}
	for _, base := range []string{"", "app.example.com", "https://app.example.com/path"} {
		if _, err := oidc.New(t.Context(), oidc.Config[account]{BaseURL: base}); !strings.Contains(fmt.Sprint(err), "Config.BaseURL") {
			t.Errorf("BaseURL %q: %v", base, err)
		}
	}
}

func TestPlainHTTPIsForLoopbackAlone(t *testing.T) {
	op := callbacktest.NewProvider(t, callbacktest.ProviderConfig{PlainHTTP: true})
	var log strings.Builder
	c := config(t, "https://app.example.com", op, nil, &log)
	c.Client = nil
	if _, err := oidc.New(t.Context(), c); err == nil {
		t.Error("accepted without InsecureHTTP")
	}
	c.Providers[0].InsecureHTTP = true
	if _, err := oidc.New(t.Context(), c); err != nil {
		t.Error(err)
	}
	for issuer, ok := range map[string]bool{"http://localhost:1": true, "http://[::1]:1": true, "http://10.0.0.1": false, "http://idp.example.com": false} {
		c.Providers[0].Issuer = issuer
		c.AllowUnreachable = true
		if _, err := oidc.New(t.Context(), c); (err == nil) != ok {
			t.Errorf("%s: %v", issuer, err)
		}
	}
}
