package security

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"sync"

	"github.com/gatehouse-go/gatehouse/internal/oneuse"
)

// nonceState is one request's nonce, made when it is first asked for.
type nonceState struct {
	mu     sync.Mutex // a handler may render in several goroutines
	value  string
	closed bool // the header is sent: a nonce made now would be in no policy
}

type nonceKey struct{}

// Nonce returns the request's nonce, to be written into the nonce attribute of the scripts and styles of its answer; a
// template gets it as one of its values. It is the same however often it is asked for in a request, and 128 random bits. The answer's
// Content-Security-Policy then names it wherever the policy has [SourceNonce], and the answer is not cacheable: not by who gets it, and
// not by a cache of gatehouse between the [Headers] and the handler.
//
// Nonce returns "" where no [Headers] with such a policy is around the handler, and where the answer's header was sent
// before the nonce was first asked for.
func Nonce(ctx context.Context) string {
	s, _ := ctx.Value(nonceKey{}).(*nonceState)
	if s == nil {
		return ""
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.value == "" && !s.closed {
		var b [16]byte
		_, _ = rand.Read(b[:]) // never fails, or ends the process
		s.value = base64.RawURLEncoding.EncodeToString(b[:])
	}
	if s.value != "" {
		oneuse.Set(ctx)
	}
	return s.value
}

// close returns the nonce, "" where none was asked for, and ends the making of one.
func (s *nonceState) close() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	return s.value
}
