package proxy_test

import (
	"encoding/json"
	"testing"

	"github.com/gatehouse-go/gatehouse/proxy"
)

func TestMatch(t *testing.T) {
	for _, row := range []struct {
		name, pattern, path string
		options             proxy.PatternOptions
		want                string // the parameters, or empty for no match
	}{
		{"a repeated parameter is a list", "/api/:function*", "/api/a/b", proxy.PatternOptions{}, `{"function":["a","b"]}`},
		{"a repeated parameter may be absent", "/api/:function*", "/api", proxy.PatternOptions{}, `{}`},
		{"a matcher tells letters of the other case apart", "/api/:function*", "/API/a", proxy.PatternOptions{}, ``},
		{"a matcher can be told to take either case", "/api/:function*", "/API/a", proxy.PatternOptions{Case: proxy.CaseInsensitive}, `{"function":["a"]}`},
		{"a source takes either case", "/old/:slug", "/OLD/a/", proxy.PatternOptions{Reading: proxy.ReadingSource}, `{"slug":"a"}`},
		{"a group has an expression of its own", `/post/:id(\d{1,})`, "/post/12", proxy.PatternOptions{}, `{"id":"12"}`},
	} {
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
	}
}

func TestExpand(t *testing.T) {
	p, err := proxy.PatternOptions{Reading: proxy.ReadingSource}.Compile("/old/:path*")
	if err != nil {
		t.Fatal(err)
	}
	d, err := proxy.CompileDestination("/new/:path*?from=old#/:path*", proxy.DestinationOptions{Params: p.Params()})
	if err != nil {
		t.Fatal(err)
	}
	params, _ := p.Match("/old/a/b c")
	target, err := d.Expand(params, "x=1&from=there")
	if got, want := target.String(), "/new/a/b%20c?x=1&from=old#/a/b%20c"; got != want || err != nil {
		t.Errorf("got %s (%v), want %s", got, err, want)
	}
}
