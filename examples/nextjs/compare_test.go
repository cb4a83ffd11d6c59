package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// The functions of this file put answers into forms in which what means the same is the same.

// list splits a list field, which may come in several lines (RFC 9110, section 5.3), and sorts it.
func list(lines []string) []string {
	var items []string
	for _, line := range lines {
		for item := range strings.SplitSeq(line, ",") {
			items = append(items, strings.TrimSpace(item))
		}
	}
	slices.Sort(items)
	return items
}

// location resolves the Location against the application's own address, as a client does (RFC 9110, section 10.2.2), and
// decodes its query, in which "a+b", "a%20b", "c" and "c=" are the same to every form reader.
func location(a answered) string {
	raw := a.header.Get("Location")
	if raw == "" {
		return ""
	}
	base, _ := url.Parse("http://localhost:3100/")
	u, err := base.Parse(raw)
	if err != nil {
		return raw
	}
	return fmt.Sprintf("%s://%s@%s %s ?%s #%s", u.Scheme, u.User, u.Host, u.Path+u.Opaque, queryPairs(u.RawQuery), u.Fragment)
}

func queryPairs(raw string) []string {
	var pairs []string
	for pair := range strings.SplitSeq(raw, "&") {
		if pair != "" {
			name, value, _ := strings.Cut(pair, "=")
			pairs = append(pairs, fmt.Sprintf("%q=%q", formDecode(name), formDecode(value)))
		}
	}
	return pairs
}

// cookieList writes each cookie with its attributes in one order and case. A time of expiry that Max-Age says as well is left out:
// it depends on the clock.
func cookieList(a answered) []string {
	var cookies []string
	for _, line := range a.header["Set-Cookie"] {
		parts := strings.Split(line, "; ")
		attributes := parts[1:]
		for i := range attributes {
			attributes[i] = strings.ToLower(attributes[i])
		}
		if strings.Contains(strings.ToLower(line), "; max-age=") {
			attributes = slices.DeleteFunc(attributes, func(s string) bool { return strings.HasPrefix(s, "expires=") })
		}
		slices.Sort(attributes)
		cookies = append(cookies, parts[0]+"; "+strings.Join(attributes, "; "))
	}
	return cookies
}

// jsonOf writes a JSON body with sorted members. Numbers of the clock and of chance have no digits.
func jsonOf(body []byte) string {
	var v any
	if json.Unmarshal(body, &v) != nil {
		return string(body)
	}
	if m, ok := v.(map[string]any); ok {
		for _, volatile := range []string{"built", "at", "r"} {
			if _, ok := m[volatile].(float64); ok {
				m[volatile] = "a number"
			}
		}
		for _, name := range []string{"headers", "h"} {
			// A message without length and coding has no body, as one of length 0 (RFC 9112, section 6.3).
			if fields, ok := m[name].(map[string]any); ok && fields["content-length"] == "0" {
				delete(fields, "content-length")
			}
		}
		if uri, ok := m["u"].(string); ok { // what an upstream was asked for
			path, query, _ := strings.Cut(uri, "?")
			m["u"] = []any{path, queryPairs(query)}
		}
	}
	return marshal(v)
}

func marshal(v any) string {
	out, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(out)
}

// members returns the members of the object below the names, or nil.
func members(body []byte, names ...string) map[string]any {
	var v map[string]any
	if json.Unmarshal(body, &v) != nil {
		return nil
	}
	for _, name := range names {
		v, _ = v[name].(map[string]any)
	}
	return v
}

// is reports whether the answer has the status and steers the client nowhere.
func (a answered) is(status int) string {
	switch {
	case a.status != status:
		return fmt.Sprintf("status is %d, not %d", a.status, status)
	case a.header["Location"] != nil || a.header["Set-Cookie"] != nil:
		return "it has a Location or a cookie"
	case status == http.StatusMethodNotAllowed && a.header["Allow"] == nil:
		return "it has no Allow"
	}
	return ""
}
