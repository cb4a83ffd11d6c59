package proxy

import (
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
)

// Params are the parameters that a rule found in a request: those of its pattern in the path, then those of its
// conditions. A parameter has one value or, where its pattern repeats it (/:path*), a list of values. A later
// parameter of the same name hides an earlier one.
//
// The zero value has no parameters. Params are immutable and safe for concurrent use; they keep the path alive.
type Params struct {
	path    string
	pattern *Pattern
	spans   [inlineKeys]span // of the pattern's first keys; the zero span is an absent parameter
	extra   []param          // parameters that are not parts of the path, and those of further keys
}

// inlineKeys is how many parameters a match holds without allocating.
const inlineKeys = 6

// key describes one parameter of a pattern.
type key struct {
	name      string
	separator string // between the values of a repeated parameter
	repeated  bool
	optional  bool
	hidden    bool // matched, but no parameter of the rule
}

// span is a part of the path: from begin-1 to end. Zero is no part.
type span struct{ begin, end int32 }

type param struct {
	name   string
	value  string   // of a list, the text in which it stood
	values []string // not nil when the parameter is a list
}

// NewParams returns parameters that are not parts of a path: each value is a string or a []string.
// Another type is an error.
func NewParams(values map[string]any) (Params, error) {
	var ps Params
	for name, v := range values {
		switch v := v.(type) {
		case string:
			ps.extra = append(ps.extra, param{name: name, value: v})
		case []string:
			ps.extra = append(ps.extra, param{name: name, values: append([]string{}, v...)})
		default:
			return Params{}, fmt.Errorf("proxy: parameter %q must be a string or a list of strings, not %T", name, v)
		}
	}
	slices.SortFunc(ps.extra, func(a, b param) int { return strings.Compare(a.name, b.name) })
	return ps, nil
}

// Get returns the value of the parameter, and whether it is there. A list is joined as it was in the path, by "/" where
// it was not in one.
func (p Params) Get(name string) (string, bool) {
	if e, ok := p.find(name); ok {
		if e.values != nil && e.value == "" {
			return strings.Join(e.values, "/"), true
		}
		return e.value, true
	}
	_, text, ok := p.inPath(name)
	return text, ok
}

// Values returns the values of the parameter: a list for one that repeats, one value for one that does not, and nil
// for one that is not there.
func (p Params) Values(name string) []string {
	if e, ok := p.find(name); ok {
		if e.values != nil {
			return slices.Clone(e.values)
		}
		return []string{e.value}
	}
	if k, text, ok := p.inPath(name); ok {
		return k.split(text)
	}
	return nil
}

// All yields each parameter once, in the order of the pattern and then of the conditions: its value is a string, or a
// []string where the parameter repeats.
func (p Params) All() iter.Seq2[string, any] {
	return func(yield func(string, any) bool) {
		for i, k := range p.keys() {
			text, ok := p.text(i)
			if !ok || p.hiddenBy(i) {
				continue
			}
			var v any = text
			if k.repeated {
				v = k.split(text)
			}
			if !yield(k.name, v) {
				return
			}
		}
		for _, e := range p.extra {
			var v any = e.value
			if e.values != nil {
				v = slices.Clone(e.values)
			}
			if !yield(e.name, v) {
				return
			}
		}
	}
}

// MarshalJSON writes an object whose members are strings and, for repeated parameters, arrays of strings.
func (p Params) MarshalJSON() ([]byte, error) {
	return json.Marshal(maps.Collect(p.All()))
}

// keys are those of the pattern whose values are spans.
func (p *Params) keys() []key {
	if p.pattern == nil {
		return nil
	}
	return p.pattern.keys[:min(len(p.pattern.keys), inlineKeys)]
}

// inPath returns the last key of that name that took part in the match, and its text.
func (p *Params) inPath(name string) (*key, string, bool) {
	keys := p.keys()
	for i := len(keys) - 1; i >= 0; i-- {
		if keys[i].name == name {
			if text, ok := p.text(i); ok {
				return &keys[i], text, true
			}
		}
	}
	return nil, "", false
}

// text returns what the i-th key matched.
func (p *Params) text(i int) (string, bool) {
	s := p.spans[i]
	if s.begin == 0 || p.pattern.keys[i].hidden {
		return "", false
	}
	return p.path[s.begin-1 : s.end], true
}

// set notes that the i-th key matched the path from one offset to another; a negative offset is no match.
func (p *Params) set(i, from, to int) {
	k := &p.pattern.keys[i]
	switch {
	case from < 0:
	case i < inlineKeys:
		p.spans[i] = span{int32(from) + 1, int32(to)} //nolint:gosec // no path is 2 GiB long
	case !k.hidden:
		e := param{name: k.name, value: p.path[from:to]}
		if k.repeated {
			e.values = k.split(e.value)
		}
		p.put(e)
	}
}

func (p *Params) find(name string) (param, bool) {
	for _, e := range p.extra {
		if e.name == name {
			return e, true
		}
	}
	return param{}, false
}

// put adds or replaces a parameter that is no part of the path.
func (p *Params) put(e param) {
	for i := range p.extra {
		if p.extra[i].name == e.name {
			p.extra[i] = e
			return
		}
	}
	p.extra = append(p.extra, e)
}

// hiddenBy says whether a later parameter has the name of the i-th key.
func (p *Params) hiddenBy(i int) bool {
	keys := p.keys()
	name := keys[i].name
	if _, ok := p.find(name); ok {
		return true
	}
	for j := i + 1; j < len(keys); j++ {
		if keys[j].name == name {
			if _, ok := p.text(j); ok {
				return true
			}
		}
	}
	return false
}

// split cuts the text of a repeated parameter into its values.
func (k *key) split(text string) []string {
	if !k.repeated {
		return []string{text}
	}
	return strings.Split(text, k.separator)
}
