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
