package redis_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/gatehouse-go/gatehouse/callback"
	"github.com/gatehouse-go/gatehouse/revalidate"
	"github.com/gatehouse-go/gatehouse/security"
	"github.com/gatehouse-go/gatehouse/webhook"
	"github.com/gatehouse-go/gatehouse/webhook/provider"
	"golang.org/x/time/rate"

	"github.com/gatehouse-go/gatehouse/engines/redis"
)

func ExampleNew() {
	engine, err := redis.New(redis.Config{
		Addresses: []string{"127.0.0.1:6379"},
		Username:  "app",
		Password:  "read it from the environment or a file",
		Prefix:    "shop:",
		Timeout:   200 * time.Millisecond,
		OnDegraded: func(err error) {
			// raise or clear an alert
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer engine.Close()

	_, err = redis.New(redis.Config{Timeout: time.Hour})
	fmt.Println(err)
	// Output:
	// redis: Addresses must name a server
	// redis: Timeout = 1h0m0s must be from 1ms to 1m
}

func ExampleEngine_NewRateStore() {
	engine, err := redis.New(redis.Config{Addresses: []string{"127.0.0.1:1"}}) // where no server is
	if err != nil {
		fmt.Println(err)
		return
	}
	defer engine.Close()
	limit, err := security.NewRateLimit(security.RateLimitConfig{
		Policies: []security.RatePolicy{{Limit: rate.Every(6 * time.Second), Burst: 10, Key: security.ByIP()}},
		Store:    engine.NewRateStore(redis.RateStoreConfig{}),
		Outage:   security.OutageLocal, LocalShare: 1.0 / 4, // four instances
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	http.Handle("POST /comments", limit.Wrap(http.NotFoundHandler()))

	for range 3 {
		_, err := limit.Allow(context.Background(), "192.0.2.1", 1)
		fmt.Println(errors.Is(err, security.ErrRateLimited))
	}
	// Output:
	// false
	// false
	// true
}

func ExampleEngine_NewDeduper() {
	engine, err := redis.New(redis.Config{Addresses: []string{"127.0.0.1:6379"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer engine.Close()
	hook, err := webhook.New(webhook.Config{
		Scheme:  provider.GitHub{Secrets: []webhook.Secret{webhook.NewSecret("read it from the environment or a file")}},
		Dedupe:  engine.NewDeduper(), // answers 503 while the server is out, and GitHub's next attempt finds it back
		OnEvent: func(context.Context, webhook.Event) error { return nil },
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	http.Handle("/hooks/github", hook)
	// Output:
}

func ExampleEngine_NewSessions() {
	engine, err := redis.New(redis.Config{Addresses: []string{"127.0.0.1:6379"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer engine.Close()
	store, err := engine.NewSessions(redis.SessionsConfig{})
	if err != nil {
		fmt.Println(err)
		return
	}
	keys, err := callback.NewKeyring([]byte("32 random bytes, kept in a vault"))
	if err != nil {
		fmt.Println(err)
		return
	}
	sessions, err := callback.NewSessions(callback.SessionsConfig[string]{Keys: keys, Store: store, Subject: func(user string) string { return user }})
	if err != nil {
		fmt.Println(err)
		return
	}
	http.Handle("/inbox", sessions.Require(http.NotFoundHandler())) // 503 while the server is out
	// Output:
}

func ExampleEngine_NewMarks() {
	engine, err := redis.New(redis.Config{Addresses: []string{"127.0.0.1:1"}}) // where no server is
	if err != nil {
		fmt.Println(err)
		return
	}
	defer engine.Close()
	marks := engine.NewMarks()

	first, err := marks.Spend(context.Background(), "ticket:4711", 10*time.Minute)
	switch {
	case err != nil:
		fmt.Println("not now, and not used")
	case first:
		fmt.Println("used")
	default:
		fmt.Println("used before")
	}
	// Output: not now, and not used
}

func ExampleEngine_NewCacheStore() {
	engine, err := redis.New(redis.Config{Addresses: []string{"127.0.0.1:6379"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer engine.Close()
	store, err := engine.NewCacheStore(redis.CacheStoreConfig{LocalBytes: 256 << 20})
	if err != nil {
		fmt.Println(err)
		return
	}
	news, err := engine.NewInvalidations(redis.InvalidationsConfig{})
	if err != nil {
		fmt.Println(err)
		return
	}
	cache, err := revalidate.New(revalidate.Config{Store: store, OnInvalidate: news.Announce})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- news.Run(ctx, cache) }() // for as long as the program serves

	stop()
	fmt.Println(<-ended)
	// Output: context canceled
}

func ExampleEngine_NewInvalidations() {
	engine, err := redis.New(redis.Config{Addresses: []string{"127.0.0.1:1"}}) // where no server is
	if err != nil {
		fmt.Println(err)
		return
	}
	defer engine.Close()
	news, err := engine.NewInvalidations(redis.InvalidationsConfig{})
	if err != nil {
		fmt.Println(err)
		return
	}
	cache, err := revalidate.New(revalidate.Config{OnInvalidate: news.Announce}) // each instance has entries of its own
	if err != nil {
		fmt.Println(err)
		return
	}
	err = cache.ExpireTag(context.Background(), "posts")
	fmt.Println("the others do not know:", errors.Is(err, redis.ErrOut))
	// Output: the others do not know: true
}
