package revalidate

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"time"
)

// unshared is the value of an entry that stands beside a key of which the last fill made nothing that another process could use. It tells
// those who wait for the fill's lease to begin at once, and all at the same time, where each would wait for the one before it.
type unshared struct {
	status int // with which the handler failed, or 0
}

func (*unshared) size() int64 { return 16 }

const (
	// unsharedFor is how long nobody waits for another to fill a key whose last fill could not be stored.
	unsharedFor = 10 * time.Second
	// failedFor is the same for one whose fill failed, which may be over sooner.
	failedFor = time.Second
	// maxUnshared bounds the keys that are remembered in this process.
	maxUnshared = 4096
)

// unsharedKey is where the entry beside a key is. It is the key of no response and of no data.
func unsharedKey(key string) string { return "\x00unshared\n" + key }

// unsharedKeys remembers in this process what is known of keys, so that a page which is never shared costs no lease.
type unsharedKeys struct {
	mu    sync.Mutex
	until map[string]time.Time
}

func (u *unsharedKeys) has(key string, now time.Time) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	until, ok := u.until[key]
	if ok && !now.Before(until) {
		delete(u.until, key)
		return false
	}
	return ok
}

func (u *unsharedKeys) note(key string, until time.Time) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.until == nil || len(u.until) >= maxUnshared { // whoever is forgotten asks once more
		u.until = make(map[string]time.Time)
	}
	u.until[key] = until
}

// toldUnshared reports whether another process has told that a key is not shared, and the status with which its handler failed; up is false
// where the store failed.
func (c *Cache) toldUnshared(ctx context.Context, key string) (told bool, status int, up bool) {
	e, up := c.load(ctx, unsharedKey(key))
	if e == nil || !time.Now().Before(e.KeepUntil()) {
		return false, 0, up
	}
	u, told := e.value.(*unshared)
	if !told {
		return false, 0, true
	}
	c.unshared.note(key, e.KeepUntil())
	return true, u.status, true
}

// tellUnshared tells the other processes that those who wait for key need not wait for one another. status is what the handler failed
// with, or 0. Whoever has the lease on key tells it before he gives the lease back. False means that the store failed.
func (c *Cache) tellUnshared(ctx context.Context, key string, status int, lasts time.Duration) bool {
	until := time.Now().Add(lasts)
	c.unshared.note(key, until)
	e := &Entry{
		stamp: c.generations.clock.stamp(time.Now().UnixNano()), value: &unshared{status: status},
		fresh: until.UnixNano(), expire: until.UnixNano(), keep: until.UnixNano(), size: entryOverhead + int64(len(key)),
	}
	err := c.store.Save(context.WithoutCancel(ctx), unsharedKey(key), e)
	if err != nil {
		c.counters.storeErrors.Add(1)
		c.log.LogAttrs(ctx, slog.LevelWarn, "cache store did not save an entry", slog.Any("error", err))
	}
	return err == nil
}

// lastsFor is how long what a response of that status says of its key is remembered, and the status where it is a failure.
func lastsFor(status int) (failed int, lasts time.Duration) {
	if status >= http.StatusInternalServerError {
		return status, failedFor
	}
	return 0, unsharedFor
}
