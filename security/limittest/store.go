// Package limittest checks that a store of rate limits keeps to the contract of security.RateStore.
//
//	func TestStore(t *testing.T) {
//		limittest.TestRateStore(t, func(t *testing.T) security.RateStore { return open(t) })
//	}
package limittest

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/security"
)

// TestRateStore runs the suite that every [security.RateStore] must pass, each rule in a subtest with a store of its own. Each call of open
// returns a store that knows none of the buckets of the others, and registers its cleanup with t. The suite sleeps for about two
// seconds, and longer on a machine that is slow, since the store's clock is its own.
func TestRateStore(t *testing.T, open func(t *testing.T) security.RateStore) {
	t.Helper()
	for _, r := range rules {
		t.Run(r.name, func(t *testing.T) {
			if err := r.check(t.Context(), open(t)); err != nil {
				t.Error(err)
			}
		})
	}
}

const (
	// interval is that of the rules which wait for units to come back.
	interval = 200 * time.Millisecond
	// slack is how far a time that the store tells may be off: the call itself takes time.
	slack = 100 * time.Millisecond
)

type rule struct {
	name string
	play func(*script)
}

// check returns the first breach of the rule by a new store.
func (r rule) check(ctx context.Context, store security.RateStore) error {
	s := &script{ctx: ctx, store: store, began: time.Now()}
	r.play(s)
	return s.err
}

var rules = []rule{
	{"a new bucket holds its burst and no more", func(s *script) {
		for left := 4; left >= 0; left-- {
			s.want(s.take("a", time.Hour, 5, 1), true, left)
		}
		s.want(s.take("a", time.Hour, 5, 1), false, 0)
	}},
	{"two keys are two buckets", func(s *script) {
		s.want(s.take("a", time.Hour, 1, 1), true, 0)
		s.want(s.take("b", time.Hour, 1, 1), true, 0)
		s.want(s.take("a", time.Hour, 1, 1), false, 0)
	}},
	{"Next and Wait of a bucket in use", func(s *script) {
		got := s.take("a", time.Hour, 5, 3)
		s.near("Next", got.Next, time.Hour)
		s.near("Wait of what was allowed", got.Wait, 0)
		got = s.take("a", time.Hour, 5, 4)
		s.want(got, false, 2)
		s.near("Next", got.Next, time.Hour)
		s.near("Wait for two units more", got.Wait, 2*time.Hour)
	}},
	{"a unit comes back each Interval, and not before", func(s *script) {
		s.inTime(func(key string, interval time.Duration) bool {
			began := time.Now()
			s.want(s.take(key, interval, 2, 2), true, 0)
			got := s.take(key, interval, 2, 1)
			if time.Since(began) >= interval {
				return false
			}
			if got.Allowed || got.Wait <= 0 || got.Wait > interval {
				s.fail("an empty bucket: %+v", got)
				return true
			}
			time.Sleep(got.Wait + slack/2)
			second, third := s.take(key, interval, 2, 1), s.take(key, interval, 2, 1)
			if time.Since(began) >= 2*interval {
				return false
			}
			s.want(second, true, 0)
			s.want(third, false, 0)
			return true
		})
	}},
	{"a bucket never holds more than its burst", func(s *script) {
		s.inTime(func(key string, interval time.Duration) bool {
			s.want(s.take(key, interval/4, 2, 2), true, 0)
			time.Sleep(interval)
			began := time.Now()
			second, third := s.take(key, interval/4, 2, 2), s.take(key, interval/4, 2, 2)
			if time.Since(began) >= interval/2 {
				return false
			}
			s.want(second, true, 0)
			s.want(third, false, -1)
			return true
		})
	}},
	{"what is refused takes nothing", func(s *script) {
		s.want(s.take("a", time.Hour, 5, 3), true, 2)
		s.want(s.take("a", time.Hour, 5, 3), false, 2)
		s.want(s.take("a", time.Hour, 5, 2), true, 0)
	}},
	{"a cost above the burst is refused and takes nothing", func(s *script) {
		s.want(s.take("a", time.Hour, 5, 6), false, 5)
		s.want(s.take("a", time.Hour, 5, 1), true, 4)
		got := s.take("a", time.Hour, 5, 1<<40)
		s.want(got, false, 4)
		s.near("Wait until it is full", got.Wait, time.Hour)
	}},
	{"a cost of nothing is allowed and takes nothing", func(s *script) {
		got := s.take("a", time.Hour, 1, 0)
		s.want(got, true, 1)
		s.near("Next of a full bucket", got.Next, 0)
		s.want(s.take("a", time.Hour, 1, 1), true, 0)
		s.want(s.take("a", time.Hour, 1, 0), true, 0)
	}},
	{"of several buckets none is charged when one refuses", func(s *script) {
		day := security.RateTake{Key: "day", Interval: time.Hour, Burst: 10, Cost: 1}
		burst := security.RateTake{Key: "burst", Interval: time.Hour, Burst: 1, Cost: 1}
		all := s.takeAll(day, burst)
		s.want(all[0], true, 9)
		s.want(all[1], true, 0)
		for range 3 {
			all = s.takeAll(day, burst)
			s.want(all[0], true, 9)
			s.want(all[1], false, 0)
			all = s.takeAll(burst, day)
			s.want(all[0], false, 0)
			s.want(all[1], true, 9)
		}
		s.want(s.takeAll(day)[0], true, 8)
	}},
	{"large and fast limits are counted exactly", func(s *script) {
		s.want(s.take("slow", 24*time.Hour, 1000, 999), true, 1)
		s.want(s.take("slow", 24*time.Hour, 1000, 1), true, 0)
		s.want(s.take("slow", 24*time.Hour, 1000, 1), false, 0)
		s.want(s.take("wide", time.Hour, 100_000, 99_999), true, 1)
		s.want(s.take("wide", time.Hour, 100_000, 2), false, 1)
		s.want(s.take("fast", time.Microsecond, 1_000_000, 1_000_000), true, -1)
	}},
	{"a key may have any bytes", func(s *script) {
		for _, key := range []string{`"quoted" {braced} :colon:`, "new\r\nline", "nul\x00a", "nul\x00b", "\xff\xfe", strings.Repeat("k", 160)} {
			s.want(s.take(key, time.Hour, 1, 1), true, 0)
			s.want(s.take(key, time.Hour, 1, 1), false, 0)
		}
	}},
	{"of many callers at once as many are allowed as there are units", func(s *script) {
		const callers, burst = 64, 20
		allowed := make(chan bool, callers)
		var all sync.WaitGroup
		for i := range callers {
			all.Go(func() {
				// Half of them ask for the buckets in the other order, which must not stop them for ever.
				takes := []security.RateTake{{Key: "a", Interval: time.Hour, Burst: burst, Cost: 1}, {Key: "b", Interval: time.Hour, Burst: burst, Cost: 1}}
				if i%2 == 1 {
					takes[0], takes[1] = takes[1], takes[0]
				}
				states := make([]security.RateResult, 2)
				err := s.store.Take(s.ctx, takes, states)
				allowed <- err == nil && states[0].Allowed && states[1].Allowed
			})
		}
		all.Wait()
		close(allowed)
		n := 0
		for ok := range allowed {
			if ok {
				n++
			}
		}
		if n != burst {
			s.fail("%d of %d were allowed %d units", n, callers, burst)
		}
	}},
	{"a context that has ended is an error", func(s *script) {
		ctx, cancel := context.WithCancel(s.ctx)
		cancel()
		states := make([]security.RateResult, 1)
		if err := s.store.Take(ctx, []security.RateTake{{Key: "a", Interval: time.Hour, Burst: 1, Cost: 1}}, states); err == nil {
			s.fail("no error")
		}
	}},
}

// script plays a rule and notes the first breach; what follows a breach means nothing and is skipped.
type script struct {
	ctx   context.Context //nolint:containedctx // lives as long as one rule is played
	store security.RateStore
	began time.Time
	err   error
}

// inTime plays a part of a rule. One that returns false took so long that more units may have come back than it allows for, which says nothing of the
// store: it is played again, over another key, with an interval twice as long.
func (s *script) inTime(play func(key string, interval time.Duration) bool) {
	for n, of := 0, interval; s.err == nil && !play(fmt.Sprint("a", n), of); n++ {
		of *= 2
	}
}

func (s *script) fail(format string, args ...any) {
	if s.err == nil {
		s.err = fmt.Errorf(format, args...)
	}
}

func (s *script) take(key string, interval time.Duration, burst, cost int) security.RateResult {
	return s.takeAll(security.RateTake{Key: key, Interval: interval, Burst: burst, Cost: cost})[0]
}

func (s *script) takeAll(takes ...security.RateTake) []security.RateResult {
	states := make([]security.RateResult, len(takes))
	if s.err != nil {
		return states
	}
	if err := s.store.Take(s.ctx, takes, states); err != nil {
		s.fail("Take: %w", err)
	}
	return states
}

// want checks what a bucket said; remaining below 0 is not looked at.
func (s *script) want(got security.RateResult, allowed bool, remaining int) {
	if got.Allowed != allowed || remaining >= 0 && got.Remaining != remaining {
		s.fail("got %+v, want Allowed %v and Remaining %d", got, allowed, remaining)
	}
}

// near checks a time that the store told, which has gone on since the bucket was made.
func (s *script) near(what string, got, want time.Duration) {
	if got > want || got < want-slack-time.Since(s.began) {
		s.fail("%s is %v, want %v", what, got, want)
	}
}
