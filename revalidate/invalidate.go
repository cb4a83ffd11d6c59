package revalidate

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/refusal"
)

// Mode says what readers get after an invalidation.
type Mode uint8

const (
	// StaleWhileRevalidate lets the next reader have what is stored, at once, while it is refreshed in the background.
	// It is what Next.js does for revalidateTag(tag, "max").
	StaleWhileRevalidate Mode = iota
	// Expire makes the next reader wait for fresh data. It is what Next.js does for revalidateTag(tag),
	// revalidateTag(tag, {expire: 0}) and updateTag(tag).
	Expire
)

// String returns "stale" or "fresh": what the next reader gets.
func (m Mode) String() string {
	if m == Expire {
		return "fresh"
	}
	return "stale"
}

// ErrNothing is the reason for which an invalidation that names nothing is refused.
var ErrNothing = refusal.New(http.StatusBadRequest, "invalidation names no tag and no path")

// Bounds of one invalidation.
const maxNames = 1000

// ErrTooManyNames is the reason for which an invalidation of more than 1000 names is refused: purge instead.
var ErrTooManyNames = refusal.New(http.StatusRequestEntityTooLarge, "an invalidation names at most 1000 tags and paths")

// An Invalidation names what is to be invalidated in one step: no read sees a part of it done.
type Invalidation struct {
	// Tags are exact. One that breaks a rule ([CheckTag]) is an error, and nothing is done.
	Tags []string
	// TagPrefixes name every tag that begins so; each is itself a valid tag. They cost every first read after an invalidation
	// a look at each prefix: use few.
	TagPrefixes []string
	// Paths name responses of [Cache.Wrap] by the decoded path of their URL, whatever the host and query: "/blog/hello" is one
	// path; "/blog/[slug]" is each path with one more segment, "/docs/[...rest]" with one or more, and
	// "/docs/[[...rest]]" is /docs and everything below it. A slash at the end makes no difference.
	Paths []string
	// Mode says what readers get. The zero value is StaleWhileRevalidate.
	Mode Mode
	// Window is how long entries of before may still be served where Mode is StaleWhileRevalidate. Zero means the cache's
	// RevalidateWindow.
	Window time.Duration
}

// Check returns nil when [Cache.Invalidate] would accept inv, else the error it would return.
func (inv *Invalidation) Check() error {
	_, err := inv.compile()
	return err
}

func (inv *Invalidation) compile() ([]*pathPattern, error) {
	switch n := len(inv.Tags) + len(inv.TagPrefixes) + len(inv.Paths); {
	case n == 0:
		return nil, ErrNothing
	case n > maxNames:
		return nil, ErrTooManyNames
	}
	for _, tags := range [...][]string{inv.Tags, inv.TagPrefixes} {
		for _, tag := range tags {
			if err := CheckTag(tag); err != nil {
				return nil, err
			}
		}
	}
	if inv.Window < 0 || inv.Window > Forever {
		return nil, fmt.Errorf("revalidate: Window = %v must be between 0 and Forever", inv.Window)
	}
	if len(inv.Paths) == 0 {
		return nil, nil
	}
	patterns := make([]*pathPattern, 0, len(inv.Paths))
	for _, text := range inv.Paths {
		p, err := parsePath(text)
		if err != nil {
			return nil, err
		}
		patterns = append(patterns, p)
	}
	return patterns, nil
}

// Invalidate marks everything that inv names, in one step. It takes the same time whatever number of entries carry the
// names: each entry finds out when it is next read. A fill that is under way when Invalidate is called does not undo it.
//
// The marks in this process are set before Config.OnInvalidate is called, and whatever it returns; its error is Invalidate's.
func (c *Cache) Invalidate(ctx context.Context, inv Invalidation) error {
	patterns, err := inv.compile()
	if err != nil {
		return err
	}
	c.invalidate(&inv, patterns)
	if c.onInvalidate == nil {
		return nil
	}
	return c.onInvalidate(ctx, inv)
}

// Receive is Invalidate for what another instance has announced: it does not call Config.OnInvalidate, so that instances
// do not answer each other for ever.
func (c *Cache) Receive(inv Invalidation) error {
	patterns, err := inv.compile()
	if err != nil {
		return err
	}
	c.invalidate(&inv, patterns)
	return nil
}

func (c *Cache) invalidate(inv *Invalidation, patterns []*pathPattern) {
	c.generations.invalidate(inv, patterns, or(inv.Window, c.window))
	c.counters.invalidations.Add(1)
}

// RevalidateTag marks everything that carries one of the tags as stale: the next reader gets what is stored while it is
// refreshed in the background, for at most Config.RevalidateWindow. See [Cache.ExpireTag] where readers must not see old
// data, and [Cache.Invalidate] for more than tags.
func (c *Cache) RevalidateTag(ctx context.Context, tag string, more ...string) error {
	return c.invalidateTags(ctx, StaleWhileRevalidate, tag, more)
}

// ExpireTag marks everything that carries one of the tags as gone: the next reader waits for fresh data. What this
// process wrote before the call is seen by every read in this process after it.
func (c *Cache) ExpireTag(ctx context.Context, tag string, more ...string) error {
	return c.invalidateTags(ctx, Expire, tag, more)
}

// invalidateTags spares the one tag that is the usual case every allocation.
func (c *Cache) invalidateTags(ctx context.Context, mode Mode, tag string, more []string) error {
	if len(more) > 0 || c.onInvalidate != nil {
		return c.Invalidate(ctx, Invalidation{Tags: append([]string{tag}, more...), Mode: mode})
	}
	if err := CheckTag(tag); err != nil {
		return err
	}
	inv := Invalidation{Mode: mode}
	one := [1]string{tag}
	inv.Tags = one[:]
	c.invalidate(&inv, nil)
	return nil
}

// RevalidatePath marks the responses of a path as stale. The path is one path ("/blog/hello") or a pattern
// ("/blog/[slug]"); see [Invalidation].Paths.
func (c *Cache) RevalidatePath(ctx context.Context, path string, more ...string) error {
	return c.Invalidate(ctx, Invalidation{Paths: append([]string{path}, more...)})
}

// ExpirePath marks the responses of a path as gone; see [Cache.RevalidatePath].
func (c *Cache) ExpirePath(ctx context.Context, path string, more ...string) error {
	return c.Invalidate(ctx, Invalidation{Paths: append([]string{path}, more...), Mode: Expire})
}

// PurgeAll forgets everything that is stored, and what fills under way are about to store.
// It is for this process and its store: Config.OnInvalidate, which is told of names, is not called, so other instances and CDNs must be told in
// their own ways. The same goes for [Cache.Purge] and for what requests of unsafe methods invalidate.
func (c *Cache) PurgeAll(ctx context.Context) error {
	c.generations.purge(time.Now())
	c.counters.invalidations.Add(1)
	return c.store.Clear(ctx)
}

// Forget makes what is stored and was made before that time dead to this process, and leaves the store as it is: for an instance that may
// have missed what others announced, and shares a store with them. A time that is still to come counts as now; fills that are under
// way are concerned where they began before.
func (c *Cache) Forget(before time.Time) {
	c.generations.forget(time.Now(), before)
	c.counters.invalidations.Add(1)
}
