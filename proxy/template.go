package proxy

import (
	"fmt"
	"strings"

	"github.com/gatehouse-go/gatehouse/proxy/internal/pathexp"
)

// A Template is text with parameters, such as the value of a header. It is immutable and safe for concurrent use.
type Template struct {
	text   string
	tokens []pathexp.Token
	slash  bool // the first parameter was read as if behind a slash, which is not part of the text
}

// CompileTemplate reads text in which :name stands for one of the parameters, with a modifier where it repeats or may
// be absent (:path*, :id?). Any other colon is text, and so is a parameter that a request lacks.
//
// It refuses a list in a place for one value, and two parameters without text between them.
func CompileTemplate(text string, params []ParamSpec) (*Template, error) {
	tokens, err := pathexp.ParseTemplate(text, func(name string) bool {
		_, ok := findSpec(params, name)
		return ok
	})
	if err == nil {
		err = checkLists(tokens, params)
	}
	if err != nil {
		return nil, fmt.Errorf("proxy: template %q: %w", text, err)
	}
	return &Template{text: text, tokens: tokens, slash: strings.HasPrefix(text, ":") && len(tokens) > 0 && tokens[0].Param}, nil
}

// String returns the text as it was given.
func (t *Template) String() string { return t.text }

// Expand returns the text with the parameters p in it.
func (t *Template) Expand(p Params) string {
	var b strings.Builder
	for i, token := range t.tokens {
		if !token.Param {
			b.WriteString(token.Text)
			continue
		}
		values := p.Values(token.Name)
		if values == nil {
			if i > 0 || !t.slash {
				b.WriteString(token.Prefix)
			}
			b.WriteString(":" + token.Name)
			if token.Modifier != 0 {
				b.WriteByte(token.Modifier)
			}
			continue
		}
		if len(values) > 1 && !token.Repeats() {
			values = values[len(values)-1:]
		}
		for k, v := range values {
			if i > 0 || k > 0 || !t.slash {
				b.WriteString(token.Prefix)
			}
			b.WriteString(v)
		}
	}
	return b.String()
}
