package callback_test

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// browser is a client with a cookie jar that follows no redirect, on a TLS server of its own.
type browser struct {
	t   *testing.T
	url string
	*http.Client
}

// serve starts h on TLS and returns its URL with a first browser.
func serve(t *testing.T, h http.Handler) *browser {
	t.Helper()
	s := httptest.NewTLSServer(h)
	t.Cleanup(s.Close)
	return newBrowser(t, s.URL, s.Client().Transport)
}

func newBrowser(t *testing.T, url string, transport http.RoundTripper) *browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &browser{t, url, &http.Client{Jar: jar, Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// another returns a second browser on the same server.
func (b *browser) another() *browser { return newBrowser(b.t, b.url, b.Transport) }

// answer is what a request got.
type answer struct {
	*http.Response
	body string
}

func (b *browser) do(r *http.Request) answer {
	b.t.Helper()
	res, err := b.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return answer{res, string(body)}
}

// open navigates to a path, as a browser does.
func (b *browser) open(path string) answer {
	b.t.Helper()
	return b.do(b.request("GET", path, "", "Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "Sec-Fetch-Mode", "navigate"))
}

// post submits a form of the same origin.
func (b *browser) post(path string, form url.Values, header ...string) answer {
	b.t.Helper()
	header = append([]string{"Content-Type", "application/x-www-form-urlencoded", "Sec-Fetch-Site", "same-origin", "Sec-Fetch-Mode", "navigate"}, header...)
	return b.do(b.request("POST", path, form.Encode(), header...))
}

func (b *browser) request(method, path, body string, header ...string) *http.Request {
	b.t.Helper()
	r, err := http.NewRequestWithContext(b.t.Context(), method, b.url+path, strings.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return r
}

// cookies returns the names and values that the browser holds.
func (b *browser) cookies() map[string]string {
	u, _ := url.Parse(b.url)
	out := map[string]string{}
	for _, c := range b.Jar.Cookies(u) {
		out[c.Name] = c.Value
	}
	return out
}

// logTo returns a logger that writes into the builder.
func logTo(b *strings.Builder) *slog.Logger { return slog.New(slog.NewTextHandler(b, nil)) }
