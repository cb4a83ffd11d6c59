// Package scrub takes secrets that are known by value out of texts that were written elsewhere.
package scrub

import (
	"net/url"
	"strings"
)

// Text returns text with each of the secrets replaced, also where they stand as in a URL. Empty secrets are ignored.
func Text(text string, secrets ...string) string {
	for _, s := range secrets {
		if s == "" {
			continue
		}
		for _, form := range [...]string{s, url.QueryEscape(s), url.PathEscape(s)} {
			text = strings.ReplaceAll(text, form, "[redacted]")
		}
	}
	return text
}
