package console

import (
	"cmp"
	"net/http"
	"slices"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook/inbox"
)

// maxTypes is how many types the overview lists; the dead and the waiting come first when there are more.
const maxTypes = 300

// overviewPage is what the overview shows.
type overviewPage struct {
	Tiles  []tile
	Spans  []spanLink
	Charts []chart
	Types  []typeRow
	More   int // types that are not listed
}

// A tile is one figure with what it counts.
type tile struct {
	Name, Value, Note string
	Link              string // below the root; empty means none
	Alarm             bool
}

// A spanLink switches the charts to another span.
type spanLink struct {
	Name, Label string
	Here        bool
}

// A typeRow is one line of the table of types.
type typeRow struct {
	Provider, Type string // as they are, for forms
	From, Name     string // as they are shown
	Link           string
	Counts         []cell
	Duplicates     string
	Oldest         string
	Paused         *pauseView
	urgency        int64
}

// A cell is a number that leads to what it counts.
type cell struct {
	N     string
	Link  string
	Zero  bool
	Alarm bool
	Wide  bool // left out where there is little room
}

// A pauseView says since when, by whom and why a type is paused.
type pauseView struct {
	By, Why string
	Since   *moment
}

// overview shows counts, rates and ages.
func (v *visit) overview() error {
	span, ok := spanOf(v.r.URL.Query().Get("span"))
	if !ok {
		return &mistake{"There is no such span of time."}
	}
	now := time.Now()
	stats, err := v.console.ledger.Stats(v.r.Context())
	if err != nil {
		return withStatus(err, http.StatusServiceUnavailable)
	}
	minutes, err := v.console.ledger.Activity(v.r.Context(), span.begin(now))
	if err != nil {
		return withStatus(err, http.StatusServiceUnavailable)
	}
	page := overviewPage{Tiles: tiles(stats), Charts: charts(minutes, span, now)}
	for _, s := range spans {
		page.Spans = append(page.Spans, spanLink{s.name, s.label, s.name == span.name})
	}
	page.Types = typeRows(stats, now)
	if len(page.Types) > maxTypes {
		page.More = len(page.Types) - maxTypes
		page.Types = page.Types[:maxTypes]
	}
	return v.show("overview", frame{Title: "Overview", Here: "", Live: true, Page: page})
}

func tiles(s inbox.Stats) []tile {
	open := s.Total(inbox.Pending) + s.Total(inbox.Waiting) + s.Total(inbox.Running)
	oldest, late := "none is due", oldestHandled(s)
	if s.OldestPending > 0 {
		oldest = "oldest due for " + age(s.OldestPending)
	}
	queued := ""
	if s.Queued > 0 {
		queued = count(int64(s.Queued)) + " wait to be stored"
	}
	dead := s.Total(inbox.Dead)
	return []tile{
		{Name: "To be handled", Value: count(open), Note: oldest, Link: "deliveries?status=pending", Alarm: late > tooLate},
		{Name: "Running", Value: count(s.Total(inbox.Running)), Note: queued, Link: "deliveries?status=running"},
		{Name: "Dead letters", Value: count(dead), Link: "dead", Alarm: dead > 0},
		{Name: "Done", Value: count(s.Total(inbox.Done)), Link: "deliveries?status=done"},
	}
}

// tooLate is how long a delivery may be due before the overview calls for attention.
const tooLate = 5 * time.Minute

// oldestHandled is the age of the oldest delivery that is due and of no paused type.
func oldestHandled(s inbox.Stats) time.Duration {
	var oldest time.Duration
	for _, t := range s.Types {
		if !slices.ContainsFunc(s.Paused, func(p inbox.PausedType) bool { return p.Provider == t.Provider && p.Type == t.Type }) {
			oldest = max(oldest, t.OldestPending)
		}
	}
	return oldest
}

func typeRows(s inbox.Stats, now time.Time) []typeRow {
	type name struct{ provider, typ string }
	paused := map[name]*pauseView{}
	for _, p := range s.Paused {
		paused[name{p.Provider, p.Type}] = &pauseView{By: visible(p.Reason.By), Why: visible(p.Reason.Why), Since: at(p.Since, now)}
	}
	var rows []typeRow
	for _, t := range s.Types {
		key := name{t.Provider, t.Type}
		rows = append(rows, rowOf(t, paused[key]))
		delete(paused, key)
	}
	for key, p := range paused { // paused before the first of them came
		rows = append(rows, rowOf(inbox.TypeStats{Provider: key.provider, Type: key.typ}, p))
	}
	slices.SortFunc(rows, func(a, b typeRow) int {
		return cmp.Or(cmp.Compare(a.Provider, b.Provider), cmp.Compare(a.Type, b.Type))
	})
	if len(rows) > maxTypes {
		slices.SortStableFunc(rows, func(a, b typeRow) int { return cmp.Compare(b.urgency, a.urgency) })
	}
	return rows
}

func rowOf(t inbox.TypeStats, paused *pauseView) typeRow {
	f := inbox.Filter{Provider: t.Provider, Type: t.Type}
	row := typeRow{Provider: t.Provider, Type: t.Type, From: visible(t.Provider), Name: typeName(t.Type), Link: link("deliveries", f), Duplicates: count(t.Duplicates), Paused: paused}
	for _, status := range inbox.Statuses() {
		n := t.ByStatus[status]
		f.Status = status
		row.Counts = append(row.Counts, cell{
			N: count(n), Link: link("deliveries", f), Zero: n == 0, Alarm: status == inbox.Dead && n > 0,
			Wide: status != inbox.Pending && status != inbox.Done && status != inbox.Dead,
		})
	}
	if t.OldestPending > 0 {
		row.Oldest = age(t.OldestPending)
	}
	row.urgency = t.ByStatus[inbox.Dead]*1000 + t.ByStatus[inbox.Pending]
	if paused != nil {
		row.urgency += 1 << 40
	}
	return row
}

// maxType is how much of a type is shown.
const maxType = 200

// typeName is a type as it is shown.
func typeName(typ string) string {
	if typ == "" {
		return "(no type)"
	}
	return visible(short(typ, maxType))
}
