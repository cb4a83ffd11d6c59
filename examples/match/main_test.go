package main

import (
	"errors"
	"strings"
	"testing"
	"testing/iotest"
)

func TestAnswers(t *testing.T) {
	for _, row := range []struct{ name, question, want string }{
		{"a source of next.config", `{"layer":"config","pattern":"/a/:x*","path":"/A/1/2"}`, `{"match":true,"params":{"x":["1","2"]}}`},
		{"in one case", `{"layer":"config-sensitive","pattern":"/a","path":"/A"}`, `{"match":false,"params":null}`},
		{"of a redirect", `{"layer":"config-redirect","pattern":"/:x*","path":"/_next/a"}`, `{"match":false,"params":null}`},
		{"a matcher of proxy.ts", `{"layer":"proxy","pattern":"/a/:x","path":"/a/1"}`, `{"match":true,"params":null}`},
		{"with a locale and a base path", `{"layer":"proxy","pattern":"/a","nextConfig":{"basePath":"/d","i18n":{"locales":["en"]}},"path":"/d/en/a"}`, `{"match":true,"params":null}`},
		{"with a locale of its own", `{"layer":"proxy","pattern":{"source":"/nl/a","locale":false},"nextConfig":{"i18n":{"locales":["nl"]}},"path":"/nl/a"}`, `{"match":true,"params":null}`},
		{"as the server asks it", `{"layer":"proxy-server","pattern":"/a","path":"/%61"}`, `{"match":true,"params":null}`},
		{"plain path-to-regexp", `{"layer":"p2r","options":{},"pattern":"/(\\d+)","path":"/1"}`, `{"match":true,"params":{"0":"1"}}`},
		{"with options", `{"layer":"p2r","options":{"end":false,"sensitive":true,"strict":true},"pattern":"/a","path":"/a/b"}`, `{"match":true,"params":{}}`},
		{"conditions", `{"layer":"has","has":[{"type":"host","value":"(?<s>.+)<x>"},{"type":"query","key":"q"}],"missing":[],"headers":{"host":"a<x>:80"},"query":{"q":["1","2"]}}`, `{"match":true,"params":{"q":["1","2"],"s":"a"}}`},
		{"a field in several lines, and a parameter that is null", `{"layer":"has","has":[{"type":"header","key":"x","value":"1, (?<b>.)"}],"missing":[{"type":"query","key":"q"}],"headers":{"x":["1","2"]},"query":{"q":null}}`, `{"match":true,"params":{"b":"2"}}`},
		{"conditions that do not hold", `{"layer":"has","has":[{"type":"query","key":"q"}],"headers":{},"query":{"q":""}}`, `{"match":false,"params":null}`},
		{"conditions that do not compile", `{"layer":"has","has":[{"type":"x"}],"headers":{},"query":{}}`, `{"error":"proxy: Has[0].Type = \"x\" must be header, cookie, query, host, method or scheme"}`},
		{"a query that is no object", `{"layer":"has","query":"x"}`, `{"error":"json: cannot unmarshal string into Go value of type map[string]interface {}"}`},
		{"a pattern that does not compile", `{"layer":"config","pattern":"/:","path":"/"}`, `{"error":"proxy: pattern \"/:\" at 1: a colon needs a parameter name of letters, digits and underscores after it (write \\: for a colon)"}`},
		{"an unknown layer", `{"layer":"x"}`, `{"error":"unknown layer \"x\""}`},
		{"no JSON", `{`, `{"error":"unexpected end of JSON input"}`},
	} {
		var out strings.Builder
		if err := run(nil, false, false, strings.NewReader("\n"+row.question+"\n"), &out); err != nil {
			t.Fatal(err)
		}
		if got := strings.TrimSuffix(out.String(), "\n"); got != row.want {
			t.Errorf("%s: got %s, want %s", row.name, got, row.want)
		}
	}
}

func TestDestinationAnswers(t *testing.T) {
	for _, row := range []struct{ name, question, want string }{
		{"a redirect", `{"kind":"redirect","source":"/a/:x","destination":"//b/:x?y=:x#f","path":"/a/1%20?","query":"?z=a+b&z"}`, `{"result":"/b/1%20%3F??z=a b&z=&y=1%20?#f"}`},
		{"a rewrite", `{"kind":"rewrite","source":"/a/:x*","destination":"https://:x*.example.com/b","path":"/a","query":""}`, `{"error":`},
		{"a rewrite that appends", `{"kind":"rewrite","source":"/a/:x*","destination":"/b","path":"/a/1/2"}`, `{"result":"/b?x=1&x=2"}`},
		{"the value of a header", `{"kind":"header-value","value":"a/:x*","params":{"x":["1","2"]}}`, `{"result":"a/1/2"}`},
		{"a value that is wrong", `{"kind":"header-value","value":":x:x","params":{"x":"1"}}`, `{"error":`},
		{"a parameter that is none", `{"kind":"header-value","value":":x","params":{"x":1}}`, `{"error":`},
		{"a source that does not match", `{"kind":"redirect","source":"/a","destination":"/b","path":"/c"}`, `{"error":"the source does not match the path"}`},
		{"a source that is wrong", `{"kind":"redirect","source":"/(","destination":"/b","path":"/c"}`, `{"error":`},
		{"a destination that is wrong", `{"kind":"redirect","source":"/a","destination":"/:b","path":"/a"}`, `{"error":`},
		{"a query that is no text", `{"kind":"redirect","source":"/a","destination":"/b","path":"/a","query":{}}`, `{"error":`},
	} {
		var out strings.Builder
		if err := run(nil, true, false, strings.NewReader(row.question), &out); err != nil {
			t.Fatal(err)
		}
		if got := out.String(); !strings.HasPrefix(got, row.want) {
			t.Errorf("%s: got %s, want %s", row.name, got, row.want)
		}
	}
}

func TestExplains(t *testing.T) {
	var out strings.Builder
	if err := run([]string{"/blog/:slug", "/BLOG/a"}, false, true, nil, &out); err != nil || !strings.Contains(out.String(), `slug = "a"`) {
		t.Errorf("got %v:\n%s", err, out.String())
	}
	for _, args := range [][]string{{"/("}, {"/(", "/"}} {
		if err := run(args, false, false, nil, &out); err == nil {
			t.Errorf("%q: no error", args)
		}
	}
	if err := run(nil, false, false, iotest.ErrReader(errors.New("gone")), &out); err == nil {
		t.Error("a reader that fails: no error")
	}
}
