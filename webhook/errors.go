package webhook

import (
	"errors"
	"net/http"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/refusal"
	"github.com/gatehouse-go/gatehouse/internal/reqbody"
)

// Reasons to refuse a request. Each has a method StatusCode() int, the status of the answer; the client learns no more. Errors of
// this package and of schemes are, or wrap, one of them: tell them apart with [errors.Is].
var (
	// ErrNoSignature: the header field, parameter or member that proves the sender is absent. 401.
	ErrNoSignature = refusal.New(http.StatusUnauthorized, "webhook: signature is missing")
	// ErrSignatureFormat: it is there, but cannot be read: wrong version, encoding or length, or given twice. 401.
	ErrSignatureFormat = refusal.New(http.StatusUnauthorized, "webhook: signature is malformed")
	// ErrSignature: it can be read, and no secret gives it for this delivery. 401.
	ErrSignature = refusal.New(http.StatusUnauthorized, "webhook: signature does not match")
	// ErrTimestamp: the signed time is absent or cannot be read. 401.
	ErrTimestamp = refusal.New(http.StatusUnauthorized, "webhook: signed time is missing or malformed")
	// ErrTooOld: the signed time lies further back than tolerated: the delivery is late, or a replay. 401.
	ErrTooOld = refusal.New(http.StatusUnauthorized, "webhook: signed time is too far in the past")
	// ErrTooNew: the signed time lies further ahead than tolerated. 401.
	ErrTooNew = refusal.New(http.StatusUnauthorized, "webhook: signed time is too far in the future")

	// ErrForbidden: the sender is who it says, but not one that this endpoint listens to: another topic, account or origin. 403.
	ErrForbidden = refusal.New(http.StatusForbidden, "webhook: sender is not allowed here")
	// ErrHandshake: the handshake lacks what the provider would send, or asks for what was not set up. 403.
	ErrHandshake = refusal.New(http.StatusForbidden, "webhook: handshake is not valid")

	// ErrPayload: the body is not what was promised: not the JSON, form or member that is needed. 400.
	ErrPayload = refusal.New(http.StatusBadRequest, "webhook: payload is malformed")
	// ErrIncomplete: the body ended early. 400.
	ErrIncomplete error = reqbody.ErrIncomplete
	// ErrMethod: the provider does not use this method. 405, with Allow.
	ErrMethod = refusal.New(http.StatusMethodNotAllowed, "webhook: method is not allowed")
	// ErrTimeout: the body did not come in time, or too slowly. 408.
	ErrTimeout error = reqbody.ErrTimeout
	// ErrTooLarge: the body is larger than allowed. 413.
	ErrTooLarge error = reqbody.ErrTooLarge
	// ErrMediaType: the provider does not send this media type. 415.
	ErrMediaType = refusal.New(http.StatusUnsupportedMediaType, "webhook: media type is not allowed")
	// ErrContentEncoding: the provider does not send this content coding. 415.
	ErrContentEncoding = refusal.New(http.StatusUnsupportedMediaType, "webhook: content coding is not allowed")

	// ErrHandler: Config.OnEvent returned an error, which is wrapped too. 500, or the status that a StatusCode method of that error gives.
	ErrHandler = refusal.New(http.StatusInternalServerError, "webhook: handler failed")
	// ErrPanic: Config.OnEvent or the scheme panicked. 500.
	ErrPanic = refusal.New(http.StatusInternalServerError, "webhook: handler panicked")
	// ErrDeadline: Config.OnEvent is still running at the deadline. 503, with Retry-After.
	ErrDeadline = refusal.New(http.StatusServiceUnavailable, "webhook: handler did not finish in time")
	// ErrBusy: another instance is handling the same event, and did not finish in time. 503, with Retry-After.
	ErrBusy = refusal.New(http.StatusServiceUnavailable, "webhook: event is being handled elsewhere")
	// ErrUnavailable: what is needed to decide cannot be had now, such as a certificate or the dedupe store. 503, with Retry-After.
	ErrUnavailable = refusal.New(http.StatusServiceUnavailable, "webhook: cannot decide now")
)

// RetryAfter returns an error that wraps cause and is answered 503 with Retry-After: for a Config.OnEvent that cannot work now
// and knows when it can. after is rounded up to whole seconds.
func RetryAfter(after time.Duration, cause error) error { return &retryAfterError{after, cause} }

type retryAfterError struct {
	after time.Duration
	cause error
}

func (e *retryAfterError) Error() string             { return "webhook: retry later: " + e.cause.Error() }
func (e *retryAfterError) Unwrap() error             { return e.cause }
func (e *retryAfterError) StatusCode() int           { return http.StatusServiceUnavailable }
func (e *retryAfterError) RetryAfter() time.Duration { return e.after }

// retryAfter returns what a RetryAfter method in err's tree gives, else fallback. The method is found by shape, like StatusCode.
func retryAfter(err error, fallback time.Duration) time.Duration {
	var timed interface {
		error
		RetryAfter() time.Duration
	}
	if errors.As(err, &timed) && timed.RetryAfter() > 0 {
		return timed.RetryAfter()
	}
	return fallback
}

// handlerError is what OnEvent returned: its own status counts first, then that of ErrHandler.
type handlerError struct{ cause error }

func (e *handlerError) Error() string   { return ErrHandler.Error() + ": " + e.cause.Error() }
func (e *handlerError) Unwrap() []error { return []error{e.cause, ErrHandler} }
