// Package redis makes many instances behave as one: rate limits, deduplication of events, sessions, one-time marks and caches
// on a Redis or Valkey server, through the client redis/rueidis.
//
// [New] returns an [Engine], the connection; each piece is made from it:
//
//	engine.NewRateStore     is a security.RateStore    for security.RateLimitConfig.Store
//	engine.NewDeduper       is a webhook.Deduper       for webhook.Config.Dedupe
//	engine.NewSessions      is a callback.SessionStore for callback.SessionsConfig.Store
//	engine.NewMarks         is a callback.MarkStore    for tickets, flows and links that are used once
//	engine.NewCacheStore    is a revalidate.Store      with a tier in memory and leases, for revalidate.Config.Store
//	engine.NewInvalidations tells all instances what one of them invalidates
//
// The server may stand alone, be watched by Sentinel, or be a Cluster; it must be Redis 6.2 or newer, or Valkey. Every change of
// more than one thing is a script, which the server runs as one step by its own clock, so that no two instances can come between each other.
//
// # Outage
//
// Every call ends within Config.Timeout. While the server does not answer, calls fail at once with [ErrOut] and one call at a time tries it
// again: the outage does not cost every request a timeout, nothing queues up, and the return is by itself. What a cache asks for beside an entry, leases and
// saves, it does not ask of a server that has just failed. New does not need the server, so
// that an instance which starts during an outage starts. What a request gets meanwhile is decided where the piece is used:
// security.RateLimitConfig.Outage, webhook.Config.InsecureWithoutDedupe, [InvalidationsConfig].ServeOld, and
// 503 for sessions, which are never assumed.
//
// # Server
//
// Commands and options are those of 6.2, which a test holds against the server's own table. The local tier of a CacheStore has a connection of
// its own to each node, on which the server tells of changes of the entries of its prefix (CLIENT TRACKING, BCAST): each instance is told of
// each entry that is saved by any.
//
// Give the engine a server, or a database, that evicts nothing (maxmemory-policy noeviction): an evicted rate limit is a full bucket, an
// evicted mark can be spent again. Everything the engine writes expires. Redis replicates after it answers: what was written in the
// moment before a failover, a revocation too, may be lost with the primary (min-replicas-to-write narrows that).
//
// An ACL user needs the keys of its prefix and these commands:
//
//	ACL SETUSER app on >… ~gatehouse:* +@connection +@scripting +@read +@write +time +cluster|slots +cluster|shards -@dangerous +client|tracking
//
// # Libraries
//
// rueidis is the client because it puts the commands of all callers into one pipeline and speaks the protocol of client-side caching; otter
// holds the local tier, as it does the caches of package revalidate.
package redis
