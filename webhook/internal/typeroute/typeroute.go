// Package typeroute finds what is registered for a provider and an event type, by patterns with stars.
package typeroute

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
)

// Table holds an H for each pattern. The zero Table is ready. Registering and finding may happen at the same time.
type Table[H any] struct {
	mu        sync.RWMutex
	providers map[string]*routes[H] // "" holds what counts for every provider
}

type routes[H any] struct {
	exact map[string]H
	wild  []wildRoute[H] // best first
}

type wildRoute[H any] struct {
	pattern string
	literal int // bytes that are no stars
	stars   int
	handle  H
}

// Add registers h for the types of a provider that fit pattern; an empty provider means every provider. The caller sees to it that an
// empty pattern is one it wants: it fits the empty type alone.
func (t *Table[H]) Add(provider, pattern string, h H) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := t.providers[provider]
	if r == nil {
		r = &routes[H]{exact: map[string]H{}}
		if t.providers == nil {
			t.providers = map[string]*routes[H]{}
		}
		t.providers[provider] = r
	}
	_, taken := r.exact[pattern]
	if taken || slices.ContainsFunc(r.wild, func(w wildRoute[H]) bool { return w.pattern == pattern }) {
		return fmt.Errorf("pattern %q is registered already", pattern)
	}
	stars := strings.Count(pattern, "*")
	if stars == 0 {
		r.exact[pattern] = h
		return nil
	}
	if len(pattern) > 1024 {
		return errors.New("pattern has more than 1024 bytes")
	}
	r.wild = append(r.wild, wildRoute[H]{pattern, len(pattern) - stars, stars, h})
	slices.SortStableFunc(r.wild, func(a, b wildRoute[H]) int {
		return cmp.Or(cmp.Compare(b.literal, a.literal), cmp.Compare(a.stars, b.stars))
	})
	return nil
}

// Find returns what fits best: an exact type, else the pattern with the most bytes beside its stars, among equals the one with fewer
// stars, then the one that was there first; and all of the provider's own before those for every provider.
func (t *Table[H]) Find(provider, eventType string) (h H, ok bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if h, ok = t.providers[provider].find(eventType); ok || provider == "" {
		return h, ok
	}
	return t.providers[""].find(eventType)
}

func (r *routes[H]) find(eventType string) (h H, ok bool) {
	if r == nil {
		return h, false
	}
	if h, ok = r.exact[eventType]; ok {
		return h, true
	}
	for _, w := range r.wild {
		if fits(w.pattern, eventType) {
			return w.handle, true
		}
	}
	return h, false
}

// fits reports whether s is pattern with one or more bytes in place of each star. Each piece between stars takes its earliest place after the one
// before: a later place can only leave less room.
func fits(pattern, s string) bool {
	head, rest, _ := strings.Cut(pattern, "*")
	if !strings.HasPrefix(s, head) {
		return false
	}
	s = s[len(head):]
	for {
		piece, after, more := strings.Cut(rest, "*")
		if !more { // the last piece must end s, with at least one byte before it
			return len(s) > len(piece) && strings.HasSuffix(s, piece)
		}
		if s == "" {
			return false
		}
		at := strings.Index(s[1:], piece)
		if at < 0 {
			return false
		}
		s, rest = s[1+at+len(piece):], after
	}
}
