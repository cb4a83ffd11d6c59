package proxy

import (
	"net/url"
	"strings"
)

// Query is a list of decoded query parameters, each name once, in the order in which they appear.
type Query []QueryParam

// A QueryParam is a query parameter and its values.
type QueryParam struct {
	Name   string
	Values []string
}

// parseQuery reads a raw query leniently: what is no valid escape stands for itself, and no pair is dropped but an empty one.
func parseQuery(raw string) Query {
	var q Query
	for raw != "" {
		var pair string
		pair, raw, _ = strings.Cut(raw, "&")
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		name, value = unescapeQuery(name), unescapeQuery(value)
		if i := q.index(name); i >= 0 {
			q[i].Values = append(q[i].Values, value)
		} else {
			q = append(q, QueryParam{Name: name, Values: []string{value}})
		}
	}
	return q
}

func unescapeQuery(s string) string {
	if u, err := url.QueryUnescape(s); err == nil {
		return u
	}
	return s
}

// index returns where the parameter stands, or -1.
func (q Query) index(name string) int {
	for i := range q {
		if q[i].Name == name {
			return i
		}
	}
	return -1
}

// set gives the parameter these values, in its place where it is there already.
func (q *Query) set(name string, values []string) {
	if i := q.index(name); i >= 0 {
		(*q)[i].Values = values
		return
	}
	*q = append(*q, QueryParam{Name: name, Values: values})
}

// Encode returns the query in its escaped form, without a question mark.
func (q Query) Encode() string {
	var b strings.Builder
	for _, p := range q {
		for _, v := range p.Values {
			if b.Len() > 0 {
				b.WriteByte('&')
			}
			b.WriteString(url.QueryEscape(p.Name))
			b.WriteByte('=')
			b.WriteString(url.QueryEscape(v))
		}
	}
	return b.String()
}
