package nats

import (
	"cmp"
	"container/heap"
	"slices"

	"github.com/gatehouse-go/gatehouse/webhook/inbox"
)

// settle gives r the status that follows from what its state says, and then those that wait behind it.
func (l *ledger) settle(r *row) {
	if r.orderKey == "" {
		l.set(r, r.said)
		return
	}
	line := l.orders[r.orderKey]
	at, there := slices.BinarySearchFunc(line, r.id, func(r *row, id int64) int { return cmp.Compare(r.id, id) })
	switch open := r.open(); {
	case open && !there:
		line = slices.Insert(line, at, r)
	case !open && there:
		line = slices.Delete(line, at, at+1)
	}
	if len(line) == 0 {
		delete(l.orders, r.orderKey)
	} else {
		l.orders[r.orderKey] = line
	}
	if r.said != inbox.Pending {
		l.set(r, r.said)
	} else if r.status != inbox.Waiting {
		l.set(r, inbox.Waiting) // until it is seen to be the first
	}
	if len(line) == 0 || slices.ContainsFunc(line, func(r *row) bool { return r.said == inbox.Running }) {
		return
	}
	for _, other := range line[1:] {
		if other.status == inbox.Waiting {
			break // and so are all behind it
		}
		l.set(other, inbox.Waiting)
	}
	if line[0].status != inbox.Pending || line[0] == r {
		l.set(line[0], inbox.Pending)
	}
}

// set changes the status of r, and counts it.
func (l *ledger) set(r *row, status inbox.Status) {
	if r.status != status {
		if r.status != "" {
			r.lane.counts[r.status]--
		}
		r.lane.counts[status]++
		r.status = status
	}
	if status == inbox.Pending && !r.inHand {
		l.enqueue(r)
	}
}

// enqueue puts r where workers look.
func (l *ledger) enqueue(r *row) {
	heap.Push(&r.lane.due, dueRow{r, r.due})
	l.wake(r.lane.Lane)
}
