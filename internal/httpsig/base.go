package httpsig

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
)

// ErrBase is, inside, what Base returns where a component has no value that can be signed.
var ErrBase = errors.New("no signature base")

// Base returns what a signature with this input signs (RFC 9421, section 2.5): a line for each covered component, and the input
// itself. The URL is the public one, with the query as received; length is that of the body, below 0 where it is not known.
func Base(input Member, public *url.URL, r *http.Request, length int64) ([]byte, error) {
	var b []byte
	seen := map[string]bool{}
	query := sync.OnceValues(func() (url.Values, error) { return url.ParseQuery(r.URL.RawQuery) }) // not once more for each component
	for _, component := range input.List {
		if component.Item.Kind != String {
			return nil, fmt.Errorf("%w: a component is no string", ErrBase)
		}
		id := string(component.Params.AppendTo(component.Item.AppendTo(nil)))
		if seen[id] {
			return nil, fmt.Errorf("%w: the component %.80s is covered twice", ErrBase, id)
		}
		seen[id] = true
		value, err := componentValue(component, public, r, query, length)
		if err != nil {
			return nil, err
		}
		if strings.ContainsAny(value, "\r\n") {
			return nil, fmt.Errorf("%w: the component %.80s has a line break", ErrBase, id)
		}
		b = append(b, id...)
		b = append(b, ": "...)
		b = append(b, value...)
		b = append(b, '\n')
	}
	b = append(b, `"@signature-params": `...)
	return input.AppendList(b), nil
}

// componentValue returns the value of one component of a request (sections 2.1 and 2.2).
func componentValue(c ListItem, public *url.URL, r *http.Request, query func() (url.Values, error), length int64) (string, error) {
	name := c.Item.Text
	if name == "@query-param" {
		return queryParam(c, query)
	}
	if len(c.Params) > 0 {
		return "", fmt.Errorf("%w: parameters of the component %.80q are not supported", ErrBase, name)
	}
	path := public.EscapedPath()
	if path == "" {
		path = "/"
	}
	behind := ""
	if r.URL.RawQuery != "" || r.URL.ForceQuery {
		behind = "?" + r.URL.RawQuery
	}
	switch name {
	case "@method":
		return r.Method, nil
	case "@target-uri":
		return strings.ToLower(public.Scheme) + "://" + public.Host + path + behind, nil
	case "@authority":
		return authority(public), nil
	case "@scheme":
		return strings.ToLower(public.Scheme), nil
	case "@request-target":
		return path + behind, nil
	case "@path":
		return path, nil
	case "@query":
		if behind == "" {
			return "?", nil
		}
		return behind, nil
	}
	return fieldValue(name, r, length)
}

// authority returns the host in lower case, without the scheme's own port (section 2.2.3).
func authority(u *url.URL) string {
	host := strings.ToLower(u.Host)
	switch u.Scheme {
	case "https":
		return strings.TrimSuffix(host, ":443")
	case "http":
		return strings.TrimSuffix(host, ":80")
	}
	return host
}

// fieldValue returns the value of a header field, its lines joined (section 2.1).
func fieldValue(name string, r *http.Request, length int64) (string, error) {
	if !isToken(name) || strings.ToLower(name) != name || strings.HasPrefix(name, "@") {
		return "", fmt.Errorf("%w: the component %.80q is not supported", ErrBase, name)
	}
	lines := r.Header[http.CanonicalHeaderKey(name)]
	if len(lines) == 0 {
		switch { // net/http takes two fields out of the header
		case name == "host":
			lines = []string{r.Host}
		case name == "content-length" && length >= 0:
			lines = []string{strconv.FormatInt(length, 10)}
		default:
			return "", fmt.Errorf("%w: the signed field %.80q is missing", ErrBase, name)
		}
	}
	trimmed := make([]string, len(lines))
	for i, line := range lines {
		trimmed[i] = strings.TrimSpace(line)
	}
	return strings.Join(trimmed, ", "), nil
}

// queryParam returns the value of one query parameter (section 2.2.8).
func queryParam(c ListItem, query func() (url.Values, error)) (string, error) {
	name, ok := c.Params.Get("name")
	if !ok || name.Kind != String || len(c.Params) != 1 {
		return "", fmt.Errorf("%w: @query-param wants a name", ErrBase)
	}
	values, err := query()
	decoded, err2 := url.PathUnescape(name.Text)
	if err != nil || err2 != nil || len(values[decoded]) != 1 {
		return "", fmt.Errorf("%w: the query has no parameter %.80q, or several", ErrBase, name.Text)
	}
	return percentEncode(values[decoded][0]), nil
}

// percentEncode encodes a decoded query parameter as the URL Standard's application/x-www-form-urlencoded serializer does, but for
// spaces, which become %20.
func percentEncode(text string) string {
	const digits = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(text) {
		c := text[i]
		if c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z' || strings.IndexByte("*-._", c) >= 0 {
			b.WriteByte(c)
		} else {
			b.Write([]byte{'%', digits[c>>4], digits[c&15]})
		}
	}
	return b.String()
}

// isToken reports whether name can be a header field (RFC 9110, section 5.1).
func isToken(name string) bool {
	for i := range len(name) {
		if !tokenByte(name[i]) {
			return false
		}
	}
	return name != ""
}

// tokenByte reports whether b is a tchar (RFC 9110, section 5.6.2).
func tokenByte(b byte) bool {
	return b >= '0' && b <= '9' || b|0x20 >= 'a' && b|0x20 <= 'z' || b != 0 && strings.IndexByte("!#$%&'*+-.^_`|~", b) >= 0
}
