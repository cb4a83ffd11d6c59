package webhooktest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook"
)

// TestDeduper checks that stores opened by open keep to the contract of webhook.Deduper, and returns every breach joined. Each call
// of open returns a store that knows none of the keys of the others. The check sleeps for a few leases of a quarter of a second.
func TestDeduper(ctx context.Context, open func() (webhook.Deduper, error)) error {
	var broken []error
	for _, rule := range deduperRules {
		d, err := open()
		if err != nil {
			return fmt.Errorf("webhooktest: open: %w", err)
		}
		s := &script{ctx: ctx, store: d}
		rule.play(s)
		if s.err != nil {
			broken = append(broken, fmt.Errorf("webhooktest: %s: %w", rule.name, s.err))
		}
	}
	return errors.Join(broken...)
}

// lease is how long the claims of the rules about dead holders last.
const lease = 250 * time.Millisecond

var deduperRules = []struct {
	name string
	play func(*script)
}{
	{"a new key can be claimed, by one caller", func(s *script) {
		c := s.claim(time.Minute, webhook.Taken)
		if c.Token == "" {
			s.fail("a claim that is Taken has no Token")
		}
		s.claim(time.Minute, webhook.Busy)
		s.claimKey("b", time.Minute, webhook.Taken)
	}},
	{"a confirmed key is done", func(s *script) {
		s.confirm(s.claim(time.Minute, webhook.Taken), time.Minute)
		s.claim(time.Minute, webhook.Done)
		s.claim(time.Minute, webhook.Done)
		s.claimKey("b", time.Minute, webhook.Taken)
	}},
	{"a released key can be claimed at once", func(s *script) {
		first := s.claim(time.Minute, webhook.Taken)
		s.release(first)
		if second := s.claim(time.Minute, webhook.Taken); second.Token == first.Token {
			s.fail("two claims of one key have the same Token")
		}
	}},
	{"a confirmed key is forgotten after its time", func(s *script) {
		s.confirm(s.claim(time.Minute, webhook.Taken), lease)
		s.claim(time.Minute, webhook.Done)
		time.Sleep(2 * lease)
		s.claim(time.Minute, webhook.Taken)
	}},
	{"the claim of a dead holder lapses", func(s *script) {
		s.claim(lease, webhook.Taken)
		s.claim(lease, webhook.Busy)
		time.Sleep(2 * lease)
		s.claim(time.Minute, webhook.Taken)
	}},
	{"a holder that lost its claim cannot release the new one", func(s *script) {
		lost := s.claim(lease, webhook.Taken)
		time.Sleep(2 * lease)
		s.claim(time.Minute, webhook.Taken)
		s.release(lost)
		s.claim(time.Minute, webhook.Busy)
	}},
	{"a holder that lost its claim cannot confirm the new one", func(s *script) {
		lost := s.claim(lease, webhook.Taken)
		time.Sleep(2 * lease)
		held := s.claim(time.Minute, webhook.Taken)
		s.confirm(lost, time.Minute)
		s.claim(time.Minute, webhook.Busy)
		s.confirm(held, time.Minute)
		s.claim(time.Minute, webhook.Done)
	}},
	{"a late release does not undo a confirmation", func(s *script) {
		c := s.claim(time.Minute, webhook.Taken)
		s.confirm(c, time.Minute)
		s.release(c)
		s.claim(time.Minute, webhook.Done)
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
		if got[webhook.Taken] != 1 || got[webhook.Busy] != callers-1 {
			s.fail("%d callers at once got %v (state: callers)", callers, got)
		}
	}},
}

// ruled is the key that each rule is about.
const ruled = "a"

// script plays a rule and notes the first breach; what follows a breach means nothing and is skipped.
type script struct {
	ctx   context.Context //nolint:containedctx // lives as long as one call of TestDeduper
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
		s.fail("Claim gives state %d, want %d (1 Taken, 2 Done, 3 Busy)", c.State, want)
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
