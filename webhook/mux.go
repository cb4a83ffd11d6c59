package webhook

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
)

// Mux hands each event to the function whose pattern fits its type best. The zero Mux is ready; its OnEvent goes into Config.OnEvent.
//
// A pattern is an event type in which each * stands for one or more characters: "invoice.paid", "invoice.*", "*". The pattern
// with the most characters beside its stars wins, among equals the one with fewer stars, then the one that was there
// first; a pattern of [Mux.For] wins over any of the Mux itself. An event that fits no pattern is accepted and ignored: providers switch off
// endpoints that answer errors, and send new types unasked.
//
// Where the provider does not sign the type (Event.TypeSigned), whoever captured a delivery can send it under another: let the function judge
// by the payload. Registering and serving may happen at the same time.
type Mux struct {
	mu        sync.RWMutex
	exact     map[string]func(context.Context, Event) error
	wild      []wildRoute // best first
	providers map[string]*Mux
}

type wildRoute struct {
	pattern string
	literal int // characters that are no stars
	stars   int
	handle  func(context.Context, Event) error
}

// On registers handle for events that fit pattern, with the body decoded as by [Decode]. T may be [Event] itself, for a body that is
// not JSON: nothing is decoded then. A pattern that is empty or registered already, a nil Mux and a nil handle are errors.
func On[T any](m *Mux, pattern string, handle func(context.Context, T, Event) error) error {
	if handle == nil {
		return errors.New("webhook: On: handle is required")
	}
	return m.Handle(pattern, func(ctx context.Context, e Event) error {
		if _, whole := any(*new(T)).(Event); whole {
			v, _ := any(e).(T)
			return handle(ctx, v, e)
		}
		v, err := Decode[T](e)
		if err != nil {
			return err
		}
		return handle(ctx, v, e)
	})
}

// Handle registers handle for events that fit pattern. It reports the same errors as On.
func (m *Mux) Handle(pattern string, handle func(context.Context, Event) error) error {
	if m == nil || handle == nil {
		return errors.New("webhook: Handle: Mux and handle are required")
	}
	if pattern == "" {
		return errors.New(`webhook: Handle: pattern is required; "*" fits every type`)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	route := wildRoute{pattern: pattern, stars: strings.Count(pattern, "*"), handle: handle}
	_, taken := m.exact[pattern]
	if taken || slices.ContainsFunc(m.wild, func(w wildRoute) bool { return w.pattern == pattern }) {
		return fmt.Errorf("webhook: Handle: pattern %q is registered already", pattern)
	}
	if route.stars == 0 {
		if m.exact == nil {
			m.exact = map[string]func(context.Context, Event) error{}
		}
		m.exact[pattern] = handle
		return nil
	}
	route.literal = len(pattern) - route.stars
	m.wild = append(m.wild, route)
	slices.SortStableFunc(m.wild, func(a, b wildRoute) int {
		return cmp.Or(cmp.Compare(b.literal, a.literal), cmp.Compare(a.stars, b.stars))
	})
	return nil
}

// For returns the Mux for events of one provider, by its id. It is part of m: what is registered there is served by m.OnEvent.
func (m *Mux) For(provider string) *Mux {
	m.mu.Lock()
	defer m.mu.Unlock()
	sub, ok := m.providers[provider]
	if !ok {
		if m.providers == nil {
			m.providers = map[string]*Mux{}
		}
		sub = &Mux{}
		m.providers[provider] = sub
	}
	return sub
}

// OnEvent calls the function that fits e best, and returns its error; nil where none fits.
func (m *Mux) OnEvent(ctx context.Context, e Event) error {
	if handle := m.match(e.Provider, e.Type); handle != nil {
		return handle(ctx, e)
	}
	return nil
}

// match returns the best function for an event, or nil.
func (m *Mux) match(provider, eventType string) func(context.Context, Event) error {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if sub := m.providers[provider]; sub != nil {
		if handle := sub.match("", eventType); handle != nil {
			return handle
		}
	}
	if handle := m.exact[eventType]; handle != nil {
		return handle
	}
	for _, w := range m.wild {
		if fits(w.pattern, eventType) {
			return w.handle
		}
	}
	return nil
}

// fits reports whether s is pattern with one or more bytes in place of each star, in time that grows with the product of the lengths at most.
// Each piece between stars takes its earliest place after the one before: a later place can only leave less room.
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
