package proxy_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/gatehouse-go/gatehouse/proxy"
)

func ExampleCompile() {
	p, err := proxy.Compile("/api/:function*")
	if err != nil {
		panic(err)
	}
	params, ok := p.Match("/api/users/42")
	fmt.Println(ok, params.Values("function"))
	// Output: true [users 42]
}

func ExampleCompile_refused() {
	_, err := proxy.Compile(`/:year(\d+)/:again(\1)`)
	fmt.Println(err)
	// Output: proxy: pattern "/:year(\\d+)/:again(\\1)" at 19: a backreference is not supported
}

func ExamplePatternOptions_Compile() {
	source, err := proxy.PatternOptions{Reading: proxy.ReadingSource}.Compile("/old/:slug")
	if err != nil {
		panic(err)
	}
	params, ok := source.Match("/OLD/hello/")
	slug, _ := params.Get("slug")
	fmt.Println(ok, slug)
	// Output: true hello
}

func ExampleExcept() {
	p, err := proxy.Compile(proxy.Except("/api", "*.png"))
	if err != nil {
		panic(err)
	}
	for _, path := range []string{"/api/users", "/apix", "/logo.png", "/dashboard"} {
		fmt.Println(path, p.Matches(path))
	}
	// Output:
	// /api/users false
	// /apix true
	// /logo.png false
	// /dashboard true
}

// The usual exclusion of Next.js leaves out more than it says. Use Except instead.
func ExampleExcept_incorrect() {
	p, err := proxy.Compile("/((?!api|favicon.ico).*)")
	if err != nil {
		panic(err)
	}
	fmt.Println(p.Matches("/apiary/secrets"), p.Matches("/favicon-ico"))
	for _, w := range p.Warnings() {
		fmt.Println(w)
	}
	// Output:
	// false false
	// (?!api) leaves out /apix as well: write (?!api(?:/|$)), or use Except
	// (?!favicon.ico) leaves out /favicon.icox as well: write (?!favicon.ico(?:/|$)), or use Except
	// a bare dot in "favicon.ico" stands for any character: write \. for a dot
}

func ExampleCompileConditions() {
	c, err := proxy.CompileConditions(
		[]proxy.Condition{{Type: "host", Value: `(?<tenant>[a-z]+)\.example\.com`}},
		[]proxy.Condition{{Type: "cookie", Key: "session"}},
	)
	if err != nil {
		panic(err)
	}
	params, ok := c.Match(httptest.NewRequest(http.MethodGet, "http://acme.example.com/", nil))
	tenant, _ := params.Get("tenant")
	fmt.Println(ok, tenant)
	// Output: true acme
}

func ExampleCompileDestination() {
	source, err := proxy.PatternOptions{Reading: proxy.ReadingSource}.Compile("/old/:path*")
	if err != nil {
		panic(err)
	}
	d, err := proxy.CompileDestination("/new/:path*?from=old", proxy.DestinationOptions{Params: source.Params()})
	if err != nil {
		panic(err)
	}
	params, _ := source.Match("/old/a/b c")
	target, err := d.Expand(params, "page=2")
	fmt.Println(target, err)

	_, err = proxy.CompileDestination("/new/:path", proxy.DestinationOptions{Params: source.Params()})
	fmt.Println(err)
	// Output:
	// /new/a/b%20c?page=2&from=old <nil>
	// proxy: destination "/new/:path": parameter :path may be absent from a match: write it with * here, or make it required in the source
}

func ExampleCompileTemplate() {
	params, err := proxy.NewParams(map[string]any{"path": []string{"a", "b"}})
	if err != nil {
		panic(err)
	}
	t, err := proxy.CompileTemplate("</:path*>; rel=canonical", []proxy.ParamSpec{{Name: "path", Repeated: true}})
	if err != nil {
		panic(err)
	}
	fmt.Println(t.Expand(params))
	// Output: </a/b>; rel=canonical
}

func ExampleLoadRules() {
	rules, err := proxy.LoadRules(strings.NewReader(`{
		"redirects": [{"source": "/old/:slug", "destination": "/new/:slug", "permanent": true}]
	}`))
	if err != nil {
		panic(err)
	}
	p, err := proxy.New(proxy.Config{Redirects: rules.Redirects, Rewrites: rules.Rewrites, Headers: rules.Headers})
	if err != nil {
		panic(err)
	}
	w := httptest.NewRecorder()
	p.Wrap(http.NotFoundHandler()).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/old/hello", nil))
	fmt.Println(w.Code, w.Header().Get("Location"))
	// Output: 308 /new/hello
}

func ExamplePattern_Explain() {
	p, err := proxy.Compile("/blog/:slug")
	if err != nil {
		panic(err)
	}
	fmt.Print(p.Explain("/blog/a/b"))
	// Output:
	// pattern  /blog/:slug
	//          text "/blog"
	//          parameter slug = [^\/#\?]+? after "/"
	// case     letters match as they are written
	// path     /blog/a/b
	// no match the path goes on where the pattern has ended
}

func ExampleProxy_Explain() {
	p, err := proxy.New(proxy.Config{Redirects: []proxy.RedirectRule{
		{Source: "/old/:slug", Destination: "/new/:slug"},
		{Source: "/legacy", Destination: "/"},
	}})
	if err != nil {
		panic(err)
	}
	fmt.Print(p.Explain(httptest.NewRequest(http.MethodGet, "/old/hello", nil)))
	// Output:
	// > Redirects[0]         /old/:slug                     matches slug="hello", leads to /new/hello
	// - Redirects[1]         /legacy                        the path has no text "/legacy"
}

// Parameters that do not come from a path fill a destination in the same way.
func ExampleNewParams() {
	params, err := proxy.NewParams(map[string]any{"lang": "en", "slug": []string{"a", "b"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	lang, _ := params.Get("lang")
	slug := params.Values("slug")
	fmt.Println(lang, slug)
	// Output: en [a b]
}
