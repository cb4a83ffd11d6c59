package proxy_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/gatehouse-go/gatehouse/proxy"
)

const ruleFile = `{
	"redirects": [
		{"source": "/old/:slug", "destination": "/new/:slug", "permanent": true},
		{"source": "/login", "destination": "https://accounts.example.com/", "statusCode": 303, "basePath": false, "locale": false,
		 "missing": [{"type": "cookie", "key": "session"}]}
	],
	"rewrites": {
		"beforeFiles": [{"source": "/a", "destination": "/b", "has": [{"type": "query", "key": "q", "value": "(?<x>.+)"}]}],
		"fallback": [{"source": "/:path*", "destination": "http://cms/:path*", "upgrade": true}]
	},
	"headers": [{"source": "/:path*", "headers": [{"key": "X-Path", "value": "/:path*"}]}]
}`

func TestLoadRules(t *testing.T) {
	rules, err := proxy.LoadRules(strings.NewReader(ruleFile))
	if err != nil {
		t.Fatal(err)
	}
	if len(rules.Redirects) != 2 || len(rules.Rewrites.Before) != 1 || len(rules.Rewrites.After) != 0 || len(rules.Rewrites.Fallback) != 1 || len(rules.Headers) != 1 {
		t.Fatalf("got %+v", rules)
	}
	got, _ := json.Marshal([]any{rules.Redirects, rules.Rewrites.Before[0].Has, rules.Headers, rules.Redirects[1].NoBasePath, rules.Redirects[0].NoBasePath, rules.Rewrites.Fallback[0].Upgrade})
	want := `[[{"source":"/old/:slug","destination":"/new/:slug","permanent":true},` +
		`{"source":"/login","destination":"https://accounts.example.com/","statusCode":303,"missing":[{"type":"cookie","key":"session"}]}],` +
		`[{"type":"query","key":"q","value":"(?\u003cx\u003e.+)"}],` +
		`[{"source":"/:path*","headers":[{"key":"X-Path","value":"/:path*"}]}],true,false,true]`
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestLoadRulesTakesAnArrayOfRewritesAsAfterFiles(t *testing.T) {
	rules, err := proxy.LoadRules(strings.NewReader(` {"rewrites": [{"source": "/a", "destination": "/b"}]} `))
	if err != nil || len(rules.Rewrites.After) != 1 || rules.Rewrites.After[0].Destination != "/b" {
		t.Errorf("got %+v, %v", rules, err)
	}
}

func TestLoadRulesServe(t *testing.T) {
	rules, err := proxy.LoadRules(strings.NewReader(`{"redirects": [{"source": "/old/:slug", "destination": "/new/:slug", "permanent": false}]}`))
	if err != nil {
		t.Fatal(err)
	}
	p, err := proxy.New(proxy.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.SetRules(rules); err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	p.Wrap(http.NotFoundHandler()).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/old/a", nil))
	if w.Code != http.StatusTemporaryRedirect || w.Header().Get("Location") != "/new/a" {
		t.Errorf("got %d to %q", w.Code, w.Header().Get("Location"))
	}
}

func TestLoadRulesRefuses(t *testing.T) {
	for _, row := range []struct{ name, document, want string }{
		{"no JSON", `{`, "proxy: rules: "},
		{"a second value", `{} {}`, "proxy: rules: "},
		{"an unknown list", `{"redirect": []}`, `unknown object member name "redirect"`},
		{"a misspelt condition, which would open the rule", `{"redirects": [{"source": "/a", "destination": "/b", "permanent": true, "mising": []}]}`, `unknown object member name "mising"`},
		{"the same in a condition", `{"redirects": [{"source": "/a", "destination": "/b", "permanent": true, "has": [{"type": "host", "vaule": "x"}]}]}`, `unknown object member name "vaule"`},
		{"the same in rewrites", `{"rewrites": {"before": []}}`, `unknown object member name "before"`},
		{"a member in another case", `{"redirects": [{"Source": "/a"}]}`, `unknown object member name "Source"`},
		{"a member twice", `{"headers": [], "headers": []}`, `duplicate object member name "headers"`},
		{"a type that is wrong", `{"redirects": {}}`, "proxy: rules: "},
		{"no source", `{"redirects": [{"destination": "/b", "permanent": true}]}`, `redirects[0].source = "" must begin with a slash`},
		{"a source without a slash", `{"redirects": [{"source": "a", "destination": "/b", "permanent": true}]}`, `redirects[0].source = "a" must begin with a slash`},
		{"a source that does not compile", `{"redirects": [{"source": "/:a:b", "destination": "/b", "permanent": true}]}`, `proxy: pattern "/:a:b" at 3`},
		{"no destination", `{"rewrites": {"fallback": [{"source": "/a"}]}}`, `rewrites.fallback[0].destination must not be empty`},
		{"a destination that its source cannot fill", `{"rewrites": [{"source": "/:a", "destination": "/:b"}]}`, `rewrites.afterFiles[0].destination = "/:b"`},
		{"neither permanent nor a status", `{"redirects": [{"source": "/a", "destination": "/b"}]}`, `redirects[0].permanent must be true or false`},
		{"a status that is no redirect", `{"redirects": [{"source": "/a", "destination": "/b", "statusCode": 304}]}`, `redirects[0].statusCode = 304 must be 301`},
		{"a base path that is true", `{"rewrites": [{"source": "/a", "destination": "/b", "basePath": true}]}`, `rewrites.afterFiles[0].basePath = true must be false`},
		{"a locale that is true", `{"rewrites": [{"source": "/a", "destination": "/b", "locale": true}]}`, `rewrites.afterFiles[0].locale = true must be false`},
		{"a field of another kind", `{"rewrites": {"beforeFiles": [{"source": "/a", "destination": "/b", "permanent": true, "statusCode": 301, "headers": []}]}}`, `rewrites.beforeFiles[0].permanent is no field of a rewrite rule`},
		{"an upgrade of a redirect", `{"redirects": [{"source": "/a", "destination": "/b", "permanent": true, "upgrade": true}]}`, `redirects[0].upgrade is no field of a redirect rule`},
		{"headers with a destination", `{"headers": [{"source": "/a", "destination": "/b", "headers": [{"key": "a", "value": "b"}]}]}`, `headers[0].destination is no field of a header rule`},
		{"no headers", `{"headers": [{"source": "/a"}]}`, `headers[0].headers must not be empty`},
		{"a field that has no value", `{"headers": [{"source": "/a", "headers": [{"key": "X-A"}]}]}`, `headers[0].headers[0] must have a key and a value`},
		{"a field that has no key", `{"headers": [{"source": "/a", "headers": [{"value": "x"}]}]}`, `headers[0].headers[0] must have a key and a value`},
		{"a field whose name is none", `{"headers": [{"source": "/a", "headers": [{"key": "bad name", "value": "x"}]}]}`, `headers[0].headers[0].key = "bad name" must be a header field`},
		{"a value with a line break", `{"headers": [{"source": "/a", "headers": [{"key": "X-A", "value": "x\r\nY: z"}]}]}`, `headers[0].headers[0].key = "X-A" must be a header field`},
		{"a list as a value", `{"headers": [{"source": "/:a*", "headers": [{"key": "X-A", "value": ":a"}]}]}`, `headers[0].headers[0].value = ":a" proxy: template`},
		{"no document, which would take every rule away", ` null `, `null is no document`},
		{"conditions that do not compile", `{"headers": [{"source": "/a", "headers": [{"key": "a", "value": "b"}], "has": [{"type": "host"}]}]}`, `Has[0].Value must not be empty`},
		{"a document that is too long", strings.Repeat(" ", 4<<20+1), "longer than 4194304 bytes"},
	} {
		_, err := proxy.LoadRules(strings.NewReader(row.document))
		if err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: got %v, want %q", row.name, err, row.want)
		}
	}
	if _, err := proxy.LoadRules(iotest.ErrReader(errors.New("gone"))); err == nil || !strings.Contains(err.Error(), "gone") {
		t.Errorf("a reader that fails: %v", err)
	}
}

func FuzzLoadRules(f *testing.F) {
	f.Add([]byte(ruleFile))
	f.Add([]byte(`{"rewrites": []}`))
	f.Fuzz(func(t *testing.T, document []byte) {
		rules, err := proxy.LoadRules(strings.NewReader(string(document)))
		if err != nil {
			return
		}
		for _, r := range rules.Redirects {
			if !strings.HasPrefix(r.Source, "/") || r.Destination == "" {
				t.Fatalf("%s gives %+v", document, r)
			}
		}
	})
}

func TestSourcesBeginWithASlash(t *testing.T) {
	_, err := proxy.New(proxy.Config{Redirects: []proxy.RedirectRule{{Source: "", Destination: "/a"}}, Headers: []proxy.HeaderRule{{Source: "x", Headers: []proxy.HeaderField{{Key: "X-A", Value: "b"}}}}})
	for _, want := range []string{`Redirects[0].Source = "" must begin with a slash`, `Headers[0].Source = "x" must begin with a slash`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}
