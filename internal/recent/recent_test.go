package recent_test

import (
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/recent"
)

func TestAFloodPushesOutItsOwn(t *testing.T) {
	const most = 16 // as many as are looked at
	m := map[int]time.Duration{}
	recent.Set(m, most, -1, time.Hour, 0)
	for i := range 10_000 {
		recent.Set(m, most, i, time.Minute+time.Duration(i), 0)
		if len(m) > most {
			t.Fatalf("%d entries", len(m))
		}
	}
	if m[-1] != time.Hour || m[9_999] == 0 {
		t.Errorf("what counts for long, or the newest, is gone: %v", m)
	}
}

func TestWhatHasPassedGoesFirst(t *testing.T) {
	m := map[int]time.Duration{}
	for i := range 16 {
		recent.Set(m, 16, i, time.Duration(i+1), 0)
	}
	recent.Set(m, 16, 99, time.Hour, 8)
	if len(m) != 9 || m[8] != 9 || m[99] != time.Hour {
		t.Errorf("%v", m)
	}
	recent.Set(m, 16, 99, 2*time.Hour, 8)
	if len(m) != 9 || m[99] != 2*time.Hour {
		t.Errorf("a known key: %v", m)
	}
}
