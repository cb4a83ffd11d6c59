package provider

import (
	"encoding/base64"
	"encoding/hex"
	"strconv"
	"strings"

	"github.com/gatehouse-go/gatehouse/internal/invalid"
	"github.com/gatehouse-go/gatehouse/webhook"
)

// SecretFormat is how a provider writes its secrets, and so what bytes key the hash.
type SecretFormat uint8

// Formats of a secret.
const (
	RawSecret    SecretFormat = iota // the text itself, as UTF-8
	HexSecret                        // hexadecimal, of either case
	Base64Secret                     // RFC 4648, section 4, with or without padding
	secretFormats
)

// decode returns the bytes that text stands for, or the rule that it breaks.
func (f SecretFormat) decode(text, prefix string) (key []byte, rule string) {
	if rule := checkSecret(text); rule != "" {
		return nil, rule
	}
	text = strings.TrimPrefix(text, prefix)
	var err error
	switch f {
	case HexSecret:
		if key, err = hex.DecodeString(text); err != nil {
			return nil, "must be hexadecimal"
		}
	case Base64Secret:
		if key, err = base64.RawStdEncoding.Strict().DecodeString(strings.TrimRight(text, "=")); err != nil {
			return nil, "must be base64" + after(prefix)
		}
	default:
		key = []byte(text)
	}
	if len(key) == 0 {
		return nil, "must not be empty" + after(prefix)
	}
	return key, ""
}

// checkSecret returns the rule that any secret breaks when it is empty, or has space that came with it from a file or a shell.
func checkSecret(text string) (rule string) {
	switch {
	case text == "":
		return "must not be empty"
	case strings.TrimSpace(text) != text:
		return "must not begin or end with white space"
	}
	return ""
}

func after(prefix string) string {
	if prefix == "" {
		return ""
	}
	return " after the prefix " + prefix
}

// secretsOf returns the secrets to use: those of the setup when it has any, else the scheme's own. No secret at all is a mistake.
func secretsOf(setup webhook.Setup, own []webhook.Secret, c *invalid.Config) []webhook.Secret {
	secrets := own
	if setup.Secrets != nil {
		secrets = setup.Secrets
	}
	if len(secrets) == 0 {
		c.Hidden("Secrets", "must have at least one secret")
	}
	return secrets
}

// secretField names the i-th secret in a mistake.
func secretField(i int) string { return "Secrets[" + strconv.Itoa(i) + "]" }

// decodeBase64 reads base64 with padding, in its one spelling: no line breaks, no stray bits.
func decodeBase64(text string) ([]byte, error) {
	if strings.ContainsAny(text, "\r\n") {
		return nil, base64.CorruptInputError(strings.IndexAny(text, "\r\n"))
	}
	return base64.StdEncoding.Strict().DecodeString(text)
}
