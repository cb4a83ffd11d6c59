package proxy

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/gatehouse-go/gatehouse/internal/invalid"
)

// maxRuleFile bounds a JSON document of rules.
const maxRuleFile = 4 << 20

// LoadRules reads rules from a JSON document in the shape of what next.config's functions return, at most 4 MiB long:
//
//	{
//	  "redirects": [{"source": "/old/:slug", "destination": "/new/:slug", "permanent": true}],
//	  "rewrites":  {"beforeFiles": [], "afterFiles": [], "fallback": []},
//	  "headers":   [{"source": "/:path*", "headers": [{"key": "X-Frame-Options", "value": "DENY"}]}]
//	}
//
// As in Next.js, "rewrites" may be an array, which is that of afterFiles; a redirect must say "permanent" or "statusCode";
// has and missing know header, cookie, query and host, here also method and scheme. A field that is not known is refused,
// since a misspelt "missing" would open what it is to close, and "locale" and "basePath" can only be false.
//
// The error names every rule that is wrong. What only a Proxy knows, such as its upstreams, is checked by [New] and [Proxy.SetRules].
func LoadRules(r io.Reader) (Rules, error) {
	doc, err := io.ReadAll(io.LimitReader(r, maxRuleFile+1))
	switch {
	case err != nil:
		return Rules{}, fmt.Errorf("proxy: rules: %w", err)
	case len(doc) > maxRuleFile:
		return Rules{}, fmt.Errorf("proxy: rules are longer than %d bytes", maxRuleFile)
	}
	var file ruleFile
	if bytes.Equal(bytes.TrimSpace(doc), []byte("null")) {
		return Rules{}, errors.New("proxy: rules: null is no document of rules")
	}
	if err := decodeStrict(doc, &file); err != nil {
		return Rules{}, fmt.Errorf("proxy: rules: %w", err)
	}
	return file.rules()
}

// ruleFile is the document as it is written.
type ruleFile struct {
	Redirects []fileRule   `json:"redirects"`
	Rewrites  fileRewrites `json:"rewrites"`
	Headers   []fileRule   `json:"headers"`
}

// fileRewrites is an array of rules or an object of three.
type fileRewrites struct {
	Before   []fileRule `json:"beforeFiles"`
	After    []fileRule `json:"afterFiles"`
	Fallback []fileRule `json:"fallback"`
}

func (f *fileRewrites) UnmarshalJSON(b []byte) error {
	if bytes.HasPrefix(bytes.TrimSpace(b), []byte("[")) {
		return decodeStrict(b, &f.After)
	}
	type object fileRewrites
	return decodeStrict(b, (*object)(f))
}

// fileRule is any rule, with each of the fields that one can have, to tell those that are missing from those that are zero.
type fileRule struct {
	Source      string        `json:"source"`
	Destination *string       `json:"destination"`
	Permanent   *bool         `json:"permanent"`
	Status      *int          `json:"statusCode"`
	BasePath    *bool         `json:"basePath"`
	Locale      *bool         `json:"locale"`
	Upgrade     *bool         `json:"upgrade"`
	Headers     *[]fileHeader `json:"headers"`
	Has         []Condition   `json:"has"`
	Missing     []Condition   `json:"missing"`
}

type fileHeader struct {
	Key   *string `json:"key"`
	Value *string `json:"value"`
}

// decodeStrict decodes one JSON value. It refuses members that are not known, are written in another case or come twice,
// and text that is not UTF-8.
func decodeStrict(doc []byte, v any) error {
	return json.Unmarshal(doc, v, json.RejectUnknownMembers(true))
}

func (f *ruleFile) rules() (Rules, error) {
	bad := &invalid.Config{Package: "proxy"}
	var out Rules
	for i, r := range f.Redirects {
		field := fmt.Sprintf("redirects[%d]", i)
		r.check(bad, field, "redirect")
		rule := RedirectRule{Source: r.Source, Has: r.Has, Missing: r.Missing, NoBasePath: r.BasePath != nil}
		if r.Destination != nil {
			rule.Destination = *r.Destination
		}
		if rule.Permanent = r.Permanent != nil && *r.Permanent; r.Status != nil {
			rule.Status = *r.Status
		}
		out.Redirects = append(out.Redirects, rule)
	}
	for _, list := range []struct {
		name string
		from []fileRule
		to   *[]RewriteRule
	}{
		{"beforeFiles", f.Rewrites.Before, &out.Rewrites.Before},
		{"afterFiles", f.Rewrites.After, &out.Rewrites.After},
		{"fallback", f.Rewrites.Fallback, &out.Rewrites.Fallback},
	} {
		for i, r := range list.from {
			r.check(bad, fmt.Sprintf("rewrites.%s[%d]", list.name, i), "rewrite")
			rule := RewriteRule{Source: r.Source, Has: r.Has, Missing: r.Missing, NoBasePath: r.BasePath != nil, Upgrade: r.Upgrade != nil && *r.Upgrade}
			if r.Destination != nil {
				rule.Destination = *r.Destination
			}
			*list.to = append(*list.to, rule)
		}
	}
	for i, r := range f.Headers {
		r.check(bad, fmt.Sprintf("headers[%d]", i), "header")
		rule := HeaderRule{Source: r.Source, Has: r.Has, Missing: r.Missing, NoBasePath: r.BasePath != nil}
		if r.Headers != nil {
			for _, h := range *r.Headers {
				rule.Headers = append(rule.Headers, h.field())
			}
		}
		out.Headers = append(out.Headers, rule)
	}
	if err := bad.Err(); err != nil {
		return Rules{}, err
	}
	return out, nil
}

func (h fileHeader) field() (f HeaderField) {
	if h.Key != nil {
		f.Key = *h.Key
	}
	if h.Value != nil {
		f.Value = *h.Value
	}
	return f
}

// check notes what is wrong with a rule of a kind by itself: fields of another kind, fields that are missing, and
// patterns, conditions and destinations that do not compile.
func (r *fileRule) check(bad *invalid.Config, field, kind string) {
	foreign := func(name string, set bool) {
		if set {
			bad.Hidden(field+"."+name, "is no field of a "+kind+" rule")
		}
	}
	foreign("permanent", r.Permanent != nil && kind != "redirect")
	foreign("statusCode", r.Status != nil && kind != "redirect")
	foreign("upgrade", r.Upgrade != nil && kind != "rewrite")
	foreign("headers", r.Headers != nil && kind != "header")
	foreign("destination", r.Destination != nil && kind == "header")
	if r.BasePath != nil && *r.BasePath {
		bad.Field(field+".basePath", true, "must be false or left out")
	}
	if r.Locale != nil && *r.Locale {
		bad.Field(field+".locale", true, "must be false or left out")
	}
	if !strings.HasPrefix(r.Source, "/") {
		bad.Field(field+".source", r.Source, "must begin with a slash")
	}
	pattern, err := PatternOptions{Reading: ReadingSource}.Compile(r.Source)
	if err != nil {
		bad.Field(field+".source", r.Source, err.Error())
	}
	conditions, err := CompileConditions(r.Has, r.Missing)
	if err != nil {
		bad.Hidden(field, "has conditions that do not compile: "+err.Error())
	}
	switch {
	case kind == "header":
		if r.Headers == nil || len(*r.Headers) == 0 {
			bad.Hidden(field+".headers", "must not be empty")
			break
		}
		for i, h := range *r.Headers {
			field := fmt.Sprintf("%s.headers[%d]", field, i)
			if h.Key == nil || h.Value == nil {
				bad.Hidden(field, "must have a key and a value")
			} else if pattern != nil {
				compileHeader(bad, field+".key", field+".value", h.field(), append(pattern.Params(), conditions.Params()...))
			}
		}
	case r.Destination == nil || *r.Destination == "":
		bad.Hidden(field+".destination", "must not be empty")
	case pattern != nil:
		o := DestinationOptions{Params: append(pattern.Params(), conditions.Params()...), InsecureAnyHost: true} // New knows the hosts
		if _, err := CompileDestination(*r.Destination, o); err != nil {
			bad.Field(field+".destination", *r.Destination, err.Error())
		}
	}
	if kind != "redirect" {
		return
	}
	if r.Permanent == nil && r.Status == nil {
		bad.Hidden(field+".permanent", "must be true or false where there is no statusCode")
	}
	if r.Status != nil {
		switch *r.Status {
		case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		default:
			bad.Field(field+".statusCode", *r.Status, "must be 301, 302, 303, 307 or 308")
		}
	}
}
