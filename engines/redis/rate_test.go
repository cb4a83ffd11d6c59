package redis_test

import (
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/security"
	"github.com/gatehouse-go/gatehouse/security/limittest"
	"golang.org/x/time/rate"

	"github.com/gatehouse-go/gatehouse/engines/redis"
)

func TestRateStoreKeepsTheContract(t *testing.T) {
	s := start(t)
	var p prefixes
	limittest.TestRateStore(t, func(t *testing.T) security.RateStore {
		t.Helper()
		return s.engine(p.next).NewRateStore(redis.RateStoreConfig{})
	})
}

func TestEightInstancesAdmitExactlyTheLimit(t *testing.T) {
	const instances, workers, attempts, limit = 8, 10, 25, 100
	s := start(t)
	var admitted atomic.Int64
	var all sync.WaitGroup
	for range instances {
		l, err := security.NewRateLimit(security.RateLimitConfig{
			Policies: []security.RatePolicy{
				{Name: "burst", Limit: rate.Every(time.Hour), Burst: limit, Key: security.ByIP()},
				{Name: "day", Limit: rate.Every(24 * time.Hour), Burst: 10 * limit, Key: security.ByIP()},
			},
			Store: s.engine().NewRateStore(redis.RateStoreConfig{Spread: true}), Outage: security.OutageFailClosed, StoreTimeout: 10 * time.Second,
		})
		if err != nil {
			t.Fatal(err)
		}
		for range workers {
			all.Go(func() {
				for range attempts {
					_, err := l.Allow(t.Context(), "client", 1)
					switch {
					case err == nil:
						admitted.Add(1)
					case !errors.Is(err, security.ErrRateLimited):
						t.Error(err)
					}
				}
			})
		}
	}
	all.Wait()
	if got := admitted.Load(); got != limit {
		t.Errorf("%d instances admitted %d of %d attempts, want %d", instances, got, instances*workers*attempts, limit)
	}
}

func TestRateStoreExactlyAtTheEndsOfItsRange(t *testing.T) {
	store := start(t).engine().NewRateStore(redis.RateStoreConfig{})
	const century = 100 * 365 * 24 * time.Hour
	for _, row := range []struct {
		name string
		take security.RateTake
		left int
	}{
		{"a century in one unit", security.RateTake{Interval: century, Burst: 1, Cost: 1}, 0},
		{"a century in a billion units", security.RateTake{Interval: century / 1e9, Burst: 1e9, Cost: 1}, 1e9 - 1},
		{"a unit of 1 s and 1 ns", security.RateTake{Interval: time.Second + 1, Burst: 1e9, Cost: 999_999_999}, 1},
		{"a unit of 1 h less 1 ns", security.RateTake{Interval: time.Hour - 1, Burst: 3, Cost: 1}, 2},
	} {
		row.take.Key = row.name
		states := make([]security.RateResult, 1)
		if err := store.Take(t.Context(), []security.RateTake{row.take}, states); err != nil || !states[0].Allowed || states[0].Remaining != row.left || states[0].Next != row.take.Interval {
			t.Errorf("%s: %+v, %v", row.name, states[0], err)
		}
	}
}

func TestRateStoreRefusesWhatIsNoQuestion(t *testing.T) {
	e := engineAt(t, func(c *redis.Config) { c.Addresses = []string{"127.0.0.1:1"} })
	good := security.RateTake{Key: "a", Interval: time.Second, Burst: 1}
	for name, takes := range map[string][]security.RateTake{
		"nothing":                         {},
		"no key":                          {{Interval: time.Second, Burst: 1}},
		"no interval":                     {{Key: "a", Burst: 1}},
		"no burst":                        {{Key: "a", Interval: time.Second}},
		"a negative cost":                 {{Key: "a", Interval: time.Second, Burst: 1, Cost: -1}},
		"more than a century to fill":     {{Key: "a", Interval: 1e6 * time.Hour, Burst: 2}},
		"a fill time beyond all integers": {{Key: "a", Interval: 1 << 62, Burst: 1 << 62}},
		"one bucket twice":                {good, good},
	} {
		if err := e.NewRateStore(redis.RateStoreConfig{}).Take(t.Context(), takes, make([]security.RateResult, len(takes))); err == nil || errors.Is(err, redis.ErrOut) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := e.NewRateStore(redis.RateStoreConfig{}).Take(t.Context(), []security.RateTake{good}, nil); err == nil || errors.Is(err, redis.ErrOut) {
		t.Errorf("no room for the states: %v", err)
	}
	two := []security.RateTake{{Key: "ip:1", Interval: time.Second, Burst: 1}, {Key: "user:2", Interval: time.Second, Burst: 1}}
	if err := e.NewRateStore(redis.RateStoreConfig{Spread: true}).Take(t.Context(), two, make([]security.RateResult, 2)); !errors.Is(err, redis.ErrSlots) {
		t.Errorf("two clients in a store that spreads: %v", err)
	}
}

func TestRateBucketsExpireWhenFull(t *testing.T) {
	s := start(t)
	store := s.engine().NewRateStore(redis.RateStoreConfig{})
	states := make([]security.RateResult, 1)
	if err := store.Take(t.Context(), []security.RateTake{{Key: "a", Interval: 50 * time.Millisecond, Burst: 3, Cost: 2}}, states); err != nil {
		t.Fatal(err)
	}
	keys, _ := s.do("KEYS", "*").AsStrSlice()
	if len(keys) != 1 || !strings.HasPrefix(keys[0], "gatehouse:") {
		t.Errorf("keys: %q", keys)
	}
	eventually(t, "the bucket is full and gone", func() bool { n, _ := s.do("DBSIZE").AsInt64(); return n == 0 })
}

func TestRateBucketFollowsALowerBurst(t *testing.T) {
	store := start(t).engine().NewRateStore(redis.RateStoreConfig{})
	states := make([]security.RateResult, 1)
	for _, burst := range []int{100, 2} {
		if err := store.Take(t.Context(), []security.RateTake{{Key: "a", Interval: time.Hour, Burst: burst, Cost: min(burst, 50)}}, states); err != nil {
			t.Fatal(err)
		}
	}
	if s := states[0]; s.Allowed || s.Remaining != 0 || s.Wait != 2*time.Hour {
		t.Errorf("a bucket that owes more than the new burst: %+v, want empty and no worse", s)
	}
}

func TestRateStoreAfterTheServerForgetsItsScripts(t *testing.T) {
	s := start(t)
	store := s.engine().NewRateStore(redis.RateStoreConfig{})
	for range 2 {
		states := make([]security.RateResult, 1)
		if err := store.Take(t.Context(), []security.RateTake{{Key: "a", Interval: time.Hour, Burst: 5, Cost: 1}}, states); err != nil || !states[0].Allowed {
			t.Errorf("%+v, %v", states, err)
		}
		s.do("SCRIPT", "FLUSH")
	}
}

func TestRateStoreSaysWhatTheServerRefuses(t *testing.T) {
	s := start(t)
	store := s.engine().NewRateStore(redis.RateStoreConfig{})
	s.do("CONFIG", "SET", "maxmemory", "1")
	take := []security.RateTake{{Key: "a", Interval: time.Hour, Burst: 5, Cost: 1}}
	states := make([]security.RateResult, 1)
	for range 5 {
		if err := store.Take(t.Context(), take, states); err == nil || !strings.Contains(err.Error(), "OOM") || errors.Is(err, redis.ErrOut) {
			t.Errorf("a full server: %v, want its own words each time", err)
		}
	}
	s.do("CONFIG", "SET", "maxmemory", "0")
	if err := store.Take(t.Context(), take, states); err != nil || states[0].Remaining != 4 {
		t.Errorf("with room again: %+v, %v", states, err)
	}
}

// TestRateLimitOutages takes the server away in three ways, and holds each Outage to its word until the limits count again.
func TestRateLimitOutages(t *testing.T) {
	t.Parallel()
	ways := map[string]struct{ out, back func(*server) }{
		"kill -9":  {(*server).kill, (*server).run},
		"SIGSTOP":  {func(s *server) { s.signal(syscall.SIGSTOP) }, func(s *server) { s.signal(syscall.SIGCONT) }},
		"no start": {func(*server) {}, (*server).run},
	}
	policies := map[string]struct {
		outage security.Outage
		share  float64
		want   func(admitted int) bool
		reason error
	}{
		"fail open":   {security.OutageFailOpen, 0, func(n int) bool { return n == 40 }, nil},
		"fail closed": {security.OutageFailClosed, 0, func(n int) bool { return n == 0 }, security.ErrRateStore},
		"local share": {security.OutageLocal, 0.5, func(n int) bool { return n == 5 }, security.ErrRateLimited},
	}
	for way, w := range ways {
		for policy, p := range policies {
			t.Run(way+", "+policy, func(t *testing.T) {
				t.Parallel()
				s := start(t)
				if way == "no start" {
					s.kill()
				}
				var changes [2]atomic.Int64
				l, err := security.NewRateLimit(security.RateLimitConfig{
					Policies: []security.RatePolicy{{Limit: rate.Every(time.Hour), Burst: 10, Key: security.ByIP()}},
					Store:    s.engine(func(c *redis.Config) { c.Timeout = 3 * time.Second }).NewRateStore(redis.RateStoreConfig{}),
					Outage:   p.outage, LocalShare: p.share, StoreTimeout: 2 * time.Second,
					Logger: slog.New(slog.DiscardHandler),
					OnDegraded: func(err error) {
						if err != nil {
							changes[0].Add(1)
						} else {
							changes[1].Add(1)
						}
					},
				})
				if err != nil {
					t.Fatal(err)
				}
				shared := func(key string) bool { d, _ := l.Allow(t.Context(), key, 11); return len(d.Policies) > 0 }
				if way != "no start" && !shared("before") {
					t.Fatal("the store does not answer before the outage")
				}
				w.out(s)
				admitted := 0
				for range 40 {
					began := time.Now()
					_, err := l.Allow(t.Context(), "during", 1)
					if err == nil {
						admitted++
					} else if !errors.Is(err, p.reason) {
						t.Errorf("during the outage: %v, want %v", err, p.reason)
					}
					if took := time.Since(began); took > 10*time.Second {
						t.Errorf("a question took %v", took)
					}
				}
				if !p.want(admitted) {
					t.Errorf("%d of 40 admitted during the outage", admitted)
				}
				w.back(s)
				eventually(t, "the store is told to answer again", func() bool { shared("after"); return changes[1].Load() == 1 })
				if out := changes[0].Load(); out != 1 {
					t.Errorf("OnDegraded was told %d times of one outage", out)
				}
				for i := range 11 {
					if _, err := l.Allow(t.Context(), "again", 1); (err == nil) != (i < 10) {
						t.Errorf("request %d after the outage: %v", i, err)
					}
				}
			})
		}
	}
}

func TestErrorsAreAnsweredAsUnavailable(t *testing.T) {
	for _, err := range []error{redis.ErrOut, redis.ErrBusy, redis.ErrClosed} {
		if coded, ok := err.(interface{ StatusCode() int }); !ok || coded.StatusCode() != http.StatusServiceUnavailable {
			t.Errorf("%v", err)
		}
	}
}
