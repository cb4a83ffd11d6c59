package main

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"

	"github.com/gatehouse-go/gatehouse/callback"
	"github.com/gatehouse-go/gatehouse/engines/redis"
	"github.com/gatehouse-go/gatehouse/revalidate"
	"github.com/gatehouse-go/gatehouse/security"
	"github.com/gatehouse-go/gatehouse/webhook"
)

// shared is what several instances of this program have in common, so that no answer depends on which of them was asked: a Redis server. One
// instance alone has none, and keeps everything itself.
type shared struct {
	engine *redis.Engine // nil for one alone
	news   *redis.Invalidations
	marks  callback.MarkStore
}

func openShared(addr string) (*shared, error) {
	if addr == "" {
		marks, err := callback.NewMemoryMarks(callback.MemoryMarksConfig{MaxMarks: 10_000})
		return &shared{marks: marks}, err
	}
	engine, err := redis.New(redis.Config{Addresses: []string{addr}})
	if err != nil {
		return nil, err
	}
	news, err := engine.NewInvalidations(redis.InvalidationsConfig{})
	return &shared{engine: engine, news: news, marks: engine.NewMarks()}, err
}

func (s *shared) close() {
	if s.engine != nil {
		s.engine.Close()
	}
}

// cache is one for all instances, and so is what makes it forget.
func (s *shared) cache(logger *slog.Logger) (*revalidate.Cache, error) {
	c := revalidate.Config{Logger: logger}
	if s.engine != nil {
		store, err := s.engine.NewCacheStore(redis.CacheStoreConfig{})
		if err != nil {
			return nil, err
		}
		c.Store, c.OnInvalidate = store, s.news.Announce
	}
	return revalidate.New(c)
}

// follow hears what other instances invalidate, until ctx ends.
func (s *shared) follow(ctx context.Context, cache *revalidate.Cache) error {
	if s.engine == nil {
		return nil
	}
	if err := s.news.Run(ctx, cache); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// limit is a rate limit that all instances count together. Without Redis each would allow a third.
func (s *shared) limit(c security.RateLimitConfig) (*security.RateLimit, error) {
	if s.engine != nil {
		c.Store, c.Outage, c.LocalShare = s.engine.NewRateStore(redis.RateStoreConfig{}), security.OutageLocal, 1.0/3
	}
	return security.NewRateLimit(c)
}

// dedupe knows the events that any instance has taken; the inbox of one alone knows them by itself.
func (s *shared) dedupe() webhook.Deduper {
	if s.engine == nil {
		return webhook.InsecureNoDedupe{}
	}
	return s.engine.NewDeduper()
}

// behind tells h who its clients are when a front on this machine passes their requests on.
func behind(front string, h http.Handler) http.Handler {
	if front == "" {
		return h
	}
	return must(security.NewClientIP(security.ClientIPConfig{
		TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}, Header: "X-Forwarded-For",
	})).Wrap(h)
}
