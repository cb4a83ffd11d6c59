package console_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"github.com/gatehouse-go/gatehouse/webhook/inbox"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/console"
)

// shape is what a page is made of without its text: elements, and names of attributes.
func shape(page string) string {
	var out strings.Builder
	for z := html.NewTokenizer(strings.NewReader(page)); ; {
		switch z.Next() {
		case html.ErrorToken:
			return out.String()
		case html.StartTagToken, html.SelfClosingTagToken:
			tag := z.Token()
			if tag.Data == "span" { // colours the body's parts
				continue
			}
			out.WriteString("<" + tag.Data)
			for _, a := range tag.Attr {
				out.WriteString(" " + a.Key)
			}
			out.WriteString(">")
		}
	}
}

// No body makes a page of another shape, and no value of a hidden member is shown.
func FuzzBody(f *testing.F) {
	for _, body := range []string{
		`{"a":[1,2,{"hush":"SECRET"}]}`, `{"HUSH":["SECRET"]}`, `{"\u0068ush":"SECRET"}`, `[{"x":{"y":"SECRET"}}]`, `{"hush":`, `"<script>"`, "<pre></pre>", "{\"\xff\":1}", "1 2 3", "null",
		"hush=SECRET&a=b", "a=%7B%22hush%22%3A%22SECRET%22%7D", "\x00\x01", "", "{}", "[[[[]]]]", `{"a":1}{"hush":"SECRET"}`,
	} {
		f.Add([]byte(body), false)
		f.Add([]byte(body), true)
	}
	d := delivery(1, inbox.Running)
	l := &ledger{deliveries: []inbox.Delivery{d}}
	open := newConsole(f, l, console.Config{MaxStreams: -1, MaxShown: 4 << 10})
	hiding := newConsole(f, l, console.Config{MaxStreams: -1, MaxShown: 4 << 10, HideFields: []string{"hush", "/*/x/y"}})
	want := ""
	f.Fuzz(func(t *testing.T, body []byte, form bool) {
		show := func(c *console.Console, body []byte) string {
			l.deliveries[0].Event.Body = body
			l.deliveries[0].Event.Header = http.Header{"Content-Type": {map[bool]string{true: "application/x-www-form-urlencoded", false: "application/json"}[form]}}
			w := ask(c, "GET", "/deliveries/1", "")
			if w.Code != 200 || w.Body.Len() > 1<<20 {
				t.Fatalf("%d, %d bytes", w.Code, w.Body.Len())
			}
			return w.Body.String()
		}
		page := show(open, body)
		inspect(t, "body", []byte(page))
		inner, _, _ := strings.Cut(page, `<h2 id="header">`)
		got := shape(inner)
		for _, part := range []string{`<dl class>`, `<div><dt><dd><pre>`, `<pre class tabindex role aria-labelledby>`, `<p class>`} { // what a body may add
			got = strings.ReplaceAll(got, part, "")
		}
		if want == "" {
			want = got
		}
		if got != want {
			t.Fatalf("the page has another shape: %s", got)
		}
		const secret = "hidden from everybody"
		for _, around := range [][2]string{{`{"hush":"` + secret + `","rest":`, `}`}, {`{"rest":`, `,"hush":"` + secret + `"}`}, {"hush=" + secret + "&", ""}} {
			text := inspect(t, "body", []byte(show(hiding, []byte(around[0]+string(body)+around[1]))))
			if strings.Contains(text, secret) && !strings.Contains(string(body), secret) {
				t.Fatalf("%q shows what is hidden: %s", body, text)
			}
		}
	})
}

// Whatever the query says, the page is a list or a mistake, and its links select what it selects.
func FuzzFilter(f *testing.F) {
	for _, q := range []string{
		"", "provider=a&type=b&status=dead", "id=a*&from=2026-01-01T10:00&to=2026-01-02", "before=3", "provider=%00%ff", "status=x", "from=2026-01-01T10:00:00.123456789Z", "type=+a+", "id=***", "id=%e9%e9++*", "a=1;b=2", "%zz",
	} {
		f.Add(q)
	}
	l := sample()
	l.more = 9
	c := newConsole(f, l, console.Config{})
	f.Fuzz(func(t *testing.T, query string) {
		l.filters = nil
		r := func(q string) int {
			target := url.URL{Path: "/deliveries", RawQuery: q}
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://example.com/deliveries", nil)
			if err != nil {
				t.Fatal(err)
			}
			req.URL.RawQuery = target.RawQuery
			w := ask(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { c.ServeHTTP(w, req) }), "GET", "/", "")
			inspect(t, q, w.Body.Bytes())
			if w.Code == 200 {
				query = strings.TrimPrefix(attribute(w.Body.String(), `rel="next" href="`), "./deliveries?")
			}
			return w.Code
		}
		switch code := r(query); code {
		case 400:
			return
		case 200:
		default:
			t.Fatalf("got %d", code)
		}
		if code := r(query); code != 200 {
			t.Fatalf("the link %s: %d", query, code)
		}
		first, second := l.filters[0], l.filters[1]
		first.Before, second.Before = 0, 0
		first.From, first.To = first.From.Truncate(1e6), first.To.Truncate(1e6) // the ledger counts milliseconds
		if first != second {
			t.Fatalf("%+v became %+v by the link %s", first, second, query)
		}
	})
}

// Wherever it is mounted, no path makes the console panic, or leads away from it.
func FuzzPath(f *testing.F) {
	for _, row := range [][3]string{
		{"/", "/", "/"}, {"/deliveries/1", "GET /console/", "/console/deliveries/1"}, {"", "/console/{rest...}", "/console"}, {"//a/b", "/{x}/", "//a/b"}, {"/console", "", "http://h/console?x"},
	} {
		f.Add(row[0], row[1], row[2])
	}
	c := newConsole(f, sample(), console.Config{MaxStreams: -1})
	f.Fuzz(func(t *testing.T, path, pattern, target string) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://example.com/", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.URL.Path, r.Pattern, r.RequestURI = path, pattern, target
		w := ask(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { c.ServeHTTP(w, r) }), "GET", "/", "")
		inspect(t, path, w.Body.Bytes())
		if to := w.Header().Get("Location"); to != "" && (!strings.HasPrefix(to, "./") || strings.ContainsAny(to, "\r\n")) {
			t.Fatalf("%q leads to %q", path, to)
		}
	})
}
