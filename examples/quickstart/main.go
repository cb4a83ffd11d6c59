// Quickstart shows the main job of gatehouse in one server: pages that are cached until a signed webhook says they changed, a
// callback that signs people in, and an API behind a key. Webhooks are kept in a SQLite file before they are acknowledged.
//
//	[CONSOLE_PASSWORD=…] go run ./examples/quickstart [-addr 127.0.0.1:8080] [-data FOLDER]
//
// With CONSOLE_PASSWORD, the webhooks are shown under /console/ to the user "operator". -redis and -front are for several instances of it, which
// examples/fleet starts.
package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/proxy"
	"github.com/gatehouse-go/gatehouse/revalidate"
	"github.com/gatehouse-go/gatehouse/security"
	"github.com/gatehouse-go/gatehouse/webhook"
	"golang.org/x/time/rate"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:8080", "address to listen on")
	data := flag.String("data", "", "folder of posts, one .txt file each, and of inbox.db, which keeps the webhooks; empty means the two posts in the program, and a temporary file")
	redis := flag.String("redis", "", "HOST:PORT of the Redis server that several instances share; empty means one alone")
	front := flag.String("front", "", "origin that browsers use, of a front on this machine; empty means that there is none")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, options{*addr, *data, *redis, *front}, os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "quickstart:", err)
		os.Exit(1)
	}
}

// options are what the flags say.
type options struct{ addr, data, redis, front string }

const denied = `{"success":false,"message":"authentication failed"}`

// site puts everything on one mux.
func site(origin string, posts *content, secrets secrets, events *hooks, common *shared) (http.Handler, *revalidate.Cache) {
	registry := must(security.NewSecrets(secrets.token, secrets.github, secrets.stripe, secrets.standard, secrets.apiKey))
	logger := slog.New(must(security.NewRedactor(slog.NewTextHandler(os.Stderr, nil), security.RedactorConfig{Secrets: registry})))
	cache := must(common.cache(logger))
	mux := http.NewServeMux()

	// A page and a JSON answer, both kept until the tag "posts" is refreshed.
	mux.Handle("GET /{$}", cache.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		revalidate.Tag(w, "posts")
		w.Header().Set("Cache-Control", "public, s-maxage=3600")
		posts.page(w, r)
	})))
	mux.HandleFunc("GET /posts.json", func(w http.ResponseWriter, r *http.Request) {
		f, err := revalidate.Get(r.Context(), cache, "posts", revalidate.Options{Tags: []string{"posts"}}, posts.load)
		answer(w, f, err)
	})
	mux.HandleFunc("GET /posts/{slug}", posts.post)

	// What refreshes them: a URL with a token, and signed webhooks, which are on disk before they are acknowledged.
	mux.Handle("/webhook", must(revalidate.NewEndpoint(revalidate.EndpointConfig{
		Cache: cache, Tokens: []string{secrets.token}, Mode: revalidate.ModeExpire, Logger: logger,
	})))
	check(events.handle(func(ctx context.Context, e webhook.Event) error {
		posts.happened(e.Provider + " event " + e.Type)
		return cache.ExpireTag(ctx, "posts")
	}))
	for name, scheme := range secrets.schemes() {
		mux.Handle("/hooks/"+name, must(webhook.New(webhook.Config{
			Scheme: scheme, OnEvent: events.receive, Dedupe: common.dedupe(), Logger: logger,
		})))
	}
	if password := os.Getenv("CONSOLE_PASSWORD"); password != "" {
		mux.Handle("/console/", must(events.console(password)))
	}

	// The way back from a third party, which this server plays itself.
	signIn(mux, origin, secrets.cookies, common.marks, logger)

	// An API whose guard is around the handler itself, a limited POST, and one handler for two methods.
	access := must(security.NewAccess(security.AccessConfig{
		Schemes: []security.Scheme{must(security.NewAPIKeys(security.APIKeysConfig{Prefix: "demo", Keys: []security.APIKey{secrets.stored}}))},
		OnError: security.AnswerJSON(denied), Logger: logger,
	}))
	mux.Handle("GET /api/hello", access.Require("read")(says(map[string]string{"hello": "world"})))
	limit := must(common.limit(security.RateLimitConfig{
		Policies: []security.RatePolicy{{Limit: rate.Every(2 * time.Second), Burst: 5, Key: security.ByIP()}},
		OnError:  security.AnswerJSON(`{"error":"Rate limit exceeded"}`), Logger: logger,
	}))
	mux.Handle("POST /limited", limit.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })))
	both := says(map[string]string{"name": "factory"})
	mux.Handle("/factory", must(gatehouse.CreateHandler(gatehouse.Methods{Get: both, Post: both})))

	// Rules in front of it all. The matcher answers early; the guard around the handler is what protects.
	rules := must(proxy.New(proxy.Config{
		Matchers: []proxy.Matcher{{Source: "/api/:function*"}},
		Handle: func(r *proxy.Request) proxy.Response {
			if _, err := access.Check(r.Request); err != nil {
				return proxy.Respond(http.StatusUnauthorized, "application/json", []byte(denied))
			}
			return proxy.Next()
		},
		Redirects: []proxy.RedirectRule{{Source: "/old/:slug", Destination: "/posts/:slug", Permanent: true}},
		Rewrites:  proxy.RewriteRules{Before: []proxy.RewriteRule{{Source: "/blog/:slug", Destination: "/posts/:slug"}}},
		Logger:    logger,
	}))
	return rules.Wrap(mux), cache
}
