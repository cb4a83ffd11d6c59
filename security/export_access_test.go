package security //nolint:testpackage // gives the tests what a guesser would compute

import "strings"

// WithKeyID puts another id into a key and mends its check, as somebody who guesses would.
func WithKeyID(key, id string) string {
	prefix, rest, _ := strings.Cut(key, "_")
	body := prefix + "_" + id + rest[keyIDLength:len(rest)-keyCheckLength]
	return body + keyCheck(body)
}
