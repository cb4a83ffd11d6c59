package webhooktest_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook"
	"github.com/gatehouse-go/gatehouse/webhook/webhooktest"
)

func newMemory(tb testing.TB) *webhook.Memory {
	tb.Helper()
	m, err := webhook.NewMemory(webhook.MemoryConfig{})
	if err != nil {
		tb.Fatal(err)
	}
	return m
}

func TestSuiteAcceptsMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for rule, err := range webhooktest.CheckDeduper(t.Context(), func() webhook.Deduper { return newMemory(t) }) {
			t.Errorf("%s: %v", rule, err)
		}
	})
}

// flawed is a Memory with one mistake.
type flawed struct {
	webhook.Deduper
	flaw string
	last map[webhook.Key]webhook.Claim
}

func (f *flawed) Claim(ctx context.Context, key webhook.Key, lease time.Duration) (webhook.Claim, error) {
	switch f.flaw {
	case "leases never end":
		lease = time.Hour
	case "is down":
		return webhook.Claim{}, errors.New("down")
	}
	c, err := f.Deduper.Claim(ctx, key, lease)
	if c.State == webhook.ClaimTaken {
		f.last[key] = c
		switch f.flaw {
		case "gives no token":
			c.Token = ""
		case "gives the same token":
			c.Token = "token"
		}
	}
	return c, err
}

func (f *flawed) Confirm(ctx context.Context, key webhook.Key, c webhook.Claim, keep time.Duration) error {
	switch f.flaw {
	case "forgets confirmations":
		return f.Release(ctx, key, c)
	case "remembers for ever":
		keep = 1000 * time.Hour
	case "lets a lost claim confirm", "gives the same token":
		c = f.last[key]
	case "cannot confirm":
		return errors.New("down")
	}
	return f.Deduper.Confirm(ctx, key, c, keep)
}

func (f *flawed) Release(ctx context.Context, key webhook.Key, c webhook.Claim) error {
	switch f.flaw {
	case "does not release":
		return nil
	case "lets a lost claim release", "gives the same token":
		c = f.last[key]
	case "cannot release":
		return errors.New("down")
	}
	return f.Deduper.Release(ctx, key, c)
}

func TestSuiteFindsEachFlaw(t *testing.T) {
	for flaw, want := range map[string]struct{ rule, says string }{
		"leases never end":          {"the claim of a dead holder lapses", "want 1"},
		"gives no token":            {"a new key can be claimed, by one caller", "has no Token"},
		"gives the same token":      {"a released key can be claimed at once", "have the same Token"},
		"forgets confirmations":     {"a confirmed key is done", "want 2"},
		"remembers for ever":        {"a confirmed key is forgotten after its time", "want 1"},
		"lets a lost claim confirm": {"a holder that lost its claim cannot confirm the new one", "want 3"},
		"lets a lost claim release": {"a holder that lost its claim cannot release the new one", "want 3"},
		"does not release":          {"a released key can be claimed at once", "want 1"},
		"cannot confirm":            {"a confirmed key is done", "Confirm: down"},
		"cannot release":            {"a released key can be claimed at once", "Release: down"},
		"is down":                   {"a confirmed key is done", "Claim: down"},
	} {
		t.Run(flaw, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				found := webhooktest.CheckDeduper(t.Context(), func() webhook.Deduper {
					return &flawed{newMemory(t), flaw, map[webhook.Key]webhook.Claim{}}
				})
				if err := found[want.rule]; err == nil || !strings.Contains(err.Error(), want.says) {
					t.Errorf("found %v, want a breach of %q that says %q", found, want.rule, want.says)
				}
			})
		})
	}
	t.Run("lets several callers in", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			found := webhooktest.CheckDeduper(t.Context(), func() webhook.Deduper { return webhook.InsecureNoDedupe{} })
			if err := found["of many callers at once one gets the claim"]; err == nil || !strings.Contains(err.Error(), "32 callers at once") {
				t.Errorf("found %v", found)
			}
		})
	})
}
