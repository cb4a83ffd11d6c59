package security

import (
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/justinas/alice"

	"github.com/gatehouse-go/gatehouse/internal/invalid"
)

// probed returns construct, once it has been tried on a handler: what it makes must not be nil, must not panic when asked
// GET / and must hand on a ResponseWriter that [http.ResponseController] can unwrap. Otherwise deadlines, Flush and Hijack
// would fail for everything inside, silently. A middleware that answers by itself is not judged.
func probed(field string, construct alice.Constructor, bad *invalid.Config) (result alice.Constructor) {
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
		hidden = http.NewResponseController(w).SetWriteDeadline(time.Time{}) != nil
	}))
	if h == nil {
		bad.Hidden(field, "must not make a nil handler")
		return nil
	}
	h.ServeHTTP(&probeWriter{header: http.Header{}}, &http.Request{
		Method: http.MethodGet, URL: &url.URL{Path: "/"}, RequestURI: "/", Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{}, Body: http.NoBody, Host: "localhost", RemoteAddr: "127.0.0.1:1",
	})
	if hidden {
		bad.Hidden(field, "must hand on a ResponseWriter with an Unwrap method")
		return nil
	}
	return construct
}

// probeWriter is a connection that goes nowhere and has deadlines, as net/http's has.
type probeWriter struct{ header http.Header }

func (w *probeWriter) Header() http.Header            { return w.header }
func (*probeWriter) Write(b []byte) (int, error)      { return len(b), nil }
func (*probeWriter) WriteHeader(int)                  {}
func (*probeWriter) SetWriteDeadline(time.Time) error { return nil }
