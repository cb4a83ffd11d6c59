package redis

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	"github.com/gatehouse-go/gatehouse/revalidate"
)

// A lease is a key with "token began", where began is the holder's in twenty digits, which compare as text. It ends with the key.
const (
	leaseScript = `
local held = redis.call('GET', KEYS[1])
local space = held and string.find(held, ' ', 1, true)
if space and string.sub(held, 1, space-1) ~= ARGV[1] and string.sub(held, space+1) >= ARGV[3] then return 0 end
redis.call('SET', KEYS[1], ARGV[1] .. ' ' .. ARGV[2], 'PX', ARGV[4])
return 1`

	endLeaseScript = `
local held = redis.call('GET', KEYS[1])
if held and string.sub(held, 1, #ARGV[1] + 1) == ARGV[1] .. ' ' then redis.call('DEL', KEYS[1]) end
return 1`
)

// entryLease is a lease that this process has.
type entryLease struct {
	store *CacheStore
	key   string
	token string
}

// Lease implements [revalidate.Leaser]. A life that is not above zero, or above ten years, is an error. A server that has just failed is not
// asked: whoever waited for it to load an entry does not wait for a lease too.
func (s *CacheStore) Lease(ctx context.Context, key string, q revalidate.LeaseQuestion) (revalidate.Lease, error) {
	if err := checkKeep("life", q.Life); err != nil {
		return nil, err
	}
	if s.engine.gate.inDoubt() {
		return nil, ErrOut
	}
	l := &entryLease{store: s, key: key, token: rand.Text()}
	args := []string{l.token, twentyDigits(q.Began), twentyDigits(q.Since), milliseconds(q.Life)}
	got, err := s.engine.run(ctx, s.lease, []string{s.leaseOn(nameOf(key))}, args).AsInt64()
	if err != nil || got == 0 {
		return nil, err
	}
	return l, nil
}

// Save implements [revalidate.Lease]. Where the connection broke while it was asked and it was asked again, the error may be
// [revalidate.ErrLeaseLost] although the entry is there.
func (l *entryLease) Save(ctx context.Context, e *revalidate.Entry) error {
	return l.store.saveFor(ctx, l.key, e, l.token)
}

// End implements [revalidate.Lease]. A server that has just failed is not asked: the lease ends by itself.
func (l *entryLease) End(ctx context.Context) error {
	if l.store.engine.gate.inDoubt() {
		return ErrOut
	}
	return l.store.engine.run(ctx, l.store.end, []string{l.store.leaseOn(nameOf(l.key))}, []string{l.token}).Error()
}

// twentyDigits returns the nanoseconds since 1970; none for what was before.
func twentyDigits(t time.Time) string {
	if t.Unix() < 0 {
		t = time.Unix(0, 0)
	}
	return fmt.Sprintf("%020d", t.UnixNano())
}
