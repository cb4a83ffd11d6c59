// Package testbrowser is a browser for tests: a client with a cookie jar that navigates as a browser does, one step at a time.
package testbrowser

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// Browser is a client with a cookie jar that follows no redirect on its own.
type Browser struct {
	t testing.TB

	// URL is the server at which paths are opened.
	URL string

	*http.Client
}

// Serve starts h on TLS until the test ends, and returns a first browser for it. The browser trusts every server of httptest.
func Serve(tb testing.TB, h http.Handler) *Browser {
	tb.Helper()
	s := httptest.NewTLSServer(h)
	tb.Cleanup(s.Close)
	return newBrowser(tb, s.URL, s.Client().Transport)
}

func newBrowser(tb testing.TB, url string, transport http.RoundTripper) *Browser {
	tb.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		tb.Fatal(err)
	}
	return &Browser{tb, url, &http.Client{Jar: jar, Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// Another returns a second browser on the same server.
func (b *Browser) Another() *Browser { return newBrowser(b.t, b.URL, b.Transport) }

// Answer is what a request got.
type Answer struct {
	*http.Response

	// Text is the body.
	Text string
}

// Send sends r and reads the answer.
func (b *Browser) Send(r *http.Request) Answer {
	b.t.Helper()
	res, err := b.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return Answer{res, string(body)}
}

// Open navigates to a path or URL, as a browser does.
func (b *Browser) Open(path string) Answer {
	b.t.Helper()
	return b.Send(b.Request("GET", path, "", "Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "Sec-Fetch-Mode", "navigate"))
}

// Post submits a form of the same origin.
func (b *Browser) Post(path string, form url.Values, header ...string) Answer {
	b.t.Helper()
	header = append([]string{"Content-Type", "application/x-www-form-urlencoded", "Sec-Fetch-Site", "same-origin", "Sec-Fetch-Mode", "navigate"}, header...)
	return b.Send(b.Request("POST", path, form.Encode(), header...))
}

// Request returns a request for a path or URL, with header names and values in turn.
func (b *Browser) Request(method, path, body string, header ...string) *http.Request {
	b.t.Helper()
	if strings.HasPrefix(path, "/") {
		path = b.URL + path
	}
	r, err := http.NewRequestWithContext(b.t.Context(), method, path, strings.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return r
}

// Cookies returns the names and values that the browser holds.
func (b *Browser) Cookies() map[string]string {
	u, _ := url.Parse(b.URL)
	out := map[string]string{}
	for _, c := range b.Jar.Cookies(u) {
		out[c.Name] = c.Value
	}
	return out
}
