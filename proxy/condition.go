package proxy

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"golang.org/x/net/http/httpguts"

	"github.com/gatehouse-go/gatehouse/internal/invalid"
	"github.com/gatehouse-go/gatehouse/proxy/internal/jsregexp"
)

// A Condition is something that a request has, beside its path: one item of has or missing in next.config.
type Condition struct {
	// Type is "header", "cookie", "query", "host", "method" or "scheme" (next.config knows the first four).
	Type string `json:"type"`
	// Key names the header, cookie or query parameter. Header names match in either case, the others as they are written.
	// It must be empty for the other types.
	Key string `json:"key,omitempty"`
	// Value is a regular expression, with JavaScript's meaning, for the whole value; its named groups become parameters.
	// Empty takes any value that is not empty, and the value becomes a parameter named by the letters of Key.
	// It is required for host, method and scheme.
	//
	// An alternative need not stand in a group: "a|b" takes the values a and b, where Next.js takes what begins with a or
	// ends with b.
	Value string `json:"value,omitempty"`
}

// Conditions are compiled conditions: all that a request must have, and none of those that it must miss.
// They are immutable and safe for concurrent use; nil Conditions hold for every request.
type Conditions struct {
	has, missing []condition
}

// condition is one compiled Condition.
type condition struct {
	kind  string
	key   string
	param string           // the parameter of a condition without a value
	value *jsregexp.Regexp // nil takes any value
	named []string         // the groups of value
	count int              // how many of them have names
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
	for i, item := range list {
		field := fmt.Sprintf("%s[%d]", field, i)
		c := condition{kind: item.Type, key: item.Key}
		switch item.Type {
		case "header":
			c.key = http.CanonicalHeaderKey(item.Key)
			if !httpguts.ValidHeaderFieldName(item.Key) {
				bad.Field(field+".Key", item.Key, "must be the name of a header")
			}
		case "cookie", "query":
			if item.Key == "" {
				bad.Hidden(field+".Key", "must not be empty")
			}
		case "host", "method", "scheme":
			if item.Key != "" {
				bad.Field(field+".Key", item.Key, "must be empty for a condition on "+item.Type)
			}
			if item.Value == "" {
				bad.Hidden(field+".Value", "must not be empty for a condition on "+item.Type)
			}
		default:
			bad.Field(field+".Type", item.Type, "must be header, cookie, query, host, method or scheme")
		}
		if item.Value == "" {
			c.param = lettersOf(item)
		} else if err := c.compileValue(item.Value); err != nil {
			bad.Field(field+".Value", item.Value, "must be a regular expression: "+err.Error())
		}
		out = append(out, c)
	}
	return out
}

// lettersOf returns the parameter that a condition without a value gives: the letters of its key, which are lower-case
// for a header.
func lettersOf(c Condition) string {
	key := c.Key
	if c.Type == "header" {
		key = strings.ToLower(key)
	}
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
			return r
		}
		return -1
	}, key)
}

func (c *condition) compileValue(expr string) error {
	re, err := jsregexp.CompileWhole(expr)
	if err != nil {
		return err
	}
	c.value, c.named = re, re.Names()
	for _, name := range c.named {
		if name != "" {
			c.count++
		}
	}
	return nil
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
	var found Params
	for i := range c.has {
		if !c.has[i].match(r, &found) {
			return false
		}
	}
	for i := range c.missing {
		if c.missing[i].match(r, nil) {
			return false
		}
	}
	if len(found.extra) > 0 {
		ps.extra = slices.Clone(ps.extra) // which copies of ps share
	}
	for _, e := range found.extra {
		ps.put(e)
	}
	return true
}

// match reports whether r has what the condition asks for, and adds what it finds to ps unless that is nil.
func (c *condition) match(r *http.Request, ps *Params) bool {
	value, list := c.read(r)
	if value == "" && len(list) < 2 {
		return false
	}
	if c.value == nil {
		if ps != nil {
			if len(list) < 2 {
				list = nil
			}
			ps.put(param{name: c.param, value: value, values: list})
		}
		return true
	}
	spans := make([]int, 2*len(c.named))
	if !c.value.Match(value, spans) {
		return false
	}
	if ps == nil {
		return true
	}
	for i, name := range c.named {
		if name != "" && spans[2*i] >= 0 {
			ps.put(param{name: name, value: value[spans[2*i]:spans[2*i+1]]})
		}
	}
	if c.kind == "host" && c.count == 0 {
		ps.put(param{name: "host", value: value})
	}
	return true
}

// read returns the value of which the condition speaks, empty where there is none. A query parameter that is there
// several times has a list, whose last value counts.
func (c *condition) read(r *http.Request) (value string, list []string) {
	switch c.kind {
	case "header":
		if c.key == "Host" { // which net/http moves out of Header
			return r.Host, nil
		}
		switch values := r.Header[c.key]; {
		case len(values) == 1:
			return values[0], nil
		case c.key == "Cookie":
			return strings.Join(values, "; "), nil
		default:
			return strings.Join(values, ", "), nil
		}
	case "cookie":
		return cookieValue(r.Header["Cookie"], c.key), nil
	case "query":
		list = queryValues(r.URL.RawQuery, c.key)
		if len(list) == 0 {
			return "", nil
		}
		return list[len(list)-1], list
	case "host":
		return strings.ToLower(hostWithoutPort(r.Host)), nil
	case "method":
		return r.Method, nil
	default:
		if r.TLS != nil {
			return "https", nil
		}
		return "http", nil
	}
}

// hostWithoutPort keeps the brackets of an IPv6 address.
func hostWithoutPort(host string) string {
	if i := strings.LastIndexByte(host, ':'); i >= 0 && !strings.HasSuffix(host, "]") {
		return host[:i]
	}
	return host
}

// Params returns the parameters that a match of the conditions can give.
func (c *Conditions) Params() []ParamSpec {
	if c == nil {
		return nil
	}
	var out []ParamSpec
	for _, item := range c.has {
		if item.value == nil {
			out = append(out, ParamSpec{Name: item.param})
			continue
		}
		always := item.value.Always()
		for i, name := range item.named {
			if name != "" {
				out = append(out, ParamSpec{Name: name, Optional: !always[i]})
			}
		}
		if item.kind == "host" && item.count == 0 {
			out = append(out, ParamSpec{Name: "host"})
		}
	}
	return out
}
