package provider

import (
	"fmt"
	"slices"

	"github.com/gatehouse-go/gatehouse/webhook"
)

// entry makes one provider's scheme from secrets.
type entry struct {
	id   string
	make func(secrets []webhook.Secret) webhook.Scheme
}

// entries returns every provider, in order of id.
func entries() []entry {
	return []entry{
		{"github", func(s []webhook.Secret) webhook.Scheme { return GitHub{Secrets: s} }},
		{"standardwebhooks", func(s []webhook.Secret) webhook.Scheme { return StandardWebhooks{Secrets: s} }},
		{"stripe", func(s []webhook.Secret) webhook.Scheme { return Stripe{Secrets: s} }},
		{"token", func(s []webhook.Secret) webhook.Scheme { return Token{Secrets: s, Query: "token"} }},
	}
}

// New returns the scheme of the provider with this id, for configuration files and tools; a program that knows its provider writes
// the struct. Secrets are in the provider's own format, newest first. The error says that no provider has the id.
func New(id string, secrets ...webhook.Secret) (webhook.Scheme, error) {
	for _, e := range entries() {
		if e.id == id {
			return e.make(slices.Clone(secrets)), nil
		}
	}
	return nil, fmt.Errorf("provider: no provider has the id %q", id)
}

// IDs returns the ids that New knows, in alphabetical order.
func IDs() []string {
	var ids []string
	for _, e := range entries() {
		ids = append(ids, e.id)
	}
	return ids
}
