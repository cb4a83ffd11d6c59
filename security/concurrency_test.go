package security_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-go/gatehouse/security"
)

func mustConcurrencyLimit(tb testing.TB, c security.ConcurrencyLimitConfig) *security.ConcurrencyLimit {
	tb.Helper()
	if c.Logger == nil {
		c.Logger = discard
	}
	l, err := security.NewConcurrencyLimit(c)
	if err != nil {
		tb.Fatal(err)
	}
	return l
}

func TestConcurrencyLimitServesMaxAndQueuesQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var now, most atomic.Int64
		h := mustConcurrencyLimit(t, security.ConcurrencyLimitConfig{Max: 3, MaxQueue: 2, MaxWait: 5 * time.Second, RetryAfter: 1500 * time.Millisecond}).
			Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				most.Store(max(most.Load(), now.Add(1)))
				time.Sleep(time.Second)
				now.Add(-1)
				w.WriteHeader(204)
			}))
		var mu sync.Mutex
		codes, start := map[string]int{}, time.Now()
		for range 10 {
			go func() {
				w := serve(h, request("GET", "/"))
				mu.Lock()
				defer mu.Unlock()
				codes[fmt.Sprint(w.Code, " after ", time.Since(start), " ", w.Header().Get("Retry-After"))]++
			}()
			synctest.Wait()
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		want := map[string]int{"204 after 1s ": 3, "204 after 2s ": 2, "503 after 0s 2": 5}
		if fmt.Sprint(codes) != fmt.Sprint(want) || most.Load() != 3 {
			t.Errorf("%v, at most %d at once", codes, most.Load())
		}
	})
}

func TestConcurrencyLimitServesInTheOrderOfComing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := mustConcurrencyLimit(t, security.ConcurrencyLimitConfig{Max: 1, MaxQueue: 10, MaxWait: time.Hour})
		release, err := l.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var order []int
		for i := range 5 {
			go func() {
				release, err := l.Acquire(t.Context())
				if err != nil {
					t.Error(err)
					return
				}
				order = append(order, i)
				time.Sleep(time.Second)
				release()
			}()
			synctest.Wait()
		}
		release()
		release() // the second time it is nobody's place
		time.Sleep(time.Minute)
		synctest.Wait()
		if fmt.Sprint(order) != "[0 1 2 3 4]" {
			t.Errorf("served in the order %v", order)
		}
	})
}

func TestConcurrencyLimitGivesUpWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := mustConcurrencyLimit(t, security.ConcurrencyLimitConfig{Max: 1, MaxQueue: 1, MaxWait: 5 * time.Second})
		if _, err := l.Acquire(t.Context()); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		if _, err := l.Acquire(t.Context()); !errors.Is(err, security.ErrOverloaded) || time.Since(start) != 5*time.Second {
			t.Errorf("after MaxWait: %v after %v", err, time.Since(start))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := l.Acquire(ctx); !errors.Is(err, security.ErrOverloaded) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("when the context ended: %v", err)
		}
	})
}

func TestConcurrencyLimitGivesThePlaceOfAPanicBack(t *testing.T) {
	h := mustConcurrencyLimit(t, security.ConcurrencyLimitConfig{Max: 1}).Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("fails") }))
	for range 3 {
		func() {
			defer func() {
				if recover() != "fails" {
					t.Error("the handler was not reached")
				}
			}()
			serve(h, request("GET", "/"))
		}()
	}
}

func TestConcurrencyLimitRefusesWithAProblem(t *testing.T) {
	l := mustConcurrencyLimit(t, security.ConcurrencyLimitConfig{Max: 1})
	if _, err := l.Acquire(t.Context()); err != nil {
		t.Fatal(err)
	}
	w := serve(l.Wrap(http.HandlerFunc(noContent)), request("GET", "/"))
	var problem map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &problem); err != nil || w.Code != 503 || w.Header().Get("Retry-After") != "1" ||
		problem["type"] != "https://iana.org/assignments/http-problem-types#temporary-reduced-capacity" {
		t.Errorf("%d %v %v", w.Code, w.Header(), problem)
	}
}

func TestNewConcurrencyLimitReportsEveryMistake(t *testing.T) {
	for _, row := range []struct {
		c    security.ConcurrencyLimitConfig
		want []string
	}{
		{security.ConcurrencyLimitConfig{MaxQueue: -1, RetryAfter: -1}, []string{"Max = 0", "MaxQueue = -1", "RetryAfter = -1ns"}},
		{security.ConcurrencyLimitConfig{Max: 1, MaxQueue: 1}, []string{"MaxWait = 0s"}},
		{security.ConcurrencyLimitConfig{Max: 1, MaxWait: 1}, []string{"MaxWait = 1ns"}},
	} {
		_, err := security.NewConcurrencyLimit(row.c)
		for _, want := range row.want {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%v does not say %s", err, want)
			}
		}
	}
}

func ExampleNewConcurrencyLimit() {
	limit, err := security.NewConcurrencyLimit(security.ConcurrencyLimitConfig{Max: 1})
	if err != nil {
		fmt.Println(err)
		return
	}
	release, err := limit.Acquire(context.Background())
	fmt.Println("first:", err)
	_, err = limit.Acquire(context.Background())
	fmt.Println("second:", err)
	release()
	_, err = limit.Acquire(context.Background())
	fmt.Println("third:", err)
	// Output:
	// first: <nil>
	// second: too many requests are served at once
	// third: <nil>
}
