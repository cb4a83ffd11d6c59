package revalidate

import (
	"context"
	"iter"
	"math"
	"sync/atomic"
	"time"

	"github.com/maypok86/otter/v2"

	"github.com/gatehouse-go/gatehouse/internal/invalid"
)

// MemoryConfig bounds a [Memory]. Its zero value is ready.
type MemoryConfig struct {
	// MaxBytes bounds what is stored, in bytes: keys, headers, bodies and overhead. Zero means 64 MiB; less than 64 KiB is refused, since
	// hardly an entry would fit.
	MaxBytes int64
}

// A Memory is a [Store] in this process's memory, bounded by bytes. When it is full, entries that were read neither
// often nor lately make room (W-TinyLFU).
type Memory struct {
	entries   *otter.Cache[string, *Entry]
	maxBytes  int64
	evictions atomic.Int64
}

// smallestMemory holds a few entries of ordinary size; a smaller bound is a mistake of units.
const smallestMemory = 64 << 10

// NewMemory returns an empty store. A bound that is too small is an error. It starts no goroutine that outlives a call by more than
// moments: entries past their time go when others are saved.
func NewMemory(c MemoryConfig) (*Memory, error) {
	if c.MaxBytes == 0 {
		c.MaxBytes = defaultMaxBytes
	}
	if c.MaxBytes < smallestMemory {
		bad := invalid.Config{Package: "revalidate"}
		bad.Field("MemoryConfig.MaxBytes", c.MaxBytes, "must be zero or at least 65536 bytes")
		return nil, bad.Err()
	}
	m := &Memory{maxBytes: c.MaxBytes}
	entries, err := otter.New(&otter.Options[string, *Entry]{
		MaximumWeight: uint64(c.MaxBytes),
		Weigher: func(_ string, e *Entry) uint32 {
			return uint32(min(e.size, math.MaxUint32)) //nolint:gosec // bounded in place
		},
		ExpiryCalculator: otter.ExpiryWritingFunc(func(e otter.Entry[string, *Entry]) time.Duration {
			return time.Duration(e.Value.keep - time.Now().UnixNano())
		}),
		OnAtomicDeletion: func(e otter.DeletionEvent[string, *Entry]) {
			if e.Cause == otter.CauseOverflow {
				m.evictions.Add(1)
			}
		},
		Clock: untickedClock{time.Now()},
	})
	if err != nil {
		return nil, err
	}
	m.entries = entries
	return m, nil
}

// untickedClock keeps otter from running a goroutine for the sake of entries whose time is over. It counts from its start: that is read in half
// the time of the day's.
type untickedClock struct{ start time.Time }

func (c untickedClock) NowNano() int64                    { return int64(time.Since(c.start)) }
func (untickedClock) Tick(time.Duration) <-chan time.Time { return nil }

// Load returns the entry under key; the error is always nil.
func (m *Memory) Load(_ context.Context, key string) (*Entry, error) {
	e, _ := m.entries.GetIfPresent(key)
	return e, nil
}

// Save keeps e under key. An entry of more than an eighth of the bound, or whose time is over, is dropped together with
// what was there; the error is always nil.
func (m *Memory) Save(_ context.Context, key string, e *Entry) error {
	if e.size > m.maxBytes/8 || e.keep <= time.Now().UnixNano() {
		m.entries.Invalidate(key)
		return nil
	}
	m.entries.Set(key, e)
	return nil
}

// Delete forgets key; the error is always nil.
func (m *Memory) Delete(_ context.Context, key string) error {
	m.entries.Invalidate(key)
	return nil
}

// Clear forgets everything; the error is always nil.
func (m *Memory) Clear(context.Context) error {
	m.entries.InvalidateAll()
	return nil
}

// All yields the entries that are there.
func (m *Memory) All(context.Context) iter.Seq2[string, *Entry] { return m.entries.All() }

// Usage returns how full the store is.
func (m *Memory) Usage() Usage {
	return Usage{
		Entries:   m.entries.EstimatedSize(),
		Bytes:     int64(m.entries.WeightedSize()), //nolint:gosec // bounded by maxBytes
		MaxBytes:  m.maxBytes,
		Evictions: m.evictions.Load(),
	}
}
