package revalidate

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/refusal"
)

// Mode says what readers get after an invalidation.
type Mode uint8

const (
	// ModeStaleWhileRevalidate lets the next reader have what is stored, at once, while it is refreshed in the background.
	// It is what Next.js does for revalidateTag(tag, "max").
	ModeStaleWhileRevalidate Mode = iota
	// ModeExpire makes the next reader wait for fresh data. It is what Next.js does for revalidateTag(tag),
	// revalidateTag(tag, {expire: 0}) and updateTag(tag).
	ModeExpire
)

// String returns "stale" or "fresh": what the next reader gets.
func (m Mode) String() string {
	if m == ModeExpire {
		return "fresh"
	}
	return "stale"
}

// ErrNothing is the reason for which an invalidation that names nothing is refused.
var ErrNothing = refusal.New(http.StatusBadRequest, "invalidation names nothing")

// Bounds of one invalidation.
const maxNames = 1000

// ErrTooManyNames is the reason for which an invalidation of more than 1000 names is refused: purge instead.
var ErrTooManyNames = refusal.New(http.StatusRequestEntityTooLarge, "an invalidation names at most 1000 tags, paths, URLs and groups")

// An Invalidation names what is to be invalidated. Tags, prefixes, paths and groups are marked in one step: no read sees a part of it done.
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

	// URLs name single responses of [Cache.Wrap], whatever they vary by: absolute http or https URLs of at most 8 KiB, with the host as clients say it
	// and without user or fragment. They are deleted one by one after everything else is marked, and are fetched anew in either Mode. What another
	// cache on the same store had begun to fill can be stored until that cache has heard, unless the store is a [Leaser], where the deletion ends its
	// right to; tags have no such gap.
	URLs []string
	// Groups name cache groups of an origin (RFC 9875). They are expired in either Mode.
	Groups []Group
	// All purges everything, data too, in either Mode; what else is named then adds nothing.
	All bool

	// Mode says what readers get. The zero value is ModeStaleWhileRevalidate.
	Mode Mode
	// Window is how long entries of before may still be served where Mode is ModeStaleWhileRevalidate. Zero means the cache's
	// RevalidateWindow.
	Window time.Duration
}

// Check returns nil when [Cache.Invalidate] would accept inv, else the error it would return.
func (inv *Invalidation) Check() error {
	_, err := inv.compile()
	return err
}

// names counts what inv names.
func (inv *Invalidation) names() int {
	return len(inv.Tags) + len(inv.TagPrefixes) + len(inv.Paths) + len(inv.URLs) + len(inv.Groups)
}

// empty tells an invalidation that names nothing.
func (inv *Invalidation) empty() bool { return inv.names() == 0 && !inv.All }

// named is what an Invalidation names, read.
type named struct {
	patterns []*pathPattern
	pages    []*http.Request // of its URLs
}

func (inv *Invalidation) compile() (n named, err error) {
	switch {
	case inv.empty():
		return n, ErrNothing
	case inv.names() > maxNames:
		return n, ErrTooManyNames
	}
	for _, tags := range [...][]string{inv.Tags, inv.TagPrefixes} {
		for _, tag := range tags {
			if err := CheckTag(tag); err != nil {
				return n, err
			}
		}
	}
	if inv.Window < 0 || inv.Window > Forever {
		return n, fmt.Errorf("revalidate: Window = %v must be between 0 and Forever", inv.Window)
	}
	for _, text := range inv.Paths {
		p, err := parsePath(text)
		if err != nil {
			return n, err
		}
		n.patterns = append(n.patterns, p)
	}
	for _, text := range inv.URLs {
		page, err := pageOf(text)
		if err != nil {
			return n, err
		}
		n.pages = append(n.pages, page)
	}
	for _, group := range inv.Groups {
		if err := group.check(); err != nil {
			return n, err
		}
	}
	return n, nil
}

// Invalidate marks everything that inv names, in one step. It takes the same time whatever number of entries carry the
// names: each entry finds out when it is next read. A fill that is under way when Invalidate is called does not undo it.
//
// The marks in this process are set, and the store has been asked to forget URLs or everything, before Config.OnInvalidate is called; it
// is called whatever the store said. The errors of both are Invalidate's.
func (c *Cache) Invalidate(ctx context.Context, inv Invalidation) error {
	n, err := inv.compile()
	if err != nil {
		return err
	}
	c.invalidate(&inv, n.patterns)
	if inv.All {
		err = c.store.Clear(ctx)
	} else {
		err = c.forgetPages(ctx, n.pages)
	}
	return errors.Join(err, c.announce(ctx, inv))
}

// receiveTimeout bounds what a store may take for the URLs of one announcement.
const receiveTimeout = 10 * time.Second

// Receive is Invalidate for what another instance has announced: it does not call Config.OnInvalidate, so that instances
// do not answer each other for ever. Whoever announced that everything is purged has cleared the store that he shares with this
// cache, so another store than a [Memory] is left as it is then, and what is in it is dead to this cache.
//
// On an error this cache may have something that is no longer good: call [Cache.Forget] with the time of now.
func (c *Cache) Receive(inv Invalidation) error {
	n, err := inv.compile()
	if err != nil {
		return err
	}
	c.invalidate(&inv, n.patterns)
	ctx, cancel := context.WithTimeout(context.Background(), receiveTimeout)
	defer cancel()
	switch {
	case !inv.All:
		return c.forgetPages(ctx, n.pages)
	case c.generations.local:
		return c.store.Clear(ctx)
	}
	return nil
}

// invalidate does what can be done in this process alone.
func (c *Cache) invalidate(inv *Invalidation, patterns []*pathPattern) {
	switch {
	case inv.All:
		c.generations.purge(time.Now())
	case inv.names() > len(inv.URLs):
		c.generations.invalidate(inv, patterns, or(inv.Window, c.window))
	}
	c.counters.invalidations.Add(1)
}

// forgetPages deletes the responses of pages, and all it can where the store fails.
func (c *Cache) forgetPages(ctx context.Context, pages []*http.Request) error {
	var failed []error
	for _, page := range pages {
		failed = append(failed, c.remove(ctx, c.responses.primaryKey(page)))
	}
	return errors.Join(failed...)
}

// RevalidateTag marks everything that carries one of the tags as stale: the next reader gets what is stored while it is
// refreshed in the background, for at most Config.RevalidateWindow. See [Cache.ExpireTag] where readers must not see old
// data, and [Cache.Invalidate] for more than tags.
func (c *Cache) RevalidateTag(ctx context.Context, tag string, more ...string) error {
	return c.invalidateTags(ctx, ModeStaleWhileRevalidate, tag, more)
}

// ExpireTag marks everything that carries one of the tags as gone: the next reader waits for fresh data. What this
// process wrote before the call is seen by every read in this process after it.
func (c *Cache) ExpireTag(ctx context.Context, tag string, more ...string) error {
	return c.invalidateTags(ctx, ModeExpire, tag, more)
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
	return c.Invalidate(ctx, Invalidation{Paths: append([]string{path}, more...), Mode: ModeExpire})
}

// PurgeAll forgets everything that is stored, and what fills under way are about to store, here and, through Config.OnInvalidate,
// wherever that reaches. An error means that the store or the announcement failed; both were tried.
func (c *Cache) PurgeAll(ctx context.Context) error {
	return c.Invalidate(ctx, Invalidation{All: true, Mode: ModeExpire})
}

// Purge forgets the responses stored for one URL, whatever they vary by, and what is under way for it, here and, through
// Config.OnInvalidate, wherever that reaches. The URL is absolute, with the host as clients say it; see [Invalidation].URLs. Nothing has to
// be stored; an error means that rawURL cannot be read, or that the store or the announcement failed.
func (c *Cache) Purge(ctx context.Context, rawURL string) error {
	return c.Invalidate(ctx, Invalidation{URLs: []string{rawURL}, Mode: ModeExpire})
}

// Forget makes what is stored and was made before that time dead to this process, and leaves the store as it is: for an instance that may
// have missed what others announced, and shares a store with them. A time that is still to come counts as now; fills that are under
// way are concerned where they began before.
func (c *Cache) Forget(before time.Time) {
	c.generations.forget(time.Now(), before)
	c.counters.invalidations.Add(1)
}
