package security

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/invalid"
	"github.com/gatehouse-go/gatehouse/internal/problem"
	"github.com/gatehouse-go/gatehouse/internal/refusal"
)

// ErrOverloaded is the reason for which a request is refused that finds no place among those served at once. It is answered 503.
var ErrOverloaded = refusal.New(http.StatusServiceUnavailable, "too many requests are served at once")

// ConcurrencyLimitConfig says how many requests are served at once.
type ConcurrencyLimitConfig struct {
	// Max is how many requests are served at once. Required; at least 1.
	Max int

	// MaxQueue is how many more may wait for one of those to end, first come first served. Zero means none.
	MaxQueue int

	// MaxWait is how long a request may wait. Required with MaxQueue, and refused without.
	MaxWait time.Duration

	// RetryAfter is what a refused client is told to wait, in whole seconds. Zero means one second.
	RetryAfter time.Duration

	// OnError answers a refused request; Retry-After is already in the header. Nil means a problem answer of type temporary-reduced-capacity.
	OnError func(http.ResponseWriter, *http.Request, error)

	// Logger gets the causes. Nil means slog.Default().
	Logger *slog.Logger
}

// ConcurrencyLimit keeps a server from taking on more than it can do: where a rate limit bounds what a client asks for,
// this bounds what all of them hold. It is safe for concurrent use.
//
// In a chain it stands inside the limits by client, which keep one client from taking all places, and outside of what is costly.
type ConcurrencyLimit struct {
	places     chan struct{}
	queue      int64
	wait       time.Duration
	waiting    atomic.Int64
	retryAfter string
	refuser    refuser
}

// NewConcurrencyLimit returns a ConcurrencyLimit, or every mistake in c.
func NewConcurrencyLimit(c ConcurrencyLimitConfig) (*ConcurrencyLimit, error) {
	bad := invalid.Config{Package: "security"}
	if c.Max < 1 {
		bad.Field("ConcurrencyLimitConfig.Max", c.Max, "must be at least 1")
	}
	if c.MaxQueue < 0 {
		bad.Field("ConcurrencyLimitConfig.MaxQueue", c.MaxQueue, "must not be negative")
	}
	if (c.MaxQueue > 0) != (c.MaxWait > 0) {
		bad.Field("ConcurrencyLimitConfig.MaxWait", c.MaxWait, "must be positive with MaxQueue and zero without")
	}
	if c.RetryAfter < 0 {
		bad.Field("ConcurrencyLimitConfig.RetryAfter", c.RetryAfter, "must not be negative")
	}
	if err := bad.Err(); err != nil {
		return nil, err
	}
	if c.OnError == nil {
		c.OnError = answerBusy
	}
	return &ConcurrencyLimit{
		places:     make(chan struct{}, c.Max),
		queue:      int64(c.MaxQueue),
		wait:       c.MaxWait,
		retryAfter: strconv.FormatInt(max(1, seconds(c.RetryAfter)), 10),
		refuser:    newRefuser("concurrency limit", c.OnError, c.Logger),
	}, nil
}

// Acquire takes a place outside of HTTP, waiting for one as a request would. The caller must call release when it is done; calling it again does
// nothing. The error is, or wraps, [ErrOverloaded]; where ctx ended while waiting it wraps that cause as well.
func (l *ConcurrencyLimit) Acquire(ctx context.Context) (release func(), err error) {
	if err := l.acquire(ctx); err != nil {
		return nil, err
	}
	var once sync.Once
	return func() { once.Do(l.release) }, nil
}

func (l *ConcurrencyLimit) acquire(ctx context.Context) error {
	select {
	case l.places <- struct{}{}: // never past those who wait: a place that becomes free is theirs
		return nil
	default:
	}
	if l.waiting.Add(1) > l.queue {
		l.waiting.Add(-1)
		return ErrOverloaded
	}
	defer l.waiting.Add(-1)
	timer := time.NewTimer(l.wait)
	defer timer.Stop()
	select {
	case l.places <- struct{}{}:
		return nil
	case <-timer.C:
		return ErrOverloaded
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", ErrOverloaded, context.Cause(ctx))
	}
}

func (l *ConcurrencyLimit) release() { <-l.places }

// Wrap returns a handler that serves Max requests at once by next, lets MaxQueue more wait, and refuses the rest with 503 and Retry-After.
func (l *ConcurrencyLimit) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := l.acquire(r.Context()); err != nil {
			w.Header()["Retry-After"] = []string{l.retryAfter}
			l.refuser.refuse(w, r, err)
			return
		}
		defer l.release() // also after a panic
		next.ServeHTTP(w, r)
	})
}

// answerBusy is the default OnError.
func answerBusy(w http.ResponseWriter, r *http.Request, _ error) {
	problem.Write(w, r, problem.Details{
		Type:    "https://iana.org/assignments/http-problem-types#temporary-reduced-capacity",
		Title:   "Request cannot be satisfied due to temporary server capacity constraints",
		Status:  http.StatusServiceUnavailable,
		Members: map[string]any{"violated-policies": []string{"concurrency"}},
	})
}
