package proxy

import (
	"cmp"
	"net/url"
	"slices"
	"strconv"
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
	var at map[string]int // where each name is, once there are many: a client can send thousands
	for raw != "" {
		var pair string
		pair, raw, _ = strings.Cut(raw, "&")
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		name, value = unescapeQuery(name), unescapeQuery(value)
		i, there := at[name]
		if at == nil {
			i = q.index(name)
			there = i >= 0
		}
		if there {
			q[i].Values = append(q[i].Values, value)
			continue
		}
		q = append(q, QueryParam{Name: name, Values: []string{value}})
		switch {
		case at != nil:
			at[name] = len(q) - 1
		case len(q) == manyNames:
			at = make(map[string]int)
			for i := range q {
				at[q[i].Name] = i
			}
		}
	}
	return q
}

// manyNames is from how many names on a map finds them sooner.
const manyNames = 16

// unescapeQuery decodes a name or value of a query. What is no valid escape stands for itself.
func unescapeQuery(s string) string {
	if strings.IndexByte(s, '%') < 0 && strings.IndexByte(s, '+') < 0 {
		return s
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '+':
			out = append(out, ' ')
		case c == '%' && i+2 < len(s) && isHex(s[i+1]) && isHex(s[i+2]):
			out = append(out, fromHex(s[i+1])<<4|fromHex(s[i+2]))
			i += 2
		default:
			out = append(out, c)
		}
	}
	return string(out)
}

func isHex(c byte) bool { return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'f' }

func fromHex(c byte) byte {
	if c <= '9' {
		return c - '0'
	}
	return c | 0x20 - 'a' + 10
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

// indexesFirst moves names that are array indexes to the front, in order, where a JavaScript object has them.
func (q Query) indexesFirst() {
	slices.SortStableFunc(q, func(a, b QueryParam) int {
		i, iok := arrayIndex(a.Name)
		k, kok := arrayIndex(b.Name)
		switch {
		case iok && kok:
			return cmp.Compare(i, k)
		case iok:
			return -1
		case kok:
			return 1
		}
		return 0
	})
}

// arrayIndex reads a decimal number below 2^32-1 without a leading zero.
func arrayIndex(name string) (uint64, bool) {
	n, err := strconv.ParseUint(name, 10, 32)
	return n, err == nil && n < 1<<32-1 && strconv.FormatUint(n, 10) == name
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

// queryValues returns the decoded values of one parameter of a raw query.
func queryValues(raw, name string) []string {
	var values []string
	for raw != "" {
		var pair string
		pair, raw, _ = strings.Cut(raw, "&")
		if k, v, _ := strings.Cut(pair, "="); pair != "" && unescapeQuery(k) == name {
			values = append(values, unescapeQuery(v))
		}
	}
	return values
}
