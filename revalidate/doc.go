// Package revalidate caches data and HTTP responses under tags, and refreshes or expires them when a tag is invalidated,
// as a webhook of a CMS does.
//
//	cache, err := revalidate.New(revalidate.Config{})
//	posts, err := revalidate.Get(ctx, cache, "posts", revalidate.Options{Tags: []string{"posts"}}, loadPosts)
//	err = cache.ExpireTag(ctx, "posts") // the next Get loads them anew
//
// # Invalidation
//
// [Cache.RevalidateTag] marks everything under a tag as stale: readers get what is stored while one refresh runs in the
// background. [Cache.ExpireTag] makes the next reader wait for fresh data. Both take the same time for one entry and for a
// million, for entries are not looked up: each entry remembers when its fill began and is judged when it is next read. A
// fill that began before an invalidation is judged as of that time, so an invalidation during a fill is never lost.
//
// [NewEndpoint] lets the outside world invalidate: GET ?token=&tag=, or a signed POST.
package revalidate
