package proxy_test

import (
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"testing"

	"github.com/gatehouse-go/gatehouse/proxy"
)

var (
	asMatcher = proxy.PatternOptions{}
	asSource  = proxy.PatternOptions{Reading: proxy.ReadingSource}
	asPath    = proxy.PatternOptions{Reading: proxy.ReadingPath}
	eitherway = proxy.PatternOptions{Case: proxy.CaseInsensitive}
)

// Expectations are those of path-to-regexp 6.3.0 and Next.js 16.4.6.
var matchRows = []struct {
	name, pattern, path string
	options             proxy.PatternOptions
	want                string // the parameters as JSON, or empty for no match
}{
	{"a text matches itself", "/about", "/about", asMatcher, `{}`},
	{"and nothing longer", "/about", "/about/a", asMatcher, ``},
	{"a trailing slash is optional", "/about", "/about/", asMatcher, `{}`},
	{"a second one is not", "/about", "/about//", asMatcher, ``},
	{"a parameter takes one segment", "/blog/:slug", "/blog/a", asMatcher, `{"slug":"a"}`},
	{"and none that is empty", "/blog/:slug", "/blog/", asMatcher, ``},
	{"a parameter takes bytes outside of ASCII", "/blog/:slug", "/blog/日本", asMatcher, `{"slug":"日本"}`},
	{"a repeated parameter is a list", "/api/:function*", "/api/a/b", asMatcher, `{"function":["a","b"]}`},
	{"a list of one is a list", "/api/:function*", "/api/a", asMatcher, `{"function":["a"]}`},
	{"a repeated parameter may be absent", "/api/:function*", "/api", asMatcher, `{}`},
	{"unless it must be there once", "/api/:function+", "/api", asMatcher, ``},
	{"an optional parameter", "/x/:a?", "/x", asMatcher, `{}`},
	{"an optional parameter in the middle", "/x/:a?/y", "/x/y", asMatcher, `{}`},
	{"text between parameters", "/:a-:b", "/x-y", asMatcher, `{"a":"x","b":"y"}`},
	{"which the second one does not hold", "/:a-:b", "/x-y-z", asMatcher, `{"a":"x-y","b":"z"}`},
	{"a group in braces with a modifier", "/a{/x:b}*", "/a/x1/x2", asMatcher, `{"b":["1","2"]}`},
	{"an escaped colon is text", `/a\:b`, "/a:b", asMatcher, `{}`},
	{"a group has an expression of its own", `/post/:id(\d{1,})`, "/post/12", asMatcher, `{"id":"12"}`},
	{"which is anchored", `/post/:id(\d{1,})`, "/post/12a", asMatcher, ``},
	{"a matcher hides groups without a name", "/x/(.*)", "/x/y", asMatcher, `{}`},
	{"plain path-to-regexp numbers them", "/x/(.*)/(a)", "/x/y/a", asPath, `{"0":"y","1":"a"}`},
	{"a later parameter hides an earlier one of its name", "/:a/:a", "/x/y", asPath, `{"a":"y"}`},
	{"many parameters", "/:a/:b/:c/:d/:e/:f/:g/:h/:i/:j?", "/1/2/3/4/5/6/7/8/9", asPath, `{"a":"1","b":"2","c":"3","d":"4","e":"5","f":"6","g":"7","h":"8","i":"9"}`},
	{"the usual exclusion lets other paths through", "/((?!api|_next/static|_next/image|favicon.ico).*)", "/dashboard", asMatcher, `{}`},
	{"and not those it names", "/((?!api|_next/static|_next/image|favicon.ico).*)", "/_next/static/a.js", asMatcher, ``},
	{"nor those that only begin so", "/((?!api|_next/static|_next/image|favicon.ico).*)", "/apix", asMatcher, ``},
	{"a dot in it is any character", "/((?!favicon.ico).*)", "/faviconXico", asMatcher, ``},
	{"a positive lookahead", "/p/:x((?=a)[^/]+)", "/p/ab", asMatcher, `{"x":"ab"}`},
	{"nested lookaheads", "/((?!a(?!b)).*)", "/ab", asMatcher, `{}`},
	{"a matcher takes the data of its page", "/blog/:slug", "/_next/data/build/blog/a.json", asMatcher, `{"slug":"a"}`},
	{"and its parts", "/blog/:slug", "/blog/a.rsc", asMatcher, `{"slug":"a"}`},
	{"and the parts of parts", "/blog/:slug", "/blog/a.segments/x/y.segment.rsc", asMatcher, `{"slug":"a"}`},
	{"the root has other data", "/", "/index.json", asMatcher, `{}`},
	{"and is no other path", "/", "/x", asMatcher, ``},
	{"a base path stands before", "/blog/:slug", "/docs/blog/a", proxy.PatternOptions{BasePath: "/docs"}, `{"slug":"a"}`},
	{"and is required", "/blog/:slug", "/blog/a", proxy.PatternOptions{BasePath: "/docs"}, ``},
	{"data below a base path", "/blog/:slug", "/docs/_next/data/b/blog/a.json", proxy.PatternOptions{BasePath: "/docs"}, `{"slug":"a"}`},
	{"a locale stands before", "/about", "/en/about", proxy.PatternOptions{Locales: []string{"en", "fr"}}, `{}`},
	{"the root of a locale", "/", "/en", proxy.PatternOptions{Locales: []string{"en", "fr"}}, `{}`},
	{"a pattern with a locale of its own", "/nl/about", "/nl/about", proxy.PatternOptions{Locales: []string{"en", "nl"}, NoLocale: true}, `{}`},
	{"the root without a locale beside others", "/", "/.json", proxy.PatternOptions{Locales: []string{"en", "nl"}, NoLocale: true}, `{}`},
	{"a matcher tells letters of the other case apart", "/api/:function*", "/API/a", asMatcher, ``},
	{"unless it is told not to", "/api/:function*", "/API/a", eitherway, `{"function":["a"]}`},
	{"the Kelvin sign is no k", "/k", "/\u212a", eitherway, ``},
	{"a source takes either case", "/old/:slug", "/OLD/a/", asSource, `{"slug":"a"}`},
	{"unless it is told not to", "/old/:slug", "/OLD/a", proxy.PatternOptions{Reading: proxy.ReadingSource, Case: proxy.CaseSensitive}, ``},
	{"a source's parameter ends at a slash only", "/old/:slug", "/old/a?b#c", asSource, `{"slug":"a?b#c"}`},
	{"a source does not take the data of its page", "/old/:slug", "/old/a/b.json", asSource, ``},
	{"a source with excluded beginnings", "/:path*", "/_next/x", proxy.PatternOptions{Reading: proxy.ReadingSource, Excluded: []string{"/_next"}}, ``},
	{"plain path-to-regexp, strictly", "/a", "/a/", proxy.PatternOptions{Reading: proxy.ReadingPath, Strict: true}, ``},
	{"plain path-to-regexp, as a beginning", "/a", "/a/b", proxy.PatternOptions{Reading: proxy.ReadingPath, Prefix: true}, `{}`},
	{"a pattern without a slash is plain path-to-regexp's", "x", "x", asPath, `{}`},
}

func TestMatch(t *testing.T) {
	for _, row := range matchRows {
		p, err := row.options.Compile(row.pattern)
		if err != nil {
			t.Errorf("%s: %v", row.name, err)
			continue
		}
		params, ok := p.Match(row.path)
		got := ""
		if ok {
			b, _ := json.Marshal(params)
			got = string(b)
		}
		if got != row.want {
			t.Errorf("%s: %s on %s: got %s, want %s", row.name, row.pattern, row.path, got, row.want)
		}
		if p.Matches(row.path) != ok {
			t.Errorf("%s: Match and Matches do not agree", row.name)
		}
		if p.String() != row.pattern {
			t.Errorf("%s: String is %s", row.name, p)
		}
	}
}

func TestCompileNamesPatternPositionAndRule(t *testing.T) {
	for _, row := range []struct {
		name, pattern string
		options       proxy.PatternOptions
		pos           int
		rule          string
	}{
		{"no slash at the beginning", "api", asMatcher, 0, "must begin with a slash"},
		{"nothing to repeat", "/api/*", asMatcher, 5, "nothing that can repeat"},
		{"a backreference", `/:a(x)/(\1)`, asMatcher, 8, "backreference"},
		{"a lookbehind", `/:a((?<=x)y)`, asSource, 4, "lookbehind"},
		{"a group left open before what every matcher ends in", "/:a(b", asMatcher, 3, "not closed"},
		{"braces left open likewise", "/{:a", asMatcher, 4, "the end of the pattern"},
		{"a group left open", "/a(b", asPath, 2, "not closed"},
		{"a mistake that a base path stands before", "/:a:b", proxy.PatternOptions{BasePath: "/docs"}, 3, "text between them"},
		{"no values to tell apart", "/{:x}*", asSource, 1, "text before or after each value"},
		{"a pattern that is too long", "/" + strings.Repeat("a", 5000), asSource, 0, "longer than 4096"},
	} {
		_, err := row.options.Compile(row.pattern)
		var e *proxy.PatternError
		if !errors.As(err, &e) {
			t.Errorf("%s: got %v", row.name, err)
			continue
		}
		if e.Pos != row.pos || !strings.Contains(e.Rule, row.rule) || e.Pattern != row.pattern || !strings.Contains(e.Error(), strconv.Quote(row.pattern)) {
			t.Errorf("%s: got %v, want %q at %d", row.name, e, row.rule, row.pos)
		}
	}
}

// Next.js takes away the parameters of groups without a name by their numbers, and with them one that is named by such a number.
func TestParameterNamedByANumberOfAGroup(t *testing.T) {
	p, err := proxy.PatternOptions{Reading: proxy.ReadingSource}.Compile("/:id/(.+)/:0/:1")
	if err != nil {
		t.Fatal(err)
	}
	if specs := p.Params(); len(specs) != 2 || specs[0].Name != "id" || specs[1].Name != "1" {
		t.Errorf("got %v", specs)
	}
}

func TestPatternParams(t *testing.T) {
	p, err := proxy.Compile("/:a/:b?/(x)/:c*")
	if err != nil {
		t.Fatal(err)
	}
	got, _ := json.Marshal(p.Params())
	want := `[{"Name":"a","Repeated":false,"Optional":false},{"Name":"b","Repeated":false,"Optional":true},{"Name":"c","Repeated":true,"Optional":true}]`
	if string(got) != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestMatchDoesNotAllocate(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector makes sync.Pool drop what it holds")
	}
	for _, pattern := range []string{"/api/:function*", "/blog/:slug", "/((?!api|_next/static|.*\\.png$).*)", "/:locale(en|fr)/:path*", "/u/:id(\\d+)-:slug", "/"} {
		p, err := proxy.Compile(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range []string{"/", "/api/users/42", "/blog/hello", "/en/docs", "/u/12-x", "/logo.png"} {
			if n := testing.AllocsPerRun(100, func() { _, _ = p.Match(path) }); n != 0 {
				t.Errorf("%s on %s: %v allocations", pattern, path, n)
			}
		}
	}
}

func FuzzMatch(f *testing.F) {
	for _, row := range matchRows {
		f.Add(row.pattern, row.path, int(row.options.Reading), int(row.options.Case))
	}
	f.Fuzz(func(t *testing.T, pattern, path string, reading, letters int) {
		p, err := proxy.PatternOptions{Reading: proxy.Reading(reading), Case: proxy.Case(letters)}.Compile(pattern)
		if err != nil {
			var e *proxy.PatternError
			if !errors.As(err, &e) || e.Pos < 0 || e.Pos > len(pattern) || e.Rule == "" {
				t.Fatalf("%q: %v", pattern, err)
			}
			return
		}
		params, ok := p.Match(path)
		if ok != p.Matches(path) {
			t.Fatalf("%q on %q: Match and Matches do not agree", pattern, path)
		}
		for name, v := range params.All() {
			whole, there := params.Get(name)
			list, repeated := v.([]string)
			if !there || !strings.Contains(path, whole) || repeated && strings.Join(list, "") == "" && strings.Trim(whole, "/.-") != "" {
				t.Fatalf("%q on %q: parameter %s is %q, %q", pattern, path, name, v, whole)
			}
		}
		_ = p.Explain(path).String()
	})
}
