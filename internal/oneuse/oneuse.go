// Package oneuse tells the caches around a handler that its answer is good for one request only, as one with a nonce in it.
package oneuse

import (
	"context"
	"sync/atomic"
)

// Mark is what a cache looks at before it keeps an answer. It is safe for concurrent use.
type Mark struct {
	outer *Mark // of the next cache around
	set   atomic.Bool
}

type key struct{}

// With returns a context for a handler under a cache, and the mark that the handler can set.
func With(ctx context.Context) (context.Context, *Mark) {
	outer, _ := ctx.Value(key{}).(*Mark)
	m := &Mark{outer: outer}
	return context.WithValue(ctx, key{}, m), m
}

// Set marks the answer to the request of ctx, for every cache around.
func Set(ctx context.Context) {
	m, _ := ctx.Value(key{}).(*Mark)
	for ; m != nil; m = m.outer {
		m.set.Store(true)
	}
}

// IsSet reports whether the answer must not be kept, nor given to another who waits for it.
func (m *Mark) IsSet() bool { return m.set.Load() }
