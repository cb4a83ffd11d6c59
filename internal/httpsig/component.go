package httpsig

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/gatehouse-go/gatehouse/internal/urlform"
)

// component writes the value of one component of a request (RFC 9421, sections 2.1 and 2.2).
func (b *baseBuilder) component(c *ListItem) error {
	name := c.Item.Text
	if name == "@query-param" {
		return b.queryParam(c)
	}
	if len(c.Params) > 0 {
		return fmt.Errorf("%w: parameters of the component %.80q are not supported", ErrBase, name)
	}
	target, u := b.request.Target, b.request.URL
	switch name {
	case "@method":
		b.text = append(b.text, b.request.Method...)
	case "@target-uri":
		b.text = append(append(append(b.text, target.scheme...), "://"...), target.host...)
		b.text = appendQuery(append(b.text, target.path...), u)
	case "@authority":
		b.text = append(b.text, target.authority...)
	case "@scheme":
		b.text = append(b.text, target.scheme...)
	case "@request-target":
		b.text = appendQuery(append(b.text, target.path...), u)
	case "@path":
		b.text = append(b.text, target.path...)
	case "@query":
		before := len(b.text)
		if b.text = appendQuery(b.text, u); len(b.text) == before {
			b.text = append(b.text, '?')
		}
	default:
		return b.field(name)
	}
	return nil
}

// field writes the value of a header field, its lines joined (section 2.1).
func (b *baseBuilder) field(name string) error {
	if !isFieldName(name) {
		return fmt.Errorf("%w: the component %.80q is not supported", ErrBase, name)
	}
	b.room.key = AppendCanonical(b.room.key[:0], name)
	lines := b.request.Header[string(b.room.key)]
	if len(lines) == 0 {
		switch { // net/http takes two fields out of the header
		case name == "host":
			b.text = append(b.text, strings.TrimSpace(b.request.Host)...)
		case name == "content-length" && b.request.Length >= 0:
			b.text = strconv.AppendInt(b.text, b.request.Length, 10)
		default:
			return fmt.Errorf("%w: the signed field %.80q is missing", ErrBase, name)
		}
	}
	for i, line := range lines {
		if i > 0 {
			b.text = append(b.text, ", "...)
		}
		b.text = append(b.text, strings.TrimSpace(line)...)
	}
	return nil
}

// queryParam writes the value of one query parameter (section 2.2.8).
func (b *baseBuilder) queryParam(c *ListItem) error {
	name, ok := c.Params.Get("name")
	if !ok || name.Kind != String || len(c.Params) != 1 {
		return fmt.Errorf("%w: @query-param wants a name", ErrBase)
	}
	decoded, err := url.PathUnescape(name.Text)
	query := &b.room.query
	if !b.parsed {
		b.parsed = urlform.Read(query, b.request.URL.RawQuery)
	}
	value, n := query.Get(decoded)
	if err != nil || !b.parsed || n != 1 {
		return fmt.Errorf("%w: the query has no parameter %.80q, or several", ErrBase, name.Text)
	}
	b.text = appendPercentEncoded(b.text, value)
	return nil
}

// appendPercentEncoded appends a decoded query parameter as the URL Standard's application/x-www-form-urlencoded serializer encodes it, but
// for spaces, which become %20.
func appendPercentEncoded(b, value []byte) []byte {
	const digits = "0123456789ABCDEF"
	for _, c := range value {
		if c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z' || strings.IndexByte("*-._", c) >= 0 {
			b = append(b, c)
		} else {
			b = append(b, '%', digits[c>>4], digits[c&15])
		}
	}
	return b
}
