package webhook_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook"
)

// The rows of a receiver's conformance run, each with the name it has there.
func TestSequentialDuplicatesAreHandledOnce(t *testing.T) {
	e := newEndpoint(t, nil)
	for i := range 3 {
		if res := serve(e, plainRequest(`{"id":"evt_1"}`)); res.StatusCode != 200 {
			t.Fatalf("attempt %d: %d", i, res.StatusCode)
		}
	}
	if len(e.events) != 1 {
		t.Fatalf("handled %d times", len(e.events))
	}
	for i, want := range []webhook.Result{webhook.ResultAccepted, webhook.ResultDuplicate, webhook.ResultDuplicate} {
		if e.outcomes[i].Result != want {
			t.Errorf("attempt %d: %v, want %v", i, e.outcomes[i].Result, want)
		}
	}
}

func TestConcurrentDuplicatesRunTheHandlerOnceAndGetTheSameAnswer(t *testing.T) {
	for name, result := range map[string]error{"that succeeds": nil, "that fails": errors.New("disk full")} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var calls atomic.Int32
				h := newEndpoint(t, func(c *webhook.Config) {
					c.Observe = nil
					c.OnEvent = func(ctx context.Context, _ webhook.Event) error {
						calls.Add(1)
						time.Sleep(time.Second)
						return result
					}
				})
				statuses := make([]int, 50)
				var all sync.WaitGroup
				for i := range statuses {
					all.Go(func() { statuses[i] = serve(h, plainRequest(`{"id":"evt_1"}`)).StatusCode })
				}
				all.Wait()
				want := 200
				if result != nil {
					want = 500
				}
				for i, status := range statuses {
					if status != want {
						t.Errorf("request %d: %d, want %d", i, status, want)
					}
				}
				if calls.Load() != 1 {
					t.Errorf("handled %d times", calls.Load())
				}
			})
		})
	}
}

func TestOrderReversalHandlesBoth(t *testing.T) {
	e := newEndpoint(t, nil)
	now := time.Now()
	serve(e, plainSigned(goodSecret, now, `{"id":"evt_2"}`))
	serve(e, plainSigned(goodSecret, now.Add(-time.Minute), `{"id":"evt_1"}`))
	if len(e.events) != 2 || !e.events[1].SentAt.Before(e.events[0].SentAt) {
		t.Errorf("events = %+v: the order must be left to the application, which has SentAt", e.events)
	}
}

func TestAFailedAttemptIsNoDuplicate(t *testing.T) {
	failures := map[string]func(){
		"an error":   func() {},
		"a panic":    func() { panic("boom") },
		"a goexit":   runtime.Goexit,
		"an abort":   func() { panic(http.ErrAbortHandler) },
		"a nil call": func() { var f func(); f() },
	}
	for name, fail := range failures {
		t.Run(name, func(t *testing.T) {
			var calls int
			e := newEndpoint(t, func(c *webhook.Config) {
				c.OnEvent = func(context.Context, webhook.Event) error {
					if calls++; calls == 1 {
						fail()
						return errors.New("failed")
					}
					return nil
				}
			})
			for i, want := range []int{500, 200, 200} {
				if res := serve(e, plainRequest(`{"id":"evt_1"}`)); res.StatusCode != want {
					t.Errorf("attempt %d: %d, want %d", i, res.StatusCode, want)
				}
			}
			if calls != 2 {
				t.Errorf("handled %d times, want a failure and a success", calls)
			}
		})
	}
}

func TestTimeoutThenRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int32
		h := newEndpoint(t, func(c *webhook.Config) {
			c.Scheme = plain{secrets: []webhook.Secret{webhook.NewSecret(goodSecret)}, contract: webhook.Contract{AckTimeout: 5 * time.Second}}
			c.OnEvent = func(ctx context.Context, _ webhook.Event) error {
				calls.Add(1)
				deadline, _ := ctx.Deadline()
				if left := time.Until(deadline); left != 4*time.Second {
					t.Errorf("the handler has %v, want four fifths of the provider's 5s", left)
				}
				time.Sleep(6 * time.Second) // deaf to its context
				return nil
			}
		})
		start := time.Now()
		res := serve(h, plainRequest(`{"id":"evt_1"}`))
		if res.StatusCode != 503 || res.Header.Get("Retry-After") == "" || time.Since(start) != 4*time.Second {
			t.Errorf("first attempt: %d after %v, want 503 before the provider gives up", res.StatusCode, time.Since(start))
		}
		if res := serve(h, plainRequest(`{"id":"evt_1"}`)); res.StatusCode != 200 {
			t.Errorf("the retry joins the work under way and gets %d, want 200", res.StatusCode)
		}
		if res := serve(h, plainRequest(`{"id":"evt_1"}`)); res.StatusCode != 200 || calls.Load() != 1 {
			t.Errorf("later: %d after %d calls, want the late success to count", res.StatusCode, calls.Load())
		}
	})
}

func TestConnectionLossThenRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int32
		h := newEndpoint(t, func(c *webhook.Config) {
			c.Observe = nil
			c.OnEvent = func(ctx context.Context, _ webhook.Event) error {
				calls.Add(1)
				select {
				case <-ctx.Done():
					return ctx.Err()
				case <-time.After(time.Second):
					return nil
				}
			}
		})
		lost, hangUp := context.WithCancel(t.Context())
		var all sync.WaitGroup
		all.Go(func() { serve(h, plainRequest(`{"id":"evt_1"}`).WithContext(lost)) })
		synctest.Wait()
		var retry int
		all.Go(func() { retry = serve(h, plainRequest(`{"id":"evt_1"}`)).StatusCode })
		synctest.Wait()
		hangUp() // the first client leaves: who waits for the same event must not fail with it
		all.Wait()
		if retry != 200 || calls.Load() != 1 {
			t.Errorf("retry = %d after %d calls, want 200 after 1", retry, calls.Load())
		}
	})
}

func TestWaitEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEndpoint(t, func(c *webhook.Config) {
			c.OnEvent = func(context.Context, webhook.Event) error { time.Sleep(time.Hour); return nil }
		})
		serve(e, plainRequest(`{"id":"1"}`))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := e.Wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Wait = %v", err)
		}
		if err := e.Wait(t.Context()); err != nil {
			t.Errorf("Wait = %v", err)
		}
	})
}

func TestRealServerDuplicates(t *testing.T) {
	var calls atomic.Int32
	h := newEndpoint(t, func(c *webhook.Config) {
		c.Observe = nil
		c.OnEvent = func(context.Context, webhook.Event) error { calls.Add(1); return nil }
	})
	server := httptest.NewServer(h)
	defer server.Close()
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			r := plainRequest(`{"id":"evt_1"}`)
			out, err := http.NewRequestWithContext(t.Context(), "POST", server.URL, r.Body)
			if err != nil {
				t.Error(err)
				return
			}
			out.Header = r.Header
			res, err := server.Client().Do(out)
			if err != nil {
				t.Error(err)
				return
			}
			res.Body.Close()
			if res.StatusCode != 200 {
				t.Errorf("status %d", res.StatusCode)
			}
		})
	}
	all.Wait()
	if calls.Load() != 1 {
		t.Errorf("handled %d times", calls.Load())
	}
}
