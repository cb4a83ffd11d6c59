// Package oidc signs people in through OpenID Connect and OAuth 2 providers, on top of package callback.
//
// [New] returns a [Login]. Its handlers are routed by the application:
//
//	mux.Handle("GET /login", login.Start())
//	mux.Handle("GET /auth/callback", login.Callback())
//	mux.Handle("POST /logout", login.Logout())
//	mux.Handle("POST /auth/backchannel", login.BackChannel())
//	mux.Handle("/", login.Sessions().Require(pages))
//
// Only the authorization code flow is spoken, always with PKCE S256 (RFC 7636), state and nonce, as RFC 9700 asks. The code
// is redeemed only after everything about the request that brought it has been checked.
//
// # Logout
//
// Logout ends the session here and at the provider. For the other direction, a provider that ends a session tells the application
// through BackChannel (a request of its own) or FrontChannel (a frame in the person's browser); both need sessions with a store. Register
// their URLs with the provider, with the session's id ("sid") required.
//
// # Tokens
//
// [Identity] has the tokens of a login, for an application that calls APIs of the provider. Keep them in the session's value, in sessions with
// a store, and ask [Login.Refresh] before each use.
//
// # Limits
//
// Answers come as a query by GET: the response modes form_post and fragment are not taken. ID tokens are not decrypted. An issuer that differs from
// one tenant to the next, as in metadata with a placeholder, needs a [Provider] for each tenant.
package oidc
