package proxy_test

import (
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/gatehouse-go/gatehouse/proxy"
	"github.com/gatehouse-go/gatehouse/proxy/internal/enginetest"
)

// askPathToRegexp reads patterns by path-to-regexp itself: plain, and with the options and endings that next.config
// sources and proxy.ts matchers have.
const askPathToRegexp = `
const {pathToRegexp, regexpToFunction} = require('path-to-regexp')
const forms = '\\.rsc|\\.segments/.+\\.segment\\.rsc'
function matcher(q) {
  const keys = []
  if (q.reading === 'path') return regexpToFunction(pathToRegexp(q.pattern, keys, q.options), keys)
  if (q.reading === 'source') {
    const re = pathToRegexp(q.pattern, keys, {delimiter: '/', strict: true, sensitive: !!q.options.sensitive})
    return regexpToFunction(new RegExp(re.source.replace(/\$$/, '(?:\\/)?$'), re.flags), keys)
  }
  const end = q.pattern === '/' ? '(/?index|/?index\\.json|/?index(?:' + forms + '))?' : '{(\\.json|' + forms + ')}?'
  const re = pathToRegexp('/:nextData(_next/data/[^/]{1,})?' + q.pattern + end, keys, {sensitive: true})
  return regexpToFunction(re, keys)
}
for (const line of require('fs').readFileSync(0, 'utf8').split('\n')) {
  const q = JSON.parse(line)
  try {
    const match = matcher(q)
    console.log(JSON.stringify({answers: q.paths.map(p => { const m = match(p); return m && m.params })}))
  } catch (e) { console.log(JSON.stringify({error: e.message})) }
}`

type patternQuestion struct {
	Reading string          `json:"reading"`
	Options map[string]bool `json:"options"`
	Pattern string          `json:"pattern"`
	Paths   []string        `json:"paths"`
}

func (q patternQuestion) options() proxy.PatternOptions {
	o := proxy.PatternOptions{Strict: q.Options["strict"]}
	if end, ok := q.Options["end"]; ok {
		o.Prefix = !end
	}
	if q.Options["sensitive"] {
		o.Case = proxy.CaseSensitive
	}
	switch q.Reading {
	case "path":
		o.Reading = proxy.ReadingPath
	case "source":
		o.Reading = proxy.ReadingSource
	}
	return o
}

type patternWriter struct{ *rand.Rand }

func (w patternWriter) pick(list ...string) string { return list[w.IntN(len(list))] }

// pattern makes up a pattern in the way that people write them, and sometimes in a way that nobody should.
func (w patternWriter) pattern() string {
	if w.IntN(40) == 0 {
		var b strings.Builder
		for range w.IntN(8) {
			b.WriteString(w.pick("/", "a", ":x", "(", ")", "{", "}", "*", "+", "?", `\`, "(a)", "[", "]", ".", "(?:", "|", ":", "é"))
		}
		return b.String()
	}
	var b strings.Builder
	for range 1 + w.IntN(4) {
		b.WriteString(w.pick("/", "/", "/", "/", "/", "", "-", "."))
		switch w.IntN(9) {
		case 0, 1, 2:
			b.WriteString(w.pick("a", "b", "api", "about", "a.b", "A", "_next", "é", "x-y", "1", `\(x\)`, "K", "\u212a", "ſ", "İ", "ß", "σ", "日本", "😀", "%20", `\?`, `\{`, `\\`, `\a`, "[x]", "|", "$", "^", "\u2028"))
		case 3, 4:
			b.WriteString(w.pick(":x", ":y", ":z", ":x", ":id") + w.pick("", "", "", "?", "*", "+"))
		case 5, 6:
			b.WriteString(w.pick(":x", ":y", "", "") + "(" + w.group() + ")" + w.pick("", "", "", "", "?", "*", "+"))
		case 7:
			b.WriteString("{" + w.pick("", "/", "-", "a") + w.pick(":x", ":y", "", `(\d+)`) + w.pick("", "/", "b", ".") + "}" + w.pick("", "?", "*", "+"))
		}
	}
	return b.String()
}

func (w patternWriter) group() string {
	if w.IntN(3) == 0 {
		return "(?!" + w.alternatives() + ")" + w.pick(".*", ".*", ".*", "[^/]+", ".+", `\w+`, "[^/]*")
	}
	return w.pick(`\d+`, ".*", "[^/]+", "a|b", `\w+`, `[a-z]{2,3}`, ".+", "(?:a|b)+", `\d{1,}`, "[^/]+?", ".*?", `(?=a)[^/]+`, `[^.]+`, "en|de|fr", `\w*`, "[^a]*", "(?:a*)*", "x?", `\S+`, "[^é]+", "|a", "en|fr|", "[^]", "[kK]+", "[ſ]", "[^\u212a]+", `[\w.-]+`, `[^\d/]*?`, `\bx\b`, `a{0}b`, `(?=(?:a|b)$)\w`, `(?!(?!a))a.*`, `.*(?=x)x`, "[a-é]+", `[\]]`, `\u0041+`, `\.`, `(?:en|fr)/[^/]+`, "^a$", ".")
}

func (w patternWriter) alternatives() string {
	var alts []string
	for range 1 + w.IntN(4) {
		alts = append(alts, w.pick("api", "a", "_next/static", `.*\.png$`, `.*\..*`, "a$", "b/", `favicon.ico`, `.*\.(?:png|jpe?g)$`, `[^?]*\.(?:css|js(?!on))`, `.+\.[\w]+$`, "", "a?b", "a*", `.*a.*`, "[ab]", "(?:a|x)b", "é", `.*/b`, `.{2}`, "a(?!p)", `\w+\.png`, "$", "^a", "(?!a|(?!b))", `.*[^a]$`, "[^/]*$", "K", "ſ", `\ba`, `api(?:/|$)`, `(?:[^/]+/)?api`, `.*\.(?!png)`, "a{2,}", ".{3,}$", `_(?:next|vercel)`, "sign-?in", "(?=a)b?"))
	}
	return strings.Join(alts, "|")
}

func (w patternWriter) path(pattern string) string {
	var b strings.Builder
	if w.IntN(3) == 0 { // near to the pattern's own text
		for _, r := range pattern {
			switch {
			case strings.ContainsRune("(){}?*+\\:|!", r):
			case w.IntN(12) == 0:
			default:
				b.WriteRune(r)
			}
		}
		return b.String()
	}
	for range 1 + w.IntN(4) {
		b.WriteString("/")
		b.WriteString(w.pick("a", "b", "api", "about", "", "x", "1", "12", "a.b", "A", "_next", "é", "x-y", "logo.png", "a.json", "en", "ab", "_next/static/c.js", "K", "K", "favicon.ico", "a.jpg", "apix", "q?r", "z#", "a\nb", "_next/data/B", "c.css", "😀", "index", "x.rsc", "ſ", "S", "s", "k", "İ", "ı", "ß", "σ", "ς", "Σ", "日本", "a\u2028b", "%20", "?", "{", `\`, "[x]", "|", "$", "A1", "aa", "en/api", "signin", "_vercel", "\x00", "é😀"))
	}
	b.WriteString(w.pick("", "", "", "/", "?", ".json", ".rsc", ".segments/a.segment.rsc", "#"))
	return b.String()
}

// TestAgainstPathToRegexp compares made-up patterns and paths with what path-to-regexp answers.
func TestAgainstPathToRegexp(t *testing.T) {
	w := patternWriter{rand.New(rand.NewPCG(6, 3))}
	const patterns, paths = 20000, 6
	questions := make([]patternQuestion, patterns)
	lines := make([][]byte, patterns)
	for i := range questions {
		q := patternQuestion{Reading: w.pick("path", "source", "matcher"), Pattern: w.pattern(), Options: map[string]bool{}}
		if q.Reading != "matcher" && w.IntN(3) == 0 {
			q.Options["sensitive"] = true
		}
		if q.Reading == "path" {
			q.Options["strict"] = w.IntN(3) == 0
			q.Options["end"] = w.IntN(3) > 0
		}
		if q.Reading == "matcher" && !strings.HasPrefix(q.Pattern, "/") {
			q.Pattern = "/" + q.Pattern
		}
		for range paths {
			q.Paths = append(q.Paths, w.path(q.Pattern))
		}
		questions[i] = q
		lines[i], _ = json.Marshal(q)
	}
	wrong, matches := 0, 0
	for i, line := range enginetest.Node(t, askPathToRegexp, []string{"path-to-regexp@6.3.0"}, lines) {
		q := questions[i]
		var want struct {
			Error   string            `json:"error"`
			Answers []json.RawMessage `json:"answers"`
		}
		if err := json.Unmarshal(line, &want); err != nil {
			t.Fatal(err)
		}
		p, err := q.options().Compile(q.Pattern)
		if (err != nil) != (want.Error != "") {
			if q.Reading == "matcher" && strings.Contains(want.Error, "without a prefix and suffix") {
				continue // Next.js then gives the parameter a slash
			}
			t.Errorf("%s %v %s: error %v, want %q", q.Reading, q.Options, q.Pattern, err, want.Error)
			wrong++
		}
		if err != nil || want.Error != "" {
			continue
		}
		for k, path := range q.Paths {
			params, ok := p.Match(path)
			got := "false"
			if ok {
				b, _ := json.Marshal(params)
				got = string(b)
				matches++
			}
			if ok != (string(want.Answers[k]) != "false") || ok && !sameParams(t, q.Reading, got, want.Answers[k]) {
				t.Errorf("%s %v %s on %q: got %s, want %s", q.Reading, q.Options, q.Pattern, path, got, want.Answers[k])
				wrong++
			}
		}
		if wrong > 10 {
			t.FailNow()
		}
	}
	t.Logf("%d paths compared, %d matched", patterns*paths, matches)
}

// sameParams compares parameters, of which the engine also gives those that a reading hides. It takes half of a surrogate
// pair for the same whatever it is: JavaScript writes its code unit, and UTF-8 has nothing to write.
func sameParams(t *testing.T, reading, got string, want json.RawMessage) bool {
	t.Helper()
	if strings.Contains(got, `\ufffd`) {
		return true
	}
	var a, b map[string]any
	if json.Unmarshal([]byte(got), &a) != nil || json.Unmarshal(want, &b) != nil {
		return false
	}
	if reading != "path" {
		for name := range b {
			if name[0] >= '0' && name[0] <= '9' || name == "nextData" {
				delete(b, name)
			}
		}
	}
	x, _ := json.Marshal(a)
	y, _ := json.Marshal(b)
	return string(x) == string(y)
}
