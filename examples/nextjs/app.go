package main

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"strconv"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/callback"
	"github.com/gatehouse-go/gatehouse/proxy"
	"github.com/gatehouse-go/gatehouse/revalidate"
	"github.com/gatehouse-go/gatehouse/security"
	"github.com/justinas/alice"
)

type appConfig struct {
	Secret   string // of the webhooks
	Upstream string // where external rewrites lead
	Listen   netip.AddrPort
}

// app is the whole application. Each file of this command is one part of it.
type app struct {
	handler http.Handler

	origin   string // the application's own, which no request can change
	cache    *revalidate.Cache
	returnTo *callback.ReturnTo
	sessions *callback.Sessions[session]
	proxy    *proxy.Proxy
	toOpts   proxy.Response
}

func newApp(c appConfig) (*app, error) {
	port := strconv.Itoa(int(c.Listen.Port()))
	a := &app{origin: "http://localhost:" + port}
	var err error
	if a.cache, err = revalidate.New(revalidate.Config{}); err != nil {
		return nil, err
	}
	if err := a.openSessions("http://" + c.Listen.String()); err != nil {
		return nil, err
	}
	mux, err := a.routes(c.Secret)
	if err != nil {
		return nil, err
	}
	if a.proxy, err = a.newProxy(mux, c.Upstream); err != nil {
		return nil, err
	}
	recovery, err := security.NewRecover(security.RecoverConfig{})
	if err != nil {
		return nil, err
	}
	// What no route knows is not asked of the rules either. TRACE is left to the routes, which refuse it.
	methods, err := security.NewMethods(security.MethodsConfig{Allow: []string{
		http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions, http.MethodTrace,
	}})
	if err != nil {
		return nil, err
	}
	// A reverse proxy on the same machine may say who the client is; nobody else may.
	clientIP, err := security.NewClientIP(security.ClientIPConfig{
		Header:         "X-Forwarded-For",
		TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")},
	})
	if err != nil {
		return nil, err
	}
	a.handler = alice.New(recovery.Wrap, methods.Wrap, clientIP.Wrap, a.proxy.Wrap).Then(mux)
	return a, nil
}

func (a *app) close(ctx context.Context) error {
	return errors.Join(a.proxy.Close(ctx), a.cache.Close(ctx))
}

// routes is the app folder: one handler for each route.ts or page.tsx.
func (a *app) routes(secret string) (*http.ServeMux, error) {
	webhook, err := a.webhook(secret, revalidate.ModeExpire)
	if err != nil {
		return nil, err
	}
	stale, err := a.webhook(secret, revalidate.ModeStaleWhileRevalidate)
	if err != nil {
		return nil, err
	}
	limited, err := limit(5)
	if err != nil {
		return nil, err
	}
	unlimited, err := limit(1 << 30)
	if err != nil {
		return nil, err
	}
	factory := createHandler("x")
	echo := http.HandlerFunc(a.echo)
	mux := http.NewServeMux()
	for _, route := range []struct {
		methods  gatehouse.Methods
		mw       []alice.Constructor
		patterns []string
	}{
		{page(a.home), nil, []string{"/{$}"}},
		{page(a.cachedPage), nil, []string{"/cached"}},
		{page(static()), nil, []string{"/static"}},
		{gatehouse.Methods{Get: http.HandlerFunc(a.cachedData)}, nil, []string{"/cached-data"}},
		{gatehouse.Methods{Get: webhook, UnsafeGet: true}, nil, []string{"/webhook", "/webhook-now"}},
		{gatehouse.Methods{Get: stale, UnsafeGet: true}, nil, []string{"/webhook-max"}},
		{gatehouse.Methods{Get: http.HandlerFunc(a.callback), UnsafeGet: true}, nil, []string{"/callback"}},
		{gatehouse.Methods{Get: answer(map[string]string{"hello": "world"})}, nil, []string{"/api/hello"}},
		{gatehouse.Methods{Get: params("fn")}, nil, []string{"/api/{fn}", "/api/{fn}/{more...}"}},
		{gatehouse.Methods{Get: params("new")}, nil, []string{"/new", "/new/{more...}"}},
		{gatehouse.Methods{Get: http.HandlerFunc(ctxID)}, nil, []string{"/ctx/{id}"}},
		{gatehouse.Methods{Get: echo, Post: echo}, nil, []string{"/echo", "/echo/{more...}"}},
		{gatehouse.Methods{Get: factory, Post: factory}, nil, []string{"/factory"}},
		{gatehouse.Methods{Get: text("get"), Post: text("post"), Delete: noContent}, nil, []string{"/opts"}},
		{gatehouse.Methods{Post: http.HandlerFunc(postBack)}, nil, []string{"/optsonlypost"}},
		{gatehouse.Methods{Get: text("x"), Head: ownHead, Options: ownOptions}, nil, []string{"/hdr"}},
		{gatehouse.Methods{Post: noContent}, []alice.Constructor{onlyPost(limited)}, []string{"/limited"}},
		{gatehouse.Methods{Post: noContent}, []alice.Constructor{onlyPost(unlimited)}, []string{"/limited-big"}},
		{gatehouse.Methods{Get: http.HandlerFunc(slow)}, nil, []string{"/slow"}},
		{gatehouse.Methods{Get: failing("secret-in-error")}, nil, []string{"/throws"}},
		{gatehouse.Methods{Get: failing("handler gave no response")}, nil, []string{"/nobody"}},
	} {
		h, err := gatehouse.CreateHandler(route.methods, route.mw...)
		if err != nil {
			return nil, err
		}
		for _, pattern := range route.patterns {
			mux.Handle(pattern, h)
		}
	}
	return mux, nil
}

// page is a page.tsx or a static route: it has GET and HEAD, and nothing else.
func page(get http.HandlerFunc) gatehouse.Methods {
	return gatehouse.Methods{Get: get, RefuseOptions: true}
}

func (a *app) webhook(secret string, mode revalidate.Mode) (http.Handler, error) {
	return revalidate.NewEndpoint(revalidate.EndpointConfig{
		Cache: a.cache, Tokens: []string{secret}, Mode: mode, InsecureUnlimited: true, // as in Next.js, a guesser is told 401 without end
	})
}
