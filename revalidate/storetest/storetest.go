// Package storetest checks that an implementation of revalidate.Store keeps what the interface promises.
//
//	func TestStore(t *testing.T) {
//		storetest.TestStore(t, func(t *testing.T) revalidate.Store { return open(t) })
//	}
package storetest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/revalidate"
)

type promise struct {
	name  string
	check func(revalidate.Store) error
}

// promises are what is checked, each with a store of its own.
func promises() []promise {
	return []promise{
		{"what is saved is loaded", loads},
		{"an absent key is no error", absent},
		{"the last save counts", replaces},
		{"what is deleted is gone", deletes},
		{"what is cleared is gone", clears},
		{"keys are bytes", keys},
		{"what has ended is not loaded", ends},
		{"what has ended before it is saved replaces what was there", endsAtOnce},
		{"usage counts bytes", usage},
		{"what is listed is what is there", lists},
		{"many use it at once", together},
		{"a cache works on it", cache},
		{"a lease is one's alone, until it ends", leaseIsOnes},
		{"a lease ends by itself", leaseEnds},
		{"who lost a lease saves nothing", leaseLost},
		{"a save, a deletion and a clearing take leases away", leaseTaken},
		{"a newer fill takes over", leaseTakenOver},
	}
}

// TestStore runs the suite that every [revalidate.Store] must pass, and every [revalidate.Leaser], each promise in a subtest with a store of
// its own. Each call of open returns a store that is empty, with room for at least 1 MiB, and registers its cleanup with t. The suite takes
// a few seconds, for it waits for entries to end.
func TestStore(t *testing.T, open func(t *testing.T) revalidate.Store) {
	t.Helper()
	for _, p := range promises() {
		t.Run(p.name, func(t *testing.T) {
			if err := p.check(open(t)); err != nil {
				t.Error(err)
			}
		})
	}
}

// entry makes an entry; the tags are of this package and break no rule.
func entry(value any, life time.Duration, tags ...string) *revalidate.Entry {
	e, _ := revalidate.NewEntry(value, time.Now().Add(life), tags...)
	return e
}

// expect returns an error unless key has an entry with these tags, or none where tags is empty: entries are told apart
// by their tags.
func expect(s revalidate.Store, key, tags string) error {
	e, err := s.Load(context.Background(), key)
	if err != nil {
		return fmt.Errorf("load of %q: %w", key, err)
	}
	got := ""
	if e != nil {
		got = strings.Join(e.Tags(), " ")
	}
	if got != tags {
		return fmt.Errorf("load of %q: the entry tagged %q, want %q", key, got, tags)
	}
	return nil
}

// steps runs functions until one fails.
func steps(do ...func() error) error {
	for _, step := range do {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func saving(s revalidate.Store, key string, e *revalidate.Entry) func() error {
	return func() error { return s.Save(context.Background(), key, e) }
}

func expecting(s revalidate.Store, key, tags string) func() error {
	return func() error { return expect(s, key, tags) }
}

func deleting(s revalidate.Store, key string) func() error {
	return func() error { return s.Delete(context.Background(), key) }
}

func loads(s revalidate.Store) error {
	saved := entry("value", time.Hour, "a", "b")
	return steps(saving(s, "key", saved), expecting(s, "key", "a b"), func() error {
		e, err := s.Load(context.Background(), "key")
		if err != nil || e.Size() <= 0 || !e.KeepUntil().Equal(saved.KeepUntil()) {
			return fmt.Errorf("loaded: size %d, until %v, want %v (%w)", e.Size(), e.KeepUntil(), saved.KeepUntil(), err)
		}
		return nil
	})
}

func absent(s revalidate.Store) error {
	return steps(expecting(s, "absent", ""), deleting(s, "absent"))
}

func replaces(s revalidate.Store) error {
	return steps(saving(s, "key", entry(1, time.Hour, "first")), saving(s, "key", entry(2, time.Hour, "second")), expecting(s, "key", "second"))
}

func deletes(s revalidate.Store) error {
	return steps(
		saving(s, "key", entry(1, time.Hour, "a")), saving(s, "other", entry(1, time.Hour, "b")),
		deleting(s, "key"), expecting(s, "key", ""), expecting(s, "other", "b"),
	)
}

func clears(s revalidate.Store) error {
	var do []func() error
	for i := range 10 {
		do = append(do, saving(s, fmt.Sprint("key", i), entry(i, time.Hour, "a")))
	}
	do = append(do, func() error { return s.Clear(context.Background()) })
	for i := range 10 {
		do = append(do, expecting(s, fmt.Sprint("key", i), ""))
	}
	return steps(append(do, saving(s, "key0", entry(1, time.Hour, "again")), expecting(s, "key0", "again"))...)
}

func keys(s revalidate.Store) error {
	list := []string{"k", "K", "k ", " k", "k\x00", "\x00k", "k\nk", "é", "e\u0301", "\xff", strings.Repeat("k", 2000), "k*", "k%20"}
	var do []func() error
	for i, key := range list {
		do = append(do, saving(s, key, entry(i, time.Hour, fmt.Sprint("tag", i))))
	}
	for i, key := range list {
		do = append(do, expecting(s, key, fmt.Sprint("tag", i)))
	}
	return steps(do...)
}

func ends(s revalidate.Store) error {
	return steps(saving(s, "key", entry(1, time.Second, "a")), expecting(s, "key", "a"), func() error {
		time.Sleep(2 * time.Second)
		return expect(s, "key", "")
	})
}

func endsAtOnce(s revalidate.Store) error {
	return steps(saving(s, "key", entry(1, time.Hour, "a")), saving(s, "key", entry(1, -time.Second, "b")), expecting(s, "key", ""))
}

func usage(s revalidate.Store) error {
	for i := range 100 {
		if err := s.Save(context.Background(), fmt.Sprint("key", i), entry(strings.Repeat("x", 1000), time.Hour)); err != nil {
			return err
		}
	}
	if u := s.Usage(); u.MaxBytes > 0 && u.Bytes > u.MaxBytes || u.Entries < 0 || u.Bytes < 0 || u.Evictions < 0 {
		return fmt.Errorf("usage: %+v", u)
	}
	return nil
}

// lists accepts a store that lists nothing.
func lists(s revalidate.Store) error {
	for i := range 10 {
		if err := s.Save(context.Background(), fmt.Sprint("key", i), entry(i, time.Hour, fmt.Sprint("tag", i))); err != nil {
			return err
		}
	}
	seen := make(map[string]bool)
	for key, e := range s.All(context.Background()) {
		n, found := strings.CutPrefix(key, "key")
		if !found || seen[key] || strings.Join(e.Tags(), " ") != "tag"+n {
			return fmt.Errorf("listed: %q with tags %q, listed before: %v", key, e.Tags(), seen[key])
		}
		seen[key] = true
	}
	if len(seen) != 0 && len(seen) != 10 {
		return fmt.Errorf("listed: %d of 10 entries", len(seen))
	}
	for range s.All(context.Background()) {
		break // a listing may be left at any time
	}
	return nil
}

func together(s revalidate.Store) error {
	const workers = 8
	failed := make([]error, workers)
	var wg sync.WaitGroup
	for worker := range workers {
		e := entry(worker, time.Hour, "a")
		wg.Go(func() {
			ctx := context.Background()
			for i := range 200 {
				key := fmt.Sprint("key", i%20)
				var err error
				switch (i + worker) % 4 {
				case 0:
					err = s.Save(ctx, key, e)
				case 1:
					err = s.Delete(ctx, key)
				default:
					var loaded *revalidate.Entry
					if loaded, err = s.Load(ctx, key); loaded != nil && len(loaded.Tags()) != 1 {
						err = fmt.Errorf("load: tags %q", loaded.Tags())
					}
				}
				failed[worker] = errors.Join(failed[worker], err)
			}
		})
	}
	wg.Wait()
	return errors.Join(failed...)
}

func cache(s revalidate.Store) error {
	ctx := context.Background()
	c, err := revalidate.New(revalidate.Config{Store: s})
	if err != nil {
		return err
	}
	type post struct{ Title string }
	fetched := 0
	read := func(want int) func() error {
		return func() error {
			got, err := revalidate.Get(ctx, c, "posts", revalidate.Options{Tags: []string{"posts"}}, func(context.Context) ([]post, error) {
				fetched++
				return []post{{"Hello"}}, nil
			})
			if err != nil || len(got) != 1 || got[0].Title != "Hello" || fetched != want {
				return fmt.Errorf("read: %v, %w, fetched %d times, want %d", got, err, fetched, want)
			}
			return nil
		}
	}
	return steps(
		read(1), read(1),
		func() error { return c.ExpireTag(ctx, "posts") }, read(2), read(2),
		func() error { return c.Delete(ctx, "posts") }, read(3), read(3),
		func() error { return c.PurgeAll(ctx) }, read(4), read(4),
		func() error { return c.Close(ctx) },
	)
}
