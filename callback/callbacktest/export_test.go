package callbacktest

import (
	"context"

	"github.com/gatehouse-go/gatehouse/callback"
)

// CheckMarks runs the parts of the suite on new stores, and returns what each finds wrong, by the part's name.
func CheckMarks(ctx context.Context, open func() callback.MarkStore) map[string]error {
	return check(ctx, markStoreChecks, open)
}

// CheckStore does the same for session stores.
func CheckStore(ctx context.Context, open func() callback.SessionStore) map[string]error {
	return check(ctx, sessionStoreChecks, open)
}

func check[S any](ctx context.Context, checks map[string]func(*problems, S), open func() S) map[string]error {
	out := map[string]error{}
	for name, check := range checks {
		out[name] = judge(ctx, check, open())
	}
	return out
}
