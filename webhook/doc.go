// Package webhook receives signed events: it bounds, verifies and deduplicates each delivery, and hands it to one function.
//
// An endpoint is one provider's [Scheme], from package provider, and a function for its events:
//
//	endpoint, err := webhook.New(webhook.Config{
//		Scheme:  provider.Stripe{Secrets: []webhook.Secret{webhook.NewSecret(os.Getenv("STRIPE_SECRET"))}},
//		OnEvent: func(ctx context.Context, e webhook.Event) error { return store(ctx, e) },
//	})
//	mux.Handle("/hooks/stripe", endpoint) // every method: some providers prove ownership with GET or OPTIONS
//
// # What happens to a request
//
//  1. A method that the provider does not use is answered 405 with Allow; a content coding it does not send, 415.
//  2. The body is read whole, at most Config.MaxBody bytes (413), within Config.ReadTimeout and not slower than Config.MinRate (408).
//  3. A handshake is answered as text that no browser takes for a page.
//  4. The media type must be one that the provider promises (415).
//  5. The signature is checked over the exact bytes, before anything in them is parsed; then the signed time (401).
//  6. A signed delivery that is no event (a ping, a challenge, a subscription) is answered by the scheme.
//  7. A repeat of an event that was handled gets the same 2xx, and OnEvent does not see it. A repeat of one that is being handled waits
//     for that result.
//  8. OnEvent runs until the deadline, which lies before the provider gives up. An error or a panic is answered 500, so that the provider
//     tries again; the attempt is then no repeat.
//
// The client learns the status and nothing else. The reason is logged, given to Config.Observe, and is one of the package's sentinel
// errors.
//
// # What can be trusted
//
// Only what the signature covers: [Event] says for type and id whether it does. Many providers sign the body alone, and a
// captured delivery can then be sent again, for ever, under another id. Deduplication therefore never goes by an unsigned id where
// something is signed; see [Event.Key].
//
// # What is remembered
//
// The default [Memory] holds what one process handled since it started. With several processes, or where a restart must not
// let a repeat through, give Config.Dedupe a shared store, or let OnEvent store the event in package inbox.
//
// # Deciding without answering
//
// [Handler.Verify] and [Handler.Handshake] decide about a request and write nothing. [Handler.Check] does so for callers that hold the body
// already; it fits anything that takes a func(*http.Request, []byte) error.
package webhook
