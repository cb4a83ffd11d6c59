package oneuse_test

import (
	"context"
	"testing"

	"github.com/gatehouse-go/gatehouse/internal/oneuse"
)

func TestAMarkIsSeenByEveryCacheAround(t *testing.T) {
	oneuse.Set(context.Background()) // nobody is around
	ctx, outer := oneuse.With(context.Background())
	beside, other := oneuse.With(ctx)
	inner, near := oneuse.With(ctx)
	oneuse.Set(context.WithoutCancel(inner))
	if !outer.IsSet() || !near.IsSet() || other.IsSet() {
		t.Errorf("outer %v, inner %v, beside %v", outer.IsSet(), near.IsSet(), other.IsSet())
	}
	oneuse.Set(beside)
	if !other.IsSet() {
		t.Error("a mark is not set")
	}
}
