package security

import (
	"log/slog"
	"net/http"
	"slices"
	"strconv"

	"github.com/gatehouse-go/gatehouse/internal/invalid"
	"github.com/gatehouse-go/gatehouse/internal/refusal"
)

// ErrMethod is the reason for which a [Methods] refuses a request. It is answered 501.
var ErrMethod = refusal.New(http.StatusNotImplemented, "method is not implemented by this server")

// MethodsConfig says which methods the application implements at all. The zero value takes the common ones.
type MethodsConfig struct {
	// Allow lists the methods that some handler implements. Nil means GET, HEAD, POST, PUT, PATCH, DELETE and OPTIONS.
	Allow []string

	// OnError answers a refused request. Nil means an application/problem+json answer.
	OnError func(http.ResponseWriter, *http.Request, error)

	// Logger gets the reason of each refusal. Nil means slog.Default().
	Logger *slog.Logger
}

// Methods refuses methods that no handler of the application implements, such as TRACE and CONNECT, with 501 (RFC 9110, section
// 9.1), before they reach code that never saw them. Which methods one resource has is for its handler to say, with 405 and
// Allow. A Methods is safe for concurrent use.
type Methods struct {
	allow   []string
	refuser refuser
}

// NewMethods returns a Methods, or every mistake in c.
func NewMethods(c MethodsConfig) (*Methods, error) {
	bad := invalid.Config{Package: "security"}
	if c.Allow == nil {
		c.Allow = []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions}
	}
	if len(c.Allow) == 0 {
		bad.Hidden("MethodsConfig.Allow", "must name at least one method")
	}
	for i, m := range c.Allow {
		if !isToken(m) {
			bad.Field("MethodsConfig.Allow["+strconv.Itoa(i)+"]", m, "must be a method")
		}
	}
	if err := bad.Err(); err != nil {
		return nil, err
	}
	return &Methods{allow: slices.Clone(c.Allow), refuser: newRefuser("methods", c.OnError, c.Logger)}, nil
}

// Check returns nil when r's method is one of those allowed. The error is [ErrMethod].
func (m *Methods) Check(r *http.Request) error {
	if !slices.Contains(m.allow, r.Method) {
		return ErrMethod
	}
	return nil
}

// Wrap returns a handler that refuses a request by [Methods.Check].
func (m *Methods) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := m.Check(r); err != nil {
			m.refuser.refuse(w, r, err)
			return
		}
		next.ServeHTTP(w, r)
	})
}
