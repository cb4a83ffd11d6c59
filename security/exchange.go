package security

import (
	"context"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/clientip"
	"github.com/gatehouse-go/gatehouse/internal/requestid"
)

// exchange is the context of one request and its answer: its id, and a note in which the stages inside leave what the access log
// outside prints, and the request that carries it. One allocation holds all.
type exchange struct {
	requestid.Context
	line    [1]string // backs the id's value in the answer's header
	note    note
	request http.Request
}

// carry returns a copy of r whose context is x.
func (x *exchange) carry(r *http.Request) *http.Request { return x.with(r, x) }

// with returns a copy of r whose context is ctx, in the room for it.
func (x *exchange) with(r *http.Request, ctx context.Context) *http.Request {
	copyRequest(&x.request, r, ctx)
	return &x.request
}

// copyRequest makes to a copy of r with ctx. It is not inlined, since WithContext must be: it would allocate a request of its own.
//
//go:noinline
func copyRequest(to, r *http.Request, ctx context.Context) { *to = *r.WithContext(ctx) }

// started is when the request of ctx came, or now.
func started(ctx context.Context) time.Time {
	if n := noteOf(ctx); n != nil && !n.start.IsZero() {
		return n.start
	}
	return time.Now()
}

type noteKey struct{}

// Value returns the note or the nonce, or what the context beneath has under key.
func (x *exchange) Value(key any) any {
	switch key {
	case noteKey{}:
		return &x.note
	case nonceKey{}:
		if s := x.note.takenNonce(); s != nil {
			return s
		}
	}
	return x.Context.Value(key)
}

// A note is what is learnt of a request further inside. It decides nothing: it is logged, and spares others an allocation.
type note struct {
	start   time.Time  // of the request, as the access log saw it; zero without one
	mu      sync.Mutex // a handler may go on in another goroutine after it was given up
	route   string
	user    string
	remote  string // RemoteAddr whose address is in address; "" where that is a resolver's
	address netip.Addr
	text    string // of address
	taken   bool   // nonce belongs to the first Headers inside
	nonce   nonceState
}

// noteOf returns the note of ctx, or nil.
func noteOf(ctx context.Context) *note {
	n, _ := ctx.Value(noteKey{}).(*note)
	return n
}

func (n *note) setRoute(pattern string) {
	if n == nil || pattern == "" {
		return
	}
	n.mu.Lock()
	n.route = pattern
	n.mu.Unlock()
}

func (n *note) setUser(id string) {
	if n == nil {
		return
	}
	n.mu.Lock()
	n.user = id
	n.mu.Unlock()
}

func (n *note) read() (route, user string) {
	if n == nil {
		return "", ""
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.route, n.user
}

// client returns the address of r's client, and that address as text; the second time, without reading or writing it anew.
func (n *note) client(r *http.Request) (addr netip.Addr, text string) {
	if n == nil {
		if addr = clientip.From(r); addr.Is4() {
			text = addr.String() // an IPv6 address is wanted as a network
		}
		return addr, text
	}
	addr, resolved := clientip.Resolved(r.Context())
	n.mu.Lock()
	defer n.mu.Unlock()
	switch {
	case resolved:
	case n.remote == r.RemoteAddr && n.remote != "":
		addr = n.address
	default:
		addr = clientip.Remote(r)
		n.remote = r.RemoteAddr
	}
	if n.address != addr || n.text == "" {
		n.address, n.text = addr, addr.String()
	}
	if resolved {
		n.remote = "" // address is not what remote says
	}
	return addr, n.text
}

// takeNonce returns the place for the nonce of this answer, nil where another [Headers] has it: one that answers a request inside
// of a request must not share it.
func (n *note) takeNonce() *nonceState {
	if n == nil {
		return nil
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.taken {
		return nil
	}
	n.taken = true
	return &n.nonce
}

func (n *note) takenNonce() *nonceState {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.taken {
		return nil
	}
	return &n.nonce
}
