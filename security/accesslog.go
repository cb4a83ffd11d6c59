package security

import (
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/invalid"
	"github.com/gatehouse-go/gatehouse/internal/reqcopy"
	"github.com/gatehouse-go/gatehouse/internal/requestid"
	"github.com/gatehouse-go/gatehouse/internal/respwriter"
)

// AccessLogConfig says what is logged of each request. The zero value logs all of them to [slog.Default]().
type AccessLogConfig struct {
	// Secrets are values that are redacted wherever they occur, as in [RedactorConfig]. Nil means none are known.
	Secrets *Secrets

	// Skip leaves requests out, such as those of a health check. Answers with a 5xx are logged all the same. Nil skips none.
	Skip func(*http.Request) bool

	// OmitQuery leaves the query of the URL out. Otherwise it is logged with the values of telling names, registered
	// secrets and tokens redacted.
	OmitQuery bool

	// Logger gets one record a request: Error for a 5xx, else Info. Its handler need not be a [Redactor]: what a client
	// sends is redacted here. Nil means slog.Default().
	Logger *slog.Logger
}

// AccessLog logs each request when it is answered, with the names of the OpenTelemetry semantic conventions for HTTP:
//
//	http.request.method, url.scheme, url.path, url.query, server.address, server.port (where the Host field names one), http.route,
//	client.address, user_agent.original, network.protocol.version, http.request.body.size, http.response.status_code,
//	http.response.body.size, http.server.request.duration (seconds), error.type, user.id and request_id
//
// No header field other than User-Agent is logged, and no body. A request whose handler panics is logged with 500, one whose
// connection was taken over with 101. In a chain it stands inside [RequestID] and [ClientIP], whose findings it logs, and outside
// all that can refuse. An AccessLog is safe for concurrent use.
type AccessLog struct {
	handler slog.Handler // not a Redactor: what is not known to be plain is scrubbed here
	scrub   *scrubber
	skip    func(*http.Request) bool
	omit    bool
	frames  [frames]atomic.Pointer[slog.Handler]
}

// NewAccessLog returns an AccessLog. There is no configuration that it refuses.
func NewAccessLog(c AccessLogConfig) (*AccessLog, error) {
	bad := invalid.Config{Package: "security"}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	l := &AccessLog{handler: c.Logger.Handler(), skip: c.Skip, omit: c.OmitQuery}
	if h, ok := l.handler.(*Redactor); ok && !h.secret && (c.Secrets == nil || c.Secrets == h.scrub.secrets) {
		l.handler, l.scrub = h.next, h.scrub
	} else {
		l.scrub = newScrubber(RedactorConfig{Secrets: c.Secrets}, &bad)
	}
	return l, bad.Err()
}

// Wrap returns a handler that logs each request to next.
func (l *AccessLog) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rw := watched(w)
		if _, ok := w.(*recoverWriter); !ok {
			w = rw
		}
		n := noteOf(r.Context())
		if n == nil {
			x := newExchange(w)
			x.Context.Context, x.ID = r.Context(), requestid.From(r.Context()) //nolint:fatcontext // one level a request: x is new
			n = &x.note
			outer := r
			r = x.carry(r)
			defer func() { reqcopy.HandBack(outer, r) }()
		}
		n.start = time.Now()
		finished := false
		defer func() { l.log(rw, r, n, finished) }()
		next.ServeHTTP(w, r)
		finished = true
	})
}

// log writes the record of one request.
func (l *AccessLog) log(rw *respwriter.Writer, r *http.Request, n *note, finished bool) {
	status := rw.Status()
	switch {
	case status != 0:
	case rw.Hijacked():
		status = http.StatusSwitchingProtocols
	case finished:
		status = http.StatusOK
	default:
		status = http.StatusInternalServerError
	}
	level := slog.LevelInfo
	if status >= http.StatusInternalServerError {
		level = slog.LevelError
	}
	if level == slog.LevelInfo && l.skip != nil && l.skip(r) || !l.handler.Enabled(r.Context(), level) {
		return
	}
	end := time.Now()
	route, user := n.read()
	if r.Pattern != "" {
		route = r.Pattern
	}
	var buf [20]slog.Attr
	handler, attrs := l.frame(r, status, buf[:0])
	attrs = append(
		attrs,
		slog.String("url.path", l.scrub.text(r.URL.Path)),
		slog.Float64("http.server.request.duration", end.Sub(n.start).Seconds()),
		slog.Int64("http.response.body.size", rw.Written()),
	)
	attrs = l.appendServer(attrs, r.Host)
	text := func(key, value string) {
		if value != "" {
			attrs = append(attrs, slog.String(key, value))
		}
	}
	if addr, address := n.client(r); addr.IsValid() {
		text("client.address", address)
	}
	if !l.omit {
		text("url.query", l.scrub.text(r.URL.RawQuery))
	}
	text("http.route", routeOf(route))
	text("user_agent.original", l.scrub.text(r.UserAgent()))
	text("user.id", l.scrub.text(user))
	text("request_id", requestid.From(r.Context()))
	if r.ContentLength > 0 {
		attrs = append(attrs, slog.Int64("http.request.body.size", r.ContentLength))
	}
	if status >= http.StatusInternalServerError {
		text("error.type", strconv.Itoa(status))
	}
	// Not by the Logger, which would look up the place in the source that is this line for every request.
	record := slog.NewRecord(end, level, "request", 0)
	record.AddAttrs(attrs...)
	_ = handler.Handle(r.Context(), record) // as slog.Logger does, which has nobody to tell either
}

// knownMethods are those that the conventions know; others are logged as _OTHER, so that a client cannot invent values.
var knownMethods = [...]string{
	http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions, http.MethodConnect, http.MethodTrace,
}

// commonStatuses are those that frames are made of.
var commonStatuses = [...]int{200, 201, 204, 206, 301, 302, 303, 304, 400, 401, 403, 404, 422, 429, 500, 503}

// A frame is the handler with those attributes of a request that have few values, which it has then to write but once. There is one
// for each scheme, protocol version, known method and common status, made when it is first needed.
const frames = 2 * 2 * len(knownMethods) * len(commonStatuses)

// frame returns the handler for a request, and in attrs what of its frame that handler does not write itself.
func (l *AccessLog) frame(r *http.Request, status int, attrs []slog.Attr) (slog.Handler, []slog.Attr) {
	scheme, secure := "http", 0
	if r.TLS != nil {
		scheme, secure = "https", 1
	}
	method := slices.Index(knownMethods[:], r.Method)
	if r.Method == "" {
		method = 0
	}
	at := slices.Index(commonStatuses[:], status)
	version := protocolVersion(r)
	framed := at >= 0 && method >= 0 && (version == "1.1" || version == "2")
	var place *atomic.Pointer[slog.Handler]
	if framed {
		index := secure*2 + len(version)/3 // "2" or "1.1"
		place = &l.frames[(index*len(knownMethods)+method)*len(commonStatuses)+at]
		if h := place.Load(); h != nil {
			return *h, attrs
		}
	}
	attrs = append(
		attrs,
		slog.Int("http.response.status_code", status),
		slog.String("url.scheme", scheme),
		slog.String("network.protocol.version", version),
	)
	if method < 0 {
		attrs = append(attrs, slog.String("http.request.method", "_OTHER"), slog.String("http.request.method_original", r.Method[:min(len(r.Method), 32)]))
	} else {
		attrs = append(attrs, slog.String("http.request.method", knownMethods[method]))
	}
	if !framed {
		return l.handler, attrs
	}
	h := l.handler.WithAttrs(slices.Clone(attrs))
	place.Store(&h)
	return h, attrs[:0]
}

// appendServer names the host that was asked for, and its port apart, where it names one.
func (l *AccessLog) appendServer(attrs []slog.Attr, text string) []slog.Attr {
	host, port, ok := splitHost(text)
	if !ok {
		return append(attrs, slog.String("server.address", l.scrub.text(text)))
	}
	attrs = append(attrs, slog.String("server.address", l.scrub.text(strings.Trim(host, "[]"))))
	if port != "" {
		n, _ := strconv.Atoi(port) // splitHost took it for a number
		attrs = append(attrs, slog.Int("server.port", n))
	}
	return attrs
}

// routeOf returns the path of a pattern of [http.ServeMux]: the conventions have a field of its own for the method and for the host.
func routeOf(pattern string) string {
	return pattern[max(0, strings.IndexByte(pattern, '/')):]
}

// protocolVersion returns "1.1", "2" and the like.
func protocolVersion(r *http.Request) string {
	switch r.ProtoMajor {
	case 2:
		return "2"
	case 3:
		return "3"
	}
	return strings.TrimPrefix(r.Proto, "HTTP/")
}
