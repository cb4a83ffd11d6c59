package jsregexp_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode"

	"github.com/gatehouse-go/gatehouse/proxy/internal/enginetest"
	"github.com/gatehouse-go/gatehouse/proxy/internal/jsregexp"
)

// askEngine answers, for each expression and its inputs, what the groups matched.
const askEngine = `
const lines = require('fs').readFileSync(0, 'utf8').split('\n')
for (const line of lines) {
  const q = JSON.parse(line)
  let re
  try { re = new RegExp(q.expr, q.flags) } catch (e) { console.log(JSON.stringify({error: e.message})); continue }
  console.log(JSON.stringify({groups: q.inputs.map(s => { const m = s.match(re); return m && [...m].slice(1).map(g => g === undefined ? null : g) })}))
}`

type question struct {
	Expr   string   `json:"expr"`
	Flags  string   `json:"flags"`
	Inputs []string `json:"inputs"`
}

type answer struct {
	Error  string      `json:"error"`
	Groups [][]*string `json:"groups"`
}

// groups returns what each group matched, nil where it took no part, and false for no match.
func groups(re *jsregexp.Regexp, s string) ([]*string, bool) {
	spans := make([]int, 2*len(re.Names()))
	if !re.Match(s, spans) {
		return nil, false
	}
	out := make([]*string, len(re.Names()))
	for i := range out {
		if spans[2*i] >= 0 {
			text := s[spans[2*i]:spans[2*i+1]]
			out[i] = &text
		}
	}
	return out, true
}

// writer makes up expressions.
type writer struct{ *rand.Rand }

func (w *writer) pick(list ...string) string { return list[w.IntN(len(list))] }

func (w *writer) atom(depth int) string {
	if depth <= 0 || w.IntN(3) > 0 {
		return w.pick("a", "b", "ab", "/", ".", "a", "b", `\w`, `\d`, `[ab]`, `[^a]`, `[^/]`, `\.`, "é", "K", `[a-é]`, `\s`, `\W`, `[\w-]`, "x", "1", `[^\d]`, "😀", `\u212a`, `[k]`, `\x61`, `[\b]`, `{`, `}`, `]`)
	}
	sub := w.alt(depth - 1)
	switch w.IntN(6) {
	case 0, 1:
		return "(" + sub + ")"
	case 2, 3:
		return "(?:" + sub + ")"
	case 4:
		return "(?!" + sub + ")"
	default:
		return "(?=" + sub + ")"
	}
}

func (w *writer) term(depth int) string {
	if w.IntN(12) == 0 {
		return w.pick("^", "$", `\b`, `\B`)
	}
	s := w.atom(depth)
	if w.IntN(3) == 0 {
		s += w.pick("*", "+", "?", "{2}", "{0,2}", "{1,}", "{2,3}", "{0}", "{0,1}")
		s += w.pick("", "", "?")
	}
	return s
}

func (w *writer) alt(depth int) string {
	var alts []string
	for range 1 + w.IntN(4)/2 {
		var b strings.Builder
		for range w.IntN(4) {
			b.WriteString(w.term(depth))
		}
		alts = append(alts, b.String())
	}
	return strings.Join(alts, "|")
}

func (w *writer) input() string {
	var b strings.Builder
	for range w.IntN(9) {
		b.WriteString(w.pick("a", "b", "/", "a", "b", ".", "1", "A", "é", "É", "K", "k", "K", "x", "😀", "-", " ", "\n", "_"))
	}
	return b.String()
}

// TestAgainstEngine compares made-up expressions with what Node.js answers.
func TestAgainstEngine(t *testing.T) {
	w := &writer{rand.New(rand.NewPCG(6, 3))}
	const expressions, inputs = 20000, 6
	questions := make([]question, expressions)
	lines := make([][]byte, expressions)
	for i := range questions {
		q := question{Expr: w.alt(3), Flags: w.pick("", "i")}
		if w.IntN(2) == 0 {
			q.Expr = "^(?:" + q.Expr + ")$"
		}
		for range inputs {
			q.Inputs = append(q.Inputs, w.input())
		}
		questions[i] = q
		lines[i], _ = json.Marshal(q)
	}
	wrong := 0
	for i, line := range enginetest.Node(t, askEngine, nil, lines) {
		q := questions[i]
		var want answer
		if err := json.Unmarshal(line, &want); err != nil {
			t.Fatal(err)
		}
		re, err := jsregexp.Compile(q.Expr, q.Flags == "i")
		if (err != nil) != (want.Error != "") {
			t.Errorf("/%s/%s: error %v, want %q", q.Expr, q.Flags, err, want.Error)
			wrong++
		}
		if err != nil || want.Error != "" {
			continue
		}
		for k, s := range q.Inputs {
			got, _ := groups(re, s)
			a, _ := json.Marshal(got)
			b, _ := json.Marshal(want.Groups[k])
			// Half of a surrogate pair is written in different ways.
			if string(a) != string(b) && !strings.Contains(s, "😀") {
				t.Errorf("/%s/%s on %q: got %s, want %s", q.Expr, q.Flags, s, a, b)
				wrong++
			} else if (got == nil) != (want.Groups[k] == nil) {
				t.Errorf("/%s/%s on %q: got %s, want %s", q.Expr, q.Flags, s, a, b)
				wrong++
			}
		}
		if wrong > 10 {
			t.FailNow()
		}
	}
}

// askFolding answers, for each code unit, which one the engine compares it by when letters of either case match.
const askFolding = `
const units = JSON.parse(require('fs').readFileSync(0, 'utf8'))
console.log(JSON.stringify(units.map(u => {
  const upper = String.fromCharCode(u).toUpperCase()
  const c = upper.length === 1 ? upper.charCodeAt(0) : u
  return new RegExp('^\\u' + u.toString(16).padStart(4, '0') + '$', 'i').test(String.fromCharCode(c)) ? c : u
})))`

// TestFoldingAgainstEngine compares the folding of every code unit, as far as both sides know its character.
func TestFoldingAgainstEngine(t *testing.T) {
	var units []int
	for r := range rune(0x10000) {
		if r < 0xD800 || r > 0xDFFF {
			units = append(units, int(r))
		}
	}
	question, _ := json.Marshal(units)
	var folded []int
	if err := json.Unmarshal(enginetest.Node(t, askFolding, nil, [][]byte{question})[0], &folded); err != nil {
		t.Fatal(err)
	}
	canonical := make(map[rune]rune)
	for i, u := range units {
		canonical[rune(u)] = rune(folded[i])
	}
	known := func(r rune) bool {
		return unicode.In(r, unicode.L, unicode.M, unicode.N, unicode.P, unicode.S, unicode.Z)
	}
	for r, c := range canonical {
		if r == c && unicode.SimpleFold(r) == r || !known(r) || !known(c) {
			continue
		}
		re, err := jsregexp.Compile(fmt.Sprintf(`^\u%04x$`, r), true)
		if err != nil {
			t.Fatal(err)
		}
		for o := unicode.SimpleFold(r); o != r; o = unicode.SimpleFold(o) {
			if got, want := re.Match(string(o), nil), canonical[o] == c; got != want && o <= 0xFFFF {
				t.Errorf("%U on %U: got %v, want %v", r, o, got, want)
			}
		}
		if !re.Match(string(c), nil) {
			t.Errorf("%U does not match %U", r, c)
		}
	}
}
