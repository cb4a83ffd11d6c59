package engine_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gatehouse-go/gatehouse/webhook"
	"github.com/gatehouse-go/gatehouse/webhook/inbox"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/engine"
)

func TestTallyFollowsADelivery(t *testing.T) {
	l := engine.Lane{Provider: "p", Type: "t"}
	d := engine.Row{Delivery: &inbox.Delivery{Event: webhook.Event{Provider: "p", Type: "t"}}}
	tally := engine.NewTally()
	tally.Add(l, inbox.Pending, 5)
	tally.Claimed(l, 4)
	tally.Failed(d, engine.Failure{})
	tally.Failed(d, engine.Failure{Dead: true})
	tally.Move(l, inbox.Running, inbox.Done)
	want := map[engine.Count]int64{{Lane: l, Status: inbox.Pending}: 2, {Lane: l, Status: inbox.Running}: 1, {Lane: l, Status: inbox.Dead}: 1, {Lane: l, Status: inbox.Done}: 1}
	if diff := cmp.Diff(want, tally.Counts); diff != "" || tally.Minute != (inbox.Minute{Failed: 2, Dead: 1}) {
		t.Errorf("%s, %+v", diff, tally.Minute)
	}
}

func TestStatsOfCounters(t *testing.T) {
	a, b := engine.Lane{Provider: "a", Type: "t"}, engine.Lane{Provider: "b", Type: "t"}
	counts := map[engine.Count]int64{
		{Lane: b, Status: inbox.Pending}: 2, {Lane: b, Status: inbox.Done}: 0, {Lane: a, Status: inbox.Done}: 7, {Lane: a, Status: engine.Duplicated}: 3,
		{Lane: a, Status: inbox.Pending}: 1,
	}
	stats, err := engine.Stats(counts, func(pending []engine.Lane) (map[engine.Lane]time.Time, error) {
		if len(pending) != 2 {
			t.Errorf("asked about %v", pending)
		}
		return map[engine.Lane]time.Time{a: time.Now().Add(time.Hour), b: time.Now().Add(-time.Hour)}, nil
	})
	if err != nil || len(stats.Types) != 2 || stats.Types[0].Duplicates != 3 || stats.Total(inbox.Done) != 7 || stats.Types[1].ByStatus[inbox.Pending] != 2 {
		t.Errorf("%+v, %v", stats, err)
	}
	if _, zero := stats.Types[1].ByStatus[inbox.Done]; zero || stats.Types[0].OldestPending != 0 || stats.Types[1].OldestPending < time.Hour || stats.OldestPending != stats.Types[1].OldestPending {
		t.Errorf("%+v", stats)
	}
	no := errors.New("no")
	if _, err := engine.Stats(counts, func([]engine.Lane) (map[engine.Lane]time.Time, error) { return nil, no }); !errors.Is(err, no) {
		t.Errorf("a look that fails: %v", err)
	}
}
