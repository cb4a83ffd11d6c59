package security

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"log/slog"
	"math"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/invalid"
	"github.com/gatehouse-go/gatehouse/internal/refusal"
)

// ErrRateStore is the reason for which requests are refused while the store of a [RateLimit] is out and its Outage
// is [OutageFailClosed]. It is answered 503.
var ErrRateStore = refusal.New(http.StatusServiceUnavailable, "store of rate limits is out")

// RateStore keeps quotas that several instances share. Implementations are safe for concurrent use and pass the suite in
// security/limittest.
type RateStore interface {
	// Take takes the Cost of each of takes from its bucket, or, where one of them lacks it, nothing from any, and says what it found in
	// results, which has one element for each. All of it is one step: no other Take of any instance comes between.
	// Time is the store's, so that instances need not agree on theirs. An error means that nothing is known to be taken.
	Take(ctx context.Context, takes []RateTake, results []RateResult) error
}

// RateTake asks for units from one bucket: Burst units when full, and one more each Interval.
type RateTake struct {
	Key      string        // names the bucket, at most 160 bytes: the policy's name and a hash, with nothing of the client readable in it
	Interval time.Duration // positive
	Burst    int           // at least 1
	Cost     int           // at least 0; one above Burst is refused
}

// RateResult says what a [RateTake] found in its bucket.
type RateResult struct {
	Allowed   bool          // the units were there, whether or not all other buckets had theirs
	Remaining int           // whole units in the bucket now
	Next      time.Duration // until it has one unit more; zero when it is full
	Wait      time.Duration // until it has Cost units; zero when Allowed; that until it is full where Cost is above Burst
}

// Outage says what a [RateLimit] does while its store does not answer.
type Outage int

const (
	outageUndecided Outage = iota // the zero value is no decision
	// OutageFailOpen lets all requests pass unlimited.
	OutageFailOpen
	// OutageFailClosed refuses all requests with 503 and Retry-After.
	OutageFailClosed
	// OutageLocal limits in this process's memory, to RateLimitConfig.LocalShare of each policy.
	OutageLocal
)

const (
	defaultStoreTimeout = 100 * time.Millisecond
	// storePause is how long a store that failed is left alone, so that its outage does not cost every request a timeout.
	storePause = time.Second
)

func (c *RateLimitConfig) checkStore(bad *invalid.Config) {
	if c.StoreTimeout < 0 {
		bad.Field("RateLimitConfig.StoreTimeout", c.StoreTimeout, "must not be negative")
	}
	switch {
	case c.Outage < outageUndecided || c.Outage > OutageLocal:
		bad.Field("RateLimitConfig.Outage", int(c.Outage), "must be OutageFailOpen, OutageFailClosed or OutageLocal")
	case c.Store == nil && c.Outage != outageUndecided:
		bad.Field("RateLimitConfig.Outage", int(c.Outage), "must be left out where there is no Store")
	case c.Store != nil && c.Outage == outageUndecided:
		bad.Hidden("RateLimitConfig.Outage", "must say what happens while Store fails")
	}
	if c.Outage == OutageLocal {
		if !(c.LocalShare > 0 && c.LocalShare <= 1) {
			bad.Field("RateLimitConfig.LocalShare", c.LocalShare, "must be above 0 and at most 1 with OutageLocal")
		}
	} else if c.LocalShare != 0 {
		bad.Field("RateLimitConfig.LocalShare", c.LocalShare, "must be left out without OutageLocal")
	}
}

// share is the part of a quota that one instance of several allows by itself.
func (q quota) share(part float64) quota {
	return quota{
		interval: int64(min(math.Ceil(float64(q.interval)/part), longest)),
		burst:    max(1, int64(float64(q.burst)*part)),
	}
}

// guardedStore asks a RateStore in time, and not at all for a while after it failed.
type guardedStore struct {
	store      RateStore
	outage     Outage
	timeout    time.Duration
	onDegraded func(error)
	logger     *slog.Logger
	start      time.Time
	downUntil  atomic.Int64 // nanoseconds since start at which to try again; 0 while the store answers
}

func newGuardedStore(c RateLimitConfig, logger *slog.Logger) *guardedStore {
	g := &guardedStore{store: c.Store, outage: c.Outage, timeout: c.StoreTimeout, onDegraded: c.OnDegraded, logger: logger, start: time.Now()}
	if g.timeout == 0 {
		g.timeout = defaultStoreTimeout
	}
	return g
}

// take fills v by the store, or by the Outage while it fails. It returns false where the quotas in memory are to decide.
func (g *guardedStore) take(ctx context.Context, policies []ratePolicy, keys []string, cost int, v *verdict) bool {
	if g.ask(ctx, policies, keys, cost, v) {
		return true
	}
	switch g.outage {
	case OutageLocal:
		return false
	case OutageFailOpen:
		v.allowed = true
	default:
		v.failed = ErrRateStore
		v.wait = storePause
	}
	return true
}

// ask fills v by the store, and reports whether it answered.
func (g *guardedStore) ask(ctx context.Context, policies []ratePolicy, keys []string, cost int, v *verdict) bool {
	now := int64(time.Since(g.start))
	down := g.downUntil.Load()
	if down != 0 && (now < down || !g.downUntil.CompareAndSwap(down, now+int64(storePause))) {
		return false // it is left alone, or another request is trying it
	}
	takes := make([]RateTake, len(policies))
	states := make([]RateResult, len(policies))
	for i := range policies {
		p := &policies[i]
		takes[i] = RateTake{Key: p.storeKey(keys[i]), Interval: time.Duration(p.interval), Burst: int(p.burst), Cost: cost}
	}
	// A client that leaves is no outage: the question is asked to its end.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), g.timeout)
	defer cancel()
	if err := g.store.Take(ctx, takes, states); err != nil {
		if g.downUntil.Swap(int64(time.Since(g.start)+storePause)) == 0 {
			g.changed(ctx, err)
		}
		return false
	}
	if down != 0 && g.downUntil.Swap(0) != 0 {
		g.changed(ctx, nil)
	}
	v.allowed = true
	v.policies = len(states)
	for i, s := range states {
		v.cells[i] = cell{allowed: s.Allowed, remaining: int64(s.Remaining), next: s.Next, wait: s.Wait}
		v.allowed = v.allowed && s.Allowed
		v.never = v.never || cost > int(policies[i].burst)
		v.wait = max(v.wait, s.Wait)
	}
	return true
}

func (g *guardedStore) changed(ctx context.Context, err error) {
	if err != nil {
		g.logger.LogAttrs(ctx, slog.LevelError, "rate limit store is out", slog.Any("cause", err))
	} else {
		g.logger.LogAttrs(ctx, slog.LevelInfo, "rate limit store answers again")
	}
	if g.onDegraded != nil {
		g.onDegraded(err)
	}
}

// storeKey names a bucket without telling the store who the client is, and in few bytes whatever the client sent.
func (p *ratePolicy) storeKey(key string) string {
	sum := sha256.Sum256([]byte(key))
	return p.name + ":" + base64.RawURLEncoding.EncodeToString(sum[:16])
}
