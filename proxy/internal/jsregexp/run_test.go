package jsregexp_test

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/gatehouse-go/gatehouse/proxy/internal/jsregexp"
)

// matchRun takes a run at the beginning of text, as a caller does, and says whether it takes all of it.
func matchRun(r *jsregexp.Run, text string) (matched, decided bool) {
	if r.Guarded() {
		if excluded, decided := r.Excludes(text); excluded || !decided {
			return false, decided
		}
	}
	for i := range len(text) {
		switch r.Bytes[text[i]] {
		case jsregexp.Out:
			return false, true
		case jsregexp.Unsure:
			return false, false
		}
	}
	return text != "" || r.Empty, true
}

// runs are expressions that are runs, as long as they have not two stretches of any text in one exclusion.
var runs = []string{
	`.*`, `.+`, `[^/]+?`, `\d{1,}`, `\w*`, `[a-z]+`, `[^é]+`, `[é-ü]+`, `[^\d]*?`, `[^]+`, `[k]+`, `[\u0800-\uffff]+`, `[\ud800-\udfff]+`, `[\ufffd]*`, `[^\ufffd]*`,
	`(?!api).*`, `(?!api|_next/static|favicon\.ico|.*\.png$).*`, `(?!a$|b$)[^/]+`, `(?!_next|.*\..*).*`,
	`(?!_next|[^?]*\.(?:html?|css|js(?!on)|jpe?g|woff2?)).*`, `(?!a(?!p)).*`, `(?!(?:a|b){1,2}x).*`, `(?!.*/b).*`, `(?!.*a.+).*`,
	`(?!)a*`, `(?!|a).*`, `(?!a)(?!b).*`, `(?!.*).*`, `(?!.+).*`, `(?!a+).*`, `(?!.{2}).*`, `(?!(x)y).*`, `(?![^/]*/b$).+`, `(?!a*b).*`, `(?!a$|.*\.(?:png|jpg)$).+`,
	`(?!a(?!b$)).*`, `(?!ab(?!c)|.*x(?!y)).*`,
}

// A run is a quicker reading of the same expression: it never says anything else than the machine.
func TestRunAgreesWithMachine(t *testing.T) {
	w := &writer{rand.New(rand.NewPCG(6, 3))}
	for _, expr := range runs {
		for _, insensitive := range []bool{false, true} {
			r := jsregexp.NewRun(expr, insensitive)
			re, err := jsregexp.Compile("^(?:"+expr+")$", insensitive)
			if err != nil {
				t.Fatal(err)
			}
			if r == nil {
				t.Errorf("%s is no run", expr)
				continue
			}
			decided := 0
			for range 3000 {
				input := w.input() + w.pick("", "", "api", "a.png", "/b", ".css", ".json", "_next", ".jpg", "\xff", "\xce", "é\xc3", "\u2028", "\ufffd", "\U0001F600")
				got, sure := matchRun(r, input)
				if !sure {
					continue
				}
				decided++
				if want := re.Match(input, nil); got != want {
					t.Errorf("%s on %q: got %v, want %v", expr, input, got, want)
					break
				}
			}
			if decided < 100 {
				t.Errorf("%s: only %d of 3000 inputs decided", expr, decided)
			}
		}
	}
}

func TestExpressionsThatAreNoRun(t *testing.T) {
	for _, expr := range []string{
		"", "a+b", "(?:a|b)+", "(", "a|", "a|(b)", "a|.", "a|b$", "a|b.*", "a|b(?!c)", "[ab]", "(?=a).*", "a{2,}", "(?!a)", "(?!a)b", "(?!(?=a)b).*", `(?!\bx).*`, "(?!(?:a|b|c|d){1,9}).*", "(?!a{0,70}).*", "(?!(?:ab)*).*", "(?!a{2,}).*", "(?!$a).*", "(?!.*(?:a(?=b))).*", "(?!(?:(?=x)){2}).*",
		`(?!.+\.[\w]+$|_next).*`, "(?!.*a.*b).*", "(?!.*(?!b)a).*", "(?!a(?!b)c).*",
	} {
		if jsregexp.NewRun(expr, false) != nil {
			t.Errorf("%q is taken for a run", expr)
		}
	}
}

// An exclusion that would search behind each place of a search is left to the machine, whose steps are bounded: as a table it
// would take time with the square of the text.
func TestSearchInsideOfASearchIsNoRun(t *testing.T) {
	for _, expr := range []string{`(?!.*\.(?!.*x$)).*`, `(?!.*a(?![^/]*b)).*`, `(?!.*a(?!b(?!.*c))).*`, `(?!.*a(?!b*c)).*`} {
		if jsregexp.NewRun(expr, false) != nil {
			t.Errorf("%s is a run", expr)
		}
		re, err := jsregexp.Compile("^"+expr+"$", false)
		if err != nil {
			t.Fatal(err)
		}
		input := strings.Repeat(".a", 4000) + "xbc"
		_, steps := re.Steps(input)
		if _, half := re.Steps(input[4000:]); steps > 2*half+8*re.Size() {
			t.Errorf("%s: %d steps for half of the input and %d for all", expr, half, steps)
		}
	}
	if jsregexp.NewRun(`(?!a(?!.*b)).*`, false) == nil {
		t.Error("a search from one place is no run")
	}
}

func TestWords(t *testing.T) {
	for expr, want := range map[string]string{"en|fr": "en fr", "a": "a", "A|b(?:c|\\.)?": "a b bc b.", "-": "-", "x{2}": "xx", "[aA]": "a"} {
		r := jsregexp.NewRun(expr, true)
		if r == nil || strings.Join(r.Words, " ") != want {
			t.Errorf("%s: got %+v, want %q", expr, r, want)
		}
	}
	if r := jsregexp.NewRun("A|b", false); r == nil || strings.Join(r.Words, " ") != "A b" {
		t.Errorf("with case: got %+v", r)
	}
}

func TestExclusions(t *testing.T) {
	for _, row := range []struct {
		name, expr string
		want       []jsregexp.Exclusion
	}{
		{"a beginning without an end is open", `(?!api).*`, []jsregexp.Exclusion{{Text: "api", Open: true}}},
		{"a slash closes it", `(?!api/).*`, []jsregexp.Exclusion{{Text: "api/"}}},
		{"so does the end", `(?!api$).*`, []jsregexp.Exclusion{{Text: "api"}}},
		{"both are two", `(?!api(?:/|$)).*`, []jsregexp.Exclusion{{Text: "api/"}, {Text: "api"}}},
		{"a bare dot is any character", `(?!favicon.ico$).*`, []jsregexp.Exclusion{{Text: "favicon.ico", Dotted: true}}},
		{"an ending", `(?!.*\.png$).*`, []jsregexp.Exclusion{{Text: ".png", Anywhere: true}}},
		{"a content", `(?!.*\..*).*`, []jsregexp.Exclusion{{Text: ".", Anywhere: true, Open: true}}},
		{"an alternative that is no form is left out", `(?!a\bx|b).*`, nil},
		{"a lookahead behind the value is none", `.*(?!a)`, nil},
		{"an expression that does not compile has none", `(`, nil},
		{"nor has a choice", `(?!a)|b`, nil},
	} {
		got := jsregexp.Exclusions(row.expr)
		if len(got) != len(row.want) {
			t.Errorf("%s: %s: got %+v, want %+v", row.name, row.expr, got, row.want)
			continue
		}
		for i := range got {
			if got[i] != row.want[i] {
				t.Errorf("%s: %s: got %+v, want %+v", row.name, row.expr, got[i], row.want[i])
			}
		}
	}
}
