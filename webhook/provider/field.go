package provider

import (
	"fmt"
	"net/http"
	"net/textproto"
	"net/url"
	"strings"

	"github.com/gatehouse-go/gatehouse/webhook"
)

// only returns the value of the header field name, in canonical form, that a delivery has exactly once and not empty. A field given
// twice is refused: two readers may choose differently.
func only(h http.Header, name string) (string, error) { return single(h[name], name) }

// single is only for the values of the field name.
func single(values []string, name string) (string, error) {
	switch {
	case len(values) > 1:
		return "", fmt.Errorf("%w: %s is given %d times", webhook.ErrSignatureFormat, name, len(values))
	case len(values) == 0 || values[0] == "":
		return "", fmt.Errorf("%w: no %s", webhook.ErrNoSignature, name)
	}
	return values[0], nil
}

// canonical returns the key under which net/http keeps a header field.
func canonical(name string) string { return textproto.CanonicalMIMEHeaderKey(name) }

// validField reports whether name can be a header field (RFC 9110, section 5.1).
func validField(name string) bool {
	if name == "" {
		return false
	}
	for i := range len(name) {
		if !tokenByte(name[i]) {
			return false
		}
	}
	return true
}

// tokenByte reports whether b is a tchar (RFC 9110, section 5.6.2).
func tokenByte(b byte) bool {
	switch {
	case b >= 'a' && b <= 'z', b >= 'A' && b <= 'Z', b >= '0' && b <= '9':
		return true
	}
	switch b {
	case '!', '#', '$', '%', '&', '\'', '*', '+', '-', '.', '^', '_', '`', '|', '~':
		return true
	}
	return false
}

// parseForm reads a form body. What cannot be read whole is an error: [url.Values] that were half read would lie.
func parseForm(body []byte) (url.Values, error) { return url.ParseQuery(string(body)) }

// pair returns the value of the one pair name=value in field, whose pairs are separated by separator. It is "" where there is none.
func pair(field, separator, name string) (value string, err error) {
	found := false
	for rest := field; rest != ""; {
		var next string
		next, rest, _ = strings.Cut(rest, separator)
		key, text, ok := strings.Cut(strings.TrimSpace(next), "=")
		if !ok || key != name {
			continue
		}
		if found {
			return "", fmt.Errorf("%w: %s is given twice", webhook.ErrSignatureFormat, name)
		}
		value, found = text, true
	}
	return value, nil
}
