package webhook

import (
	"context"
	"errors"
	"fmt"

	"github.com/gatehouse-go/gatehouse/webhook/internal/typeroute"
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
	table    typeroute.Table[func(context.Context, Event) error]
	whole    *Mux   // the Mux that this one is a part of; nil where it is none
	provider string // whose events this part is for
}

// On registers handle for events that fit pattern, with the body decoded as by [Decode]. T may be [Event] itself, for a body that is
// not JSON: nothing is decoded then. A pattern that is empty, longer than 1024 bytes or registered already, a nil Mux and a nil handle are errors.
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
	if err := m.root().table.Add(m.provider, pattern, handle); err != nil {
		return fmt.Errorf("webhook: Handle: %w", err)
	}
	return nil
}

// For returns the Mux for events of one provider, by its id. It is part of m: what is registered there is served by m.OnEvent.
func (m *Mux) For(provider string) *Mux { return &Mux{whole: m.root(), provider: provider} }

// root returns the Mux that holds every route.
func (m *Mux) root() *Mux {
	if m.whole != nil {
		return m.whole
	}
	return m
}

// OnEvent calls the function that fits e best, and returns its error; nil where none fits.
func (m *Mux) OnEvent(ctx context.Context, e Event) error {
	if handle, ok := m.root().table.Find(e.Provider, e.Type); ok {
		return handle(ctx, e)
	}
	return nil
}
