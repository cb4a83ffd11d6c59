package engine

import (
	"runtime"
	"sync"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook/inbox"
)

// Bounds of one group. A larger one costs a provider more waiting than it saves.
const (
	groupLength = 512
	groupBytes  = 8 << 20
	lull        = 10 * time.Microsecond // a commit takes some hundred
	maxLooks    = 100                   // in a lull
)

// A Queue holds what waits for the next commit, within the bounds of [inbox.Config] for what comes from outside. [Queue.Init] makes it ready; then
// it is safe for use by many goroutines, of which one takes.
type Queue[E any] struct {
	maxEvents int
	maxBytes  int64

	mu     sync.Mutex
	line   []queued[E]
	events int   // in line with a size
	bytes  int64 // of them
	closed bool
	wake   chan struct{} // has a token when there is something to take, or q is closed

	gathered int // how many were in line when the last group was taken; of the taker alone
}

type queued[E any] struct {
	e    E
	size int64
}

// Init makes q ready.
func (q *Queue[E]) Init(c inbox.Config) {
	q.maxEvents, q.maxBytes, q.wake = c.MaxQueue, c.MaxQueueBytes, make(chan struct{}, 1)
}

// Add puts e in line. One with a size is refused when the line is full: what comes from outside must not fill memory. What the inbox itself
// has to write has size zero, and is bounded by its workers.
func (q *Queue[E]) Add(e E, size int64) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return inbox.ErrClosed
	}
	if size > 0 {
		if q.events >= q.maxEvents || q.bytes+size > q.maxBytes {
			return inbox.ErrQueueFull
		}
		q.events++
		q.bytes += size
	}
	q.line = append(q.line, queued[E]{e, size})
	q.signal()
	return nil
}

func (q *Queue[E]) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// Take waits for the next group in line. It returns none when q is closed and empty.
func (q *Queue[E]) Take() []E {
	for {
		<-q.wake
		q.gather()
		q.mu.Lock()
		group, closed := q.group(), q.closed
		if len(q.line) > 0 || closed {
			q.signal()
		}
		q.mu.Unlock()
		if len(group) > 0 || closed {
			return group
		}
	}
}

// gather lets those come in line who are about to: whoever was just told that theirs is stored may have another. A group of the first of them would
// have the others wait for two commits. It ends when nobody has come for a moment; whoever comes alone, and did before, does not wait at all.
func (q *Queue[E]) gather() {
	came, since, looks := 0, time.Now(), 0
	for {
		n := q.length()
		switch {
		case n > came && n < groupLength:
			came, since, looks = n, time.Now(), 0
		case n >= groupLength || n <= 1 && q.gathered <= 1 || looks >= maxLooks || time.Since(since) > lull:
			q.gathered = n
			return
		}
		looks++
		runtime.Gosched()
	}
}

func (q *Queue[E]) length() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.line)
}

func (q *Queue[E]) group() (group []E) {
	bytes := int64(0)
	for len(q.line) > 0 && len(group) < groupLength {
		next := q.line[0]
		if len(group) > 0 && bytes+next.size > groupBytes {
			break
		}
		bytes += next.size
		if next.size > 0 {
			q.events--
		}
		group = append(group, next.e)
		q.line[0] = queued[E]{} // for the garbage collector
		q.line = q.line[1:]
	}
	q.bytes -= bytes
	return group
}

// Full reports whether no more events would be taken.
func (q *Queue[E]) Full() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.events >= q.maxEvents
}

// Events returns how many events wait.
func (q *Queue[E]) Events() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.events
}

// Close refuses what comes from now on.
func (q *Queue[E]) Close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.signal()
}

// Closed reports whether Close was called.
func (q *Queue[E]) Closed() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.closed
}
