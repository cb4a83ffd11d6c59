package callbacktest

import (
	"context"
	"errors"

	"github.com/gatehouse-go/gatehouse/callback"
)

// CheckMarks runs the parts of the suite on new stores, and returns what each finds wrong, by the part's name.
func CheckMarks(ctx context.Context, open func() callback.MarkStore) map[string]error {
	out := map[string]error{}
	for name, check := range markStoreChecks {
		p := problems{ctx: ctx}
		check(&p, open())
		out[name] = errors.Join(p.found...)
	}
	return out
}

// CheckStore runs the parts of the suite on new stores, and returns what each finds wrong, by the part's name.
func CheckStore(ctx context.Context, open func() callback.SessionStore) map[string]error {
	out := map[string]error{}
	for name, check := range sessionStoreChecks {
		p := problems{ctx: ctx}
		check(&p, open())
		out[name] = errors.Join(p.found...)
	}
	return out
}
