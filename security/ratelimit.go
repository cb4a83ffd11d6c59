package security

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"golang.org/x/time/rate"

	"github.com/gatehouse-go/gatehouse/internal/invalid"
	"github.com/gatehouse-go/gatehouse/internal/problem"
	"github.com/gatehouse-go/gatehouse/internal/refusal"
)

// ErrRateLimited is the reason for which a request over its quota is refused. It is answered 429, and comes inside a [*QuotaError].
var ErrRateLimited = refusal.New(http.StatusTooManyRequests, "quota is exceeded")

// maxPolicies bounds the policies of one RateLimit, so that a verdict fits on the stack.
const maxPolicies = 8

// maxBurst is the largest Integer of a structured field (RFC 9651, section 3.3.1).
const maxBurst = 999_999_999_999_999

// RatePolicy is one limit, counted for each key: Burst requests at once, and Limit a second from then on.
type RatePolicy struct {
	// Name tells the policy from the others of its RateLimit, in the RateLimit fields and in the problem answer, where
	// clients read it: at most 64 bytes of printable ASCII without quotes and backslashes. Empty means "default".
	Name string

	// Limit is how many units come back a second: rate.Every(6*time.Second) is ten a minute. Required; above 0, at most 1e9.
	Limit rate.Limit

	// Burst is how many units a key that was idle has at once. Required; 1 to 1e15-1, which is what a structured field can say. Refilling
	// Burst at Limit must not take more than a century.
	Burst int

	// Key says whose quota a request uses up: [ByIP], [ByPrincipal], [ByHeader], [JoinKeys] or your own. Required.
	Key RateKey
}

// RateLimitConfig says how often a client may ask.
type RateLimitConfig struct {
	// Policies are the limits; a request must be within all of them, and one that is refused uses up none. Required; 1 to 8.
	Policies []RatePolicy

	// Cost is how many units a request uses up. Below 0 counts as 0; a cost above a Burst is always refused. Nil means 1.
	Cost func(*http.Request) int

	// MaxKeys bounds the keys remembered in memory for each policy, at no more than 48 bytes each. Zero means 65,536.
	MaxKeys int

	// WhenFull says what happens to a new key when MaxKeys keys owe something. Zero is [FullEvict].
	WhenFull WhenFull

	// Store keeps the quotas where several instances share them. Nil means in this process's memory.
	Store RateStore

	// Outage says what happens while Store fails. Required with Store, and refused without.
	Outage Outage

	// LocalShare is the part of each Limit and Burst that this instance allows by itself under [OutageLocal]: 1 divided by the
	// number of instances. Required with it; above 0, at most 1. A Burst does not fall below 1.
	LocalShare float64

	// StoreTimeout bounds one question to Store. Zero means 100 ms.
	StoreTimeout time.Duration

	// OnDegraded, if not nil, is called with the error when Store begins to fail, and with nil when it answers again. A
	// request waits for it to return.
	OnDegraded func(error)

	// OmitFields leaves the RateLimit and RateLimit-Policy fields out. Retry-After is sent all the same.
	OmitFields bool

	// OnError answers a refused request. The RateLimit fields and Retry-After are already in the header; the error is a
	// [*QuotaError], or [ErrRateStore]. Nil means a problem answer of type quota-exceeded.
	OnError func(http.ResponseWriter, *http.Request, error)

	// Logger gets the causes of refusals; a flood is logged in samples. Nil means slog.Default().
	Logger *slog.Logger
}

// RateLimit refuses clients that ask too often, by the generic cell rate algorithm. It is safe for concurrent use.
//
// In a chain one stands before anything costly, keyed by address; another, keyed by principal, behind access control. One bucket for all, without
// fields in answers, or a limit on one's own calls to others, is a [rate.Limiter] by itself.
type RateLimit struct {
	policies []ratePolicy
	policy   string // the value of RateLimit-Policy
	cost     func(*http.Request) int
	hide     bool
	start    time.Time
	store    *guardedStore // nil where memory is all
	refuser  refuser
}

type ratePolicy struct {
	quota
	name  string
	key   RateKey
	field string // the start of its member of RateLimit
	cells *cells // nil where the store is all
}

// NewRateLimit returns a RateLimit, or every mistake in c.
func NewRateLimit(c RateLimitConfig) (*RateLimit, error) {
	bad := invalid.Config{Package: "security"}
	if n := len(c.Policies); n < 1 || n > maxPolicies {
		bad.Field("RateLimitConfig.Policies", strconv.Itoa(n)+" policies", "must be 1 to "+strconv.Itoa(maxPolicies))
	}
	if c.MaxKeys < 0 {
		bad.Field("RateLimitConfig.MaxKeys", c.MaxKeys, "must not be negative")
	}
	if c.WhenFull < FullEvict || c.WhenFull > FullRefuse {
		bad.Field("RateLimitConfig.WhenFull", c.WhenFull, "must be FullEvict, FullShare or FullRefuse")
	}
	c.checkStore(&bad)
	l := &RateLimit{cost: c.Cost, hide: c.OmitFields, start: time.Now()}
	names := make(map[string]bool, len(c.Policies))
	for i, p := range c.Policies {
		l.policies = append(l.policies, newRatePolicy(&bad, "RateLimitConfig.Policies["+strconv.Itoa(i)+"]", p, names))
	}
	if err := bad.Err(); err != nil {
		return nil, err
	}
	if c.MaxKeys == 0 {
		c.MaxKeys = defaultMaxKeys
	}
	for i := range l.policies {
		p := &l.policies[i]
		if i > 0 {
			l.policy += ", "
		}
		l.policy += p.policyMember()
		switch {
		case c.Store == nil:
			p.cells = newCells(p.quota, c.MaxKeys, c.WhenFull)
		case c.Outage == OutageLocal:
			p.cells = newCells(p.share(c.LocalShare), c.MaxKeys, c.WhenFull)
		}
	}
	if c.OnError == nil {
		c.OnError = answerQuota
	}
	l.refuser = newRefuser("rate limit", c.OnError, c.Logger)
	if c.Store != nil {
		l.store = newGuardedStore(c, l.refuser.logger)
	}
	return l, nil
}

func newRatePolicy(bad *invalid.Config, field string, p RatePolicy, names map[string]bool) ratePolicy {
	if p.Name == "" {
		p.Name = "default"
	}
	if len(p.Name) > 64 || !isPlainString(p.Name) {
		bad.Field(field+".Name", p.Name, "must be at most 64 bytes of printable ASCII without quotes and backslashes")
	}
	if names[p.Name] {
		bad.Field(field+".Name", p.Name, "must differ from those of the other policies")
	}
	names[p.Name] = true
	q, ok := newQuota(p.Limit, p.Burst)
	switch {
	case !(p.Limit > 0) || p.Limit > 1e9:
		bad.Field(field+".Limit", p.Limit, "must be above 0 and at most 1e9 a second")
	case p.Burst < 1 || int64(p.Burst) > maxBurst:
		bad.Field(field+".Burst", p.Burst, "must be 1 to 999999999999999")
	case !ok:
		bad.Field(field+".Burst", p.Burst, "must come back at Limit within a century")
	}
	if p.Key == nil {
		bad.Hidden(field+".Key", "must say whose quota a request uses up")
	}
	return ratePolicy{quota: q, name: p.Name, key: p.Key, field: `"` + p.Name + `";r=`}
}

// verdict is what all policies say of one request.
type verdict struct {
	cells    [maxPolicies]cell
	allowed  bool
	never    bool          // the cost is above a burst
	wait     time.Duration // until the request is within every policy
	failed   error         // the store is out, and requests are refused for it
	policies int           // how many of cells are filled: none while the store is out and nothing is known
}

// judge takes cost units from the bucket of each key, or from none, and fills v, which is zero.
func (l *RateLimit) judge(ctx context.Context, keys []string, cost int, v *verdict) {
	cost = max(cost, 0)
	if l.store == nil || !l.store.take(ctx, l.policies, keys, cost, v) {
		l.judgeLocally(keys, int64(cost), v)
	}
}

func (l *RateLimit) judgeLocally(keys []string, cost int64, v *verdict) {
	var space [maxPolicies]uint64
	hashes, out := space[:len(l.policies)], v.cells[:len(l.policies)]
	now := int64(time.Since(l.start))
	v.allowed = true
	v.policies = len(l.policies)
	for i, p := range l.policies {
		c := p.cells
		hashes[i] = c.hash(keys[i])
		if !v.allowed {
			out[i] = c.peek(hashes[i], now, cost)
			v.never = v.never || cost > c.burst
			continue
		}
		out[i] = c.take(hashes[i], now, cost)
		if out[i].allowed {
			continue
		}
		v.allowed = false
		v.never = cost > c.burst
		for j, hash := range hashes[:i] {
			out[j] = l.policies[j].cells.give(hash, now, cost)
		}
	}
	for i := range out {
		v.wait = max(v.wait, out[i].wait)
	}
}

// Check takes one request's cost from the quotas of its keys. The error is nil exactly when the request is within all of
// them; else it is a [*QuotaError], or [ErrRateStore] where the store is out and Outage is [OutageFailClosed].
func (l *RateLimit) Check(r *http.Request) (RateDecision, error) {
	var v verdict
	l.check(r, &v)
	return l.decision(&v)
}

func (l *RateLimit) check(r *http.Request, v *verdict) {
	var keys [maxPolicies]string
	for i := range l.policies {
		keys[i] = l.policies[i].key.of(r)
	}
	cost := 1
	if l.cost != nil {
		cost = l.cost(r)
	}
	l.judge(r.Context(), keys[:len(l.policies)], cost, v)
}

// Allow is Check outside of HTTP: it takes n units from key's bucket in each policy, or from none. The key is one that a
// RateKey could have returned, and shares its bucket with such requests.
func (l *RateLimit) Allow(ctx context.Context, key string, n int) (RateDecision, error) {
	var keys [maxPolicies]string
	for i := range l.policies {
		keys[i] = key
	}
	var v verdict
	l.judge(ctx, keys[:len(l.policies)], n, &v)
	return l.decision(&v)
}

// Wrap returns a handler that passes to next the requests within their quotas, with RateLimit and RateLimit-Policy fields
// in each answer, and refuses the others with 429 and the exact Retry-After: rounded up to a second, a client that waits so
// long and does nothing else is served.
func (l *RateLimit) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var v verdict
		l.check(r, &v)
		if !l.hide {
			l.setFields(w.Header(), &v)
		}
		if v.allowed {
			next.ServeHTTP(w, r)
			return
		}
		_, err := l.decision(&v)
		if !v.never {
			w.Header()["Retry-After"] = []string{strconv.FormatInt(seconds(v.wait), 10)}
		}
		l.refuser.refuse(w, r, err)
	})
}

// answerQuota is the default OnError.
func answerQuota(w http.ResponseWriter, r *http.Request, err error) {
	var quota *QuotaError
	if !errors.As(err, &quota) {
		problem.Error(w, r, err)
		return
	}
	problem.Write(w, r, problem.Details{
		Type:    "https://iana.org/assignments/http-problem-types#quota-exceeded",
		Title:   "Request cannot be satisfied as assigned quota has been exceeded",
		Status:  http.StatusTooManyRequests,
		Members: map[string]any{"violated-policies": quota.Violated()},
	})
}
