package redis_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook"
	"github.com/gatehouse-go/gatehouse/webhook/provider"
	"github.com/gatehouse-go/gatehouse/webhook/webhooktest"

	"github.com/gatehouse-go/gatehouse/engines/redis"
)

func TestDeduperKeepsTheContract(t *testing.T) {
	t.Parallel()
	s := start(t)
	var p prefixes
	webhooktest.TestDeduper(t, func(t *testing.T) webhook.Deduper { t.Helper(); return s.engine(p.next).NewDeduper() })
}

func TestOfManyInstancesOneHandlesAnEvent(t *testing.T) {
	const instances, events = 8, 50
	s := start(t)
	handled := make([]atomic.Int64, events)
	var all sync.WaitGroup
	for range instances {
		d := s.engine().NewDeduper()
		all.Go(func() {
			for i := range events {
				key := webhook.NewKey("test", []byte(strconv.Itoa(i)))
				c, err := d.Claim(t.Context(), key, time.Minute)
				if err != nil {
					t.Error(err)
				}
				if c.State != webhook.ClaimTaken {
					continue
				}
				handled[i].Add(1)
				if err := d.Confirm(t.Context(), key, c, time.Hour); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	for i := range handled {
		if n := handled[i].Load(); n != 1 {
			t.Errorf("event %d was handled %d times", i, n)
		}
	}
}

func TestALateHolderWhomNobodyReplacedStillConfirms(t *testing.T) {
	d := start(t).engine().NewDeduper()
	key := webhook.NewKey("test", []byte("late"))
	c, err := d.Claim(t.Context(), key, time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(20 * time.Millisecond)
	if err := d.Confirm(t.Context(), key, c, time.Hour); err != nil {
		t.Fatal(err)
	}
	if c, err := d.Claim(t.Context(), key, time.Hour); err != nil || c.State != webhook.ClaimDone {
		t.Errorf("%+v, %v", c, err)
	}
}

func TestALateHolderWhomAnotherReplacedDoesNotConfirm(t *testing.T) {
	d := start(t).engine().NewDeduper()
	key := webhook.NewKey("test", []byte("lost"))
	lost, _ := d.Claim(t.Context(), key, time.Millisecond)
	time.Sleep(20 * time.Millisecond)
	second, err := d.Claim(t.Context(), key, time.Hour)
	if err != nil || second.State != webhook.ClaimTaken {
		t.Fatalf("%+v, %v", second, err)
	}
	if err := d.Release(t.Context(), key, second); err != nil {
		t.Fatal(err)
	}
	if err := d.Confirm(t.Context(), key, lost, time.Hour); err != nil {
		t.Fatal(err)
	}
	if c, err := d.Claim(t.Context(), key, time.Hour); err != nil || c.State != webhook.ClaimTaken {
		t.Errorf("after a release by the second holder: %+v, %v", c, err)
	}
}

// A token is a whole word: neither none nor the beginning of one ends a claim.
func TestOnlyTheWholeTokenEndsAClaim(t *testing.T) {
	d := start(t).engine().NewDeduper()
	key := webhook.NewKey("test", []byte("token"))
	c, err := d.Claim(t.Context(), key, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	for _, token := range []string{"", c.Token[:5], c.Token + " ", "done"} {
		if err := d.Release(t.Context(), key, webhook.Claim{State: webhook.ClaimTaken, Token: token}); err != nil {
			t.Error(err)
		}
		if got, _ := d.Claim(t.Context(), key, time.Hour); got.State != webhook.ClaimBusy {
			t.Errorf("token %q of %q: %+v", token, c.Token, got)
		}
	}
}

// The server is stopped, asked for a claim in vain, and does what it was asked when it goes on: nobody holds that claim.
func TestAClaimWhoseAnswerWasLostIsReleased(t *testing.T) {
	s := start(t)
	d := s.engine(func(c *redis.Config) { c.Timeout = 100 * time.Millisecond }).NewDeduper()
	eventually(t, "the server is reached", func() bool {
		_, err := d.Claim(t.Context(), webhook.NewKey("test", []byte("other")), time.Hour)
		return err == nil
	})
	s.signal(syscall.SIGSTOP)
	keys := make([]webhook.Key, 4)
	for i := range keys {
		keys[i] = webhook.NewKey("test", []byte{byte(i)})
		if _, err := d.Claim(t.Context(), keys[i], time.Hour); !errors.Is(err, redis.ErrOut) {
			t.Errorf("from a server that is stopped: %v", err)
		}
	}
	s.signal(syscall.SIGCONT)
	for _, key := range keys {
		eventually(t, "the event can be claimed", func() bool {
			c, err := d.Claim(t.Context(), key, time.Hour)
			return err == nil && c.State == webhook.ClaimTaken
		})
	}
}

// The server claims again, but does not release yet: the claim in doubt waits until it does.
func TestClaimsInDoubtWaitUntilTheyCanBeReleased(t *testing.T) {
	s := start(t)
	d := s.engine(func(c *redis.Config) { c.Timeout = 100 * time.Millisecond }).NewDeduper()
	key := webhook.NewKey("test", []byte("doubt"))
	eventually(t, "the server is reached", func() bool {
		_, err := d.Claim(t.Context(), webhook.NewKey("test", []byte("before")), time.Hour)
		return err == nil
	})
	s.signal(syscall.SIGSTOP)
	if _, err := d.Claim(t.Context(), key, time.Hour); !errors.Is(err, redis.ErrOut) {
		t.Errorf("from a server that is stopped: %v", err)
	}
	s.signal(syscall.SIGCONT)
	deny := func(rule string) { s.do("ACL", "SETUSER", "default", rule) }
	deny("-del")
	claim := func(k webhook.Key) bool {
		c, err := d.Claim(t.Context(), k, time.Hour)
		return err == nil && c.State == webhook.ClaimTaken
	}
	eventually(t, "another event is claimed", func() bool { return claim(webhook.NewKey("test", []byte("other"))) })
	deny("+del")
	eventually(t, "the event can be claimed", func() bool { return claim(key) })
}

func TestDeduperKeepsNothingForEver(t *testing.T) {
	s := start(t)
	d := s.engine().NewDeduper()
	for i, end := range []func(webhook.Key, webhook.Claim) error{
		func(webhook.Key, webhook.Claim) error { return nil },
		func(k webhook.Key, c webhook.Claim) error { return d.Confirm(t.Context(), k, c, 1500*time.Microsecond) },
		func(k webhook.Key, c webhook.Claim) error { return d.Confirm(t.Context(), k, c, 10*365*24*time.Hour) },
	} {
		key := webhook.NewKey("test", []byte(strconv.Itoa(i)))
		c, err := d.Claim(t.Context(), key, 5*365*24*time.Hour)
		if err = errors.Join(err, end(key, c)); err != nil {
			t.Error(err)
		}
		if ttl, err := s.do("PTTL", "gatehouse:event:"+key.String()).AsInt64(); ttl == -1 || err != nil {
			t.Errorf("%d: PTTL %d, %v", i, ttl, err)
		}
	}
}

func TestDeduperRefusesTimesThatAreNone(t *testing.T) {
	d := engineAt(t, func(c *redis.Config) { c.Addresses = []string{"127.0.0.1:1"} }).NewDeduper()
	for _, wrong := range []time.Duration{0, -1, 1 << 62} {
		if _, err := d.Claim(t.Context(), webhook.Key{}, wrong); err == nil || errors.Is(err, redis.ErrOut) {
			t.Errorf("lease %v: %v", wrong, err)
		}
		if err := d.Confirm(t.Context(), webhook.Key{}, webhook.Claim{}, wrong); err == nil || errors.Is(err, redis.ErrOut) {
			t.Errorf("keep %v: %v", wrong, err)
		}
	}
}

// deliver sends a signed event to a receiver, and returns the status of its answer.
func deliver(t *testing.T, h http.Handler, body string) int {
	t.Helper()
	res := webhooktest.Send(t, h, webhooktest.Delivery{
		Scheme: provider.GitHub{}, Key: webhook.NewSecret("a secret of the test's"), URL: "https://app.example/hooks/github",
		Header: http.Header{"X-Github-Event": {"push"}}, Body: []byte(body),
	})
	return res.StatusCode
}

// The receiver is asked while its server is away, as a provider does: again until the event is accepted.
func TestNoEventIsLostInAnOutage(t *testing.T) {
	t.Parallel()
	for way, w := range map[string]struct{ out, back func(*server) }{
		"kill -9": {(*server).kill, (*server).run},
		"SIGSTOP": {func(s *server) { s.signal(syscall.SIGSTOP) }, func(s *server) { s.signal(syscall.SIGCONT) }},
	} {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			handled, unconfirmed := map[string]int{}, map[string]int{}
			h, err := webhook.New(webhook.Config{
				Scheme:  provider.GitHub{Secrets: []webhook.Secret{webhook.NewSecret("a secret of the test's")}},
				Dedupe:  s.engine(func(c *redis.Config) { c.Timeout = time.Second }).NewDeduper(),
				OnEvent: func(_ context.Context, e webhook.Event) error { handled[string(e.Body)]++; return nil },
				Logger:  slog.New(slog.DiscardHandler),
			})
			if err != nil {
				t.Fatal(err)
			}
			accepted := func(body string) bool {
				before := handled[body]
				ok := deliver(t, h, body) < 300
				if !ok && handled[body] > before { // a machine that is busy may take longer over an answer of the server than the engine waits
					unconfirmed[body]++
				}
				return ok
			}
			eventually(t, "an event is accepted before the outage", func() bool { return accepted("before") })
			w.out(s)
			for i := range 20 {
				began := time.Now()
				if status := deliver(t, h, strconv.Itoa(i)); status != 503 {
					t.Errorf("during the outage: %d", status)
				}
				if took := time.Since(began); took > 10*time.Second {
					t.Errorf("an answer took %v", took)
				}
			}
			if len(handled) != 1 {
				t.Errorf("handled without a claim: %v", handled)
			}
			w.back(s)
			for i := range 20 {
				eventually(t, "the event is accepted", func() bool { return accepted(strconv.Itoa(i)) })
				accepted(strconv.Itoa(i))
			}
			for i := range 20 {
				if n, more := handled[strconv.Itoa(i)], unconfirmed[strconv.Itoa(i)]; n != 1+more {
					t.Errorf("event %d was handled %d times, of which %d could not be confirmed", i, n, more)
				}
			}
		})
	}
}
