package proxy

import (
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/gatehouse-go/gatehouse/internal/invalid"
)

// A Condition is something that a request has, beside its path: one item of has or missing in next.config.
type Condition struct {
	// Type is "header", "cookie", "query", "host", "method" or "scheme".
	Type string `json:"type"`
	// Key names the header, cookie or query parameter. Header names match in either case, the others as they are written.
	// It must be empty for the other types.
	Key string `json:"key,omitempty"`
	// Value is a regular expression, with JavaScript's meaning, for the whole value; its named groups become parameters.
	// Empty takes any value that is not empty, and the value becomes a parameter named by the letters of Key.
	// It is required for host, method and scheme.
	Value string `json:"value,omitempty"`
}

// Conditions are compiled conditions: all that a request must have, and none of those that it must miss.
// They are immutable and safe for concurrent use; nil Conditions hold for every request.
type Conditions struct {
	has, missing []condition
}

type condition struct {
	kind, key string
	param     string // the name of the parameter for a condition without a value
	re        *regexp.Regexp
}

// CompileConditions checks and compiles what a rule says under has and missing. The error names every mistake.
func CompileConditions(has, missing []Condition) (*Conditions, error) {
	bad := invalid.Config{Package: "proxy"}
	c := &Conditions{has: compileConditions(&bad, "Has", has), missing: compileConditions(&bad, "Missing", missing)}
	if err := bad.Err(); err != nil {
		return nil, err
	}
	return c, nil
}

func compileConditions(bad *invalid.Config, field string, list []Condition) []condition {
	out := make([]condition, 0, len(list))
	for _, item := range list {
		c := condition{kind: item.Type, key: item.Key}
		if item.Type == "header" {
			c.key = http.CanonicalHeaderKey(item.Key)
		}
		for _, r := range item.Key {
			if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
				c.param += string(r)
			}
		}
		if item.Type == "header" {
			c.param = strings.ToLower(c.param)
		}
		if item.Value != "" {
			re, err := regexp.Compile("^(?:" + item.Value + ")$")
			if err != nil {
				bad.Field(field, item.Value, "must be a regular expression: "+err.Error())
				continue
			}
			c.re = re
		}
		out = append(out, c)
	}
	return out
}

// Match reports whether the conditions hold for r, and the parameters they find in it.
func (c *Conditions) Match(r *http.Request) (Params, bool) {
	var ps Params
	ok := c.MatchInto(r, &ps)
	return ps, ok
}

// MatchInto is [Conditions.Match] with the parameters added to ps, where they replace those of the same name.
// When the conditions do not hold, ps is as it was.
func (c *Conditions) MatchInto(r *http.Request, ps *Params) bool {
	if c == nil {
		return true
	}
	found := Params{}
	for i := range c.has {
		if !c.has[i].match(r, &found) {
			return false
		}
	}
	for i := range c.missing {
		if c.missing[i].match(r, &found) {
			return false
		}
	}
	for _, e := range found.extra {
		ps.put(e)
	}
	return true
}

func (c *condition) match(r *http.Request, ps *Params) bool {
	var value string
	switch c.kind {
	case "header":
		value = strings.Join(r.Header[c.key], ", ")
	case "cookie":
		if k, err := r.Cookie(c.key); err == nil {
			value = k.Value
		}
	case "query":
		q, _ := url.ParseQuery(r.URL.RawQuery)
		if list := q[c.key]; len(list) > 0 {
			value = list[len(list)-1]
		}
	case "host":
		value = strings.ToLower(r.Host)
		if h, _, err := net.SplitHostPort(value); err == nil {
			value = h
		}
	case "method":
		value = r.Method
	case "scheme":
		value = "http"
		if r.TLS != nil {
			value = "https"
		}
	}
	if value == "" {
		return false
	}
	if c.re == nil {
		ps.put(param{name: c.param, value: value})
		return true
	}
	m := c.re.FindStringSubmatch(value)
	if m == nil {
		return false
	}
	for i, name := range c.re.SubexpNames() {
		if name != "" {
			ps.put(param{name: name, value: m[i]})
		}
	}
	return true
}

// Params returns the parameters that a match of the conditions can give.
func (c *Conditions) Params() []ParamSpec {
	if c == nil {
		return nil
	}
	var out []ParamSpec
	for _, item := range c.has {
		if item.re == nil {
			out = append(out, ParamSpec{Name: item.param})
			continue
		}
		for _, name := range item.re.SubexpNames() {
			if name != "" {
				out = append(out, ParamSpec{Name: name})
			}
		}
	}
	return out
}
