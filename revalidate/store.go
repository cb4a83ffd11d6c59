package revalidate

import (
	"context"
	"iter"
)

// A Store keeps entries by key. [NewMemory] is the one in memory; package storetest has the conformance suite that any
// other must pass. All methods are safe for concurrent use.
//
// Which entries are still good is not the store's business: the cache asks the generations of tags at every read. A
// store may forget an entry at any time. An error of Load counts as a miss and an error of the others is logged: a store
// that is down makes a cache slow, never wrong and never unavailable.
type Store interface {
	// Load returns the entry saved last under key, or nil, nil where there is none. Where it has an entry of which it could not find out whether it
	// is the last, it may return it together with the error: it is used. A ctx that has ended asks for what is at hand.
	Load(ctx context.Context, key string) (*Entry, error)
	// Save keeps e under key until e.KeepUntil, in place of what was there. An entry too large to keep is dropped
	// together with what was there: what Save replaces must never come back.
	Save(ctx context.Context, key string, e *Entry) error
	// Delete forgets key. After it returns, Load does not find what was saved before.
	Delete(ctx context.Context, key string) error
	// Clear forgets everything.
	Clear(ctx context.Context) error
	// All yields the entries that are there, in no order, each at most once; what is saved or deleted meanwhile may
	// or may not be among them. A store that cannot list yields nothing.
	All(ctx context.Context) iter.Seq2[string, *Entry]
	// Usage returns how full the store is.
	Usage() Usage
}

// Usage says how full a [Store] is.
type Usage struct {
	Entries   int   `json:"entries"`   // entries held
	Bytes     int64 `json:"bytes"`     // sum of their sizes
	MaxBytes  int64 `json:"maxBytes"`  // the bound, or 0 where there is none
	Evictions int64 `json:"evictions"` // entries dropped for room since the start
}
