package security

import (
	"context"
	"sync"
	"time"
)

// answerContext is a context that ends at a deadline unless the answer has begun by then. A request whose handler never waits
// on it costs no timer.
type answerContext struct {
	context.Context // of the request

	deadline time.Time

	mu     sync.Mutex
	inner  context.Context // what has a Done of its own; nil until someone asks
	cancel context.CancelCauseFunc
	timer  *time.Timer
	begun  bool // the answer has begun: the deadline no longer counts
	over   bool // the handler has returned
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
	if err != nil && context.Cause(inner) == ErrHandlerTimeout {
		return context.DeadlineExceeded
	}
	return err
}

// Value returns what the request's context has under key.
func (c *answerContext) Value(key any) any {
	c.mu.Lock()
	inner := c.inner
	c.mu.Unlock()
	if inner != nil {
		return inner.Value(key) // among it, what the context package needs to find the cause
	}
	return c.Context.Value(key)
}

// live returns the inner context, with the timer that ends it.
func (c *answerContext) live() context.Context {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.inner == nil {
		c.inner, c.cancel = context.WithCancelCause(c.Context)
		switch left := time.Until(c.deadline); {
		case c.over:
			c.cancel(context.Canceled)
		case c.begun:
		case left <= 0:
			c.cancel(ErrHandlerTimeout)
		default:
			cancel := c.cancel
			c.timer = time.AfterFunc(left, func() { cancel(ErrHandlerTimeout) })
		}
	}
	return c.inner
}

// late reports whether the deadline has passed before the answer began.
func (c *answerContext) late() bool { return !time.Now().Before(c.deadline) }

// answered ends the deadline, not the context.
func (c *answerContext) answered() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.begun = true
	if c.timer != nil {
		c.timer.Stop()
	}
}

// end ends the context with the request.
func (c *answerContext) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.over = true
	if c.timer != nil {
		c.timer.Stop()
	}
	if c.cancel != nil {
		c.cancel(context.Canceled)
	}
}
