// Package provider has the schemes of webhook providers: how each signs its deliveries, what it expects to be answered, and how far its
// deliveries can be trusted.
//
// Each provider is a struct with the secrets and what else it needs; give it to webhook.New:
//
//	h, err := webhook.New(webhook.Config{
//		Scheme:  provider.GitHub{Secrets: []webhook.Secret{webhook.NewSecret(os.Getenv("GITHUB_SECRET"))}},
//		OnEvent: handle,
//	})
//
// A provider that is not listed is an [HMAC], a [Token] or an [RFC9421] with the right fields. [New] makes a scheme from a
// provider's id, for configuration files; [Inspect] does so for tools that look at a captured delivery.
//
// Each type's comment says what the provider signs, in which order of trust its values stand, how old a delivery may be, how
// long the provider waits and retries, and by what two deliveries count as one event. Where a fact could not be confirmed in the provider's
// own document or code, the comment says so.
//
// Such figures change; they are bounds for a receiver's own settings, not promises.
//
// A key as PEM may have its line breaks as they are, or written as \n, as environment files keep it on one line.
//
// All schemes refuse: no secret, an empty secret, one with white space around it; a signature field given twice, cut short or spelled
// another way; a time that is not plain digits without a zero before them (or RFC 3339), overflows, or lies outside the tolerance before or after.
package provider
