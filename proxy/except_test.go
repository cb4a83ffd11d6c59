package proxy_test

import (
	"strings"
	"testing"

	"github.com/gatehouse-go/gatehouse/proxy"
)

func TestExcept(t *testing.T) {
	usual := []string{"/api", "/assets/", "*.png", "favicon.ico", "/v1/*/open", "/a+b(c)"}
	for _, row := range []struct {
		name   string
		except []string
		path   string
		want   bool
	}{
		{"another path is taken", usual, "/dashboard", true},
		{"the root is taken", usual, "/", true},
		{"a named path is not", usual, "/api", false},
		{"nor with a slash", usual, "/api/", false},
		{"nor what lies below it", usual, "/api/users/1", false},
		{"what only begins so is taken", usual, "/apix", true},
		{"a slash at the end of the name does not matter", usual, "/assets", false},
		{"an ending is not taken", usual, "/images/logo.png", false},
		{"what only holds it is", usual, "/logo.png/admin", true},
		{"nor is its dot any character", usual, "/logoXpng", true},
		{"a name without a slash is a path", usual, "/favicon.ico", false},
		{"whose dot is a dot", usual, "/faviconXico", true},
		{"a star stands for one segment", usual, "/v1/a/open", false},
		{"and not for two", usual, "/v1/a/b/open", true},
		{"other characters stand for themselves", usual, "/a+b(c)/d", false},
		{"the root alone", []string{"/"}, "/", false},
		{"leaves the rest", []string{"/"}, "/a", true},
		{"nothing is left out by nothing", nil, "/", true},
		{"nor by an empty string", []string{""}, "/api", true},
		{"the data of a page that is left out is guarded still", usual, "/api.json", true},
		{"in the other case a path is another", usual, "/API", true},
	} {
		p, err := proxy.Compile(proxy.Except(row.except...))
		if err != nil {
			t.Fatalf("%s: %v", row.name, err)
		}
		if got := p.Matches(row.path); got != row.want {
			t.Errorf("%s: %s: got %v", row.name, row.path, got)
		}
		if w := p.Warnings(); len(w) > 0 {
			t.Errorf("%s: warnings %q", row.name, w)
		}
	}
}

func FuzzExcept(f *testing.F) {
	for _, s := range []string{"/api", "*.png", "/", "", "/a b", `/\d`, "/é", "a|b", "/v*x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, path string) {
		p, err := proxy.Compile(proxy.Except(path))
		if err != nil {
			if len(path) < 500 && !strings.Contains(err.Error(), "too large") {
				t.Fatalf("%q: %v", path, err)
			}
			return
		}
		if name := strings.Trim(path, "/"); name != "" && !strings.ContainsAny(path, "*\n\r\u2028\u2029") && (p.Matches("/"+name) || p.Matches("/"+name+"/below")) {
			t.Fatalf("%q is taken", path)
		}
	})
}
