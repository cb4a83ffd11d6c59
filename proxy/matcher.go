package proxy

import (
	"fmt"
	"net/http"

	"github.com/gatehouse-go/gatehouse/internal/invalid"
)

// A Matcher says for which requests Handle is called.
type Matcher struct {
	// Source is a pattern for the path, in [ReadingMatcher].
	Source string
	// Has and Missing are conditions beside the path.
	Has, Missing []Condition
	// NoBasePath applies the matcher outside of the base path.
	NoBasePath bool
}

// A matcherList is compiled Matchers.
type matcherList struct {
	all   bool // there are none, so each request matches
	rules []rule
	index segmentIndex
}

func (p *Proxy) compileMatchers(config Config, c *invalid.Config) matcherList {
	l := matcherList{all: len(config.Matchers) == 0}
	if config.Handle == nil && !l.all {
		c.Hidden("Handle", "must be set where there are Matchers")
	}
	var sources []string
	for i, m := range config.Matchers {
		field := fmt.Sprintf("Matchers[%d]", i)
		o := PatternOptions{Reading: ReadingMatcher, Case: p.caseRule()}
		if !m.NoBasePath {
			o.BasePath = p.basePath
		}
		pattern, err := o.Compile(m.Source)
		if err != nil {
			c.Field(field+".Source", m.Source, err.Error())
			continue
		}
		conditions, err := CompileConditions(m.Has, m.Missing)
		if err != nil {
			c.Hidden(field, err.Error())
		}
		l.rules = append(l.rules, rule{pattern: pattern, conditions: conditions})
		sources = append(sources, o.BasePath+m.Source)
	}
	l.index = newSegmentIndex(sources, !p.caseSensitive, true)
	return l
}

// match reports whether Handle is to be called for r, and the matcher's source and parameters for it.
func (l *matcherList) match(r *http.Request) (string, Params, bool) {
	if l.all {
		return "", Params{}, true
	}
	for _, i := range l.index.candidates(r.URL.Path) {
		rule := &l.rules[i]
		if params, ok := rule.pattern.matchPath(r.URL.Path); ok && rule.conditions.MatchInto(r, &params) {
			return rule.pattern.String(), params, true
		}
	}
	return "", Params{}, false
}
