package console

import (
	"maps"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook/inbox"
)

// deliveryPage is what the page of one delivery shows.
type deliveryPage struct {
	Delivery  inbox.Delivery
	Provider  string
	Type      string
	Error     string
	Facts     []fact
	Moments   []namedMoment
	Attempts  []attemptView
	Earlier   int // attempts that are not shown
	Header    []headerView
	Query     []formField
	Body      bodyView
	Back      string
	Replay    string // where the form goes; empty where the status does not allow it
	Discard   string
	Again     bool // a replay repeats what was done
	MaxReason int
}

// A fact is one line about a delivery.
type fact struct {
	Name, Value, Note string
	Code              bool
}

type namedMoment struct {
	Name string
	*moment
}

// An attemptView is one step of the timeline.
type attemptView struct {
	inbox.Attempt

	Title, Took, Text, Trace, Who string
	At                            *moment
}

// A headerView is one field of a request's header.
type headerView struct {
	Name   string
	Values []string
	Hidden bool
	Signed bool
}

const (
	maxAttempts = 200
	maxError    = 8 << 10
	maxTrace    = 32 << 10
)

// deliveryLink is the link to a delivery that leads back to the list by its filter.
func deliveryLink(id int64, f inbox.Filter) string {
	return link("deliveries/"+strconv.FormatInt(id, 10), f)
}

// delivery shows one delivery whole.
func (v *visit) delivery() error {
	f, err := filterOf(v.r.URL.Query())
	if err != nil {
		return err
	}
	d, attempts, err := v.console.ledger.Get(v.r.Context(), v.id)
	if err != nil {
		return withStatus(err, http.StatusServiceUnavailable)
	}
	now := time.Now()
	page := deliveryPage{
		Delivery: d, Provider: visible(d.Event.Provider), Type: typeName(d.Event.Type), Error: visibleLines(short(d.Error, maxError)),
		Facts: facts(d), Moments: moments(d, now), Header: v.console.headerOf(d), Back: link("deliveries", f), MaxReason: maxReason,
		Again: d.Status == inbox.Done,
	}
	if len(attempts) > maxAttempts {
		page.Earlier = len(attempts) - maxAttempts
		attempts = attempts[page.Earlier:]
	}
	for _, a := range slices.Backward(attempts) {
		page.Attempts = append(page.Attempts, attemptOf(a, now))
	}
	if !d.Purged {
		page.Body = v.console.body(d.Event.Body, d.Event.Header)
		page.Query = v.console.hidden.query(d.Event.Query, v.console.maxShown)
	}
	if replayable(d.Status) && !d.Purged {
		page.Replay = link("deliveries/"+strconv.FormatInt(d.ID, 10)+"/replay", f)
	}
	if discardable(d.Status) {
		page.Discard = link("deliveries/"+strconv.FormatInt(d.ID, 10)+"/discard", f)
	}
	return v.show("delivery", frame{Title: "Delivery " + strconv.FormatInt(d.ID, 10), Here: "deliveries", Live: true, Page: page})
}

func facts(d inbox.Delivery) []fact {
	signed := func(yes bool) string {
		if yes {
			return "signed"
		}
		return "not signed"
	}
	e := d.Event
	all := []fact{{Name: "Provider", Value: visible(e.Provider)}}
	add := func(name, value, note string, code bool) {
		if value != "" {
			all = append(all, fact{name, visible(short(value, maxError)), note, code})
		}
	}
	add("Type", e.Type, signed(e.TypeSigned), false)
	add("Event id", e.ID, signed(e.IDSigned), true)
	add("Order key", d.OrderKey, "", true)
	add("Idempotency key", d.IdempotencyKey(), "", true)
	add("Attempts", strconv.Itoa(d.Attempts), "", false)
	add("Sent again", strconv.Itoa(d.Duplicates), "", false)
	add("Secret", e.Proof.KeyID, "", true)
	return all
}

func moments(d inbox.Delivery, now time.Time) []namedMoment {
	var all []namedMoment
	for _, m := range []struct {
		name string
		at   time.Time
	}{{"Sent", d.Event.SentAt}, {"Received", d.Event.ReceivedAt}, {"Accepted", d.AcceptedAt}, {"Due", dueAt(d)}, {"Ended", d.EndedAt}} {
		if found := at(m.at, now); found != nil {
			all = append(all, namedMoment{m.name, found})
		}
	}
	return all
}

// dueAt is when d is to be handled; zero where it is not.
func dueAt(d inbox.Delivery) time.Time {
	if d.Status == inbox.Pending {
		return d.DueAt
	}
	return time.Time{}
}

func attemptOf(a inbox.Attempt, now time.Time) attemptView {
	view := attemptView{Attempt: a, At: at(a.At, now), Text: visibleLines(short(a.Error, maxError)), Trace: visibleLines(short(a.Stack, maxTrace)), Who: visible(a.By)}
	if a.Number > 0 {
		view.Title = "Attempt " + strconv.Itoa(a.Number) + " " + visible(string(a.Result))
		view.Took = age(a.Took)
	} else {
		view.Title = map[inbox.Result]string{inbox.ResultReplayed: "Replayed", inbox.ResultDiscarded: "Discarded"}[a.Result]
	}
	return view
}

// headerOf are the fields of the request, sorted.
func (c *Console) headerOf(d inbox.Delivery) []headerView {
	var all []headerView
	for _, name := range slices.Sorted(maps.Keys(d.Event.Header)) {
		view := headerView{Name: visible(name), Hidden: c.hidesHeader(name), Signed: slices.Contains(d.Event.SignedHeaders, name)}
		if view.Hidden {
			view.Values = []string{hiddenText}
		} else {
			for _, value := range d.Event.Header[name] {
				view.Values = append(view.Values, visible(short(value, maxError)))
			}
		}
		all = append(all, view)
	}
	return all
}

// replayable and discardable say what may be decided about a delivery in a status.
func replayable(s inbox.Status) bool {
	return slices.Contains([]inbox.Status{inbox.Done, inbox.Ignored, inbox.Dead, inbox.Discarded}, s)
}

func discardable(s inbox.Status) bool {
	return slices.Contains([]inbox.Status{inbox.Pending, inbox.Waiting, inbox.Dead, inbox.Ignored}, s)
}
