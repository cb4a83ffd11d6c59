package provider

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/gatehouse-go/gatehouse/internal/httpsig"
	"github.com/gatehouse-go/gatehouse/webhook"
)

// signedFields are the header fields that a request of Contentful signs, in room that is used again.
type signedFields struct {
	names []string // sorted, as x-contentful-signed-headers has them
	line  []byte   // what is signed of them
	key   []byte   // a name as net/http keeps it
}

// maxSigned is how many header fields a request may sign: they are sorted before anything is verified.
const maxSigned = 1000

// read reads the names and the line of r.
func (f *signedFields) read(r *http.Request) error {
	if err := f.readNames(r.Header); err != nil {
		return err
	}
	return f.readLine(r)
}

// readNames reads the list of names, sorted. What would be trusted must be among them.
func (f *signedFields) readNames(h http.Header) error {
	f.names, f.line = f.names[:0], f.line[:0]
	list, err := only(h, contentfulSigned)
	if err != nil {
		return err
	}
	if strings.Count(list, ",") >= maxSigned {
		return fmt.Errorf("%w: x-contentful-signed-headers has more than %d names", webhook.ErrSignatureFormat, maxSigned)
	}
	for more := true; more; {
		var name string
		name, list, more = strings.Cut(list, ",")
		f.names = append(f.names, name)
	}
	slices.Sort(f.names)
	for i, name := range f.names {
		if !validField(name) || strings.ToLower(name) != name || i > 0 && name == f.names[i-1] {
			return fmt.Errorf("%w: x-contentful-signed-headers has a name that is none, or twice", webhook.ErrSignatureFormat)
		}
	}
	for _, required := range [...]struct{ key, name string }{
		{contentfulSigned, "x-contentful-signed-headers"},
		{contentfulTimestamp, "x-contentful-timestamp"},
		{contentfulTopic, "x-contentful-topic"},
	} {
		if len(h[required.key]) == 0 {
			continue
		}
		if _, found := slices.BinarySearch(f.names, required.name); !found {
			return fmt.Errorf("%w: %s is not signed", webhook.ErrSignatureFormat, required.key)
		}
	}
	if len(h[contentfulTimestamp]) == 0 {
		return fmt.Errorf("%w: no x-contentful-timestamp", webhook.ErrTimestamp)
	}
	return nil
}

// readLine writes the line of header fields.
func (f *signedFields) readLine(r *http.Request) error {
	for i, name := range f.names {
		if i > 0 {
			f.line = append(f.line, ';')
		}
		f.line = append(append(f.line, name...), ':')
		switch name {
		case "x-contentful-signed-headers":
			for i, name := range f.names {
				if i > 0 {
					f.line = append(f.line, ',')
				}
				f.line = append(f.line, name...)
			}
		case "host":
			f.line = append(f.line, strings.TrimSpace(r.Host)...)
		default:
			f.key = httpsig.AppendCanonical(f.key[:0], name)
			value, err := single(r.Header[string(f.key)], name)
			if err != nil {
				return err
			}
			f.line = append(f.line, strings.TrimSpace(value)...)
		}
	}
	return nil
}

// forget lets go of the last request's header.
func (f *signedFields) forget() { clear(f.names) }

// contentfulPath is the path of the endpoint in the two forms in which it may be signed, with the query: as node-apps-toolkit
// encodes them, and as they are.
type contentfulPath struct{ plain, encoded string }

// Characters that ECMAScript does not encode (ECMA-262, section 19.2.6): in encodeURI, and in encodeURIComponent, which Node's
// querystring.escape is as well. Both encode a percent sign.
const (
	uriCharacters       = componentCharacters + ";/?:@&=+$,#"
	componentCharacters = alphanumeric + "-_.!~*'()"
)

func newContentfulPath(path string) contentfulPath {
	return contentfulPath{plain: path, encoded: string(appendEncoded(nil, path, uriCharacters, "%"))}
}

// isPlain reports whether both forms with query are the same.
func (p *contentfulPath) isPlain(query string) bool {
	return p.encoded == p.plain && strings.Trim(query, componentCharacters) == ""
}

// append appends the path and the query, if there is one.
func (p *contentfulPath) append(b []byte, query string, encoded bool) []byte {
	switch {
	case !encoded && query == "":
		return append(b, p.plain...)
	case !encoded:
		return append(append(append(b, p.plain...), '?'), query...)
	case query == "":
		return append(b, p.encoded...)
	}
	// The library encodes the query by itself, and then the percent signs of that once more, with the whole.
	return appendEncoded(append(append(b, p.encoded...), '?'), query, componentCharacters, "%25")
}

// appendEncoded appends text with each byte that is not one of keep as percent and two hexadecimal digits.
func appendEncoded(b []byte, text, keep, percent string) []byte {
	const digits = "0123456789ABCDEF"
	for i := range len(text) {
		if c := text[i]; strings.IndexByte(keep, c) >= 0 {
			b = append(b, c)
		} else {
			b = append(append(b, percent...), digits[c>>4], digits[c&15])
		}
	}
	return b
}
