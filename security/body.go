package security

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/gatehouse-go/gatehouse/internal/invalid"
	"github.com/gatehouse-go/gatehouse/internal/refusal"
	"github.com/gatehouse-go/gatehouse/internal/reqbody"
	"github.com/gatehouse-go/gatehouse/internal/reqcopy"
)

// Reasons for which a [Body] refuses a request, or the reading of its body.
var (
	ErrBodyTooLarge    = refusal.New(http.StatusRequestEntityTooLarge, "request body is larger than allowed")
	ErrBodyUnexpected  = refusal.New(http.StatusBadRequest, "request has a body where its method has none")
	ErrMediaType       = refusal.New(http.StatusUnsupportedMediaType, "request body is of no media type that is taken here")
	ErrCharset         = refusal.New(http.StatusUnsupportedMediaType, "request body is in no charset that is taken here")
	ErrContentEncoding = refusal.New(http.StatusUnsupportedMediaType, "request body is in no content coding that is taken here")
	ErrEncodedBody     = refusal.New(http.StatusBadRequest, "request body is not in its declared content coding")
	ErrBodyRatio       = refusal.New(http.StatusRequestEntityTooLarge, "request body expands more than allowed")
	ErrMultipart       = refusal.New(http.StatusBadRequest, "multipart body is malformed")
	ErrMultipartLimit  = refusal.New(http.StatusRequestEntityTooLarge, "multipart body has more or larger parts than allowed")
)

// BodyConfig says which request bodies are let through. MediaTypes is required.
type BodyConfig struct {
	// MediaTypes are the media types that handlers behind the guard read, such as "application/json",
	// "multipart/form-data", "application/*+json" or "image/*". A request with a body of another type, or of none, is answered 415.
	// Required: there is no type that every application reads.
	MediaTypes []string

	// MaxBody bounds the body, after decompression too. A larger declared length is refused before the handler runs; a
	// body that turns out larger fails to be read with [ErrBodyTooLarge]. Zero means 1 MiB.
	MaxBody int64

	// Decompress lists the content codings that are undone for the handler: "gzip", "deflate". The handler then sees a
	// request without Content-Encoding. Nil means none: a request with a coding is answered 415, since a body that
	// grows a thousandfold is the cheapest attack there is.
	Decompress []string

	// MaxRatio bounds how many bytes one compressed byte may become, once 64 KiB have come out. Zero means 100.
	MaxRatio int

	// Multipart bounds what a multipart body may hold. Zero fields mean their defaults.
	Multipart MultipartLimits

	// OnError answers a refused request. Nil means an application/problem+json answer.
	OnError func(http.ResponseWriter, *http.Request, error)

	// Logger gets the reason of each refusal. Nil means slog.Default().
	Logger *slog.Logger
}

// Body is a middleware that lets a request body through only as declared: its media type, charset, coding and length are
// judged before the handler runs, and the bytes themselves while the handler reads them.
//
// A request without a body passes; GET, HEAD and TRACE with one are refused (RFC 9110, sections 9.3.1, 9.3.2 and 9.3.8: such content has no
// meaning, and other readers of the same bytes may take it for a request). A read that breaks a bound fails with an error that
// has the status of its answer: hand it to the same OnError as every other.
//
// It bounds sizes, not time: put a [Deadlines] around it. It MUST stand behind limits by client, and before anything that
// reads the body. A Body is safe for concurrent use.
type Body struct {
	types      []mediaRange
	exact      map[string]bool // Content-Type values that need no parsing
	max        int64
	codings    []string
	ratio      int64
	multipart  MultipartLimits
	refuser    refuser
	accept     []string // the value of Accept-Post and Accept-Patch on a 415
	acceptCode []string // the value of Accept-Encoding on a 415
	gzip       sync.Pool
}

// NewBody returns a guard, or every mistake in c.
func NewBody(c BodyConfig) (*Body, error) {
	bad := invalid.Config{Package: "security"}
	b := &Body{
		exact:     make(map[string]bool),
		max:       c.MaxBody,
		ratio:     int64(c.MaxRatio),
		multipart: c.Multipart.withDefaults(&bad),
		refuser:   newRefuser("body", c.OnError, c.Logger),
	}
	if len(c.MediaTypes) == 0 {
		bad.Hidden("BodyConfig.MediaTypes", "must name at least one media type")
	}
	for i, name := range c.MediaTypes {
		m, ok := parseMediaRange(name)
		if !ok {
			bad.Field("BodyConfig.MediaTypes["+strconv.Itoa(i)+"]", name, "must be a media type, type/* or type/*+suffix")
			continue
		}
		b.types = append(b.types, m)
		if m.exact() && m.kind != "multipart" {
			b.exact[m.name()] = true
			b.exact[m.name()+"; charset=utf-8"] = true
			b.exact[m.name()+";charset=UTF-8"] = true
		}
	}
	if b.max == 0 {
		b.max = 1 << 20
	}
	if b.max < 0 {
		bad.Field("BodyConfig.MaxBody", c.MaxBody, "must not be negative")
	}
	if b.ratio == 0 {
		b.ratio = 100
	}
	if b.ratio < 0 {
		bad.Field("BodyConfig.MaxRatio", c.MaxRatio, "must not be negative")
	}
	for i, coding := range c.Decompress {
		if coding != "gzip" && coding != "deflate" {
			bad.Field("BodyConfig.Decompress["+strconv.Itoa(i)+"]", coding, `must be "gzip" or "deflate"`)
		}
	}
	if err := bad.Err(); err != nil {
		return nil, err
	}
	b.codings = slices.Clone(c.Decompress)
	b.accept = []string{strings.Join(c.MediaTypes, ", ")}
	b.acceptCode = []string{"identity"}
	if len(b.codings) > 0 {
		b.acceptCode = []string{strings.Join(b.codings, ", ")}
	}
	return b, nil
}

// Check judges what r declares of its body. The error is, or wraps, one of the package's reasons. It reads nothing.
func (b *Body) Check(r *http.Request) error {
	_, err := b.check(r)
	return err
}

// declared is what the header says of a body that is let through.
type declared struct {
	coding   string // to be undone, or ""
	boundary string // of a multipart body, or ""
	empty    bool
}

func (b *Body) check(r *http.Request) (declared, error) {
	if reqbody.Empty(r) {
		return declared{empty: true}, nil
	}
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodTrace:
		return declared{}, ErrBodyUnexpected
	}
	if r.ContentLength > b.max {
		return declared{}, ErrBodyTooLarge
	}
	coding, err := b.coding(r.Header["Content-Encoding"])
	if err != nil {
		return declared{}, err
	}
	boundary, err := b.mediaType(r.Header["Content-Type"])
	return declared{coding: coding, boundary: boundary}, err
}

// Wrap returns a handler that refuses a request by [Body.Check], and hands next one whose body is bounded.
func (b *Body) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d, err := b.check(r)
		switch {
		case err != nil:
			b.explain(w, err)
			b.refuser.refuse(w, r, err)
		case d.empty:
			next.ServeHTTP(w, r)
		default:
			b.guard(next, w, r, d)
		}
	})
}

// guarded is a request whose body is bounded: one allocation.
type guarded struct {
	request http.Request
	body    boundedBody
}

func (b *Body) guard(next http.Handler, w http.ResponseWriter, r *http.Request, d declared) {
	g := &guarded{request: *r, body: boundedBody{source: r.Body, closer: r.Body, left: b.max, max: b.max}}
	if d.coding != "" {
		e := b.decode(d.coding, r.Body)
		defer e.release()
		g.body.source = e
		g.request.ContentLength = -1
		g.request.Header = r.Header.Clone()
		g.request.Header.Del("Content-Encoding")
		g.request.Header.Del("Content-Length")
	}
	if d.boundary != "" {
		g.body.parts = newPartCounter(d.boundary, b.multipart)
	}
	g.request.Body = &g.body
	next.ServeHTTP(w, &g.request)
	reqcopy.HandBack(r, &g.request)
}

// explain names on a 415 what is taken instead: Accept-Encoding for a coding (RFC 7694, section 3), Accept-Post for a type (as
// Linked Data Platform 1.0, section 7.1.2, has it) and Accept-Patch (RFC 5789, section 2.2).
func (b *Body) explain(w http.ResponseWriter, err error) {
	h := w.Header()
	switch {
	case errors.Is(err, ErrContentEncoding):
		h["Accept-Encoding"] = slices.Clone(b.acceptCode)
	case errors.Is(err, ErrMediaType), errors.Is(err, ErrCharset):
		h["Accept-Post"] = slices.Clone(b.accept)
		h["Accept-Patch"] = slices.Clone(b.accept)
	}
}

// boundedBody is a request body of at most max bytes.
type boundedBody struct {
	source io.Reader
	closer io.Closer
	parts  *partCounter // nil where the body is not multipart
	left   int64
	max    int64
	err    error // sticky
}

// Read reads up to the bound. Beyond it, it fails with an error that is [ErrBodyTooLarge] and an [*http.MaxBytesError].
func (b *boundedBody) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	if len(p) == 0 {
		return 0, nil
	}
	if int64(len(p)) > b.left+1 { // one more, to tell the end from too much
		p = p[:b.left+1]
	}
	n, err := b.source.Read(p)
	if int64(n) > b.left {
		n = int(b.left)
		err = &tooLargeError{limit: b.max}
	}
	b.left -= int64(n)
	if b.parts != nil {
		if broken := b.parts.count(p[:n]); broken != nil {
			n, err = 0, broken
		}
	}
	b.err = err
	return n, err
}

// Close closes the connection's side of the body.
func (b *boundedBody) Close() error { return b.closer.Close() }

// tooLargeError is ErrBodyTooLarge for those who know this package and [*http.MaxBytesError] for those who know net/http.
type tooLargeError struct{ limit int64 }

func (e *tooLargeError) Error() string {
	return ErrBodyTooLarge.Error() + ": limit " + strconv.FormatInt(e.limit, 10) + " bytes"
}

func (e *tooLargeError) Unwrap() []error {
	return []error{ErrBodyTooLarge, reqbody.ErrTooLarge, &http.MaxBytesError{Limit: e.limit}}
}
