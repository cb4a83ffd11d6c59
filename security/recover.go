package security

import (
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"

	"github.com/gatehouse-go/gatehouse/internal/refusal"
	"github.com/gatehouse-go/gatehouse/internal/requestid"
	"github.com/gatehouse-go/gatehouse/internal/respwriter"
)

// ErrPanic is what OnError of a [RecoverConfig] gets when a handler panicked. It is answered 500.
var ErrPanic = refusal.New(http.StatusInternalServerError, "handler panicked")

// RecoverConfig says what happens after a panic. The zero value logs and answers 500.
type RecoverConfig struct {
	// OnPanic, if not nil, is told of each panic, for a tracker of errors. It must not answer. It is not called for
	// http.ErrAbortHandler, which is no fault.
	OnPanic func(r *http.Request, value any, stack []byte)

	// OnError answers with [ErrPanic] where nothing was sent yet. Nil means an application/problem+json answer.
	OnError func(http.ResponseWriter, *http.Request, error)

	// Logger gets the value of the panic and the stack. Nil means slog.Default(). A panic's value may hold anything: let the
	// Logger's handler be a [Redactor].
	Logger *slog.Logger
}

// Recover turns the panic of a handler into an answer 500 without a text of it. An answer that has begun cannot be mended: its
// connection is cut, so that the client sees that it is not whole. [http.ErrAbortHandler] is passed on to net/http.
//
// It MUST be the outermost of a chain, so that it covers the others. A Recover is safe for concurrent use.
type Recover struct {
	onPanic func(*http.Request, any, []byte)
	refuser refuser
}

// NewRecover returns a Recover. There is no configuration that it refuses.
func NewRecover(c RecoverConfig) (*Recover, error) {
	return &Recover{onPanic: c.OnPanic, refuser: newRefuser("recover", c.OnError, c.Logger)}, nil
}

// recoverWriter sees whether an answer has begun. It has room for what the stages just inside keep of the exchange, so that a chain
// allocates once for all of them.
type recoverWriter struct {
	respwriter.Writer
	exchange exchange
	request  *http.Request // the copy of the innermost stage that has one, which says most of the request; nil while none has taken the exchange
}

// takeExchange returns the exchange that the writer of a [Recover] just outside has room for, or nil where there is none or another
// stage has it.
func takeExchange(w http.ResponseWriter) *exchange {
	rw, ok := w.(*recoverWriter)
	if !ok || rw.request != nil {
		return nil
	}
	rw.request = &rw.exchange.request
	return &rw.exchange
}

// newExchange is takeExchange, or an exchange of its own.
func newExchange(w http.ResponseWriter) *exchange {
	if x := takeExchange(w); x != nil {
		return x
	}
	x := &exchange{}
	if rw, ok := w.(*recoverWriter); ok {
		rw.request = &x.request
	}
	return x
}

// watched returns the writer that sees the answer: that of a [Recover] just outside, else one of its own.
func watched(w http.ResponseWriter) *respwriter.Writer {
	if rw, ok := w.(*recoverWriter); ok {
		return &rw.Writer
	}
	return respwriter.New(w)
}

// Wrap returns a handler that answers for next when it panics.
func (c *Recover) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rw := &recoverWriter{}
		rw.Reset(w)
		defer c.done(rw, r)
		next.ServeHTTP(rw, r)
	})
}

// done is deferred: it sees whether the handler panicked.
func (c *Recover) done(rw *recoverWriter, r *http.Request) {
	p := recover()
	if p == nil {
		return
	}
	if p == http.ErrAbortHandler { //nolint:errorlint // net/http compares the same way
		panic(p)
	}
	if rw.request != nil {
		r = rw.request // with the id
	}
	stack := debug.Stack()
	attrs := []slog.Attr{slog.String("panic", fmt.Sprint(p))}
	if id := requestid.From(r.Context()); id != "" {
		attrs = append(attrs, slog.String("request_id", id))
	}
	c.refuser.logger.LogAttrs(r.Context(), slog.LevelError, "handler panicked", append(attrs, slog.String("stack", string(stack)))...)
	if c.onPanic != nil {
		c.onPanic(r, p, stack)
	}
	if rw.Status() != 0 || rw.Hijacked() {
		panic(http.ErrAbortHandler)
	}
	c.refuser.onError(rw, r, ErrPanic)
}
