package callback

import (
	"container/heap"
	"time"
)

// expiring is what an expiryQueue holds.
type expiring interface {
	expiry() time.Time
	place() *int // its index in the queue
}

// expiryQueue has what expires first in front.
type expiryQueue[T expiring] struct{ items expiryHeap[T] }

func (q *expiryQueue[T]) add(x T)    { heap.Push(&q.items, x) }
func (q *expiryQueue[T]) moved(x T)  { heap.Fix(&q.items, *x.place()) } // after its expiry changed
func (q *expiryQueue[T]) remove(x T) { heap.Remove(&q.items, *x.place()) }
func (q *expiryQueue[T]) first() T   { return q.items[0] }

// expired returns the first, if its time has come.
func (q *expiryQueue[T]) expired(now time.Time) (x T, ok bool) {
	if len(q.items) == 0 || now.Before(q.items[0].expiry()) {
		return x, false
	}
	return q.items[0], true
}

type expiryHeap[T expiring] []T

func (h expiryHeap[T]) Len() int           { return len(h) }
func (h expiryHeap[T]) Less(i, j int) bool { return h[i].expiry().Before(h[j].expiry()) }
func (h expiryHeap[T]) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	*h[i].place(), *h[j].place() = i, j
}

func (h *expiryHeap[T]) Push(x any) {
	item := x.(T) //nolint:forcetypeassert // heap.Push is called in this file alone
	*item.place() = len(*h)
	*h = append(*h, item)
}

func (h *expiryHeap[T]) Pop() any {
	old := *h
	last := len(old) - 1
	item := old[last]
	clear(old[last:])
	*h = old[:last]
	return item
}
