package proxy

import (
	"slices"
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
	// NoLocale leaves that segment out although there are Locales ("locale": false): the pattern has its own.
	NoLocale bool
	// Excluded are path prefixes that a pattern in ReadingSource never matches, as Next.js keeps redirects off "/_next".
	Excluded []string
	// Strict refuses a trailing slash that the pattern does not have, in ReadingPath.
	Strict bool
	// Prefix matches the beginning of a path up to a delimiter, in ReadingPath.
	Prefix bool
}

// Compile reads pattern by the options. Its errors are *[PatternError].
func (o PatternOptions) Compile(pattern string) (*Pattern, error) {
	if o.Reading == ReadingMatcher && !strings.HasPrefix(pattern, "/") {
		return nil, &PatternError{Pattern: pattern, Rule: "a pattern must begin with a slash"}
	}
	m, err := pathexp.Compile(pattern, o.engine(pattern == "/"))
	if err != nil {
		return nil, newPatternError(pattern, err)
	}
	return newPattern(pattern, m, o.Reading), nil
}

// engine returns the options of the engine for the Reading.
func (o PatternOptions) engine(root bool) pathexp.Options {
	e := pathexp.Options{Delimiters: "/#?", Sensitive: o.Case == CaseSensitive}
	switch o.Reading {
	case ReadingMatcher:
		e.Sensitive = o.Case != CaseInsensitive
		e.Repeatable = true
		e.Before = o.BasePath + `/:nextData(_next/data/[^/]{1,})?`
		e.After = `{(\.json|` + transport + `)}?`
		more := ""
		located := len(o.Locales) > 0 && !o.NoLocale
		if located {
			e.Before += `/:nextInternalLocale((?!_next/)[^/.]{1,})`
		}
		if len(o.Locales) > 0 {
			more = `|\.json|`
		}
		if len(o.Locales) == 0 && !root && !strings.ContainsAny(o.BasePath, `:({*+?\}`) {
			e.Around = &pathexp.Around{Text: o.BasePath, Begins: o.BasePath + "/_next/data/", Ends: []string{".json", ".rsc"}}
		}
		if root {
			e.After = `(` + more + `/?index|/?index\.json|/?index(?:` + transport + `))?`
			e.Omit = located
		}
	case ReadingSource:
		e.Delimiters, e.Slash, e.Excluded = "/", true, slices.Clone(o.Excluded)
	default:
		e.Strict, e.Prefix = o.Strict, o.Prefix
	}
	return e
}

// transport is the ending of the URLs under which Next.js fetches the parts of a page.
const transport = `\.rsc|\.segments/.+\.segment\.rsc`
