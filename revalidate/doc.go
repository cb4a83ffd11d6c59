// Package revalidate caches data and HTTP responses under tags, and refreshes or expires them when a tag is invalidated,
// as a webhook of a CMS does.
//
//	cache, err := revalidate.New(revalidate.Config{})
//	mux.Handle("/posts/", cache.Wrap(posts))                                   // responses
//	post, err := revalidate.Get(ctx, cache, "post:7", revalidate.Options{Tags: []string{"posts"}}, load) // data
//	mux.Handle("/webhook", endpoint)                                           // GET ?token=&tag=posts, or a signed POST
//	err = cache.ExpireTag(ctx, "posts")                                        // the next reader gets it anew
//
// # Responses
//
// [Cache.Wrap] is a shared HTTP cache after RFC 9111 around a handler. It stores what the handler's Cache-Control allows,
// answers conditions and ranges, validates what is stale, and runs the handler once however many clients ask at once. A handler
// names the tags of its response with [Tag]; the tags of data it reads with [Get] are added by themselves.
//
// # Data
//
// [Get] keeps what a function fetches, for a [Life] with the names and numbers of Next.js's cacheLife. [Set], [GetMany] and
// [Cache.Delete] complete it.
//
// # Invalidation
//
// [Cache.RevalidateTag] marks everything under a tag as stale: readers get what is stored while one refresh runs in the
// background. [Cache.ExpireTag] makes the next reader wait for fresh data. [Cache.RevalidatePath] and [Cache.ExpirePath] do
// the same by the path of responses, and [Cache.Invalidate] does several things in one step. [Cache.Purge] forgets the responses of one URL,
// [Cache.PurgeAll] everything.
//
// All take the same time for one entry and for a million, for entries are not looked up: each entry remembers when its fill
// began, and is judged by that when it is next read. So an invalidation during a fill is never lost. Tags of one cache are known
// to one process: Config.OnInvalidate and [Cache.Receive] carry invalidations between several, purges and what requests of unsafe methods
// invalidate too (RFC 9111, section 4.4).
//
// # Rooms
//
// [NewEndpoint] lets the outside world invalidate; package cms reads the webhooks of content systems for it. Package cdn passes
// invalidations on to Fastly, Cloudflare and Varnish. [NewInspector] shows what a cache holds. [Warm] fills it ahead of the first
// client. A [Store] keeps the entries: [NewMemory] in this process, [NewTiered] in two places; package storetest checks one
// of your own.
package revalidate
