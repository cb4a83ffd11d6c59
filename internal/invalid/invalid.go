// Package invalid collects the mistakes of a configuration, so that a constructor reports all of them at once.
package invalid

import (
	"errors"
	"fmt"
)

// Config gathers the mistakes found in one package's Config. The zero value has none.
// A Config is used by one goroutine, inside a constructor.
type Config struct {
	// Package is the prefix of each mistake, such as "webhook".
	Package string

	mistakes []error
}

// A Mistake is one field whose value breaks a rule. Constructors return mistakes joined; [errors.As] finds the first.
type Mistake struct { //nolint:errname // a constructor lists mistakes; MistakeError would say it twice
	Package string // the package whose constructor refused
	Field   string // the field as written in Go, such as "MaxBody" or "Secrets[1]"
	Value   string // the offending value, quoted by %v; empty where it is secret or absent
	Rule    string // what the value must be, such as "must be positive"
}

// Error returns the mistake in one line.
func (m *Mistake) Error() string {
	if m.Value == "" {
		return fmt.Sprintf("%s: %s %s", m.Package, m.Field, m.Rule)
	}
	return fmt.Sprintf("%s: %s = %s %s", m.Package, m.Field, m.Value, m.Rule)
}

// Field notes that field has value and breaks rule. The value is printed: never pass a secret, use [Config.Hidden].
func (c *Config) Field(field string, value any, rule string) {
	text := fmt.Sprintf("%v", value)
	if s, ok := value.(string); ok {
		text = fmt.Sprintf("%q", s)
	}
	c.mistakes = append(c.mistakes, &Mistake{Package: c.Package, Field: field, Value: text, Rule: rule})
}

// Hidden notes that field breaks rule without printing its value: for secrets, and for fields that are missing.
func (c *Config) Hidden(field, rule string) {
	c.mistakes = append(c.mistakes, &Mistake{Package: c.Package, Field: field, Rule: rule})
}

// Join notes what another constructor refused, mistake by mistake. A nil err is none.
func (c *Config) Join(err error) {
	if err != nil {
		c.mistakes = append(c.mistakes, err)
	}
}

// Err returns every mistake joined by [errors.Join], or nil when there is none.
func (c *Config) Err() error { return errors.Join(c.mistakes...) }
