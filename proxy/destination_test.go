package proxy_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/gatehouse-go/gatehouse/internal/refusal"
	"github.com/gatehouse-go/gatehouse/proxy"
)

func TestExpand(t *testing.T) {
	plain := proxy.DestinationOptions{}
	appending := proxy.DestinationOptions{AppendParams: true}
	merging := proxy.DestinationOptions{MergeSlashes: true}
	verbatim := proxy.DestinationOptions{Verbatim: true}
	below := proxy.DestinationOptions{Hosts: []string{"*.example.com", "other.example.org"}}
	for _, row := range []struct {
		name, source, destination string
		options                   proxy.DestinationOptions
		path, query, want         string
	}{
		{"a parameter in the path", "/old/:slug", "/new/:slug", plain, "/old/a", "", "/new/a"},
		{"escaped", "/old/:slug", "/new/:slug", plain, "/old/a b?#é", "", "/new/a%20b%3F%23%C3%A9"},
		{"or not, where it is escaped already", "/old/:slug", "/new/:slug", verbatim, "/old/a%20b?#", "", "/new/a%20b%3F%23"},
		{"a list", "/old/:path*", "/new/:path*", plain, "/old/a/b c", "", "/new/a/b%20c"},
		{"a list that is absent", "/old/:path*", "/:path*", plain, "/old", "", "/"},
		{"a value that may be absent", "/old/:x?", "/new/:x*", plain, "/old", "", "/new"},
		{"parameters in another order, and twice", "/:a/:b", "/:b/:a-:b", plain, "/1/2", "", "/2/1-2"},
		{"the query stays", "/old", "/new", plain, "/old", "x=1&x=2&y", "/new?x=1&x=2&y="},
		{"and that of the destination wins", "/old", "/new?x=3&z=4", plain, "/old", "x=1&y=2", "/new?x=3&y=2&z=4"},
		{"with a parameter", "/:a/:b", "/new?x=:a&y=p-:b:c", plain, "/1/2", "", "/new?x=1&y=p-2%3Ac"},
		{"several times", "/:a", "/new?x=:a&x=2", plain, "/1", "", "/new?x=1&x=2"},
		{"a list in the query is joined as in a path", "/old/:path*", "/new?x=/:path*", plain, "/old/a/b", "", "/new?x=%2Fa%2Fb"},
		{"a parameter of the path does not come from the query (CVE-2026-44574)", "/old/:slug", "/new/:slug", appending, "/old/a", "slug=q", "/new/a?slug=q"},
		{"a rewrite appends parameters that it does not use", "/old/:slug", "/new", appending, "/old/a", "slug=q&b=1", "/new?slug=a&b=1"},
		{"lists too", "/old/:path*", "/new", appending, "/old/a/b", "", "/new?path=a&path=b"},
		{"unless it uses one", "/:a/:b", "/new/:a", appending, "/1/2", "", "/new/1"},
		{"or names it in its query", "/:a/:b", "/new?a=x", appending, "/1/2", "", "/new?a=x&b=2"},
		{"names that are numbers come first, as in a JavaScript object", "/old", "/new?01=x&2=y&a=z", plain, "/old", "10=a&b=c", "/new?2=y&10=a&b=c&01=x&a=z"},
		{"a fragment", "/old/:slug", "/new#part-:slug", plain, "/old/a b", "x=1", "/new?x=1#part-a%20b"},
		{"an empty fragment is none", "/old", "/new#", plain, "/old", "", "/new"},
		{"another server", "/old/:path*", "https://EXAMPLE.com:8443/x/:path*", plain, "/old/a", "x=1", "https://example.com:8443/x/a?x=1"},
		{"another server without a path", "/old", "https://example.com?x=1", plain, "/old", "", "https://example.com/?x=1"},
		{"and with a fragment", "/old", "https://example.com#f", plain, "/old", "", "https://example.com/#f"},
		{"the port that a scheme has anyway is left out", "/old", "https://example.com:443/x", plain, "/old", "", "https://example.com/x"},
		{"that of another scheme stays", "/old", "http://example.com:443/x", plain, "/old", "", "http://example.com:443/x"},
		{"an IPv4 address", "/old", "http://127.0.0.1:80/x", plain, "/old", "", "http://127.0.0.1/x"},
		{"a host whose port the list names", "/old/:sub", "https://:sub.example.net:8443/x", proxy.DestinationOptions{Hosts: []string{"*.example.net:8443"}}, "/old/a", "", "https://a.example.net:8443/x"},
		{"a fragment ends at a second sign", "/old", "/new#a#b", plain, "/old", "", "/new#a"},
		{"another server by its address", "/old", "http://[::1]:8080/", plain, "/old", "", "http://[::1]:8080/"},
		{"a host that is allowed", "/old/:sub", "https://:sub.example.com/x", below, "/old/Acme", "", "https://acme.example.com/x"},
		{"in full", "/old/:sub", "https://:sub.example.org", below, "/old/other", "", "https://other.example.org/"},
		{"backslashes and dots in a destination are those of a URL", "/old", `/a\b/./c/../d/%2e%2E/e/.`, plain, "/old", "", "/a/b/e/"},
		{"a path that ends in two dots", "/old", "/a/b/..", plain, "/old", "", "/a/"},
		{"there is nothing above the root", "/old", "/../../a", plain, "/old", "", "/a"},
		{"spaces, braces and line breaks", "/old", " /a b{c}\n\"é ", plain, "/old", "", "/a%20b%7Bc%7D%22%C3%A9"},
		{"a value cannot make the path name another host", "/old/:rest(.*)", "/:rest", plain, "/old//evil.example", "", "/evil.example"},
		{"nor with a backslash", "/old/:rest(.*)", "/:rest", verbatim, `/old/\evil.example`, "", "/evil.example"},
		{"a redirect merges slashes", "/old/:rest(.*)", "/a/:rest", merging, "/old//b//c", "", "/a/b/c"},
		{"and backslashes", "/old/:rest(.*)", "/a/:rest", proxy.DestinationOptions{MergeSlashes: true, Verbatim: true}, `/old/\/b`, "", "/a/b"},
		{"a malformed query is not lost", "/old", "/new?y=1", plain, "/old", "x=%zz&&a%2", "/new?x=%25zz&a%252=&y=1"},
	} {
		p, err := proxy.PatternOptions{Reading: proxy.ReadingSource}.Compile(row.source)
		if err != nil {
			t.Fatal(err)
		}
		row.options.Params = p.Params()
		d, err := proxy.CompileDestination(row.destination, row.options)
		if err != nil {
			t.Errorf("%s: %v", row.name, err)
			continue
		}
		if d.String() != row.destination || d.External() != strings.Contains(row.destination, "://") {
			t.Errorf("%s: String %q, External %v", row.name, d, d.External())
		}
		params, ok := p.Match(row.path)
		target, err := d.Expand(params, row.query)
		if got := target.String(); !ok || err != nil || got != row.want {
			t.Errorf("%s: got %q (%v, %v), want %q", row.name, got, ok, err, row.want)
		}
	}
}

// A client can send as many names as fit into a request.
func TestExpandQueryOfManyNames(t *testing.T) {
	var query, want strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&query, "a%d=x&", i)
		fmt.Fprintf(&want, "&a%d=x", i)
		if i%2 == 0 {
			fmt.Fprintf(&want, "&a%d=y", i)
		}
	}
	for i := 0; i < 5000; i += 2 {
		fmt.Fprintf(&query, "a%d=y&", i)
	}
	d, err := proxy.CompileDestination("/new", proxy.DestinationOptions{})
	if err != nil {
		t.Fatal(err)
	}
	target, err := d.Expand(proxy.Params{}, query.String())
	if got := target.String(); err != nil || got != "/new?"+want.String()[1:] {
		t.Errorf("got %.200s (%v)", got, err)
	}
}

func TestExpandRefusesHosts(t *testing.T) {
	p, err := proxy.Compile("/old/:sub(.*)")
	if err != nil {
		t.Fatal(err)
	}
	d, err := proxy.CompileDestination("https://:sub.example.com:8443/x", proxy.DestinationOptions{Params: p.Params(), Hosts: []string{"*.example.com"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/old/evil.test#", "/old/evil.test/", "/old/a.b", "/old/", "/old/x@evil.test", "/old/evil.test%2F", "/old/é", "/old/a b", "/old/a:1"} {
		params, ok := p.Match(path)
		target, err := d.Expand(params, "")
		if !ok || !errors.Is(err, proxy.ErrHost) || refusal.Status(err) != 400 || target.Origin != "" {
			t.Errorf("%s: got %v, %v, %v", path, ok, target, err)
		}
	}
}

func TestCompileDestinationRefuses(t *testing.T) {
	params := []proxy.ParamSpec{{Name: "a"}, {Name: "list", Repeated: true}, {Name: "maybe", Optional: true}}
	for _, row := range []struct{ name, destination, rule string }{
		{"a parameter that the rule does not have", "/new/:b", "parameter :b is not in the source"},
		{"a repeated one", "/new/:b+", "parameter :b is not in the source"},
		{"a list in a place for one value", "/new/:list", "parameter :list is a list: write :list*"},
		{"also in the query", "/new?x=:list", "parameter :list is a list"},
		{"also in the fragment", "/new#:list", "parameter :list is a list"},
		{"a parameter that may be absent", "/new/:maybe", "parameter :maybe may be absent"},
		{"two parameters without text between them", "/new/:a:a", "text between them"},
		{"also in the query", "/new?x=:a:a", "text between them"},
		{"a list without a slash for each value", "/new#:list*", "repeats without"},
		{"a parameter in the name of a query parameter", "/new?:a=1", `name of query parameter ":a" must not hold a parameter`},
		{"a group that is not closed", "/new/(a", "not closed"},
		{"no slash and no scheme", "new", "must begin with a slash, http:// or https://"},
		{"another scheme", "javascript://x/%0aalert(1)", "must begin with a slash, http:// or https://"},
		{"a user name", "https://user@example.com/", "must not hold a user name"},
		{"no host", "https:///x", "must have a host"},
		{"a host with other characters", "https://exa%6dple.com/", "a host of letters, digits"},
		{"a host with a group that is not closed", "https://(a/", "not closed"},
		{"a port that is none", "https://example.com:65536/", "a port of at most 65535"},
		{"a host that browsers read as an address", "https://0x7f.1/", "must not have a host that ends in a number"},
		{"also with too few parts", "http://127.1/", "must not have a host that ends in a number"},
		{"also with a dot at its end", "http://2130706433.", "must not have a host that ends in a number"},
		{"a parameter in the host without allowed hosts", "https://:a.example.com/", "no allowed hosts"},
	} {
		_, err := proxy.CompileDestination(row.destination, proxy.DestinationOptions{Params: params})
		if err == nil || !strings.Contains(err.Error(), row.rule) || !strings.Contains(err.Error(), "proxy: destination") {
			t.Errorf("%s: %s: got %v, want %q", row.name, row.destination, err, row.rule)
		}
	}
	if _, err := proxy.CompileDestination("https://:list.example.com/", proxy.DestinationOptions{Params: params, InsecureAnyHost: true}); err == nil || !strings.Contains(err.Error(), "is a list") {
		t.Errorf("a list in the host: %v", err)
	}
}

func TestTemplate(t *testing.T) {
	params, err := proxy.NewParams(map[string]any{"a": "1", "list": []string{"x", "y"}})
	if err != nil {
		t.Fatal(err)
	}
	specs := append(present(params), proxy.ParamSpec{Name: "gone", Optional: true})
	for _, row := range []struct{ name, text, want string }{
		{"plain text", "no-store", "no-store"},
		{"a parameter", ":a", "1"},
		{"inside of text", "x-:a-y", "x-1-y"},
		{"a longer name is another", ":ab", ":ab"},
		{"a colon is text", "https://example.com:8080/:a", "https://example.com:8080/1"},
		{"a list", ":list*", "x/y"},
		{"behind a slash", "/p/:list*", "/p/x/y"},
		{"behind a dot", "p.:list+", "p.x.y"},
		{"behind other text it is joined without one", "p=:list*", "p=xy"},
		{"a parameter that is absent stays as it is written", "p-:gone?", "p-:gone?"},
		{"behind a slash too", "p/:gone", "p/:gone"},
		{"at the beginning too", ":gone", ":gone"},
		{"groups and braces are text", ":a(b){1,2}+", "1(b){1,2}+"},
		{"a backslash makes a colon text", `:a \:a`, "1 :a"},
		{"without a colon it is a backslash", `a\b`, `a\b`},
		{"at the end there is nothing that it makes plain", `:a\`, "1"},
		{"nothing", "", ""},
	} {
		tpl, err := proxy.CompileTemplate(row.text, specs)
		if err != nil {
			t.Errorf("%s: %v", row.name, err)
			continue
		}
		if got := tpl.Expand(params); got != row.want || tpl.String() != row.text {
			t.Errorf("%s: got %q, want %q (String %q)", row.name, got, row.want, tpl)
		}
	}
	if _, err := proxy.CompileTemplate(":a:a", specs); err == nil || !strings.Contains(err.Error(), "text between them") {
		t.Errorf("two parameters: %v", err)
	}
	several, _ := proxy.NewParams(map[string]any{"a": []string{"1", "2"}})
	tpl, err := proxy.CompileTemplate("x:a", []proxy.ParamSpec{{Name: "a"}})
	if err != nil || tpl.Expand(several) != "x2" {
		t.Errorf("a query parameter that came twice: %v, %q", err, tpl.Expand(several))
	}
	d, err := proxy.CompileDestination("/new/:a", proxy.DestinationOptions{Params: []proxy.ParamSpec{{Name: "a"}}})
	if err != nil {
		t.Fatal(err)
	}
	if target, err := d.Expand(several, ""); err != nil || target.String() != "/new/2" {
		t.Errorf("in a path: %v, %v", target, err)
	}
}

func FuzzExpand(f *testing.F) {
	for _, s := range []string{"/new/:a/:list*?x=:a#f-:a", "https://:a.example.com/:list*", "/a/../:list*", `\\evil`, "//evil/:a", "/:list*?:a=1"} {
		f.Add(s, "v", "x/y", "q=1")
	}
	f.Fuzz(func(t *testing.T, destination, a, list, query string) {
		specs := []proxy.ParamSpec{{Name: "a"}, {Name: "list", Repeated: true}}
		d, err := proxy.CompileDestination(destination, proxy.DestinationOptions{Params: specs, Hosts: []string{"*.example.com"}, AppendParams: true})
		if err != nil {
			return
		}
		params, _ := proxy.NewParams(map[string]any{"a": a, "list": strings.Split(list, "/")})
		target, err := d.Expand(params, query)
		if err != nil {
			return
		}
		s := target.String()
		if !d.External() && (!strings.HasPrefix(s, "/") || strings.HasPrefix(s, "//") || strings.HasPrefix(s, `/\`)) {
			t.Fatalf("%q with %q, %q leads to %q", destination, a, list, s)
		}
		if strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
			t.Fatalf("%q with %q, %q has a control character: %q", destination, a, list, s)
		}
	})
}
