// Package security is the chain of middlewares that an internet-facing handler needs, each of them usable alone.
//
// [Default] puts them in the order in which they are safe:
//
//	recover -> request id -> client IP -> access log -> host and path check -> headers -> deadlines -> limit by IP ->
//	CORS -> methods -> cross-origin check -> body guard -> access -> limit by principal -> handler, which calls Decode
//
// Each stage is built by a constructor that takes a Config and reports all its mistakes at once; its Wrap method is an
// alice.Constructor. What a request is refused with is an application/problem+json answer (RFC 9457) without the cause; the cause goes to the
// log, and through a [Redactor] the log holds no secret.
package security
