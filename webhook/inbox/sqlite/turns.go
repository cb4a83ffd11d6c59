package sqlite

import "sync"

// turns lets one transaction write at a time, as SQLite does, but with a rule about who is next: storing goes before
// handling, since a provider waits for it.
type turns struct {
	mu      sync.Mutex
	taken   bool
	storing []chan struct{}
	others  []chan struct{}
}

// take waits for the turn. The caller gives it back with give.
func (t *turns) take(storing bool) {
	t.mu.Lock()
	if !t.taken {
		t.taken = true
		t.mu.Unlock()
		return
	}
	mine := make(chan struct{})
	if storing {
		t.storing = append(t.storing, mine)
	} else {
		t.others = append(t.others, mine)
	}
	t.mu.Unlock()
	<-mine
}

// give hands the turn to the next in line.
func (t *turns) give() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, line := range []*[]chan struct{}{&t.storing, &t.others} {
		if len(*line) > 0 {
			close((*line)[0])
			*line = (*line)[1:]
			return
		}
	}
	t.taken = false
}
