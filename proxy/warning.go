package proxy

import (
	"fmt"
	"strings"

	"github.com/gatehouse-go/gatehouse/proxy/internal/jsregexp"
	"github.com/gatehouse-go/gatehouse/proxy/internal/pathexp"
)

// Warnings returns what the pattern takes or leaves out beyond what its writer is likely to mean. None of it is an error.
func (p *Pattern) Warnings() []string {
	var out []string
	before := ""
	for _, t := range p.matcher.Tokens() {
		if !t.Param {
			before += t.Text
			continue
		}
		out = append(out, groupWarnings(t, before+t.Prefix)...)
		before += t.Prefix + t.Name + t.Suffix
	}
	return out
}

// groupWarnings looks at a parameter's own expression, and at the text before it.
func groupWarnings(t pathexp.Token, before string) []string {
	var out []string
	for _, e := range jsregexp.Exclusions(t.Pattern) {
		switch {
		case e.Anywhere && e.Open:
			out = append(out, fmt.Sprintf("every path that holds %q is left out, and a client can put that anywhere", e.Text))
		case !e.Anywhere && e.Open && e.Text != "":
			out = append(out, fmt.Sprintf("(?!%s) leaves out %s as well: write (?!%s(?:/|$)), or use Except", e.Text, before+e.Text+"x", e.Text))
		}
		if e.Dotted {
			out = append(out, fmt.Sprintf("a bare dot in %q stands for any character: write \\. for a dot", e.Text))
		}
	}
	if t.Pattern == ".*" && t.Modifier == 0 && before != "" && !strings.HasSuffix(before, "/") {
		out = append(out, fmt.Sprintf("%s(.*) takes %s as well: write %s/:path*", before, before+"x", before))
	}
	return out
}
