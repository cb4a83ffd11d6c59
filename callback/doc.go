// Package callback handles the moment when a browser comes back from somewhere else: from a login at a third party, a magic link, a
// payment page.
//
//	login, err := callback.New(callback.Config[User]{Keys: keys, ReturnTo: returnTo, Retry: "/login", Redeem: redeem})
//	if err != nil {
//		return err
//	}
//	mux.Handle("GET /callback", login)        // where the third party sends the browser: /callback?session_token=…
//	mux.Handle("/account/", login.Require(h)) // h gets the User by SessionFrom
//
// # Parts
//
// Each part can be used alone:
//
//   - [ReturnTo] decides where a browser may be sent next, so that a return is never an open redirect.
//   - [Keyring] and [Cookie] seal what the browser keeps for the server, with key rotation.
//   - [Flows] binds what a browser begins to what it finishes, so that nobody can push a login of theirs onto it.
//   - [Sessions] remembers who a browser belongs to, in a sealed cookie or in a [SessionStore].
//   - [Handler] is the whole return, from the ticket in the URL to the session and the next page.
//
// Package oidc below this one is the same for OpenID Connect and OAuth 2, and package callbacktest helps to test it.
//
// # A return
//
// A flow has three steps. [Handler.Start] binds a flow to the browser and gives the parameters for the callback URL. The third party
// does its part and sends the browser to that URL with a ticket. The [Handler] there checks the query, the flow and the return target,
// has the application redeem the ticket, starts a session under a new id, and answers 303 with the page the person wanted.
//
// Everything that is refused says so in words: a page for a browser, problem+json for a fetch ([Refuse]), with a link to begin again
// that keeps the page the person wanted, also where the browser knows nothing of the flow: the state carries it, sealed. Each reason is
// a [Reason], and an application may add its own.
//
// # Magic links
//
// Mail scanners and previews open links before the person does, so a link must not be spent by GET. Set Confirm: GET then shows a page
// with one button, and the button's POST redeems. The link works in the browser that asked for it; anywhere else the page says so. See the
// example.
//
// # Payment returns
//
// The URL of a return proves nothing about a payment. Redeem asks the provider, and Complete takes the place of starting a session. The
// provider's webhook will say the same, earlier or later: both must lead to the same result. See the example.
//
// # Sealed cookie or store
//
// A session in a sealed cookie needs no server and suits small values. It cannot be revoked: whoever copied the cookie has the session to
// its end. Sessions in a store can be listed and ended, by id, by user, and by a login provider; the cookie then holds an id alone, and
// the store a hash of it.
//
// # Several processes
//
// Processes that answer for one host share the keys, a [SessionStore] where sessions have one, and a [MarkStore]: what was used at one is
// then used at all. The module engines/redis has both.
package callback
