package refusal_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/gatehouse-go/gatehouse/internal/refusal"
)

type coded int

func (c coded) Error() string   { return "coded" }
func (c coded) StatusCode() int { return int(c) }

func TestStatus(t *testing.T) {
	gone := refusal.New(410, "gone")
	for _, row := range []struct {
		name string
		err  error
		want int
	}{
		{"no error is 200", nil, 200},
		{"a sentinel has its own status", gone, 410},
		{"a wrapped sentinel keeps its status", fmt.Errorf("link of yesterday: %w", gone), 410},
		{"the first coded error of a joined tree decides", errors.Join(errors.New("plain"), gone, coded(404)), 410},
		{"an application's error takes part by shape", coded(422), 422},
		{"an error without a status is 500", errors.New("plain"), 500},
		{"a success status on an error is 500", coded(200), 500},
		{"a status beyond 599 is 500", coded(600), 500},
	} {
		if got := refusal.Status(row.err); got != row.want {
			t.Errorf("%s: got %d, want %d", row.name, got, row.want)
		}
	}
	if gone.Error() != "gone" {
		t.Errorf("text: got %q", gone.Error())
	}
}
