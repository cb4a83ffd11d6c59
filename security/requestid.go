package security

import (
	"context"
	"crypto/rand"
	"net/http"
	"sync"

	"github.com/gatehouse-go/gatehouse/internal/invalid"
	"github.com/gatehouse-go/gatehouse/internal/reqcopy"
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
	random sync.Pool // of *idSource
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
		inner := x.carry(r)
		next.ServeHTTP(w, inner)
		reqcopy.HandBack(r, inner)
	})
}

func (c *RequestID) id(r *http.Request) string {
	if !c.ignore {
		if lines := r.Header[c.header]; len(lines) == 1 && isPlainID(lines[0]) {
			return lines[0]
		}
	}
	s, _ := c.random.Get().(*idSource)
	if s == nil {
		s = &idSource{}
	}
	defer c.random.Put(s)
	return s.next()
}

// idLength is how many characters of base32 an id has that is made here: 130 bits.
const idLength = 26

// idSource makes ids of random bytes that it takes many at a time: each question to the system has its price.
type idSource struct {
	bytes [16 * idLength]byte
	used  int // modulo len(bytes)
}

func (s *idSource) next() string {
	if s.used == 0 {
		_, _ = rand.Read(s.bytes[:]) // never fails: it ends the program instead
	}
	id := s.bytes[s.used : s.used+idLength]
	s.used = (s.used + idLength) % len(s.bytes)
	for i, b := range id {
		id[i] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"[b&31]
	}
	return string(id)
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
