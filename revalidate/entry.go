package revalidate

import (
	"sync/atomic"
	"time"
)

// entryOverhead is what an entry costs beside its key, header and body: the Entry, the store's node, and the places
// they have in the store's maps and queues.
const entryOverhead = 320

// An Entry is one stored thing, data of [Get] or a response of [Cache.Wrap]. A [Store] keeps entries and gives them back;
// it never changes one, and one may be read by many goroutines at once.
type Entry struct {
	stamp   int64        // generation, taken before the fill
	checked atomic.Int64 // newest epoch at which no invalidation concerned it
	tags    string       // packed
	path    string       // trimmed; empty for data

	fresh  int64 // from this time on it is stale, in nanoseconds since 1970
	expire int64 // from this time on it is not served, however stale reads may be
	keep   int64 // from this time on it is of no use to anyone
	size   int64
	value  any
}

// Size returns how many bytes the entry counts for in a store's bound: its key, header, body or value and a fixed
// overhead. It is never 0.
func (e *Entry) Size() int64 { return e.size }

// KeepUntil returns the time from which on the entry is of no use. A store drops it then, and may drop it before.
func (e *Entry) KeepUntil() time.Time { return time.Unix(0, e.keep) }

// Tags returns the entry's tags, without the cache groups of RFC 9875, for display. The caller owns the slice.
func (e *Entry) Tags() []string { return splitTags(publicTags(e.tags)) }
