package revalidate

import (
	"strings"
)

// queryParam returns the value that URLSearchParams.get(name) has for a raw query (WHATWG URL, section 5.1): pairs end
// at "&" alone, a plus is a space, a percent sign that escapes nothing stands for itself, what is not UTF-8 becomes
// U+FFFD, and the first pair of the name counts; empty where there is none. [url.ParseQuery] drops pairs that are malformed
// in its eyes, so the two would not always speak of the same pair.
func queryParam(raw, name string) string {
	for pair := range strings.SplitSeq(raw, "&") {
		if pair == "" {
			continue
		}
		key, val, _ := strings.Cut(pair, "=")
		if formDecode(key) == name {
			return formDecode(val)
		}
	}
	return ""
}

func formDecode(s string) string {
	if !strings.ContainsAny(s, "%+") {
		return strings.ToValidUTF8(s, "\uFFFD")
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '+':
			b = append(b, ' ')
		case c == '%' && i+2 < len(s) && isHex(s[i+1]) && isHex(s[i+2]):
			b = append(b, unhex(s[i+1])<<4|unhex(s[i+2]))
			i += 2
		default:
			b = append(b, c)
		}
	}
	return strings.ToValidUTF8(string(b), "\uFFFD")
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

func unhex(c byte) byte {
	switch {
	case c <= '9':
		return c - '0'
	case c >= 'a':
		return c - 'a' + 10
	default:
		return c - 'A' + 10
	}
}
