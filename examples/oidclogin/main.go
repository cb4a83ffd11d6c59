// Command oidclogin is a small application that signs people in through an OpenID Connect provider.
package main

import (
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"html/template"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/gatehouse-go/gatehouse/callback"
	"github.com/gatehouse-go/gatehouse/callback/oidc"
)

type options struct {
	addr, baseURL, issuer, clientID, clientSecret string
	insecureHTTP                                  bool
}

func main() {
	var o options
	flag.StringVar(&o.addr, "addr", "127.0.0.1:8080", "address to listen on")
	flag.StringVar(&o.baseURL, "base-url", "", "origin as browsers see it, such as that of a TLS front (default http:// and the address)")
	flag.StringVar(&o.issuer, "issuer", "", "issuer of the provider")
	flag.StringVar(&o.clientID, "client-id", "", "client id at the provider")
	flag.StringVar(&o.clientSecret, "client-secret", "", "client secret; empty for a public client")
	flag.BoolVar(&o.insecureHTTP, "insecure-http", false, "allow a provider with plain HTTP on a loopback address")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, o)
	stop()
	if err != nil {
		slog.Error("oidclogin", "error", err)
		os.Exit(1)
	}
}

// run serves until ctx ends.
func run(ctx context.Context, o options) error {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", o.addr)
	if err != nil {
		return err
	}
	if o.baseURL == "" {
		o.baseURL = "http://" + listener.Addr().String()
	}
	app, err := newApp(ctx, o)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	server := &http.Server{Handler: app, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 15 * time.Second, WriteTimeout: time.Minute, IdleTimeout: time.Minute}
	slog.Info("listening", "addr", listener.Addr().String(), "open", o.baseURL)
	stopped := context.AfterFunc(ctx, func() {
		shutdown, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		_ = server.Shutdown(shutdown) // what has not ended by then is cut off with the process
	})
	defer stopped()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// account is what a session remembers of a person.
type account struct {
	Subject string `json:"subject"`
	IDToken string `json:"id_token"` // names the session to the provider at logout
}

// newApp returns the application's handler.
func newApp(ctx context.Context, o options) (http.Handler, error) {
	insecureCookies := strings.HasPrefix(o.baseURL, "http://")
	secret := make([]byte, 32) // sessions end with the process; a real application keeps its keys
	_, _ = rand.Read(secret)   // never fails (crypto/rand)
	keys, err := callback.NewKeyring(secret)
	if err != nil {
		return nil, err
	}
	store, err := callback.NewMemorySessions(callback.MemorySessionsConfig{MaxSessions: 10_000})
	if err != nil {
		return nil, err
	}
	sessions, err := callback.NewSessions(callback.SessionsConfig[account]{
		Keys: keys, Store: store, Subject: func(a account) string { return a.Subject },
		Lifetime: 12 * time.Hour, Idle: time.Hour, LoginPath: "/login", InsecureHTTP: insecureCookies,
	})
	if err != nil {
		return nil, err
	}
	login, err := oidc.New(ctx, oidc.Config[account]{
		Providers: []oidc.Provider{{
			Issuer: o.issuer, ClientID: o.clientID, ClientSecret: oidc.Secret(o.clientSecret), UserInfo: true, InsecureHTTP: o.insecureHTTP,
		}},
		BaseURL: o.baseURL, Keys: keys, Sessions: sessions, InsecureHTTP: insecureCookies,
		AllowUnreachable: true, // the provider may start after the application
		User: func(_ context.Context, id oidc.Identity) (account, error) {
			return account{Subject: id.Subject, IDToken: id.Tokens.ID}, nil
		},
		LogoutHint: func(a account) oidc.LogoutHint { return oidc.LogoutHint{IDToken: a.IDToken} },
	})
	if err != nil {
		return nil, err
	}

	mux := http.NewServeMux()
	mux.Handle("/login", login.Start())
	mux.Handle("/auth/callback", login.Callback())
	mux.Handle("/logout", login.Logout())
	mux.Handle("/", sessions.Require(http.HandlerFunc(home)))
	return mux, nil
}

var page = template.Must(template.New("home").Parse(`<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>oidclogin</title>
<main>
<h1>signed in as {{.Subject}}</h1>
<form method="post" action="/logout"><button>Sign out</button></form>
</main>
</html>
`))

func home(w http.ResponseWriter, r *http.Request) {
	a, _ := callback.SessionFrom[account](r.Context())
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	if err := page.Execute(w, a); err != nil {
		slog.ErrorContext(r.Context(), "page", "error", fmt.Errorf("home: %w", err))
	}
}
