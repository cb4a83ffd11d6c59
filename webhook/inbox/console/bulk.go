package console

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook/inbox"
)

// A decision is Replay or Discard of the ledger.
type decision func(context.Context, inbox.Selection, inbox.Reason) (int64, error)

// confirmPage asks before something is decided about many.
type confirmPage struct {
	Replay    bool
	Action    string
	Fields    []field // of the filter, as the form sends them back
	Labels    []field // of the filter, for people
	Count     string
	Some      bool // there is something to decide about
	Again     bool // what is done already may be among it
	Rows      []listRow
	Back      string
	MaxReason int
}

const (
	mostCounted = 500
	mostShown   = 10
	bulkTime    = 10 * time.Minute // for a decision about many
)

func (v *visit) confirmReplay() error  { return v.confirm(true) }
func (v *visit) confirmDiscard() error { return v.confirm(false) }

// confirm shows what a decision about everything that a filter selects would be about. It is bound to what was accepted before now: what
// comes later was not seen.
func (v *visit) confirm(replay bool) error {
	f, err := filterOf(v.r.URL.Query())
	if err != nil {
		return err
	}
	f.Before = 0
	if f == (inbox.Filter{}) {
		return &mistake{"Choose a filter first: nothing is decided about everything at once."}
	}
	page := confirmPage{Replay: replay, Action: "discard", Back: link("deliveries", f), Labels: labels(f), MaxReason: maxReason}
	allowed := discardable
	title := "Discard many"
	if replay {
		page.Action, allowed, title = "replay", replayable, "Replay many"
	}
	now := time.Now()
	if f.To.IsZero() {
		f.To = now.Truncate(time.Millisecond).Add(time.Millisecond)
	}
	page.Fields, page.Again = fieldsOf(f), replay && includesDone(f)
	if err := v.preview(f, allowed, &page, now); err != nil {
		return err
	}
	return v.show("confirm", frame{Title: title, Here: "deliveries", Page: page})
}

// preview counts what f selects, up to a bound, and shows some of it.
func (v *visit) preview(f inbox.Filter, allowed func(inbox.Status) bool, page *confirmPage, now time.Time) error {
	f.Limit = mostCounted
	found, err := v.console.ledger.List(v.r.Context(), f)
	if err != nil {
		return withStatus(err, http.StatusServiceUnavailable)
	}
	n := int64(0)
	for _, d := range found.Deliveries {
		if !allowed(d.Status) || page.Replay && d.Purged {
			continue
		}
		n++
		if len(page.Rows) < mostShown {
			page.Rows = append(page.Rows, listRowOf(d, inbox.Filter{}, now))
		}
	}
	page.Count = count(n)
	if found.Next > 0 {
		page.Count = "more than " + count(n)
	}
	page.Some = n > 0 || found.Next > 0
	return nil
}

// includesDone reports whether f selects what is done already, if there is any.
func includesDone(f inbox.Filter) bool { return f.Status == "" || f.Status == inbox.Done }

// labels say a filter to people.
func labels(f inbox.Filter) []field {
	names := map[string]string{"provider": "Provider", "type": "Type", "status": "Status", "id": "Event id begins with", "from": "Accepted from (UTC)", "to": "Accepted before (UTC)"}
	fields := fieldsOf(f)
	for i := range fields {
		fields[i] = field{names[fields[i].Name], visible(fields[i].Value)}
	}
	return fields
}

func (v *visit) replaySelected() error { return v.decideMany("replayed", v.console.ledger.Replay) }

func (v *visit) discardSelected() error {
	return v.decideMany("discarded", v.console.ledger.Discard)
}

// decideMany decides about what the form's filter selects, and goes to the list of it.
func (v *visit) decideMany(what string, decide decision) error {
	form, why, err := v.decisionForm()
	if err != nil {
		return err
	}
	f, err := manyOf(form, what)
	if err != nil {
		return err
	}
	// Many commits take their time, and the server's deadlines would end the request. Where they cannot be set there are none.
	answer := http.NewResponseController(v.w)
	_ = answer.SetReadDeadline(time.Time{})
	_ = answer.SetWriteDeadline(time.Now().Add(bulkTime))
	ctx, cancel := context.WithTimeout(v.r.Context(), bulkTime)
	defer cancel()
	n, err := decide(ctx, inbox.Selection{Filter: f}, why)
	v.audit(what, why, "filter", queryOf(f), "changed", n)
	switch {
	case err != nil && n > 0:
		return &partly{what, n, err}
	case err != nil:
		return withStatus(err, http.StatusServiceUnavailable)
	}
	v.redirectWith(link("deliveries", f), what, n)
	return nil
}

// manyOf reads the filter of a confirmed decision. It must say until when, as the page that asked did: without that it would be about more than
// was seen.
func manyOf(form url.Values, what string) (inbox.Filter, error) {
	f, err := filterOf(form)
	if err != nil {
		return f, err
	}
	f.Before = 0
	switch {
	case f.To.IsZero():
		return f, &mistake{"The selection is not complete. Go back and choose again."}
	case what == "replayed" && includesDone(f) && form.Get("again") == "":
		return f, &mistake{"What is done already would be handled again. Confirm that, or choose a status."}
	}
	return f, nil
}
