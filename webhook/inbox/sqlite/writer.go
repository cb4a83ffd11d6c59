package sqlite

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook"
	"github.com/gatehouse-go/gatehouse/webhook/inbox"
)

// Bounds of one commit. A larger group costs a provider more waiting than it saves.
const (
	groupOps   = 512
	groupBytes = 8 << 20
)

// An op is one write that waits for the next commit. Its func may run more than once: when the commit of its group fails, each op of
// the group is tried alone.
type op struct {
	do    func(ctx context.Context, s *session, t tally) error
	size  int64
	stale func() bool // the caller has gone; nil means it has not
	done  chan error
}

// queue holds the ops that wait, within bounds for those that come from outside.
type queue struct {
	maxOps   int
	maxBytes int64

	mu     sync.Mutex
	ops    []*op
	events int   // ops that count against maxOps
	bytes  int64 // of them
	closed bool
	wake   chan struct{} // has a token when ops is not empty, or closed
}

func (q *queue) init(c inbox.Config) {
	q.maxOps, q.maxBytes, q.wake = c.MaxQueue, c.MaxQueueBytes, make(chan struct{}, 1)
}

// add puts o in line. bounded refuses when the line is full: what comes from outside must not fill memory, while what the
// inbox itself has to write is bounded by its workers.
func (q *queue) add(o *op, bounded bool) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.closed:
		return inbox.ErrClosed
	case bounded && (q.events >= q.maxOps || q.bytes+o.size > q.maxBytes):
		return inbox.ErrQueueFull
	case bounded:
		q.events++
		q.bytes += o.size
	}
	q.ops = append(q.ops, o)
	q.signal()
	return nil
}

func (q *queue) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// take returns the next group in line, and whether the queue is closed. It waits for one.
func (q *queue) take() (group []*op, closed bool) {
	for {
		<-q.wake
		q.mu.Lock()
		group, closed = q.group(), q.closed
		if len(q.ops) > 0 || closed {
			q.signal()
		}
		q.mu.Unlock()
		if len(group) > 0 || closed {
			return group, closed
		}
	}
}

func (q *queue) group() []*op {
	n, bytes := 0, int64(0)
	for n < len(q.ops) && n < groupOps && (n == 0 || bytes+q.ops[n].size <= groupBytes) {
		bytes += q.ops[n].size
		n++
	}
	group := q.ops[:n:n]
	q.ops = q.ops[n:]
	for _, o := range group {
		if o.size > 0 {
			q.events--
			q.bytes -= o.size
		}
	}
	return group
}

func (q *queue) len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.events
}

func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.signal()
}

// write is the writer's goroutine: it commits group after group until the queue is closed and empty.
func (b *Inbox) write(ctx context.Context) {
	for {
		group, closed := b.queue.take()
		if len(group) > 0 {
			b.commitGroup(ctx, group)
		} else if closed {
			return
		}
	}
}

// commitGroup writes a group in one transaction and tells each op how it went. When that fails, it tries each alone: one op that cannot
// be written must not refuse its neighbours.
func (b *Inbox) commitGroup(ctx context.Context, group []*op) {
	live := group[:0]
	for _, o := range group {
		if o.stale != nil && o.stale() {
			o.done <- context.Canceled
			continue
		}
		live = append(live, o)
	}
	if len(live) == 0 {
		return
	}
	b.turns.take(true)
	defer b.turns.give()
	err := b.commit(ctx, live)
	if err == nil || len(live) == 1 {
		for _, o := range live {
			o.done <- err
		}
		return
	}
	for _, o := range live {
		o.done <- b.commit(ctx, []*op{o})
	}
}

// commit runs ops in one transaction on the writer's connection. A connection on which anything failed is given up.
func (b *Inbox) commit(ctx context.Context, ops []*op) (err error) {
	if b.writer == nil {
		if b.writer, err = newSession(ctx, b.db); err != nil {
			return err
		}
	}
	defer func() {
		if err != nil {
			_, _ = b.writer.conn.ExecContext(ctx, "ROLLBACK") // may have happened by itself
			_ = drop(&b.writer)
			err = fmt.Errorf("sqlite inbox: %w", err)
		}
	}()
	if _, err := b.writer.exec(ctx, "BEGIN IMMEDIATE"); err != nil {
		return err
	}
	changes := newTally()
	for _, o := range ops {
		if err := o.do(ctx, b.writer, changes); err != nil {
			return err
		}
	}
	if err := changes.write(ctx, b.writer); err != nil {
		return err
	}
	_, err = b.writer.exec(ctx, "COMMIT")
	return err
}

// do has f written in the next commit and waits for it. When ctx ends first the write may still happen.
func (b *Inbox) do(ctx context.Context, f func(ctx context.Context, s *session, t tally) error) error {
	o := &op{do: f, done: make(chan error, 1)}
	if err := b.queue.add(o, false); err != nil {
		return err
	}
	select {
	case err := <-o.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// millis is how times are stored.
func millis(t time.Time) int64 { return t.UnixMilli() }

func fromMillis(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms)
}

// unavailable marks a failure of the database as one that the provider should wait out.
func unavailable(err error) error {
	return fmt.Errorf("%w: %w", webhook.ErrUnavailable, err)
}
