package proxy

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/gatehouse-go/gatehouse/internal/refusal"
	"github.com/gatehouse-go/gatehouse/proxy/internal/pathexp"
)

// ErrHost refuses a request whose parameters would send it to a host that the destination does not allow.
var ErrHost = refusal.New(http.StatusBadRequest, "destination host is not in the allow-list")

// A ParamSpec is a parameter that a pattern or a condition can give.
type ParamSpec struct {
	Name     string
	Repeated bool // its value is a list
	Optional bool // a match may lack it
}

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
	scheme string          // when the host has parameters
	host   []pathexp.Token // when it has
	port   string
	path   []pathexp.Token // path and fragment
	query  []queryTemplate
	params []ParamSpec
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
	d := &Destination{text: destination, params: o.Params, o: o}
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

// readOrigin takes scheme, host and port from the front of an absolute URL.
func (d *Destination) readOrigin(rest *string) error {
	scheme, after, ok := strings.Cut(*rest, "://")
	scheme = strings.ToLower(scheme)
	if !ok || scheme != "http" && scheme != "https" {
		return errors.New("must begin with a slash, http:// or https://")
	}
	end := strings.IndexAny(after, `/?#\`)
	if end < 0 {
		end = len(after)
	}
	host := after[:end]
	if *rest = after[end:]; *rest == "" || (*rest)[0] == '?' || (*rest)[0] == '#' {
		*rest = "/" + *rest
	}
	if strings.Contains(host, "@") {
		return errors.New("must not hold a user name or password")
	}
	if i := strings.LastIndexByte(host, ':'); i >= 0 && i+1 < len(host) && strings.Trim(host[i+1:], "0123456789") == "" {
		host, d.port = host[:i], host[i:]
	}
	d.scheme = scheme
	if isIPv6(host) {
		d.origin = scheme + "://" + host + d.port
		return nil
	}
	tokens, err := pathexp.Parse(host, "/#?")
	if err != nil {
		return err
	}
	for i := range tokens {
		t := &tokens[i]
		t.Text = strings.ToLower(t.Text)
		if t.Param {
			d.host = tokens
		}
		if strings.ContainsFunc(t.Text+t.Separator(), func(r rune) bool { return r != '.' && (r >= 0x80 || !isLabel(string(r))) }) {
			return errors.New("must have a host of letters, digits, hyphens and dots (an international name in its xn-- form)")
		}
	}
	if d.host == nil {
		d.origin = scheme + "://" + strings.ToLower(host) + d.port
		if host == "" {
			return errors.New("must have a host")
		}
		return nil
	}
	if len(d.o.Hosts) == 0 && !d.o.InsecureAnyHost {
		return errors.New("has a parameter in its host but no allowed hosts")
	}
	return checkSlots(d.host, d.o.Params)
}

// checkSlots refuses a parameter that the rule cannot fill on every request.
func checkSlots(tokens []pathexp.Token, params []ParamSpec) error {
	for _, t := range tokens {
		spec, ok := findSpec(params, t.Name)
		switch {
		case !t.Param || t.Name == "":
		case t.Repeats() && t.Separator() == "":
			return fmt.Errorf("parameter :%s repeats without a slash or other text before each of its values", t.Name)
		case t.Optional():
		case !ok:
			return fmt.Errorf("parameter :%s is not in the source or its conditions", t.Name)
		case spec.Optional:
			return fmt.Errorf("parameter :%s may be absent from a match: write it with * here, or make it required in the source", t.Name)
		}
	}
	return checkLists(tokens, params)
}

// checkLists refuses a list in a place for one value.
func checkLists(tokens []pathexp.Token, params []ParamSpec) error {
	for _, t := range tokens {
		if spec, ok := findSpec(params, t.Name); t.Param && ok && spec.Repeated && !t.Repeats() {
			return fmt.Errorf("parameter :%s is a list: write :%s*", t.Name, t.Name)
		}
	}
	return nil
}

func findSpec(params []ParamSpec, name string) (ParamSpec, bool) {
	for i := len(params) - 1; i >= 0; i-- {
		if params[i].Name == name {
			return params[i], true
		}
	}
	return ParamSpec{}, false
}

func usesAny(tokens []pathexp.Token, params []ParamSpec) bool {
	for _, t := range tokens {
		if _, ok := findSpec(params, t.Name); ok && t.Param {
			return true
		}
	}
	return false
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
			list, ok := v.([]string)
			if !ok {
				list = []string{v.(string)}
			}
			t.Query.set(name, list)
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

func (d *Destination) expandHost(p Params) (string, error) {
	host := expandTokens(d.host, p, escapeComponent)
	if d.o.InsecureAnyHost {
		return host, nil
	}
	host = strings.ToLower(host)
	for _, allowed := range d.o.Hosts {
		if allowed == host {
			return host, nil
		}
		if tail, ok := strings.CutPrefix(allowed, "*"); ok && strings.HasSuffix(host, tail) {
			if isLabel(strings.TrimSuffix(host, tail)) {
				return host, nil
			}
		}
	}
	return "", ErrHost
}

// isIPv6 says whether host is an address in brackets.
func isIPv6(host string) bool {
	addr, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && strings.HasPrefix(host, "[") && addr.Is6() && addr.Zone() == ""
}

// isLabel says whether s is one label of a host name: letters, digits, hyphens and underscores.
func isLabel(s string) bool {
	for i := range len(s) {
		if !isUnreserved(s[i]) || strings.IndexByte(".~", s[i]) >= 0 {
			return false
		}
	}
	return s != ""
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
