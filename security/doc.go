// Package security is the chain of middlewares that an internet-facing handler needs, each of them usable alone.
//
// [Default] puts them in the order in which they are safe; [Config.Explain] lists them:
//
//	recover -> request id -> client IP -> access log -> host and path check -> headers -> deadlines -> limit by IP ->
//	CORS -> methods -> cross-origin check -> body guard -> access -> limit by principal -> handler, which calls Decode
//
//	chain, err := security.Default(security.Config{
//		Target:  security.TargetConfig{Hosts: []string{"api.example.com"}},
//		IPLimit: security.RateLimitConfig{Policies: []security.RatePolicy{{Limit: rate.Every(time.Second), Burst: 60}}},
//		Body:    security.BodyConfig{MediaTypes: []string{"application/json"}},
//	})
//	if err != nil {
//		return err
//	}
//	server := security.Server(chain.Then(mux))
//
// Each stage is built by a constructor that takes a Config and reports all its mistakes at once; its Wrap method is an
// alice.Constructor. What decides something has a method that decides without answering, such as [ClientIP.Resolve], [RateLimit.Check] or
// [Access.Check].
//
// What a request is refused with is an application/problem+json answer (RFC 9457) without the cause; the cause goes to the log. One registry
// of [Secrets] keeps values out of logs ([Redactor], [AccessLog]), errors ([Secrets.Error]), response fields ([Headers]) and JSON bodies
// ([RedactJSON]).
//
// [Access] knows its clients by schemes: [APIKeys], [Basic], [Bearer] and [MTLS] here, JSON Web Tokens in security/jwt, HTTP Message
// Signatures in security/signature. Markup that users write is for security/sanitize.
package security
