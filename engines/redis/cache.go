package redis

import (
	"bytes"
	"compress/flate"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"iter"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/invalid"
	"github.com/gatehouse-go/gatehouse/revalidate"
	"github.com/redis/rueidis"
)

// The first byte of a value says how the rest is written. One that is not known is a miss: it is from a newer version of this package.
const (
	plainEntry    = 1
	deflatedEntry = 2
)

const (
	defaultMaxEntry = 1 << 20
	// deflateFrom is the size from which an entry is compressed: below, it costs more than it saves.
	deflateFrom = 2 << 10
	// scanCount is how many keys the server looks at in one step of Clear.
	scanCount = 1000
)

// CacheStoreConfig bounds a [CacheStore]. Its zero value is ready.
type CacheStoreConfig struct {
	// MaxEntryBytes is the size of the largest entry that is kept, encoded and before compression. Zero means 1 MiB.
	MaxEntryBytes int
}

// CacheStore is a [revalidate.Store] on the server, for the far tier of revalidate.NewTiered. Make one with [Engine.NewCacheStore]; it is safe
// for concurrent use.
//
// Which entries are still good is for each instance's Cache to know: use it with [Invalidations], or the others serve what one
// has invalidated. It lists nothing: All yields none, and Usage is zero.
type CacheStore struct {
	engine   *Engine
	maxEntry int
	base     string
}

var _ revalidate.Store = (*CacheStore)(nil)

// NewCacheStore returns a CacheStore on e, or the mistake in c.
func (e *Engine) NewCacheStore(c CacheStoreConfig) (*CacheStore, error) {
	if c.MaxEntryBytes == 0 {
		c.MaxEntryBytes = defaultMaxEntry
	}
	if c.MaxEntryBytes < 0 {
		bad := invalid.Config{Package: "redis"}
		bad.Field("CacheStoreConfig.MaxEntryBytes", c.MaxEntryBytes, "must not be negative")
		return nil, bad.Err()
	}
	return &CacheStore{engine: e, maxEntry: c.MaxEntryBytes, base: e.config.Prefix + "entry:"}, nil
}

// Load implements [revalidate.Store]. What is there and cannot be read is a miss.
func (s *CacheStore) Load(ctx context.Context, key string) (*revalidate.Entry, error) {
	value, err := s.engine.ask(ctx, func(ctx context.Context, client rueidis.Client) rueidis.RedisResult {
		return client.Do(ctx, client.B().Get().Key(s.key(key)).Build())
	}).AsBytes()
	if rueidis.IsRedisNil(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	encoded, ok := s.unpack(value)
	e := new(revalidate.Entry)
	if ok && e.UnmarshalBinary(encoded) == nil {
		return e, nil
	}
	return nil, nil
}

// Save implements [revalidate.Store]. The error is [revalidate.ErrNotEncodable] for an entry that cannot leave its process; what was there
// is deleted even so.
func (s *CacheStore) Save(ctx context.Context, key string, e *revalidate.Entry) error {
	left := time.Until(e.KeepUntil())
	encoded, err := e.MarshalBinary()
	if err != nil || left <= 0 || len(encoded) > s.maxEntry {
		return errors.Join(err, s.Delete(ctx, key))
	}
	value := rueidis.BinaryString(pack(encoded))
	return s.engine.ask(ctx, func(ctx context.Context, client rueidis.Client) rueidis.RedisResult {
		return client.Do(ctx, client.B().Set().Key(s.key(key)).Value(value).PxMilliseconds(min(left, maxKeep).Milliseconds()+1).Build())
	}).Error()
}

// Delete implements [revalidate.Store].
func (s *CacheStore) Delete(ctx context.Context, key string) error {
	return s.unlink(ctx, s.key(key))
}

func (s *CacheStore) unlink(ctx context.Context, key string) error {
	return s.engine.ask(ctx, func(ctx context.Context, client rueidis.Client) rueidis.RedisResult {
		return client.Do(ctx, client.B().Unlink().Key(key).Build())
	}).Error()
}

// Clear implements [revalidate.Store]. It looks at every key of the server, in steps of which each is bounded by Config.Timeout: it is for rare
// use. Keys of others are not touched.
func (s *CacheStore) Clear(ctx context.Context) error {
	client, err := s.engine.link.connect(ctx)
	if err != nil {
		return s.engine.failed(ctx, err)
	}
	for _, node := range client.Nodes() {
		for cursor, more := uint64(0), true; more; more = cursor != 0 {
			step, err := s.engine.ask(ctx, func(ctx context.Context, _ rueidis.Client) rueidis.RedisResult {
				return node.Do(ctx, node.B().Scan().Cursor(cursor).Match(s.base+"*").Count(scanCount).Build())
			}).AsScanEntry()
			if err != nil {
				return err
			}
			for _, key := range step.Elements {
				if err := s.unlink(ctx, key); err != nil {
					return err
				}
			}
			cursor = step.Cursor
		}
	}
	return nil
}

// All implements [revalidate.Store]; it yields nothing.
func (s *CacheStore) All(context.Context) iter.Seq2[string, *revalidate.Entry] {
	return func(func(string, *revalidate.Entry) bool) {}
}

// Usage implements [revalidate.Store]; it is zero, for the server's memory is the server's to tell.
func (s *CacheStore) Usage() revalidate.Usage { return revalidate.Usage{} }

// key hashes what may be long, and hold what a URL holds.
func (s *CacheStore) key(key string) string {
	sum := sha256.Sum256([]byte(key))
	return s.base + hex.EncodeToString(sum[:])
}

func pack(encoded []byte) []byte {
	if len(encoded) >= deflateFrom {
		var out bytes.Buffer
		out.WriteByte(deflatedEntry)
		w, _ := flate.NewWriter(&out, flate.BestSpeed) // the level is valid
		_, _ = w.Write(encoded)                        // a Buffer takes everything
		_ = w.Close()
		if out.Len() < len(encoded) {
			return out.Bytes()
		}
	}
	return append([]byte{plainEntry}, encoded...)
}

// unpack undoes pack. It reads no more than an entry may have, whatever the server holds.
func (s *CacheStore) unpack(value []byte) ([]byte, bool) {
	if len(value) == 0 {
		return nil, false
	}
	switch value[0] {
	case plainEntry:
		return value[1:], true
	case deflatedEntry:
		encoded, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(value[1:])), int64(s.maxEntry)+1))
		return encoded, err == nil && len(encoded) <= s.maxEntry
	default:
		return nil, false
	}
}
