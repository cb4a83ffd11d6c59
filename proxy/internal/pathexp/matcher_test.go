package pathexp_test

import (
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-go/gatehouse/proxy/internal/pathexp"
)

var plain = pathexp.Options{Delimiters: "/#?"}

func TestCompileRefuses(t *testing.T) {
	for _, row := range []struct {
		name, pattern string
		pos           int
		rule          string
	}{
		{"a colon without a name", "/a/:", 3, "needs a parameter name"},
		{"a colon before another character", "/:-", 1, "needs a parameter name"},
		{"a group that is not closed", "/a(b", 2, "not closed"},
		{"a group that an escape keeps open", `/a(b\)`, 2, "not closed"},
		{"an empty group", "/a()", 2, "empty"},
		{"a group that begins with a question mark", "/(?:a)", 2, "cannot begin with ?"},
		{"a capturing group inside a group", "/(a(b))", 3, "capturing group"},
		{"a named group inside a group", "/(a(?<n>b))", 0, "group with a name"},
		{"a modifier after text", "/a*", 2, "stands after nothing that can repeat"},
		{"a modifier at the beginning", "+", 0, "stands after nothing that can repeat"},
		{"braces that are not closed", "/{a", 3, "the end of the pattern where }"},
		{"braces in braces", "/{a{b}}", 3, `"{" where }`},
		{"a group behind a suffix in braces", "/{a(b)c(d)}", 7, "the group (d) where }"},
		{"a parameter behind a suffix in braces", "/{:a-:b}", 5, "the parameter :b where }"},
		{"braces that were not opened", "/a}", 2, `"}" where text, a parameter or a group`},
		{"two parameters without text between them", "/:a:b", 3, "text between them"},
		{"a parameter behind a group of text", "/{a}:b", 4, "text between them"},
		{"the same in braces", "/:a{:b}", 3, "text between them"},
		{"a repeated parameter with nothing to tell its values apart", "/a:b(c)*", 2, "text before or after each value"},
		{"a regular expression that does not compile", "/:a([z-a])", 6, "out of order"},
		{"at its place in a repeated parameter", "/:a([z-a])*", 6, "out of order"},
		{"a backreference", `/:a(x)/:b(\1)`, 10, "backreference"},
		{"a lookbehind", "/:a(x(?<=y))", 5, "lookbehind"},
		{"a class that reaches out of its group", "/([)/(x])", 0, "not closed in its group"},
		{"a class that ends behind its group", "/([)", 1, "a group is not closed"},
		{"a pattern that is too long", "/" + strings.Repeat("a", 4096), 0, "longer than 4096"},
		{"counts that multiply", "/((?:(?:a{99}){99}){99})", 0, "too large"},
	} {
		_, err := pathexp.Compile(row.pattern, plain)
		var e *pathexp.Error
		if !errors.As(err, &e) {
			t.Errorf("%s: %.40s: got %v", row.name, row.pattern, err)
			continue
		}
		if e.Pos != row.pos || !strings.Contains(e.Error(), row.rule) {
			t.Errorf("%s: %.40s: got %v, want %q at %d", row.name, row.pattern, e, row.rule, row.pos)
		}
	}
}

func TestPositionsCountFromTheGivenPattern(t *testing.T) {
	for _, row := range []struct {
		name, pattern string
		pos           int
	}{
		{"a mistake inside", "/:a:b", 3},
		{"a mistake at the end, which shows only behind it", "/{a", 3},
	} {
		_, err := pathexp.Compile(row.pattern, pathexp.Options{Before: "/:before(x)?", After: "{-:after}?", Delimiters: "/#?"})
		var e *pathexp.Error
		if !errors.As(err, &e) || e.Pos != row.pos {
			t.Errorf("%s: got %v, want it at %d", row.name, err, row.pos)
		}
	}
}

// quick are patterns that have a plan, slow ones that have none.
var (
	quick = []string{
		"/", "", "/about", "/api/:function*", "/blog/:slug", "/:a/:b", "/:a/:b?", "/:a/x/:b+", "/post/:id(\\d+)", "/x/:y([^/]+)", "/about/(.*)", "/:all(.*)", "/x{/:b}?", "/x{/:b}*",
		"/((?!api|_next/static|favicon\\.ico|.*\\.png$).*)", "/:locale/((?!api|static).*)", "/:path((?!another-page$).*)", "/p/:x((?!\\d)[^/]+)", "/a\\:b", "/A/:x", "/@:user", "/-{:a}/b", "/:y([a-z]+)/z", "/:y([a-y]+)z",
		"/:id(\\d+)-x", "/u/:id(\\d+)/:rest*", "/v/:v([à-ü]+)*",
		"/:locale(en|fr|de)/:rest*", "/x/:v(api|ap|a)", "/:v(x(?:y|1)?)-", "/p(post|12)/a", "/:v(12|-)x/b", "/:v(A|b)/:w?",
	}
	slow = []string{
		"/a-:b-:c", "/:file.:ext?", "/:a-:b", "/{x}?", "/:y(a|b)*", "/x/:a?/y", "/:path*/edit", "/caf\u00e9/:x", "/:y(.*)/z", "/:a(.*?)", "/:a([^/]+?)", "/:y([a-z]+)z", "/:x(.*)*", "/:y(\\d+)(.*)",
		"/:x((?!a)[^/]+)*", "/{:a-}*", "/{:a-}?", "/:v(x|y)?", "/:v(x|y-)-z", "/:v(x|)", "/:v(\\w|y)", "/x:y(\\d+)?", "/:a(\\D+)/:b?", "/:a([^.]+)/:b*",
	}
)

func TestQuickWay(t *testing.T) {
	for _, o := range []pathexp.Options{plain, {Delimiters: "/", Slash: true}, {Delimiters: "/#?", Sensitive: true}} {
		for _, p := range quick {
			if m, err := pathexp.Compile(p, o); err != nil || !m.Quick() && p != "/:a(.*?)" {
				t.Errorf("%s has no quick way (%v)", p, err)
			}
		}
		for _, p := range slow {
			m, err := pathexp.Compile(p, o)
			if err != nil {
				t.Errorf("%s: %v", p, err)
			} else if m.Quick() && (!o.Slash || p != "/:a([^/]+?)") {
				t.Errorf("%s has a quick way", p)
			}
		}
	}
	for _, o := range []pathexp.Options{{Delimiters: "/", Prefix: true}, {Delimiters: "/", Excluded: []string{"/x"}}, {Delimiters: "/", Before: "/:a?"}, {Delimiters: "/", Omit: true, Before: "/a"}} {
		if m, err := pathexp.Compile("/b", o); err != nil || m.Quick() {
			t.Errorf("%+v: %v, or a quick way", o, err)
		}
	}
}

// slowOnly makes a matcher of the same pattern without its plan: an exclusion that no path of the test meets takes it away.
func slowOnly(t *testing.T, pattern string, o pathexp.Options) *pathexp.Matcher {
	t.Helper()
	o.Excluded = []string{"\x00"}
	m, err := pathexp.Compile(pattern, o)
	if err != nil || m.Quick() {
		t.Fatalf("%s: %v, or a quick way", pattern, err)
	}
	return m
}

func TestQuickWayAgreesWithSlow(t *testing.T) {
	r := rand.New(rand.NewPCG(6, 3))
	parts := []string{"/", "/", "/", "a", "b", "x", "y", "api", "about", "post", "12", "-", ".", "png", "A", "Post", "é", "日本", "?", "#", "\n", "\u2028", "favicon.ico", "_next/static", "/v/é", "\xff", "@u", "a:b", "u", "z", "en", "EN", "fr", "de", "xy", "x1-", "ap", "blog", "another-page", "p", ".json", ".rsc", "/_next/data/B", "K"}
	around := &pathexp.Around{Begins: "/_next/data/", Ends: []string{".json", ".rsc"}}
	for _, o := range []pathexp.Options{
		plain,
		{Delimiters: "/#?", Sensitive: true},
		{Delimiters: "/", Slash: true},
		{Delimiters: "/#?", Strict: true},
		{Delimiters: "/#?", Around: around, Before: `/:nextData(_next/data/[^/]{1,})?`, After: `{(\.json|\.rsc|\.segments/.+\.segment\.rsc)}?`},
		{Delimiters: "/#?", Around: &pathexp.Around{Text: "/p", Begins: "/p/_next/data/", Ends: around.Ends}, Before: `/p/:nextData(_next/data/[^/]{1,})?`, After: `{(\.json|\.rsc|\.segments/.+\.segment\.rsc)}?`},
	} {
		for _, pattern := range quick {
			m, err := pathexp.Compile(pattern, o)
			if err != nil {
				t.Fatal(err)
			}
			reference := slowOnly(t, pattern, o)
			got, want := make([]int, 2*len(m.Params)), make([]int, 2*len(m.Params))
			for range 1500 {
				var b strings.Builder
				for range r.IntN(7) {
					b.WriteString(parts[r.IntN(len(parts))])
				}
				path := b.String()
				if o.Around != nil && r.IntN(4) > 0 {
					path = o.Around.Text + path
				}
				if r.IntN(2) == 0 {
					path = strings.NewReplacer(":", "", "(", "", ")", "", "*", path, "{", "", "}", "", "?", "", "+", "", `\`, "").Replace(pattern) + path
				}
				a, b2 := m.Match(path, got), reference.Match(path, want)
				if a != b2 || a && !slices.Equal(got, want) {
					t.Fatalf("%+v %s on %q: got %v %v, want %v %v", o, pattern, path, a, got, b2, want)
				}
			}
		}
	}
}

func TestOptions(t *testing.T) {
	for _, row := range []struct {
		name, pattern string
		o             pathexp.Options
		path          string
		want          bool
	}{
		{"a delimiter may stand at the end", "/a", plain, "/a/", true},
		{"any of them", "/a", plain, "/a#", true},
		{"strictly none", "/a", pathexp.Options{Delimiters: "/#?", Strict: true}, "/a/", false},
		{"a slash only", "/a", pathexp.Options{Delimiters: "/", Slash: true}, "/a/", true},
		{"one slash only", "/a", pathexp.Options{Delimiters: "/", Slash: true}, "/a//", false},
		{"a beginning, up to a delimiter", "/a", pathexp.Options{Delimiters: "/#?", Prefix: true}, "/a/b", true},
		{"no beginning of a segment", "/a", pathexp.Options{Delimiters: "/#?", Prefix: true}, "/ab", false},
		{"a beginning that ends with a delimiter itself", "/a/", pathexp.Options{Delimiters: "/#?", Prefix: true}, "/a/b", true},
		{"a parameter as the end of a beginning", "/:a", pathexp.Options{Delimiters: "/#?", Prefix: true}, "/ab/c", true},
		{"strictly", "/a", pathexp.Options{Delimiters: "/#?", Prefix: true, Strict: true}, "/a/b", true},
		{"nothing is a beginning of everything", "", pathexp.Options{Delimiters: "/#?", Prefix: true}, "/a", true},
		{"either case", "/a", plain, "/A", true},
		{"one case", "/a", pathexp.Options{Delimiters: "/", Sensitive: true}, "/A", false},
		{"an excluded beginning", "/:x*", pathexp.Options{Delimiters: "/", Excluded: []string{"/_next", "/.well-known"}}, "/.well-known/x", false},
		{"another beginning", "/:x*", pathexp.Options{Delimiters: "/", Excluded: []string{"/_next", "/.well-known"}}, "/xwell-known/x", true},
		{"a slash for a repeated parameter that has none", "/a:b(c)*", pathexp.Options{Delimiters: "/", Repeatable: true}, "/a/c/c", true},
		{"around stands alone", "/x", pathexp.Options{Delimiters: "/", Before: "/y", Omit: true}, "/y", true},
	} {
		m, err := pathexp.Compile(row.pattern, row.o)
		if err != nil {
			t.Errorf("%s: %v", row.name, err)
			continue
		}
		if got := m.Match(row.path, make([]int, 2*len(m.Params))); got != row.want {
			t.Errorf("%s: %s on %s: got %v", row.name, row.pattern, row.path, got)
		}
	}
}

func TestDeparts(t *testing.T) {
	o := plain
	o.Excluded = []string{"/_next"}
	for _, row := range []struct{ pattern, path, want string }{
		{"/blog/:slug", "/x", `the path has no text "/blog"`},
		{"/blog/:slug", "/blog/", `the path has no parameter slug = [^\/#\?]+? after "/"`},
		{"/blog/:slug", "/blog/a/b", "the path goes on where the pattern has ended"},
		{"/blog/:slug", "/_NEXT/a", `paths that begin with "/_next" are excluded`},
		{"/(a){-}?{/:b-}+", "/b", `the path has no group a after "/"`},
		{"/(a)", "b", `the path has no group a after "/"`},
	} {
		m, err := pathexp.Compile(row.pattern, o)
		if err != nil {
			t.Fatal(err)
		}
		if got := m.Departs(row.path); got != row.want {
			t.Errorf("%s on %s: got %q, want %q", row.pattern, row.path, got, row.want)
		}
	}
}

func TestTokensInWords(t *testing.T) {
	m, err := pathexp.Compile("/a(b){-}?{:c(d)-}+/:e*", plain)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, token := range m.Tokens() {
		got = append(got, token.String())
	}
	want := []string{`text "/a"`, `group b`, `text "-", optional`, `parameter c = d before "-", once or more often`, `parameter e = [^\/#\?]+? after "/", any number of times`}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if m.Sensitive() {
		t.Error("sensitive without being told")
	}
}

func TestParseTemplate(t *testing.T) {
	known := func(name string) bool { return name == "a" || name == "b" }
	for _, row := range []struct{ text, want string }{
		{"plain", `[text "plain"]`},
		{":a", `[parameter a =  after "/"]`},
		{"x/:a*", `[text "x" parameter a =  after "/", any number of times]`},
		{"/:a", `[parameter a =  after "/"]`},
		{"x:c:a+", `[text "x:c" parameter a = , once or more often]`},
		{"https://h/:a?", `[text "https://h" parameter a =  after "/", optional]`},
	} {
		tokens, err := pathexp.ParseTemplate(row.text, known)
		if err != nil {
			t.Errorf("%s: %v", row.text, err)
			continue
		}
		var got []string
		for _, token := range tokens {
			token.Pattern = strings.TrimSpace(token.Pattern)
			got = append(got, describe(token))
		}
		if s := "[" + strings.Join(got, " ") + "]"; s != row.want {
			t.Errorf("%s: got %s, want %s", row.text, s, row.want)
		}
	}
	if _, err := pathexp.ParseTemplate(":a:b", known); err == nil {
		t.Error("two parameters without text between them are taken")
	}
}

// describe is String for a token whose pattern does not matter.
func describe(t pathexp.Token) string {
	if t.Param {
		t.Pattern = " "
	}
	return strings.Replace(t.String(), "=  ", "= ", 1)
}

// The bound is program size times length, for the longest path that a server is likely to take.
func TestStepsAreLinear(t *testing.T) {
	for _, row := range []struct{ pattern, path string }{
		{"/:a-:b-:c-:d", "/" + strings.Repeat("-", 8000) + "/"},
		{"/:a*/:b*/:c*/x", strings.Repeat("/a", 4000)},
		{"/:path*/edit", strings.Repeat("/a", 4000)},
		{"/((?:a*)*)b", "/" + strings.Repeat("a", 8000)},
		{"/((?!(?:a+)+b).*)", "/" + strings.Repeat("a", 8000)},
		{"/(.*)(.*)(.*)(.*)x", "/" + strings.Repeat("a", 8000)},
		{"/{:a-}*/{:b-}*/{:c-}*", "/" + strings.Repeat("a-", 4000) + "/b-c/c-"},
	} {
		m, err := pathexp.Compile(row.pattern, plain)
		if err != nil {
			t.Fatal(err)
		}
		_, long := m.Steps(row.path)
		_, short := m.Steps(row.path[:4001])
		if long > 3*short || long > 400*len(row.path) {
			t.Errorf("%s takes %d steps for 4001 bytes and %d for %d", row.pattern, short, long, len(row.path))
		}
	}
}

func FuzzCompile(f *testing.F) {
	for _, s := range append(append([]string{`/a\`, "/{a", "/:a:b", "/([)/(x])", "/(?<n>x)"}, quick...), slow...) {
		f.Add(s, "/a/b.png", true)
	}
	f.Add("(\xff*)", "\xce", true)
	f.Fuzz(func(t *testing.T, pattern, path string, sensitive bool) {
		m, err := pathexp.Compile(pattern, pathexp.Options{Delimiters: "/#?", Sensitive: sensitive})
		if err != nil {
			var e *pathexp.Error
			if !errors.As(err, &e) || e.Pos < 0 || e.Pos > len(pattern) || e.Rule == "" {
				t.Fatalf("%q: %v", pattern, err)
			}
			return
		}
		got, want := make([]int, 2*len(m.Params)), make([]int, 2*len(m.Params))
		matched := m.Match(path, got)
		if !strings.HasPrefix(path, "\x00") {
			reference, err := pathexp.Compile(pattern, pathexp.Options{Delimiters: "/#?", Sensitive: sensitive, Excluded: []string{"\x00"}})
			if err != nil {
				return // the exclusion made the pattern too large
			}
			if again := reference.Match(path, want); again != matched || matched && !slices.Equal(got, want) {
				t.Fatalf("%q on %q: quick %v %v, slow %v %v", pattern, path, matched, got, again, want)
			}
		}
		m.Departs(path)
	})
}
