package scrub_test

import (
	"testing"

	"github.com/gatehouse-go/gatehouse/internal/scrub"
)

func TestText(t *testing.T) {
	const text = "GET https://a.example/?t=s%2B+1&u=x failed for s+ 1 at /s+%201"
	const want = "GET https://a.example/?t=[redacted]&u=x failed for [redacted] at /[redacted]"
	if got := scrub.Text(text, "", "s+ 1"); got != want {
		t.Errorf("%s", got)
	}
}
