package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/gatehouse-go/gatehouse/proxy"
)

// question is a line of input. Which fields it has depends on what it asks.
type question struct {
	// A pattern and a path. Layer says how the pattern is used.
	Layer   string
	Pattern source
	Path    string
	Options struct {
		Strict, Sensitive bool
		End               *bool
	}
	NextConfig struct {
		BasePath string
		I18n     struct{ Locales []string }
	}

	// Conditions and a request (layer "has").
	Has, Missing []proxy.Condition
	Headers      map[string]any
	Query        json.RawMessage // of a request an object, of a destination the text behind the path

	// A destination.
	Kind, Source, Destination, Value string
	Params                           map[string]any
}

// source is a pattern, alone or in an object beside the locale that it does not want.
type source struct {
	Source string
	Locale *bool
}

func (s *source) UnmarshalJSON(b []byte) error {
	if json.Unmarshal(b, &s.Source) == nil {
		return nil
	}
	type plain source
	return json.Unmarshal(b, (*plain)(s))
}

type matched struct {
	Match  bool          `json:"match"`
	Params *proxy.Params `json:"params"`
}

// match answers whether a pattern matches a path, or conditions a request.
func (q *question) match() (any, error) {
	if q.Layer == "has" {
		return q.conditions()
	}
	o := proxy.PatternOptions{}
	switch q.Layer {
	case "proxy", "proxy-server":
		o.BasePath, o.Locales = q.NextConfig.BasePath, q.NextConfig.I18n.Locales
		o.NoLocale = q.Pattern.Locale != nil && !*q.Pattern.Locale
	case "config", "config-sensitive", "config-redirect":
		o.Reading = proxy.ReadingSource
		if q.Layer == "config-sensitive" {
			o.Case = proxy.CaseSensitive
		}
		if q.Layer == "config-redirect" {
			o.Excluded = []string{"/_next"}
		}
	case "p2r":
		o.Reading, o.Strict = proxy.ReadingPath, q.Options.Strict
		o.Prefix = q.Options.End != nil && !*q.Options.End
		if q.Options.Sensitive {
			o.Case = proxy.CaseSensitive
		}
	default:
		return nil, fmt.Errorf("unknown layer %q", q.Layer)
	}
	p, err := o.Compile(q.Pattern.Source)
	if err != nil {
		return nil, err
	}
	params, ok := p.Match(q.Path)
	if !ok && q.Layer == "proxy-server" { // which tries the decoded path as well
		if decoded, err := url.PathUnescape(q.Path); err == nil && utf8.ValidString(decoded) {
			_, ok = p.Match(decoded)
		}
	}
	if !ok || o.Reading == proxy.ReadingMatcher {
		return matched{Match: ok}, nil // the matcher of proxy.ts has no parameters
	}
	return matched{true, &params}, nil
}

// conditions answers whether has and missing hold for a request.
func (q *question) conditions() (any, error) {
	c, err := proxy.CompileConditions(q.Has, q.Missing)
	if err != nil {
		return nil, err
	}
	r := &http.Request{Method: http.MethodGet, Header: http.Header{}, URL: &url.URL{Path: "/"}}
	for name, value := range q.Headers {
		for _, one := range texts(value) {
			if r.Header.Add(name, one); strings.EqualFold(name, "host") {
				r.Host = one
			}
		}
	}
	var query map[string]any
	if err := json.Unmarshal(q.Query, &query); err != nil {
		return nil, err
	}
	values := url.Values{}
	for name, v := range query {
		for _, one := range texts(v) {
			values.Add(name, one)
		}
	}
	r.URL.RawQuery = values.Encode()
	params, ok := c.Match(r)
	if !ok {
		return matched{}, nil
	}
	return matched{true, &params}, nil
}

// texts returns a JSON value, or the values of a list, as texts; null is none.
func texts(v any) []string {
	list, ok := v.([]any)
	if !ok {
		list = []any{v}
	}
	var out []string
	for _, one := range list {
		if one != nil {
			out = append(out, fmt.Sprint(one))
		}
	}
	return out
}

type expanded struct {
	Result string `json:"result"`
}

// expand answers where a rule leads, or what a header's value becomes.
func (q *question) expand() (any, error) {
	if q.Kind == "header-value" {
		params, err := newParams(q.Params)
		if err != nil {
			return nil, err
		}
		t, err := proxy.CompileTemplate(q.Value, specs(params))
		if err != nil {
			return nil, err
		}
		return expanded{t.Expand(params)}, nil
	}
	p, err := proxy.PatternOptions{Reading: proxy.ReadingSource}.Compile(q.Source)
	if err != nil {
		return nil, err
	}
	params, ok := p.Match(q.Path)
	if !ok {
		return nil, errors.New("the source does not match the path")
	}
	d, err := proxy.CompileDestination(q.Destination, proxy.DestinationOptions{
		Params:          specs(params),
		InsecureAnyHost: true, // nothing is sent there
		AppendParams:    q.Kind == "rewrite",
		MergeSlashes:    q.Kind == "redirect",
		Verbatim:        true, // the path of a question is not decoded
	})
	if err != nil {
		return nil, err
	}
	var query string
	if len(q.Query) > 0 {
		if err := json.Unmarshal(q.Query, &query); err != nil {
			return nil, err
		}
	}
	_, query, _ = strings.Cut(q.Path+query, "?")
	target, err := d.Expand(params, query)
	if err != nil {
		return nil, err
	}
	return expanded{readable(target)}, nil
}

// readable writes a target with its query decoded.
func readable(t proxy.Target) string {
	var pairs []string
	for _, q := range t.Query {
		for _, v := range q.Values {
			pairs = append(pairs, q.Name+"="+v)
		}
	}
	s := t.Origin + t.Path
	if len(pairs) > 0 {
		s += "?" + strings.Join(pairs, "&")
	}
	if t.Fragment != "" {
		s += "#" + t.Fragment
	}
	return s
}

// specs says of parameters that they are there, as they are in one request.
func specs(params proxy.Params) []proxy.ParamSpec {
	var out []proxy.ParamSpec
	for name, v := range params.All() {
		_, list := v.([]string)
		out = append(out, proxy.ParamSpec{Name: name, Repeated: list})
	}
	return out
}

// newParams takes parameters as JSON has them.
func newParams(object map[string]any) (proxy.Params, error) {
	values := make(map[string]any)
	for name, v := range object {
		if _, ok := v.([]any); ok {
			v = texts(v)
		}
		values[name] = v
	}
	return proxy.NewParams(values)
}

// marshal writes JSON on one line, with <, > and & as they are.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return b.Bytes(), err
}
