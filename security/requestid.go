package security

import (
	"context"
	"crypto/rand"
	"net/http"

	"github.com/gatehouse-go/gatehouse/internal/invalid"
	"github.com/gatehouse-go/gatehouse/internal/requestid"
)

// RequestIDConfig says where ids come from. The zero value takes a client's id if it is plain, and makes one if not.
type RequestIDConfig struct {
	// Header is the field in which the id is read and answered. Empty means "X-Request-Id".
	Header string

	// IgnoreClient makes every id here, for a server that clients reach without a proxy of its own and whose logs must not be
	// mixed up by ids used twice.
	IgnoreClient bool
}

// RequestID gives every request an id: in its context, in the answer's header, and from there in logs and problem answers
// of all of gatehouse.
//
// An id of the client is taken when it has 1 to 64 letters, digits, hyphens, underscores and dots: anything else could forge lines of
// a log or be used to store things in it. An id made here has 130 random bits. A RequestID is safe for concurrent use.
type RequestID struct {
	header string
	ignore bool
}

// NewRequestID returns a RequestID, or the mistake in c.
func NewRequestID(c RequestIDConfig) (*RequestID, error) {
	bad := invalid.Config{Package: "security"}
	if c.Header == "" {
		c.Header = "X-Request-Id"
	}
	if !isToken(c.Header) {
		bad.Field("RequestIDConfig.Header", c.Header, "must be a field name")
	}
	if err := bad.Err(); err != nil {
		return nil, err
	}
	return &RequestID{header: http.CanonicalHeaderKey(c.Header), ignore: c.IgnoreClient}, nil
}

// RequestIDFrom returns the id of the request of ctx, or "" where no [RequestID] stands in front.
func RequestIDFrom(ctx context.Context) string { return requestid.From(ctx) }

// Wrap returns a handler that gives each request its id.
func (c *RequestID) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		x := newExchange(w)
		x.Context.Context, x.ID = r.Context(), c.id(r) //nolint:fatcontext // one level a request: x is new
		x.line[0] = x.ID
		w.Header()[c.header] = x.line[:1:1]
		inner := r.WithContext(x)
		next.ServeHTTP(w, inner)
		returned(r, inner)
	})
}

func (c *RequestID) id(r *http.Request) string {
	if !c.ignore {
		if lines := r.Header[c.header]; len(lines) == 1 && isPlainID(lines[0]) {
			return lines[0]
		}
	}
	return rand.Text()
}

func isPlainID(s string) bool {
	if s == "" || len(s) > 64 {
		return false
	}
	for i := range len(s) {
		if !isWordByte(s[i]) && s[i] != '-' && s[i] != '_' && s[i] != '.' {
			return false
		}
	}
	return true
}
