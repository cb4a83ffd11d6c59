package engine

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook/inbox"
)

// Work runs the attempts of claimed deliveries. All fields are required; it is safe for use by many goroutines.
type Work[T any] struct {
	Config inbox.Config // complete
	Routes *Routes[T]

	// Effect runs h, which may be nil, in a transaction that then marks d as ended with the status, and lets the next of its order key go. It is
	// an error when d is not this attempt's any more. ctx has the attempt's deadline. It calls h through [Work.Run].
	Effect func(ctx context.Context, d Row, h inbox.Handler[T], status inbox.Status, start time.Time) error

	// Fail records a failed attempt: it makes d pending again, or dead, and wakes what has something to do now. A d that is not
	// running this attempt any more is left alone without an error: a commit whose answer was lost may have ended it.
	Fail func(ctx context.Context, d Row, f Failure) error
}

// A Failure is how an attempt failed, and what follows.
type Failure struct {
	Wait    time.Duration // until it is due again
	Dead    bool          // it is not due again
	Attempt inbox.Attempt
}

// Status returns what a delivery becomes by f. A dead one has not ended: it is kept until someone decides.
func (f Failure) Status() inbox.Status {
	if f.Dead {
		return inbox.Dead
	}
	return inbox.Pending
}

// Interrupted returns the Failure of a delivery that no process has in hand any more. The first interruption costs no wait, since it
// says nothing about the event.
func Interrupted(c inbox.Config, d Row) Failure {
	wait, dead := c.NextAttempt(d.Tries, errInterrupted)
	if d.Tries == 1 {
		wait = 0
	}
	return Failure{wait, dead, inbox.Attempt{Number: d.Attempts, At: time.Now(), Result: inbox.ResultInterrupted, Error: errInterrupted.Error()}}
}

var errInterrupted = errors.New("the process ended while it was handled")

// Success returns the record of an attempt that ended well.
func Success(d Row, status inbox.Status, start time.Time) inbox.Attempt {
	a := inbox.Attempt{Number: d.Attempts, At: start, Took: time.Since(start), Result: inbox.ResultSucceeded}
	if status == inbox.Ignored {
		a.Error = "no handler is registered for this type"
	}
	return a
}

// Handle runs one attempt of d and records how it ended. When ctx ends, the attempt is interrupted.
func (w *Work[T]) Handle(ctx context.Context, d Row) {
	start := time.Now()
	w.observe(inbox.Observation{Kind: inbox.ObserveStarted, Attempt: d.Attempts, Lag: max(0, start.Sub(d.Since))}, d)
	err := w.attempt(ctx, d, start)
	if err == nil {
		w.observe(inbox.Observation{Kind: inbox.ObserveDone, Attempt: d.Attempts, Duration: time.Since(start)}, d)
		return
	}
	w.fail(ctx, d, start, err)
}

func (w *Work[T]) observe(o inbox.Observation, d Row) {
	if w.Config.Observe != nil {
		o.Provider, o.Type, o.ID = d.Event.Provider, d.Event.Type, d.ID
		w.Config.Observe(o)
	}
}

// attempt does the work of one attempt. When it returns nil, the delivery has ended on disk.
func (w *Work[T]) attempt(ctx context.Context, d Row, start time.Time) error {
	found, ok := w.Routes.Find(d.Event.Provider, d.Event.Type)
	if !ok {
		return w.Effect(ctx, d, nil, inbox.Ignored, start)
	}
	ctx, cancel := context.WithTimeout(ctx, w.Config.HandlerTimeout)
	defer cancel()
	handler := found.Handler
	if found.Staged != nil {
		err := Guard(ctx, func() (err error) {
			handler, err = found.Staged(ctx, d.copied())
			return err
		})
		if err != nil {
			return err
		}
	}
	return w.Effect(ctx, d, handler, inbox.Done, start)
}

// Run runs h with tx and a copy of d, by the rules of [Guard].
func (w *Work[T]) Run(ctx context.Context, tx T, d Row, h inbox.Handler[T]) error {
	return Guard(ctx, func() error { return h(ctx, tx, d.copied()) })
}

// fail says what is next after a failed attempt. It tries until that is recorded or ctx ends; then the delivery is taken up as interrupted, by
// the next Run or by another process.
func (w *Work[T]) fail(ctx context.Context, d Row, start time.Time, failure error) {
	took := time.Since(start)
	f := Failure{Attempt: inbox.Attempt{Number: d.Attempts, At: start, Took: took, Result: inbox.ResultFailed, Error: failure.Error()}}
	if p, ok := errors.AsType[*PanicError](failure); ok {
		f.Attempt.Stack = p.Stack
	}
	if ctx.Err() != nil { // the drain is over: not the event's fault
		f.Attempt.Result = inbox.ResultInterrupted
	} else {
		f.Wait, f.Dead = w.Config.NextAttempt(d.Tries, failure)
	}
	o := inbox.Observation{Kind: inbox.ObserveFailed, Attempt: d.Attempts, Duration: took, Err: failure}
	level := slog.LevelWarn
	if f.Dead {
		o.Kind, level = inbox.ObserveDead, slog.LevelError
	}
	w.Config.Logger.LogAttrs(ctx, level, "inbox delivery failed", slog.String("provider", d.Event.Provider), slog.String("type", d.Event.Type),
		slog.Int64("delivery", d.ID), slog.Int("attempt", d.Attempts), slog.Bool("dead", f.Dead), slog.Duration("retry_in", f.Wait), slog.String("error", f.Attempt.Error))
	for {
		err := w.Fail(context.WithoutCancel(ctx), d, f)
		if err == nil {
			w.observe(o, d)
			return
		}
		w.Config.Logger.ErrorContext(ctx, "inbox cannot record a failed attempt", "delivery", d.ID, "error", err)
		if errors.Is(err, inbox.ErrClosed) || !Sleep(ctx, Poll) {
			return
		}
	}
}
