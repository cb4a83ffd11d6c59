package redis_test

import (
	"context"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/callback"
	"github.com/gatehouse-go/gatehouse/callback/callbacktest"
	"github.com/gatehouse-go/gatehouse/revalidate"
	"github.com/gatehouse-go/gatehouse/revalidate/storetest"
	"github.com/gatehouse-go/gatehouse/security"
	"github.com/gatehouse-go/gatehouse/security/limittest"
	"github.com/gatehouse-go/gatehouse/webhook"
	"github.com/gatehouse-go/gatehouse/webhook/webhooktest"

	"github.com/gatehouse-go/gatehouse/engines/redis"
)

// pieces are all that one engine makes.
type pieces struct {
	engine *redis.Engine
	rate   *redis.RateStore
	dedupe *redis.Deduper
	sess   *redis.Sessions
	marks  *redis.Marks
	cache  *redis.CacheStore
	news   *redis.Invalidations
	n      atomic.Int64 // of names that were used
}

func piecesOf(t *testing.T, e *redis.Engine) *pieces {
	t.Helper()
	news, err := e.NewInvalidations(redis.InvalidationsConfig{})
	if err != nil {
		t.Fatal(err)
	}
	return &pieces{
		engine: e, rate: e.NewRateStore(redis.RateStoreConfig{}), dedupe: e.NewDeduper(), sess: sessionsOn(t, e, 0), marks: e.NewMarks(),
		cache: cacheStoreOf(t, e, redis.CacheStoreConfig{}), news: news,
	}
}

// calls are one call of each method that asks the server, by name, each with a name that was not used before.
func (p *pieces) calls() map[string]func(context.Context) error {
	fresh := func() string { return "n" + strconv.FormatInt(p.n.Add(1), 10) }
	key := func() webhook.Key { return webhook.NewKey("test", []byte(fresh())) }
	return map[string]func(context.Context) error{
		"RateStore.Take": func(ctx context.Context) error {
			return p.rate.Take(ctx, []security.RateTake{{Key: fresh(), Interval: time.Hour, Burst: 5, Cost: 1}}, make([]security.RateResult, 1))
		},
		"Deduper.Claim": func(ctx context.Context) error { _, err := p.dedupe.Claim(ctx, key(), time.Minute); return err },
		"Deduper.Confirm": func(ctx context.Context) error {
			return p.dedupe.Confirm(ctx, key(), webhook.Claim{Token: "t"}, time.Hour)
		},
		"Deduper.Release":       func(ctx context.Context) error { return p.dedupe.Release(ctx, key(), webhook.Claim{Token: "t"}) },
		"Sessions.Put":          func(ctx context.Context) error { return p.sess.Put(ctx, sessionRecord(fresh(), time.Hour, "user:ann")) },
		"Sessions.Get":          func(ctx context.Context) error { _, _, err := p.sess.Get(ctx, fresh()); return err },
		"Sessions.Extend":       func(ctx context.Context) error { return p.sess.Extend(ctx, fresh(), time.Now().Add(time.Hour)) },
		"Sessions.SetData":      func(ctx context.Context) error { return p.sess.SetData(ctx, fresh(), []byte("{}")) },
		"Sessions.Delete":       func(ctx context.Context) error { return p.sess.Delete(ctx, fresh()) },
		"Sessions.DeleteLinked": func(ctx context.Context) error { _, err := p.sess.DeleteLinked(ctx, fresh()); return err },
		"Sessions.ListLinked":   func(ctx context.Context) error { _, err := p.sess.ListLinked(ctx, fresh()); return err },
		"Marks.Spend":           func(ctx context.Context) error { _, err := p.marks.Spend(ctx, fresh(), time.Hour); return err },
		"Marks.Spent":           func(ctx context.Context) error { _, err := p.marks.Spent(ctx, fresh()); return err },
		"Marks.Release":         func(ctx context.Context) error { return p.marks.Release(ctx, fresh()) },
		"CacheStore.Load":       func(ctx context.Context) error { _, err := p.cache.Load(ctx, fresh()); return err },
		"CacheStore.Save": func(ctx context.Context) error {
			e, err := revalidate.NewEntry(1, time.Now().Add(time.Hour), "a")
			if err != nil {
				return err
			}
			return p.cache.Save(ctx, fresh(), e)
		},
		"CacheStore.Delete": func(ctx context.Context) error { return p.cache.Delete(ctx, fresh()) },
		"CacheStore.Lease": func(ctx context.Context) error {
			_, err := p.cache.Lease(ctx, fresh(), revalidate.LeaseQuestion{Began: time.Now(), Life: time.Minute})
			return err
		},
		"Invalidations.Announce": func(ctx context.Context) error {
			return p.news.Announce(ctx, revalidate.Invalidation{Tags: []string{fresh()}, Mode: revalidate.ModeExpire})
		},
		"Engine.Ping": p.engine.Ping,
	}
}

// contracts runs the conformance suite of each piece on a server.
func contracts(t *testing.T, s *server, edit ...func(*redis.Config)) {
	t.Helper()
	var p prefixes
	engine := func() *redis.Engine { return s.engine(append(edit, p.next)...) }
	t.Run("rate", func(t *testing.T) {
		limittest.TestRateStore(t, func(t *testing.T) security.RateStore {
			t.Helper()
			return engine().NewRateStore(redis.RateStoreConfig{})
		})
	})
	t.Run("dedupe", func(t *testing.T) {
		webhooktest.TestDeduper(t, func(t *testing.T) webhook.Deduper { t.Helper(); return engine().NewDeduper() })
	})
	t.Run("sessions", func(t *testing.T) {
		callbacktest.TestSessionStore(t, func(t *testing.T) callback.SessionStore { t.Helper(); return sessionsOn(t, engine(), 0) })
	})
	t.Run("marks", func(t *testing.T) {
		callbacktest.TestMarkStore(t, func(t *testing.T) callback.MarkStore { t.Helper(); return engine().NewMarks() })
	})
	t.Run("cache", func(t *testing.T) {
		storetest.TestStore(t, func(t *testing.T) revalidate.Store {
			t.Helper()
			return cacheStoreOf(t, engine(), redis.CacheStoreConfig{})
		})
	})
	t.Run("invalidations", func(t *testing.T) {
		var db atomic.Int64
		e := engine()
		here, there := newInstance(t, e, &db, redis.InvalidationsConfig{}), newInstance(t, e, &db, redis.InvalidationsConfig{})
		there.wantFresh("before the expiry")
		here.change()
		there.wantFresh("after the expiry")
	})
}

// Valkey is what Redis was: whatever is promised on one is promised on the other.
func TestEachPieceKeepsItsContractOnValkey(t *testing.T) {
	contracts(t, startOf(t, "valkey-server", "GATEHOUSE_REQUIRE_VALKEY"))
}
