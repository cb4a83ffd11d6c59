package provider

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"

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
	for text != "" {
		open := strings.IndexByte(text, '{')
		if open < 0 {
			return append(t, part{partText, text}), nil
		}
		if open > 0 {
			t = append(t, part{partText, text[:open]})
		}
		name, rest, ok := strings.Cut(text[open+1:], "}")
		if !ok {
			return nil, fmt.Errorf("must close every brace")
		}
		p, ok := placeholder(name)
		if !ok {
			return nil, fmt.Errorf("must not have the placeholder {%s}", name)
		}
		t, text = append(t, p), rest
	}
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
			s.buf = v.url.appendTarget(s.buf, v.request)
		case partHeader:
			value, err := only(v.request.Header, p.text)
			if err != nil {
				return err
			}
			s.buf = append(s.buf, value...)
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
	return publicURL{whole: u.String(), path: bare.String()}, ""
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
func requirePublicURL(setup webhook.Setup, note func(field, rule string)) publicURL {
	p, rule := newPublicURL(setup.PublicURL)
	if rule != "" {
		note("PublicURL", rule)
	}
	return p
}
