package security

import (
	"context"
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

type noteKey struct{}

// Value returns the note, or what the context beneath has under key.
func (x *exchange) Value(key any) any {
	if key == (noteKey{}) {
		return &x.note
	}
	return x.Context.Value(key)
}

// A note is what is learnt of a request further inside. It decides nothing: it is only logged.
type note struct {
	mu    sync.Mutex // a handler may go on in another goroutine after it was given up
	route string
	user  string
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
