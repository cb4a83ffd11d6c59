package provider

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/gatehouse-go/gatehouse/internal/invalid"
	"github.com/gatehouse-go/gatehouse/webhook"
)

// partKind is one kind of part of what is signed.
type partKind uint8

const (
	partText partKind = iota
	partBody
	partTimestamp
	partID
	partMethod
	partURL    // the public URL as configured
	partTarget // the public URL, with the query of the request
	partHeader
	partField     // another pair of the signature header
	partBodyJSON  // the body as a JSON string
	partFieldJSON // another pair as a JSON string
)

// part is one part of what is signed: its kind, and the text or header name.
type part struct {
	kind partKind
	text string
}

// template is what a scheme signs, part by part.
type template []part

// compile reads a template such as "v0:{timestamp}:{body}". The error says what is wrong with it.
func compile(text string) (template, error) {
	var t template
	var literal strings.Builder
	end := func() {
		if literal.Len() > 0 {
			t = append(t, part{partText, literal.String()})
			literal.Reset()
		}
	}
	for text != "" {
		brace := strings.IndexAny(text, "{}")
		if brace < 0 {
			literal.WriteString(text)
			break
		}
		literal.WriteString(text[:brace])
		text = text[brace:]
		if len(text) > 1 && text[1] == text[0] {
			literal.WriteByte(text[0])
			text = text[2:]
			continue
		}
		name, rest, ok := strings.Cut(text[1:], "}")
		if !ok || text[0] == '}' {
			return nil, errors.New("must close every brace, and write a brace itself twice")
		}
		p, ok := placeholder(name)
		if !ok {
			return nil, fmt.Errorf("must not have the placeholder {%s}", name)
		}
		end()
		t, text = append(t, p), rest
	}
	end()
	return t, nil
}

func placeholder(name string) (part, bool) {
	switch name {
	case "body":
		return part{kind: partBody}, true
	case "timestamp":
		return part{kind: partTimestamp}, true
	case "id":
		return part{kind: partID}, true
	case "method":
		return part{kind: partMethod}, true
	case "url":
		return part{kind: partURL}, true
	case "target":
		return part{kind: partTarget}, true
	}
	if header, ok := strings.CutPrefix(name, "header:"); ok && validField(header) {
		return part{partHeader, canonical(header)}, true
	}
	if field, ok := strings.CutPrefix(name, "field:"); ok && field != "" {
		return part{partField, field}, true
	}
	if name == "json:body" {
		return part{kind: partBodyJSON}, true
	}
	if field, ok := strings.CutPrefix(name, "json:field:"); ok && field != "" {
		return part{partFieldJSON, field}, true
	}
	return part{}, false
}

// has reports whether t has a part of kind.
func (t template) has(kind partKind) bool {
	for _, p := range t {
		if p.kind == kind {
			return true
		}
	}
	return false
}

// headers returns the canonical names of the header fields in t.
func (t template) headers() []string {
	var names []string
	for _, p := range t {
		if p.kind == partHeader {
			names = append(names, p.text)
		}
	}
	return names
}

// values are what a delivery puts in place of the placeholders.
type values struct {
	timestamp string
	id        string
	url       publicURL
	request   *http.Request
	body      []byte
	field     string // the signature header
	separator string // of its pairs
}

// hash writes what is signed to s.
func (t template) hash(s *state, v *values) error {
	for _, p := range t {
		switch p.kind {
		case partText:
			s.buf = append(s.buf, p.text...)
		case partBody:
			s.flush()
			s.hash.Write(v.body)
		case partTimestamp:
			s.buf = append(s.buf, v.timestamp...)
		case partID:
			s.buf = append(s.buf, v.id...)
		case partMethod:
			s.buf = append(s.buf, v.request.Method...)
		case partURL:
			s.buf = append(s.buf, v.url.whole...)
		case partTarget:
			if !v.url.fits(v.request) {
				return errQuery
			}
			start := len(s.buf)
			s.buf = v.url.appendTarget(s.buf, v.request)
			if v.url.decode != nil {
				s.buf = s.buf[:start+len(v.url.decode(s.buf[start:]))]
			}
		case partHeader:
			value, err := only(v.request.Header, p.text)
			if err != nil {
				return err
			}
			s.buf = append(s.buf, value...)
		case partField, partFieldJSON:
			value, err := pair(v.field, v.separator, p.text)
			if err != nil {
				return err
			}
			if p.kind == partField {
				s.buf = append(s.buf, value...)
			} else if err := stringify(s, value); err != nil {
				return err
			}
		case partBodyJSON:
			if err := stringify(s, v.body); err != nil {
				return err
			}
		}
	}
	s.flush()
	return nil
}

// publicURL is the URL at which a provider delivers, ready to be signed. It comes from the configuration alone: Host and
// X-Forwarded-* are the sender's to choose.
type publicURL struct {
	whole string // as configured
	path  string // without its query
	query string // as configured, "" where there is none

	decode func([]byte) []byte // what is done to the whole in place before it is signed; nil for nothing
}

// newPublicURL reads u. The rule is what it breaks, "" for none.
func newPublicURL(u *url.URL) (p publicURL, rule string) {
	if u == nil {
		return p, "must be given: the provider signs the URL it was told, and no header of a request can stand in for it"
	}
	if (u.Scheme != "https" && u.Scheme != "http") || u.Host == "" || u.Fragment != "" {
		return p, "must be an absolute http or https URL without fragment"
	}
	bare := *u
	bare.RawQuery, bare.ForceQuery = "", false
	return publicURL{whole: u.String(), path: bare.String(), query: u.RawQuery}, ""
}

// errQuery refuses a request that does not fit the public URL.
var errQuery = fmt.Errorf("%w: the query is not that of the public URL", webhook.ErrSignature)

// fits reports whether r came with the configured query, where there is one, alone or with more parameters behind it. Providers join the URL
// with what they sign next without a mark: a query that may be any other could be cut short, or be made of the body's first letters.
func (p publicURL) fits(r *http.Request) bool {
	rest, ok := strings.CutPrefix(r.URL.RawQuery, p.query)
	return ok && (p.query == "" || rest == "" || rest[0] == '&')
}

// appendTarget appends the public URL with the query with which r came.
func (p publicURL) appendTarget(b []byte, r *http.Request) []byte {
	b = append(b, p.path...)
	if r.URL.RawQuery != "" || r.URL.ForceQuery {
		b = append(b, '?')
		b = append(b, r.URL.RawQuery...)
	}
	return b
}

// requirePublicURL returns the public URL where needed, and notes a mistake where there is none.
func requirePublicURL(setup webhook.Setup, c *invalid.Config) publicURL {
	p, rule := newPublicURL(setup.PublicURL)
	if rule != "" {
		c.Hidden("PublicURL", rule)
	}
	return p
}
