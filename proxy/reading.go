package proxy

import (
	"fmt"
	"strings"

	"github.com/gatehouse-go/gatehouse/proxy/internal/pathexp"
)

// Reading says which of the three ways in which the path-to-regexp language is used a pattern is read by.
type Reading int

const (
	// ReadingMatcher is that of the matcher in Next.js's proxy.ts: case-sensitive, with an optional trailing slash.
	// It also takes the forms under which Next.js serves the data of the same page (/_next/data/<build>/x.json, x.rsc),
	// so that a rule which guards a page guards its data.
	ReadingMatcher Reading = iota
	// ReadingSource is that of the source of redirects, rewrites and headers in next.config: case-insensitive, with an
	// optional trailing slash; a group without a name gives no parameter.
	ReadingSource
	// ReadingPath is plain path-to-regexp 6.3, case-insensitive unless told otherwise.
	ReadingPath
)

// Case says whether letters match in the other case. Only ASCII letters and those that JavaScript folds without its
// Unicode flag do: the Kelvin sign is no k.
type Case int

const (
	// CaseOfReading is the case rule that belongs to the Reading.
	CaseOfReading Case = iota
	// CaseInsensitive takes letters in either case.
	CaseInsensitive
	// CaseSensitive takes letters as they are written.
	CaseSensitive
)

// PatternOptions says how a pattern is read. The zero value is the reading of [Compile].
type PatternOptions struct {
	// Reading is the use of the language that the pattern was written for.
	Reading Reading
	// Case overrides the case rule of the Reading.
	Case Case
	// BasePath is put before the pattern in ReadingMatcher, such as "/docs". Empty means none.
	BasePath string
	// Locales, when not empty, puts one path segment for the locale before the pattern in ReadingMatcher.
	Locales []string
	// Excluded are path prefixes that a pattern in ReadingSource never matches, as Next.js keeps redirects off "/_next".
	Excluded []string
	// Strict refuses a trailing slash that the pattern does not have, in ReadingPath.
	Strict bool
	// Prefix matches the beginning of a path up to a delimiter, in ReadingPath.
	Prefix bool
}

// maxPattern bounds a pattern, as Next.js does, so that compiling one is bounded too.
const maxPattern = 4096

// Compile reads pattern by the options. Its errors are *[PatternError].
func (o PatternOptions) Compile(pattern string) (*Pattern, error) {
	source, shift, build := o.extend(pattern)
	fail := func(err error) (*Pattern, error) { return nil, newPatternError(pattern, shift, err) }
	if len(source) > maxPattern {
		return fail(&pathexp.Error{Pos: 0, Rule: fmt.Sprintf("a pattern is longer than %d bytes", maxPattern)})
	}
	if o.Reading != ReadingPath && !strings.HasPrefix(pattern, "/") {
		return fail(&pathexp.Error{Pos: 0, Rule: "a pattern must begin with a slash"})
	}
	tokens, err := pathexp.Parse(source, build.Delimiters)
	if err != nil {
		return fail(err)
	}
	src, err := pathexp.Build(tokens, build)
	if err != nil {
		return fail(err)
	}
	p, err := newPattern(pattern, src, o)
	if err != nil {
		return fail(err)
	}
	return p, nil
}

// extend returns the pattern as the Reading extends it, how far that moves it, and how to build its expression.
func (o PatternOptions) extend(pattern string) (source string, shift int, build pathexp.Options) {
	switch o.Reading {
	case ReadingMatcher:
		before, body, more := o.BasePath+`/:nextData(_next/data/[^/]{1,})?`, pattern, ""
		if len(o.Locales) > 0 {
			before += `/:nextInternalLocale((?!_next/)[^/.]{1,})`
			more = `|\.json|`
		}
		after := `{(\.json|` + transport + `)}?`
		if pattern == "/" {
			after = `(` + more + `/?index|/?index\.json|/?index(?:` + transport + `))?`
			if len(o.Locales) > 0 {
				body = ""
			}
		}
		return before + body + after, len(before), pathexp.Options{Delimiters: "/#?", Repeatable: true}
	case ReadingSource:
		return pattern, 0, pathexp.Options{Delimiters: "/", Strict: true}
	default:
		return pattern, 0, pathexp.Options{Delimiters: "/#?", Strict: o.Strict, Prefix: o.Prefix}
	}
}

// transport is the ending of the URLs under which Next.js fetches the parts of a page.
const transport = `\.rsc|\.segments/.+\.segment\.rsc`
