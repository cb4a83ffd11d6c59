package redis_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/security"
	"github.com/gatehouse-go/gatehouse/webhook"

	"github.com/gatehouse-go/gatehouse/engines/redis"
)

// Each call fails within its time while the server is away, in whatever way, and works again once it is back; OnDegraded is told once each
// way.
func TestEachCallInEachOutage(t *testing.T) {
	t.Parallel()
	const timeout = time.Second
	for way, row := range map[string]struct {
		out, back func(s *server, w *wire)
	}{
		"kill -9": {func(s *server, _ *wire) { s.kill() }, func(s *server, _ *wire) { s.run() }},
		"SIGSTOP": {func(s *server, _ *wire) { s.signal(syscall.SIGSTOP) }, func(s *server, _ *wire) { s.signal(syscall.SIGCONT) }},
		"CLIENT PAUSE": {
			func(s *server, _ *wire) { s.do("CLIENT", "PAUSE", "60000", "ALL") },
			func(s *server, _ *wire) { s.kill(); s.run() },
		},
		"DEBUG SLEEP": {
			func(s *server, _ *wire) {
				go s.do("DEBUG", "SLEEP", "15")
				eventually(s.t, "a server that sleeps", func() bool { return !s.answers(3 * time.Second) })
			},
			func(*server, *wire) {}, // it wakes by itself
		},
		"cut connections":    {func(_ *server, w *wire) { w.set(true) }, func(_ *server, w *wire) { w.set(false) }},
		"silent connections": {func(_ *server, w *wire) { w.hold(true) }, func(_ *server, w *wire) { w.hold(false) }},
	} {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			var args []string
			if !olderThan7(t) { // where DEBUG has to be allowed
				args = []string{"--enable-debug-command", "yes"}
			}
			s := start(t, args...)
			w := newWire(t, s.address)
			var out, back atomic.Int64
			p := piecesOf(t, s.engine(func(c *redis.Config) {
				c.Addresses, c.Timeout = []string{w.address}, timeout
				c.OnDegraded = func(err error) {
					if err != nil {
						out.Add(1)
					} else {
						back.Add(1)
					}
				}
			}))
			for name, call := range p.calls() {
				eventually(t, name, func() bool { return call(t.Context()) == nil })
			}
			out.Store(0)
			back.Store(0)
			row.out(s, w)
			for name, call := range p.calls() {
				began := time.Now()
				if err := call(t.Context()); !errors.Is(err, redis.ErrOut) {
					t.Errorf("%s during the outage: %v", name, err)
				}
				if took := time.Since(began); took > timeout+10*time.Second { // the machine may be busy
					t.Errorf("%s took %v", name, took)
				}
			}
			row.back(s, w)
			eventually(t, "the server answers again", func() bool { return p.engine.Ping(t.Context()) == nil })
			for name, call := range p.calls() {
				eventually(t, name+" works again", func() bool { return call(t.Context()) == nil })
			}
			if out.Load() != 1 || back.Load() != 1 {
				t.Errorf("told %d times of the outage and %d times of its end", out.Load(), back.Load())
			}
		})
	}
}

// A server that is full says so, which is no outage. What needs room fails, and changes nothing; what ends something works.
func TestAFullServer(t *testing.T) {
	s := start(t, "--maxmemory-policy", "noeviction")
	p := piecesOf(t, s.engine(func(c *redis.Config) { c.OnDegraded = func(err error) { t.Errorf("degraded: %v", err) } }))
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	key, other := webhook.NewKey("test", []byte("a")), webhook.NewKey("test", []byte("b"))
	claim, err := p.dedupe.Claim(ctx, key, time.Minute)
	must(err)
	released, err := p.dedupe.Claim(ctx, other, time.Minute)
	must(err)
	must(p.sess.Put(ctx, sessionRecord("kept", time.Hour, "user:ann")))
	must(p.sess.Put(ctx, sessionRecord("ended", time.Hour, "user:bob")))
	_, err = p.marks.Spend(ctx, "spent", time.Hour)
	must(err)
	save(t, p.cache, "old")

	must(s.do("CONFIG", "SET", "maxmemory", "1").Error())
	for name, call := range p.calls() {
		needsRoom := slices.Contains([]string{"RateStore.Take", "Deduper.Claim", "Sessions.Put", "Marks.Spend", "CacheStore.Save", "CacheStore.Lease", "Invalidations.Announce"}, name)
		err := call(ctx)
		if needsRoom && (err == nil || !strings.Contains(err.Error(), "OOM") || errors.Is(err, redis.ErrOut)) || !needsRoom && err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if rec := sessionRecord("kept", 2*time.Hour, "user:ann"); p.sess.Put(ctx, rec) == nil {
		t.Error("a session was put again for which there is no room")
	}
	must(p.dedupe.Confirm(ctx, key, claim, time.Hour))
	must(p.dedupe.Release(ctx, other, released))
	must(p.sess.Delete(ctx, "ended"))

	must(s.do("CONFIG", "SET", "maxmemory", "0").Error())
	for name, call := range p.calls() {
		if err := call(ctx); err != nil {
			t.Errorf("with room again, %s: %v", name, err)
		}
	}
	if c, err := p.dedupe.Claim(ctx, key, time.Minute); err != nil || c.State != webhook.ClaimDone {
		t.Errorf("an event that was confirmed on a full server: %+v, %v", c, err)
	}
	if c, err := p.dedupe.Claim(ctx, other, time.Minute); err != nil || c.State != webhook.ClaimTaken {
		t.Errorf("an event that was released on a full server: %+v, %v", c, err)
	}
	for id, want := range map[string]bool{"kept": true, "ended": false} {
		if _, found, err := p.sess.Get(ctx, id); found != want || err != nil {
			t.Errorf("session %s: %v, %v", id, found, err)
		}
	}
	if list, err := p.sess.ListLinked(ctx, "user:ann"); err != nil || len(list) == 0 {
		t.Errorf("the sessions of a user: %v, %v", list, err)
	}
	if first, err := p.marks.Spend(ctx, "spent", time.Hour); first || err != nil {
		t.Errorf("a mark: %v, %v", first, err)
	}
	if got := tagOf(t, p.cache); got != "old" {
		t.Errorf("the cache: %q", got)
	}
}

// A full server takes no announcement: the caller is told, and the others, who hear the server, go on.
func TestAFullServerAndTheFleet(t *testing.T) {
	s := start(t)
	var db atomic.Int64
	one, two := newInstance(t, s.engine(), &db, redis.InvalidationsConfig{}), newInstance(t, s.engine(), &db, redis.InvalidationsConfig{})
	one.change()
	two.wantFresh("before")
	s.do("CONFIG", "SET", "maxmemory", "1")
	db.Add(1)
	if err := one.cache.ExpireTag(t.Context(), "value"); err == nil || !strings.Contains(err.Error(), "OOM") {
		t.Errorf("an announcement to a full server: %v", err)
	}
	if got := one.read(); got != db.Load() {
		t.Errorf("where it was expired: %d, want %d", got, db.Load())
	}
	s.do("CONFIG", "SET", "maxmemory", "0")
	if err := one.cache.ExpireTag(t.Context(), "value"); err != nil {
		t.Error(err)
	}
	two.wantFresh("when it is announced again")
}

// What a policy says during an outage is said of a full server too.
func TestARateLimitOnAFullServerFollowsItsPolicy(t *testing.T) {
	s := start(t)
	s.do("CONFIG", "SET", "maxmemory", "1")
	for outage, want := range map[security.Outage]error{security.OutageFailOpen: nil, security.OutageFailClosed: security.ErrRateStore} {
		l, err := security.NewRateLimit(security.RateLimitConfig{
			Policies: []security.RatePolicy{{Limit: 1, Burst: 1, Key: security.ByIP()}}, Store: s.engine().NewRateStore(redis.RateStoreConfig{}),
			Outage: outage, StoreTimeout: 5 * time.Second, Logger: slog.New(slog.DiscardHandler),
		})
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			if _, err := l.Allow(t.Context(), "a", 1); !errors.Is(err, want) {
				t.Errorf("outage %v: %v", outage, err)
			}
		}
	}
}

// Nobody may wait for ever, be the server slow to the point of uselessness.
func TestASlowServerHoldsNoCallBeyondItsTimeout(t *testing.T) {
	s := start(t)
	w := newWire(t, s.address)
	p := piecesOf(t, s.engine(func(c *redis.Config) { c.Addresses, c.Timeout = []string{w.address}, 200*time.Millisecond }))
	for name, call := range p.calls() {
		eventually(t, name, func() bool { return call(t.Context()) == nil })
	}
	w.delay.Store(int64(time.Second))
	for name, call := range p.calls() {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		if err := call(ctx); !errors.Is(err, redis.ErrOut) || ctx.Err() != nil {
			t.Errorf("%s: %v", name, err)
		}
		cancel()
	}
	w.delay.Store(0)
	for name, call := range p.calls() {
		eventually(t, name+" works again", func() bool { return call(t.Context()) == nil })
	}
}
