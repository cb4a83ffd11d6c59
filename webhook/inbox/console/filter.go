package console

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/gatehouse-go/gatehouse/webhook/inbox"
)

// maxFilter bounds the text of one field of a filter.
const maxFilter = 512

// filterOf reads a filter as the forms and links of the console write it.
func filterOf(q url.Values) (f inbox.Filter, err error) {
	text := func(name string) string {
		s := q.Get(name)
		if len(s) > maxFilter {
			err = &mistake{"The filter’s " + name + " is too long."}
		}
		return s
	}
	f.Provider, f.Type, f.Status = text("provider"), text("type"), inbox.Status(text("status"))
	id := strings.TrimRightFunc(strings.TrimSpace(text("id")), func(c rune) bool { return c == '*' || unicode.IsSpace(c) })
	if id != "" {
		f.EventID = id + "*"
	}
	if f.Status != "" && !slices.Contains(inbox.Statuses(), f.Status) {
		err = &mistake{"There is no such status."}
	}
	for name, to := range map[string]*time.Time{"from": &f.From, "to": &f.To} {
		if s := text(name); s != "" {
			t, ok := timeOf(s)
			if !ok {
				err = &mistake{"The filter’s " + name + " is not a time such as 2026-01-31T23:59."}
			}
			*to = t
		}
	}
	if s := q.Get("before"); s != "" {
		n, bad := strconv.ParseInt(s, 10, 64)
		if bad != nil || n < 1 {
			err = &mistake{"The filter’s page is none."}
		}
		f.Before = n
	}
	return f, err
}

// layouts are the times that browsers send from a datetime-local field, taken as UTC, and those of links.
var layouts = []string{"2006-01-02T15:04", "2006-01-02T15:04:05", time.RFC3339, "2006-01-02"}

func timeOf(s string) (time.Time, bool) {
	for _, layout := range layouts {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), t.Year() > 1970 && t.Year() < 10000
		}
	}
	return time.Time{}, false
}

// queryOf is the query that filterOf reads as f, in the order of its names.
func queryOf(f inbox.Filter) string {
	q := url.Values{}
	for _, field := range fieldsOf(f) {
		q.Set(field.Name, field.Value)
	}
	return q.Encode()
}

// A field is one name with a value.
type field struct{ Name, Value string }

// fieldsOf are the fields of f that select something.
func fieldsOf(f inbox.Filter) []field {
	var fields []field
	add := func(name, value string) {
		if value != "" {
			fields = append(fields, field{name, value})
		}
	}
	add("provider", f.Provider)
	add("type", f.Type)
	add("status", string(f.Status))
	add("id", strings.TrimSuffix(f.EventID, "*"))
	add("from", stamp(f.From))
	add("to", stamp(f.To))
	if f.Before > 0 {
		add("before", strconv.FormatInt(f.Before, 10))
	}
	return fields
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05.999")
}

// link is a relative link below the console's root with a filter.
func link(path string, f inbox.Filter) string {
	if q := queryOf(f); q != "" {
		return path + "?" + q
	}
	return path
}
