package proxy_test

import (
	"crypto/tls"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gatehouse-go/gatehouse/proxy"
)

func header(name string, values ...string) func(*http.Request) {
	return func(r *http.Request) { r.Header[http.CanonicalHeaderKey(name)] = values }
}

func host(name string) func(*http.Request) { return func(r *http.Request) { r.Host = name } }

func has(kind, key, value string) []proxy.Condition {
	return []proxy.Condition{{Type: kind, Key: key, Value: value}}
}

func TestConditions(t *testing.T) {
	for _, row := range []struct {
		name         string
		has, missing []proxy.Condition
		target       string
		change       func(*http.Request)
		want         string // the parameters as JSON, or empty where the conditions do not hold
	}{
		{"no condition holds", nil, nil, "/", nil, `{}`},
		{"a header that is there", has("header", "X-Role", ""), nil, "/", header("X-Role", "admin"), `{"xrole":"admin"}`},
		{"a header that is empty is not there", has("header", "X-Role", ""), nil, "/", header("X-Role", ""), ``},
		{"a header that is not there", has("header", "X-Role", ""), nil, "/", nil, ``},
		{"a header sent twice is one list", has("header", "x-role", "a, b"), nil, "/", header("X-Role", "a", "b"), `{}`},
		{"the Host header, which net/http keeps elsewhere", has("header", "Host", "example.com"), nil, "/", nil, `{}`},
		{"a value is a whole value", has("header", "X-Role", "dmi"), nil, "/", header("X-Role", "admin"), ``},
		{"also where it is a choice, other than in Next.js", has("header", "X-Role", "admin|root"), nil, "/", header("X-Role", "administrator"), ``},
		{"a choice takes what it names", has("header", "X-Role", "admin|root"), nil, "/", header("X-Role", "root"), `{}`},
		{"a value tells letters of the other case apart", has("header", "X-Role", "admin"), nil, "/", header("X-Role", "ADMIN"), ``},
		{"named groups are parameters", has("header", "X-Id", `(?<a>\d+)-(?<b>\w+)(?<c>!)?`), nil, "/", header("X-Id", "12-x"), `{"a":"12","b":"x"}`},
		{"groups without a name are not", has("header", "X-Id", `(\d+)`), nil, "/", header("X-Id", "12"), `{}`},
		{"a cookie", has("cookie", "session", ""), nil, "/", header("Cookie", "a=1; session=x=y"), `{"session":"x=y"}`},
		{"the first of its name", has("cookie", "session", ""), nil, "/", header("Cookie", "session=1; session=2"), `{"session":"1"}`},
		{"in any of several headers", has("cookie", "session", ""), nil, "/", header("Cookie", "a=1", "session=2"), `{"session":"2"}`},
		{"decoded", has("cookie", "session", ""), nil, "/", header("Cookie", "session=a%20b"), `{"session":"a b"}`},
		{"unless that is no UTF-8", has("cookie", "session", ""), nil, "/", header("Cookie", "session=%ff"), `{"session":"%ff"}`},
		{"without quotes", has("cookie", "session", ""), nil, "/", header("Cookie", `session="a"`), `{"session":"a"}`},
		{"a single quote is empty", has("cookie", "session", ""), nil, "/", header("Cookie", `session="`), ``},
		{"the name of a cookie tells letters of the other case apart", has("cookie", "Session", ""), nil, "/", header("Cookie", "session=1"), ``},
		{"a cookie without a value", has("cookie", "session", ""), nil, "/", header("Cookie", "session"), ``},
		{"all cookies as a header", has("header", "Cookie", ".*b=2"), nil, "/", header("Cookie", "a=1", "b=2"), `{}`},
		{"a query parameter", has("query", "q-1", ""), nil, "/?q-1=x+y", nil, `{"q":"x y"}`},
		{"several times, it is a list", has("query", "q", ""), nil, "/?q=1&q=2", nil, `{"q":["1","2"]}`},
		{"of which the last value is judged", has("query", "q", "2"), nil, "/?q=1&&q=2", nil, `{}`},
		{"an empty query parameter is not there", has("query", "q", ""), nil, "/?q=", nil, ``},
		{"nor is another", has("query", "q", ""), nil, "/?p=1", nil, ``},
		{"a name that is escaped", has("query", "é", ""), nil, "/?%C3%A9=%zz", nil, `{"":"%zz"}`},
		{"a host", has("host", "", "example.com"), nil, "/", nil, `{"host":"example.com"}`},
		{"without its port, in lower case", has("host", "", "example.com"), nil, "/", host("EXAMPLE.com:8080"), `{"host":"example.com"}`},
		{"with a named group", has("host", "", `(?<sub>.+)\.example\.com`), nil, "/", host("a.example.com"), `{"sub":"a"}`},
		{"an address in brackets", has("host", "", `\[::1\]`), nil, "/", host("[::1]:80"), `{"host":"[::1]"}`},
		{"and without a port", has("host", "", `\[::1\]`), nil, "/", host("[::1]"), `{"host":"[::1]"}`},
		{"a method", has("method", "", "GET|HEAD"), nil, "/", nil, `{}`},
		{"another method", has("method", "", "POST"), nil, "/", nil, ``},
		{"a scheme", has("scheme", "", "https"), nil, "/", func(r *http.Request) { r.TLS = &tls.ConnectionState{} }, `{}`},
		{"another scheme", has("scheme", "", "https"), nil, "/", nil, ``},
		{"a header that must be missing", nil, has("header", "X-Role", ""), "/", header("X-Role", "x"), ``},
		{"and is", nil, has("header", "X-Role", ""), "/", nil, `{}`},
		{"a value that must be missing", nil, has("header", "X-Role", "(?<a>x)"), "/", header("X-Role", "x"), ``},
		{"and is another", nil, has("header", "X-Role", "x"), "/", header("X-Role", "y"), `{}`},
		{"two conditions, of which one does not hold", append(has("header", "X-Role", ""), has("query", "q", "")...), nil, "/", header("X-Role", "x"), ``},
		{"a header from the client that names an internal of Next.js is a header like any other (CVE-2025-29927)", nil, has("header", "X-Role", ""), "/", header("X-Middleware-Subrequest", "middleware:middleware:middleware"), `{}`},
	} {
		c, err := proxy.CompileConditions(row.has, row.missing)
		if err != nil {
			t.Errorf("%s: %v", row.name, err)
			continue
		}
		r := httptest.NewRequest(http.MethodGet, row.target, nil)
		if row.change != nil {
			row.change(r)
		}
		params, ok := c.Match(r)
		got := ""
		if ok {
			b, _ := json.Marshal(params)
			got = string(b)
		}
		if got != row.want {
			t.Errorf("%s: got %s, want %s", row.name, got, row.want)
		}
	}
}

func TestConditionsJoinTheParametersOfThePath(t *testing.T) {
	p, err := proxy.Compile("/:a/:b")
	if err != nil {
		t.Fatal(err)
	}
	c, err := proxy.CompileConditions(append(has("query", "a", ""), has("query", "c", "(?<c>.)(?<b>.)")...), nil)
	if err != nil {
		t.Fatal(err)
	}
	params, _ := p.Match("/1/2")
	if !c.MatchInto(httptest.NewRequest(http.MethodGet, "/?a=x&c=yz", nil), &params) {
		t.Fatal("the conditions do not hold")
	}
	if got, _ := json.Marshal(params); string(got) != `{"a":"x","b":"z","c":"y"}` {
		t.Errorf("got %s", got)
	}
	if got, there := params.Get("a"); got != "x" || !there {
		t.Errorf("Get: %q, %v", got, there)
	}
	copied := params
	if !c.MatchInto(httptest.NewRequest(http.MethodGet, "/?a=other&c=yz", nil), &params) {
		t.Fatal("the conditions do not hold")
	}
	if got, _ := copied.Get("a"); got != "x" {
		t.Errorf("a copy of the parameters changed: %q", got)
	}
	again, err := proxy.CompileConditions(append(has("query", "a", ""), has("query", "c", "(?<a>.).")...), nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, ok := again.Match(httptest.NewRequest(http.MethodGet, "/?a=x&c=yz", nil)); !ok || got.Values("a")[0] != "y" || len(got.Values("a")) != 1 {
		t.Errorf("the later of two conditions with one parameter does not win: %v", got.Values("a"))
	}
	before, _ := p.Match("/1/2")
	if c.MatchInto(httptest.NewRequest(http.MethodGet, "/?a=x", nil), &before) {
		t.Fatal("the conditions hold")
	}
	if got, _ := json.Marshal(before); string(got) != `{"a":"1","b":"2"}` {
		t.Errorf("conditions that do not hold leave %s", got)
	}
	var none *proxy.Conditions
	if !none.MatchInto(httptest.NewRequest(http.MethodGet, "/", nil), &before) || none.Params() != nil {
		t.Error("nil Conditions do not hold")
	}
}

func TestConditionsParams(t *testing.T) {
	c, err := proxy.CompileConditions([]proxy.Condition{
		{Type: "header", Key: "X-Role"}, {Type: "query", Key: "q", Value: "(?<a>x)(?<b>y)?(z)"}, {Type: "host", Value: "(a|b).example.com"},
	}, has("cookie", "c", ""))
	if err != nil {
		t.Fatal(err)
	}
	got, _ := json.Marshal(c.Params())
	want := `[{"Name":"xrole","Repeated":false,"Optional":false},{"Name":"a","Repeated":false,"Optional":false},{"Name":"b","Repeated":false,"Optional":true},{"Name":"host","Repeated":false,"Optional":false}]`
	if string(got) != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestCompileConditionsReportsEveryMistake(t *testing.T) {
	_, err := proxy.CompileConditions([]proxy.Condition{
		{Type: "heder", Key: "a"},
		{Type: "header", Key: "a b"},
		{Type: "cookie"},
		{Type: "host", Key: "example.com"},
		{Type: "query", Key: "q", Value: `(?<=a)b`},
		{Type: "query", Key: "q", Value: `a)|(b`},
		{Type: "query", Key: "q", Value: `((a{99}){99}){99}`},
	}, []proxy.Condition{{Type: "method", Key: "GET"}})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{
		`Has[0].Type = "heder" must be header, cookie, query, host, method or scheme`,
		`Has[1].Key = "a b" must be the name of a header`,
		`Has[2].Key must not be empty`,
		`Has[3].Key = "example.com" must be empty for a condition on host`,
		`Has[3].Value must not be empty for a condition on host`,
		`Has[4].Value = "(?<=a)b" must be a regular expression: at 0: lookbehind`,
		`Has[5].Value = "a)|(b" must be a regular expression: at 1: a closing parenthesis`,
		`Has[6].Value = "((a{99}){99}){99}" must be a regular expression`,
		`Missing[0].Key = "GET" must be empty`,
		`Missing[0].Value must not be empty`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error lacks %q:\n%v", want, err)
		}
	}
}
