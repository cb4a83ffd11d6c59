package revalidate

import (
	"crypto/rand"
	"net/http"
	"slices"
	"strings"
)

// A primary key names what a URL stands for: scheme, host, path and query. GET is the only method whose responses are
// stored, so it does not take part. It begins with a NUL, as no key of data does.
//
// The path comes last and is marked as raw or decoded, so that no two URLs have one key.
func (c *responses) primaryKey(r *http.Request) string {
	scheme, port := "\x00http://", ":80"
	if r.TLS != nil {
		scheme, port = "\x00https://", ":443"
	}
	host := strings.TrimSuffix(strings.ToLower(r.Host), port)
	query := r.URL.RawQuery
	if c.query != nil {
		query = c.query(query)
	}
	mark := ""
	if query != "" || r.URL.ForceQuery {
		mark = "?"
	}
	if r.URL.RawPath != "" {
		return scheme + host + mark + query + "\nr" + r.URL.RawPath
	}
	return scheme + host + mark + query + "\np" + r.URL.Path
}

// A variants entry stands under a primary key whose responses vary (RFC 9111, section 4.1). Each variant has a key of its
// own, made of the primary key, id and what the request has in the named fields. A new id makes all older
// variants unreachable at once.
type variants struct {
	id    string
	names []string // canonical and sorted
}

func (v *variants) size() int64 { return int64(16 * (len(v.names) + 1)) }

// maxVary bounds the fields that take part in a key; a response that varies by more is not stored.
const maxVary = 16

// newVariants returns a set that varies by names and by what old varied by: a response stored under either is found by
// requests that agree in all of them.
func newVariants(old *variants, names []string) *variants {
	if old != nil {
		missing := false
		for _, name := range names {
			missing = missing || !slices.Contains(old.names, name)
		}
		if !missing {
			return old
		}
		names = append(slices.Clone(old.names), names...)
		slices.Sort(names)
		names = slices.Compact(names)
	}
	return &variants{id: rand.Text()[:12], names: names}
}

// varyNames returns the fields of a Vary, canonical and sorted; false where nothing can match: "*", or more than maxVary.
func varyNames(h http.Header) (names []string, ok bool) {
	for _, line := range h["Vary"] {
		for name := range strings.SplitSeq(line, ",") {
			switch name = trimOWS(name); name {
			case "":
			case "*":
				return nil, false
			default:
				names = append(names, http.CanonicalHeaderKey(name))
			}
		}
	}
	slices.Sort(names)
	names = slices.Compact(names)
	return names, len(names) <= maxVary
}

// variantKey returns the key of the variant that r asks for.
func (c *responses) variantKey(primary string, v *variants, r *http.Request) string {
	return primary + "\n" + v.id + c.selecting(v.names, r)
}

// selecting returns what r has in the named fields, in normal form (RFC 9111, section 4.1): lines are joined, space around
// commas is dropped, and in fields whose values have no case, case is folded. A field that is absent differs from one
// that is empty.
func (c *responses) selecting(names []string, r *http.Request) string {
	var b strings.Builder
	for _, name := range names {
		b.WriteByte('\n')
		lines := r.Header[name]
		if name == "Host" {
			lines = []string{r.Host}
		}
		if len(lines) == 0 {
			continue
		}
		b.WriteByte('=')
		if normal := c.normalise[name]; normal != nil {
			writePlain(&b, normal(slices.Clone(lines)))
			continue
		}
		value := strings.Join(lines, ",")
		switch name {
		case "Accept", "Accept-Charset", "Accept-Encoding", "Accept-Language":
			value = strings.ToLower(value)
		}
		first := true
		for rest := value; rest != ""; {
			var item string
			if item, rest = cutItem(rest); item == "" {
				continue
			}
			if !first {
				b.WriteByte(',')
			}
			first = false
			writePlain(&b, item)
		}
	}
	return b.String()
}

// writePlain keeps a value from looking like the end of its field.
func writePlain(b *strings.Builder, s string) {
	for i := range len(s) {
		if c := s[i]; c == '\n' || c == '\\' {
			b.WriteByte('\\')
		}
		b.WriteByte(s[i])
	}
}
