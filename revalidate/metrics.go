package revalidate

import "sync/atomic"

// counters are what Metrics reads.
type counters struct {
	hits, stale, misses, shared, bypasses atomic.Int64
	fills, refreshes, refreshErrors       atomic.Int64
	invalidations, storeErrors            atomic.Int64
	announceErrors                        atomic.Int64
}

// Metrics are counts since the cache was made. They are read one after the other, so sums may be off by what happened
// meanwhile.
type Metrics struct {
	Hits     int64 `json:"hits"`     // reads answered by a fresh entry
	Stale    int64 `json:"stale"`    // reads answered by a stale entry
	Misses   int64 `json:"misses"`   // reads that had to wait for a fill
	Shared   int64 `json:"shared"`   // of those, the ones that waited for a fill somebody else had begun
	Bypasses int64 `json:"bypasses"` // requests that were handed to the handler because no cache may answer them

	Fills         int64 `json:"fills"`         // calls of fetch functions and handlers, refreshes included
	Refreshes     int64 `json:"refreshes"`     // refreshes begun in the background
	RefreshErrors int64 `json:"refreshErrors"` // refreshes that failed
	Invalidations int64 `json:"invalidations"` // calls that marked something
	StoreErrors   int64 `json:"storeErrors"`   // calls of the store that failed
	// AnnounceErrors counts the invalidations that Config.OnInvalidate did not take: it returned an error, or it could not be called for an
	// unsafe request. Other instances and CDNs may still have what they named.
	AnnounceErrors int64 `json:"announceErrors"`

	Marks int   `json:"marks"` // invalidated names that are remembered
	Store Usage `json:"store"` // how full the store is
}

// HitRatio returns which part of the reads did not wait, from 0 to 1; 0 before the first read.
func (m Metrics) HitRatio() float64 {
	served := m.Hits + m.Stale
	if served+m.Misses == 0 {
		return 0
	}
	return float64(served) / float64(served+m.Misses)
}

// Metrics returns the counts until now.
func (c *Cache) Metrics() Metrics {
	n := &c.counters
	g := c.generations
	g.mu.RLock()
	marks := g.size()
	g.mu.RUnlock()
	return Metrics{
		Hits: n.hits.Load(), Stale: n.stale.Load(), Misses: n.misses.Load(), Shared: n.shared.Load(), Bypasses: n.bypasses.Load(),
		Fills: n.fills.Load(), Refreshes: n.refreshes.Load(), RefreshErrors: n.refreshErrors.Load(),
		Invalidations: n.invalidations.Load(), StoreErrors: n.storeErrors.Load(),
		AnnounceErrors: n.announceErrors.Load(),
		Marks:          marks, Store: c.store.Usage(),
	}
}
