package security

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/gatehouse-go/gatehouse/internal/invalid"
)

// minSecret is the shortest value that can be registered: shorter ones occur in ordinary words, and redacting those would
// show where they are.
const minSecret = 8

// maxSecret bounds one registered value, and with it the cost of a comparison.
const maxSecret = 16 << 10

// redacted stands where a secret was.
const redacted = "[redacted]"

// Secrets is a registry of values that must not leave the process: keys, passwords, signing secrets. One registry serves the
// [Redactor], the access log and the guard of response headers, so that a value is named once.
//
// A value is found as it is and in the forms in which programs print it by accident: percent-encoded, escaped in JSON, HTML, XML or by
// %q, in base64 at any alignment, in hex, and as the numbers of a byte slice. Looking costs one table probe a byte,
// whatever the number of values.
//
// A nil *Secrets and the zero Secrets hold none. All methods may be called concurrently.
type Secrets struct {
	mu     sync.Mutex // held by writers
	values []string
	index  atomic.Pointer[secretIndex]
}

// NewSecrets returns a registry of values, each 8 bytes to 16 KiB long. The error lists each that is not, by its place.
func NewSecrets(values ...string) (*Secrets, error) {
	s := &Secrets{}
	if err := s.Add(values...); err != nil {
		return nil, err
	}
	return s, nil
}

// Add registers more values, or none of them when one is refused. Adding a value again changes nothing.
//
// A log handler that was given attributes before (slog.Logger.With) has printed them already: register first.
func (s *Secrets) Add(values ...string) error {
	c := invalid.Config{Package: "security"}
	for i, v := range values {
		if len(v) < minSecret || len(v) > maxSecret {
			c.Hidden(fmt.Sprintf("Secrets[%d]", i), fmt.Sprintf("must be %d to %d bytes long", minSecret, maxSecret))
		}
	}
	if err := c.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, v := range values {
		if !slices.Contains(s.values, v) {
			s.values = append(s.values, strings.Clone(v))
		}
	}
	s.index.Store(newSecretIndex(s.values))
	return nil
}

// Remove forgets values, such as a key long rotated out. Values that are not registered are ignored.
func (s *Secrets) Remove(values ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.values = slices.DeleteFunc(s.values, func(v string) bool { return slices.Contains(values, v) })
	s.index.Store(newSecretIndex(s.values))
}

// Contains reports whether a registered value occurs in text, in any of its forms. It does not allocate.
func (s *Secrets) Contains(text string) bool {
	x := s.load()
	if x == nil {
		return false
	}
	_, _, ok := x.next(text, 0)
	return ok
}

// Redact returns text with each registered value replaced by "[redacted]". It returns text itself, without allocating, where
// none occurs.
func (s *Secrets) Redact(text string) string {
	var spans spans
	s.find(text, &spans)
	return spans.replace(text)
}

// Error returns err with a text in which registered values are redacted; [errors.Is] and [errors.As] see err. It returns err
// itself where its text has none, and nil for nil.
func (s *Secrets) Error(err error) error {
	if err == nil {
		return nil
	}
	text := err.Error()
	if clean := s.Redact(text); clean != text {
		return &cleanError{text: clean, cause: err}
	}
	return err
}

// cleanError is an error whose text was redacted.
type cleanError struct {
	text  string
	cause error
}

func (e *cleanError) Error() string { return e.text }

func (e *cleanError) Is(target error) bool { return errors.Is(e.cause, target) }

func (e *cleanError) As(target any) bool { return errors.As(e.cause, target) }

// Format prints "[redacted]" for every verb, so that no registry shows its values.
func (s *Secrets) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// MarshalText returns "[redacted]", so that encoders show no value either.
func (s *Secrets) MarshalText() ([]byte, error) { return []byte(redacted), nil }

func (s *Secrets) load() *secretIndex {
	if s == nil {
		return nil
	}
	return s.index.Load()
}

// find adds the places of registered values in text to spans.
func (s *Secrets) find(text string, spans *spans) {
	x := s.load()
	if x == nil {
		return
	}
	for from := 0; ; {
		start, end, ok := x.next(text, from)
		if !ok {
			return
		}
		spans.add(start, end)
		from = end - minSecret + 1 // a longer value may begin in this one or hold it
	}
}

// longest returns the length of the longest form, the reach beyond a cut that must be read to see a value whole.
func (s *Secrets) longest() int {
	if x := s.load(); x != nil {
		return x.longest
	}
	return 0
}
