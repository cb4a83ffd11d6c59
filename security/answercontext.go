package security

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// answerContext is a context that ends at a deadline unless the answer has begun by then. A request whose handler never waits
// on it costs no timer.
type answerContext struct {
	context.Context //nolint:containedctx // it is a context

	deadline time.Time
	inner    atomic.Pointer[endableContext] // nil until someone asks

	mu    sync.Mutex
	begun bool // the answer has begun: the deadline no longer counts
	over  bool // the handler has returned
}

// endableContext has what an answerContext needs to end.
type endableContext struct {
	context.Context //nolint:containedctx // it is a context

	cancel context.CancelCauseFunc
	timer  *time.Timer // nil where no deadline counts
}

// Deadline returns the deadline while it counts, or that of the request.
func (c *answerContext) Deadline() (time.Time, bool) {
	outer, ok := c.Context.Deadline()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.begun || ok && outer.Before(c.deadline) {
		return outer, ok
	}
	return c.deadline, true
}

// Done returns a channel that is closed when the context ends.
func (c *answerContext) Done() <-chan struct{} { return c.live().Done() }

// Err says why the context ended; nil while it has not.
func (c *answerContext) Err() error {
	inner := c.live()
	err := inner.Err()
	if err != nil && errors.Is(context.Cause(inner), ErrHandlerTimeout) {
		return context.DeadlineExceeded
	}
	return err
}

// Value returns what the request's context has under key.
func (c *answerContext) Value(key any) any {
	if inner := c.inner.Load(); inner != nil {
		return inner.Value(key) // among it, what the context package needs to find the cause
	}
	return c.Context.Value(key)
}

// live returns the inner context, with the timer that ends it.
func (c *answerContext) live() *endableContext {
	c.mu.Lock()
	defer c.mu.Unlock()
	if inner := c.inner.Load(); inner != nil {
		return inner
	}
	ctx, cancel := context.WithCancelCause(c.Context)
	inner := &endableContext{Context: ctx, cancel: cancel}
	switch left := time.Until(c.deadline); {
	case c.over:
		cancel(context.Canceled)
	case c.begun:
	case left <= 0:
		cancel(ErrHandlerTimeout)
	default:
		inner.timer = time.AfterFunc(left, func() { cancel(ErrHandlerTimeout) })
	}
	c.inner.Store(inner)
	return inner
}

// late reports whether the deadline has passed before the answer began.
func (c *answerContext) late() bool { return !time.Now().Before(c.deadline) }

// answered ends the deadline, not the context.
func (c *answerContext) answered() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.begun = true
	c.stopTimer()
}

// end ends the context with the request.
func (c *answerContext) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.over = true
	c.stopTimer()
	if inner := c.inner.Load(); inner != nil {
		inner.cancel(context.Canceled)
	}
}

func (c *answerContext) stopTimer() {
	if inner := c.inner.Load(); inner != nil && inner.timer != nil {
		inner.timer.Stop()
	}
}
