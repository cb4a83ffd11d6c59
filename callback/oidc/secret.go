package oidc

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
)

const redacted = "[redacted]"

// Secret is a string that prints as "[redacted]" in fmt, log/slog and JSON. Convert it to a string to use it.
type Secret string

// Format prints the same for every verb.
func (Secret) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, redacted) }

// LogValue is for log/slog.
func (Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalJSON never writes the secret.
func (Secret) MarshalJSON() ([]byte, error) { return json.Marshal(redacted) }
