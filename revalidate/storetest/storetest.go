// Package storetest checks that an implementation of revalidate.Store keeps what the interface promises.
package storetest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/revalidate"
)

// Run checks the stores that open returns. Each subtest opens one of its own, empty, with room for at least 1 MiB; open registers
// its cleanup with t. Run takes a few seconds, for it waits for entries to end.
func Run(t *testing.T, open func(t *testing.T) revalidate.Store) {
	t.Helper()
	for _, c := range []struct {
		name string
		run  func(*testing.T, revalidate.Store)
	}{
		{"what is saved is loaded", loads},
		{"an absent key is no error", absent},
		{"the last save counts", replaces},
		{"what is deleted is gone", deletes},
		{"what is cleared is gone", clears},
		{"keys are bytes", keys},
		{"what has ended is not loaded", ends},
		{"what has ended before it is saved replaces what was there", endsAtOnce},
		{"usage counts bytes", usage},
		{"all entries are listed", lists},
		{"many use it at once", together},
		{"a cache works on it", cache},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, open(t)) })
	}
}

func entry(t *testing.T, value any, life time.Duration, tags ...string) *revalidate.Entry {
	t.Helper()
	e, err := revalidate.NewEntry(value, time.Now().Add(life), tags...)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// is reports whether key has an entry with this tag: entries are told apart by their tags.
func is(t *testing.T, s revalidate.Store, key, tag string) bool {
	t.Helper()
	e, err := s.Load(context.Background(), key)
	if err != nil {
		t.Fatalf("Load: %v", err)
	}
	if e == nil {
		return tag == ""
	}
	return strings.Join(e.Tags(), " ") == tag
}

func save(t *testing.T, s revalidate.Store, key string, e *revalidate.Entry) {
	t.Helper()
	if err := s.Save(context.Background(), key, e); err != nil {
		t.Fatalf("Save: %v", err)
	}
}

func loads(t *testing.T, s revalidate.Store) {
	t.Helper()
	saved := entry(t, "value", time.Hour, "a", "b")
	save(t, s, "key", saved)
	e, err := s.Load(context.Background(), "key")
	if err != nil || e == nil {
		t.Fatalf("Load: %v, %v", e, err)
	}
	if got := strings.Join(e.Tags(), " "); got != "a b" || e.Size() <= 0 || !e.KeepUntil().Equal(saved.KeepUntil()) {
		t.Errorf("tags %q, size %d, until %v", got, e.Size(), e.KeepUntil())
	}
}

func absent(t *testing.T, s revalidate.Store) {
	t.Helper()
	if !is(t, s, "absent", "") {
		t.Error("Load of an absent key returns an entry")
	}
	if err := s.Delete(context.Background(), "absent"); err != nil {
		t.Errorf("Delete of an absent key: %v", err)
	}
}

func replaces(t *testing.T, s revalidate.Store) {
	t.Helper()
	save(t, s, "key", entry(t, 1, time.Hour, "first"))
	save(t, s, "key", entry(t, 2, time.Hour, "second"))
	if !is(t, s, "key", "second") {
		t.Error("Load returns what was replaced")
	}
}

func deletes(t *testing.T, s revalidate.Store) {
	t.Helper()
	save(t, s, "key", entry(t, 1, time.Hour, "a"))
	save(t, s, "other", entry(t, 1, time.Hour, "b"))
	if err := s.Delete(context.Background(), "key"); err != nil {
		t.Fatal(err)
	}
	if !is(t, s, "key", "") || !is(t, s, "other", "b") {
		t.Error("Delete deletes something else than its key")
	}
}

func clears(t *testing.T, s revalidate.Store) {
	t.Helper()
	for i := range 10 {
		save(t, s, fmt.Sprint("key", i), entry(t, i, time.Hour, "a"))
	}
	if err := s.Clear(context.Background()); err != nil {
		t.Fatal(err)
	}
	for i := range 10 {
		if !is(t, s, fmt.Sprint("key", i), "") {
			t.Errorf("key%d is there after Clear", i)
		}
	}
	save(t, s, "key0", entry(t, 1, time.Hour, "again"))
	if !is(t, s, "key0", "again") {
		t.Error("Save after Clear is lost")
	}
}

func keys(t *testing.T, s revalidate.Store) {
	t.Helper()
	list := []string{"k", "K", "k ", " k", "k\x00", "\x00k", "k\nk", "é", "e\u0301", "\xff", strings.Repeat("k", 2000), "k*", "k%20"}
	for i, key := range list {
		save(t, s, key, entry(t, i, time.Hour, fmt.Sprint("tag", i)))
	}
	for i, key := range list {
		if !is(t, s, key, fmt.Sprint("tag", i)) {
			t.Errorf("key %q is confused with another", key)
		}
	}
}

func ends(t *testing.T, s revalidate.Store) {
	t.Helper()
	save(t, s, "key", entry(t, 1, time.Second, "a"))
	if !is(t, s, "key", "a") {
		t.Error("it is gone before its time")
	}
	time.Sleep(2 * time.Second)
	if !is(t, s, "key", "") {
		t.Error("it is there after its time")
	}
}

func endsAtOnce(t *testing.T, s revalidate.Store) {
	t.Helper()
	save(t, s, "key", entry(t, 1, time.Hour, "a"))
	save(t, s, "key", entry(t, 1, -time.Second, "b"))
	if !is(t, s, "key", "") {
		t.Error("what was replaced, or what has ended, is there")
	}
}

func usage(t *testing.T, s revalidate.Store) {
	t.Helper()
	for i := range 100 {
		save(t, s, fmt.Sprint("key", i), entry(t, strings.Repeat("x", 1000), time.Hour))
	}
	u := s.Usage()
	if u.MaxBytes > 0 && u.Bytes > u.MaxBytes {
		t.Errorf("%d bytes of at most %d", u.Bytes, u.MaxBytes)
	}
	if u.Entries < 0 || u.Bytes < 0 || u.Evictions < 0 {
		t.Errorf("%+v", u)
	}
}

func lists(t *testing.T, s revalidate.Store) {
	t.Helper()
	for i := range 10 {
		save(t, s, fmt.Sprint("key", i), entry(t, i, time.Hour, fmt.Sprint("tag", i)))
	}
	got := maps.Collect(s.All(context.Background()))
	if len(got) == 0 {
		t.Skip("the store does not list")
	}
	for i := range 10 {
		if e := got[fmt.Sprint("key", i)]; e == nil || e.Tags()[0] != fmt.Sprint("tag", i) {
			t.Errorf("key%d is not listed", i)
		}
	}
	if len(got) != 10 {
		t.Errorf("listed: %v", slices.Sorted(maps.Keys(got)))
	}
	for range s.All(context.Background()) {
		break // a listing may be left at any time
	}
}

func together(t *testing.T, s revalidate.Store) {
	t.Helper()
	var wg sync.WaitGroup
	for worker := range 8 {
		e := entry(t, worker, time.Hour, "a")
		wg.Go(func() {
			ctx := context.Background()
			for i := range 200 {
				key := fmt.Sprint("key", i%20)
				switch (i + worker) % 4 {
				case 0:
					if err := s.Save(ctx, key, e); err != nil {
						t.Error(err)
					}
				case 1:
					if err := s.Delete(ctx, key); err != nil {
						t.Error(err)
					}
				default:
					if e, err := s.Load(ctx, key); err != nil || e != nil && len(e.Tags()) != 1 {
						t.Errorf("%v, %v", e, err)
					}
				}
			}
		})
	}
	wg.Wait()
}

func cache(t *testing.T, s revalidate.Store) {
	t.Helper()
	ctx := context.Background()
	c, err := revalidate.New(revalidate.Config{Store: s})
	if err != nil {
		t.Fatal(err)
	}
	type post struct{ Title string }
	calls := 0
	read := func() {
		t.Helper()
		got, err := revalidate.Get(ctx, c, "posts", revalidate.Options{Tags: []string{"posts"}}, func(context.Context) ([]post, error) {
			calls++
			return []post{{"Hello"}}, nil
		})
		if err != nil || len(got) != 1 || got[0].Title != "Hello" {
			t.Fatalf("%v, %v", got, err)
		}
	}
	for i, do := range []func() error{
		func() error { return nil },
		func() error { return c.ExpireTag(ctx, "posts") },
		func() error { return c.Delete(ctx, "posts") },
		func() error { return c.PurgeAll(ctx) },
	} {
		if err := do(); err != nil {
			t.Fatal(err)
		}
		read()
		read()
		if calls != i+1 {
			t.Fatalf("step %d: fetched %d times", i, calls)
		}
	}
	if err := c.Close(ctx); err != nil {
		t.Error(err)
	}
}
