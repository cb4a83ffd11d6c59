package inprocess_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/gatehouse-go/gatehouse/internal/inprocess"
)

// What a handler sees is what it would see of a request that came over a connection.
func TestRequestIsWhatAServerWouldMakeOfIt(t *testing.T) {
	for _, target := range []string{"/", "/a%2Fb?c=d%20e&f", "/a?", "/grüße", "//b"} {
		var seen *http.Request
		srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { seen = r }))
		u, err := url.Parse(srv.URL + target)
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.Get(u.String())
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		srv.Close()
		got := inprocess.Request("http", u.Host, u)
		if got.URL.String() != seen.URL.String() || got.RequestURI != seen.RequestURI || got.Host != seen.Host || got.Method != seen.Method || got.Proto != seen.Proto || got.TLS != nil {
			t.Errorf("%s: got %s, %s, %s; a server makes %s, %s, %s of it", target, got.URL, got.RequestURI, got.Host, seen.URL, seen.RequestURI, seen.Host)
		}
		if got.RemoteAddr != "127.0.0.1:0" || got.Header == nil || got.Body == nil {
			t.Errorf("%s: %+v", target, got)
		}
	}
	if r := inprocess.Request("https", "example.com", &url.URL{Path: "/"}); r.TLS == nil || !r.TLS.HandshakeComplete || r.TLS.ServerName != "example.com" {
		t.Errorf("https: %+v", r.TLS)
	}
}
