package proxy

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/reqbody"
)

// A destination is what to ask an upstream for, below the base of its target.
type destination struct {
	path, rawPath string // as in url.URL
	query         string
	upgrade       bool
}

// A flight is one forwarded request. It is the context of that request, so that the transport and the hooks of
// [httputil.ReverseProxy], which see nothing else of ours, find it.
type flight struct {
	context.Context //nolint:containedctx // it is one
	up              *upstream
	in              *http.Request // as it came to the rules, for onError
	to              destination
	set             []headerOp // what Handle set for the request
	target          *target    // whose pending count the flight holds
	body            *cappedBody
	onError         func(http.ResponseWriter, *http.Request, error)
}

type flightKey struct{}

func (f *flight) Value(key any) any {
	if key == (flightKey{}) {
		return f
	}
	return f.Context.Value(key)
}

func flightOf(ctx context.Context) *flight {
	f, _ := ctx.Value(flightKey{}).(*flight) // set by forward for every request that gets here
	return f
}

// connect builds the reverse proxy, once per upstream.
func (up *upstream) connect(logger *slog.Logger) {
	up.reverse = &httputil.ReverseProxy{
		Rewrite:        rewriteOutgoing,
		Transport:      up,
		ModifyResponse: up.modifyResponse,
		ErrorHandler:   answerForwardError,
		BufferPool:     &up.buffers,
		ErrorLog:       slog.NewLogLogger(logger.Handler(), slog.LevelWarn),
	}
}

// forward asks the upstream for to in the name of e's request, and answers with what comes back.
func (up *upstream) forward(e *exchange, to destination) {
	r := e.r
	if r.Method == http.MethodTrace || r.Method == http.MethodConnect {
		e.fail(ErrMethod)
		return
	}
	if passes(r.Header["Via"]) >= maxVia {
		e.fail(ErrLoop)
		return
	}
	if r.ContentLength > up.maxBody {
		e.fail(ErrBodySize)
		return
	}
	f := &flight{Context: r.Context(), up: up, in: r, to: to, set: e.request, onError: e.p.onError}
	defer f.land()
	if up.timeout > 0 {
		ctx, cancel := context.WithTimeout(f.Context, up.timeout)
		defer cancel()
		f.Context = ctx
	}
	out := r.WithContext(f)
	// The reverse proxy drops from the query what its readers take in different ways (CVE-2022-2880).
	out.URL = &url.URL{Path: to.path, RawPath: to.rawPath, RawQuery: to.query}
	if !reqbody.Empty(out) {
		f.body = &cappedBody{ReadCloser: out.Body, left: up.maxBody}
		out.Body = f.body
	}
	if asked := r.Header["Upgrade"]; asked != nil && (!to.upgrade || len(asked) != 1 || !strings.EqualFold(asked[0], "websocket")) {
		out.Header = r.Header.Clone()
		delete(out.Header, "Upgrade")
	}
	up.reverse.ServeHTTP(newUpstreamWriter(e.w, e.final), out)
}

func (f *flight) land() {
	if f.target != nil {
		f.target.release()
		f.target = nil
	}
}

// RoundTrip sends out to the target with the fewest requests under way, and to another one where that is safe and
// the first failed.
func (up *upstream) RoundTrip(out *http.Request) (*http.Response, error) {
	f := flightOf(out.Context())
	retries := 0
	if out.Body == nil && idempotent(out.Method) && !f.to.upgrade {
		retries = up.retries
	}
	var tried []*target
	var failed error // of the last of them
	for {
		f.land()
		t, wait := up.set.pick(time.Now().UnixNano(), tried)
		switch {
		case t == nil && failed != nil:
			return nil, failed
		case t == nil:
			return nil, &unavailableError{up.name, wait}
		}
		f.target = t
		up.aim(out, f.to, t)
		res, err := up.transport.RoundTrip(out)
		if err == nil && res.StatusCode < 100 {
			_ = res.Body.Close() // the answer is of no use, whatever closing it says
			res, err = nil, errStatus
		}
		switch {
		case err == nil && res.StatusCode != http.StatusBadGateway && res.StatusCode != http.StatusServiceUnavailable && res.StatusCode != http.StatusGatewayTimeout:
			t.succeeded()
			return res, nil
		case err == nil:
			t.failed(time.Now().UnixNano())
			return res, nil // an answer that began is passed on: it may say when to come again
		case f.fault() != nil:
			return nil, err // the client's doing, not the target's
		}
		t.failed(time.Now().UnixNano())
		if len(tried) >= retries || out.Context().Err() != nil {
			return nil, err
		}
		tried, failed = append(tried, t), err
		out = out.Clone(out.Context()) // the transport may still be using what it was given
	}
}

// errStatus is an answer whose status is none (RFC 9110, section 15): net/http reads it, but would panic writing it.
var errStatus = errors.New("status of the answer is below 100")

// aim points out at t.
func (up *upstream) aim(out *http.Request, to destination, t *target) {
	out.URL.Scheme, out.URL.Host = t.url.Scheme, t.url.Host
	if t.url.Path != "" {
		out.URL.Path = t.url.Path + to.path
		out.URL.RawPath = t.url.EscapedPath() + (&url.URL{Path: to.path, RawPath: to.rawPath}).EscapedPath()
	}
	switch {
	case up.host != "":
		out.Host = up.host
	case !up.passHost:
		out.Host = t.url.Host
	}
}

func idempotent(method string) bool {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodPut, http.MethodDelete, http.MethodTrace:
		return true
	}
	return false
}

// fault returns why the request failed where that was the client's doing, else nil.
func (f *flight) fault() error {
	if f.body != nil {
		if err := f.body.failure(); err != nil {
			return err
		}
	}
	if err := f.Err(); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return nil
}

// answerForwardError answers in the upstream's place. Nothing of the cause, which names addresses, is sent.
func answerForwardError(w http.ResponseWriter, out *http.Request, err error) {
	f := flightOf(out.Context())
	w = w.(*upstreamWriter).abandon() //nolint:forcetypeassert // forward made it
	var timeout net.Error
	var unavailable *unavailableError
	switch fault := f.fault(); {
	case errors.Is(fault, context.Canceled) && out.Context().Value(http.ServerContextKey) != nil:
		panic(http.ErrAbortHandler) // the client left; should somebody else have cancelled, an empty 200 must not be the answer
	case fault != nil:
		err = fault
	case errors.As(err, &unavailable):
		w.Header()["Retry-After"] = []string{strconv.Itoa(max(1, int((unavailable.wait+time.Second-1)/time.Second)))}
	case errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout():
		err = &forwardError{ErrUpstreamTimeout, f.up.name, err}
	default:
		err = &forwardError{ErrUpstream, f.up.name, err}
	}
	f.onError(w, f.in, err)
}

// unavailableError is ErrUnavailable with the time after which a target may be tried again.
type unavailableError struct {
	upstream string
	wait     time.Duration
}

func (e *unavailableError) Error() string {
	return ErrUnavailable.Error() + ": " + strconv.Quote(e.upstream)
}
func (e *unavailableError) Unwrap() error { return ErrUnavailable }

// forwardError is reason for [errors.Is], and keeps the cause for the log.
type forwardError struct {
	reason   error
	upstream string
	cause    error
}

func (e *forwardError) Error() string {
	return e.reason.Error() + ": " + strconv.Quote(e.upstream) + ": " + e.cause.Error()
}
func (e *forwardError) Unwrap() []error { return []error{e.reason, e.cause} }

// modifyResponse prepares the upstream's answer for the client.
func (up *upstream) modifyResponse(res *http.Response) error {
	for _, name := range up.hide {
		delete(res.Header, name)
	}
	body := &idleBody{ReadCloser: res.Body, timeout: up.idleTimeout}
	if conn, ok := res.Body.(io.ReadWriteCloser); ok && res.StatusCode == http.StatusSwitchingProtocols {
		res.Body = &idleConn{idleBody: body, conn: conn}
	} else {
		res.Body = body
	}
	body.timer = time.AfterFunc(up.idleTimeout, body.expire)
	return nil
}
