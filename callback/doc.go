// Package callback handles the moment when a browser comes back from somewhere else: a login at a third party, a magic
// link, a payment page.
//
// Three small parts can be used alone:
//
//   - [ReturnTo] decides where a browser may be sent next, so that a callback is never an open redirect.
//   - [Keyring] and [Cookie] seal what the browser must keep for the server, with key rotation.
//   - [Handler] is the whole return: it redeems a one-time ticket, starts the session and sends the browser on.
package callback
