package revalidate_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-go/gatehouse/revalidate"
)

// source counts how often it is fetched from.
type source struct {
	calls atomic.Int64
	takes time.Duration
	err   error
}

func (s *source) fetch(context.Context) (int64, error) {
	time.Sleep(s.takes)
	if s.err != nil {
		s.calls.Add(1)
		return 0, s.err
	}
	return s.calls.Add(1), nil
}

func mustGet(tb testing.TB, c *revalidate.Cache, o revalidate.Options, s *source) int64 {
	tb.Helper()
	v, err := revalidate.Get(context.Background(), c, "key", o, s.fetch)
	if err != nil {
		tb.Fatal(err)
	}
	return v
}

func TestLivesOfData(t *testing.T) {
	for _, row := range []struct {
		name  string
		o     revalidate.Options
		after time.Duration
		now   int64 // what a read gets
		next  int64 // what a read a moment later gets
	}{
		{"fresh data is returned", revalidate.Options{Profile: "minutes"}, 59 * time.Second, 1, 1},
		{"past Revalidate it is returned and refreshed", revalidate.Options{Profile: "minutes"}, 61 * time.Second, 1, 2},
		{"past Expire it is waited for", revalidate.Options{Profile: "minutes"}, time.Hour, 2, 2},
		{"without a profile it lives by default", revalidate.Options{}, 16 * time.Minute, 1, 2},
		{"the default never expires", revalidate.Options{}, 10 * 365 * 24 * time.Hour, 1, 2},
		{"a life of its own", revalidate.Options{Life: revalidate.Life{Revalidate: time.Second, Expire: time.Second}}, time.Second, 2, 2},
		{"a life without end", revalidate.Options{Life: revalidate.Life{Revalidate: time.Second}}, 1000 * time.Hour, 1, 2},
		{"a profile of the configuration", revalidate.Options{Profile: "blog"}, 30 * time.Minute, 1, 2},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cache := newCache(t, revalidate.Config{Profiles: map[string]revalidate.Life{"blog": {Revalidate: 15 * time.Minute, Expire: time.Hour}}})
				s := &source{}
				mustGet(t, cache, row.o, s)
				time.Sleep(row.after)
				if got := mustGet(t, cache, row.o, s); got != row.now {
					t.Errorf("got %d, want %d", got, row.now)
				}
				synctest.Wait()
				if got := mustGet(t, cache, row.o, s); got != row.next {
					t.Errorf("then got %d, want %d", got, row.next)
				}
			})
		})
	}
}

func TestProfilesAreThoseOfNext(t *testing.T) {
	got := revalidate.Profiles()
	for name, want := range map[string][3]string{ // packages/next/src/server/config-shared.ts of Next.js 16
		"seconds": {"30s", "1s", "1m0s"},
		"minutes": {"5m0s", "1m0s", "1h0m0s"},
		"hours":   {"5m0s", "1h0m0s", "24h0m0s"},
		"days":    {"5m0s", "24h0m0s", "168h0m0s"},
		"weeks":   {"5m0s", "168h0m0s", "720h0m0s"},
		"max":     {"5m0s", "720h0m0s", "8760h0m0s"},
		"default": {"5m0s", "15m0s", revalidate.Forever.String()},
	} {
		l := got[name]
		if have := [3]string{l.Stale.String(), l.Revalidate.String(), l.Expire.String()}; have != want {
			t.Errorf("%s: %v, want %v", name, have, want)
		}
	}
	if len(got) != 7 {
		t.Errorf("%d profiles", len(got))
	}
	for value, want := range map[string]string{
		revalidate.Profiles()["hours"].CacheControl():                                    "max-age=300, s-maxage=3600, stale-while-revalidate=82800",
		revalidate.Profiles()["default"].CacheControl():                                  "max-age=300, s-maxage=900, stale-while-revalidate=2147483648",
		revalidate.Life{Revalidate: time.Minute, Expire: time.Minute}.CacheControl():     "max-age=0, s-maxage=60",
		revalidate.Life{Revalidate: time.Minute, Expire: time.Minute + 1}.CacheControl(): "max-age=0, s-maxage=60",
	} {
		if value != want {
			t.Errorf("Cache-Control %q, want %q", value, want)
		}
	}
}

func TestInvalidationOfData(t *testing.T) {
	ctx := context.Background()
	for _, row := range []struct {
		name       string
		invalidate func(*revalidate.Cache) error
		now, next  int64
	}{
		{"RevalidateTag lets the next read have the old value", func(c *revalidate.Cache) error { return c.RevalidateTag(ctx, "a") }, 1, 2},
		{"ExpireTag makes it wait", func(c *revalidate.Cache) error { return c.ExpireTag(ctx, "a") }, 2, 2},
		{"another tag does nothing", func(c *revalidate.Cache) error { return c.ExpireTag(ctx, "c", "d") }, 1, 1},
		{"one of several tags is enough", func(c *revalidate.Cache) error { return c.ExpireTag(ctx, "x", "b") }, 2, 2},
		{"a prefix of a tag that is named as a tag does nothing", func(c *revalidate.Cache) error { return c.ExpireTag(ctx, "author") }, 1, 1},
		{"a prefix that is named as one", func(c *revalidate.Cache) error {
			return c.Invalidate(ctx, revalidate.Invalidation{TagPrefixes: []string{"author:"}, Mode: revalidate.ModeExpire})
		}, 2, 2},
		{"a prefix, stale", func(c *revalidate.Cache) error {
			return c.Invalidate(ctx, revalidate.Invalidation{TagPrefixes: []string{"author:"}})
		}, 1, 2},
		{"expired after it was revalidated", func(c *revalidate.Cache) error {
			return errors.Join(c.RevalidateTag(ctx, "a"), c.ExpireTag(ctx, "a"))
		}, 2, 2},
		{"expired under one tag and stale under another", func(c *revalidate.Cache) error {
			return errors.Join(c.ExpireTag(ctx, "b"), c.RevalidateTag(ctx, "a"))
		}, 2, 2},
		{"a window that has passed", func(c *revalidate.Cache) error {
			defer time.Sleep(time.Minute)
			return c.Invalidate(ctx, revalidate.Invalidation{Tags: []string{"a"}, Window: time.Minute})
		}, 2, 2},
		{"a window that has not", func(c *revalidate.Cache) error {
			defer time.Sleep(time.Minute - 1)
			return c.Invalidate(ctx, revalidate.Invalidation{Tags: []string{"a"}, Window: time.Minute})
		}, 1, 2},
		{"a later invalidation does not put a deadline off", func(c *revalidate.Cache) error {
			defer time.Sleep(30 * time.Second)
			inv := revalidate.Invalidation{Tags: []string{"a"}, Window: time.Minute}
			err := c.Invalidate(ctx, inv)
			time.Sleep(30 * time.Second)
			return errors.Join(err, c.Invalidate(ctx, inv))
		}, 2, 2},
		{"a window that passed before the next invalidation", func(c *revalidate.Cache) error {
			inv := revalidate.Invalidation{Tags: []string{"a"}, Window: time.Minute}
			err := c.Invalidate(ctx, inv)
			time.Sleep(2 * time.Minute)
			return errors.Join(err, c.Invalidate(ctx, inv))
		}, 2, 2},
		{"Delete", func(c *revalidate.Cache) error { return c.Delete(ctx, "key") }, 2, 2},
		{"PurgeAll", func(c *revalidate.Cache) error { return c.PurgeAll(ctx) }, 2, 2},
		{"what another instance announced", func(c *revalidate.Cache) error {
			return c.Receive(revalidate.Invalidation{Tags: []string{"a"}, Mode: revalidate.ModeExpire})
		}, 2, 2},
		{"paths do not concern data", func(c *revalidate.Cache) error { return c.ExpirePath(ctx, "/[[...all]]") }, 1, 1},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cache := newCache(t, revalidate.Config{})
				s := &source{}
				o := revalidate.Options{Tags: []string{"a", "b", "author:1"}}
				mustGet(t, cache, o, s)
				if err := row.invalidate(cache); err != nil {
					t.Fatal(err)
				}
				if got := mustGet(t, cache, o, s); got != row.now {
					t.Errorf("got %d, want %d", got, row.now)
				}
				synctest.Wait()
				if got := mustGet(t, cache, o, s); got != row.next {
					t.Errorf("then got %d, want %d", got, row.next)
				}
			})
		})
	}
}

func TestAnInvalidationDuringAFillIsNotLost(t *testing.T) {
	ctx := context.Background()
	for _, row := range []struct {
		name       string
		invalidate func(*revalidate.Cache) error
		next       int64 // what the first read after the fill gets
	}{
		{"ExpireTag", func(c *revalidate.Cache) error { return c.ExpireTag(ctx, "a") }, 2},
		{"ExpireTag of a tag that is known only after the fill", func(c *revalidate.Cache) error { return c.ExpireTag(ctx, "late") }, 2},
		{"RevalidateTag", func(c *revalidate.Cache) error { return c.RevalidateTag(ctx, "a") }, 1},
		{"Delete", func(c *revalidate.Cache) error { return c.Delete(ctx, "key") }, 2},
		{"PurgeAll", func(c *revalidate.Cache) error { return c.PurgeAll(ctx) }, 2},
		{"Set, whose value stays", func(c *revalidate.Cache) error {
			return revalidate.Set(ctx, c, "key", revalidate.Options{}, int64(100))
		}, 100},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cache := newCache(t, revalidate.Config{})
				s := &source{takes: time.Second}
				o := revalidate.Options{Tags: []string{"a"}}
				fetch := func(ctx context.Context) (int64, error) {
					v, err := s.fetch(ctx)
					revalidate.TagFill(ctx, "late")
					return v, err
				}
				got := make(chan int64, 1)
				go func() {
					v, _ := revalidate.Get(ctx, cache, "key", o, fetch)
					got <- v
				}()
				time.Sleep(time.Second / 2)
				if err := row.invalidate(cache); err != nil {
					t.Fatal(err)
				}
				if v := <-got; v != 1 {
					t.Errorf("who began before the invalidation gets %d", v)
				}
				if v, _ := revalidate.Get(ctx, cache, "key", o, fetch); v != row.next {
					t.Errorf("who began after it gets %d, want %d", v, row.next)
				}
				synctest.Wait()
			})
		})
	}
}

func TestAReadAfterExpireTagDoesNotJoinAFillOfBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cache := newCache(t, revalidate.Config{})
		s := &source{takes: time.Second}
		first := make(chan int64, 1)
		go func() { first <- mustGet(t, cache, revalidate.Options{Tags: []string{"a"}}, s) }()
		time.Sleep(time.Second / 2)
		_ = cache.ExpireTag(context.Background(), "a")
		if got := mustGet(t, cache, revalidate.Options{Tags: []string{"a"}}, s); got != 2 {
			t.Errorf("got %d", got)
		}
		if got := <-first; got != 1 {
			t.Errorf("the one before got %d", got)
		}
		if got := mustGet(t, cache, revalidate.Options{Tags: []string{"a"}}, s); got != 2 {
			t.Errorf("the older fill replaced the newer one: %d", got)
		}
	})
}

func TestOneFetchForManyReaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cache := newCache(t, revalidate.Config{})
		s := &source{takes: time.Second}
		ctx, leave := context.WithTimeout(context.Background(), time.Second/2)
		defer leave()
		go func() {
			_, err := revalidate.Get(ctx, cache, "key", revalidate.Options{}, s.fetch)
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("who gave up got %v", err)
			}
		}()
		synctest.Wait()
		crowd(100, func(i int) string {
			if got := mustGet(t, cache, revalidate.Options{}, s); got != 1 {
				t.Errorf("reader %d got %d", i, got)
			}
			return ""
		})
	})
}

func TestAFetchThatNobodyWaitsForIsCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cache := newCache(t, revalidate.Config{})
		ctx, leave := context.WithTimeout(context.Background(), time.Second)
		defer leave()
		ended := make(chan error, 1)
		_, err := revalidate.Get(ctx, cache, "key", revalidate.Options{}, func(ctx context.Context) (int, error) {
			<-ctx.Done()
			ended <- ctx.Err()
			return 0, ctx.Err()
		})
		if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(<-ended, context.Canceled) {
			t.Error(err)
		}
		if v, err := revalidate.Get(context.Background(), cache, "key", revalidate.Options{}, (&source{}).fetch); v != 1 || err != nil {
			t.Errorf("the next reader got %d, %v", v, err)
		}
	})
}

var errMissing = errors.New("no such post")

func TestErrorsOfTheFetchFunction(t *testing.T) {
	negative := func(err error) time.Duration {
		if errors.Is(err, errMissing) {
			return time.Minute
		}
		return 0
	}
	for _, row := range []struct {
		name  string
		err   error
		o     revalidate.Options
		after time.Duration
		calls int64 // after two reads
	}{
		{"an error is not kept", errMissing, revalidate.Options{}, 0, 2},
		{"a declared error is", errMissing, revalidate.Options{Negative: negative}, 59 * time.Second, 1},
		{"for as long as declared", errMissing, revalidate.Options{Negative: negative}, time.Minute, 2},
		{"an undeclared one is not", errors.New("down"), revalidate.Options{Negative: negative}, 0, 2},
	} {
		synctest.Test(t, func(t *testing.T) {
			cache := newCache(t, revalidate.Config{})
			s := &source{err: row.err}
			for range 2 {
				if _, err := revalidate.Get(context.Background(), cache, "key", row.o, s.fetch); !errors.Is(err, row.err) {
					t.Errorf("%s: %v", row.name, err)
				}
				time.Sleep(row.after)
			}
			if s.calls.Load() != row.calls {
				t.Errorf("%s: %d calls", row.name, s.calls.Load())
			}
		})
	}
}

func TestAFetchFunctionThatDoesNotReturn(t *testing.T) {
	cache := newCache(t, revalidate.Config{Logger: silent()})
	_, err := revalidate.Get(context.Background(), cache, "panic", revalidate.Options{}, func(context.Context) (int, error) { panic("broken") })
	if !errors.Is(err, revalidate.ErrPanic) || !strings.Contains(err.Error(), "broken") {
		t.Errorf("panic: %v", err)
	}
	_, err = revalidate.Get(context.Background(), cache, "exit", revalidate.Options{}, func(context.Context) (int, error) {
		runtime.Goexit()
		return 0, nil
	})
	if err == nil {
		t.Error("Goexit: no error")
	}
}

func TestARefreshThatFailsKeepsTheStaleValueAndPauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cache := newCache(t, revalidate.Config{Logger: silent()})
		s := &source{}
		o := revalidate.Options{Profile: "days"}
		mustGet(t, cache, o, s)
		time.Sleep(25 * time.Hour)
		s.err = errors.New("down")
		for range 60 {
			if got := mustGet(t, cache, o, s); got != 1 {
				t.Fatalf("got %d", got)
			}
			time.Sleep(time.Second)
		}
		failed := s.calls.Load() - 1
		if failed < 4 || failed > 6 { // pauses of 3, 6, 12, 24 s, less up to a quarter, but 3 s at least
			t.Errorf("%d refreshes in a minute", failed)
		}
		if m := cache.Metrics(); m.RefreshErrors != failed || m.Refreshes != failed || m.Stale != 60 {
			t.Errorf("%+v", m)
		}
		s.err = nil
		time.Sleep(30 * time.Second)
		mustGet(t, cache, o, s)
		synctest.Wait()
		if got := mustGet(t, cache, o, s); got != failed+2 {
			t.Errorf("after the trouble: %d", got)
		}
	})
}

func TestRefreshesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cache := newCache(t, revalidate.Config{MaxRefreshes: 3})
		var running, most atomic.Int64
		fetch := func(context.Context) (int, error) {
			most.Store(max(most.Load(), running.Add(1)))
			time.Sleep(time.Second)
			running.Add(-1)
			return 0, nil
		}
		read := func() {
			for i := range 20 {
				_, _ = revalidate.Get(context.Background(), cache, fmt.Sprint("key", i), revalidate.Options{Profile: "hours", Tags: []string{"a"}}, fetch)
			}
		}
		crowd(20, func(i int) string {
			_, _ = revalidate.Get(context.Background(), cache, fmt.Sprint("key", i), revalidate.Options{Profile: "hours", Tags: []string{"a"}}, fetch)
			return ""
		})
		most.Store(0)
		_ = cache.RevalidateTag(context.Background(), "a")
		read()
		read()
		time.Sleep(10 * time.Second)
		if most.Load() != 3 {
			t.Errorf("%d at once", most.Load())
		}
	})
}

func TestARefreshIsBoundedInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cache := newCache(t, revalidate.Config{RefreshTimeout: time.Second, Logger: silent()})
		o := revalidate.Options{Life: revalidate.Life{Revalidate: time.Second}}
		fetch := func(ctx context.Context) (int, error) {
			<-ctx.Done()
			return 0, ctx.Err()
		}
		_ = revalidate.Set(context.Background(), cache, "key", o, 1)
		time.Sleep(2 * time.Second)
		_, _ = revalidate.Get(context.Background(), cache, "key", o, fetch)
		time.Sleep(2 * time.Second)
		if m := cache.Metrics(); m.RefreshErrors != 1 {
			t.Errorf("%+v", m)
		}
	})
}

func TestOptionsThatAreRefused(t *testing.T) {
	cache := newCache(t, revalidate.Config{})
	many := make([]string, 129)
	for i := range many {
		many[i] = fmt.Sprint("t", i)
	}
	for _, row := range []struct {
		name string
		key  string
		o    revalidate.Options
		want error
	}{
		{"an empty key", "", revalidate.Options{}, revalidate.ErrKey},
		{"a key that looks like a response's", "\x00http://example.com\np/", revalidate.Options{}, revalidate.ErrKey},
		{"a key beyond bounds", strings.Repeat("k", 4097), revalidate.Options{}, revalidate.ErrKey},
		{"an unknown profile", "k", revalidate.Options{Profile: "fortnight"}, revalidate.ErrProfile},
		{"a life beside a profile", "k", revalidate.Options{Profile: "hours", Life: revalidate.Life{Revalidate: 1}}, revalidate.ErrProfile},
		{"a life that expires before it is revalidated", "k", revalidate.Options{Life: revalidate.Life{Revalidate: 2, Expire: 1}}, revalidate.ErrProfile},
		{"an empty tag", "k", revalidate.Options{Tags: []string{"a", ""}}, revalidate.ErrTag},
		{"a tag with a space", "k", revalidate.Options{Tags: []string{"a b"}}, revalidate.ErrTag},
		{"a tag with a control character", "k", revalidate.Options{Tags: []string{"a\x01"}}, revalidate.ErrTag},
		{"a tag that is not ASCII", "k", revalidate.Options{Tags: []string{"é"}}, revalidate.ErrTag},
		{"a tag of 257 bytes", "k", revalidate.Options{Tags: []string{strings.Repeat("t", 257)}}, revalidate.ErrTag},
		{"129 tags", "k", revalidate.Options{Tags: many}, revalidate.ErrTooManyTags},
	} {
		ctx := context.Background()
		if _, err := revalidate.Get(ctx, cache, row.key, row.o, (&source{}).fetch); !errors.Is(err, row.want) {
			t.Errorf("%s: Get: %v", row.name, err)
		}
		if err := revalidate.Set(ctx, cache, row.key, row.o, 1); !errors.Is(err, row.want) {
			t.Errorf("%s: Set: %v", row.name, err)
		}
		if _, err := revalidate.GetMany(ctx, cache, []string{row.key}, row.o, fetchMany(nil)); !errors.Is(err, row.want) {
			t.Errorf("%s: GetMany: %v", row.name, err)
		}
	}
	repeated := append(slices.Repeat([]string{"same"}, 200), many[:127]...)
	if err := revalidate.Set(context.Background(), cache, "k", revalidate.Options{Tags: repeated}, 1); err != nil {
		t.Errorf("a tag that is repeated counts once: %v", err)
	}
}

func TestATagFoundDuringTheFillThatBreaksARuleKeepsTheValueOut(t *testing.T) {
	cache := newCache(t, revalidate.Config{Logger: silent()})
	for _, bad := range [][]string{{"a b"}, {""}, func() (many []string) {
		for i := range 200 {
			many = append(many, fmt.Sprint("t", i))
		}
		return many
	}()} {
		calls := 0
		for range 2 {
			v, err := revalidate.Get(context.Background(), cache, "key", revalidate.Options{}, func(ctx context.Context) (int, error) {
				revalidate.TagFill(ctx, bad...)
				calls++
				return calls, nil
			})
			if v != calls || err != nil {
				t.Errorf("got %d, %v", v, err)
			}
		}
		if calls != 2 {
			t.Errorf("%q: stored", bad)
		}
	}
	revalidate.TagFill(context.Background(), "outside a fill it does nothing")
}

func TestDataBuiltFromDataDependsOnItsTags(t *testing.T) {
	ctx := context.Background()
	synctest.Test(t, func(t *testing.T) {
		cache := newCache(t, revalidate.Config{})
		inner := &source{}
		outer := 0
		read := func() int64 {
			v, err := revalidate.Get(ctx, cache, "page", revalidate.Options{}, func(ctx context.Context) (int64, error) {
				outer++
				return revalidate.Get(ctx, cache, "post", revalidate.Options{Tags: []string{"post"}}, inner.fetch)
			})
			if err != nil {
				t.Fatal(err)
			}
			return v
		}
		read()
		read()
		if outer != 1 {
			t.Fatalf("built %d times", outer)
		}
		_ = cache.ExpireTag(ctx, "post")
		if got := read(); got != 2 || outer != 2 {
			t.Errorf("after ExpireTag of the inner tag: %d, built %d times", got, outer)
		}
		_ = cache.RevalidateTag(ctx, "post")
		// What is built now is built from the stale inner value, and must not pass for fresh.
		_ = cache.Delete(ctx, "page")
		if got := read(); got != 2 {
			t.Errorf("built from the stale value: %d", got)
		}
		synctest.Wait()
		read()
		synctest.Wait()
		if got := read(); got != 3 {
			t.Errorf("in the end: %d", got)
		}
	})
}

func fetchMany(asked *[]string) func(context.Context, []string) (map[string]string, error) {
	return func(ctx context.Context, missing []string) (map[string]string, error) {
		revalidate.TagFill(ctx, "batch")
		found := make(map[string]string)
		for _, key := range missing {
			if asked != nil {
				*asked = append(*asked, key)
			}
			if key != "absent" {
				found[key] = strings.ToUpper(key)
			}
		}
		found["unasked"] = "X"
		return found, nil
	}
}

func TestGetMany(t *testing.T) {
	ctx := context.Background()
	cache := newCache(t, revalidate.Config{})
	o := revalidate.Options{Tags: []string{"posts"}}
	_ = revalidate.Set(ctx, cache, "b", o, "stored")
	for _, row := range []struct {
		name  string
		keys  []string
		asked []string
		want  map[string]string
	}{
		{"what is missing is fetched in one call", []string{"a", "b", "c", "a", "absent"}, []string{"a", "c", "absent"}, map[string]string{"a": "A", "b": "stored", "c": "C"}},
		{"what was fetched is stored", []string{"c", "b", "a"}, nil, map[string]string{"a": "A", "b": "stored", "c": "C"}},
		{"no keys, no call", nil, nil, map[string]string{}},
	} {
		var asked []string
		got, err := revalidate.GetMany(ctx, cache, row.keys, o, fetchMany(&asked))
		if err != nil || !maps.Equal(got, row.want) || !slices.Equal(asked, row.asked) {
			t.Errorf("%s: %v, %v, asked for %v", row.name, got, err, asked)
		}
	}
	_ = cache.ExpireTag(ctx, "batch")
	var asked []string
	if _, err := revalidate.GetMany(ctx, cache, []string{"a", "b"}, o, fetchMany(&asked)); err != nil || !slices.Equal(asked, []string{"a"}) {
		t.Errorf("after ExpireTag of a tag found during the fill: asked for %v, %v", asked, err)
	}
	down := errors.New("down")
	got, err := revalidate.GetMany(ctx, cache, []string{"b", "z"}, o, func(context.Context, []string) (map[string]string, error) { return nil, down })
	if !errors.Is(err, down) || got["b"] != "stored" {
		t.Errorf("an error comes with what was stored: %v, %v", got, err)
	}
	_, err = revalidate.GetMany(ctx, cache, []string{"y"}, o, func(ctx context.Context, _ []string) (map[string]string, error) {
		revalidate.TagFill(ctx, "a b")
		return nil, nil
	})
	if !errors.Is(err, revalidate.ErrTag) {
		t.Errorf("a tag that breaks a rule: %v", err)
	}
}

func TestBatchesThatOverlap(t *testing.T) {
	ctx := context.Background()
	synctest.Test(t, func(t *testing.T) {
		cache := newCache(t, revalidate.Config{})
		var calls atomic.Int64
		slow := func(ctx context.Context, missing []string) (map[string]string, error) {
			calls.Add(int64(len(missing)))
			time.Sleep(time.Second)
			return fetchMany(nil)(ctx, missing)
		}
		got := crowd(3, func(i int) string {
			time.Sleep(time.Duration(i) * 100 * time.Millisecond)
			keys := [][]string{{"a", "b"}, {"b", "c"}, {"c", "a"}}[i]
			found, err := revalidate.GetMany(ctx, cache, keys, revalidate.Options{}, slow)
			return fmt.Sprint(found, err)
		})
		if fmt.Sprint(got) != "[map[a:A b:B] <nil> map[b:B c:C] <nil> map[a:A c:C] <nil>]" || calls.Load() != 3 {
			t.Errorf("%v, %d keys fetched", got, calls.Load())
		}
	})
}

func TestABatchThatFailsFailsNobodyElse(t *testing.T) {
	ctx := context.Background()
	for _, row := range []struct {
		name  string
		fetch func(context.Context, []string) (map[string]string, error)
	}{
		{"an error", func(context.Context, []string) (map[string]string, error) { return nil, errors.New("down") }},
		{"a key that is left out", func(context.Context, []string) (map[string]string, error) { return nil, nil }},
	} {
		synctest.Test(t, func(t *testing.T) {
			cache := newCache(t, revalidate.Config{})
			go func() {
				_, _ = revalidate.GetMany(ctx, cache, []string{"a"}, revalidate.Options{}, func(ctx context.Context, missing []string) (map[string]string, error) {
					time.Sleep(time.Second)
					return row.fetch(ctx, missing)
				})
			}()
			synctest.Wait()
			go func() {
				short, cancel := context.WithTimeout(ctx, time.Millisecond)
				defer cancel()
				if _, err := revalidate.GetMany(short, cache, []string{"a"}, revalidate.Options{}, fetchMany(nil)); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("%s: who gave up: %v", row.name, err)
				}
				if _, err := revalidate.Get(short, cache, "a", revalidate.Options{}, func(context.Context) (string, error) { return "A", nil }); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("%s: who gave up: %v", row.name, err)
				}
			}()
			crowd(4, func(i int) string {
				var got string
				var err error
				if i%2 == 0 {
					got, err = revalidate.Get(ctx, cache, "a", revalidate.Options{}, func(context.Context) (string, error) { return "A", nil })
				} else {
					var found map[string]string
					found, err = revalidate.GetMany(ctx, cache, []string{"a"}, revalidate.Options{}, fetchMany(nil))
					got = found["a"]
				}
				if got != "A" || err != nil {
					t.Errorf("%s: reader %d: %q, %v", row.name, i, got, err)
				}
				return ""
			})
		})
	}
}

func TestADeleteDuringABatchIsNotLost(t *testing.T) {
	ctx := context.Background()
	synctest.Test(t, func(t *testing.T) {
		cache := newCache(t, revalidate.Config{})
		go func() {
			_, _ = revalidate.GetMany(ctx, cache, []string{"a", "b"}, revalidate.Options{}, func(context.Context, []string) (map[string]string, error) {
				time.Sleep(time.Second)
				return map[string]string{"a": "old", "b": "old"}, nil
			})
		}()
		synctest.Wait()
		_ = cache.Delete(ctx, "a")
		_ = revalidate.Set(ctx, cache, "b", revalidate.Options{}, "set")
		time.Sleep(2 * time.Second)
		found, err := revalidate.GetMany(ctx, cache, []string{"a", "b"}, revalidate.Options{}, fetchMany(nil))
		if found["a"] != "A" || found["b"] != "set" || err != nil {
			t.Errorf("%v, %v", found, err)
		}
	})
}

func TestAValueIsReadAsTheTypeItWasStoredAs(t *testing.T) {
	ctx := context.Background()
	cache := newCache(t, revalidate.Config{})
	_ = revalidate.Set(ctx, cache, "key", revalidate.Options{}, "text")
	v, err := revalidate.Get(ctx, cache, "key", revalidate.Options{}, func(context.Context) (int, error) { return 7, nil })
	if v != 7 || err != nil {
		t.Errorf("%v, %v", v, err)
	}
	w, err := revalidate.Get(ctx, cache, "nil", revalidate.Options{}, func(context.Context) (error, error) { return nil, nil })
	if w != nil || err != nil {
		t.Errorf("a nil interface: %v, %v", w, err)
	}
	if w, err = revalidate.Get(ctx, cache, "nil", revalidate.Options{}, func(context.Context) (error, error) { return nil, errMissing }); w != nil || err != nil {
		t.Errorf("a stored nil interface: %v, %v", w, err)
	}
}

func TestReadersOfTwoTypesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := context.Background()
		cache := newCache(t, revalidate.Config{})
		go func() {
			_, _ = revalidate.Get(ctx, cache, "key", revalidate.Options{}, func(context.Context) (string, error) {
				time.Sleep(time.Second)
				return "text", nil
			})
		}()
		synctest.Wait()
		v, err := revalidate.Get(ctx, cache, "key", revalidate.Options{}, func(context.Context) (int, error) { return 7, nil })
		if v != 7 || err != nil {
			t.Errorf("%v, %v", v, err)
		}
	})
}

func TestCloseEndsWhatIsUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cache, err := revalidate.New(revalidate.Config{})
		if err != nil {
			t.Fatal(err)
		}
		ctx := context.Background()
		_ = revalidate.Set(ctx, cache, "stored", revalidate.Options{Profile: "seconds"}, 1)
		failed := make(chan error, 1)
		go func() {
			_, err := revalidate.Get(ctx, cache, "key", revalidate.Options{}, func(ctx context.Context) (int, error) {
				<-ctx.Done()
				time.Sleep(time.Second) // it takes its time
				return 0, ctx.Err()
			})
			failed <- err
		}()
		synctest.Wait()
		short, cancel := context.WithTimeout(ctx, time.Millisecond)
		defer cancel()
		if err := cache.Close(short); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Close within less than it takes: %v", err)
		}
		if err := cache.Close(ctx); err != nil {
			t.Error(err)
		}
		if err := <-failed; !errors.Is(err, context.Canceled) {
			t.Errorf("who waited got %v", err)
		}
		if _, err := revalidate.Get(ctx, cache, "key", revalidate.Options{}, (&source{}).fetch); !errors.Is(err, revalidate.ErrClosed) {
			t.Errorf("a fetch after Close: %v", err)
		}
		time.Sleep(2 * time.Second)
		if v, err := revalidate.Get(ctx, cache, "stored", revalidate.Options{Profile: "seconds"}, (func(context.Context) (int, error))(nil)); v != 1 || err != nil {
			t.Errorf("what is stored can still be read: %v, %v", v, err)
		}
	})
}

func TestHitAllocatesNothing(t *testing.T) {
	ctx := context.Background()
	cache := newCache(t, revalidate.Config{})
	s := &source{}
	o := revalidate.Options{Tags: []string{"a"}}
	mustGet(t, cache, o, s)
	fetch := s.fetch
	if n := testing.AllocsPerRun(100, func() { _, _ = revalidate.Get(ctx, cache, "key", o, fetch) }); n != 0 {
		t.Errorf("Get: %v allocations", n)
	}
	if n := testing.AllocsPerRun(100, func() { _ = cache.ExpireTag(ctx, "a") }); n != 0 {
		t.Errorf("ExpireTag: %v allocations", n)
	}
	h, _, r, w := cachedPage(t)
	if n := testing.AllocsPerRun(100, func() {
		w.reset()
		h.ServeHTTP(w, r)
	}); n > 3 {
		t.Errorf("Wrap: %v allocations", n)
	}
}
