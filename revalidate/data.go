package revalidate

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/refusal"
)

// Reasons for which [Get] and its kin refuse to work.
var (
	ErrKey     = refusal.New(http.StatusInternalServerError, "key of cached data must be 1 to 4096 bytes and not begin with a NUL byte")
	ErrProfile = refusal.New(http.StatusInternalServerError, "no cache life profile has this name")
	ErrPanic   = refusal.New(http.StatusInternalServerError, "fetch function panicked")
)

const maxKeyLength = 4096

// Options says how [Get], [Set] and [GetMany] store a value. The zero value has no tags and the life of profile "default".
type Options struct {
	// Tags are what [Cache.RevalidateTag] and [Cache.ExpireTag] find the value by. A tag that breaks a rule is an error.
	Tags []string
	// Profile names the value's life: one of [Profiles] or of Config.Profiles. Empty means "default".
	Profile string
	// Life is the value's life where no profile fits; it must be zero where Profile is set.
	Life Life
	// Negative says for how long an error of the fetch function is kept as if it were a value, so that what does not
	// exist is not looked up at every read. Zero for an error means that it is not kept. Nil means none is.
	// An error is kept at most a day.
	Negative func(error) time.Duration
}

// plan is Options after its checks.
type plan struct {
	tags     string
	fresh    time.Duration
	expire   time.Duration
	negative func(error) time.Duration
}

func (c *Cache) plan(key string, o *Options) (plan, error) {
	if key == "" || len(key) > maxKeyLength || key[0] == 0 {
		return plan{}, ErrKey
	}
	tags, err := packTags(o.Tags)
	if err != nil {
		return plan{}, err
	}
	life := o.Life
	if life == (Life{}) {
		var known bool
		if life, known = c.profiles[or(o.Profile, "default")]; !known {
			return plan{}, fmt.Errorf("%w: %q", ErrProfile, o.Profile)
		}
	} else if o.Profile != "" || life.Revalidate <= 0 || life.expire() < life.Revalidate {
		return plan{}, fmt.Errorf("%w: Life needs 0 < Revalidate <= Expire, and no Profile beside it", ErrProfile)
	}
	return plan{tags: tags, fresh: life.Revalidate, expire: life.expire(), negative: o.Negative}, nil
}

// data is a stored value or a kept error. The type parameter makes sure that a value is read as what it was stored as.
type data[T any] struct {
	value T
	err   error
}

// decode returns what e holds as a T; false where it holds something else.
func decode[T any](e *Entry) (*data[T], bool) {
	switch v := e.value.(type) {
	case *data[T]:
		return v, true
	case *encoded:
		return decodeJSON[T](v)
	}
	return nil, false
}

// Get returns the value under key, from c if it is there and still good, else from fetch.
//
// A value past its Revalidate time, or whose tag was given to [Cache.RevalidateTag], is returned as it is while one
// refresh runs in the background. A value past its Expire time, or whose tag was given to [Cache.ExpireTag], is never
// returned: Get waits for fetch. After ExpireTag has returned, no Get in this process returns what was fetched before.
//
// Whatever number of callers wait for a key, fetch runs once, in a goroutine of its own; on a [Leaser], once for the callers of all
// processes that share the store, as long as Config.LeaseLife lets one fill it. Its context carries the values of
// the first caller's and ends only when every caller has left, so one that gives up does not fail the others; each
// caller waits until its own ctx ends. An error of fetch goes to all who wait and is not kept, unless Options.Negative
// says so. A panic in fetch is an error that wraps [ErrPanic].
//
// The options of whoever began the fill count. All callers of one key must want the same type: a value of another type is
// fetched anew. A value must not be changed by those who get it, for they all share it. fetch must not Get its own key: it would
// wait for itself until its callers leave.
func Get[T any](ctx context.Context, c *Cache, key string, o Options, fetch func(context.Context) (T, error)) (T, error) {
	var zero T
	now := time.Now().UnixNano()
	e, up := c.load(ctx, key)
	if e != nil {
		if d, ok := decode[T](e); ok {
			switch c.usable(e, now) {
			case valid:
				c.counters.hits.Add(1)
				inherit(ctx, e)
				return d.value, d.err
			case aged:
				p, err := c.plan(key, &o)
				if err != nil {
					return zero, err
				}
				c.counters.stale.Add(1)
				refreshData(ctx, c, key, p, now, fetch)
				inherit(ctx, e)
				return d.value, d.err
			case dead:
			}
		}
	}
	p, err := c.plan(key, &o)
	if err != nil {
		return zero, err
	}
	c.counters.misses.Add(1)
	for {
		e, err := wait(ctx, c, key, p, up, fetch)
		if errors.Is(err, errLeftOut) {
			continue // a batch was to fetch the key, and did not
		}
		if err != nil {
			return zero, err
		}
		inherit(ctx, e)
		d, ok := decode[T](e)
		if !ok { // somebody else is filling the key with another type
			return fetch(ctx)
		}
		return d.value, d.err
	}
}

// wait returns what the flight for key makes, one that is under way if there is one. up is false where the store has just failed.
func wait[T any](ctx context.Context, c *Cache, key string, p plan, up bool, fetch func(context.Context) (T, error)) (*Entry, error) {
	fl, first := c.flights.join(key, c.generations.clock.stamp(time.Now().UnixNano()), c.generations.fresh.Load(), false)
	if first {
		fillCtx, cancel := context.WithCancel(context.WithoutCancel(ctx))
		fl.cancel = cancel
		fl.down = !up
		if !c.begin() {
			c.flights.land(key, fl)
			fl.tell(nil, ErrClosed)
			fl.end()
		} else {
			go fill(fillCtx, c, key, p, fl, fetch)
		}
	} else {
		c.counters.shared.Add(1)
	}
	if err := fl.result(ctx, up); err != nil {
		c.flights.leave(key, fl)
		return nil, err
	}
	return fl.entry, fl.err
}

// usable combines what time and what invalidations say about e.
func (c *Cache) usable(e *Entry, now int64) verdict {
	if now >= e.expire {
		return dead
	}
	v := c.generations.judge(e, now)
	if v == valid && now >= e.fresh {
		return aged
	}
	return v
}

func inherit(ctx context.Context, e *Entry) {
	if col := collectorFrom(ctx); col != nil {
		col.inherit(e)
	}
}

// fill runs fetch for a flight and stores what it returns.
func fill[T any](ctx context.Context, c *Cache, key string, p plan, fl *flight, fetch func(context.Context) (T, error)) {
	stop := context.AfterFunc(c.done, fl.cancel)
	defer func() {
		stop()
		fl.cancel()
		c.work.Done()
	}()
	col := &collector{stamp: fl.stamp}
	col.add(splitTags(p.tags)...)
	fl.err = errors.New("revalidate: fetch function ended its goroutine") // what is left when fetch calls runtime.Goexit
	defer func() {
		if v := recover(); v != nil {
			if !fl.told {
				fl.err = fmt.Errorf("%w: %v", ErrPanic, v)
			}
			c.log.LogAttrs(ctx, slog.LevelError, "cache fetch function panicked", slog.Any("panic", v), slog.String("stack", string(debug.Stack())))
		}
		c.abandon(ctx, key, fl) // before those who wait are told, unless the store is slow to fail
		fl.tell(nil, fl.err)
		c.flights.land(key, fl)
		fl.end()
	}()
	if !fl.down {
		t := c.lease(ctx, key, fl.stamp, seeData[T](ctx, c, key))
		if t.found != nil {
			fl.tell(t.found, nil)
			return
		}
		fl.lease, fl.down, fl.unshared = t.lease, t.down, true // until it is stored
	}
	if fl.lease == nil { // else it was looked for with the lease
		// A flight may have landed since the key was missed, before this one was the first.
		if e := c.peek(ctx, key); usableAs[T](c, e) {
			c.counters.shared.Add(1)
			fl.tell(e, nil)
			return
		}
	}
	c.counters.fills.Add(1)
	value, err := fetch(context.WithValue(ctx, collectorKey{}, col))
	c.finish(ctx, key, p, fl, col, &data[T]{value: value, err: err}, err)
}

// seeData looks for a value of the wanted type.
func seeData[T any](ctx context.Context, c *Cache, key string) look {
	return func() (*Entry, string, bool) {
		e, up := c.loadShared(ctx, key)
		if !usableAs[T](c, e) {
			return nil, key, up
		}
		return e, key, up
	}
}

// usableAs reports whether e, which may be nil, holds a value of the wanted type that need not be fetched.
func usableAs[T any](c *Cache, e *Entry) bool {
	if e == nil || c.usable(e, time.Now().UnixNano()) != valid {
		return false
	}
	_, ok := decode[T](e)
	return ok
}

// abandon gives back the lease of a flight that stored nothing, and tells those who wait that they need not wait for one another, unless the
// flight just came to nothing for this process: its callers have left, or what it made was invalidated meanwhile.
func (c *Cache) abandon(ctx context.Context, key string, fl *flight) {
	if fl.lease == nil {
		return
	}
	if fl.down {
		fl.end()
	}
	if fl.unshared && ctx.Err() == nil && !c.tellUnshared(ctx, key, 0, failedFor) {
		fl.down = true
		fl.end()
	}
	if !c.endLease(ctx, fl.lease) {
		fl.down = true
	}
	fl.lease = nil
}

// finish makes the entry of a fill and stores it. Everyone who waits gets it, stored or not.
func (c *Cache) finish(ctx context.Context, key string, p plan, fl *flight, col *collector, value any, err error) {
	now := time.Now().UnixNano()
	if err != nil {
		keep := time.Duration(0)
		if p.negative != nil {
			keep = min(p.negative(err), 24*time.Hour)
		}
		if keep <= 0 {
			fl.err = err
			return
		}
		p.fresh, p.expire = keep, keep
	}
	tags, stamp, violation := col.result()
	e := p.entry(key, value, tags, stamp, now)
	fl.tell(e, nil)
	if violation != nil {
		c.log.LogAttrs(ctx, slog.LevelError, "cached data has a tag that breaks a rule and is not stored", slog.String("key", key), slog.Any("error", violation))
		return
	}
	c.saveFlight(ctx, key, fl, e)
}

// saveFlight stores what a flight made, unless something was stored since that must not be replaced.
func (c *Cache) saveFlight(ctx context.Context, key string, fl *flight, e *Entry) {
	fl.saved, fl.unshared = true, false
	fl.store(func() {
		var err error
		fl.lease, err = c.saveLeased(ctx, fl.lease, key, e)
		fl.unshared = errors.Is(err, ErrNotEncodable)
		fl.down = fl.down || err != nil && !fl.unshared && !errors.Is(err, ErrLeaseLost)
	})
}

// refreshData begins a refresh in the background, unless one runs, one failed a moment ago, or too many run.
func refreshData[T any](ctx context.Context, c *Cache, key string, p plan, now int64, fetch func(context.Context) (T, error)) {
	if !c.refresh.enter(key, now) {
		return
	}
	fl, first := c.flights.join(key, c.generations.clock.stamp(now), c.generations.fresh.Load(), true)
	if !first || !c.begin() {
		if first {
			fl.err = ErrClosed
			c.flights.land(key, fl)
			close(fl.done)
		}
		c.refresh.cancel()
		return
	}
	c.counters.refreshes.Add(1)
	// The refresh outlives its request and belongs to nobody's fill.
	detached := context.WithValue(context.WithoutCancel(ctx), collectorKey{}, (*collector)(nil))
	detached, fl.cancel = context.WithTimeout(detached, c.refreshTimeout)
	go func() {
		fill(detached, c, key, p, fl, fetch)
		c.refresh.leave(key, fl.err != nil)
		if fl.err != nil {
			c.counters.refreshErrors.Add(1)
			c.log.LogAttrs(detached, slog.LevelWarn, "cache refresh failed; the stale value stays", slog.String("key", key), slog.Any("error", fl.err))
		}
	}()
}
