package redis

import (
	"context"
	"log/slog"
	"time"

	"github.com/gatehouse-go/gatehouse/callback"
	"github.com/gatehouse-go/gatehouse/revalidate"
	"github.com/redis/rueidis"
)

// ParseMessage is parseMessage.
func ParseMessage(text string) (revalidate.Invalidation, error) { return parseMessage(text) }

// Unpack is unpack.
func Unpack(value []byte, most int) *revalidate.Entry { return unpack(value, most) }

// Pack is pack.
func Pack(e *revalidate.Entry, most int) ([]byte, error) { return pack(e, most) }

// RecordOf is recordOf.
func RecordOf(id string, fields map[string]string) (callback.SessionRecord, error) {
	return recordOf(id, fields)
}

// MessageOf is what Announce sends.
func MessageOf(inv revalidate.Invalidation) (string, error) { return messageOf(inv) }

// Gate is gate.
type Gate struct{ gate }

// NewGate returns a gate of a server that answers, which tells told of its outages.
func NewGate(told func(error)) *Gate {
	return &Gate{gate{start: time.Now(), onDegraded: told, logger: slog.New(slog.DiscardHandler)}}
}

// Ask is what a call does at the gate: ask tells whether the server answered, and is not called where the gate keeps the call away.
func (g *Gate) Ask(ask func() error) (asked bool) {
	p, ok := g.enter()
	if !ok {
		return false
	}
	defer g.leave(p)
	if err := ask(); err != nil {
		g.failed(context.Background(), p, err)
	} else {
		g.answered(context.Background(), p)
	}
	return true
}

// InDoubt is inDoubt.
func (g *Gate) InDoubt() bool { return g.inDoubt() }

// Watch has tests told what a Run of v does: that all from before a time is forgotten, and that a message was passed on.
func (v *Invalidations) Watch(forgot func(time.Time), passed func(revalidate.Invalidation)) {
	v.forgot, v.passed = forgot, passed
}

// LogFuncs is a newsLog of functions.
type LogFuncs struct {
	Head  func(context.Context) (string, int64, time.Time, error)
	After func(context.Context, int64) ([]rueidis.XRangeEntry, error)
	Wait  func(context.Context, int64, time.Duration) ([]rueidis.XRangeEntry, error)
}

func (l LogFuncs) head(ctx context.Context) (string, int64, time.Time, error) { return l.Head(ctx) }

func (l LogFuncs) after(ctx context.Context, number int64) ([]rueidis.XRangeEntry, error) {
	return l.After(ctx, number)
}

func (l LogFuncs) wait(ctx context.Context, number int64, block time.Duration) ([]rueidis.XRangeEntry, error) {
	return l.Wait(ctx, number, block)
}

// Follow is Run on a log of the test's.
func Follow(ctx context.Context, lag time.Duration, log LogFuncs, c *revalidate.Cache) error {
	f := follower{v: &Invalidations{config: InvalidationsConfig{MaxLog: defaultMaxLog, Lag: lag}, self: "self"}, log: log, cache: c}
	return f.follow(ctx)
}
