package proxy_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-go/gatehouse/proxy"
)

func TestWarnings(t *testing.T) {
	for _, row := range []struct {
		name, pattern string
		want          []string
	}{
		{"a plain pattern has none", "/blog/:slug", nil},
		{"an exclusion without a boundary", "/((?!api).*)", []string{"(?!api) leaves out /apix as well: write (?!api(?:/|$)), or use Except"}},
		{"below other text", "/v1/:rest((?!open).*)", []string{"(?!open) leaves out /v1/openx as well: write (?!open(?:/|$)), or use Except"}},
		{"one with a boundary", "/((?!api(?:/|$)).*)", nil},
		{"a bare dot", "/((?!favicon.ico$).*)", []string{`a bare dot in "favicon.ico" stands for any character: write \. for a dot`}},
		{"an ending", `/((?!.*\.png$).*)`, nil},
		{"a content", `/((?!.*\..*).*)`, []string{`every path that holds "." is left out, and a client can put that anywhere`}},
		{"a rest without a slash", "/api(.*)", []string{"/api(.*) takes /apix as well: write /api/:path*"}},
		{"a rest with one", "/api/(.*)", nil},
	} {
		p, err := proxy.Compile(row.pattern)
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Warnings(); !slices.Equal(got, row.want) {
			t.Errorf("%s: got %q, want %q", row.name, got, row.want)
		}
	}
}

func TestExplainPattern(t *testing.T) {
	p, err := proxy.Compile("/blog/:slug/:rest*")
	if err != nil {
		t.Fatal(err)
	}
	want := `pattern  /blog/:slug/:rest*
         text "/blog"
         parameter slug = [^\/#\?]+? after "/"
         parameter rest = [^\/#\?]+? after "/", any number of times
case     letters match as they are written
path     /blog/a/b
matches
         slug = "a"
         rest = ["b"]
`
	if got := p.Explain("/blog/a/b").String(); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
	p, err = proxy.PatternOptions{Reading: proxy.ReadingSource}.Compile("/((?!api).*)")
	if err != nil {
		t.Fatal(err)
	}
	want = `pattern  /((?!api).*)
         group (?!api).* after "/"
case     letters match in either case
warning  (?!api) leaves out /apix as well: write (?!api(?:/|$)), or use Except
path     /apix
no match the path has no group (?!api).* after "/"
`
	if got := p.Explain("/apix").String(); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

func TestExplainRequest(t *testing.T) {
	p, err := proxy.New(proxy.Config{
		Handle: func(*proxy.Request) proxy.Response {
			t.Error("Explain calls Handle")
			return proxy.Next()
		},
		Matchers:      []proxy.Matcher{{Source: "/admin/:path*", Missing: has("cookie", "session", "")}, {Source: "/:path*"}},
		Redirects:     []proxy.RedirectRule{{Source: "/old/:slug", Destination: "/new/:slug"}, {Source: "/:any*", Destination: "/x", Has: has("header", "X-Secret", "topsecret")}, {Source: "/to/:sub", Destination: "https://:sub.example.com"}},
		RedirectHosts: []string{"*.example.com"},
		Rewrites: proxy.RewriteRules{Before: []proxy.RewriteRule{
			{Source: "/r/:to", Destination: "/served/:to"},
			{Source: "/r/:to", Destination: "https://:to.example.com/"},
		}},
		Headers:       []proxy.HeaderRule{{Source: "/:path*", Headers: []proxy.HeaderField{{Key: "X-A", Value: "b"}}}},
		TrailingSlash: proxy.TrailingSlashRemove,
		Upstreams:     map[string]proxy.Upstream{},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		name, path string
		change     func(*http.Request)
		lines      []string // that the trace has
		not        string   // that it has not
	}{
		{"a redirect", "/old/a?x=1", nil, []string{
			"> Headers[0] /:path* matches path=[\"old\" \"a\"]",
			"> Redirects[0] /old/:slug matches slug=\"a\", leads to /new/a?x=1",
			"- Redirects[1] /:any* Has[0]: the request has no such header X-Secret",
			"- Matchers[0] /admin/:path* the path has no text \"/admin\"",
			"> Matchers[1] /:path* matches path=[\"old\" \"a\"]",
		}, "topsecret"},
		{"the second of two that match does not act", "/old/a", header("X-Secret", "topsecret"), []string{
			"> Redirects[0] /old/:slug matches slug=\"a\", leads to /new/a",
			"= Redirects[1] /:any* matches any=[\"old\" \"a\"], leads to /x",
		}, "topsecret"},
		{"a condition that must miss", "/admin/x", header("Cookie", "session=1"), []string{
			"- Matchers[0] /admin/:path* Missing[0]: the request has such a cookie session",
			"> Matchers[1]",
		}, "session=1"},
		{"rewrites all act", "/r/a", nil, []string{
			"> Rewrites.Before[0] /r/:to matches to=\"a\", leads to /served/a",
			"> Rewrites.Before[1] /r/:to matches to=\"a\", leads to https://a.example.com/",
		}, ""},
		{"a host that is not allowed", "/to/a.b", nil, []string{"> Redirects[2] /to/:sub matches destination host is not in the allow-list sub=\"a.b\""}, "leads"},
		{"a path with a trailing slash", "/a/", nil, []string{"> TrailingSlash matches, leads to /a"}, ""},
		{"a path that is refused", "/a%2Fb", nil, []string{"> path matches path has an encoded slash"}, "Redirects"},
	} {
		r := httptest.NewRequest(http.MethodGet, row.path, nil)
		if row.change != nil {
			row.change(r)
		}
		got := p.Explain(r).String()
		folded := strings.Join(strings.FieldsFunc(got, func(r rune) bool { return r == ' ' }), " ")
		for _, line := range row.lines {
			if !strings.Contains(folded, line) {
				t.Errorf("%s: the trace lacks %q:\n%s", row.name, line, got)
			}
		}
		if row.not != "" && strings.Contains(got, row.not) {
			t.Errorf("%s: the trace has %q:\n%s", row.name, row.not, got)
		}
	}
}
