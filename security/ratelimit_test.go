package security_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/time/rate"

	"github.com/gatehouse-go/gatehouse/security"
)

var discard = slog.New(slog.DiscardHandler)

func tenAMinute(key security.RateKey) security.RateLimitConfig {
	return security.RateLimitConfig{
		Policies: []security.RatePolicy{{Limit: rate.Every(6 * time.Second), Burst: 10, Key: key}},
		Logger:   discard,
	}
}

func mustRateLimit(tb testing.TB, c security.RateLimitConfig) *security.RateLimit {
	tb.Helper()
	l, err := security.NewRateLimit(c)
	if err != nil {
		tb.Fatal(err)
	}
	return l
}

func noContent(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }

func from(remote string) *http.Request {
	r := httptest.NewRequest("POST", "/", nil)
	r.RemoteAddr = remote
	return r
}

func serve(h http.Handler, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestRateLimitCountsExactly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := mustRateLimit(t, tenAMinute(security.ByIP())).Wrap(http.HandlerFunc(noContent))
		for i := range 10 {
			w := serve(h, from("203.0.113.7:1"))
			if w.Code != 204 || w.Header().Get("Ratelimit-Policy") != `"default";q=10;w=60` {
				t.Fatalf("request %d: %d %v", i, w.Code, w.Header())
			}
			if got, want := w.Header().Get("RateLimit"), fmt.Sprintf(`"default";r=%d;t=6`, 9-i); got != want {
				t.Errorf("request %d: RateLimit: %s, want %s", i, got, want)
			}
			if w.Header().Get("Retry-After") != "" {
				t.Errorf("request %d was served, and has Retry-After", i)
			}
		}
		time.Sleep(2500 * time.Millisecond)
		w := serve(h, from("203.0.113.7:1"))
		if w.Code != 429 || w.Header().Get("Retry-After") != "4" || w.Header().Get("RateLimit") != `"default";r=0;t=4` {
			t.Errorf("the 11th after 2.5 s: %d %v", w.Code, w.Header())
		}
		time.Sleep(3499 * time.Millisecond)
		if w := serve(h, from("203.0.113.7:1")); w.Code != 429 || w.Header().Get("Retry-After") != "1" {
			t.Errorf("a millisecond early: %d %v", w.Code, w.Header())
		}
		time.Sleep(time.Millisecond)
		if w := serve(h, from("203.0.113.7:1")); w.Code != 204 {
			t.Errorf("when the time was up: %d", w.Code)
		}
		if w := serve(h, from("203.0.113.7:1")); w.Code != 429 {
			t.Errorf("one more: %d", w.Code)
		}
		if w := serve(h, from("203.0.113.8:1")); w.Code != 204 {
			t.Errorf("another client: %d", w.Code)
		}
		time.Sleep(time.Hour)
		for i := range 11 {
			if w := serve(h, from("203.0.113.7:1")); (w.Code == 204) != (i < 10) {
				t.Errorf("request %d after an hour: %d", i, w.Code)
			}
		}
	})
}

func TestRateLimitRefusesWithAProblem(t *testing.T) {
	c := tenAMinute(security.ByIP())
	c.Policies[0].Name, c.Policies[0].Burst = "burst", 1
	h := mustRateLimit(t, c).Wrap(http.HandlerFunc(noContent))
	serve(h, from("203.0.113.7:1"))
	w := serve(h, from("203.0.113.7:1"))
	var problem map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &problem); err != nil {
		t.Fatal(err)
	}
	if w.Header().Get("Content-Type") != "application/problem+json" || problem["status"] != 429.0 ||
		problem["type"] != "https://iana.org/assignments/http-problem-types#quota-exceeded" ||
		fmt.Sprint(problem["violated-policies"]) != "[burst]" {
		t.Errorf("%v %v", w.Header(), problem)
	}
}

func TestRateLimitCarriesTheApplicationsOwnAnswer(t *testing.T) {
	c := tenAMinute(security.ByIP())
	c.Policies[0].Burst = 1
	var got error
	c.OnError = func(w http.ResponseWriter, _ *http.Request, err error) {
		got = err
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusTooManyRequests)
		_, _ = io.WriteString(w, `{"error":"Rate limit exceeded"}`)
	}
	h := mustRateLimit(t, c).Wrap(http.HandlerFunc(noContent))
	serve(h, from("203.0.113.7:1"))
	w := serve(h, from("203.0.113.7:1"))
	if w.Code != 429 || w.Body.String() != `{"error":"Rate limit exceeded"}` || w.Header().Get("Retry-After") != "6" {
		t.Errorf("%d %v %s", w.Code, w.Header(), w.Body)
	}
	var quota *security.QuotaError
	if !errors.As(got, &quota) || !errors.Is(got, security.ErrRateLimited) || quota.Decision.RetryAfter <= 5*time.Second {
		t.Errorf("OnError was told %#v", got)
	}
}

func TestRateLimitTakesNothingForARefusedRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := mustRateLimit(t, security.RateLimitConfig{
			Policies: []security.RatePolicy{
				{Name: "minute", Limit: rate.Every(time.Second), Burst: 60, Key: security.ByIP()},
				{Name: "route", Limit: rate.Every(time.Second), Burst: 60, Key: security.ByEveryone()},
				{Name: "burst", Limit: rate.Every(2500 * time.Millisecond), Burst: 2, Key: security.ByIP()},
			},
			Logger: discard,
		}).Wrap(http.HandlerFunc(noContent))
		serve(h, from("203.0.113.7:1"))
		served := serve(h, from("203.0.113.7:1"))
		if got := served.Header().Get("RateLimit"); got != `"minute";r=58;t=1, "route";r=58;t=1, "burst";r=0;t=3` {
			t.Errorf("second request: %s", got)
		}
		if got := served.Header().Get("RateLimit-Policy"); got != `"minute";q=60;w=60, "route";q=60;w=60, "burst";q=2;w=5` {
			t.Errorf("policies: %s", got)
		}
		for range 100 {
			w := serve(h, from("203.0.113.7:1"))
			if w.Code != 429 || w.Header().Get("Retry-After") != "3" || w.Header().Get("RateLimit") != `"minute";r=58;t=1, "route";r=58;t=1, "burst";r=0;t=3` {
				t.Fatalf("a request refused by the last policy was charged to the first: %d %v", w.Code, w.Header())
			}
		}
	})
}

func TestRateLimitWaitsForTheSlowestPolicy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := mustRateLimit(t, security.RateLimitConfig{Policies: []security.RatePolicy{
			{Name: "fast", Limit: rate.Every(time.Second), Burst: 1, Key: security.ByIP()},
			{Name: "slow", Limit: rate.Every(time.Hour), Burst: 1, Key: security.ByIP()},
		}, Logger: discard})
		if _, err := l.Allow(t.Context(), "k", 1); err != nil {
			t.Fatal(err)
		}
		d, err := l.Allow(t.Context(), "k", 1)
		var quota *security.QuotaError
		if !errors.As(err, &quota) || d.RetryAfter != time.Hour || strings.Join(quota.Violated(), " ") != "fast slow" {
			t.Errorf("%+v, %v", d, err)
		}
		time.Sleep(time.Hour)
		if _, err := l.Allow(t.Context(), "k", 1); err != nil {
			t.Errorf("after RetryAfter: %v", err)
		}
	})
}

func TestRateLimitCosts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cost := 0
		c := tenAMinute(security.ByIP())
		c.Cost = func(*http.Request) int { return cost }
		h := mustRateLimit(t, c).Wrap(http.HandlerFunc(noContent))
		for _, row := range []struct {
			name   string
			cost   int
			code   int
			fields string
			retry  string
		}{
			{"what costs nothing leaves the bucket full", 0, 204, `"default";r=10;t=0`, ""},
			{"a negative cost is nothing", -5, 204, `"default";r=10;t=0`, ""},
			{"a costly request takes several units", 7, 204, `"default";r=3;t=6`, ""},
			{"one that costs more than is left waits for just that", 5, 429, `"default";r=3;t=6`, "12"},
			{"one that costs what is left is served", 3, 204, `"default";r=0;t=6`, ""},
			{"one that costs nothing is served even then", 0, 204, `"default";r=0;t=6`, ""},
			{"one that costs more than the burst has no time to come again", 11, 429, `"default";r=0;t=6`, ""},
			{"an absurd cost overflows nothing", 1 << 62, 429, `"default";r=0;t=6`, ""},
		} {
			cost = row.cost
			w := serve(h, from("203.0.113.7:1"))
			if w.Code != row.code || w.Header().Get("RateLimit") != row.fields || w.Header().Get("Retry-After") != row.retry {
				t.Errorf("%s: %d %v", row.name, w.Code, w.Header())
			}
		}
	})
}

func TestQuotaErrorSaysWhatAndWhen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := tenAMinute(security.ByIP())
		c.Policies[0].Name = "burst"
		l := mustRateLimit(t, c)
		for _, row := range []struct {
			cost int
			want string
		}{
			{11, "quota is exceeded: policy burst, cost above burst"},
			{10, "<nil>"},
			{2, "quota is exceeded: policy burst, retry after 12s"},
		} {
			if _, err := l.Allow(t.Context(), "k", row.cost); fmt.Sprint(err) != row.want {
				t.Errorf("cost %d: %v, want %s", row.cost, err, row.want)
			}
		}
	})
}

func TestAFloodOfRefusalsIsNoFloodOfLogLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		c := tenAMinute(security.ByIP())
		c.Logger = slog.New(slog.NewTextHandler(&log, nil))
		h := mustRateLimit(t, c).Wrap(http.HandlerFunc(noContent))
		for range 5010 {
			serve(h, from("203.0.113.7:1"))
		}
		time.Sleep(time.Second)
		serve(h, from("203.0.113.7:1"))
		if lines := strings.Count(log.String(), "request refused"); lines != 1001 || !strings.Contains(log.String(), "unlogged=4000") {
			t.Errorf("%d lines, the last of them %s", lines, log.String()[strings.LastIndex(log.String(), "time="):])
		}
		c.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelError}))
		log.Reset()
		h = mustRateLimit(t, c).Wrap(http.HandlerFunc(noContent))
		for range 11 {
			serve(h, from("203.0.113.7:1"))
		}
		if log.Len() > 0 {
			t.Errorf("a log of errors has %s", log.String())
		}
	})
}

func ExampleNewRateLimit() {
	limit, err := security.NewRateLimit(security.RateLimitConfig{
		Policies: []security.RatePolicy{
			{Name: "burst", Limit: rate.Every(time.Second), Burst: 2, Key: security.ByIP()},
			{Name: "daily", Limit: rate.Every(24 * time.Hour / 1000), Burst: 1000, Key: security.ByIP()},
		},
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	handler := limit.Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	for range 3 {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest("POST", "/items", nil))
		fmt.Printf("%d %s retry after %q\n", w.Code, w.Header().Get("RateLimit"), w.Header().Get("Retry-After"))
	}
	// Output:
	// 200 "burst";r=1;t=1, "daily";r=999;t=87 retry after ""
	// 200 "burst";r=0;t=1, "daily";r=998;t=87 retry after ""
	// 429 "burst";r=0;t=1, "daily";r=998;t=87 retry after "1"
}
