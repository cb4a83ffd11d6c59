package engine_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gatehouse-go/gatehouse/webhook/inbox"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/engine"
)

func rowOf(id int64, status inbox.Status) engine.Row {
	return engine.Row{Delivery: &inbox.Delivery{ID: id, Status: status}}
}

func TestDecisionsAreMadeAboutWhatAllowsThem(t *testing.T) {
	purged := rowOf(1, inbox.Done)
	purged.Purged = true
	for _, row := range []struct {
		name     string
		decision engine.Decision
		d        engine.Row
		want     error
	}{
		{"what is done is replayed", engine.Replay(), rowOf(1, inbox.Done), nil},
		{"so is a dead letter", engine.Replay(), rowOf(1, inbox.Dead), nil},
		{"and what was discarded", engine.Replay(), rowOf(1, inbox.Discarded), nil},
		{"and what nobody handled", engine.Replay(), rowOf(1, inbox.Ignored), nil},
		{"what is to be handled anyway is not", engine.Replay(), rowOf(1, inbox.Pending), inbox.ErrStatus},
		{"nor what runs", engine.Replay(), rowOf(1, inbox.Running), inbox.ErrStatus},
		{"nor what has no body any more", engine.Replay(), purged, inbox.ErrPurged},
		{"a dead letter is discarded", engine.Discard(), rowOf(1, inbox.Dead), nil},
		{"so is what waits for its turn", engine.Discard(), rowOf(1, inbox.Waiting), nil},
		{"what is done is not", engine.Discard(), rowOf(1, inbox.Done), inbox.ErrStatus},
		{"nor what runs already", engine.Discard(), rowOf(1, inbox.Running), inbox.ErrStatus},
	} {
		chosen, err := row.decision.Choose([]int64{1}, map[int64]engine.Row{1: row.d}, true)
		if !errors.Is(err, row.want) || (err == nil) != (len(chosen) == 1) {
			t.Errorf("%s: %v, %v", row.name, chosen, err)
		}
		if chosen, err := row.decision.Choose([]int64{1}, map[int64]engine.Row{1: row.d}, false); err != nil || (row.want == nil) != (len(chosen) == 1) {
			t.Errorf("%s, by a filter: %v, %v", row.name, chosen, err)
		}
	}
	found := map[int64]engine.Row{1: rowOf(1, inbox.Dead)}
	if chosen, err := engine.Replay().Choose([]int64{1, 2}, found, true); len(chosen) != 0 || !errors.Is(err, inbox.ErrNotFound) {
		t.Errorf("one of two is not there: %v, %v", chosen, err)
	}
}

func TestDecisionsAreMadeInSteps(t *testing.T) {
	why := inbox.Reason{By: "ann", Why: "a test"}
	var steps [][]int64
	var named bool
	failAt := 0
	decide := func(ids []int64, by bool) (int64, error) {
		named = by
		steps = append(steps, slices.Clone(ids))
		if len(steps) == failAt {
			return 0, errors.New("no")
		}
		return int64(len(ids)), nil
	}
	ascend := func(f inbox.Filter, each func([]engine.Row) error) error {
		if f.Provider != "p" {
			t.Errorf("filter %+v", f)
		}
		for _, rows := range [][]engine.Row{{rowOf(1, inbox.Dead), rowOf(2, inbox.Running)}, {rowOf(3, inbox.Running)}, {rowOf(4, inbox.Dead)}} {
			if err := each(rows); err != nil {
				return err
			}
		}
		return nil
	}
	many := []int64{7, 7, 3}
	for id := int64(1000); len(many) < engine.Step+3; id++ {
		many = append(many, id)
	}
	n, err := engine.Replay().Make(inbox.Selection{IDs: many}, why, ascend, decide)
	if err != nil || n != engine.Step+2 || len(steps) != 2 || len(steps[0]) != engine.Step || steps[0][0] != 3 || !named {
		t.Errorf("%d changed, %v, in %d steps", n, err, len(steps))
	}
	steps = nil
	n, err = engine.Replay().Make(inbox.Selection{Filter: inbox.Filter{Provider: "p"}}, why, ascend, decide)
	if diff := cmp.Diff([][]int64{{1}, {4}}, steps); diff != "" || err != nil || n != 2 || named {
		t.Errorf("%d changed, %v: %s", n, err, diff)
	}
	for _, s := range []inbox.Selection{{IDs: many}, {Filter: inbox.Filter{Provider: "p"}}} {
		steps, failAt = nil, 2
		if n, err := engine.Replay().Make(s, why, ascend, decide); err == nil || n == 0 {
			t.Errorf("the second step fails: %d changed, %v", n, err)
		}
	}
	if _, err := engine.Replay().Make(inbox.Selection{}, inbox.Reason{}, ascend, decide); !errors.Is(err, inbox.ErrSelection) {
		t.Errorf("nothing is selected: %v", err)
	}
}
