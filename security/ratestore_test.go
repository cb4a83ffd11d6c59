package security_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/time/rate"

	"github.com/gatehouse-go/gatehouse/security"
)

// faultyStore is a store that can be out. It allows what the test says.
type faultyStore struct {
	mu     sync.Mutex
	err    error
	delay  time.Duration
	asked  int
	takes  []security.RateTake
	states []security.RateResult
}

func (s *faultyStore) Take(ctx context.Context, takes []security.RateTake, states []security.RateResult) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked++
	s.takes = append([]security.RateTake(nil), takes...)
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(s.delay):
	}
	copy(states, s.states)
	return s.err
}

func stored(s *faultyStore, outage security.Outage) security.RateLimitConfig {
	c := tenAMinute(security.ByIP())
	c.Store, c.Outage = s, outage
	if outage == security.OutageLocal {
		c.LocalShare = 0.5
	}
	return c
}

var errOut = errors.New("connection refused")

func TestRateStoreOutage(t *testing.T) {
	for _, row := range []struct {
		name   string
		outage security.Outage
		codes  string // of eleven requests
		retry  string // Retry-After of the last
	}{
		{"fail open lets all pass", security.OutageFailOpen, "204 204 204 204 204 204 204 204 204 204 204", ""},
		{"fail closed refuses all", security.OutageFailClosed, "503 503 503 503 503 503 503 503 503 503 503", "1"},
		{"local allows this instance's share, half of ten", security.OutageLocal, "204 204 204 204 204 429 429 429 429 429 429", "12"},
	} {
		synctest.Test(t, func(t *testing.T) {
			store := &faultyStore{err: errOut}
			h := mustRateLimit(t, stored(store, row.outage)).Wrap(http.HandlerFunc(noContent))
			var codes []string
			var retry string
			for range 11 {
				w := serve(h, from("203.0.113.7:1"))
				codes = append(codes, http.StatusText(w.Code))
				retry = w.Header().Get("Retry-After")
			}
			want := strings.NewReplacer("204", "No Content", "503", "Service Unavailable", "429", "Too Many Requests").Replace(row.codes)
			if got := strings.Join(codes, " "); got != want || retry != row.retry {
				t.Errorf("%s: %s, Retry-After %q", row.name, got, retry)
			}
			if store.asked != 1 {
				t.Errorf("%s: a store that is out was asked %d times at once", row.name, store.asked)
			}
		})
	}
}

func TestRateStoreRecovers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &faultyStore{err: errOut, states: []security.RateResult{{Allowed: true, Remaining: 9, Next: 6 * time.Second}}}
		c := stored(store, security.OutageFailClosed)
		var told []error
		c.OnDegraded = func(err error) { told = append(told, err) }
		h := mustRateLimit(t, c).Wrap(http.HandlerFunc(noContent))
		for _, step := range []struct {
			name  string
			pause time.Duration
			err   error
			code  int
			asked int
		}{
			{"the store fails", 0, errOut, 503, 1},
			{"it is left alone for a while", 999 * time.Millisecond, errOut, 503, 1},
			{"it is tried, and still fails", time.Millisecond, errOut, 503, 2},
			{"it is left alone again", 999 * time.Millisecond, nil, 503, 2},
			{"it is tried, and answers", time.Millisecond, nil, 204, 3},
			{"it is asked each time again", 0, nil, 204, 4},
		} {
			time.Sleep(step.pause)
			store.err = step.err
			w := serve(h, from("203.0.113.7:1"))
			if w.Code != step.code || store.asked != step.asked {
				t.Errorf("%s: %d, asked %d times", step.name, w.Code, store.asked)
			}
			if policy := w.Header().Get("RateLimit-Policy"); policy != `"default";q=10;w=60` {
				t.Errorf("%s: policy %s", step.name, policy)
			}
			if (w.Header().Get("RateLimit") != "") != (step.code == 204) {
				t.Errorf("%s: RateLimit: %s", step.name, w.Header().Get("RateLimit"))
			}
		}
		if len(told) != 2 || !errors.Is(told[0], errOut) || told[1] != nil {
			t.Errorf("OnDegraded was told %v", told)
		}
	})
}

func TestRateStoreIsAskedInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &faultyStore{delay: time.Hour}
		c := stored(store, security.OutageFailOpen)
		c.StoreTimeout = 30 * time.Millisecond
		start := time.Now()
		if _, err := mustRateLimit(t, c).Check(from("203.0.113.7:1")); err != nil || time.Since(start) != 30*time.Millisecond {
			t.Errorf("%v after %v", err, time.Since(start))
		}
	})
}

func TestAClientThatLeavesIsNoOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &faultyStore{delay: 50 * time.Millisecond, states: []security.RateResult{{Allowed: true, Remaining: 9}}}
		c := stored(store, security.OutageFailClosed)
		c.OnDegraded = func(err error) { t.Errorf("degraded: %v", err) }
		l := mustRateLimit(t, c)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := l.Check(from("203.0.113.7:1").WithContext(ctx)); err != nil {
			t.Error(err)
		}
	})
}

func TestRateStoreIsAskedForHashesOnly(t *testing.T) {
	store := &faultyStore{states: []security.RateResult{{Allowed: true, Remaining: 9}, {Wait: 4500 * time.Millisecond, Remaining: 1, Next: 500 * time.Millisecond}}}
	c := stored(store, security.OutageFailOpen)
	c.Policies[0].Name = "first"
	c.Policies = append(c.Policies, security.RatePolicy{Name: "second", Limit: 2, Burst: 4, Key: security.ByHeader("X-Api-Key")})
	c.Cost = func(*http.Request) int { return 3 }
	r := from("203.0.113.7:1")
	r.Header.Set("X-Api-Key", "secret-"+strings.Repeat("x", 10_000))
	w := serve(mustRateLimit(t, c).Wrap(http.HandlerFunc(noContent)), r)
	if w.Code != 429 || w.Header().Get("Retry-After") != "5" || w.Header().Get("RateLimit") != `"first";r=9;t=0, "second";r=1;t=1` {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	for i, want := range []security.RateTake{{Interval: 6 * time.Second, Burst: 10, Cost: 3}, {Interval: 500 * time.Millisecond, Burst: 4, Cost: 3}} {
		got := store.takes[i]
		if len(got.Key) > 160 || strings.Contains(got.Key, "secret") || strings.Contains(got.Key, "203.0") || !strings.HasPrefix(got.Key, []string{"first:", "second:"}[i]) {
			t.Errorf("key %q", got.Key)
		}
		got.Key = ""
		if got != want {
			t.Errorf("asked for %+v, want %+v", got, want)
		}
	}
	c.Cost = func(*http.Request) int { return 5 } // more than the second's burst
	if w := serve(mustRateLimit(t, c).Wrap(http.HandlerFunc(noContent)), r); w.Code != 429 || w.Header().Get("Retry-After") != "" {
		t.Errorf("a cost above the burst: %d %v", w.Code, w.Header())
	}
}

func TestNewRateLimitReportsEveryMistake(t *testing.T) {
	good := security.RatePolicy{Limit: 1, Burst: 1, Key: security.ByIP()}
	for _, row := range []struct {
		name string
		c    security.RateLimitConfig
		want []string
	}{
		{"no policy", security.RateLimitConfig{}, []string{"Policies = \"0 policies\""}},
		{"too many policies", security.RateLimitConfig{Policies: make([]security.RatePolicy, 9)}, []string{"Policies = \"9 policies\""}},
		{
			"a policy that says nothing",
			security.RateLimitConfig{Policies: []security.RatePolicy{{}}, MaxKeys: -1, WhenFull: 7, StoreTimeout: -1, Outage: 9},
			[]string{"Policies[0].Limit", "Policies[0].Key must say", "MaxKeys = -1", "WhenFull = 7", "StoreTimeout = -1ns", "Outage = 9"},
		},
		{
			"limits that cannot be counted",
			security.RateLimitConfig{Policies: []security.RatePolicy{
				{Name: "a", Limit: rate.Inf, Burst: 1, Key: security.ByIP()},
				{Name: "b", Limit: -1, Burst: 1, Key: security.ByIP()},
				{Name: "c", Limit: 1, Key: security.ByIP()},
				{Name: "d", Limit: 1e-9, Burst: 1 << 40, Key: security.ByIP()},
				{Name: `e"`, Limit: 1, Burst: 1, Key: security.ByIP()},
				{Name: "f\n", Limit: 1, Burst: 1, Key: security.ByIP()},
				{Name: strings.Repeat("g", 65), Limit: 1, Burst: 1, Key: security.ByIP()},
				{Name: "h", Limit: 1e9, Burst: 1e15, Key: security.ByIP()}, // more than a structured field can say
			}},
			[]string{"[0].Limit", "[1].Limit", "[2].Burst = 0 must be 1 to 999999999999999", "[3].Burst", "[4].Name", "[5].Name", "[6].Name", "[7].Burst"},
		},
		{"two of a name", security.RateLimitConfig{Policies: []security.RatePolicy{good, good}}, []string{"[1].Name = \"default\" must differ"}},
		{"a store without a decision", security.RateLimitConfig{Policies: []security.RatePolicy{good}, Store: &faultyStore{}}, []string{"Outage must say"}},
		{"a decision without a store", security.RateLimitConfig{Policies: []security.RatePolicy{good}, Outage: security.OutageFailOpen}, []string{"Outage = 1 must be left out"}},
		{"a local outage without a share", security.RateLimitConfig{Policies: []security.RatePolicy{good}, Store: &faultyStore{}, Outage: security.OutageLocal}, []string{"LocalShare = 0"}},
		{"a share without a local outage", security.RateLimitConfig{Policies: []security.RatePolicy{good}, Store: &faultyStore{}, Outage: security.OutageFailOpen, LocalShare: 1}, []string{"LocalShare = 1 must be left out"}},
	} {
		_, err := security.NewRateLimit(row.c)
		for _, want := range row.want {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v does not say %s", row.name, err, want)
			}
		}
	}
}
