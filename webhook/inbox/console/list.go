package console

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook/inbox"
)

// listPage is what the list and the dead letters show.
type listPage struct {
	Dead      bool
	Filter    filterForm
	Rows      []listRow
	Newest    string // link to the first page; empty where this is it
	Older     string // link to the next page; empty where this is the last
	Replay    string // links to decide about all that the filter selects; empty where it selects everything
	Discard   string
	Groups    []group  // of dead letters, by type
	Providers []string // to choose from
	Types     []string
}

// filterForm is the form with what it holds.
type filterForm struct {
	Provider, Type, ID, From, To string
	Status                       inbox.Status
	Statuses                     []inbox.Status
	Set                          bool
}

// A listRow is one delivery in a list.
type listRow struct {
	ID             int64
	Link           string
	Provider, Type string
	EventID        string
	Status         inbox.Status
	Attempts       int
	Duplicates     int
	Error          string
	Accepted, Due  *moment
}

// A group is the dead letters of one type.
type group struct {
	Name, N         string
	Link            string
	Replay, Discard string
}

// maxErrorInList is how much of an error a list shows.
const maxErrorInList = 160

// list shows deliveries, newest first.
func (v *visit) list() error {
	f, err := filterOf(v.r.URL.Query())
	if err != nil {
		return err
	}
	return v.listOf(f, listPage{}, frame{Title: "Deliveries", Here: "deliveries"})
}

// dead shows the dead letters, newest first, and how many there are of each type.
func (v *visit) dead() error {
	f, err := filterOf(v.r.URL.Query())
	if err != nil {
		return err
	}
	f.Status = inbox.Dead
	return v.listOf(f, listPage{Dead: true}, frame{Title: "Dead letters", Here: "dead"})
}

func (v *visit) listOf(f inbox.Filter, page listPage, frame frame) error {
	found, err := v.console.ledger.List(v.r.Context(), f)
	if err != nil {
		return withStatus(err, http.StatusServiceUnavailable)
	}
	stats, err := v.console.ledger.Stats(v.r.Context())
	if err != nil {
		return withStatus(err, http.StatusServiceUnavailable)
	}
	here := "deliveries"
	if page.Dead {
		here = "dead"
		page.Groups = groups(stats)
	}
	now := time.Now()
	for _, d := range found.Deliveries {
		page.Rows = append(page.Rows, listRowOf(d, f, now))
	}
	all := f
	all.Before = 0
	if f.Before > 0 {
		page.Newest = link(here, all)
	}
	if found.Next > 0 {
		older := f
		older.Before = found.Next
		page.Older = link(here, older)
	}
	if all != (inbox.Filter{}) && len(found.Deliveries) > 0 {
		page.Replay, page.Discard = link("replay", all), link("discard", all)
	}
	page.Filter = formOf(all)
	if page.Dead {
		all.Status = ""
		page.Filter.Set = all != (inbox.Filter{})
	}
	page.Providers, page.Types = choices(stats)
	frame.Live = f.Before == 0
	frame.Page = page
	return v.show("list", frame)
}

func listRowOf(d inbox.Delivery, f inbox.Filter, now time.Time) listRow {
	row := listRow{
		ID: d.ID, Link: deliveryLink(d.ID, f), Provider: visible(d.Event.Provider), Type: typeName(d.Event.Type), EventID: visible(short(d.Event.ID, 80)),
		Status: d.Status, Attempts: d.Attempts, Duplicates: d.Duplicates, Accepted: at(d.AcceptedAt, now),
	}
	if d.Status != inbox.Done {
		row.Error = visible(short(strings.TrimSpace(d.Error), maxErrorInList))
	}
	if d.Status == inbox.Pending && d.DueAt.After(now) {
		row.Due = at(d.DueAt, now)
	}
	return row
}

func formOf(f inbox.Filter) filterForm {
	return filterForm{
		Provider: f.Provider, Type: f.Type, ID: strings.TrimSuffix(f.EventID, "*"), From: stamp(f.From), To: stamp(f.To),
		Status: f.Status, Statuses: inbox.Statuses(), Set: f != (inbox.Filter{}),
	}
}

// maxChoices bounds the lists to choose from.
const maxChoices = 200

func choices(s inbox.Stats) (providers, types []string) {
	for _, t := range s.Types {
		providers = append(providers, t.Provider)
		types = append(types, t.Type)
	}
	slices.Sort(types)
	providers, types = slices.Compact(providers), slices.Compact(types)
	return providers[:min(len(providers), maxChoices)], types[:min(len(types), maxChoices)]
}

func groups(s inbox.Stats) []group {
	var all []group
	for _, t := range s.Types {
		n := t.ByStatus[inbox.Dead]
		if n == 0 || len(all) == maxTypes {
			continue
		}
		f := inbox.Filter{Provider: t.Provider, Type: t.Type, Status: inbox.Dead}
		all = append(all, group{
			Name: visible(t.Provider) + " " + typeName(t.Type), N: count(n),
			Link: link("dead", inbox.Filter{Provider: t.Provider, Type: t.Type}), Replay: link("replay", f), Discard: link("discard", f),
		})
	}
	return all
}
