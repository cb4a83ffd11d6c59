package nats

import (
	"container/heap"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook/inbox"
)

// dueRow is a delivery that was due at a time. It counts only while that is still so.
type dueRow struct {
	*row
	at time.Time
}

// counts reports whether a worker may take d.
func (d dueRow) counts() bool {
	return d.status == inbox.Pending && !d.inHand && !d.gone && d.at.Equal(d.due)
}

// dueHeap has what is due first on top, and of those the first that was accepted.
type dueHeap []dueRow

func (h dueHeap) Len() int { return len(h) }
func (h dueHeap) Less(i, j int) bool {
	if h[i].at.Equal(h[j].at) {
		return h[i].id < h[j].id
	}
	return h[i].at.Before(h[j].at)
}
func (h dueHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }

// Push implements [heap.Interface].
func (h *dueHeap) Push(x any) { *h = append(*h, x.(dueRow)) } //nolint:forcetypeassert // it is called with those alone

// Pop implements [heap.Interface].
func (h *dueHeap) Pop() any {
	last := len(*h) - 1
	x := (*h)[last]
	(*h)[last] = dueRow{}
	*h = (*h)[:last]
	return x
}

// first returns the delivery of l that is due first.
func (l *lane) first() (dueRow, bool) {
	for len(l.due) > 0 {
		if l.due[0].counts() {
			return l.due[0], true
		}
		heap.Pop(&l.due)
	}
	return dueRow{}, false
}
