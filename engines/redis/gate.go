package redis

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"
)

const (
	// tolerance is how many calls in a row must fail before the server counts as out: one broken connection is no outage.
	tolerance = 3
	// pause is how long a server that is out is left alone between attempts.
	pause = 500 * time.Millisecond
)

// gate keeps calls from a server that is out, but for one at a time that tries it.
type gate struct {
	start      time.Time
	onDegraded func(error)
	logger     *slog.Logger
	failures   atomic.Int64 // since the last answer
	failedAt   atomic.Int64 // nanoseconds since start of the last failure
	downUntil  atomic.Int64 // nanoseconds since start at which to try again; 0 while the server answers
	trying     atomic.Bool  // a call tries
	turns      atomic.Int64 // how often the server went out or came back
}

// passage is how a call was let through. What it met says nothing of the server once that has gone out or come back since.
type passage struct {
	trial bool // it is the one that tries a server which is out
	turns int64
}

// enter reports whether a call may ask the server. leave must follow.
func (g *gate) enter() (p passage, ok bool) {
	p = g.now()
	if g.downUntil.Load() == 0 {
		return p, true
	}
	if !g.due() || !g.trying.CompareAndSwap(false, true) {
		return p, false
	}
	p = passage{trial: true, turns: g.turns.Load()}
	if g.downUntil.Load() == 0 || !g.due() { // the call that tried it has just come back
		g.trying.Store(false)
		return g.now(), g.downUntil.Load() == 0
	}
	return p, true
}

// now is the passage of a call that needs none.
func (g *gate) now() passage { return passage{turns: g.turns.Load()} }

// due reports whether it is time to try the server.
func (g *gate) due() bool { return int64(time.Since(g.start)) >= g.downUntil.Load() }

// leave ends a trial.
func (g *gate) leave(p passage) {
	if p.trial {
		g.trying.Store(false)
	}
}

// sound reports whether the last call was answered.
func (g *gate) sound() bool { return g.failures.Load() == 0 && g.downUntil.Load() == 0 }

// inDoubt reports whether a call failed a moment ago, or tries a server that is out, and none was answered since: no time for what can as well be
// left out.
func (g *gate) inDoubt() bool {
	return g.failures.Load() > 0 && (g.trying.Load() || time.Since(g.start)-time.Duration(g.failedAt.Load()) < pause)
}

func (g *gate) failed(ctx context.Context, p passage, err error) {
	if p.turns != g.turns.Load() {
		return
	}
	g.failedAt.Store(int64(time.Since(g.start)))
	if g.failures.Add(1) < tolerance && !p.trial {
		return
	}
	if g.downUntil.Swap(int64(time.Since(g.start)+pause)) == 0 {
		g.turns.Add(1)
		g.logger.LogAttrs(ctx, slog.LevelError, "redis is out", slog.Any("cause", err))
		g.tell(err)
	}
}

func (g *gate) answered(ctx context.Context, p passage) {
	if p.turns != g.turns.Load() {
		return
	}
	if g.failures.Load() != 0 {
		g.failures.Store(0)
	}
	if p.trial {
		g.turns.Add(1)
		g.downUntil.Store(0)
		g.logger.LogAttrs(ctx, slog.LevelInfo, "redis answers again")
		g.tell(nil)
	}
}

func (g *gate) tell(err error) {
	if g.onDegraded != nil {
		g.onDegraded(err)
	}
}
