package revalidate

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"
	"time"
)

// An exchange is one run of the handler that any number of requests read from while it goes on. The handler runs in a
// goroutine of its own: whoever asked first may leave, or read slowly, without harm to the others.
//
// While the response may be stored, its body grows without waiting for anybody, up to the bound. Otherwise, and beyond the
// bound, the handler waits until its readers have taken what it wrote, but for a window.
type exchange struct {
	request  *http.Request     // the handler's, of whoever came first; set before the header is there
	key      string            // primary
	variant  string            // key of the variant, or empty where it is not known yet
	old      *Entry            // what was stored when it began and does not answer it, or nil
	forced   bool              // the client wants what is made after it asked
	stated   string            // the conditions of the client that were passed on, or empty
	stamp    int64             // generation
	asked    int64             // when it began
	alone    bool              // in the background: it has no readers to begin with
	after    func(failed bool) // called once the handler is done, if not nil
	patience time.Duration     // how long a response that will be stored may go on without readers
	cancel   context.CancelFunc
	saving   sync.Mutex // held while the result is stored
	gone     bool       // guarded by saving: do not store
	dropped  bool       // set by the handler's goroutine: what was stored is out of date

	mu      sync.Mutex
	changed sync.Cond // with mu
	readers []*reader
	closed  bool // nobody may join any more

	interim  []interim
	phase    phase
	status   int
	header   http.Header
	policy   policy
	vary     []string    // names, once the header is there
	tags     string      // known with the header, to be sent
	trailer  http.Header // known once whole
	body     []byte      // from base on; what was written once is never written again
	base     int64
	flushes  int
	down     bool // the store failed: it is asked nothing more before there is an answer
	whole    bool // the body and the trailer are there, though they may not be stored yet
	done     bool
	panicked any
	found    bool   // entry is what another made
	entry    *Entry // what was stored, or the entry that stands in
	forAll   bool   // entry is for whoever waits, and not for the leader alone
	note     string // why entry stands in
}

type phase uint8

const (
	waiting  phase = iota // no header yet
	growing               // body kept whole
	passing               // body passed through
	standing              // entry is the answer
)

type interim struct {
	status int
	header http.Header
}

// A reader is one request's place in the body.
type reader struct {
	at      int64
	flushes int
	leader  bool
}

// passWindow is how far a handler may be ahead of the slowest reader where the body is not kept.
const passWindow = 64 << 10

// errNoReaders is what a handler's Write returns when nobody wants the rest.
var errNoReaders = errors.New("revalidate: every client has left")

// exchanges holds those under way by primary key.
type exchanges struct {
	mu    sync.Mutex
	byKey map[string][]*exchange
}

// join finds an exchange to read from, or registers fresh; first reports that fresh is the one. fresh is the generation
// that an exchange must have at least.
func (l *exchanges) join(x *exchange, fresh int64, r *reader) (joined *exchange, first bool) {
	var older []*exchange
	defer func() {
		for _, other := range older { // what it makes must not replace what x makes
			other.disown()
		}
	}()
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, other := range l.byKey[x.key] {
		if other.variant != x.variant || other.stated != x.stated {
			continue
		}
		if other.stamp >= fresh && other.admit(r) {
			return other, false
		}
		older = append(older, other)
	}
	if r != nil {
		r.leader = true
		x.readers = append(x.readers, r)
	}
	if l.byKey == nil {
		l.byKey = make(map[string][]*exchange)
	}
	l.byKey[x.key] = append(l.byKey[x.key], x)
	return x, true
}

// admit adds a reader if the whole response is still there to read. A nil reader just asks.
func (x *exchange) admit(r *reader) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.closed {
		return false
	}
	if r != nil {
		x.readers = append(x.readers, r)
	}
	return true
}

func (l *exchanges) remove(x *exchange) {
	l.mu.Lock()
	defer l.mu.Unlock()
	list := l.byKey[x.key]
	if i := slices.Index(list, x); i >= 0 {
		list = slices.Delete(list, i, i+1)
	}
	if len(list) == 0 {
		delete(l.byKey, x.key)
	} else {
		l.byKey[x.key] = list
	}
}

// disown keeps what is under way for a primary key from being stored or joined.
func (l *exchanges) disown(key string) {
	l.mu.Lock()
	list := slices.Clone(l.byKey[key])
	l.mu.Unlock()
	for _, x := range list {
		x.disown()
	}
}

// disown keeps x from being joined and from storing what it makes; a store under way is waited for.
func (x *exchange) disown() {
	x.mu.Lock()
	x.closed = true
	x.mu.Unlock()
	x.saving.Lock()
	x.gone = true
	x.saving.Unlock()
}

// leave takes a reader off. When the last one leaves, the handler is told to stop: at once, or, where its response will be
// stored, after a while.
func (x *exchange) leave(r *reader) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if i := slices.Index(x.readers, r); i >= 0 {
		x.readers = slices.Delete(x.readers, i, i+1)
	}
	x.changed.Broadcast()
	switch {
	case len(x.readers) > 0 || x.alone || x.done:
	case x.phase == growing:
		time.AfterFunc(x.patience, func() {
			x.mu.Lock()
			defer x.mu.Unlock()
			if len(x.readers) == 0 && !x.done {
				x.stop()
			}
		})
	default:
		x.stop()
	}
}

// stop tells the handler that nobody wants its answer. The caller holds the lock.
func (x *exchange) stop() {
	x.closed = true
	x.cancel()
}

// await waits until the answer's header is there, telling of interim responses on the way.
func (x *exchange) await(ctx context.Context, tell func(interim)) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	told := 0
	for {
		for ; tell != nil && told < len(x.interim); told++ {
			in := x.interim[told]
			x.mu.Unlock()
			tell(in)
			x.mu.Lock()
		}
		if x.phase != waiting || x.done {
			return nil
		}
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		x.changed.Wait()
	}
}

// next waits for body beyond r.at and returns it, or for a Flush of the handler. end is true with or after the last chunk.
func (x *exchange) next(ctx context.Context, r *reader) (chunk []byte, flush, end bool, err error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for {
		have := x.base + int64(len(x.body))
		end = x.whole
		if have > r.at || r.flushes < x.flushes || end {
			chunk = x.body[r.at-x.base : len(x.body) : len(x.body)]
			flush = r.flushes < x.flushes
			r.at, r.flushes = have, x.flushes
			if x.phase == passing {
				x.changed.Broadcast() // the handler may be waiting for this reader
			}
			return chunk, flush, end, nil
		}
		if ctx.Err() != nil {
			return nil, false, false, context.Cause(ctx)
		}
		x.changed.Wait()
	}
}

// write takes body from the handler.
func (x *exchange) write(p []byte, limit int64) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.phase == growing && int64(len(x.body)+len(p)) > limit {
		x.phase, x.closed = passing, true
	}
	for x.phase == passing {
		slowest := x.base + int64(len(x.body))
		for _, r := range x.readers {
			slowest = min(slowest, r.at)
		}
		if len(x.readers) == 0 {
			return errNoReaders
		}
		if drop := slowest - x.base; drop > 0 {
			x.body = x.body[drop:]
			x.base = slowest
		}
		if len(x.body) < passWindow {
			break
		}
		x.changed.Wait()
	}
	if x.phase == growing || x.phase == passing { // else a stored response is the answer
		x.body = append(x.body, p...)
	}
	x.changed.Broadcast()
	return nil
}
