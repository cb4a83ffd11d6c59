package revalidate

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/invalid"
)

// Defaults of [Config].
const (
	defaultMaxBytes       = 64 << 20
	defaultWindow         = 365 * 24 * time.Hour // what Next.js's revalidateTag(tag, "max") allows
	defaultMaxMarks       = 1 << 18
	defaultRefreshes      = 16
	defaultRefreshTimeout = time.Minute
)

// Config says how a [Cache] works. The zero value is a cache of 64 MiB in this process's memory.
type Config struct {
	// MaxBytes bounds the memory of stored entries: keys, headers, bodies and overhead, in bytes. Zero means 64 MiB; less
	// than 64 KiB is refused. It must be zero where Store is set.
	MaxBytes int64
	// Store keeps the entries. Nil means a [Memory] of MaxBytes.
	Store Store

	// Profiles are lives that [Options].Profile may name, beside those of [Profiles]; one of the same name replaces it.
	// "default" is the life of what asks for none.
	Profiles map[string]Life
	// RevalidateWindow is how long after RevalidateTag or RevalidatePath an entry of before may still be served while
	// it is refreshed; an entry's own life may end earlier. Zero means a year.
	RevalidateWindow time.Duration
	// MaxMarks bounds how many invalidated names (tags, paths) are remembered. Beyond it the older half is let go, and with it
	// every entry of that time. Zero means 262,144.
	MaxMarks int

	// MaxRefreshes bounds how many refreshes run in the background at once; one that finds no room is begun by a later read.
	// Zero means 16.
	MaxRefreshes int
	// RefreshTimeout bounds one refresh in the background. Zero means a minute.
	RefreshTimeout time.Duration

	// LeaseLife is how long one process that fills a key keeps the others from it, and how long they wait for it at most, where
	// Store is a [Leaser]: longer than handlers and fetch functions take, for a fill that takes longer may be begun again by another. It is also what
	// a process that dies while it fills a key costs the others. Zero means 10 s; from 10 ms to 1 h.
	LeaseLife time.Duration

	// OnInvalidate, if not nil, is told of each invalidation after it took effect here: to announce it to other instances,
	// which pass it to [Cache.Receive], or to purge a CDN. Its error is returned by the call that invalidated.
	//
	// It is also told what a request of an unsafe method has invalidated behind [Cache.Wrap] (RFC 9111, section 4.4), once for each such
	// request, before its answer goes out; an error is then logged and counted ([Metrics].AnnounceErrors) and the answer is what it was.
	// It must be safe for concurrent use, and return when its context ends, which for unsafe requests is after 10 s.
	OnInvalidate func(context.Context, Invalidation) error
	// AnnounceWait is how long the answer to a request of an unsafe method waits for OnInvalidate, which then goes on in the background.
	// At most 64 are told at once; one that finds no room in that time is an error. Zero means 1 s; at most 10 s.
	AnnounceWait time.Duration

	// Responses says how [Cache.Wrap] works. Its zero value follows RFC 9111 with the package's defaults.
	Responses Responses

	// Logger gets what no caller sees: failed refreshes, tags that break a rule, a store that is down. Nil means slog.Default().
	Logger *slog.Logger
}

// A Cache keeps data ([Get]) and responses ([Cache.Wrap]) until their life ends or a tag of theirs is invalidated. It is
// safe for concurrent use.
type Cache struct {
	store          Store
	generations    *generations
	profiles       map[string]Life
	window         time.Duration
	refreshTimeout time.Duration
	leaseLife      time.Duration
	responses      responses
	onInvalidate   func(context.Context, Invalidation) error
	announceWait   time.Duration
	announcing     chan struct{} // one for each unsafe request that is being announced
	log            *slog.Logger

	flights   flights
	exchanges exchanges
	unshared  unsharedKeys
	refresh   refresher
	counters  counters

	done   context.Context //nolint:containedctx // it ends at Close, and belongs to the cache and no call
	cancel context.CancelFunc
	work   sync.WaitGroup // fills and refreshes that are under way
	closed atomic.Bool
	gate   sync.RWMutex // orders work.Add before Close's work.Wait
}

// ErrClosed is the error of a [Get] that has to fetch after [Cache.Close].
var ErrClosed = errors.New("revalidate: cache is closed")

// New returns a cache. The error joins every mistake in c.
func New(c Config) (*Cache, error) {
	mistakes := invalid.Config{Package: "revalidate"}
	for _, f := range [...]struct {
		name  string
		value int64
	}{
		{"MaxBytes", c.MaxBytes},
		{"MaxMarks", int64(c.MaxMarks)},
		{"MaxRefreshes", int64(c.MaxRefreshes)},
		{"RevalidateWindow", int64(c.RevalidateWindow)},
		{"RefreshTimeout", int64(c.RefreshTimeout)},
	} {
		if f.value < 0 {
			mistakes.Field(f.name, f.value, "must not be negative")
		}
	}
	if c.RevalidateWindow > Forever {
		mistakes.Field("RevalidateWindow", c.RevalidateWindow, "must not be longer than Forever")
	}
	if c.AnnounceWait < 0 || c.AnnounceWait > announceTimeout {
		mistakes.Field("AnnounceWait", c.AnnounceWait, "must be from 0 to 10s")
	}
	if c.LeaseLife != 0 && (c.LeaseLife < shortestLease || c.LeaseLife > longestLease) {
		mistakes.Field("LeaseLife", c.LeaseLife, "must be zero, or from 10ms to 1h")
	}
	if c.Store != nil && c.MaxBytes != 0 {
		mistakes.Field("MaxBytes", c.MaxBytes, "must be zero where Store is set")
	}
	if c.Store == nil && c.MaxBytes > 0 && c.MaxBytes < smallestMemory {
		mistakes.Field("MaxBytes", c.MaxBytes, "must be zero or at least 65536 bytes")
	}
	profiles := Profiles()
	for name, life := range c.Profiles {
		if name == "" {
			mistakes.Field("Profiles", name, "must not be named by an empty string")
		}
		life.check(&mistakes, "Profiles["+name+"]")
		profiles[name] = life
	}
	responses := c.Responses.compile(&mistakes, c.MaxBytes)
	if err := mistakes.Err(); err != nil {
		return nil, err
	}

	store := c.Store
	if store == nil {
		memory, err := NewMemory(MemoryConfig{MaxBytes: c.MaxBytes})
		if err != nil {
			return nil, err
		}
		store = memory
	}
	_, local := store.(*Memory)
	log := c.Logger
	if log == nil {
		log = slog.Default()
	}
	cache := &Cache{
		store:          store,
		generations:    newGenerations(or(c.MaxMarks, defaultMaxMarks), local),
		profiles:       profiles,
		window:         or(c.RevalidateWindow, defaultWindow),
		refreshTimeout: or(c.RefreshTimeout, defaultRefreshTimeout),
		leaseLife:      or(c.LeaseLife, defaultLeaseLife),
		responses:      responses,
		onInvalidate:   c.OnInvalidate,
		announceWait:   or(c.AnnounceWait, defaultAnnounceWait),
		announcing:     make(chan struct{}, maxAnnouncing),
		log:            log,
	}
	cache.done, cache.cancel = context.WithCancel(context.Background())
	cache.refresh.slots = make(chan struct{}, or(c.MaxRefreshes, defaultRefreshes))
	return cache, nil
}

// or returns value, or def where value is zero.
func or[T comparable](value, def T) T {
	var zero T
	if value == zero {
		return def
	}
	return value
}

// Close ends the refreshes and fills under way by cancelling their contexts and waits for them and for announcements, at most until ctx ends. What is
// stored can still be read after it; what is not has to be fetched by somebody else: Get returns [ErrClosed], and Wrap
// hands requests straight to its handler. A cache that is not closed leaks nothing but what runs at the time.
func (c *Cache) Close(ctx context.Context) error {
	c.gate.Lock()
	c.closed.Store(true)
	c.gate.Unlock()
	c.cancel()
	idle := make(chan struct{})
	go func() {
		c.work.Wait()
		close(idle)
	}()
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// begin counts a piece of work that Close waits for; false means that the cache is closed.
func (c *Cache) begin() bool {
	c.gate.RLock()
	defer c.gate.RUnlock()
	if c.closed.Load() {
		return false
	}
	c.work.Add(1)
	return true
}

// later runs what a request leaves to be done once it is answered, in a goroutine that Close waits for; false means that the cache is closed.
func (c *Cache) later(do func()) bool {
	if !c.begin() {
		return false
	}
	go func() {
		defer c.work.Done()
		do()
	}()
	return true
}

// load returns the entry under key, or nil. up is false where the store failed; whoever answers a request then asks it for nothing but what it has at
// hand (peek) before the answer: it may take its full time to fail, each time.
func (c *Cache) load(ctx context.Context, key string) (e *Entry, up bool) {
	return c.loadFrom(ctx, c.store.Load, key)
}

// loadShared is load by one who waits for what another process stores, which a near tier may hide.
func (c *Cache) loadShared(ctx context.Context, key string) (e *Entry, up bool) {
	if tiers, ok := c.store.(*leasedTiers); ok {
		return c.loadFrom(ctx, tiers.loadFarFirst, key)
	}
	return c.load(ctx, key)
}

func (c *Cache) loadFrom(ctx context.Context, load func(context.Context, string) (*Entry, error), key string) (e *Entry, up bool) {
	e, err := load(ctx, key)
	if err != nil && e == nil {
		c.counters.storeErrors.Add(1)
		c.log.LogAttrs(ctx, slog.LevelWarn, "cache store did not load an entry", slog.Any("error", err))
	}
	return e, err == nil
}

// peek returns the entry under key that the store has at hand, for which it need not ask anybody, or nil: for one whose store has just failed, and for
// one who has asked it a moment ago.
func (c *Cache) peek(ctx context.Context, key string) *Entry {
	ctx, cancel := context.WithCancel(ctx)
	cancel()
	e, _ := c.store.Load(ctx, key)
	return e
}

// save stores e, unless an invalidation since its generation already killed it. Its error is logged.
func (c *Cache) save(ctx context.Context, key string, e *Entry) error {
	_, err := c.saveLeased(ctx, nil, key, e)
	return err
}

// saveLeased is save by the holder of a lease, or without one. It returns the lease where it did not end it; [ErrLeaseLost] is not logged.
func (c *Cache) saveLeased(ctx context.Context, lease Lease, key string, e *Entry) (Lease, error) {
	now := time.Now().UnixNano()
	c.generations.granted(e.keep - e.stamp)
	if c.generations.judge(e, now) == dead {
		return lease, nil
	}
	var err error
	if lease == nil {
		err = c.store.Save(ctx, key, e)
	} else if err = lease.Save(ctx, e); err == nil || errors.Is(err, ErrLeaseLost) {
		return nil, err
	}
	if err != nil {
		c.counters.storeErrors.Add(1)
		c.log.LogAttrs(ctx, slog.LevelWarn, "cache store did not save an entry", slog.Any("error", err))
	}
	return lease, err
}

// remove deletes the responses of a primary key and keeps a handler that is under way from storing what it began before.
func (c *Cache) remove(ctx context.Context, key string) error {
	c.exchanges.disown(key)
	err := c.store.Delete(ctx, key)
	if err != nil {
		c.counters.storeErrors.Add(1)
	}
	return err
}
