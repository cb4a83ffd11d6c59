package security

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// Check returns nil when r comes from no other origin, or may: for a preflight, when the request that it asks for may.
// The error, one of [ErrOrigin], [ErrRequestMethod] and [ErrRequestHeader] with what was asked for, tells an operator why a page's request fails.
func (c *CORS) Check(r *http.Request) error {
	origins := r.Header["Origin"]
	if len(origins) == 0 {
		return nil
	}
	if !c.allows(origins) {
		return &originError{ErrOrigin, strings.Join(origins, ", ")}
	}
	if !isPreflight(r) {
		return nil
	}
	if err := c.checkMethod(r.Header["Access-Control-Request-Method"]); err != nil {
		return err
	}
	return c.checkHeaders(r.Header["Access-Control-Request-Headers"])
}

// originError is a refusal with what was asked for. The text goes to logs, quoted and cut.
type originError struct {
	reason error
	asked  string
}

func (e *originError) Error() string { return fmt.Sprintf("%s: %.100q", e.reason, e.asked) }

func (e *originError) Unwrap() error { return e.reason }

// allows judges the Origin field. More than one is refused: no browser sends it, and readers would disagree on which counts.
func (c *CORS) allows(origins []string) bool {
	if len(origins) != 1 {
		return false
	}
	if c.anyOrigin {
		return true
	}
	if origins[0] == "null" {
		return c.null
	}
	return c.origins.has(origins[0])
}

func (c *CORS) checkMethod(lines []string) error {
	if len(lines) != 1 {
		return &originError{ErrRequestMethod, strings.Join(lines, ", ")}
	}
	switch method := lines[0]; {
	case method == "GET" || method == "HEAD" || method == "POST" || slices.Contains(c.methods, method):
		return nil
	case c.anyMethod && isToken(method):
		return nil
	default:
		return &originError{ErrRequestMethod, method}
	}
}

// checkHeaders judges Access-Control-Request-Headers. A browser names each field once (Fetch standard, "CORS-unsafe
// request-header names"): there can be no more elements than fields allowed, and the rest of a longer list is not looked at.
func (c *CORS) checkHeaders(lines []string) error {
	left := len(c.headers)
	for _, line := range lines {
		if c.anyHeader {
			if strings.Contains(line, authorization) && !c.allowsHeader(authorization) && slices.ContainsFunc(strings.Split(line, ","), isAuthorization) {
				return &originError{ErrRequestHeader, authorization}
			}
			continue
		}
		for more := true; more; {
			var name string
			name, line, more = strings.Cut(line, ",")
			if left--; left < 0 || len(name) > c.longest+2 || !c.allowsHeader(trimOWS(name)) {
				return &originError{ErrRequestHeader, name}
			}
		}
	}
	return nil
}

// authorization is the one field that * does not stand for (Fetch standard, section 3.3.4), as browsers write it.
const authorization = "authorization"

func isAuthorization(element string) bool { return trimOWS(element) == authorization }

func (c *CORS) allowsHeader(name string) bool {
	return slices.ContainsFunc(c.headers, func(allowed string) bool { return strings.EqualFold(allowed, name) })
}

// isPreflight follows the Fetch standard, section 3.3.2 (CORS-preflight request).
func isPreflight(r *http.Request) bool {
	return r.Method == http.MethodOptions && len(r.Header["Origin"]) > 0 && len(r.Header["Access-Control-Request-Method"]) > 0
}

// answerPreflight sets the fields of a CORS-preflight response (Fetch standard, section 3.3.3). They are the same for every request of an origin.
func (c *CORS) answerPreflight(h http.Header, origin string) {
	values := make([]string, 0, 5)
	set := func(name, value string) {
		if value != "" {
			values = append(values, value)
			h[name] = values[len(values)-1 : len(values) : len(values)]
		}
	}
	if c.anyOrigin {
		origin = "*"
	}
	set("Access-Control-Allow-Origin", origin)
	if c.credentials {
		set("Access-Control-Allow-Credentials", "true")
	}
	set("Access-Control-Allow-Methods", c.answer.methods)
	set("Access-Control-Allow-Headers", c.answer.headers)
	set("Access-Control-Max-Age", c.answer.maxAge)
}
