package nats

import (
	"cmp"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook"
	"github.com/gatehouse-go/gatehouse/webhook/inbox"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/engine"
)

// ledger is the index of the stream: what all its messages, in their order, come to. Messages are applied by one goroutine, the follower; it is
// read by many. A message that is applied twice changes nothing.
type ledger struct {
	wake func(engine.Lane) // of what may be due now
	left chan struct{}     // closed when another index has taken its place; with the lock

	mu       sync.RWMutex
	held     map[webhook.Key]bool // what workers have had in hand since before this index, which may not have it yet
	position uint64               // up to which all messages that there are were applied, or passed
	seen     uint64               // number of the last message that was applied
	waiters  []waiter
	rows     map[webhook.Key]*row
	ids      []*row // by number; some may be gone
	gaps     int    // how many are
	unsorted bool
	lanes    map[engine.Lane]*lane
	orders   map[string][]*row // that are not done, by order key, sorted by number
	paused   map[engine.Lane]inbox.PausedType
	minutes  map[int64]map[string]inbox.Minute // by instance
	gone     map[string]*goneMark              // by subject
	lease    lease
}

// waiter waits until a message was applied.
type waiter struct {
	position uint64
	reached  chan struct{}
}

// lease is who handles, as the last message says.
type lease struct {
	leaseRecord
	seq  uint64
	seen time.Time // when it was applied here
}

type goneMark struct {
	keys   []string
	seq    uint64
	at     time.Time
	purged bool
}

// lane is all deliveries of a type.
type lane struct {
	engine.Lane
	counts     map[inbox.Status]int64
	duplicates int64
	due        dueHeap
}

// row is one delivery.
type row struct {
	key      webhook.Key
	id       int64
	lane     *lane // nil while only the state is known, which may stand before an event whose body is gone
	eventID  string
	orderKey string
	accepted time.Time

	said       inbox.Status // by the state
	status     inbox.Status // waiting among them
	attempts   int
	tries      int
	due        time.Time
	ended      time.Time
	err        string
	duplicates int
	purged     bool
	gone       bool
	inHand     bool // a worker of this process has it

	eventSeq, stateSeq, repeatsSeq uint64
}

// open reports whether r is still to be handled.
func (r *row) open() bool { return r.said == inbox.Pending || r.said == inbox.Running }

func newLedger(wake func(engine.Lane)) *ledger {
	return &ledger{
		wake: wake, left: make(chan struct{}), rows: map[webhook.Key]*row{}, lanes: map[engine.Lane]*lane{}, orders: map[string][]*row{},
		paused: map[engine.Lane]inbox.PausedType{}, minutes: map[int64]map[string]inbox.Minute{}, gone: map[string]*goneMark{},
	}
}

// apply adds a message, whose subject is without the stream's name. What is not understood is passed over: a newer version may have written it.
func (l *ledger) apply(subject string, seq uint64, at time.Time, record string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	kind, rest, _ := strings.Cut(subject, ".")
	switch kind {
	case kindDelivery:
		text, what, _ := strings.Cut(rest, ".")
		if key, ok := parseKey(text); ok {
			l.applyDelivery(key, what, seq, at, record)
		}
	case kindPaused:
		l.applyPaused(record)
	case kindMinute:
		number, instance, _ := strings.Cut(rest, ".")
		var m inbox.Minute
		if n, err := strconv.ParseInt(number, 10, 64); err == nil && json.Unmarshal([]byte(record), &m) == nil {
			if l.minutes[n] == nil {
				l.minutes[n] = map[string]inbox.Minute{}
			}
			l.minutes[n][instance] = m
		}
	case kindGone:
		var g goneRecord
		if json.Unmarshal([]byte(record), &g) == nil {
			l.gone[subject] = &goneMark{keys: g.Keys, seq: seq, at: at}
			for _, text := range g.Keys {
				if key, ok := parseKey(text); ok {
					l.forget(key, seq)
				}
			}
		}
	case kindLease:
		var r leaseRecord
		if json.Unmarshal([]byte(record), &r) == nil && seq > l.lease.seq {
			l.lease = lease{r, seq, time.Now()}
		}
	}
	l.seen = max(l.seen, seq)
	l.reach(seq)
}

func (l *ledger) reach(seq uint64) {
	l.position = max(l.position, seq)
	l.waiters = slices.DeleteFunc(l.waiters, func(w waiter) bool {
		if w.position > l.position {
			return false
		}
		close(w.reached)
		return true
	})
}

// pass notes that there is nothing up to a message that was not applied.
func (l *ledger) pass(seq uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.reach(seq)
}

// lastSeen returns the number of the last message that was applied.
func (l *ledger) lastSeen() uint64 {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.seen
}

// at returns up to which number all messages that there are were applied, or passed.
func (l *ledger) at() uint64 {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.position
}

// reached returns a channel that is closed when the message of that number was applied, or a later one.
func (l *ledger) reached(seq uint64) <-chan struct{} {
	w := waiter{seq, make(chan struct{})}
	l.mu.Lock()
	defer l.mu.Unlock()
	if seq <= l.position {
		close(w.reached)
	} else {
		l.waiters = append(l.waiters, w)
	}
	return w.reached
}

func (l *ledger) applyDelivery(key webhook.Key, what string, seq uint64, at time.Time, record string) {
	r := l.rows[key]
	if r == nil {
		r = &row{key: key, said: inbox.Pending, inHand: l.held[key]}
		l.rows[key] = r
	}
	switch what {
	case kindEvent:
		var e eventRecord
		if seq > r.eventSeq && json.Unmarshal([]byte(record), &e) == nil {
			l.applyEvent(r, seq, at, e)
		}
	case kindState:
		var s stateRecord
		if seq > r.stateSeq && json.Unmarshal([]byte(record), &s) == nil {
			l.applyState(r, seq, s)
		}
	case kindRepeats:
		n, err := strconv.Atoi(record)
		if seq > r.repeatsSeq && err == nil {
			if r.lane != nil {
				r.lane.duplicates += int64(n - r.duplicates)
			}
			r.repeatsSeq, r.duplicates = seq, n
		}
	}
}

func (l *ledger) applyEvent(r *row, seq uint64, at time.Time, e eventRecord) {
	r.eventSeq = seq
	r.purged = e.ID != 0
	if r.lane != nil { // it was here: only its body is gone
		return
	}
	r.id, r.accepted = int64(seq), at //nolint:gosec // a server does not count that far
	if r.purged {
		r.id, r.accepted = e.ID, e.AcceptedAt
	}
	r.eventID, r.orderKey = string(e.EventID), string(e.OrderKey)
	r.lane = l.laneOf(engine.Lane{Provider: string(e.Provider), Type: string(e.Type)})
	r.lane.duplicates += int64(r.duplicates)
	if r.stateSeq == 0 {
		r.due = time.Now()
	}
	if n := len(l.ids); n > 0 && l.ids[n-1].id > r.id {
		l.unsorted = true
	}
	l.ids = append(l.ids, r)
	l.settle(r)
}

func (l *ledger) laneOf(of engine.Lane) *lane {
	found := l.lanes[of]
	if found == nil {
		found = &lane{Lane: of, counts: map[inbox.Status]int64{}}
		l.lanes[of] = found
	}
	return found
}

func (l *ledger) applyState(r *row, seq uint64, s stateRecord) {
	r.stateSeq, r.said = seq, s.Status
	r.attempts, r.tries, r.ended, r.err = s.Attempts, s.Tries, s.Ended, s.Error
	// By this process's own clock, whose jumps do not move it; of the two ways to say it after a restart, what is sooner.
	r.due = time.Now().Add(s.Wait)
	if wait := time.Until(s.Due); wait < s.Wait {
		r.due = time.Now().Add(wait)
	}
	if r.lane != nil {
		l.settle(r)
	}
}

// forget removes the delivery of a key, unless it came after the message of that number, or an operator has replayed it before.
func (l *ledger) forget(key webhook.Key, before uint64) {
	r := l.rows[key]
	if r == nil || r.eventSeq > before || r.open() {
		return
	}
	delete(l.rows, key)
	r.gone = true
	if r.lane == nil {
		return
	}
	r.lane.counts[r.status]--
	r.lane.duplicates -= int64(r.duplicates)
	if l.gaps++; l.gaps > len(l.ids)/2 {
		l.ids = slices.DeleteFunc(l.ids, func(r *row) bool { return r.gone })
		l.gaps = 0
	}
}

func (l *ledger) applyPaused(record string) {
	var p pausedRecord
	if json.Unmarshal([]byte(record), &p) != nil {
		return
	}
	of := engine.Lane{Provider: string(p.Provider), Type: string(p.Type)}
	if p.Ended {
		delete(l.paused, of)
		return
	}
	l.paused[of] = inbox.PausedType{Provider: of.Provider, Type: of.Type, Since: p.Since, Reason: inbox.Reason{By: p.By, Why: p.Why}}
}

// sorted returns the deliveries by number. The caller holds the lock for writing where they are not sorted.
func (l *ledger) sort() {
	if l.unsorted {
		slices.SortFunc(l.ids, func(a, b *row) int { return cmp.Compare(a.id, b.id) })
		l.unsorted = false
	}
}
