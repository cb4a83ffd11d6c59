package engine

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
)

// Guard runs f and waits for it until ctx ends; a panic, and an f that ends its goroutine, are errors.
func Guard(ctx context.Context, f func() error) error {
	result := make(chan error, 1)
	go func() { // ends with f, which the deadline asks to return
		err := errors.New("the handler ended its goroutine")
		defer func() {
			if v := recover(); v != nil {
				err = &PanicError{v, string(debug.Stack())}
			}
			result <- err
		}()
		err = f()
	}()
	select {
	case err := <-result:
		return err
	case <-ctx.Done():
		select {
		case err := <-result: // both at once
			return err
		default:
			return context.Cause(ctx)
		}
	}
}

// A PanicError is a handler's panic.
type PanicError struct {
	Value any
	Stack string
}

// Error names the panic's value, without the stack.
func (e *PanicError) Error() string { return fmt.Sprintf("panic: %v", e.Value) }
