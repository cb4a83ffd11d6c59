package console

import (
	"encoding/hex"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A segment is a piece of text with the class in which it is shown.
type segment struct{ Class, Text string }

// A bodyView is a body as a page shows it.
type bodyView struct {
	Kind      string // what it is, for people
	Size      string
	Text      []segment
	Form      []formField
	Withheld  bool // it is not shown, since fields that are hidden cannot be looked for in it
	Truncated bool // there is more than what is shown
}

// A formField is one field of a form body, or of a query.
type formField struct {
	Name string
	Text []segment
}

// maxHex is how much of a body that is not text is shown.
const maxHex = 4 << 10

// maxFields is how many fields of a form are shown.
const maxFields = 1000

// body makes a body ready to be shown. What it is is judged by its bytes first: the header is not signed.
func (c *Console) body(body []byte, header http.Header) bodyView {
	view := bodyView{Size: size(len(body))}
	if len(body) == 0 {
		view.Kind = "empty"
		return view
	}
	if text, full, ok := c.hidden.json(body, c.maxShown); ok {
		view.Kind, view.Text, view.Truncated = "JSON", text, full
		return view
	}
	if kind, _, _ := mime.ParseMediaType(header.Get("Content-Type")); kind == "application/x-www-form-urlencoded" {
		if form, full, ok := c.hidden.form(string(body), c.maxShown); ok {
			view.Kind, view.Form, view.Truncated = "form", form, full
			return view
		}
	}
	shown, binary := body, !isText(body)
	view.Kind = "text"
	if binary {
		view.Kind = "binary"
	}
	if !c.hidden.empty() {
		view.Withheld = true
		return view
	}
	limit := c.maxShown
	if binary {
		limit = min(limit, maxHex)
	}
	if len(shown) > limit {
		shown, view.Truncated = shown[:limit], true
	}
	if binary {
		view.Text = []segment{{Text: hex.Dump(shown)}}
	} else {
		view.Text = []segment{{Text: visibleLines(strings.ToValidUTF8(string(shown), ""))}} // a character may have been cut
	}
	return view
}

// isText reports whether a body can be read: UTF-8 with hardly any control characters.
func isText(body []byte) bool {
	sample := body[:min(len(body), 4<<10)]
	controls := 0
	for len(sample) > 0 {
		c, size := utf8.DecodeRune(sample)
		if c == utf8.RuneError && size == 1 && (len(body) <= 4<<10 || len(sample) >= utf8.UTFMax) {
			return false
		}
		if unicode.IsControl(c) && c != '\n' && c != '\r' && c != '\t' {
			controls++
		}
		sample = sample[size:]
	}
	return controls <= len(body)/100
}

// query makes the parameters of a query ready to be shown, sorted.
func (r *rules) query(q url.Values, limit int) (fields []formField) {
	for _, name := range slices.Sorted(maps.Keys(q)) {
		for _, value := range q[name] {
			text, _ := r.fieldValue(name, value, limit)
			fields = append(fields, formField{visible(short(name, limit)), text})
		}
	}
	return fields
}

// form makes the fields of a form ready to be shown, in their order; ok is false where it is not one. Fields that hold JSON are
// shown as such.
func (r *rules) form(body string, limit int) (fields []formField, truncated, ok bool) {
	for pair := range strings.SplitSeq(body, "&") {
		rawName, rawValue, _ := strings.Cut(pair, "=")
		name, errName := url.QueryUnescape(rawName)
		value, errValue := url.QueryUnescape(rawValue)
		if errName != nil || errValue != nil || !r.empty() && strings.ContainsAny(name, `"<{`) { // other markup, which was called a form
			return nil, false, false
		}
		if limit <= 0 || len(fields) == maxFields {
			return fields, true, true
		}
		if pair == "" {
			continue
		}
		text, full := r.fieldValue(name, value, limit-len(name))
		fields = append(fields, formField{visible(short(name, limit)), text})
		limit -= len(name) + len(rawValue)
		truncated = truncated || full
	}
	return fields, truncated, true
}

func (r *rules) fieldValue(name, value string, limit int) (text []segment, truncated bool) {
	hidden, place := r.stepForm(name)
	if hidden {
		return []segment{{"hidden", hiddenText}}, false
	}
	if trimmed := strings.TrimSpace(value); strings.HasPrefix(trimmed, "{") || strings.HasPrefix(trimmed, "[") {
		if text, full, ok := r.jsonAt([]byte(value), limit, place); ok {
			return text, full
		}
		if !r.empty() {
			return []segment{{"hidden", hiddenText}}, false // JSON that cannot be read cannot be looked through
		}
	}
	cut := short(value, max(limit, 0))
	return []segment{{Text: visibleLines(cut)}}, cut != value
}
