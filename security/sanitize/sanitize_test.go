package sanitize_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"

	"github.com/gatehouse-go/gatehouse/internal/testnpm"
	"github.com/gatehouse-go/gatehouse/security"
	"github.com/gatehouse-go/gatehouse/security/sanitize"
)

func newPolicy(tb testing.TB, c sanitize.Config) *sanitize.Policy {
	tb.Helper()
	p, err := sanitize.New(c)
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

func TestText(t *testing.T) {
	p := newPolicy(t, sanitize.Config{})
	for _, row := range []struct{ name, in, want string }{
		{"plain text", "Tom & Jerry's \"<3\" a < b > c", "Tom & Jerry's \"<3\" a < b > c"},
		{"elements", "<p>a <b>b</b></p>", "a b"},
		{"a script and its content", "a<script>alert(1)</script>b", "ab"},
		{"a style and its content", "a<style>*{}</style>b", "ab"},
		{"a comment", "a<!-- b -->c", "ac"},
		{"escaped markup", "a&lt;script&gt;alert(1)&lt;/script&gt;b", "ab"},
		{"markup escaped twice", "&amp;lt;b onclick=x&amp;gt;a", "a"},
		{"markup split by markup", "<scr<b>ipt>alert(1)</scr</b>ipt>", "ipt>alert(1)ipt>"},
		{"controls", "a\x00b\x08c\td\ne", "abc\td\ne"},
		{"bytes that are no UTF-8", "a\xffb", "ab"},
		{"an unclosed element", "a<img src=x onerror=alert(1)", "a"},
	} {
		if got := p.Text(row.in); got != row.want {
			t.Errorf("%s: got %q, want %q", row.name, got, row.want)
		}
	}
	deep := "<b>"
	for range 50 {
		deep = html.EscapeString(deep)
	}
	if got := p.Text(deep); strings.ContainsAny(got, "<>") {
		t.Errorf("markup escaped deeply: %q", got)
	}
}

func TestHTML(t *testing.T) {
	p := newPolicy(t, sanitize.Config{})
	images := newPolicy(t, sanitize.Config{Images: true})
	local := newPolicy(t, sanitize.Config{NoRelative: true, Schemes: []string{"https"}})
	for _, row := range []struct {
		name     string
		policy   *sanitize.Policy
		in, want string
	}{
		{"a text", p, "<p>a <strong>b</strong> &amp; c</p><ul><li>d</ul>", "<p>a <strong>b</strong> &amp; c</p><ul><li>d</ul>"},
		{"a link", p, `<a href="https://example.com/?a=b&amp;c" title="x">y</a>`, `<a href="https://example.com/?a=b&amp;c" title="x" rel="nofollow noreferrer">y</a>`},
		{"a link within the site", p, `<a href="/a?b#c">y</a>`, `<a href="/a?b#c" rel="nofollow noreferrer">y</a>`},
		{"a link within the site where it is not allowed", local, `<a href="/a">y</a>`, `y`},
		{"a scheme that is not allowed here", local, `<a href="http://a.example">y</a>`, `y`},
		{"a link that runs code", p, `<a href="javascript:alert(1)">y</a>`, `y`},
		{"a link that runs code after a control", p, "<a href=\"\x01javascript:alert(1)\">y</a>", `y`},
		{"a link that runs code, entities", p, `<a href="java&#x0a;script:alert(1)">y</a>`, `y`},
		{"a link to data", p, `<a href="data:text/html,x">y</a>`, `y`},
		{"a link to another host by two slashes", p, `<a href="//evil.example">y</a>`, `y`},
		{"a link to another host by backslashes", p, `<a href="/\evil.example">y</a>`, `y`},
		{"a link with a user", p, `<a href="https://bank.example@evil.example">y</a>`, `y`},
		{"a link without a host", p, `<a href="https:evil">y</a>`, `y`},
		{"an id and a class", p, `<p id="form" class="x" name="y" style="z" data-a="b" onclick="c" dir="rtl">a</p>`, `<p dir="rtl">a</p>`},
		{"a form", p, `<form action="/x"><input name=a><button>b</button></form>`, `b`},
		{"an image", p, `<img src="https://a.example/x.png" alt="y">`, ``},
		{"an image where they are allowed", images, `<img src="https://a.example/x.png" alt="y" width="3" onerror="z">`, `<img src="https://a.example/x.png" alt="y" width="3">`},
		{"an image of http", images, `<img src="http://a.example/x.png">`, ``},
		{"an image of data", images, `<img src="data:image/svg+xml,x">`, ``},
		{"a frame, an object and SVG", p, `<iframe src="/"></iframe><object data=x></object><svg onload=x><script>y</script></svg>z`, `z`},
	} {
		if got := row.policy.HTML(row.in); got != row.want {
			t.Errorf("%s: got %q, want %q", row.name, got, row.want)
		}
	}
}

func TestURL(t *testing.T) {
	p := newPolicy(t, sanitize.Config{})
	for _, row := range []struct{ name, in, want string }{
		{"https", "https://example.com/a?b=c#d", "https://example.com/a?b=c#d"},
		{"a scheme in capitals", "HTTPS://Example.com/", "https://Example.com/"},
		{"white space around it", " https://example.com \n", "https://example.com"},
		{"mail", "mailto:ann@example.com", "mailto:ann@example.com"},
		{"a path", "/a/b?c", "/a/b?c"},
		{"a relative path", "a/b", "a/b"},
		{"a fragment", "#a", "#a"},
		{"not ASCII", "https://example.com/é", "https://example.com/%C3%A9"},
		{"nothing", "", ""},
		{"an empty fragment", "#", ""},
		{"javascript", "javascript:alert(1)", ""},
		{"javascript with a tab inside", "java\tscript:alert(1)", ""},
		{"javascript in capitals", "JavaScript:alert(1)", ""},
		{"data", "data:text/html,<script>", ""},
		{"a control", "https://example.com/\x00", ""},
		{"two slashes", "//evil.example", ""},
		{"two slashes and nothing", "//", ""},
		{"a backslash", `https:\\evil.example`, ""},
		{"a slash and a backslash", `/\evil.example`, ""},
		{"a user", "https://bank.example@evil.example", ""},
		{"no host", "https:///a", ""},
		{"no slashes", "https:evil", ""},
		{"bytes that are no UTF-8", "https://example.com/\xff", ""},
		{"a broken escape", "https://example.com/%zz", ""},
		{"too long once it is escaped", "#" + strings.Repeat("#", 1000), ""},
		{"too long", "https://example.com/" + strings.Repeat("a", 2048), ""},
	} {
		got, err := p.URL(row.in)
		if got != row.want || (row.want == "") != errors.Is(err, sanitize.ErrURL) {
			t.Errorf("%s: got %q, %v", row.name, got, err)
		}
	}
	if _, err := newPolicy(t, sanitize.Config{NoRelative: true}).URL("/a"); !errors.Is(err, sanitize.ErrURL) {
		t.Errorf("a path where they are refused: %v", err)
	}
}

func TestFieldsAndBounds(t *testing.T) {
	p := newPolicy(t, sanitize.Config{MaxBytes: 5})
	f := p.Fields()
	if f["text"]("<b>ab</b>") != "ab" || f["html"]("<p>ab") != "<p>ab" || f["html"]("aaaaaaa") != "aaaaa" || f["url"]("javascript:x") != "" || f["url"]("/a") != "/a" {
		t.Error("Fields are the methods, bounded by MaxBytes")
	}
}

func TestNewReportsEveryMistake(t *testing.T) {
	_, err := sanitize.New(sanitize.Config{Schemes: []string{"javascript", "HTTPS", "", "a+b-1.c"}, MaxBytes: -1})
	want := `sanitize: Config.Schemes[0] = "javascript" must be a scheme in lower case that runs no code
sanitize: Config.Schemes[1] = "HTTPS" must be a scheme in lower case that runs no code
sanitize: Config.Schemes[2] = "" must be a scheme in lower case that runs no code
sanitize: Config.MaxBytes = -1 must not be negative`
	if err == nil || err.Error() != want {
		t.Errorf("got:\n%v", err)
	}
}

// harmful returns what is wrong with sanitised HTML as a browser's parser sees it, or "".
func harmful(tb testing.TB, in string) string {
	tb.Helper()
	nodes, err := html.ParseFragment(strings.NewReader(in), &html.Node{Type: html.ElementNode, Data: "div", DataAtom: atom.Div})
	if err != nil {
		return err.Error()
	}
	var walk func(n *html.Node) string
	walk = func(n *html.Node) string {
		if n.Type == html.CommentNode {
			return "a comment"
		}
		if n.Type == html.ElementNode {
			if n.Namespace != "" || slices.Contains([]string{"script", "style", "iframe", "object", "embed", "form", "input", "button", "svg", "math", "template", "base", "link", "meta", "noscript", "textarea", "select", "title", "xmp", "plaintext"}, n.Data) {
				return "element " + n.Data
			}
			for _, a := range n.Attr {
				switch a.Key {
				case "href", "src":
					if regexp.MustCompile(`(?i)^[\x00-\x20]*(javascript|vbscript|data)\s*:`).MatchString(a.Val) || strings.HasPrefix(a.Val, "//") {
						return a.Key + "=" + a.Val
					}
				case "rel", "title", "dir", "colspan", "rowspan", "datetime", "alt", "width", "height":
				default:
					return "attribute " + a.Key
				}
			}
		}
		for c := n.FirstChild; c != nil; c = c.NextSibling {
			if bad := walk(c); bad != "" {
				return bad
			}
		}
		return ""
	}
	for _, n := range nodes {
		if bad := walk(n); bad != "" {
			return bad
		}
	}
	return ""
}

// The package's own attacks, of the families that the public lists hold.
var attacks = []string{
	`<img src=x onerror=alert(1)//`, `<svg/onload=alert(1)>`, `<a href="jAvAsCrIpT&colon;alert(1)">x</a>`, `<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror=alert(1)&gt;">`,
	`<noscript><p title="</noscript><img src=x onerror=alert(1)>">`, `<form><math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>`,
	`<p title="&quot; onmouseover=&quot;alert(1)">a</p>`, `<a title='"><script>x</script>' href=/>y</a>`, "<script\x0c>alert(1)</script>", `<<script>alert(1)//<</script>`, `<table background="javascript:x">`,
	`<a href="/x" target=_blank style="background:url(javascript:x)">x</a>`, `<title><a href="</title><img src onerror=x>">`, `<xmp><p title="</xmp><svg/onload=x>">`, `<textarea><img title="</textarea><img src onerror=x>">`,
	`<template><script>x</script></template>`, `<select><option><style></option></select><img src onerror=x></style>`, `<!--><img src=x onerror=x>-->`, `<![CDATA[<img src=x onerror=x>]]>`, `<?xml <img src=x onerror=x> ?>`,
	`<base href="javascript:x//">`, `<meta http-equiv=refresh content="0;url=javascript:x">`, `<link rel=stylesheet href=//x>`, `<isindex action=javascript:x type=image>`, `<details open ontoggle=x>`, `<b/onclick=x>y`,
}

func TestHTMLLeavesNoAttack(t *testing.T) {
	p := newPolicy(t, sanitize.Config{Images: true})
	for _, attack := range attacks {
		once := p.HTML(attack)
		if bad := harmful(t, once); bad != "" {
			t.Errorf("%s: %s in %s", attack, bad, once)
		}
		if twice := p.HTML(once); twice != once {
			t.Errorf("%s: %q, and again %q", attack, once, twice)
		}
		if bad := harmful(t, html.EscapeString(p.Text(attack))); bad != "" {
			t.Errorf("%s: text %s", attack, bad)
		}
	}
}

// domPurifyPayloads reads the payloads of cure53/DOMPurify's own tests: those of the test/fixtures/expect.mjs that GATEHOUSE_DOMPURIFY names,
// else those that the npm package had as long as it had its tests.
func domPurifyPayloads(t *testing.T) (payloads []string) {
	t.Helper()
	path := os.Getenv("GATEHOUSE_DOMPURIFY")
	if path == "" {
		testnpm.Read(t, &payloads, `import list from "dompurify/test/fixtures/expect.js"; console.log(JSON.stringify(list.map(row => row.payload)))`, "dompurify@0.7.4")
		return payloads
	}
	source, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`(?m)^\s*"payload":\s*("(?:[^"\\]|\\.)*")`).FindAllSubmatch(source, -1) {
		var payload string
		if json.Unmarshal(m[1], &payload) == nil { // else it has an escape that only JavaScript has
			payloads = append(payloads, payload)
		}
	}
	return payloads
}

func TestHTMLLeavesNoPayloadOfDOMPurify(t *testing.T) {
	payloads := domPurifyPayloads(t)
	if len(payloads) < 150 {
		t.Fatalf("the list is not whole: %d payloads", len(payloads))
	}
	p := newPolicy(t, sanitize.Config{Images: true})
	for _, payload := range payloads {
		once := p.HTML(payload)
		if bad := harmful(t, once); bad != "" {
			t.Errorf("%s: %s in %s", payload, bad, once)
		}
		if twice := p.HTML(once); harmful(t, twice) != "" {
			t.Errorf("%s: the second time %s", payload, twice)
		}
		if bad := harmful(t, html.EscapeString(p.Text(payload))); bad != "" {
			t.Errorf("%s: text %s", payload, bad)
		}
	}
	t.Logf("none of %d payloads survives", len(payloads))
}

func ExampleNew() {
	policy, err := sanitize.New(sanitize.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	comment := `Hi <b onclick="steal()">all</b>, see <a href="javascript:steal()">this</a> or <a href="https://example.com">that</a><script>steal()</script>`
	fmt.Println(policy.HTML(comment))
	fmt.Println(policy.Text(comment))
	// Output:
	// Hi <b>all</b>, see this or <a href="https://example.com" rel="nofollow noreferrer">that</a>
	// Hi all, see this or that
}

func ExamplePolicy_Fields() {
	policy, err := sanitize.New(sanitize.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	type comment struct {
		Author string `json:"author" sanitize:"text"`
		Body   string `json:"body" sanitize:"html"`
		Site   string `json:"site" sanitize:"url"`
	}
	r := httptest.NewRequest("POST", "/", strings.NewReader(`{"author":"<b>Ann</b>","body":"<p onclick=x>Hi</p>","site":"javascript:x"}`))
	r.Header.Set("Content-Type", "application/json")
	c, err := security.Decode[comment](r, security.DecodeConfig{Sanitize: policy.Fields()})
	fmt.Printf("%q %q %q %v\n", c.Author, c.Body, c.Site, err)
	// Output: "Ann" "<p>Hi</p>" "" <nil>
}

func FuzzHTML(f *testing.F) {
	for _, s := range attacks {
		f.Add(s)
	}
	p := newPolicy(f, sanitize.Config{Images: true})
	f.Fuzz(func(t *testing.T, in string) {
		if bad := harmful(t, p.HTML(in)); bad != "" {
			t.Fatalf("%q: %s in %q", in, bad, p.HTML(in))
		}
	})
}

func FuzzURL(f *testing.F) {
	for _, s := range []string{"https://a.example/b?c#d", "//x", "javascript:x", "/a", "mailto:x@y", "https://u@h", `/\x`, "#", "?"} {
		f.Add(s)
	}
	p := newPolicy(f, sanitize.Config{})
	f.Fuzz(func(t *testing.T, in string) {
		out, err := p.URL(in)
		if err != nil {
			return
		}
		again, err := p.URL(out)
		if err != nil || again != out {
			t.Fatalf("%q: %q, then %q, %v", in, out, again, err)
		}
		low := strings.ToLower(out)
		for _, bad := range []string{"javascript:", "data:", "vbscript:", "//"} {
			if strings.HasPrefix(low, bad) {
				t.Fatalf("%q: %q", in, out)
			}
		}
	})
}
