package postgres

import (
	"context"
	"sync"

	"github.com/gatehouse-go/gatehouse/webhook"
	"github.com/gatehouse-go/gatehouse/webhook/inbox"
)

// Bounds of one commit. A larger group costs a provider more waiting than it saves.
const (
	groupEvents = 512
	groupBytes  = 8 << 20
)

// An arrival is one event that waits to be stored.
type arrival struct {
	event    webhook.Event
	key      []byte
	orderKey string // as it is stored
	meta     []byte
	size     int64
	gone     func() bool // the caller has gone
	stored   chan outcome
}

// outcome is what became of an arrival.
type outcome struct {
	fresh bool
	err   error
}

// queue holds the arrivals that wait, within bounds.
type queue struct {
	maxEvents int
	maxBytes  int64

	mu     sync.Mutex
	events []*arrival
	bytes  int64
	closed bool
	wake   chan struct{} // has a token when there is something to take, or it is closed
}

func (q *queue) init(c inbox.Config) {
	q.maxEvents, q.maxBytes, q.wake = c.MaxQueue, c.MaxQueueBytes, make(chan struct{}, 1)
}

// add puts a in line.
func (q *queue) add(a *arrival) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.closed:
		return inbox.ErrClosed
	case len(q.events) >= q.maxEvents || q.bytes+a.size > q.maxBytes:
		return inbox.ErrQueueFull
	}
	q.events = append(q.events, a)
	q.bytes += a.size
	q.signal()
	return nil
}

func (q *queue) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// take waits for the next group in line. It returns none when the queue is closed and empty.
func (q *queue) take() []*arrival {
	for {
		<-q.wake
		q.mu.Lock()
		n, bytes := 0, int64(0)
		for n < len(q.events) && n < groupEvents && (n == 0 || bytes+q.events[n].size <= groupBytes) {
			bytes += q.events[n].size
			n++
		}
		group := q.events[:n:n]
		q.events, q.bytes = q.events[n:], q.bytes-bytes
		closed := q.closed
		if len(q.events) > 0 || closed {
			q.signal()
		}
		q.mu.Unlock()
		if n > 0 || closed {
			return group
		}
	}
}

func (q *queue) len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.events)
}

func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.signal()
}

func (q *queue) isClosed() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.closed
}

// write is the writer's goroutine: it stores group after group until the queue is closed and empty.
func (b *Inbox) write(ctx context.Context) {
	for {
		group := b.queue.take()
		if len(group) == 0 {
			return
		}
		b.store(ctx, group)
	}
}
