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
package oidc
