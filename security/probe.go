package security

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/justinas/alice"

	"github.com/gatehouse-go/gatehouse/internal/invalid"
)

// probed returns construct, once it has been tried on a handler: what it makes must not be nil, must not panic when asked and must
// hand on a ResponseWriter that [http.ResponseController] can unwrap. Otherwise deadlines, Flush and Hijack would fail for
// everything inside, silently. Where tooEarly names a stage, it must not read bodies either, which are not judged before that stage.
// A middleware that answers by itself is not judged.
func probed(field string, construct alice.Constructor, tooEarly Stage, bad *invalid.Config) (result alice.Constructor) {
	if construct == nil {
		bad.Hidden(field, "must not be nil")
		return nil
	}
	defer func() {
		if p := recover(); p != nil {
			bad.Field(field, fmt.Sprintf("%T", p), "must not panic when it is tried")
			result = nil
		}
	}()
	hidden := false
	h := construct(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		hidden = hidden || http.NewResponseController(w).SetWriteDeadline(time.Time{}) != nil
	}))
	if h == nil {
		bad.Hidden(field, "must not make a nil handler")
		return nil
	}
	read := false
	for _, try := range [...]struct{ method, media, body string }{
		{http.MethodGet, "", ""},
		{http.MethodPost, "application/x-www-form-urlencoded", "a=b"},
		{http.MethodPost, "application/json", "{}"},
	} {
		r := probe(try.method)
		if try.body != "" {
			body := &probeBody{Reader: strings.NewReader(try.body), read: &read}
			r.Body, r.ContentLength, r.Header["Content-Type"] = body, int64(len(try.body)), []string{try.media}
		}
		h.ServeHTTP(&probeWriter{header: http.Header{}}, r)
	}
	if hidden {
		bad.Hidden(field, "must hand on a ResponseWriter with an Unwrap method")
	}
	if read && tooEarly != "" {
		bad.Hidden(field, "must not read bodies before "+string(tooEarly)+": they would be read without bounds, of a client that is not limited")
	}
	return construct
}

// probe is a request of nobody, with the fields of a browser's by which middlewares decide whether to wrap an answer.
func probe(method string) *http.Request {
	return &http.Request{
		Method: method, URL: &url.URL{Path: "/"}, RequestURI: "/", Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Accept": {"text/html, */*"}, "Accept-Encoding": {"gzip, deflate, br, zstd"}, "User-Agent": {"gatehouse"}},
		Body:   http.NoBody, Host: "localhost", RemoteAddr: "127.0.0.1:1",
	}
}

// probeBody is a body that sees whether it is read.
type probeBody struct {
	io.Reader
	read *bool
}

func (b *probeBody) Read(p []byte) (int, error) {
	*b.read = true
	return b.Reader.Read(p)
}

func (*probeBody) Close() error { return nil }

// probeWriter is a connection that goes nowhere and has deadlines, as net/http's has.
type probeWriter struct{ header http.Header }

func (w *probeWriter) Header() http.Header            { return w.header }
func (*probeWriter) Write(b []byte) (int, error)      { return len(b), nil }
func (*probeWriter) WriteHeader(int)                  {}
func (*probeWriter) SetWriteDeadline(time.Time) error { return nil }
