package redis

import (
	"context"
	"errors"
	"iter"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/invalid"
	"github.com/gatehouse-go/gatehouse/revalidate"
	"github.com/redis/rueidis"
)

const (
	defaultMaxEntry = 1 << 20
	maxMaxEntry     = 256 << 20
	defaultLocal    = 64 << 20
	smallestLocal   = 64 << 10
	// scanCount is how many keys the server looks at in one step of Clear.
	scanCount = 1000
)

// saveScript sets an entry, or deletes it where it is empty, and ends the lease on it: that of ARGV[3], without which nothing is done, or
// whosever it is. An entry for which there is no room must not leave the one before it.
const saveScript = `
local held = redis.call('GET', KEYS[2])
if ARGV[3] and (not held or string.sub(held, 1, #ARGV[3] + 1) ~= ARGV[3] .. ' ') then return 0 end
local set = ARGV[1] ~= '' and redis.pcall('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
if held then redis.call('DEL', KEYS[2]) end
if not set or set.err then redis.call('DEL', KEYS[1]) end
return set and set.err and set or 1`

// CacheStoreConfig bounds a [CacheStore]. Its zero value is ready.
type CacheStoreConfig struct {
	// MaxEntryBytes is the size of the largest entry that is kept, encoded and before compression. Zero means 1 MiB; at most 256 MiB.
	MaxEntryBytes int

	// LocalBytes bounds the entries that are kept in this process, decoded, so that most reads need no server. Zero means 64 MiB; at
	// least 64 KiB. It must be zero with RemoteOnly.
	LocalBytes int64

	// RemoteOnly keeps nothing in this process: for the far tier of a revalidate.NewTiered with a near one of another make, and
	// for a function that ends with its request.
	RemoteOnly bool
}

// CacheStore is a [revalidate.Store] on the server, with a tier of its own in this process. It is a [revalidate.Leaser] too: what is
// missing, data or a response, is made by one instance, while the others wait or serve what is stale. Make one with [Engine.NewCacheStore]; it is
// safe for concurrent use.
//
// The local tier follows the server by client-side caching: the server tells of each change of an entry, whoever makes it, and an
// instance that lost its connection asks again before it uses what it has; while the server is out it uses what it has. So an entry that
// another instance replaced or deleted is not read later than a moment after; on a connection that went silent, at most
// Config.Timeout and a second.
//
// Which entries are still good is for each instance's Cache to know: use it with [Invalidations], or the others serve what one
// has invalidated. All and Usage are of the local tier: the server's memory is the server's to tell.
type CacheStore struct {
	engine           *Engine
	maxEntry         int
	entries, leases  string // what keys begin with
	save, lease, end *rueidis.Lua
	local            *localTier // or nil
	tracked          *link      // on which the server tells of changes; the engine's own where local is nil
}

var _ revalidate.Leaser = (*CacheStore)(nil)

// NewCacheStore returns a CacheStore on e, or every mistake in c. With a local tier it has a connection of its own to each node, which
// Engine.Close ends.
func (e *Engine) NewCacheStore(c CacheStoreConfig) (*CacheStore, error) {
	bad := invalid.Config{Package: "redis"}
	if c.MaxEntryBytes == 0 {
		c.MaxEntryBytes = defaultMaxEntry
	}
	if c.MaxEntryBytes < 0 || c.MaxEntryBytes > maxMaxEntry {
		bad.Field("CacheStoreConfig.MaxEntryBytes", c.MaxEntryBytes, "must not be negative, and at most 256 MiB")
	}
	switch {
	case c.RemoteOnly && c.LocalBytes != 0:
		bad.Field("CacheStoreConfig.LocalBytes", c.LocalBytes, "must be zero with RemoteOnly")
	case c.LocalBytes == 0:
		c.LocalBytes = defaultLocal
	case c.LocalBytes < smallestLocal:
		bad.Field("CacheStoreConfig.LocalBytes", c.LocalBytes, "must be zero or at least 65536 bytes")
	}
	if err := bad.Err(); err != nil {
		return nil, err
	}
	s := &CacheStore{
		engine: e, maxEntry: c.MaxEntryBytes, entries: e.config.Prefix + "entry:", leases: e.config.Prefix + "lease:",
		save: rueidis.NewLuaScript(saveScript), lease: rueidis.NewLuaScript(leaseScript), end: rueidis.NewLuaScript(endLeaseScript),
		tracked: &e.link,
	}
	if !c.RemoteOnly {
		local, err := newLocalTier(c.LocalBytes, s.entries)
		if err != nil {
			return nil, err // never: the bound is valid
		}
		s.local = local
		s.tracked = e.track(s.entries, local.notice)
	}
	return s, nil
}

// Load implements [revalidate.Store]. What is there and cannot be read is a miss. What the local tier has and the server does not answer for is
// returned together with the error.
func (s *CacheStore) Load(ctx context.Context, key string) (*revalidate.Entry, error) {
	name := nameOf(key)
	held, state, asked := s.local.get(name)
	switch state {
	case current:
		return held, nil
	case unsaved, unknown:
		if held != nil && s.engine.gate.inDoubt() {
			return held, ErrOut
		}
	}
	if state == unsaved { // the server may have what it was to replace
		if err := s.unlink(ctx, name); err != nil {
			return held, err
		}
		s.local.forget(name)
		return nil, nil
	}
	value, err := s.engine.askOn(ctx, s.tracked, func(ctx context.Context, client rueidis.Client) rueidis.RedisResult {
		return client.Do(ctx, client.B().Get().Key(s.entry(name)).Build())
	}).AsBytes()
	switch {
	case rueidis.IsRedisNil(err):
		s.local.forget(name)
		return nil, nil
	case err != nil:
		return held, err
	}
	e := unpack(value, s.maxEntry)
	if e != nil {
		s.local.put(name, key, e, asked)
	}
	return e, nil
}

// Save implements [revalidate.Store]. An entry that cannot leave its process is kept in the local tier; where there is none, the error is
// [revalidate.ErrNotEncodable]. What was there is deleted even so. With a local tier, a server that has just failed is not asked: the tier has the
// entry meanwhile, and what the server has in its place is deleted by the first read that reaches it.
func (s *CacheStore) Save(ctx context.Context, key string, e *revalidate.Entry) error {
	return s.saveFor(ctx, key, e)
}

// saveFor saves for the holder of the lease token, if one is given.
func (s *CacheStore) saveFor(ctx context.Context, key string, e *revalidate.Entry, token ...string) error {
	name := nameOf(key)
	left := time.Until(e.KeepUntil())
	value, cannot := pack(e, s.maxEntry)
	if left <= 0 {
		value, left = nil, 0
	}
	args := append([]string{rueidis.BinaryString(value), milliseconds(min(left, maxKeep))}, token...)
	answer, err := int64(0), ErrOut
	if s.local == nil || !s.engine.gate.inDoubt() {
		answer, err = s.engine.run(ctx, s.save, []string{s.entry(name), s.leaseOn(name)}, args).AsInt64()
	}
	s.local.forget(name) // the server's word that it changed may come later
	switch {
	case err != nil:
		s.local.keepUnsaved(name, key, e)
		return errors.Join(cannot, err)
	case answer == 0:
		return revalidate.ErrLeaseLost
	case cannot != nil && s.local != nil:
		_, _, asked := s.local.get(name)
		s.local.put(name, key, e, asked)
		return nil
	}
	return cannot
}

// Delete implements [revalidate.Store].
func (s *CacheStore) Delete(ctx context.Context, key string) error {
	name := nameOf(key)
	err := s.unlink(ctx, name)
	s.local.forget(name)
	return err
}

// unlink deletes an entry and the lease on it from the server.
func (s *CacheStore) unlink(ctx context.Context, name entryName) error {
	return s.engine.ask(ctx, func(ctx context.Context, client rueidis.Client) rueidis.RedisResult {
		return client.Do(ctx, client.B().Unlink().Key(s.entry(name), s.leaseOn(name)).Build())
	}).Error()
}

// Clear implements [revalidate.Store]. It looks at every key of the server, in steps of which each is bounded by Config.Timeout: it is for rare
// use. Keys of others are not touched.
func (s *CacheStore) Clear(ctx context.Context) error {
	defer s.local.clear()
	passage := s.engine.gate.now()
	client, err := s.engine.link.connect(ctx)
	if err != nil {
		return s.engine.failed(ctx, &s.engine.link, passage, err)
	}
	for _, node := range client.Nodes() {
		for _, base := range []string{s.entries, s.leases} {
			if err := s.clearNode(ctx, node, base); err != nil {
				return err
			}
		}
	}
	return nil
}

// clearNode deletes the keys of one node that begin with base.
func (s *CacheStore) clearNode(ctx context.Context, node rueidis.Client, base string) error {
	for cursor, more := uint64(0), true; more; more = cursor != 0 {
		step, err := s.engine.ask(ctx, func(ctx context.Context, _ rueidis.Client) rueidis.RedisResult {
			return node.Do(ctx, node.B().Scan().Cursor(cursor).Match(base+"*").Count(scanCount).Build())
		}).AsScanEntry()
		if err != nil {
			return err
		}
		cursor = step.Cursor
		if len(step.Elements) == 0 {
			continue
		}
		if err := s.engine.ask(ctx, func(ctx context.Context, _ rueidis.Client) rueidis.RedisResult {
			return unlinkEach(ctx, node, step.Elements)
		}).Error(); err != nil {
			return err
		}
	}
	return nil
}

// unlinkEach deletes keys, which may be of many slots, in one pipeline. It returns the first failure, or the last answer.
func unlinkEach(ctx context.Context, node rueidis.Client, keys []string) (last rueidis.RedisResult) {
	commands := make([]rueidis.Completed, len(keys))
	for i, key := range keys {
		commands[i] = node.B().Unlink().Key(key).Build()
	}
	for _, last = range node.DoMulti(ctx, commands...) {
		if last.Error() != nil {
			break
		}
	}
	return last
}

// All implements [revalidate.Store]; it yields what the local tier has.
func (s *CacheStore) All(context.Context) iter.Seq2[string, *revalidate.Entry] { return s.local.all }

// Usage implements [revalidate.Store]; it is that of the local tier.
func (s *CacheStore) Usage() revalidate.Usage { return s.local.usage() }

// entry returns the key of an entry on the server.
func (s *CacheStore) entry(name entryName) string { return s.entries + name.String() }

// leaseOn returns the key of the lease on an entry, in the entry's slot.
func (s *CacheStore) leaseOn(name entryName) string {
	return s.leases + "{" + s.entries + name.String() + "}"
}
