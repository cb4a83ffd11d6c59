package provider

import "sync"

// room keeps what deliveries are read into from one to the next, so that accepting one allocates nothing. What is kept is as large as
// the largest delivery made it, which webhook.Config.MaxBody and the server's bound on header fields limit; there is no more of it than
// deliveries were checked at once, and the garbage collector takes back what lies unused. Its zero value is ready.
type room[T any] struct{ free sync.Pool }

// begin returns a T, empty or as an earlier user left it. It is given back with end.
func (r *room[T]) begin() *T {
	if v, ok := r.free.Get().(*T); ok {
		return v
	}
	return new(T)
}

func (r *room[T]) end(v *T) { r.free.Put(v) }
