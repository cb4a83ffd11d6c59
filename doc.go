// Package gatehouse bundles the handlers of one resource into one [http.Handler] that answers every HTTP method
// correctly, and exports such handlers as a static site.
//
// It is the root of a library for everything that happens when the outside world calls a server. The other packages
// stand alone; each gives an [http.Handler] or a func([http.Handler]) [http.Handler]:
//
//   - webhook receives signed events: verified, bounded, deduplicated.
//   - callback brings browsers back from third parties: safe return addresses, sealed cookies, one-time tickets.
//   - proxy matches, answers, redirects, rewrites and forwards requests before they reach a handler.
//   - security limits, checks and trusts clients, and keeps secrets out of headers and logs.
//   - revalidate caches data and responses under tags, and refreshes them when a webhook says so.
//
// [CreateHandler] is the factory that a Next.js route file spells as exported GET and POST functions:
//
//	users, err := gatehouse.CreateHandler(gatehouse.Methods{Get: list, Post: create})
//	if err != nil {
//		return err
//	}
//	mux.Handle("/users", users)
package gatehouse
