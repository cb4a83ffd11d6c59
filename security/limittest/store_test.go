package limittest_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-go/gatehouse/security"
	"github.com/gatehouse-go/gatehouse/security/limittest"
)

// reference is the contract in its shortest form, with one mistake where flaw names one.
type reference struct {
	mu   sync.Mutex
	full map[string]time.Time // when each bucket is full again
	flaw string

	forgotten int
}

func (s *reference) Take(ctx context.Context, takes []security.RateTake, states []security.RateResult) error {
	if err := ctx.Err(); err != nil && s.flaw != "ignores the context" {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now, all := time.Now(), true
	for i, t := range takes {
		states[i] = s.state(t, now, t.Cost)
		all = all && states[i].Allowed
	}
	if s.flaw == "lets others in between" {
		s.mu.Unlock()
		time.Sleep(time.Millisecond)
		s.mu.Lock()
	}
	for i, t := range takes {
		if all || s.flaw == "charges what it refuses" && states[i].Allowed {
			s.set(t, now)
			states[i] = s.state(t, now, 0)
			states[i].Allowed = true
		}
	}
	return nil
}

func (s *reference) key(t security.RateTake) string {
	switch s.flaw {
	case "has one bucket":
		return ""
	case "cuts keys at a NUL":
		key, _, _ := strings.Cut(t.Key, "\x00")
		return key + "\n"
	case "forgets long keys":
		if len(t.Key) > 128 {
			s.forgotten++
			return fmt.Sprint(s.forgotten)
		}
	}
	return t.Key
}

func (s *reference) at(t security.RateTake, now time.Time) time.Time {
	full := s.full[s.key(t)]
	if full.After(now) || s.flaw == "overfills" && !full.IsZero() {
		return full
	}
	return now
}

func (s *reference) set(t security.RateTake, now time.Time) {
	s.full[s.key(t)] = s.at(t, now).Add(time.Duration(t.Cost) * t.Interval)
}

func (s *reference) state(t security.RateTake, now time.Time, cost int) security.RateResult {
	if s.flaw == "allows one too many" {
		t.Burst++
	}
	if s.flaw == "counts whole seconds" {
		t.Interval = t.Interval.Truncate(time.Second) + 1
	}
	room := time.Duration(t.Burst)*t.Interval - s.at(t, now).Sub(now)
	out := security.RateResult{Remaining: int(room / t.Interval)}
	if out.Remaining < t.Burst {
		out.Next = time.Duration(out.Remaining+1)*t.Interval - room
	}
	out.Allowed = cost <= t.Burst && time.Duration(cost)*t.Interval <= room
	if s.flaw == "refuses a cost of nothing" && room < t.Interval {
		out.Allowed = false
	}
	if s.flaw == "allows a cost above the burst" && cost > t.Burst {
		out.Allowed = true
	}
	if !out.Allowed {
		out.Wait = time.Duration(min(cost, t.Burst))*t.Interval - room
	}
	switch s.flaw {
	case "tells no Next":
		out.Next = 0
	case "tells a Wait too short":
		out.Wait /= 2
	}
	return out
}

func opener(flaw string) func() security.RateStore {
	return func() security.RateStore { return &reference{full: map[string]time.Time{}, flaw: flaw} }
}

func TestSuiteAcceptsTheReference(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for rule, err := range limittest.Check(t.Context(), opener("")) {
			t.Errorf("%s: %v", rule, err)
		}
	})
}

// stalling is a store on a machine that stands still for a while with each call.
type stalling struct{ security.RateStore }

func (s stalling) Take(ctx context.Context, takes []security.RateTake, states []security.RateResult) error {
	time.Sleep(250 * time.Millisecond)
	defer time.Sleep(250 * time.Millisecond)
	return s.RateStore.Take(ctx, takes, states)
}

func TestSuiteAcceptsASlowStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for rule, err := range limittest.Check(t.Context(), func() security.RateStore { return stalling{opener("")()} }) {
			t.Errorf("%s: %v", rule, err)
		}
	})
}

func TestSuiteFindsEachFlaw(t *testing.T) {
	for flaw, want := range map[string]string{
		"has one bucket":                "two keys are two buckets",
		"allows one too many":           "a new bucket holds its burst and no more",
		"overfills":                     "a bucket never holds more than its burst",
		"charges what it refuses":       "of several buckets none is charged when one refuses",
		"counts whole seconds":          "a unit comes back each Interval, and not before",
		"refuses a cost of nothing":     "a cost of nothing is allowed and takes nothing",
		"allows a cost above the burst": "a cost above the burst is refused and takes nothing",
		"tells no Next":                 "Next and Wait of a bucket in use",
		"tells a Wait too short":        "Next and Wait of a bucket in use",
		"cuts keys at a NUL":            "a key may have any bytes",
		"forgets long keys":             "a key may have any bytes",
		"lets others in between":        "of many callers at once as many are allowed as there are units",
		"ignores the context":           "a context that has ended is an error",
	} {
		synctest.Test(t, func(t *testing.T) {
			if found := limittest.Check(t.Context(), opener(flaw)); found[want] == nil {
				t.Errorf("a store that %s: found %v, want a breach of %q", flaw, found, want)
			}
		})
	}
}

func TestSuiteReportsAStoreThatFails(t *testing.T) {
	failing := errors.New("no server")
	found := limittest.Check(t.Context(), func() security.RateStore { return down{failing} })
	if err := found["two keys are two buckets"]; !errors.Is(err, failing) {
		t.Error(err)
	}
}

type down struct{ err error }

func (d down) Take(context.Context, []security.RateTake, []security.RateResult) error { return d.err }
