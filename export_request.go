package gatehouse

import (
	"context"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/gatehouse-go/gatehouse/internal/inprocess"
)

// exportKey is the context key of an *exportRequest.
type exportKey struct{}

// exportRequest travels in the context of a request made by Export, so that the route, however deep below muxes and
// middlewares, can say what it is.
type exportRequest struct {
	mu      sync.Mutex
	reached bool
	refusal error
}

// admit notes that the request reached h and reports whether h may be exported. A Handler inside another must be
// exportable too.
func (e *exportRequest) admit(h *Handler) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.reached = true
	for _, method := range h.methods {
		if !slices.Contains([]string{http.MethodGet, http.MethodHead, http.MethodOptions}, method) {
			e.refusal = fmt.Errorf("%w: %s", ErrExportMethods, h.allow)
			return false
		}
	}
	if !h.static {
		e.refusal = ErrExportNotStatic
		return false
	}
	return true
}

// verdict returns why the request's route cannot be exported, or nil.
func (e *exportRequest) verdict() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.refusal == nil && !e.reached {
		return fmt.Errorf("%w: no Handler of this package served it", ErrExportNotStatic)
	}
	return e.refusal
}

// exportAnswer is the answer to one export request, held in memory. Handlers write to it as to any ResponseWriter.
type exportAnswer struct {
	header      http.Header
	status      int
	body        []byte
	limit       int64
	contentType string
}

var errTooLong = fmt.Errorf("%w: page has more bytes than MaxBytes", ErrExportLimit)

func (a *exportAnswer) Header() http.Header { return a.header }

func (a *exportAnswer) WriteHeader(status int) {
	if a.status == 0 && status >= 200 {
		a.status = status
	}
}

func (a *exportAnswer) Write(b []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	if int64(len(a.body)+len(b)) > a.limit {
		a.limit = -1
		return 0, errTooLong
	}
	a.body = append(a.body, b...)
	return len(b), nil
}

// Flush does nothing: the answer is complete when the handler returns.
func (a *exportAnswer) Flush() {}

// fetch asks the site for path, within the configured time and size.
func (e *exporter) fetch(ctx context.Context, path *url.URL) (*exportAnswer, error) {
	ctx, cancel := context.WithTimeout(ctx, e.config.Timeout)
	defer cancel()
	request := &exportRequest{}
	r := inprocess.Request(e.base.Scheme, e.base.Host, path).WithContext(context.WithValue(ctx, exportKey{}, request))

	answer := &exportAnswer{header: http.Header{}, limit: e.config.MaxBytes}
	returned := make(chan error, 1)
	go func() { // ends with the handler; a handler that ignores its context is waited for no longer than the timeout
		defer func() {
			if p := recover(); p != nil {
				returned <- fmt.Errorf("%w: handler panicked: %v", ErrExportAnswer, p)
			}
		}()
		e.config.Handler.ServeHTTP(answer, r)
		returned <- nil
	}()
	var err error
	select {
	case <-ctx.Done():
	case err = <-returned:
	}
	if cause := context.Cause(ctx); cause != nil {
		return nil, cause // also where both are ready: the page may be a fragment
	}
	return answer, errors.Join(err, request.verdict(), answer.judge())
}

// judge reports why a complete answer cannot be a file, and settles its content type.
func (a *exportAnswer) judge() error {
	a.WriteHeader(http.StatusOK)
	if a.limit < 0 {
		return errTooLong
	}
	if a.status != http.StatusOK {
		if to := a.header.Get("Location"); to != "" {
			return fmt.Errorf("%w: %d to %s", ErrExportStatus, a.status, to)
		}
		return fmt.Errorf("%w: %d", ErrExportStatus, a.status)
	}
	if a.header.Get("Set-Cookie") != "" {
		return fmt.Errorf("%w: it sets a cookie", ErrExportAnswer)
	}
	if coding := a.header.Get("Content-Encoding"); coding != "" && !strings.EqualFold(coding, "identity") {
		return fmt.Errorf("%w: Content-Encoding %s", ErrExportAnswer, coding)
	}
	a.contentType = a.header.Get("Content-Type")
	if a.contentType == "" {
		a.contentType = http.DetectContentType(a.body) // as net/http does for an answer without the field
	}
	if _, _, err := mime.ParseMediaType(a.contentType); err != nil {
		return fmt.Errorf("%w: Content-Type %q: %w", ErrExportAnswer, a.contentType, err)
	}
	return nil
}

func isHTML(contentType string) bool {
	media, _, _ := mime.ParseMediaType(contentType) // judged before
	return media == "text/html"
}

// sameOrigin reports whether u, resolved against base, belongs to the site.
func sameOrigin(base, u *url.URL) bool {
	return strings.EqualFold(u.Scheme, base.Scheme) && strings.EqualFold(u.Host, base.Host) && u.User == nil
}
