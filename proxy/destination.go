package proxy

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/gatehouse-go/gatehouse/proxy/internal/pathexp"
)

// DestinationOptions says what a destination may use.
type DestinationOptions struct {
	// Params are the parameters of the rule: those of its pattern, then those of its conditions.
	Params []ParamSpec
	// Hosts are the hosts to which parameters in the host part may lead: "a.example.com", or "*.example.com" for every
	// name one label below. Empty refuses parameters in the host.
	Hosts []string
	// InsecureAnyHost lets parameters in the host lead anywhere. The client then chooses the server.
	InsecureAnyHost bool
	// AppendParams adds the parameters to the query when neither path nor host of the destination uses one of them, as
	// rewrites do in Next.js.
	AppendParams bool
	// MergeSlashes turns each run of slashes and backslashes in the path into one slash, as redirects do in Next.js.
	// No value can then make the path begin with two, which would name another host.
	MergeSlashes bool
	// Verbatim inserts parameters into path and fragment as they are: they were matched on an escaped path.
	// Otherwise they are escaped.
	Verbatim bool
}

// A Destination is a compiled destination of a redirect or rewrite. It is immutable and safe for concurrent use.
type Destination struct {
	text   string
	origin string          // scheme://host[:port] without parameters; empty for a path
	scheme string          // http or https; empty for a path
	host   []pathexp.Token // when it has parameters
	port   string          // with its colon
	path   []pathexp.Token // path and fragment
	query  []queryTemplate
	o      DestinationOptions
	append bool // AppendParams, and no parameter in path or host
}

type queryTemplate struct {
	key    string
	values []*Template
}

// CompileDestination reads a destination: a path ("/new/:slug?from=:id#:part") or an absolute http or https URL.
//
// It refuses what Next.js finds out per request: a parameter that the rule does not have or may lack, and a list in a
// place for one value. It also refuses two parameters without text between them and parameters in the name of a query
// parameter, for which Next.js writes its own placeholders into the URL.
func CompileDestination(destination string, o DestinationOptions) (*Destination, error) {
	o.Params, o.Hosts = slices.Clone(o.Params), slices.Clone(o.Hosts)
	for i, host := range o.Hosts {
		o.Hosts[i] = strings.ToLower(host)
	}
	d := &Destination{text: destination, o: o}
	fail := func(err error) (*Destination, error) {
		return nil, fmt.Errorf("proxy: destination %q: %w", destination, err)
	}
	rest := strings.Map(dropBreaks, strings.Trim(destination, " "))
	if !strings.HasPrefix(rest, "/") {
		if err := d.readOrigin(&rest); err != nil {
			return fail(err)
		}
	}
	rest, fragment, _ := strings.Cut(rest, "#")
	fragment, _, _ = strings.Cut(fragment, "#") // a fragment holds no other "#" (RFC 3986, section 3.5)
	path, query, _ := strings.Cut(rest, "?")
	path = normalPath(path)
	if fragment != "" {
		path += "#" + escapeBytes(fragment, "\"<>`")
	}
	var err error
	if d.path, err = pathexp.Parse(path, "/#?"); err != nil {
		return fail(err)
	}
	if err := checkSlots(d.path, o.Params); err != nil {
		return fail(err)
	}
	for _, q := range parseQuery(query) {
		if name, err := CompileTemplate(q.Name, o.Params); err != nil || !name.constant() {
			return fail(fmt.Errorf("the name of query parameter %q must not hold a parameter", q.Name))
		}
		t := queryTemplate{key: q.Name}
		for _, v := range q.Values {
			value, err := CompileTemplate(v, o.Params)
			if err != nil {
				return fail(err)
			}
			t.values = append(t.values, value)
		}
		d.query = append(d.query, t)
	}
	d.append = o.AppendParams && !usesAny(d.path, o.Params) && !usesAny(d.host, o.Params)
	return d, nil
}

// String returns the destination as it was given.
func (d *Destination) String() string { return d.text }

// External says whether the destination is an absolute URL.
func (d *Destination) External() bool { return d.scheme != "" }

// Expand returns the target for a request with the parameters p and the raw query rawQuery. A query parameter that the
// destination writes wins over one of the request, and so does one that AppendParams adds.
//
// The error is [ErrHost].
func (d *Destination) Expand(p Params, rawQuery string) (Target, error) {
	t := Target{Origin: d.origin}
	if d.host != nil {
		host, err := d.expandHost(p)
		if err != nil {
			return Target{}, err
		}
		t.Origin = d.scheme + "://" + host + d.port
	}
	t.Path, t.Fragment, _ = strings.Cut(expandTokens(d.path, p, d.escape), "#")
	t.Path = strings.ReplaceAll(t.Path, "?", "%3F")
	if d.o.MergeSlashes {
		t.Path = mergeSlashes(t.Path)
	}
	t.Query = parseQuery(rawQuery)
	for _, q := range d.query {
		values := make([]string, len(q.values))
		for i, v := range q.values {
			values[i] = v.Expand(p)
		}
		t.Query.set(q.key, values)
	}
	if d.append {
		for name, v := range p.All() {
			if d.hasQuery(name) {
				continue
			}
			switch v := v.(type) {
			case string:
				t.Query.set(name, []string{v})
			case []string:
				t.Query.set(name, v)
			}
		}
	}
	t.Query.indexesFirst()
	return t, nil
}

func (d *Destination) hasQuery(key string) bool {
	for _, q := range d.query {
		if q.key == key {
			return true
		}
	}
	return false
}

// escape makes a value part of the path or fragment.
func (d *Destination) escape(value string) string {
	if d.o.Verbatim {
		return strings.ReplaceAll(value, "#", "%23")
	}
	return (&url.URL{Path: value}).EscapedPath()
}

// expandTokens fills the parameters into tokens. Compiling has made sure that they are there.
func expandTokens(tokens []pathexp.Token, p Params, escape func(string) string) string {
	var b strings.Builder
	for _, t := range tokens {
		if !t.Param {
			b.WriteString(t.Text)
			continue
		}
		values := p.Values(t.Name)
		if len(values) > 1 && !t.Repeats() { // a query parameter of the conditions that is there several times
			values = values[len(values)-1:]
		}
		for _, v := range values {
			b.WriteString(t.Prefix)
			b.WriteString(escape(v))
			b.WriteString(t.Suffix)
		}
	}
	return b.String()
}
