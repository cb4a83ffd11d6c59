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
	seen map[string]string // each name by itself
	room int
}

func newNames(room int) *names { return &names{seen: map[string]string{}, room: room} }

// bounded returns name, or other where there is no room for it.
func (n *names) bounded(name string) string {
	switch {
	case name == "":
		return ""
	case len(name) > 128:
		return other
	}
	n.mu.RLock()
	kept, known := n.seen[name]
	full := len(n.seen) >= n.room
	n.mu.RUnlock()
	if !known && !full {
		kept, known = n.add(name)
	}
	if !known {
		return other
	}
	return kept // and not the caller's, which may be part of a payload
}

// add makes name known where there still is room.
func (n *names) add(name string) (kept string, known bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if kept, known = n.seen[name]; !known && len(n.seen) < n.room {
		kept, known = strings.Clone(name), true
		n.seen[kept] = kept
	}
	return kept, known
}
