package redis_test

import (
	"context"
	"errors"
	"flag"
	"log/slog"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/revalidate"
	"github.com/gatehouse-go/gatehouse/security"
	"github.com/gatehouse-go/gatehouse/webhook"
	"github.com/gatehouse-go/gatehouse/webhook/provider"
	"golang.org/x/time/rate"

	"github.com/gatehouse-go/gatehouse/engines/redis"
)

// How long the server is away in TestAnOutageInTheMiddleOfLoad. The figures of two minutes:
//
//	go test -run TestAnOutageInTheMiddleOfLoad -outage 2m -v .
var outage = flag.Duration("outage", 5*time.Second, "how long the server is away under load") //nolint:gochecknoglobals // as flags are

// slowest is the longest that something took.
type slowest struct{ ns atomic.Int64 }

func (s *slowest) note(d time.Duration) {
	for {
		was := s.ns.Load()
		if int64(d) <= was || s.ns.CompareAndSwap(was, int64(d)) {
			return
		}
	}
}

// The server goes away under load, and comes back. Senders do as a provider does: they send an event until it is accepted, and then never
// again. Readers and clients go on too.
func TestAnOutageInTheMiddleOfLoad(t *testing.T) {
	t.Parallel()
	for way, w := range map[string]struct{ out, back func(*server) }{
		"kill -9": {(*server).kill, (*server).run},
		"SIGSTOP": {func(s *server) { s.signal(syscall.SIGSTOP) }, func(s *server) { s.signal(syscall.SIGCONT) }},
	} {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			outageUnderLoad(t, w.out, w.back)
		})
	}
}

func outageUnderLoad(t *testing.T, out, back func(*server)) {
	t.Helper()
	const timeout, senders = time.Second, 16 // so long that no busy machine is taken for an outage
	s := start(t)
	var degraded, healed atomic.Int64
	e := s.engine(func(c *redis.Config) {
		c.Timeout = timeout
		c.OnDegraded = func(err error) {
			if err != nil {
				degraded.Add(1)
			} else {
				healed.Add(1)
			}
		}
	})
	var mu sync.Mutex
	handled, accepted := map[string]int{}, map[string]bool{}
	hooks, err := webhook.New(webhook.Config{
		Scheme: provider.GitHub{Secrets: []webhook.Secret{webhook.NewSecret("a secret of the test's")}}, Dedupe: e.NewDeduper(),
		OnEvent: func(_ context.Context, ev webhook.Event) error {
			mu.Lock()
			defer mu.Unlock()
			handled[string(ev.Body)]++
			return nil
		},
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	limit, err := security.NewRateLimit(security.RateLimitConfig{
		Policies: []security.RatePolicy{{Limit: rate.Every(time.Millisecond), Burst: 1000, Key: security.ByIP()}}, Store: e.NewRateStore(redis.RateStoreConfig{}),
		Outage: security.OutageLocal, LocalShare: 1, StoreTimeout: timeout, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	cache, err := revalidate.New(revalidate.Config{Store: cacheStoreOf(t, e, redis.CacheStoreConfig{}), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	sessions := sessionsOn(t, e, 0)
	if err := sessions.Put(t.Context(), sessionRecord("a", time.Hour, "user:ann")); err != nil {
		t.Fatal(err)
	}
	before := runtime.NumGoroutine()

	var all sync.WaitGroup
	var stop atomic.Bool
	var hook, decision, read, session slowest
	var refused, most atomic.Int64
	timed := func(to *slowest, do func()) {
		began := time.Now()
		do()
		to.note(time.Since(began))
	}
	for sender := range senders {
		all.Go(func() {
			for n := 0; !stop.Load(); n++ {
				body := strconv.Itoa(sender) + ":" + strconv.Itoa(n)
				for status := 0; status/100 != 2; {
					timed(&hook, func() {
						status = deliver(t, hooks, body)
					})
					if status/100 != 2 {
						refused.Add(1)
						time.Sleep(20 * time.Millisecond)
					}
				}
				mu.Lock()
				accepted[body] = true
				mu.Unlock()
				time.Sleep(2 * time.Millisecond)
			}
		})
	}
	for client := range 4 {
		all.Go(func() {
			for n := 0; !stop.Load(); n++ {
				timed(&decision, func() {
					if _, err := limit.Allow(t.Context(), "client"+strconv.Itoa(client), 1); err != nil && !errors.Is(err, security.ErrRateLimited) {
						t.Errorf("rate limit: %v", err)
					}
				})
				timed(&read, func() {
					v, err := revalidate.Get(t.Context(), cache, "key"+strconv.Itoa(n%50), revalidate.Options{}, func(context.Context) (int, error) { return 1, nil })
					if v != 1 || err != nil {
						t.Errorf("read: %d, %v", v, err)
					}
				})
				timed(&session, func() {
					if _, _, err := sessions.Get(t.Context(), "a"); err != nil && !errors.Is(err, redis.ErrOut) && !errors.Is(err, redis.ErrBusy) {
						t.Errorf("session: %v", err)
					}
				})
				most.Store(max(most.Load(), int64(runtime.NumGoroutine())))
				time.Sleep(2 * time.Millisecond)
			}
		})
	}
	time.Sleep(time.Second)
	out(s)
	time.Sleep(*outage)
	back(s)
	eventually(t, "events are accepted again", func() bool {
		mu.Lock()
		n := len(accepted)
		mu.Unlock()
		time.Sleep(50 * time.Millisecond)
		mu.Lock()
		defer mu.Unlock()
		return len(accepted) > n+senders
	})
	stop.Store(true)
	all.Wait() // each sender sends its last event until it is accepted

	twice := 0
	for body := range accepted {
		if handled[body] == 0 {
			t.Errorf("event %s was accepted and not handled", body)
		}
		if handled[body] > 1 {
			twice++
		}
	}
	for body := range handled {
		if !accepted[body] {
			t.Errorf("event %s was handled and never accepted", body)
		}
	}
	if refused.Load() == 0 {
		t.Error("no event was refused: there was no outage")
	}
	if degraded.Load() != 1 || healed.Load() != 1 {
		t.Errorf("told %d times of the outage and %d times of its end", degraded.Load(), healed.Load())
	}
	// An event is claimed and confirmed. What a read asks for beside its entry it asks no server that is in doubt. The machine may be busy.
	for what, row := range map[string]struct {
		took  *slowest
		calls int
	}{"event": {&hook, 2}, "rate limit": {&decision, 1}, "cached read": {&read, 1}, "session": {&session, 1}} {
		took := time.Duration(row.took.ns.Load())
		t.Logf("slowest %s: %v, where a call to the server may take %v", what, took.Round(time.Millisecond), timeout)
		if took > time.Duration(row.calls)*time.Second+3*time.Second {
			t.Errorf("a %s took %v", what, took)
		}
	}
	t.Logf("away for %v: %d events accepted, all handled, %d of them twice; %d refusals; at most %d goroutines", *outage, len(accepted), twice, refused.Load(), most.Load())
	if most.Load() > int64(before+senders+4+2*512+50) {
		t.Errorf("%d goroutines", most.Load())
	}
	eventually(t, "no goroutine is left", func() bool { return runtime.NumGoroutine() <= before+20 })
}
