package jsregexp_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/gatehouse-go/gatehouse/proxy/internal/jsregexp"
)

func TestMatch(t *testing.T) {
	for _, row := range []struct {
		name, expr  string
		insensitive bool
		input       string
		want        string // the groups as JSON, null for one that took no part; empty for no match
	}{
		{"text matches anywhere", "b", false, "abc", `[]`},
		{"an anchored text does not", "^b", false, "abc", ``},
		{"the end is the end of the input, also behind a line break", "a$", false, "a\n", ``},
		{"an empty expression matches", "", false, "abc", `[]`},
		{"a greedy count takes as much as it can", "(a+)(a*)", false, "aaa", `["aaa",""]`},
		{"a lazy count takes as little as it can", "(a+?)(a*)", false, "aaa", `["a","aa"]`},
		{"an alternative is preferred to the next", "(a|ab)(c|bcd)?", false, "abcd", `["a","bcd"]`},
		{"a count between bounds", "^(a{2,3})", false, "aaaa", `["aaa"]`},
		{"a lazy count between bounds", "^(a{2,3}?)", false, "aaaa", `["aa"]`},
		{"a count of none", "^a{0}(b)", false, "b", `["b"]`},
		{"an exact count", "^a{2}$", false, "aaa", ``},
		{"a brace that opens no count is text", "^a{x}$", false, "a{x}", `[]`},
		{"a brace without a number is text", "^a{,2}$", false, "a{,2}", `[]`},
		{"a brace alone is text", "^{a}]$", false, "{a}]", `[]`},
		{"groups are cleared at each turn (ECMA-262, 22.2.2.3.1)", "(z)((a+)?(b+)?(c))*", false, "zaacbbbcac", `["z","ac","a",null,"c"]`},
		{"a turn that consumes nothing is given up", "^(a*)*$", false, "b", ``},
		{"and leaves no capture", "(a*)*", false, "b", `[null]`},
		{"a required turn can consume nothing", "(a*){2,}", false, "b", `[""]`},
		{"a lookahead consumes nothing", "^(?=a)(.)", false, "ab", `["a"]`},
		{"a lookahead keeps its captures", "(?=(a+))a*b", false, "baaabac", `["aaa"]`},
		{"a lookahead is atomic", "^(?=(a+))a{1,2}$", false, "aaa", ``},
		{"a negative lookahead has no captures", "^(?!(b))(a)", false, "ab", `[null,"a"]`},
		{"a lookahead in a lookahead", "^(?!a(?!b))", false, "ab", `[]`},
		{"a lookahead in a repetition", "^(?:(?=(a.))a)*(.)", false, "aab", `["ab","b"]`},
		{"a lookahead that is repeated consumes nothing, so that its turn is given up", "^(?=(a))*a", false, "a", `[null]`},
		{"captures of the lookahead that was passed last", "^(?:(?=(?:x|(a+)))[ax])*$", false, "aax", `[null]`},
		{"a lookahead's captures behind an earlier success", "^(?:(?=.*(x|y)$).)+$", false, "aay", `["y"]`},
		{"nested lookaheads keep their captures", "^(?=(?=(a)).(b))", false, "ab", `["a","b"]`},
		{"and those of the last turn inside", "^(?=(?:(?=(.))[ab])+)", false, "abc", `["b"]`},
		{"a word boundary", `\bb\b`, false, "a b c", `[]`},
		{"no word boundary", `a\Bb`, false, "ab", `[]`},
		{"a word boundary knows ASCII only", `^é\b`, false, "é", ``},
		{"digits are ASCII", `^\d$`, false, "٣", ``},
		{"no digit", `^\D$`, false, "٣", `[]`},
		{"word units are ASCII", `^\w$`, false, "é", ``},
		{"no word unit", `^\W$`, false, "é", `[]`},
		{"space has the byte order mark", `^\s$`, false, "\ufeff", `[]`},
		{"no space", `^\S$`, false, "\u2003", ``},
		{"a dot takes no line separator", "^.$", false, "\u2028", ``},
		{"a dot takes half of a surrogate pair", "^..$", false, "😀", `[]`},
		{"a class", "^[a-cx]+$", false, "abcx", `[]`},
		{"a negated class takes line breaks", "^[^a]$", false, "\n", `[]`},
		{"an empty class matches nothing", "[]", false, "a", ``},
		{"a negated empty class matches anything", "^[^]$", false, "\n", `[]`},
		{"a dash at the end of a class", "^[a-]+$", false, "a-", `[]`},
		{"a dash at the beginning of a class", "^[-a]+$", false, "a-", `[]`},
		{"a dash behind a class is a dash", `^[\w-.]+$`, false, "a-.", `[]`},
		{"an escaped class in a class", `^[^\d\s]+$`, false, "ab", `[]`},
		{"a bracket in a class", `^[\]]$`, false, "]", `[]`},
		{"a backspace in a class", `^[\b]$`, false, "\b", `[]`},
		{"control escapes", `^\t\n\v\f\r\0\cJ\x41\u0042$`, false, "\t\n\v\f\r\x00\nAB", `[]`},
		{"escapes that are none stand for their letter", `^\xg\u12\p\-\k$`, false, "xgu12p-k", `[]`},
		{"a control escape without its letter is a backslash", `^\c1$`, false, `\c1`, `[]`},
		{"in a class it takes a digit", `^[\c1]$`, false, "\x11", `[]`},
		{"in a class without its letter it is a backslash", `^[\c.]+$`, false, `\c.`, `[]`},
		{"octal escapes where there is no such group", `^\101\7\400\8$`, false, "A\x07\x200" + "8", `[]`},
		{"letters of the other case", "^[a-c]É$", true, "Bé", `[]`},
		{"both cases of a range that crosses them", "^[Z-a]+$", true, "zA_", `[]`},
		{"the Kelvin sign is no k", "k", true, "\u212a", ``},
		{"nor is it in a class", "[k]", true, "\u212a", ``},
		{"the long s is no s", "s", true, "\u017f", ``},
		{"a capital sharp s is no sharp s, which has two capitals", "\u00df", true, "\u1e9e", ``},
		{"Greek letters whose capital is two letters fold to themselves", "\u1f80", true, "\u1f88", ``},
		{"the three sigmas are one", "^\u03c3+$", true, "\u03a3\u03c3\u03c2", `[]`},
		{"a class folds as its members do", "^[\u0430-\u044f]+$", true, "\u041f\u043f", `[]`},
		{"a negated class folds too", "^[^\u0430]$", true, "\u0410", ``},
		{"a byte that is no UTF-8 is one unit", "^.$", false, "\xff", `[]`},
		{"named groups are groups", "(?<first>a)(?<x_1>b)", false, "ab", `["a","b"]`},
	} {
		re, err := jsregexp.Compile(row.expr, row.insensitive)
		if err != nil {
			t.Errorf("%s: %v", row.name, err)
			continue
		}
		got := ""
		if list, ok := groups(re, row.input); ok {
			b, _ := json.Marshal(list)
			got = string(b)
		}
		if got != row.want {
			t.Errorf("%s: /%s/ on %q: got %s, want %s", row.name, row.expr, row.input, got, row.want)
		}
	}
}

func TestCompileRefuses(t *testing.T) {
	for _, row := range []struct {
		name, expr string
		pos        int
		rule       string
	}{
		{"a backreference", `(a)\1`, 3, "backreference"},
		{"a backreference to a group behind it", `\1(a)`, 0, "backreference"},
		{"a named backreference", `(?<a>x)\k<a>`, 7, "backreference"},
		{"an escaped k in a class beside named groups", `(?<a>x)[\k]`, 8, "escaped k"},
		{"a lookbehind", `a(?<=b)`, 1, "lookbehind"},
		{"a negative lookbehind", `(?<!b)`, 0, "lookbehind"},
		{"a group that is not closed", `a(b`, 1, "not closed"},
		{"a parenthesis without a group", `a)b`, 1, "no opening"},
		{"a class that is not closed", `a[b`, 1, "not closed"},
		{"a class that is not closed behind a dash", `[b-`, 0, "not closed"},
		{"a range out of order", `[z-a]`, 2, "out of order"},
		{"counts out of order", `a{3,2}`, 1, "out of order"},
		{"a count over the bound", `a{1001}`, 1, "over 1000"},
		{"a count far over the bound", `a{1,99999999999999999999}`, 1, "over 1000"},
		{"a count after nothing", `{1}`, 0, "nothing that can repeat"},
		{"a star after nothing", `a|*`, 2, "nothing that can repeat"},
		{"a quantifier after an anchor", `^*`, 1, "nothing that can repeat"},
		{"a quantifier after a quantifier", `a**`, 2, "nothing that can repeat"},
		{"a quantifier after a word boundary", `\b+`, 2, "nothing that can repeat"},
		{"a backslash at the end", `a\`, 1, "backslash"},
		{"a backslash at the end of a class", `[\`, 1, "backslash"},
		{"a group of an unknown kind", `(?i:a)`, 0, "none of"},
		{"a name that is not closed", `(?<a`, 3, "not closed"},
		{"a name that is empty", `(?<>a)`, 3, "empty"},
		{"a name that is no identifier", `(?<1>a)`, 3, "identifier"},
		{"a name twice", `(?<a>x)(?<a>y)`, 10, "two groups"},
		{"groups that lie too deep", strings.Repeat("(", 300), 200, "deep"},
		{"counts that multiply", `((a{99}){99}){99}`, 0, "too large"},
		{"counts of nothing that multiply", `(?:(?:(?:(?:){999}){999}){999}){999}`, 0, "too large"},
		{"counts of assertions that multiply", `(?:(?:(?:(?:|){999}){999}){999}){0,999}`, 0, "too large"},
		{"a position counts bytes", `é(`, 2, "not closed"},
		{"an error in a lookahead", `(?=[)`, 3, "not closed"},
	} {
		_, err := jsregexp.Compile(row.expr, false)
		e, ok := errors.AsType[*jsregexp.Error](err)
		if !ok {
			t.Errorf("%s: %.30q: got %v", row.name, row.expr, err)
			continue
		}
		if e.Pos != row.pos || !strings.Contains(e.Error(), row.rule) {
			t.Errorf("%s: %.30q: got %v, want %q at %d", row.name, row.expr, e, row.rule, row.pos)
		}
	}
}

// Each pair of instruction and position is entered once, so steps are bounded by their product, whatever the input.
// Backtracking engines take exponential time for most of these.
func TestStepsAreLinear(t *testing.T) {
	const length = 8000
	for _, row := range []struct{ name, expr, input string }{
		{"nested repetition", `^(a*)*$`, strings.Repeat("a", length) + "b"},
		{"nested repetition of required turns", `^(?:a+)+$`, strings.Repeat("a", length) + "b"},
		{"ambiguous alternatives", `^(?:a|a|aa)*$`, strings.Repeat("a", length) + "b"},
		{"nested and lazy", `^(?:(?:a*?)*?)*?$`, strings.Repeat("a", length) + "b"},
		{"a search from every position", `(?:a|b)*c`, strings.Repeat("ab", length/2)},
		{"a lookahead at every position", `^(?:(?!.*x)a)*$`, strings.Repeat("a", length) + "b"},
		{"a lookahead that succeeds at every position", `^(?:(?=.*b)a)*c`, strings.Repeat("a", length) + "b"},
		{"lookaheads in lookaheads", `^(?:(?=(?:(?=.*b)a)*)a)*c`, strings.Repeat("a", length) + "b"},
		{"a lookahead with captures at every position", `^(?:(?=(.*)b)a)*b$`, strings.Repeat("a", length) + "b"},
		{"many dots", `^.*.*.*.*.*.*.*x$`, strings.Repeat("a", length)},
		{"a count of a choice", `^(?:a|ab|b){1,50}$`, strings.Repeat("ab", length/2)},
		{"units outside of ASCII", `^(é*)*$`, strings.Repeat("é", length) + "b"},
	} {
		re, err := jsregexp.Compile(row.expr, false)
		if err != nil {
			t.Fatalf("%s: %v", row.name, err)
		}
		_, steps := re.Steps(row.input)
		if bound := 2 * re.Size() * (length + 2); steps > bound {
			t.Errorf("%s: /%s/ took %d steps, more than %d", row.name, row.expr, steps, bound)
		}
		_, half := re.Steps(row.input[len(row.input)/2:])
		if steps > 2*half+2*re.Size()*4 {
			t.Errorf("%s: /%s/ took %d steps for half of the input and %d for all", row.name, row.expr, half, steps)
		}
	}
}

// Captures inside of lookaheads are found after the match, on the way that is known by then.
func TestCapturesOfLongInput(t *testing.T) {
	re, err := jsregexp.Compile(`^(?:(?=(.*)b)a)*b$`, false)
	if err != nil {
		t.Fatal(err)
	}
	input := strings.Repeat("a", 8000) + "b"
	got, ok := groups(re, input)
	if !ok || got[0] == nil || *got[0] != "a" {
		t.Errorf("got %v, %v", got, ok)
	}
}

func TestCompileWhole(t *testing.T) {
	re, err := jsregexp.CompileWhole("a|b(c)?")
	if err != nil {
		t.Fatal(err)
	}
	for input, want := range map[string]bool{"a": true, "b": true, "bc": true, "ax": false, "xb": false, "": false} {
		if got := re.Match(input, nil); got != want {
			t.Errorf("%q: got %v", input, got)
		}
	}
	for _, expr := range []string{"a)(?:b", "((a{99}){99}){99}"} {
		if _, err := jsregexp.CompileWhole(expr); err == nil {
			t.Errorf("%s compiles", expr)
		}
	}
}

func TestNames(t *testing.T) {
	re, err := jsregexp.Compile(`(?<a>x)(y)?(?=(?<c>z))(?:(v)|w)(?!(u))(?:(s)+)`, false)
	if err != nil {
		t.Fatal(err)
	}
	names, _ := json.Marshal(re.Names())
	always, _ := json.Marshal(re.Always())
	if string(names) != `["a","","c","","",""]` || string(always) != `[true,false,true,false,false,true]` {
		t.Errorf("got %s, %s", names, always)
	}
}

func TestMatchDoesNotAllocate(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector makes sync.Pool drop what it holds")
	}
	re, err := jsregexp.Compile(`^\/((?!api|.*\.png$).*)$`, true)
	if err != nil {
		t.Fatal(err)
	}
	spans := make([]int, 2)
	for _, input := range []string{"/dashboard/settings", "/api/x", "/日本/語", "x"} {
		if n := testing.AllocsPerRun(100, func() { re.Match(input, spans) }); n != 0 {
			t.Errorf("%s: %v allocations", input, n)
		}
	}
}

func FuzzCompile(f *testing.F) {
	for _, s := range []string{`^(a*)*$`, `(?=(a+))a*b`, `[\w-.]`, `a{2,3}?`, `(?<n>x)\k<n>`, `\c1\x4`, `(?!a|b$)[^/]+`, `[z-a]`, `((a{9}){9}){9}`, "é😀"} {
		f.Add(s, "aab/é", true)
	}
	f.Fuzz(func(t *testing.T, expr, input string, insensitive bool) {
		re, err := jsregexp.Compile(expr, insensitive)
		if err != nil {
			if e, ok := errors.AsType[*jsregexp.Error](err); !ok || e.Pos < 0 || e.Pos > len(expr) || e.Rule == "" {
				t.Fatalf("%q: %v", expr, err)
			}
			return
		}
		spans := make([]int, 2*len(re.Names()))
		matched := re.Match(input, spans)
		again, steps := re.Steps(input)
		if matched != again || steps > 2*re.Size()*(len(input)+2) {
			t.Fatalf("/%s/ on %q: %v, then %v in %d steps", expr, input, matched, again, steps)
		}
		for i := 0; matched && i < len(spans); i += 2 {
			if from, to := spans[i], spans[i+1]; (from < 0) != (to < 0) || from > to || to > len(input) {
				t.Fatalf("/%s/ on %q: spans %v", expr, input, spans)
			}
		}
	})
}
