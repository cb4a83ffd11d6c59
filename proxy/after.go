package proxy

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// afterwork runs what requests leave to be done after their answers.
type afterwork struct {
	slots   chan struct{}
	timeout time.Duration
	logger  *slog.Logger
	quit    context.Context //nolint:containedctx // the lifetime of the work: it ends when close gives up waiting
	giveUp  context.CancelFunc

	mu      sync.Mutex
	closed  bool // no goroutine begins any more
	running sync.WaitGroup
}

func newAfterwork(limit int, timeout time.Duration, logger *slog.Logger) *afterwork {
	a := &afterwork{slots: make(chan struct{}, limit), timeout: timeout, logger: logger}
	a.quit, a.giveUp = context.WithCancel(context.Background())
	return a
}

// run starts the works of one request, in order and one after the other.
func (a *afterwork) run(ctx context.Context, works []func(context.Context)) {
	if len(works) == 0 {
		return
	}
	ctx = context.WithoutCancel(ctx)
	if !a.begin() {
		a.do(ctx, works)
		return
	}
	go func() {
		defer func() {
			<-a.slots
			a.running.Done()
		}()
		a.do(ctx, works)
	}()
}

// begin takes a slot for a goroutine, and reports whether there was one.
func (a *afterwork) begin() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return false
	}
	select {
	case a.slots <- struct{}{}:
		a.running.Add(1)
		return true
	default:
		return false
	}
}

func (a *afterwork) do(ctx context.Context, works []func(context.Context)) {
	ctx, cancel := context.WithTimeout(ctx, a.timeout)
	defer cancel()
	defer context.AfterFunc(a.quit, cancel)()
	for _, work := range works {
		a.one(ctx, work)
	}
}

func (a *afterwork) one(ctx context.Context, work func(context.Context)) {
	defer func() {
		if v := recover(); v != nil {
			a.logger.ErrorContext(ctx, "proxy: panic in work after an answer", "panic", fmt.Sprint(v))
		}
	}()
	work(ctx)
}

// close waits for the goroutines that run, at most until ctx is done; it then cancels their contexts.
func (a *afterwork) close(ctx context.Context) error {
	a.mu.Lock()
	a.closed = true
	a.mu.Unlock()
	done := make(chan struct{})
	go func() { // ends with the last work, whose context is bounded
		a.running.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		a.giveUp()
		return ctx.Err()
	}
}
