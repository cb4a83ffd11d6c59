package webhook

import (
	"context"
	"fmt"
	"time"
)

const (
	storeTimeout = 5 * time.Second       // for ending a claim, also when the deadline has passed
	firstPoll    = 50 * time.Millisecond // between two looks at an event that another instance has
	lastPoll     = time.Second
)

// errEnded is the result of an OnEvent that neither returned nor panicked.
var errEnded = fmt.Errorf("%w: it ended its goroutine", ErrHandler)

// A flight is one event being handled. Requests that bring the same event meanwhile join it, and get the same answer.
type flight struct {
	done   chan struct{} // closed when err and repeat are settled
	err    error
	repeat bool // it was handled before
}

// dispatch has e handled once and waits for the result until deadline. repeat reports that it was, or is being, handled for
// another request.
func (h *Handler) dispatch(ctx context.Context, deadline time.Time, e Event) (repeat bool, err error) {
	f, joined := h.board(e)
	if !joined {
		// The work is not the request's: it outlives a client that hangs up, because others wait for it and because half an event
		// handled is worse than one handled unseen. It ends by itself: OnEvent's context has a deadline.
		work, cancel := context.WithDeadline(context.WithoutCancel(ctx), deadline)
		go func() {
			defer cancel()
			h.fly(work, f, e)
		}()
	}
	timer := time.NewTimer(time.Until(deadline))
	defer timer.Stop()
	select {
	case <-f.done:
		return joined || f.repeat, f.err
	case <-timer.C:
		return joined, ErrDeadline
	case <-ctx.Done():
		return joined, fmt.Errorf("%w: the client hung up: %w", ErrDeadline, context.Cause(ctx))
	}
}

// board returns the flight of e's event, and whether it was under way.
func (h *Handler) board(e Event) (f *flight, joined bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !e.Repeatable {
		if f, ok := h.byKey[e.Key]; ok {
			return f, true
		}
	}
	f = &flight{done: make(chan struct{})}
	h.flights[f] = struct{}{}
	if !e.Repeatable {
		h.byKey[e.Key] = f
	}
	return f, false
}

// fly handles e and settles f, whatever OnEvent does: return, panic or end its goroutine.
func (h *Handler) fly(ctx context.Context, f *flight, e Event) {
	f.err = errEnded
	defer func() {
		if v := recover(); v != nil {
			f.err = newPanicError(v)
		}
		h.mu.Lock()
		delete(h.flights, f)
		if !e.Repeatable {
			delete(h.byKey, e.Key)
		}
		h.mu.Unlock()
		close(f.done)
	}()
	if e.Repeatable {
		f.err = h.handle(ctx, e)
		return
	}
	key := e.Key
	if h.config.Scope != "" {
		key = NewKey(h.provider, []byte(h.config.Scope), key[:])
	}
	claim, err := h.claim(ctx, key)
	switch {
	case err != nil && h.config.InsecureWithoutDedupe:
		f.err = h.handle(ctx, e)
	case err != nil:
		f.err = err
	case claim.State == ClaimDone:
		f.repeat, f.err = true, nil
	default:
		handled := false
		defer func() { h.end(ctx, key, claim, handled) }()
		f.err = h.handle(ctx, e)
		handled = f.err == nil
	}
}

// claim takes key, waiting for another instance that has it until ctx ends.
func (h *Handler) claim(ctx context.Context, key Key) (Claim, error) {
	deadline, _ := ctx.Deadline()
	for pause := firstPoll; ; pause = min(2*pause, lastPoll) {
		// The lease covers the handler's time twice over: a claim that lapses under a slow handler lets the event be handled twice.
		claim, err := h.config.Dedupe.Claim(ctx, key, 2*max(time.Until(deadline), storeTimeout))
		if err != nil {
			return Claim{}, fmt.Errorf("%w: dedupe: %w", ErrUnavailable, err)
		}
		if claim.State != ClaimBusy {
			return claim, nil
		}
		select {
		case <-ctx.Done():
			return Claim{}, ErrBusy
		case <-time.After(pause):
		}
	}
}

// end confirms or releases claim. It must happen also when the deadline has passed.
func (h *Handler) end(ctx context.Context, key Key, claim Claim, handled bool) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
	defer cancel()
	var err error
	if handled {
		err = h.config.Dedupe.Confirm(ctx, key, claim, h.config.RememberFor)
	} else {
		err = h.config.Dedupe.Release(ctx, key, claim)
	}
	if err != nil { // the answer stands: the event was handled, or the provider asks again after the lease
		h.logger.ErrorContext(ctx, "webhook dedupe claim could not be ended", "provider", h.provider, "handled", handled, "error", err)
	}
}

func (h *Handler) handle(ctx context.Context, e Event) error {
	if err := h.config.OnEvent(ctx, e); err != nil {
		return &handlerError{err}
	}
	return nil
}

// Wait returns nil when no call of Config.OnEvent is running, or ctx's error when it ends first. Call it after
// [http.Server.Shutdown]: calls that run on past their deadline have no request any more that Shutdown could wait for.
func (h *Handler) Wait(ctx context.Context) error {
	for {
		f := h.anyFlight()
		if f == nil {
			return nil
		}
		select {
		case <-f.done:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (h *Handler) anyFlight() *flight {
	h.mu.Lock()
	defer h.mu.Unlock()
	for f := range h.flights {
		return f
	}
	return nil
}
