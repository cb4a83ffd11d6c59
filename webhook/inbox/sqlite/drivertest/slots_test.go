package drivertest_test

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook/inbox"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/inboxtest"
	"github.com/google/go-cmp/cmp"
)

const slot = 10 * time.Minute

// Filters by time find what was accepted then, and nothing else, however the clock jumped between two deliveries.
func TestFiltersByTimeWhateverTheClockDoes(t *testing.T) {
	l := newLedger(t, "sqlite", drivers["sqlite"](filepath.Join(t.TempDir(), "x.db")))
	box := l.Open(t, inbox.Config{})
	defer box.Close()
	for i, jump := range []int{0, 0, 1, 1, -1, 0, -7, 3, 3, 30, -30, 0, 2, -2, -2, 100, 0, -101, 1, 0} {
		jumpClock(t, l.db, jump)
		for range 2 {
			if _, err := box.Accept(t.Context(), inboxtest.Event("p", fmt.Sprint("t", i%2), fmt.Sprint(i))); err != nil {
				t.Fatal(err)
			}
		}
	}
	accepted := map[int64]time.Time{}
	page, err := box.List(t.Context(), inbox.Filter{Limit: 500})
	if err != nil {
		t.Fatal(err)
	}
	var times []time.Time
	for _, d := range page.Deliveries {
		accepted[d.ID] = d.AcceptedAt
		times = append(times, d.AcceptedAt, d.AcceptedAt.Add(time.Millisecond), d.AcceptedAt.Truncate(slot), d.AcceptedAt.Add(slot))
	}
	times = append(times, time.Time{}, time.Unix(0, 0).Add(time.Hour), time.Now().Add(1000*time.Hour))
	found := func(f inbox.Filter) (ids []int64) {
		page, err := box.List(t.Context(), f)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range page.Deliveries {
			ids = append(ids, d.ID)
		}
		return ids
	}
	for i := range times {
		for k := i % 37; k < len(times); k += 37 { // each with each would be many
			from, to := times[i], times[k]
			var want []int64
			for id, at := range accepted {
				if (from.IsZero() || !at.Before(from)) && (to.IsZero() || at.Before(to)) {
					want = append(want, id)
				}
			}
			slices.Sort(want)
			slices.Reverse(want)
			if diff := cmp.Diff(want, found(inbox.Filter{From: from, To: to, Limit: 500})); diff != "" {
				t.Fatalf("from %v to %v: %s", from, to, diff)
			}
		}
	}
	// The same bounds hold where a filter selects for a decision or an export.
	mid := times[len(times)/2]
	var out bytes.Buffer
	if err := box.Export(t.Context(), &out, inbox.Filter{Provider: "p", From: mid}); err != nil {
		t.Fatal(err)
	}
	if lines, want := bytes.Count(out.Bytes(), []byte("\n")), len(found(inbox.Filter{From: mid, Limit: 500})); lines != want {
		t.Errorf("%d lines are exported, and %d listed", lines, want)
	}
}

// jumpClock moves all that is stored by so many slots into the past: as if the clock had gone forward by them, or back.
func jumpClock(t *testing.T, db *sql.DB, jump int) {
	t.Helper()
	const apart = 1 << 32 // so that no slot meets another on its way
	for _, change := range []string{
		fmt.Sprintf("UPDATE inbox_deliveries SET accepted_at = accepted_at - %d", int64(jump)*slot.Milliseconds()),
		fmt.Sprintf("UPDATE inbox_slots SET slot = slot + %d", apart-jump),
		fmt.Sprintf("UPDATE inbox_slots SET slot = slot - %d", apart),
	} {
		if _, err := db.ExecContext(t.Context(), change); err != nil {
			t.Fatal(err)
		}
	}
}

// A ledger of the version before knows the times of what it has.
func TestALedgerThatHadNoSlotsGetsThem(t *testing.T) {
	l := newLedger(t, "sqlite", drivers["sqlite"](filepath.Join(t.TempDir(), "x.db")))
	box := l.Open(t, inbox.Config{})
	for i := range 6 {
		jumpClock(t, l.db, []int{0, 5, -9}[i%3])
		if _, err := box.Accept(t.Context(), inboxtest.Event("p", "t", fmt.Sprint(i))); err != nil {
			t.Fatal(err)
		}
	}
	if err := box.Close(); err != nil {
		t.Fatal(err)
	}
	older(t, l.db)
	if _, err := l.db.ExecContext(t.Context(), "DROP TABLE inbox_slots; DROP TABLE inbox_clock; UPDATE inbox_schema SET version = 2"); err != nil {
		t.Fatal(err)
	}
	box = l.Open(t, inbox.Config{})
	defer box.Close()
	all, err := box.List(context.Background(), inbox.Filter{})
	if err != nil || len(all.Deliveries) != 6 {
		t.Fatal(err)
	}
	for _, d := range all.Deliveries {
		page, err := box.List(t.Context(), inbox.Filter{From: d.AcceptedAt, To: d.AcceptedAt.Add(time.Millisecond)})
		if err != nil || !slices.ContainsFunc(page.Deliveries, func(f inbox.Delivery) bool { return f.ID == d.ID }) {
			t.Errorf("delivery %d is not found by its time: %v", d.ID, err)
		}
	}
}

// What is missing is an error of every look that needs it, and not an empty page.
func TestLooksAtTablesThatAreMissing(t *testing.T) {
	for _, row := range []struct {
		table string
		f     inbox.Filter
	}{
		{"inbox_slots", inbox.Filter{From: time.Now()}},
		{"inbox_slots", inbox.Filter{To: time.Now()}},
		{"inbox_counters", inbox.Filter{Provider: "p"}},
		{"inbox_deliveries", inbox.Filter{Provider: "p"}},
		{"inbox_deliveries", inbox.Filter{EventID: "1"}},
		{"inbox_deliveries", inbox.Filter{Status: inbox.Dead}},
		{"inbox_minutes", inbox.Filter{}},
	} {
		l := newLedger(t, "sqlite", drivers["sqlite"](filepath.Join(t.TempDir(), "x.db")))
		box := l.Open(t, inbox.Config{})
		if _, err := box.Accept(t.Context(), inboxtest.Event("p", "t", "1")); err != nil {
			t.Fatal(err)
		}
		if _, err := l.db.ExecContext(t.Context(), "DROP TABLE "+row.table); err != nil {
			t.Fatal(err)
		}
		_, err := box.List(t.Context(), row.f)
		if row.table == "inbox_minutes" {
			_, err = box.Activity(t.Context(), time.Now())
		}
		if err == nil {
			t.Errorf("%s is missing, and %+v is answered", row.table, row.f)
		}
		if row.table == "inbox_slots" {
			if _, err := box.Replay(t.Context(), inbox.Selection{Filter: row.f}, inbox.Reason{By: "ann", Why: "x"}); err == nil {
				t.Error("a decision by a time that cannot be found is an error")
			}
			if _, err := box.Accept(t.Context(), inboxtest.Event("p", "t", "2")); err == nil {
				t.Error("an event whose time cannot be noted is stored")
			}
		}
		if err := box.Close(); err != nil {
			t.Error(err)
		}
	}
}
