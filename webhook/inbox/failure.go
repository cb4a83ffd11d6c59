package inbox

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/refusal"
	"github.com/gatehouse-go/gatehouse/webhook"
)

// ErrQueueFull is returned by Accept when more events wait to be stored than [Config] allows. It is answered 503, and wraps
// [webhook.ErrUnavailable].
var ErrQueueFull error = fmt.Errorf("%w: inbox: too many events wait to be stored", webhook.ErrUnavailable)

// Errors of [Browser] and [Operator].
var (
	ErrNotFound  error = refusal.New(http.StatusNotFound, "inbox: no such delivery")
	ErrPurged    error = refusal.New(http.StatusGone, "inbox: the body of this delivery is gone; it cannot be replayed")
	ErrStatus    error = refusal.New(http.StatusConflict, "inbox: the delivery's status does not allow this")
	ErrSelection       = refusal.New(http.StatusBadRequest, "inbox: selection or reason is incomplete")
)

// ErrClosed is returned by an engine that was closed.
var ErrClosed error = fmt.Errorf("%w: inbox: closed", webhook.ErrUnavailable)

// permanent marks a failure that no further attempt can mend.
type permanent struct{ cause error }

func (e *permanent) Error() string { return "permanent: " + e.cause.Error() }
func (e *permanent) Unwrap() error { return e.cause }

// Permanent returns an error for a Handler to return when another attempt cannot help, such as for a payload that makes no sense. The
// delivery becomes a dead letter at once. A nil cause gives nil.
func Permanent(cause error) error {
	if cause == nil {
		return nil
	}
	return &permanent{cause}
}

// later marks a failure with the time of the next attempt.
type later struct {
	cause error
	after time.Duration
}

func (e *later) Error() string { return fmt.Sprintf("retry after %v: %v", e.after, e.cause) }
func (e *later) Unwrap() error { return e.cause }

// RetryAfter returns an error for a Handler to return when it knows how long to wait, such as from another service's Retry-After. The attempt
// counts as any other. A nil cause gives nil; a negative wait is none.
func RetryAfter(wait time.Duration, cause error) error {
	if cause == nil {
		return nil
	}
	return &later{cause, max(wait, 0)}
}

// NextAttempt says what follows the failure of the given attempt, 1 being the first: how long to wait, or that the delivery is dead.
// Engines call it.
func (c Config) NextAttempt(attempt int, failure error) (wait time.Duration, dead bool) {
	if _, never := errors.AsType[*permanent](failure); never || attempt >= c.MaxAttempts {
		return 0, true
	}
	if l, ok := errors.AsType[*later](failure); ok {
		return l.after, false
	}
	return max(c.Backoff(attempt), 0), false
}

// Backoff returns a wait that doubles with each attempt, from first up to longest, less a random part of up to half of it, so that what
// failed together does not come back together.
func Backoff(first, longest time.Duration) func(attempt int) time.Duration {
	return func(attempt int) time.Duration {
		wait := longest
		if shift := attempt - 1; shift >= 0 && shift < 40 && first<<shift>>shift == first {
			wait = min(first<<shift, longest)
		}
		return wait - time.Duration(rand.Int64N(int64(wait/2)+1)) //nolint:gosec // spreads load; nothing to guess
	}
}
