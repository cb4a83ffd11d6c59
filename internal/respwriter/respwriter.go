// Package respwriter wraps an [http.ResponseWriter] to see the status and the size of an answer and to act before its header goes out.
package respwriter

import (
	"bufio"
	"io"
	"net"
	"net/http"
)

// Writer is an [http.ResponseWriter] that notes what passes through it. It has Unwrap, and keeps Flush, Hijack,
// ReadFrom and 1xx answers, so it is invisible to [http.ResponseController] and to streaming handlers.
// Like any ResponseWriter it is used by one goroutine at a time.
type Writer struct {
	// BeforeHeader, if not nil, runs once, just before the first final (non-1xx) status is written, also when
	// Flush or the first Write implies it. It may change Header; returning another status replaces the one given.
	BeforeHeader func(status int) int

	next     http.ResponseWriter
	status   int
	written  int64
	hijacked bool
}

// New returns a Writer over w.
func New(w http.ResponseWriter) *Writer { return &Writer{next: w} }

// Reset makes w ready for another answer, for use with a [sync.Pool].
func (w *Writer) Reset(next http.ResponseWriter) { *w = Writer{next: next} }

// Unwrap returns the wrapped writer, for [http.ResponseController].
func (w *Writer) Unwrap() http.ResponseWriter { return w.next }

// Status returns the final status sent, or 0 before one was sent.
func (w *Writer) Status() int { return w.status }

// Written returns how many body bytes were accepted by the wrapped writer.
func (w *Writer) Written() int64 { return w.written }

// Hijacked reports whether the connection was taken over.
func (w *Writer) Hijacked() bool { return w.hijacked }

// Header returns the header map of the wrapped writer.
func (w *Writer) Header() http.Header { return w.next.Header() }

// WriteHeader sends status. A 1xx status other than 101 is passed on and does not count as the answer's.
func (w *Writer) WriteHeader(status int) {
	if w.status != 0 {
		w.next.WriteHeader(status) // net/http logs the superfluous call with its caller
		return
	}
	if status >= 100 && status <= 199 && status != http.StatusSwitchingProtocols {
		w.next.WriteHeader(status)
		return
	}
	w.status = status
	if w.BeforeHeader != nil {
		w.status = w.BeforeHeader(status)
	}
	w.next.WriteHeader(w.status)
}

func (w *Writer) begin() {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
}

// Write sends b, after a 200 header if none was sent.
func (w *Writer) Write(b []byte) (int, error) {
	w.begin()
	n, err := w.next.Write(b)
	w.written += int64(n)
	return n, err
}

// WriteString is Write without a conversion where the wrapped writer can do it.
func (w *Writer) WriteString(s string) (int, error) {
	w.begin()
	n, err := io.WriteString(w.next, s)
	w.written += int64(n)
	return n, err
}

// ReadFrom sends all of src, with sendfile where the wrapped writer offers it.
//
// The header is sent only once src gave its first byte or its end, as without the wrapper: a src that fails at once leaves the
// answer open for an error.
func (w *Writer) ReadFrom(src io.Reader) (int64, error) {
	if w.status == 0 && w.BeforeHeader != nil {
		return io.Copy(struct{ io.Writer }{w}, src)
	}
	n, err := io.Copy(w.next, src)
	w.written += n
	if w.status == 0 && n > 0 {
		w.status = http.StatusOK
	}
	return n, err
}

// FlushError flushes the wrapped writer, after a 200 header if none was sent; [http.ErrNotSupported] if it cannot flush.
func (w *Writer) FlushError() error {
	w.begin()
	return http.NewResponseController(w.next).Flush()
}

// Flush is FlushError for callers that know only [http.Flusher].
func (w *Writer) Flush() { _ = w.FlushError() }

// Hijack takes over the connection; [http.ErrNotSupported] if the wrapped writer cannot give it.
func (w *Writer) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(w.next).Hijack()
	if err == nil {
		w.hijacked = true
	}
	return conn, rw, err
}

// Push starts an HTTP/2 server push; [http.ErrNotSupported] where there is none.
func (w *Writer) Push(target string, o *http.PushOptions) error {
	if p, ok := w.next.(http.Pusher); ok {
		return p.Push(target, o)
	}
	return http.ErrNotSupported
}
