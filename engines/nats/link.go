package nats

import (
	"context"
	"errors"
	"sync"

	natsgo "github.com/nats-io/nats.go"
)

// errDisconnected is the cause for which a question ends whose answer is lost.
var errDisconnected = errors.New("nats inbox: the connection was lost")

// link ends questions when the connection is lost: their answers will not come, and a provider should not wait for them.
type link struct {
	mu   sync.Mutex
	up   context.Context //nolint:containedctx // of the questions that are asked over the connection as it is
	lost context.CancelCauseFunc
}

func (l *link) init() { l.up, l.lost = context.WithCancelCause(context.Background()) }

// ask returns ctx as it is, but for that it ends with the connection. The caller calls done.
func (l *link) ask(ctx context.Context) (asked context.Context, done func()) {
	l.mu.Lock()
	up := l.up
	l.mu.Unlock()
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(up, func() { cancel(context.Cause(up)) })
	return ctx, func() {
		stop()
		cancel(nil)
	}
}

func (l *link) renew() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lost(errDisconnected)
	l.init()
}

// watchLink ends the questions of each connection that is lost, until ctx ends.
func (b *Inbox) watchLink(ctx context.Context) {
	conn := b.js.Conn()
	changed := conn.StatusChanged(natsgo.DISCONNECTED, natsgo.RECONNECTING, natsgo.CLOSED)
	defer conn.RemoveStatusListener(changed)
	for {
		select {
		case <-ctx.Done():
			return
		case _, open := <-changed:
			b.link.renew()
			if !open {
				return // the connection is closed for good
			}
		}
	}
}
