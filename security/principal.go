package security

import (
	"context"
	"net/http"
	"slices"
)

// A Principal is who makes a request, as an [Access] established it.
type Principal struct {
	ID     string   // who it is, as the application knows them; the key of limits by principal
	Scheme string   // how it was established: "api-key", "basic", "bearer", "mtls" or an application's own
	KeyID  string   // which of the principal's keys was used; "" where the scheme has no ids
	Scopes []string // what the credentials allow; read only
	Claims any      // what else the scheme learnt, such as a token's claims; nil where nothing
}

// Has reports whether p has every one of scopes. A principal has no scope it was not given: there is no wildcard.
func (p Principal) Has(scopes ...string) bool {
	for _, scope := range scopes {
		if !slices.Contains(p.Scopes, scope) {
			return false
		}
	}
	return true
}

// PrincipalFrom returns who makes the request of ctx, and whether that was established: false where no [Access] stands in front, or
// where it let an anonymous request pass.
func PrincipalFrom(ctx context.Context) (Principal, bool) {
	if c := established(ctx); c != nil {
		return c.principal, true
	}
	return Principal{}, false
}

// ByPrincipal keys by the principal that an [Access] in front established. Requests without one share one bucket: use
// FirstKey(ByPrincipal(), ByIP()) where anonymous requests pass.
func ByPrincipal() RateKey {
	return func(r *http.Request) (string, error) {
		if c := established(r.Context()); c != nil {
			return c.principal.ID, nil
		}
		return "", errNoKey
	}
}

type principalKey struct{}

// principalContext is a context that carries a principal and who established it: one allocation.
type principalContext struct {
	context.Context //nolint:containedctx // it is a context

	principal Principal
	by        *Access
}

func (c *principalContext) Value(key any) any {
	if key == (principalKey{}) {
		return c
	}
	return c.Context.Value(key)
}

// established returns what carries the principal of ctx, or nil.
func established(ctx context.Context) *principalContext {
	c, _ := ctx.Value(principalKey{}).(*principalContext)
	return c
}
