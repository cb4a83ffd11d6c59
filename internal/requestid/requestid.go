// Package requestid carries a request's id in its context, so that logs and problem answers of every package name the same id.
package requestid

import "context"

type key struct{}

// Context is a context that carries an id. Another context type may embed it, to carry more in one allocation.
type Context struct {
	context.Context //nolint:containedctx // it is a context

	ID string
}

// Value returns what [From] asks for, or what the context beneath has under k.
func (c *Context) Value(k any) any {
	if k == (key{}) {
		return &c.ID
	}
	return c.Context.Value(k)
}

// With returns a context that carries id.
func With(ctx context.Context, id string) context.Context { return &Context{Context: ctx, ID: id} }

// From returns the id that ctx carries, or "".
func From(ctx context.Context) string {
	if id, ok := ctx.Value(key{}).(*string); ok {
		return *id
	}
	return ""
}
