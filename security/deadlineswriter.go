package security

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/reqbody"
)

// deadliner is what [http.ResponseController] looks for in a ResponseWriter.
type deadliner interface {
	SetReadDeadline(time.Time) error
	SetWriteDeadline(time.Time) error
}

// deadlinerOf finds the deadlines of w's connection, as [http.ResponseController] would, once for a whole request. It is nil
// where there are none, as in a test without a server.
func deadlinerOf(w http.ResponseWriter) deadliner {
	for {
		switch t := w.(type) {
		case deadliner:
			return t
		case interface{ Unwrap() http.ResponseWriter }:
			w = t.Unwrap()
		default:
			return nil
		}
	}
}

// writeChunk is how much of an answer one write deadline covers.
const writeChunk = 64 << 10

// deadlinesWriter is the ResponseWriter that [Deadlines] gives to a handler.
type deadlinesWriter struct {
	deadlines  *Deadlines
	next       http.ResponseWriter
	request    *http.Request
	context    *answerContext
	connection deadliner // nil where there is none
	streams    bool      // HTTP/2: deadlines are those of a stream, which does not outlive the request
	body       pacedBody

	status    int  // of the answer, 0 before it
	answering bool // OnError is writing the answer
	replaced  bool // the handler's own answer is thrown away
	hijacked  bool

	writeOurs, writeTheirs time.Time // zero means none

	mu                   sync.Mutex // a handler may read in another goroutine than it answers in
	readOurs, readTheirs time.Time
	over                 bool // the connection's deadlines are net/http's again
}

func (w *deadlinesWriter) begin(d *Deadlines, next http.ResponseWriter, r *http.Request, ctx *answerContext) {
	w.deadlines, w.next, w.request, w.context, w.connection = d, next, r, ctx, deadlinerOf(next)
	w.streams = r.ProtoMajor > 1
	bodyless := w.request.Body == nil || w.request.Body == http.NoBody
	if w.streams || bodyless {
		w.setRead(time.Time{}) // http.Server.ReadTimeout would end the context of a handler that streams
	}
	if w.streams {
		w.setWrite(time.Time{}) // http.Server.WriteTimeout would end the stream while the handler is thinking
	}
	if bodyless {
		return
	}
	w.body = pacedBody{ReadCloser: w.request.Body, pace: reqbody.Pace{Limits: w.deadlines.limits}, writer: w}
	w.request.Body = &w.body
}

// end answers for a handler that ran out of time, and bounds what net/http does after the handler.
func (w *deadlinesWriter) end() {
	if w.hijacked {
		return
	}
	if w.status == 0 {
		if err := w.lateness(0); err != nil {
			w.replace(err)
		}
	}
	if w.body.writer != nil {
		if !w.body.ended.Load() {
			w.setRead(time.Now().Add(w.deadlines.limits.Grace)) // net/http reads a rest of the body before the next request
		}
		w.mu.Lock()
		w.over = true
		w.mu.Unlock()
	}
	server, _ := w.request.Context().Value(http.ServerContextKey).(*http.Server)
	if w.streams || server != nil && server.WriteTimeout > 0 {
		w.armWrite() // for what is still buffered; net/http sets the deadline anew for the next request
	} else if !w.writeOurs.IsZero() {
		w.setWrite(time.Time{}) // it would outlive the request
	}
}

// lateness returns why the handler's answer of status must not be sent, or nil.
func (w *deadlinesWriter) lateness(status int) error {
	if w.body.late.Load() && status != http.StatusRequestTimeout {
		return ErrBodyTimeout
	}
	if (status == 0 || status >= 500 && status != http.StatusServiceUnavailable) && w.context.late() {
		return ErrHandlerTimeout
	}
	return nil
}

// replace answers in the handler's place.
func (w *deadlinesWriter) replace(err error) {
	w.closeIfLate()
	w.answering = true
	w.deadlines.refuser.refuse(w, w.request, err)
	w.answering, w.replaced = false, true
}

// closeIfLate lets the connection end with the answer where the rest of a late body would have to be waited for.
func (w *deadlinesWriter) closeIfLate() {
	if w.body.late.Load() && !w.streams {
		w.next.Header()["Connection"] = []string{"close"}
	}
}

// Unwrap returns the wrapped writer, for [http.ResponseController].
func (w *deadlinesWriter) Unwrap() http.ResponseWriter { return w.next }

func (w *deadlinesWriter) Header() http.Header { return w.next.Header() }

func (w *deadlinesWriter) WriteHeader(status int) {
	switch informational := status >= 100 && status <= 199 && status != http.StatusSwitchingProtocols; {
	case w.replaced:
		return
	case informational || w.answering || w.status != 0:
	default:
		w.context.answered()
		w.status = status
		if err := w.lateness(status); err != nil {
			w.replace(err)
			return
		}
		w.closeIfLate()
	}
	w.armWrite()
	w.next.WriteHeader(status)
	w.disarmWrite()
}

// ready makes sure that a header was sent, and reports whether the handler's answer goes out.
func (w *deadlinesWriter) ready() bool {
	if w.status == 0 && !w.answering {
		w.WriteHeader(http.StatusOK)
	}
	return !w.replaced
}

func (w *deadlinesWriter) Write(b []byte) (written int, err error) {
	if !w.ready() {
		return len(b), nil
	}
	for {
		n := min(len(b)-written, writeChunk)
		w.armWrite()
		n, err = w.next.Write(b[written : written+n])
		w.disarmWrite()
		if written += n; err != nil || written >= len(b) {
			return written, err
		}
	}
}

func (w *deadlinesWriter) WriteString(s string) (written int, err error) {
	if !w.ready() {
		return len(s), nil
	}
	for {
		n := min(len(s)-written, writeChunk)
		w.armWrite()
		n, err = io.WriteString(w.next, s[written:written+n])
		w.disarmWrite()
		if written += n; err != nil || written >= len(s) {
			return written, err
		}
	}
}

// ReadFrom hands src on in pieces, each with a deadline of its own; a file still goes out by sendfile.
func (w *deadlinesWriter) ReadFrom(src io.Reader) (written int64, err error) {
	if w.status == 0 { // a src that fails at once leaves the answer open for an error
		return io.Copy(struct{ io.Writer }{w}, src)
	}
	if w.replaced {
		return io.Copy(io.Discard, src)
	}
	for {
		w.armWrite()
		n, err := io.CopyN(w.next, src, writeChunk)
		w.disarmWrite()
		written += n
		if errors.Is(err, io.EOF) {
			return written, nil
		}
		if err != nil {
			return written, err
		}
	}
}

// FlushError flushes the wrapped writer, after a 200 header if none was sent; [http.ErrNotSupported] if it cannot flush.
func (w *deadlinesWriter) FlushError() error {
	if !w.ready() {
		return nil
	}
	w.armWrite()
	defer w.disarmWrite()
	return http.NewResponseController(w.next).Flush()
}

func (w *deadlinesWriter) Flush() { _ = w.FlushError() }

// Hijack takes over the connection; net/http clears its deadlines.
func (w *deadlinesWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(w.next).Hijack()
	if err == nil {
		w.hijacked = true
		w.context.answered()
	}
	return conn, rw, err
}

func (w *deadlinesWriter) Push(target string, o *http.PushOptions) error {
	if p, ok := w.next.(http.Pusher); ok {
		return p.Push(target, o)
	}
	return http.ErrNotSupported
}

// SetReadDeadline is the handler's own deadline. It holds beside ours.
func (w *deadlinesWriter) SetReadDeadline(t time.Time) error {
	if w.connection == nil {
		return http.ErrNotSupported
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.readTheirs = t
	return w.connection.SetReadDeadline(earlier(w.readOurs, t))
}

// SetWriteDeadline is the handler's own deadline. It holds beside ours.
func (w *deadlinesWriter) SetWriteDeadline(t time.Time) error {
	if w.connection == nil {
		return http.ErrNotSupported
	}
	w.writeTheirs = t
	return w.connection.SetWriteDeadline(earlier(w.writeOurs, t))
}

func (w *deadlinesWriter) setRead(t time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.connection != nil && !w.over {
		w.readOurs = t
		_ = w.connection.SetReadDeadline(earlier(t, w.readTheirs)) // fails only where the connection is gone
	}
}

func (w *deadlinesWriter) setWrite(t time.Time) {
	if w.connection != nil {
		w.writeOurs = t
		_ = w.connection.SetWriteDeadline(earlier(t, w.writeTheirs))
	}
}

// armWrite gives the next write its time. On HTTP/1, a deadline set less than a quarter of that time ago will do.
func (w *deadlinesWriter) armWrite() {
	if w.connection == nil {
		return
	}
	full := w.deadlines.write
	if last := time.Now().Add(full); w.writeOurs.IsZero() || last.Sub(w.writeOurs) > full/4 {
		w.setWrite(last)
	}
}

// disarmWrite takes the deadline back on HTTP/2, where one that lapses between two writes resets the stream.
func (w *deadlinesWriter) disarmWrite() {
	if w.streams {
		w.setWrite(time.Time{})
	}
}

// earlier returns the earlier of two deadlines, of which either may be none.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

var errEnded = errors.New("security: response writer used after its handler returned")

// endedWriter is beneath a pooled writer while it has no request, for a handler that uses its writer after it returned.
type endedWriter struct{}

func (endedWriter) Header() http.Header { return http.Header{} }

func (endedWriter) Write([]byte) (int, error) { return 0, errEnded }

func (endedWriter) WriteHeader(int) {}
