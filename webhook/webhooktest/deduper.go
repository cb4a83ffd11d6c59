package webhooktest

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook"
)

// TestDeduper runs the suite that every [webhook.Deduper] must pass, each rule in a subtest with a store of its own. Each call of open
// returns a store that knows none of the keys of the others, and registers its cleanup with t. The suite sleeps for a few leases of a
// quarter of a second.
//
//	func TestStore(t *testing.T) {
//		webhooktest.TestDeduper(t, func(t *testing.T) webhook.Deduper { return open(t) })
//	}
func TestDeduper(t *testing.T, open func(t *testing.T) webhook.Deduper) {
	t.Helper()
	for _, r := range deduperRules {
		t.Run(r.name, func(t *testing.T) {
			if err := r.check(t.Context(), open(t)); err != nil {
				t.Error(err)
			}
		})
	}
}

// lease is how long the claims of the rules about dead holders last.
const lease = 250 * time.Millisecond

type deduperRule struct {
	name string
	play func(*script)
}

// check returns the first breach of the rule by a new store.
func (r deduperRule) check(ctx context.Context, store webhook.Deduper) error {
	s := &script{ctx: ctx, store: store}
	r.play(s)
	return s.err
}

var deduperRules = []deduperRule{
	{"a new key can be claimed, by one caller", func(s *script) {
		c := s.claim(time.Minute, webhook.ClaimTaken)
		if c.Token == "" {
			s.fail("a claim that is ClaimTaken has no Token")
		}
		s.claim(time.Minute, webhook.ClaimBusy)
		s.claimKey("b", time.Minute, webhook.ClaimTaken)
	}},
	{"a confirmed key is done", func(s *script) {
		s.confirm(s.claim(time.Minute, webhook.ClaimTaken), time.Minute)
		s.claim(time.Minute, webhook.ClaimDone)
		s.claim(time.Minute, webhook.ClaimDone)
		s.claimKey("b", time.Minute, webhook.ClaimTaken)
	}},
	{"a released key can be claimed at once", func(s *script) {
		first := s.claim(time.Minute, webhook.ClaimTaken)
		s.release(first)
		if second := s.claim(time.Minute, webhook.ClaimTaken); second.Token == first.Token {
			s.fail("two claims of one key have the same Token")
		}
	}},
	{"a confirmed key is forgotten after its time", func(s *script) {
		s.confirm(s.claim(time.Minute, webhook.ClaimTaken), lease)
		s.claim(time.Minute, webhook.ClaimDone)
		time.Sleep(2 * lease)
		s.claim(time.Minute, webhook.ClaimTaken)
	}},
	{"the claim of a dead holder lapses", func(s *script) {
		s.claim(lease, webhook.ClaimTaken)
		s.claim(lease, webhook.ClaimBusy)
		time.Sleep(2 * lease)
		s.claim(time.Minute, webhook.ClaimTaken)
	}},
	{"a holder that lost its claim cannot release the new one", func(s *script) {
		lost := s.claim(lease, webhook.ClaimTaken)
		time.Sleep(2 * lease)
		s.claim(time.Minute, webhook.ClaimTaken)
		s.release(lost)
		s.claim(time.Minute, webhook.ClaimBusy)
	}},
	{"a holder that lost its claim cannot confirm the new one", func(s *script) {
		lost := s.claim(lease, webhook.ClaimTaken)
		time.Sleep(2 * lease)
		held := s.claim(time.Minute, webhook.ClaimTaken)
		s.confirm(lost, time.Minute)
		s.claim(time.Minute, webhook.ClaimBusy)
		s.confirm(held, time.Minute)
		s.claim(time.Minute, webhook.ClaimDone)
	}},
	{"a late release does not undo a confirmation", func(s *script) {
		c := s.claim(time.Minute, webhook.ClaimTaken)
		s.confirm(c, time.Minute)
		s.release(c)
		s.claim(time.Minute, webhook.ClaimDone)
	}},
	{"of many callers at once one gets the claim", func(s *script) {
		const callers = 32
		states := make(chan webhook.ClaimState, callers)
		var all sync.WaitGroup
		for range callers {
			all.Go(func() {
				c, err := s.store.Claim(s.ctx, webhook.NewKey(ruled), time.Minute)
				if err != nil {
					c.State = 0
				}
				states <- c.State
			})
		}
		all.Wait()
		close(states)
		got := map[webhook.ClaimState]int{}
		for state := range states {
			got[state]++
		}
		if got[webhook.ClaimTaken] != 1 || got[webhook.ClaimBusy] != callers-1 {
			s.fail("%d callers at once got %v (state: callers)", callers, got)
		}
	}},
}

// ruled is the key that each rule is about.
const ruled = "a"

// script plays a rule and notes the first breach; what follows a breach means nothing and is skipped.
type script struct {
	ctx   context.Context //nolint:containedctx // lives as long as one rule is played
	store webhook.Deduper
	err   error
}

func (s *script) fail(format string, args ...any) {
	if s.err == nil {
		s.err = fmt.Errorf(format, args...)
	}
}

// claim claims the key that a rule is about.
func (s *script) claim(lease time.Duration, want webhook.ClaimState) webhook.Claim {
	return s.claimKey(ruled, lease, want)
}

func (s *script) claimKey(key string, lease time.Duration, want webhook.ClaimState) webhook.Claim {
	if s.err != nil {
		return webhook.Claim{}
	}
	c, err := s.store.Claim(s.ctx, webhook.NewKey(key), lease)
	switch {
	case err != nil:
		s.fail("Claim: %w", err)
	case c.State != want:
		s.fail("Claim gives state %d, want %d (1 ClaimTaken, 2 ClaimDone, 3 ClaimBusy)", c.State, want)
	}
	return c
}

func (s *script) confirm(c webhook.Claim, keep time.Duration) {
	if s.err != nil {
		return
	}
	if err := s.store.Confirm(s.ctx, webhook.NewKey(ruled), c, keep); err != nil {
		s.fail("Confirm: %w", err)
	}
}

func (s *script) release(c webhook.Claim) {
	if s.err != nil {
		return
	}
	if err := s.store.Release(s.ctx, webhook.NewKey(ruled), c); err != nil {
		s.fail("Release: %w", err)
	}
}
