package redis

import (
	"context"
	"net"
	"sync"
	"time"

	"github.com/redis/rueidis"
)

// pingGap is how often the client asks a silent connection whether the server is there.
const pingGap = time.Second

func clientOption(c Config) rueidis.ClientOption {
	dialer := net.Dialer{Timeout: c.Timeout, KeepAlive: pingGap}
	return rueidis.ClientOption{
		InitAddress: c.Addresses, TLSConfig: c.TLS, Dialer: dialer, SelectDB: c.DB,
		Username: c.Username, Password: string(c.Password),
		Sentinel: rueidis.SentinelOption{
			MasterSet: c.MasterSet, Username: c.SentinelUsername, Password: string(c.SentinelPassword), TLSConfig: c.TLS, Dialer: dialer,
			TopologyRefreshInterval: 5 * time.Second,
		},
		ConnWriteTimeout: c.Timeout,
		// One connection to each node, on which all calls are pipelined: of several, each would have to find out by a failure of its own
		// that the server was restarted.
		PipelineMultiplex: -1,
		DisableRetry:      true, // the gate decides when to try again
		DisableCache:      true,
	}
}

// link makes the client when it is first needed, and again until it succeeds: the client cannot be made while the server is out.
type link struct {
	option rueidis.ClientOption

	mu      sync.Mutex
	client  rueidis.Client
	attempt *attempt // under way, or nil
	closed  bool
}

// attempt is a connection in the making; its result may be read when done is closed.
type attempt struct {
	done   chan struct{}
	client rueidis.Client
	err    error
}

// connect returns the client, which it waits for until ctx ends.
func (l *link) connect(ctx context.Context) (rueidis.Client, error) {
	l.mu.Lock()
	if l.closed || l.client != nil {
		defer l.mu.Unlock()
		if l.closed {
			return nil, ErrClosed
		}
		return l.client, nil
	}
	a := l.attempt
	if a == nil {
		a = &attempt{done: make(chan struct{})}
		l.attempt = a
		go l.make(a) // ends by the dialer's timeout; close waits for it
	}
	l.mu.Unlock()
	select {
	case <-a.done:
		return a.client, a.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (l *link) make(a *attempt) {
	a.client, a.err = rueidis.NewClient(l.option)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.attempt = nil
	if a.err == nil {
		l.client = a.client
	}
	close(a.done)
}

func (l *link) isClosed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.closed
}

func (l *link) close() {
	l.mu.Lock()
	l.closed = true
	a := l.attempt
	l.mu.Unlock()
	if a != nil {
		<-a.done
	}
	l.mu.Lock()
	client := l.client
	l.client = nil
	l.mu.Unlock()
	if client != nil {
		client.Close()
	}
}
