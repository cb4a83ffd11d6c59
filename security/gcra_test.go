package security_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/time/rate"

	"github.com/gatehouse-go/gatehouse/security"
)

// bounded is a limit of burst at once and then one a minute, for at most a thousand keys.
func bounded(burst int, full security.WhenFull) security.RateLimitConfig {
	return security.RateLimitConfig{
		Policies: []security.RatePolicy{{Limit: rate.Every(time.Minute), Burst: burst, Key: security.ByIP()}},
		MaxKeys:  1000, WhenFull: full, Logger: discard,
	}
}

func allowed(t *testing.T, l *security.RateLimit, key string) bool {
	t.Helper()
	d, err := l.Allow(t.Context(), key, 1)
	if (err == nil) != d.Allowed {
		t.Fatalf("%+v with error %v", d, err)
	}
	return d.Allowed
}

// exhaust uses a key's burst up.
func exhaust(t *testing.T, l *security.RateLimit, key string, burst int) {
	t.Helper()
	for range burst {
		if !allowed(t, l, key) {
			t.Fatalf("%s is limited early", key)
		}
	}
	if allowed(t, l, key) {
		t.Fatalf("%s is not limited", key)
	}
}

func TestAFloodOfKeysNeitherResetsNorLocksOut(t *testing.T) {
	for _, burst := range []int{1, 2, 5} {
		synctest.Test(t, func(t *testing.T) {
			l := mustRateLimit(t, bounded(burst, security.FullEvict))
			exhaust(t, l, "limited before the flood", burst)
			time.Sleep(time.Microsecond)
			for i := range 5000 {
				allowed(t, l, fmt.Sprint("flood ", i))
			}
			if burst > 1 {
				exhaust(t, l, "limited in the flood", burst)
			}
			for i := range 100_000 {
				if !allowed(t, l, fmt.Sprint("flood more ", i)) {
					t.Fatal("a new client was locked out")
				}
			}
			if allowed(t, l, "limited before the flood") {
				t.Errorf("burst %d: the flood gave a limited client a new quota", burst)
			}
			if burst > 1 && allowed(t, l, "limited in the flood") {
				t.Errorf("burst %d: the flood gave a client that was limited in it a new quota", burst)
			}
		})
	}
}

func TestWhenFullNoKeyIsForgotten(t *testing.T) {
	for _, row := range []struct {
		name      string
		full      security.WhenFull
		newcomers int // of those that come when all places are taken, how many are served
	}{
		{"newcomers share one bucket", security.FullShare, 3},
		{"newcomers are refused", security.FullRefuse, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			l := mustRateLimit(t, bounded(3, row.full))
			var inside []string
			for i := range 1200 {
				if key := fmt.Sprint("early ", i); i < 900 {
					exhaust(t, l, key, 3)
					inside = append(inside, key)
				} else {
					allowed(t, l, key)
				}
			}
			served := 0
			for i := range 5000 {
				if allowed(t, l, fmt.Sprint("late ", i)) {
					served++
				}
			}
			if served > row.newcomers {
				t.Errorf("%s: %d of 5000 were served", row.name, served)
			}
			for _, key := range inside {
				if allowed(t, l, key) {
					t.Fatalf("%s: %s was forgotten", row.name, key)
				}
			}
			time.Sleep(10 * time.Minute) // now all owe nothing, and make room
			for i := range 500 {
				if !allowed(t, l, fmt.Sprint("later ", i)) {
					t.Fatalf("%s: no room after all debts are paid", row.name)
				}
			}
		})
	}
}

func TestTheShareOfNewcomersIsGivenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := bounded(2, security.FullShare)
		c.MaxKeys = 1
		c.Policies = append(c.Policies, security.RatePolicy{Name: "one", Limit: rate.Every(time.Hour), Burst: 1, Key: security.ByEveryone()})
		l := mustRateLimit(t, c)
		if !allowed(t, l, "has a place") || !allowed(t, l, "shares") {
			t.Fatal("limited early")
		}
		for range 5 { // refused by the second policy, and so not to be charged by the first
			if d, _ := l.Allow(t.Context(), "shares too", 1); d.Allowed || !d.Policies[0].Allowed || d.Policies[0].Remaining != 1 {
				t.Fatalf("%+v", d)
			}
		}
	})
}

func TestRateLimitAgreesWithItsDefinition(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const burst, interval = 7, 250 * time.Millisecond
		l := mustRateLimit(t, security.RateLimitConfig{
			Policies: []security.RatePolicy{{Limit: rate.Every(interval), Burst: burst, Key: security.ByIP()}}, MaxKeys: 100_000,
		})
		full := map[string]time.Time{} // when each key's bucket is full again
		random := rand.New(rand.NewPCG(1, 2))
		for range 200_000 {
			if random.IntN(4) == 0 {
				time.Sleep(time.Duration(random.IntN(2000)) * time.Microsecond)
			}
			key, cost := fmt.Sprint(random.IntN(1<<random.IntN(14))), random.IntN(burst+2)
			at := full[key]
			if at.Before(time.Now()) {
				at = time.Now()
			}
			at = at.Add(time.Duration(cost) * interval)
			wait := time.Until(at) - burst*interval
			d, _ := l.Allow(t.Context(), key, cost)
			switch {
			case cost > burst:
				if d.Allowed || d.RetryAfter != -1 {
					t.Fatalf("cost %d: %+v", cost, d)
				}
			case wait > 0:
				if d.Allowed || d.RetryAfter != wait {
					t.Fatalf("%s: %+v, want a wait of %v", key, d, wait)
				}
			default:
				full[key] = at
				if left := int((burst*interval - time.Until(at)) / interval); !d.Allowed || d.Policies[0].Remaining != left {
					t.Fatalf("%s: %+v, want %d left", key, d, left)
				}
			}
		}
	})
}

func TestRateLimitMemory(t *testing.T) {
	heap := func() uint64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	for _, row := range []struct {
		name          string
		max, keys     int
		most, atLeast int // keys that memory is spent on
	}{
		{"as many keys as came", 1 << 20, 100_000, 100_000, 100_000},
		{"no more keys than allowed", 100_000, 1_000_000, 100_000, 90_000},
	} {
		c := bounded(5, security.FullEvict)
		c.MaxKeys = row.max
		l := mustRateLimit(t, c)
		before := heap()
		for i := range row.keys {
			if _, err := l.Allow(t.Context(), fmt.Sprint(i), 1); err != nil {
				t.Fatal(err)
			}
		}
		used := int64(heap() - before)
		t.Logf("%s: %.1f bytes a key", row.name, float64(used)/float64(row.most))
		if used > int64(48*row.most) || used < int64(16*row.atLeast) {
			t.Errorf("%s: %d bytes, %.1f a key", row.name, used, float64(used)/float64(row.most))
		}
		runtime.KeepAlive(l)
	}
}

func TestRateLimitForgetsWhoOwesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := mustRateLimit(t, bounded(5, security.FullRefuse))
		for round := range 20 {
			for i := range 800 {
				if !allowed(t, l, fmt.Sprint(round, " ", i)) {
					t.Fatalf("round %d: no room for key %d", round, i)
				}
			}
			time.Sleep(time.Minute)
		}
	})
}

func TestAPlaceThatBecomesFreeIsFoundAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := bounded(100, security.FullRefuse)
		c.MaxKeys = 40
		l := mustRateLimit(t, c)
		for i := range 40 {
			if _, err := l.Allow(t.Context(), fmt.Sprint("owes much ", i), 50); err != nil && i < 39 {
				t.Fatal(err)
			}
			if i == 38 {
				if !allowed(t, l, "owes little") {
					t.Fatal("no place")
				}
			}
		}
		if allowed(t, l, "newcomer") {
			t.Fatal("there is no place")
		}
		time.Sleep(time.Minute)
		if !allowed(t, l, "newcomer") || allowed(t, l, "second newcomer") {
			t.Error("one place became free, and is not given to one")
		}
	})
}

func TestAPlaceIsNotFreeWhileItsKeyComesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := bounded(5, security.FullRefuse)
		c.MaxKeys = 3
		l := mustRateLimit(t, c)
		for range 3 {
			for i := range 3 {
				if !allowed(t, l, fmt.Sprint("comes again ", i)) {
					t.Fatal("limited early")
				}
			}
			if allowed(t, l, "newcomer") {
				t.Error("a newcomer took the place of a key that owes")
			}
			time.Sleep(50 * time.Second)
		}
	})
}

func TestRateLimitIsExactUnderConcurrency(t *testing.T) {
	for _, policies := range []int{1, 3} {
		c := security.RateLimitConfig{Logger: discard}
		for i := range policies {
			c.Policies = append(c.Policies, security.RatePolicy{Name: fmt.Sprint(i), Limit: rate.Every(time.Hour), Burst: 500 - i, Key: security.ByIP()})
		}
		h := mustRateLimit(t, c).Wrap(http.HandlerFunc(noContent))
		var served atomic.Int64
		var wg sync.WaitGroup
		for range 32 {
			wg.Go(func() {
				for range 100 {
					if serve(h, from("203.0.113.7:1")).Code == 204 {
						served.Add(1)
					}
				}
			})
		}
		wg.Wait()
		if got := int(served.Load()); got != 500-policies+1 {
			t.Errorf("%d policies: %d served", policies, got)
		}
	}
}

func TestRateLimitAllocates(t *testing.T) {
	c := tenAMinute(security.ByIP())
	c.Policies[0].Limit, c.Policies[0].Burst = 1e6, 1e6
	w, r := &nullWriter{h: http.Header{}}, from("203.0.113.7:1")
	l := mustRateLimit(t, c)
	h := l.Wrap(http.HandlerFunc(noContent))
	if got := testing.AllocsPerRun(1000, func() { clear(w.h); h.ServeHTTP(w, r) }); got > 3 {
		t.Errorf("%v allocations a request with fields", got)
	}
	c.OmitFields = true
	h = mustRateLimit(t, c).Wrap(http.HandlerFunc(noContent))
	if got := testing.AllocsPerRun(1000, func() { clear(w.h); h.ServeHTTP(w, r) }); got > 1 || len(w.h) != 0 {
		t.Errorf("%v allocations a request without fields: %v", got, w.h)
	}
	c.Policies[0].Key = security.ByHeader("X-Api-Key")
	r.Header.Set("X-Api-Key", "k")
	h = mustRateLimit(t, c).Wrap(http.HandlerFunc(noContent))
	if got := testing.AllocsPerRun(1000, func() { clear(w.h); h.ServeHTTP(w, r) }); got > 0 {
		t.Errorf("%v allocations a request with a key that exists already", got)
	}
}
