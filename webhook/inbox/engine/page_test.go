package engine_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gatehouse-go/gatehouse/webhook/inbox"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/engine"
)

func TestPageHasACursorWhereThereIsMore(t *testing.T) {
	ledger := []engine.Row{rowOf(9, inbox.Done), rowOf(7, inbox.Done), rowOf(4, inbox.Done)}
	find := func(f inbox.Filter) ([]engine.Row, error) { return ledger[:min(f.Limit, len(ledger))], nil }
	for _, row := range []struct {
		limit, want int
		next        int64
	}{{0, 3, 0}, {3, 3, 0}, {2, 2, 7}, {1, 1, 9}, {500, 3, 0}} {
		page, err := engine.Page(inbox.Filter{Limit: row.limit}, find)
		if err != nil || len(page.Deliveries) != row.want || page.Next != row.next {
			t.Errorf("a page of %d: %d, next %d, %v", row.limit, len(page.Deliveries), page.Next, err)
		}
	}
	for _, limit := range []int{-1, 501} {
		if _, err := engine.Page(inbox.Filter{Limit: limit}, find); !errors.Is(err, inbox.ErrSelection) {
			t.Errorf("a page of %d: %v", limit, err)
		}
	}
	no := errors.New("no")
	if _, err := engine.Page(inbox.Filter{}, func(inbox.Filter) ([]engine.Row, error) { return nil, no }); !errors.Is(err, no) {
		t.Errorf("a look that fails: %v", err)
	}
}

func TestMergeKeepsTheNewest(t *testing.T) {
	var ids []int64
	for _, r := range engine.Merge([]engine.Row{rowOf(1, ""), rowOf(5, ""), rowOf(3, "")}, 2) {
		ids = append(ids, r.ID)
	}
	if !slices.Equal(ids, []int64{5, 3}) {
		t.Error(ids)
	}
	if engine.CheckStatus(inbox.Filter{Status: inbox.Dead}) != nil || engine.CheckStatus(inbox.Filter{}) != nil || !errors.Is(engine.CheckStatus(inbox.Filter{Status: "x"}), inbox.ErrSelection) {
		t.Error("statuses are mistaken")
	}
}

// broken is a Writer that takes nothing.
type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("no") }

func TestExportWritesLines(t *testing.T) {
	ascend := func(each func([]engine.Row) error) error {
		return errors.Join(each([]engine.Row{rowOf(1, inbox.Done)}), each([]engine.Row{rowOf(2, inbox.Dead)}))
	}
	var out bytes.Buffer
	if err := engine.Export(&out, ascend); err != nil {
		t.Fatal(err)
	}
	var statuses []inbox.Status
	for lines := json.NewDecoder(&out); lines.More(); {
		var line engine.Line
		if err := lines.Decode(&line); err != nil {
			t.Fatal(err)
		}
		statuses = append(statuses, line.Status)
	}
	if diff := cmp.Diff([]inbox.Status{inbox.Done, inbox.Dead}, statuses); diff != "" {
		t.Error(diff)
	}
	if engine.Export(broken{}, ascend) == nil {
		t.Error("a writer that takes nothing")
	}
}
