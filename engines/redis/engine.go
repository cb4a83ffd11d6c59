package redis

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"
)

// Engine is the connection to the server that the pieces share. Make one with [New]; it is safe for concurrent use.
type Engine struct {
	config  Config
	link    link
	gate    gate
	pending atomic.Int64

	mu     sync.Mutex
	tracks []*link // those of cache stores; guarded by mu
	closed bool    // guarded by mu
}

// New returns an Engine, or every mistake in c. It does not ask the server: the first call connects, and [Engine.Ping] says whether that works.
func New(c Config) (*Engine, error) {
	c, err := c.checked()
	if err != nil {
		return nil, err
	}
	return &Engine{config: c, link: link{option: clientOption(c)}, gate: gate{start: time.Now(), onDegraded: c.OnDegraded, logger: c.Logger}}, nil
}

// Ping asks the server whether it is there, for readiness checks and a start that must not be in the dark. During an outage it counts as
// any call does: it may fail with [ErrOut] for half a second after the server came back.
func (e *Engine) Ping(ctx context.Context) error {
	return e.ask(ctx, func(ctx context.Context, client rueidis.Client) rueidis.RedisResult {
		return client.Do(ctx, client.B().Ping().Build())
	}).Error()
}

// Close ends the connections, after the calls that wait. Calls that come later fail with [ErrClosed].
func (e *Engine) Close() {
	e.mu.Lock()
	e.closed = true
	tracks := e.tracks
	e.mu.Unlock()
	for _, l := range tracks {
		l.close()
	}
	e.link.close()
}

// track returns a link on which the server tells notice of keys that begin with prefix, whoever changes them, from before the first
// answer on.
func (e *Engine) track(prefix string, notice func([]rueidis.RedisMessage)) *link {
	option := clientOption(e.config)
	option.DisableCache = false
	option.ClientTrackingOptions = []string{"PREFIX", prefix, "BCAST"}
	option.OnInvalidations = notice
	e.mu.Lock()
	defer e.mu.Unlock()
	l := &link{option: option, closed: e.closed}
	e.tracks = append(e.tracks, l)
	return l
}

// run runs a script on the server, by its hash, and by its text where the server does not know it yet.
func (e *Engine) run(ctx context.Context, script *rueidis.Lua, keys, args []string) rueidis.RedisResult {
	return e.ask(ctx, func(ctx context.Context, client rueidis.Client) rueidis.RedisResult {
		return script.Exec(ctx, client, keys, args)
	})
}

// ask asks the server in time, if there is room and reason to.
func (e *Engine) ask(ctx context.Context, question func(context.Context, rueidis.Client) rueidis.RedisResult) rueidis.RedisResult {
	return e.askOn(ctx, &e.link, question)
}

// askOn is ask on a link.
func (e *Engine) askOn(ctx context.Context, l *link, question func(context.Context, rueidis.Client) rueidis.RedisResult) rueidis.RedisResult {
	if err := ctx.Err(); err != nil {
		return rueidis.NewErrorResult(fmt.Errorf("redis: %w", err))
	}
	if e.pending.Add(1) > int64(e.config.MaxPending) {
		e.pending.Add(-1)
		return rueidis.NewErrorResult(ErrBusy)
	}
	abandoned := false
	defer func() {
		if !abandoned {
			e.pending.Add(-1)
			return
		}
		// The client still waits for the answer that the caller gave up, until it gives the connection up: the place stays taken.
		time.AfterFunc(e.config.Timeout+pingGap, func() { e.pending.Add(-1) })
	}()
	passage, ok := e.gate.enter()
	if !ok {
		return rueidis.NewErrorResult(ErrOut)
	}
	defer e.gate.leave(passage)
	within, cancel := context.WithTimeout(ctx, e.config.Timeout)
	defer cancel()
	client, err := l.connect(within)
	if errors.Is(err, rueidis.ErrNoCache) {
		return rueidis.NewErrorResult(fmt.Errorf("redis: the server does not tell of changes: %w", err)) // it is there, for the other pieces
	}
	if err != nil {
		return rueidis.NewErrorResult(e.failed(ctx, l, passage, err))
	}
	result := question(within, client)
	if result.NonRedisError() != nil && within.Err() == nil {
		// The connection broke: perhaps long ago, while nobody used it. Whether the server did what it was asked is not known, which is why
		// all questions may be asked twice: the worst is a unit of a rate limit taken twice.
		result = question(within, client)
	}
	switch err := result.NonRedisError(); {
	case err != nil:
		abandoned = within.Err() != nil
		return rueidis.NewErrorResult(e.failed(ctx, l, passage, err))
	case result.Error() == nil || rueidis.IsRedisNil(result.Error()):
		e.gate.answered(ctx, passage)
	default:
		return rueidis.NewErrorResult(fmt.Errorf("redis: %w", result.Error())) // an answer, but no sign of health: LOADING, OOM, NOPERM
	}
	return result
}

// failed notes that a question was not answered, unless that was the caller's wish, and returns the error to tell.
func (e *Engine) failed(ctx context.Context, l *link, p passage, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("redis: %w", ctx.Err())
	}
	if l.isClosed() {
		return ErrClosed
	}
	err = fmt.Errorf("%w: %w", ErrOut, err)
	e.gate.failed(ctx, p, err)
	return err
}
