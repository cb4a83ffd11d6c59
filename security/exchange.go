package security

import (
	"context"
	"net/http"
	"net/netip"
	"sync"

	"github.com/gatehouse-go/gatehouse/internal/requestid"
)

// exchange is the context of one request and its answer: its id, and a note in which the stages inside leave what the access log
// outside prints. One allocation carries both.
type exchange struct {
	requestid.Context
	line [1]string // backs the id's value in the answer's header
	note note
}

// returned hands back what a handler left in its copy of a request: the pattern, for what logs around us, and a form in files, which
// net/http removes by the request it made.
func returned(outer, inner *http.Request) {
	outer.Pattern = inner.Pattern
	if outer.MultipartForm == nil {
		outer.MultipartForm = inner.MultipartForm
	}
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
	mu      sync.Mutex // a handler may go on in another goroutine after it was given up
	route   string
	user    string
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

// addressText returns addr as text; the second time, without an allocation.
func (n *note) addressText(addr netip.Addr) string {
	if n == nil {
		return addr.String()
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.address != addr || n.text == "" {
		n.address, n.text = addr, addr.String()
	}
	return n.text
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
