package console_test

import (
	"html"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/gatehouse-go/gatehouse/webhook/inbox/console"
)

// Under any prefix, every link of a page leads to where the console is, as a browser resolves it.
func TestMountedUnderAnyPrefix(t *testing.T) {
	c := newConsole(t, sample(), console.Config{})
	prefixed := newConsole(t, sample(), console.Config{Prefix: "/deep/console"})
	mux := func(pattern string, h http.Handler) http.Handler {
		m := http.NewServeMux()
		m.Handle(pattern, h)
		return m
	}
	for _, row := range []struct {
		name, root string
		handler    http.Handler
	}{
		{"at the root", "/", c},
		{"at the root of a mux", "/", mux("/", c)},
		{"below a pattern", "/console/", mux("/console/", c)},
		{"below a pattern with a host", "/console/", mux("example.com/console/", c)},
		{"below a pattern with a rest", "/console/", mux("/console/{rest...}", c)},
		{"below a pattern with a wildcard", "/tenants/acme/console/", mux("/tenants/{tenant}/console/", c)},
		{"stripped", "/console/", mux("/console/", http.StripPrefix("/console", c))},
		{"stripped with its slash", "/console/", mux("/console/", http.StripPrefix("/console/", c))},
		{"stripped, and named as a page is", "/deliveries/", mux("/deliveries/", http.StripPrefix("/deliveries", c))},
		{"not stripped, and named as a page is", "/deliveries/", mux("/deliveries/", c)},
		{"in a mux in a stripped mux", "/admin/console/", mux("/admin/", http.StripPrefix("/admin", mux("/console/", c)))},
		{"below a prefix that only Config knows", "/deep/console/", prefixed},
		{"below a prefix that Config and a mux know", "/deep/console/", mux("/deep/", prefixed)},
	} {
		for _, page := range []string{"", "deliveries", "dead", "deliveries/3", "replay?status=dead", "deliveries/99", "nothing/at/all"} {
			address := "http://example.com" + row.root + page
			w := ask(row.handler, "GET", address, "")
			if want := map[bool]int{true: 200, false: 404}[page != "deliveries/99" && page != "nothing/at/all"]; w.Code != want {
				t.Errorf("%s: GET %s: %d", row.name, address, w.Code)
			}
			base, _ := url.Parse(address)
			style := attribute(w.Body.String(), `<link rel="stylesheet" href="`)
			resolved := base.ResolveReference(&url.URL{Path: style}).String()
			if resolved != "http://example.com"+row.root+"console.css" {
				t.Errorf("%s: the style of %s is at %s", row.name, address, resolved)
			}
			if w := ask(row.handler, "GET", resolved, ""); w.Code != 200 || w.Header().Get("Content-Type") != "text/css; charset=utf-8" {
				t.Errorf("%s: GET %s: %d", row.name, resolved, w.Code)
			}
		}
		address := "http://example.com" + row.root + "deliveries/6/replay?status=dead"
		w := submit(row.handler, address, url.Values{"why": {"x"}})
		base, _ := url.Parse(address)
		location, err := url.Parse(w.Header().Get("Location"))
		if err != nil || w.Code != 303 || base.ResolveReference(location).String() != "http://example.com"+row.root+"deliveries/6?n=1&notice=replayed&status=dead" {
			t.Errorf("%s: a replay: %d, leads to %s", row.name, w.Code, location)
		}
	}
}

func attribute(page, before string) string {
	_, after, _ := strings.Cut(page, before)
	value, _, _ := strings.Cut(after, `"`)
	return html.UnescapeString(value)
}

// Relative links need the slash at the root's end.
func TestTheRootGetsItsSlash(t *testing.T) {
	c := newConsole(t, sample(), console.Config{Prefix: "/console"})
	plain := newConsole(t, sample(), console.Config{})
	stripped := http.StripPrefix("/console", plain)
	for _, row := range []struct {
		name     string
		handler  http.Handler
		target   string
		want     int
		location string
	}{
		{"with the slash", c, "/console/", 200, ""},
		{"without the slash", c, "/console", 308, "./console/"},
		{"without the slash, with a query", c, "/console?span=day", 308, "./console/?span=day"},
		{"stripped to nothing", stripped, "/console", 308, "./console/"},
		{"stripped to a slash", stripped, "/console/", 200, ""},
		{"a host that looks like a path", http.StripPrefix("//elsewhere.example", plain), "//elsewhere.example", 308, "./elsewhere.example/"},
		{"an absolute target", c, "http://example.com/console", 308, "./console/"},
		{"a path that begins the same", c, "/consoles/", 404, ""},
		{"a path outside", c, "/other", 404, ""},
		{"the root outside", c, "/", 404, ""},
	} {
		w := ask(row.handler, "GET", row.target, "")
		if w.Code != row.want || w.Header().Get("Location") != row.location {
			t.Errorf("%s: got %d, %q", row.name, w.Code, w.Header().Get("Location"))
		}
	}
	// A request that was made by hand, without a request line.
	r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://example.com/", nil)
	w := ask(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { plain.ServeHTTP(w, r) }), "GET", "/", "")
	if w.Code != 200 {
		t.Errorf("without a request line: %d", w.Code)
	}
}
