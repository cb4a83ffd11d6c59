package requestid_test

import (
	"context"
	"testing"

	"github.com/gatehouse-go/gatehouse/internal/requestid"
)

func TestFrom(t *testing.T) {
	if got := requestid.From(context.Background()); got != "" {
		t.Errorf("a context without an id: got %q", got)
	}
	if got := requestid.From(requestid.With(context.Background(), "r1")); got != "r1" {
		t.Errorf("a context with an id: got %q", got)
	}
}

type other struct{}

func TestWhatTheContextCarriedBeforeStays(t *testing.T) {
	ctx := requestid.With(context.WithValue(context.Background(), other{}, "kept"), "r1")
	if got := ctx.Value(other{}); got != "kept" {
		t.Errorf("got %v", got)
	}
	if got := requestid.From(requestid.With(ctx, "r2")); got != "r2" {
		t.Errorf("the innermost id wins: got %q", got)
	}
}
