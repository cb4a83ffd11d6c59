package redis

import (
	"encoding/hex"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gatehouse-go/gatehouse/revalidate"
	"github.com/maypok86/otter/v2"
	"github.com/redis/rueidis"
)

// localOverhead is what an entry costs beside its size: its name twice, and its place.
const localOverhead = 160

// localTier keeps decoded entries in this process until the server tells that they changed. Its methods do nothing on nil.
//
// A read of the server takes some time, in which the word of a change may come: each part of the names counts those words, and what was
// asked for before the last of them is not kept. A connection that ends may have had a word that was not heard: all that is kept
// is of an epoch, and what is of an older one is asked for again before it is used.
type localTier struct {
	entries   *otter.Cache[entryName, localEntry]
	base      string // what the server's keys begin with
	maxBytes  int64
	evictions atomic.Int64
	epoch     atomic.Int64
	parts     [64]part
}

type localEntry struct {
	key   string
	entry *revalidate.Entry
	epoch int64 // or noEpoch
}

// noEpoch is that of an entry which the server did not take, and of which it may have an older one.
const noEpoch = -1

// localState says what an entry of the local tier is good for.
type localState uint8

const (
	unknown localState = iota // ask the server; what is kept is good where it does not answer
	current                   // use it
	unsaved                   // the server must forget what it has first
)

// part counts the changes of a part of the names.
type part struct {
	mu      sync.Mutex
	changes int64
}

// moment is when the server was asked.
type moment struct{ epoch, changes int64 }

func newLocalTier(maxBytes int64, base string) (*localTier, error) {
	t := &localTier{base: base, maxBytes: maxBytes}
	entries, err := otter.New(&otter.Options[entryName, localEntry]{
		MaximumWeight: uint64(maxBytes), //nolint:gosec // checked to be positive
		Weigher: func(_ entryName, e localEntry) uint32 {
			return uint32(min(e.entry.Size()+localOverhead, math.MaxUint32)) //nolint:gosec // bounded in place
		},
		ExpiryCalculator: otter.ExpiryWritingFunc(func(e otter.Entry[entryName, localEntry]) time.Duration {
			return time.Until(e.Value.entry.KeepUntil())
		}),
		OnAtomicDeletion: func(e otter.DeletionEvent[entryName, localEntry]) {
			if e.Cause == otter.CauseOverflow {
				t.evictions.Add(1)
			}
		},
		Clock: stillClock{},
	})
	t.entries = entries
	return t, err
}

// stillClock keeps otter from running a goroutine that nobody would end: what is over goes when something else comes.
type stillClock struct{}

func (stillClock) NowNano() int64                      { return time.Now().UnixNano() }
func (stillClock) Tick(time.Duration) <-chan time.Time { return nil }

// get returns what is kept under name, or nil, and what it is good for; asked is what put wants to know, if the server is asked now.
func (t *localTier) get(name entryName) (e *revalidate.Entry, state localState, asked moment) {
	if t == nil {
		return nil, unknown, moment{}
	}
	epoch := t.epoch.Load()
	held, found := t.entries.GetIfPresent(name)
	switch {
	case found && held.epoch == epoch:
		return held.entry, current, moment{}
	case found && held.epoch == noEpoch:
		return held.entry, unsaved, moment{}
	}
	p := t.part(name)
	p.mu.Lock()
	defer p.mu.Unlock()
	return held.entry, unknown, moment{epoch: epoch, changes: p.changes}
}

// put keeps e, which the server gave when asked, unless the server told of a change meanwhile.
func (t *localTier) put(name entryName, key string, e *revalidate.Entry, asked moment) {
	if t == nil {
		return
	}
	p := t.part(name)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.changes != asked.changes || t.epoch.Load() != asked.epoch || !time.Now().Before(e.KeepUntil()) {
		return
	}
	t.entries.Set(name, localEntry{key: strings.Clone(key), entry: e, epoch: asked.epoch})
}

// keepUnsaved keeps e, which the server did not take.
func (t *localTier) keepUnsaved(name entryName, key string, e *revalidate.Entry) {
	if t == nil || !time.Now().Before(e.KeepUntil()) {
		return
	}
	p := t.part(name)
	p.mu.Lock()
	defer p.mu.Unlock()
	t.entries.Set(name, localEntry{key: strings.Clone(key), entry: e, epoch: noEpoch})
}

// forget drops what is kept under name.
func (t *localTier) forget(name entryName) {
	if t == nil {
		return
	}
	p := t.part(name)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.changes++
	t.entries.Invalidate(name)
}

func (t *localTier) clear() {
	if t == nil {
		return
	}
	t.epoch.Add(1)
	t.entries.InvalidateAll()
}

// notice takes the server's word that keys changed; nil means that a connection ended, or everything changed.
func (t *localTier) notice(keys []rueidis.RedisMessage) {
	if keys == nil {
		t.epoch.Add(1)
		return
	}
	for i := range keys {
		key, _ := keys[i].ToString()
		var name entryName
		text, ok := strings.CutPrefix(key, t.base)
		if !ok || len(text) != hex.EncodedLen(len(name)) {
			continue
		}
		if _, err := hex.Decode(name[:], []byte(text)); err == nil {
			t.forget(name)
		}
	}
}

func (t *localTier) all(yield func(string, *revalidate.Entry) bool) {
	if t == nil {
		return
	}
	for _, e := range t.entries.All() {
		if !yield(e.key, e.entry) {
			return
		}
	}
}

func (t *localTier) usage() revalidate.Usage {
	if t == nil {
		return revalidate.Usage{}
	}
	return revalidate.Usage{
		Entries:   t.entries.EstimatedSize(),
		Bytes:     int64(t.entries.WeightedSize()), //nolint:gosec // bounded by maxBytes
		MaxBytes:  t.maxBytes,
		Evictions: t.evictions.Load(),
	}
}

func (t *localTier) part(name entryName) *part { return &t.parts[int(name[0])%len(t.parts)] }
