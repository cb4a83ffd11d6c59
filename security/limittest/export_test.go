package limittest

import (
	"context"

	"github.com/gatehouse-go/gatehouse/security"
)

// Check plays each rule on a new store, and returns the breaches by the rule's name.
func Check(ctx context.Context, open func() security.RateStore) map[string]error {
	broken := map[string]error{}
	for _, r := range rules {
		if err := r.check(ctx, open()); err != nil {
			broken[r.name] = err
		}
	}
	return broken
}
