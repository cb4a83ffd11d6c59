package webhook

import (
	"fmt"
	"log/slog"
)

// redacted is what a Secret shows of itself.
const redacted = "[redacted]"

// A Secret is a signing secret, a token or a key, in the provider's own text format. It shows itself to no log: fmt with any verb,
// slog, encoding/json and every encoder of text print "[redacted]". The zero Secret is empty, which every scheme refuses.
type Secret struct {
	_     [0]func() // not comparable: == would compare pointers, and is not constant in time
	id    string
	value *string // behind a pointer, so that fmt cannot print it even from an unexported field of the caller
}

// NewSecret returns value as a Secret. It is not checked: the scheme that gets it knows the format.
func NewSecret(value string) Secret { return Secret{value: &value} }

// Named returns s with an id, such as "2026-03": it is logged and put in [Proof] when s matches. The id is not secret.
// For schemes whose deliveries name their key, such as RFC 9421, it is that key id.
func (s Secret) Named(id string) Secret {
	s.id = id
	return s
}

// ID returns the name given with Named, or "".
func (s Secret) ID() string { return s.id }

// IsZero reports whether s is empty.
func (s Secret) IsZero() bool { return s.value == nil || *s.value == "" }

// Reveal returns the secret itself. It is for schemes: what they make of it must not be printed either.
func (s Secret) Reveal() string {
	if s.value == nil {
		return ""
	}
	return *s.value
}

// String returns "[redacted]".
func (s Secret) String() string { return redacted }

// Format prints "[redacted]" for every verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// LogValue returns "[redacted]".
func (s Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText returns "[redacted]", for encoding/json and the like.
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// UnmarshalText sets s to text, so that a configuration file can hold a Secret. The id is kept.
func (s *Secret) UnmarshalText(text []byte) error {
	value := string(text)
	s.value = &value
	return nil
}
