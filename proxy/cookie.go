package proxy

import (
	"net/url"
	"strings"
	"unicode/utf8"
)

// cookieValue returns the value of the first cookie of that name in the Cookie headers, without quotes and with its
// escapes decoded, as Next.js reads cookies. Unlike net/http it takes every byte that arrived.
func cookieValue(headers []string, name string) string {
	for _, line := range headers {
		for pair := range strings.SplitSeq(line, ";") {
			key, value, ok := strings.Cut(pair, "=")
			if !ok || strings.TrimSpace(key) != name {
				continue
			}
			value = strings.TrimSpace(value)
			if strings.HasPrefix(value, `"`) {
				value = value[1:max(len(value)-1, 1)]
			}
			if decoded, ok := decodeComponent(value); ok {
				return decoded
			}
			return value
		}
	}
	return ""
}

// decodeComponent is JavaScript's decodeURIComponent, which refuses what does not decode to UTF-8.
func decodeComponent(s string) (string, bool) {
	decoded, err := url.PathUnescape(s)
	return decoded, err == nil && utf8.ValidString(decoded)
}
