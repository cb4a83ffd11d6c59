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
}

// enter reports whether a call may ask the server. trial says that it is the one that tries a server which is out; leave must follow.
func (g *gate) enter() (ok, trial bool) {
	if g.downUntil.Load() == 0 {
		return true, false
	}
	if !g.due() || !g.trying.CompareAndSwap(false, true) {
		return false, false
	}
	if !g.due() { // the call that tried it has just failed
		g.trying.Store(false)
		return false, false
	}
	return true, true
}

// due reports whether it is time to try the server.
func (g *gate) due() bool { return int64(time.Since(g.start)) >= g.downUntil.Load() }

// leave ends a trial.
func (g *gate) leave() { g.trying.Store(false) }

// sound reports whether the last call was answered.
func (g *gate) sound() bool { return g.failures.Load() == 0 && g.downUntil.Load() == 0 }

// inDoubt reports whether a call failed a moment ago, or tries a server that is out, and none was answered since: no time for what can as well be
// left out.
func (g *gate) inDoubt() bool {
	return g.failures.Load() > 0 && (g.trying.Load() || time.Since(g.start)-time.Duration(g.failedAt.Load()) < pause)
}

func (g *gate) failed(ctx context.Context, err error) {
	g.failedAt.Store(int64(time.Since(g.start)))
	if g.failures.Add(1) < tolerance {
		return
	}
	if g.downUntil.Swap(int64(time.Since(g.start)+pause)) == 0 {
		g.logger.LogAttrs(ctx, slog.LevelError, "redis is out", slog.Any("cause", err))
		g.tell(err)
	}
}

func (g *gate) answered(ctx context.Context) {
	if g.failures.Load() != 0 {
		g.failures.Store(0)
	}
	if g.downUntil.Load() != 0 && g.downUntil.Swap(0) != 0 {
		g.logger.LogAttrs(ctx, slog.LevelInfo, "redis answers again")
		g.tell(nil)
	}
}

func (g *gate) tell(err error) {
	if g.onDegraded != nil {
		g.onDegraded(err)
	}
}
