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

func openMemory() (webhook.Deduper, error) { return webhook.NewMemory(webhook.MemoryConfig{}) }

func TestDeduperAcceptsMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		if err := webhooktest.TestDeduper(t.Context(), openMemory); err != nil {
			t.Error(err)
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
	if c.State == webhook.Taken {
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

func TestDeduperFindsEachFlaw(t *testing.T) {
	flaws := map[string]string{
		"leases never end":          "the claim of a dead holder lapses",
		"gives no token":            "has no Token",
		"gives the same token":      "have the same Token",
		"forgets confirmations":     "a confirmed key is done",
		"remembers for ever":        "a confirmed key is forgotten after its time",
		"lets a lost claim confirm": "cannot confirm the new one",
		"lets a lost claim release": "cannot release the new one",
		"does not release":          "a released key can be claimed at once",
		"cannot confirm":            "Confirm: down",
		"cannot release":            "Release: down",
		"is down":                   "Claim: down",
	}
	for flaw, want := range flaws {
		t.Run(flaw, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				err := webhooktest.TestDeduper(t.Context(), func() (webhook.Deduper, error) {
					m, err := openMemory()
					return &flawed{m, flaw, map[webhook.Key]webhook.Claim{}}, err
				})
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("TestDeduper = %v, want it to find %q", err, want)
				}
			})
		})
	}
	t.Run("lets several callers in", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			err := webhooktest.TestDeduper(t.Context(), func() (webhook.Deduper, error) { return webhook.InsecureNoDedupe{}, nil })
			if err == nil || !strings.Contains(err.Error(), "32 callers at once") {
				t.Errorf("TestDeduper = %v", err)
			}
		})
	})
	t.Run("cannot be opened", func(t *testing.T) {
		refused := errors.New("connection refused")
		if err := webhooktest.TestDeduper(t.Context(), func() (webhook.Deduper, error) { return nil, refused }); !errors.Is(err, refused) {
			t.Errorf("TestDeduper = %v", err)
		}
	})
}
