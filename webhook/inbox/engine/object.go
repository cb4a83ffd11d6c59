package engine

import (
	"encoding/base64"
	"maps"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// An object is a JSON object that is written member by member, of which empty ones are left out. Each event that is accepted has
// one, so it is written without reflection.
type object struct {
	b   []byte
	err error // the first
}

func (o *object) name(name string) {
	if len(o.b) == 0 {
		o.b = append(o.b, '{')
	} else {
		o.b = append(o.b, ',')
	}
	o.text(name)
	o.b = append(o.b, ':')
}

// end returns the object.
func (o *object) end() ([]byte, error) {
	if len(o.b) == 0 {
		o.b = append(o.b, '{')
	}
	return append(o.b, '}'), o.err
}

// text writes a string. What of it is not UTF-8 is written as U+FFFD, as encoding/json does.
func (o *object) text(s string) { o.b, _ = jsontext.AppendQuote(o.b, s) }

// anyText writes a string as [text] reads it.
func (o *object) anyText(s string) {
	if utf8.ValidString(s) {
		o.text(s)
		return
	}
	o.b = append(o.b, `{"base64":"`...)
	o.b = base64.StdEncoding.AppendEncode(o.b, []byte(s))
	o.b = append(o.b, `"}`...)
}

func (o *object) str(name, s string) {
	if s != "" {
		o.name(name)
		o.text(s)
	}
}

func (o *object) flag(name string, set bool) {
	if set {
		o.name(name)
		o.b = append(o.b, "true"...)
	}
}

func (o *object) number(name string, n int) {
	if n != 0 {
		o.name(name)
		o.b = strconv.AppendInt(o.b, int64(n), 10)
	}
}

func (o *object) time(name string, t time.Time) {
	o.name(name)
	o.b = append(o.b, '"')
	var err error
	if o.b, err = t.AppendText(o.b); err != nil && o.err == nil {
		o.err = err
	}
	o.b = append(o.b, '"')
}

func (o *object) list(name string, list []string) {
	if len(list) > 0 {
		o.name(name)
		o.array(list, o.text)
	}
}

// lists writes a header or a query, in the order of the names, with each value as write has it.
func (o *object) lists(name string, lists map[string][]string, write func(string)) {
	if len(lists) == 0 {
		return
	}
	o.name(name)
	o.b = append(o.b, '{')
	for i, key := range slices.Sorted(maps.Keys(lists)) {
		if i > 0 {
			o.b = append(o.b, ',')
		}
		o.text(key)
		o.b = append(o.b, ':')
		o.array(lists[key], write)
	}
	o.b = append(o.b, '}')
}

// array writes null for what is nil, as encoding/json does.
func (o *object) array(list []string, write func(string)) {
	if list == nil {
		o.b = append(o.b, "null"...)
		return
	}
	o.b = append(o.b, '[')
	for i, s := range list {
		if i > 0 {
			o.b = append(o.b, ',')
		}
		write(s)
	}
	o.b = append(o.b, ']')
}
