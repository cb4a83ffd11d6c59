package webhook_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook"
)

func TestRestartWithASharedStore(t *testing.T) {
	store, err := webhook.NewMemory(webhook.MemoryConfig{})
	if err != nil {
		t.Fatal(err)
	}
	var handled int
	for i := range 2 { // the second Handler is the process after a restart
		h := newEndpoint(t, func(c *webhook.Config) {
			c.Dedupe = store
			c.OnEvent = func(context.Context, webhook.Event) error { handled++; return nil }
		})
		if res := serve(h, plainRequest(`{"id":"evt_1"}`)); res.StatusCode != 200 {
			t.Errorf("process %d: %d", i, res.StatusCode)
		}
	}
	if handled != 1 {
		t.Errorf("handled %d times", handled)
	}
}

func TestScopeKeepsEndpointsApart(t *testing.T) {
	store, err := webhook.NewMemory(webhook.MemoryConfig{})
	if err != nil {
		t.Fatal(err)
	}
	for _, scope := range []string{"", "billing", "mail"} {
		e := newEndpoint(t, func(c *webhook.Config) { c.Dedupe, c.Scope = store, scope })
		serve(e, plainRequest(`{"id":"evt_1"}`))
		serve(e, plainRequest(`{"id":"evt_1"}`))
		if len(e.events) != 1 {
			t.Errorf("scope %q handled %d times, want once of its own", scope, len(e.events))
		}
	}
}

func TestWhatIsOneEvent(t *testing.T) {
	tests := []struct {
		name     string
		describe func(*http.Request, *webhook.Event)
		bodies   [2]string
		handled  int
	}{
		{"a signed id decides", func(_ *http.Request, e *webhook.Event) { e.ID, e.IDSigned = "1", true }, [2]string{"attempt 1", "attempt 2"}, 1},
		{"an unsigned id decides nothing: a replay under a fresh one is the same event", func(_ *http.Request, e *webhook.Event) {
			e.ID = time.Now().String()
		}, [2]string{"same", "same"}, 1},
		{"an unsigned id that repeats does not swallow another body", func(_ *http.Request, e *webhook.Event) { e.ID = "1" }, [2]string{"one", "two"}, 2},
		{"the scheme's own key decides", func(_ *http.Request, e *webhook.Event) { e.Key = webhook.NewKey("plain", []byte("token")) }, [2]string{"one", "two"}, 1},
		{"what the scheme calls repeatable is always handled", func(_ *http.Request, e *webhook.Event) { e.Repeatable = true }, [2]string{"same", "same"}, 2},
		{"without signed id and body nothing tells a repeat", nil, [2]string{"", ""}, 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.describe == nil {
				tt.describe = func(*http.Request, *webhook.Event) {}
			}
			e := newEndpoint(t, func(c *webhook.Config) {
				c.Scheme = plain{secrets: []webhook.Secret{webhook.NewSecret(goodSecret)}, describe: tt.describe}
			})
			for _, body := range tt.bodies {
				if res := serve(e, plainRequest(body)); res.StatusCode != 200 {
					t.Fatal(res.Status)
				}
			}
			if len(e.events) != tt.handled {
				t.Errorf("handled %d times, want %d", len(e.events), tt.handled)
			}
		})
	}
}

// store is a Deduper whose answers a test decides.
type store struct {
	mu     sync.Mutex
	claim  func(n int) (webhook.Claim, error)
	claims int
	ends   []string
	endErr error
	leases []time.Duration
}

func (s *store) Claim(_ context.Context, _ webhook.Key, lease time.Duration) (webhook.Claim, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.claims++
	s.leases = append(s.leases, lease)
	return s.claim(s.claims)
}

func (s *store) Confirm(ctx context.Context, _ webhook.Key, c webhook.Claim, keep time.Duration) error {
	return s.end(ctx, fmt.Sprintf("confirm %s for %v", c.Token, keep))
}

func (s *store) Release(ctx context.Context, _ webhook.Key, c webhook.Claim) error {
	return s.end(ctx, "release "+c.Token)
}

func (s *store) end(ctx context.Context, what string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	s.ends = append(s.ends, what)
	return s.endErr
}

func TestAnotherInstanceHasTheEvent(t *testing.T) {
	busy := webhook.Claim{State: webhook.ClaimBusy}
	tests := []struct {
		name    string
		claim   func(n int) (webhook.Claim, error)
		status  int
		handled int
	}{
		{"and finishes: its answer is ours", func(n int) (webhook.Claim, error) {
			if n < 5 {
				return busy, nil
			}
			return webhook.Claim{State: webhook.ClaimDone}, nil
		}, 200, 0},
		{"and fails: we take over", func(n int) (webhook.Claim, error) {
			if n < 5 {
				return busy, nil
			}
			return webhook.Claim{State: webhook.ClaimTaken, Token: "t"}, nil
		}, 200, 1},
		{"and does not finish in time", func(int) (webhook.Claim, error) { return busy, nil }, 503, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &store{claim: tt.claim}
				e := newEndpoint(t, func(c *webhook.Config) { c.Dedupe = s })
				res := serve(e, plainRequest(`{"id":"1"}`))
				if res.StatusCode != tt.status || len(e.events) != tt.handled {
					t.Errorf("answer %d, handled %d; want %d, %d", res.StatusCode, len(e.events), tt.status, tt.handled)
				}
				if (tt.status == 503) != (res.Header.Get("Retry-After") != "") {
					t.Errorf("Retry-After = %q", res.Header.Get("Retry-After"))
				}
				if err := e.Wait(t.Context()); err != nil {
					t.Fatal(err)
				}
			})
		})
	}
}

func TestDedupeStoreDown(t *testing.T) {
	down := func(int) (webhook.Claim, error) { return webhook.Claim{}, errors.New("connection refused") }
	t.Run("by default the provider keeps the event", func(t *testing.T) {
		e := newEndpoint(t, func(c *webhook.Config) { c.Dedupe = &store{claim: down} })
		res := serve(e, plainRequest(`{"id":"1"}`))
		if res.StatusCode != 503 || res.Header.Get("Retry-After") != "30" || len(e.events) != 0 || !errors.Is(e.outcomes[0].Reason, webhook.ErrUnavailable) {
			t.Errorf("answer %d %v, events %d", res.StatusCode, res.Header, len(e.events))
		}
	})
	t.Run("where the application says so it goes on without", func(t *testing.T) {
		e := newEndpoint(t, func(c *webhook.Config) { c.Dedupe, c.InsecureWithoutDedupe = &store{claim: down}, true })
		if res := serve(e, plainRequest(`{"id":"1"}`)); res.StatusCode != 200 || len(e.events) != 1 {
			t.Errorf("answer %d, events %d", res.StatusCode, len(e.events))
		}
	})
	t.Run("down after the event was handled, the answer stands", func(t *testing.T) {
		s := &store{claim: func(int) (webhook.Claim, error) { return webhook.Claim{State: webhook.ClaimTaken, Token: "t"}, nil }, endErr: errors.New("connection reset")}
		e := newEndpoint(t, func(c *webhook.Config) { c.Dedupe = s })
		if res := serve(e, plainRequest(`{"id":"1"}`)); res.StatusCode != 200 || e.log.Len() == 0 {
			t.Errorf("answer %d, log %q", res.StatusCode, e.log.String())
		}
	})
}

func TestClaimsAreEndedAlsoPastTheDeadline(t *testing.T) {
	for name, result := range map[string]error{"confirm t for 96h0m0s": nil, "release t": errors.New("failed")} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &store{claim: func(int) (webhook.Claim, error) { return webhook.Claim{State: webhook.ClaimTaken, Token: "t"}, nil }}
				e := newEndpoint(t, func(c *webhook.Config) {
					c.Scheme = plain{secrets: []webhook.Secret{webhook.NewSecret(goodSecret)}, contract: webhook.Contract{RetryWindow: 96 * time.Hour}}
					c.Dedupe = s
					c.OnEvent = func(context.Context, webhook.Event) error { time.Sleep(time.Minute); return result }
				})
				if res := serve(e, plainRequest(`{"id":"1"}`)); res.StatusCode != 503 {
					t.Errorf("answer %d, want 503 at the deadline", res.StatusCode)
				}
				if err := e.Wait(t.Context()); err != nil {
					t.Fatal(err)
				}
				if len(s.ends) != 1 || s.ends[0] != name || s.leases[0] < 8*time.Second {
					t.Errorf("claim ended by %q, lease %v; want %q", s.ends, s.leases, name)
				}
			})
		})
	}
}

func TestWithoutDedupeARepeatIsHandledAgain(t *testing.T) {
	e := newEndpoint(t, func(c *webhook.Config) { c.Dedupe = webhook.InsecureNoDedupe{} })
	serve(e, plainRequest(`{"id":"1"}`))
	serve(e, plainRequest(`{"id":"1"}`))
	if len(e.events) != 2 {
		t.Errorf("handled %d times, want 2", len(e.events))
	}
	if err := (webhook.InsecureNoDedupe{}).Release(t.Context(), webhook.Key{}, webhook.Claim{}); err != nil {
		t.Error(err)
	}
}
