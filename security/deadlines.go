package security

import (
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/invalid"
	"github.com/gatehouse-go/gatehouse/internal/refusal"
	"github.com/gatehouse-go/gatehouse/internal/reqbody"
)

// Reasons for which [Deadlines] ends a request.
var (
	// ErrBodyTimeout is what reading a request body returns when it does not arrive in time or comes too slowly. It is answered 408.
	ErrBodyTimeout error = reqbody.ErrTimeout

	// ErrHandlerTimeout is the cause with which a handler's context ends when it has not begun to answer in time. It
	// is answered 503.
	ErrHandlerTimeout = refusal.New(http.StatusServiceUnavailable, "handler did not begin to answer in time")
)

// DeadlinesConfig says how long a request may take. The zero value has the defaults.
type DeadlinesConfig struct {
	// Body bounds the time from the first read of a request body to its last byte. Zero means a minute.
	Body time.Duration

	// MinRate is the least rate of a request body in bytes a second, counted from its first read; it holds once Grace has
	// passed. Zero means 1,024.
	MinRate int64

	// Grace is how long a body may stay below MinRate at the start. Zero means five seconds.
	Grace time.Duration

	// Handler bounds the time until the handler begins to answer; then its context ends. An answer that has begun may
	// take as long as it likes, so that streams live. Zero means 30 seconds.
	Handler time.Duration

	// Write bounds the time in which the client takes each 64 KiB of the answer. Zero means 30 seconds.
	Write time.Duration

	// OnError answers in place of a handler that ran out of time: with [ErrBodyTimeout] or [ErrHandlerTimeout]. Nil means a problem answer.
	OnError func(http.ResponseWriter, *http.Request, error)

	// Logger gets the causes. Nil means slog.Default().
	Logger *slog.Logger
}

// Deadlines keeps slow clients and slow handlers from holding a server. It is safe for concurrent use.
//
// It works by the deadlines of the connection (http.ResponseController) and holds back no byte of an answer: Flush, Hijack,
// ReadFrom, 1xx answers and streams work through it, on HTTP/1 and HTTP/2. Deadlines that a handler sets itself hold too: of two,
// the earlier.
//
// A body that is late makes the read fail with [ErrBodyTimeout]. Whatever the handler answers then, unless its answer has
// begun, the client gets 408. A handler that has not begun to answer in time finds its context ended; when it then returns without an answer or
// with a 5xx, the client gets 503. Go cannot stop a handler that does not look at its context.
//
// In a chain it stands outside all that reads the body. Use it with [Server], whose own timeouts it replaces for the handlers inside.
type Deadlines struct {
	limits  reqbody.Limits
	handler time.Duration
	write   time.Duration
	refuser refuser
	writers sync.Pool // of *deadlinesWriter
}

// NewDeadlines returns a Deadlines, or every mistake in c.
func NewDeadlines(c DeadlinesConfig) (*Deadlines, error) {
	bad := invalid.Config{Package: "security"}
	for _, f := range [...]struct {
		name  string
		value *time.Duration
		zero  time.Duration
	}{
		{"Body", &c.Body, time.Minute},
		{"Grace", &c.Grace, 5 * time.Second},
		{"Handler", &c.Handler, 30 * time.Second},
		{"Write", &c.Write, 30 * time.Second},
	} {
		if *f.value < 0 {
			bad.Field("DeadlinesConfig."+f.name, *f.value, "must not be negative")
		} else if *f.value == 0 {
			*f.value = f.zero
		}
	}
	if c.MinRate < 0 {
		bad.Field("DeadlinesConfig.MinRate", c.MinRate, "must not be negative")
	} else if c.MinRate == 0 {
		c.MinRate = 1024
	}
	if err := bad.Err(); err != nil {
		return nil, err
	}
	d := &Deadlines{
		limits:  reqbody.Limits{Timeout: c.Body, MinRate: c.MinRate, Grace: c.Grace},
		handler: c.Handler,
		write:   c.Write,
		refuser: newRefuser("deadlines", c.OnError, c.Logger),
	}
	d.writers.New = func() any { return new(deadlinesWriter) }
	return d, nil
}

// timed is a request with its context: one allocation.
type timed struct {
	context answerContext
	request http.Request
}

// Wrap returns a handler that runs next within the deadlines.
func (d *Deadlines) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t := &timed{context: answerContext{Context: r.Context(), deadline: started(r.Context()).Add(d.handler)}}
		ctx := &t.context
		copyRequest(&t.request, r, ctx)
		r = &t.request
		defer ctx.end() // also after a panic
		if r.Body == nil || r.Body == http.NoBody {
			dw, _ := d.writers.Get().(*deadlinesWriter)
			dw.begin(d, w, r, ctx)
			next.ServeHTTP(dw, r)
			dw.end()
			*dw = deadlinesWriter{next: endedWriter{}, status: http.StatusOK}
			d.writers.Put(dw) // not after a panic: its recovery answers through w
			return
		}
		// A client of a proxy may read on in the body after the handler has returned: this writer serves one request.
		dw := new(deadlinesWriter)
		dw.begin(d, w, r, ctx)
		next.ServeHTTP(dw, r)
		dw.end()
	})
}
