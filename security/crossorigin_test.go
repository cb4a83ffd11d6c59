package security_test

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gatehouse-go/gatehouse/security"
)

func mustCrossOrigin(tb testing.TB, c security.CrossOriginConfig) *security.CrossOrigin {
	tb.Helper()
	if c.Logger == nil {
		c.Logger = discard
	}
	x, err := security.NewCrossOrigin(c)
	if err != nil {
		tb.Fatal(err)
	}
	return x
}

func TestCrossOriginChecks(t *testing.T) {
	plain := security.CrossOriginConfig{}
	fronted := security.CrossOriginConfig{BehindTLS: true}
	trusting := security.CrossOriginConfig{TrustedOrigins: []string{"https://partner.example"}, InsecureBypass: []string{"POST /hooks/{name}"}}
	isolated := security.CrossOriginConfig{Isolate: true, TrustedOrigins: []string{"https://partner.example"}, Shared: []string{"/public/"}}
	const overTLS = "https://app.example/"
	for _, row := range []struct {
		name   string
		c      security.CrossOriginConfig
		method string
		target string
		lines  []string
		why    error
	}{
		{"a link from anywhere", plain, "GET", overTLS, []string{"Sec-Fetch-Site: cross-site"}, nil},
		{"a form of this origin", plain, "POST", overTLS, []string{"Sec-Fetch-Site: same-origin", "Origin: https://app.example"}, nil},
		{"a reload by the user", plain, "POST", overTLS, []string{"Sec-Fetch-Site: none"}, nil},
		{"a client that is no browser", plain, "POST", overTLS, nil, nil},
		{"a form of another site", plain, "POST", overTLS, []string{"Sec-Fetch-Site: cross-site", "Origin: https://evil.example"}, security.ErrCrossOrigin},
		{"a form of another host of this site", plain, "POST", overTLS, []string{"Sec-Fetch-Site: same-site", "Origin: https://other.app.example"}, security.ErrCrossOrigin},
		{"a Sec-Fetch-Site that does not exist", plain, "POST", overTLS, []string{"Sec-Fetch-Site: whatever"}, security.ErrCrossOrigin},
		{"an old browser's form of this origin", plain, "POST", overTLS, []string{"Origin: https://app.example"}, nil},
		{"an old browser's form of another site", plain, "DELETE", overTLS, []string{"Origin: https://evil.example"}, security.ErrCrossOrigin},
		{"an old browser's sandboxed form", plain, "POST", overTLS, []string{"Origin: null"}, security.ErrCrossOrigin},

		{"a page of http on the same host, to https", plain, "POST", overTLS, []string{"Origin: http://app.example"}, security.ErrCrossOrigin},
		{"a page of http on the same host, through a TLS front", fronted, "POST", "http://app.example/", []string{"Origin: http://app.example"}, security.ErrCrossOrigin},
		{"a page of https, through a TLS front", fronted, "POST", "http://app.example/", []string{"Origin: https://app.example"}, nil},
		{"a page of https, through a front that was not declared", plain, "POST", "http://app.example/", []string{"Origin: https://app.example"}, nil},
		{"a page of http, to http", plain, "POST", "http://app.example/", []string{"Origin: http://app.example"}, nil},
		{"an origin with a user in it", plain, "POST", overTLS, []string{"Origin: https://user@app.example"}, security.ErrCrossOrigin},
		{"an origin with a path", plain, "POST", overTLS, []string{"Origin: https://app.example/x"}, security.ErrCrossOrigin},
		{"an origin with a query", plain, "POST", overTLS, []string{"Origin: https://app.example?x"}, security.ErrCrossOrigin},
		{"two origins, the first of them ours", plain, "POST", overTLS, []string{"Origin: https://app.example", "Origin: https://evil.example"}, security.ErrCrossOrigin},
		{"two Sec-Fetch-Site, the first of them ours", plain, "POST", overTLS, []string{"Sec-Fetch-Site: same-origin", "Sec-Fetch-Site: cross-site"}, security.ErrCrossOrigin},
		{"a GET that a header turns into DELETE", plain, "GET", overTLS, []string{"Sec-Fetch-Site: cross-site", "X-HTTP-Method-Override: DELETE"}, security.ErrCrossOrigin},
		{"a GET that another header turns into DELETE", plain, "GET", overTLS, []string{"Sec-Fetch-Site: cross-site", "X-Method-Override: DELETE"}, security.ErrCrossOrigin},
		{"a HEAD that a third header turns into PUT", plain, "HEAD", overTLS, []string{"Origin: https://evil.example", "X-Http-Method: PUT"}, security.ErrCrossOrigin},
		{"an override by a page of this origin", plain, "GET", overTLS, []string{"Sec-Fetch-Site: same-origin", "X-HTTP-Method-Override: DELETE"}, nil},
		{"an override by an old browser's page of http", plain, "GET", overTLS, []string{"Origin: http://app.example", "X-HTTP-Method-Override: DELETE"}, security.ErrCrossOrigin},
		{"a WebSocket handshake of another site", plain, "GET", overTLS, []string{"Origin: https://evil.example", "Upgrade: websocket", "Connection: Upgrade"}, security.ErrCrossOrigin},
		{"a WebSocket handshake of another site, with Fetch Metadata", plain, "GET", overTLS, []string{"Sec-Fetch-Site: cross-site", "Upgrade: websocket"}, security.ErrCrossOrigin},
		{"a WebSocket handshake of this origin", plain, "GET", overTLS, []string{"Origin: https://app.example", "Upgrade: websocket"}, nil},
		{"a WebSocket handshake of no browser", plain, "GET", overTLS, []string{"Upgrade: websocket"}, nil},

		{"a form of a trusted origin", trusting, "POST", overTLS, []string{"Sec-Fetch-Site: cross-site", "Origin: https://partner.example"}, nil},
		{"a form of a trusted origin's host by http", trusting, "POST", overTLS, []string{"Sec-Fetch-Site: cross-site", "Origin: http://partner.example"}, security.ErrCrossOrigin},
		{"a trusted origin and another", trusting, "POST", overTLS, []string{"Origin: https://partner.example", "Origin: https://evil.example"}, security.ErrCrossOrigin},
		{"what is bypassed", trusting, "POST", "https://app.example/hooks/github", []string{"Sec-Fetch-Site: cross-site"}, nil},
		{"what a redirect would lead to the bypass", trusting, "POST", "https://app.example//hooks/github", []string{"Sec-Fetch-Site: cross-site"}, security.ErrCrossOrigin},
		{"the bypassed path with another method", trusting, "PUT", "https://app.example/hooks/github", []string{"Sec-Fetch-Site: cross-site"}, security.ErrCrossOrigin},

		{"isolated: a link from another site", isolated, "GET", overTLS, []string{"Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document"}, nil},
		{"isolated: a frame of another site", isolated, "GET", overTLS, []string{"Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: object"}, security.ErrIsolated},
		{"isolated: an image for another site", isolated, "GET", overTLS, []string{"Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: no-cors", "Sec-Fetch-Dest: image"}, security.ErrIsolated},
		{"isolated: a script for another site", isolated, "GET", overTLS, []string{"Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: no-cors", "Sec-Fetch-Dest: script"}, security.ErrIsolated},
		{"isolated: a fetch by a trusted origin", isolated, "GET", overTLS, []string{"Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: cors", "Origin: https://partner.example"}, nil},
		{"isolated: an image for this site", isolated, "GET", overTLS, []string{"Sec-Fetch-Site: same-site", "Sec-Fetch-Mode: no-cors"}, nil},
		{"isolated: an image for this origin", isolated, "GET", overTLS, []string{"Sec-Fetch-Site: same-origin", "Sec-Fetch-Mode: no-cors"}, nil},
		{"isolated: an address that the user typed", isolated, "GET", overTLS, []string{"Sec-Fetch-Site: none", "Sec-Fetch-Mode: navigate"}, nil},
		{"isolated: an image that is shared", isolated, "GET", "https://app.example/public/logo.png", []string{"Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: no-cors"}, nil},
		{"isolated: a client that is no browser", isolated, "GET", overTLS, nil, nil},
		{"isolated: two answers to one question", isolated, "GET", overTLS, []string{"Sec-Fetch-Site: none", "Sec-Fetch-Site: cross-site"}, security.ErrCrossOrigin},
		{"isolated: a form of another site is no link", isolated, "POST", overTLS, []string{"Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate"}, security.ErrCrossOrigin},
	} {
		x := mustCrossOrigin(t, row.c)
		r := request(row.method, row.target, row.lines...)
		r.TLS = nil
		if strings.HasPrefix(row.target, "https:") {
			r.TLS = &tls.ConnectionState{}
		}
		err := x.Check(r)
		if !errors.Is(err, row.why) || (err == nil) != (row.why == nil) {
			t.Errorf("%s: Check says %v", row.name, err)
		}
		w := serve(x.Wrap(http.HandlerFunc(noContent)), r)
		if (w.Code == 403) != (row.why != nil) || (w.Code == 204) != (row.why == nil) {
			t.Errorf("%s: %d", row.name, w.Code)
		}
		if vary := w.Header().Get("Vary"); (vary == "Sec-Fetch-Dest, Sec-Fetch-Mode, Sec-Fetch-Site") != row.c.Isolate {
			t.Errorf("%s: Vary: %s", row.name, vary)
		}
	}
	noHost := request("POST", "/", "Origin: null")
	noHost.Host = ""
	if err := mustCrossOrigin(t, plain).Check(noHost); !errors.Is(err, security.ErrCrossOrigin) {
		t.Errorf("a sandboxed form without a Host: %v", err)
	}
}

func TestNewCrossOriginReportsEveryMistake(t *testing.T) {
	_, err := security.NewCrossOrigin(security.CrossOriginConfig{
		TrustedOrigins:  []string{"app.example", "https://u@app.example", "https://app.example/"},
		MethodOverrides: []string{"a b"},
		Shared:          []string{"/public/"},
		InsecureBypass:  []string{"GET /{", "/a", "/a"},
	})
	for _, want := range []string{"TrustedOrigins[0]", "TrustedOrigins[1]", "TrustedOrigins[2]", "MethodOverrides[0]", "Shared needs Isolate", "InsecureBypass[0]", "InsecureBypass[2]"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %s", err, want)
		}
	}
}

func ExampleNewCrossOrigin() {
	cross, err := security.NewCrossOrigin(security.CrossOriginConfig{})
	if err != nil {
		fmt.Println(err)
		return
	}
	forged := httptest.NewRequest("POST", "https://bank.example/transfer", nil)
	forged.Header.Set("Sec-Fetch-Site", "cross-site")
	forged.Header.Set("Origin", "https://evil.example")
	fmt.Println(cross.Check(forged))
	// Output: request that may change state comes from another origin: "cross-site https://evil.example"
}
