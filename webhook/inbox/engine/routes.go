package engine

import (
	"errors"
	"fmt"

	"github.com/gatehouse-go/gatehouse/webhook/inbox"
	"github.com/gatehouse-go/gatehouse/webhook/internal/typeroute"
)

// Routes holds the handlers of an engine. The zero Routes is ready. It is safe for use by many goroutines.
type Routes[T any] struct {
	table typeroute.Table[Route[T]]
}

// A Route is what is registered for a type: one of the two.
type Route[T any] struct {
	Handler inbox.Handler[T]
	Staged  inbox.Staged[T]
}

// Handle does what [inbox.Inbox].Handle says.
func (r *Routes[T]) Handle(provider, typ string, h inbox.Handler[T]) error {
	return r.add(provider, typ, Route[T]{Handler: h}, h == nil)
}

// HandleStaged does what [inbox.Inbox].HandleStaged says.
func (r *Routes[T]) HandleStaged(provider, typ string, s inbox.Staged[T]) error {
	return r.add(provider, typ, Route[T]{Staged: s}, s == nil)
}

func (r *Routes[T]) add(provider, typ string, route Route[T], absent bool) error {
	if absent {
		return errors.New("inbox: Handle: a handler is required")
	}
	if err := r.table.Add(provider, typ, route); err != nil {
		return fmt.Errorf("inbox: Handle %q: %w", provider, err)
	}
	return nil
}

// Find returns the Route that fits best.
func (r *Routes[T]) Find(provider, typ string) (Route[T], bool) { return r.table.Find(provider, typ) }
