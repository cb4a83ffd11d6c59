package otel

import (
	"strings"
	"sync"
)

// other stands for all names beyond the bound, as the semantic conventions write it.
const other = "_OTHER"

// names lets through a bounded number of different names, since each makes a metric of its own and senders choose them.
type names struct {
	mu   sync.RWMutex
	seen map[string]bool
	room int
}

func newNames(room int) *names { return &names{seen: map[string]bool{}, room: room} }

// bounded returns name, or other where there is no room for it.
func (n *names) bounded(name string) string {
	switch {
	case name == "":
		return ""
	case len(name) > 128:
		return other
	}
	n.mu.RLock()
	known, room := n.seen[name], len(n.seen) < n.room
	n.mu.RUnlock()
	switch {
	case known:
		return name
	case !room:
		return other
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.seen[name] && len(n.seen) >= n.room {
		return other
	}
	name = strings.Clone(name) // the caller's may be part of a payload
	n.seen[name] = true
	return name
}
