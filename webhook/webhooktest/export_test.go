package webhooktest

import (
	"context"

	"github.com/gatehouse-go/gatehouse/webhook"
)

// CheckDeduper plays each rule of TestDeduper on a new store, and returns the breaches by the rule's name.
func CheckDeduper(ctx context.Context, open func() webhook.Deduper) map[string]error {
	broken := map[string]error{}
	for _, r := range deduperRules {
		if err := r.check(ctx, open()); err != nil {
			broken[r.name] = err
		}
	}
	return broken
}

// CheckScheme returns every breach that TestScheme reports, joined.
func CheckScheme(ctx context.Context, c SchemeConfig) error { return checkScheme(ctx, c) }
