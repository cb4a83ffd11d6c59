package security

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/justinas/alice"

	"github.com/gatehouse-go/gatehouse/internal/invalid"
)

// probed returns construct, once it has been tried on a handler: what it makes must not be nil, must not panic when asked
// GET / and must hand on a ResponseWriter that http.ResponseController can unwrap. Otherwise deadlines, Flush and Hijack
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
	r, err := http.NewRequestWithContext(context.Background(), http.MethodGet, "http://localhost/", http.NoBody)
	if err != nil { // a constant request
		bad.Join(err)
		return nil
	}
	r.RequestURI, r.RemoteAddr = "/", "127.0.0.1:1"
	h.ServeHTTP(&probeWriter{header: http.Header{}}, r)
	if hidden {
		bad.Hidden(field, "must hand on a ResponseWriter with an Unwrap method")
		return nil
	}
	return construct
}

// probeWriter is a connection that goes nowhere and can do what net/http's can.
type probeWriter struct{ header http.Header }

func (w *probeWriter) Header() http.Header              { return w.header }
func (w *probeWriter) Write(b []byte) (int, error)      { return len(b), nil }
func (w *probeWriter) WriteHeader(int)                  {}
func (w *probeWriter) Flush()                           {}
func (w *probeWriter) SetReadDeadline(time.Time) error  { return nil }
func (w *probeWriter) SetWriteDeadline(time.Time) error { return nil }
func (w *probeWriter) EnableFullDuplex() error          { return nil }
