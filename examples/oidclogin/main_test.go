package main

import (
	"context"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/callback/callbacktest"
)

// TestPersonSignsInAndOut follows every redirect, as a browser does.
func TestPersonSignsInAndOut(t *testing.T) {
	op := callbacktest.NewProvider(t, callbacktest.ProviderConfig{PlainHTTP: true})
	server := httptest.NewUnstartedServer(nil)
	app, err := newApp(t.Context(), options{
		baseURL: "http://" + server.Listener.Addr().String(), issuer: op.Issuer, clientID: op.ClientID, clientSecret: op.ClientSecret, insecureHTTP: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	server.Config.Handler = app
	server.Start()
	t.Cleanup(server.Close)
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	browser := &http.Client{Jar: jar}
	send := func(r *http.Request, err error) (int, string, string) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Accept", "text/html")
		res, err := browser.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, res.Request.URL.RequestURI(), string(body)
	}
	get := func(path string) (int, string, string) {
		t.Helper()
		return send(http.NewRequestWithContext(t.Context(), "GET", server.URL+path, nil))
	}

	if status, path, body := get("/inbox?a=1"); status != 200 || path != "/inbox?a=1" || !strings.Contains(body, "signed in as ana") {
		t.Errorf("%d %s\n%s", status, path, body)
	}
	if op.Calls("/token") != 1 {
		t.Errorf("%d codes redeemed", op.Calls("/token"))
	}
	op.SetSubject("<ben>", nil)
	// Signing out leads to the provider and back to the protected page, which leads to a new login.
	status, path, body := send(http.NewRequestWithContext(t.Context(), "POST", server.URL+"/logout", strings.NewReader(url.Values{}.Encode())))
	if status != 200 || path != "/" || !strings.Contains(body, "signed in as &lt;ben&gt;") || op.Calls("/logout") != 1 {
		t.Errorf("%d %s\n%s", status, path, body)
	}
}

func TestRunStopsWithItsContext(t *testing.T) {
	op := callbacktest.NewProvider(t, callbacktest.ProviderConfig{PlainHTTP: true})
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if err := run(ctx, options{addr: "127.0.0.1:0", issuer: op.Issuer, clientID: "client", insecureHTTP: true}); err != nil {
		t.Error(err)
	}
	if err := run(t.Context(), options{addr: "127.0.0.1:0", issuer: op.Issuer, clientID: "client"}); err == nil {
		t.Error("an issuer without TLS was accepted")
	}
}
