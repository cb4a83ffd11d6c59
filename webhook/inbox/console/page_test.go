package console_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gatehouse-go/gatehouse/webhook"
	"github.com/gatehouse-go/gatehouse/webhook/inbox"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/console"
)

func TestOverview(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // the clock stands still: 2000-01-01 00:00 UTC
		minute := func(before time.Duration, m inbox.Minute) inbox.Minute {
			m.Start = time.Now().Add(-before)
			return m
		}
		l := &ledger{
			stats: inbox.Stats{
				Types: []inbox.TypeStats{
					{Provider: "a", Type: "late", ByStatus: map[inbox.Status]int64{inbox.Pending: 1234567, inbox.Running: 2}, OldestPending: 26 * time.Hour, Duplicates: 4},
					{Provider: "a", Type: "", ByStatus: map[inbox.Status]int64{inbox.Done: 5, inbox.Dead: 9}},
				},
				Paused:        []inbox.PausedType{{Provider: "z", Type: "to come", Since: time.Now().Add(-90 * time.Minute), Reason: inbox.Reason{By: "bob", Why: "later"}}},
				OldestPending: 26 * time.Hour,
				Queued:        11,
			},
			minutes: []inbox.Minute{
				minute(48*time.Hour, inbox.Minute{Accepted: 1 << 40}), // outside of the span
				minute(59*time.Minute, inbox.Minute{Accepted: 600, Done: 1}),
				minute(0, inbox.Minute{Accepted: 5, Done: 59, Failed: 1, Dead: 1}),
			},
		}
		c := newConsole(t, l, console.Config{Title: "Payments"})
		w := ask(c, "GET", "/", "")
		text := inspect(t, "overview", w.Body.Bytes())
		for _, want := range []string{
			"Payments", "To be handled 1\u202f234\u202f569oldest due for 1 d 2 h", "11 wait to be stored", "Dead letters 9", "a late", "a (no type)",
			"Accepted 605 at most 10.0/s", "Handled 60 at most 59/min", "Failed attempts 1 at most 1/min", "31 Dec 23:01", "z to come", "1 h 30 min ago by bob: later",
		} {
			if !strings.Contains(strings.Join(strings.Fields(text), " "), strings.Join(strings.Fields(want), " ")) {
				t.Errorf("%q is not in %s", want, text)
			}
		}
		page := w.Body.String()
		for _, want := range []string{
			`<rect x="0" y="0" width="8" height="100"><title>31 Dec 23:01: 600</title></rect>`, `<rect x="590" y="98" width="8" height="2">`, // a little is seen as well
			`aria-label="Accepted in the last hour: 605, at most 10.0/s"`, `href="./deliveries?provider=a&amp;status=pending&amp;type=late"`,
			`action="./resume"`, `class="tile alarm"><a href="./deliveries?status=pending"`, `data-events="./events"`, `<html lang="en">`, `href="#main"`, `<main id="main"`,
		} {
			if !strings.Contains(page, want) {
				t.Errorf("%s is not in the page: %s", want, page)
			}
		}
		if strings.Count(page, "<rect") != 5 {
			t.Errorf("%d bars", strings.Count(page, "<rect"))
		}
		l.stats.Paused = []inbox.PausedType{{Provider: "a", Type: "late", Since: time.Now()}}
		if page := ask(c, "GET", "/?span=day", "").Body.String(); strings.Contains(page, `class="tile alarm"><a href="./deliveries?status=pending"`) || !strings.Contains(page, "last 24 hours: 605, at most 40/min") {
			t.Error("a type that is paused on purpose is no alarm")
		}
		if w := ask(c, "GET", "/?span=week", ""); !strings.Contains(w.Body.String(), "7 days: 1\u202f099\u202f511\u202f628\u202f381") {
			t.Errorf("the week: %d %s", w.Code, w.Body)
		}
	})
}

func TestOverviewOfManyTypesShowsThoseThatNeedSomebody(t *testing.T) {
	l := &ledger{}
	for i := range 400 {
		of := inbox.TypeStats{Provider: "p", Type: fmt.Sprintf("t%03d", i), ByStatus: map[inbox.Status]int64{inbox.Done: 1}}
		if i >= 395 {
			of.ByStatus[inbox.Dead] = int64(i)
		}
		l.stats.Types = append(l.stats.Types, of)
	}
	l.stats.Paused = []inbox.PausedType{{Provider: "p", Type: "t390"}}
	text := inspect(t, "many", ask(newConsole(t, l, console.Config{}), "GET", "/", "").Body.Bytes())
	if !strings.Contains(text, "t399") || !strings.Contains(text, "t390") || !strings.Contains(text, "100 more types are not listed") || strings.Contains(text, "t389") {
		t.Error(text)
	}
	empty := inspect(t, "none", ask(newConsole(t, &ledger{}, console.Config{}), "GET", "/", "").Body.Bytes())
	if !strings.Contains(empty, "No event was stored yet") {
		t.Error(empty)
	}
}

func TestFilters(t *testing.T) {
	at := func(s string) time.Time {
		parsed, err := time.Parse(time.RFC3339Nano, s)
		if err != nil {
			t.Fatal(err)
		}
		return parsed
	}
	for _, row := range []struct {
		name, query string
		want        inbox.Filter
		bad         bool
	}{
		{"nothing", "", inbox.Filter{}, false},
		{"empty fields", "?provider=&type=&status=&id=&from=&to=", inbox.Filter{}, false},
		{"a provider and a type", "?provider=stripe&type=invoice.paid", inbox.Filter{Provider: "stripe", Type: "invoice.paid"}, false},
		{"a type with odd characters", "?type=" + url.QueryEscape("a&b=c #?é "), inbox.Filter{Type: "a&b=c #?é "}, false},
		{"a status", "?status=dead", inbox.Filter{Status: inbox.Dead}, false},
		{"the beginning of an id", "?id=+evt_1+", inbox.Filter{EventID: "evt_1*"}, false},
		{"the beginning of an id, with a star", "?id=evt_1*", inbox.Filter{EventID: "evt_1*"}, false},
		{"the beginning of an id, with a space and a star", "?id=evt_1+*", inbox.Filter{EventID: "evt_1*"}, false},
		{"a star alone", "?id=*", inbox.Filter{}, false},
		{"a time as browsers send it", "?from=2026-11-24T06:43&to=2026-11-24T06:43:07.5", inbox.Filter{From: at("2026-11-24T06:43:00Z"), To: at("2026-11-24T06:43:07.5Z")}, false},
		{"a time with a zone", "?from=2026-11-24T06:43:00%2B02:00", inbox.Filter{From: at("2026-11-24T04:43:00Z")}, false},
		{"a day", "?from=2026-11-24", inbox.Filter{From: at("2026-11-24T00:00:00Z")}, false},
		{"a page", "?before=77", inbox.Filter{Before: 77}, false},
		{"the first of two", "?provider=a&provider=b", inbox.Filter{Provider: "a"}, false},
		{"a status that is none", "?status=Dead", inbox.Filter{}, true},
		{"a time that is none", "?to=yesterday", inbox.Filter{}, true},
		{"a time before time", "?to=0001-01-01T00:00:00Z", inbox.Filter{}, true},
		{"a time far beyond", "?to=99999-01-01", inbox.Filter{}, true},
		{"a page that is none", "?before=0", inbox.Filter{}, true},
		{"a page below zero", "?before=-1", inbox.Filter{}, true},
		{"a page beyond all", "?before=99999999999999999999", inbox.Filter{}, true},
		{"a very long field", "?provider=" + strings.Repeat("a", 513), inbox.Filter{}, true},
	} {
		for _, path := range []string{"/deliveries", "/dead", "/deliveries/1", "/replay"} {
			l := &ledger{deliveries: []inbox.Delivery{delivery(1, inbox.Done)}, more: 5}
			c := newConsole(t, l, console.Config{})
			w := ask(c, "GET", path+row.query, "")
			inspect(t, row.name, w.Body.Bytes())
			nothing := path == "/replay" && row.want == inbox.Filter{Before: row.want.Before}
			if (w.Code == 400) != (row.bad || nothing) {
				t.Errorf("%s, %s: got %d", row.name, path, w.Code)
				continue
			}
			if row.bad || path != "/deliveries" {
				continue
			}
			if diff := cmp.Diff(row.want, l.filters[0]); diff != "" {
				t.Errorf("%s: %s", row.name, diff)
			}
			// The link to the next page means the same.
			next := attribute(w.Body.String(), `rel="next" href=".`)
			ask(c, "GET", next, "")
			want := row.want
			want.Before = 5
			if diff := cmp.Diff(want, l.filters[len(l.filters)-1]); diff != "" {
				t.Errorf("%s: the next page at %s: %s", row.name, next, diff)
			}
		}
	}
}

func TestLists(t *testing.T) {
	l := sample()
	l.deliveries[0].Error = "old news"
	l.deliveries[3].Error = "was a failure once" // done since
	l.deliveries[6].DueAt, l.deliveries[6].Error, l.deliveries[6].Duplicates = time.Now().Add(time.Hour), "503", 2
	c := newConsole(t, l, console.Config{MaxStreams: -1})
	w := ask(c, "GET", "/deliveries", "")
	text := inspect(t, "list", w.Body.Bytes())
	for _, want := range []string{"next attempt in 59 min", "503", "sent again 2×", "old news", "1 h ago"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in %s", want, text)
		}
	}
	page := w.Body.String()
	if strings.Contains(text, "failure once") || strings.Contains(page, "Replay all of these") || strings.Contains(page, "Newest") || strings.Contains(page, "Older") || strings.Contains(page, "console.js") {
		t.Errorf("the list of everything: %s", page)
	}
	l.more = 3
	page = ask(c, "GET", "/deliveries?provider=stripe&before=9", "").Body.String()
	for _, want := range []string{`href="./deliveries?provider=stripe">Newest`, `href="./deliveries?before=3&amp;provider=stripe">Older`, `href="./replay?provider=stripe"`, `href="./discard?provider=stripe"`, `value="stripe"`, `href="./deliveries/6?before=9&amp;provider=stripe"`} {
		if !strings.Contains(page, want) {
			t.Errorf("%s is not in %s", want, page)
		}
	}
	l.stats.Types = append(l.stats.Types, inbox.TypeStats{Provider: "github", Type: "none dead"})
	dead := ask(c, "GET", "/dead", "").Body.String()
	for _, want := range []string{"By type", `href="./replay?provider=stripe&amp;status=dead&amp;type=invoice.paid"`, `action="./dead"`} {
		if !strings.Contains(dead, want) {
			t.Errorf("%s is not in the dead letters: %s", want, dead)
		}
	}
	if last := l.filters[len(l.filters)-1]; last.Status != inbox.Dead || strings.Contains(dead, "github none dead") || strings.Contains(dead, "Clear") {
		t.Errorf("dead letters: %+v, %s", last, dead)
	}
	l.deliveries = nil
	for path, want := range map[string]string{"/deliveries": "There is nothing here", "/deliveries?provider=x": "Nothing fits this filter", "/dead": "There is nothing here", "/dead?provider=x": "Nothing fits"} {
		if page := ask(c, "GET", path, "").Body.String(); !strings.Contains(page, want) || strings.Contains(page, "all of these") {
			t.Errorf("%s: %s", path, page)
		}
	}
}

func TestConfirmingManyAsksFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		l := sample()
		purged := delivery(30, inbox.Dead)
		purged.Purged = true
		l.deliveries = append(l.deliveries, purged)
		c := newConsole(t, l, console.Config{Logger: slog.New(slog.NewTextHandler(&log, nil))})
		for _, row := range []struct {
			path, count string
			again       bool
		}{
			{"/replay?provider=stripe", "4", true}, // done, ignored, dead and discarded, but not the one whose body is gone
			{"/replay?provider=stripe&status=done", "4", true},
			{"/replay?status=dead", "4", false},
			{"/discard?status=dead", "5", false}, // pending, waiting, ignored and two dead: the ledger of this test filters nothing
		} {
			page := ask(c, "GET", row.path, "").Body.String()
			inspect(t, row.path, []byte(page))
			if !strings.Contains(page, "<strong>"+row.count+"</strong>") || strings.Contains(page, `name="again"`) != row.again {
				t.Errorf("%s: %s", row.path, page)
			}
			// What is accepted after the page was shown is not part of it.
			if !strings.Contains(page, `name="to" value="2000-01-01T00:00:00.001"`) {
				t.Errorf("%s has no end: %s", row.path, page)
			}
		}
		if page := ask(c, "GET", "/replay?to=1999-12-31T12:00&before=3", "").Body.String(); !strings.Contains(page, `name="to" value="1999-12-31T12:00:00"`) || strings.Contains(page, `name="before"`) {
			t.Errorf("an end that was chosen: %s", page)
		}
		l.more = 3
		if page := ask(c, "GET", "/replay?status=dead", "").Body.String(); !strings.Contains(page, "<strong>more than 4</strong>") {
			t.Errorf("more than a page: %s", page)
		}
		l.more, l.deliveries = 0, []inbox.Delivery{delivery(3, inbox.Running)}
		if page := ask(c, "GET", "/replay?provider=x", "").Body.String(); strings.Contains(page, `method="post"`) || !strings.Contains(page, "Nothing of it can be replayed") {
			t.Errorf("nothing to replay: %s", page)
		}
		if page := ask(c, "GET", "/discard?provider=x", "").Body.String(); !strings.Contains(page, "Nothing of it can be discarded") {
			t.Errorf("nothing to discard: %s", page)
		}

		l.decided()
		l.changed = 1234
		w := submit(c, "/replay", url.Values{"status": {"dead"}, "to": {"2000-01-01T00:00:00.001"}, "why": {"upstream\u202e is back"}})
		if diff := cmp.Diff([]string{`Replay [] dead by ann: upstream\u{202e} is back`}, l.decided()); diff != "" {
			t.Error(diff)
		}
		if to := w.Header().Get("Location"); w.Code != 303 || to != "./deliveries?n=1234&notice=replayed&status=dead&to=2000-01-01T00%3A00%3A00.001" {
			t.Errorf("%d, %s", w.Code, to)
		}
		if line := log.String(); !strings.Contains(line, "decision=replayed") || !strings.Contains(line, "by=ann") || !strings.Contains(line, "changed=1234") || !strings.Contains(line, "status=dead") {
			t.Errorf("the audit line is %s", line)
		}
		submit(c, "/replay", url.Values{"provider": {"p"}, "to": {"2000-01-01"}, "why": {"x"}, "again": {"yes"}})
		submit(c, "/discard", url.Values{"status": {"dead"}, "to": {"2000-01-01"}, "why": {"x"}})
		if diff := cmp.Diff([]string{`Replay []  by ann: x`, `Discard [] dead by ann: x`}, l.decided()); diff != "" {
			t.Error(diff)
		}
	})
}

func TestDecisionsAboutOne(t *testing.T) {
	l := sample()
	c := newConsole(t, l, console.Config{})
	for _, row := range []struct {
		path string
		form url.Values
		want string
		to   string
		says string
	}{
		{"/deliveries/6/replay?status=dead", url.Values{"why": {" it is back "}}, "Replay [6]  by ann: it is back", "../../deliveries/6?n=1&notice=replayed&status=dead", "1 delivery was made pending again, due now."},
		{"/deliveries/6/discard", url.Values{"why": {"a test"}}, "Discard [6]  by ann: a test", "../../deliveries/6?n=1&notice=discarded", "1 delivery was discarded."},
		{"/pause", url.Values{"why": {"a move"}, "provider": {"p"}, "type": {""}}, "Pause p/ by ann: a move", "./?n=1&notice=paused", "The type is paused"},
		{"/resume", url.Values{"provider": {"p"}, "type": {"t"}}, "Resume p/t", "./?n=1&notice=resumed", "The type is resumed."},
	} {
		w := submit(c, row.path, row.form)
		if diff := cmp.Diff([]string{row.want}, l.decided()); diff != "" || w.Code != 303 || w.Header().Get("Location") != row.to {
			t.Errorf("%s: %d, %s, %s", row.path, w.Code, w.Header().Get("Location"), diff)
		}
		page := ask(c, "GET", "/?"+strings.SplitN(row.to, "?", 2)[1], "", "Sec-Fetch-Site", "same-origin").Body.String()
		if !strings.Contains(page, `role="status">`+row.says) {
			t.Errorf("%s: the page does not say %q", row.path, row.says)
		}
		if page := ask(c, "GET", "/?"+strings.SplitN(row.to, "?", 2)[1], "", "Sec-Fetch-Site", "cross-site").Body.String(); strings.Contains(page, "notice\"") {
			t.Errorf("%s: a link from another site makes the page say what was not done", row.path)
		}
	}
	for query, want := range map[string]bool{"n=2&notice=discarded": true, "n=x&notice=discarded": false, "n=-1&notice=discarded": false, "n=1&notice=other": false, "notice=paused": false} {
		if page := ask(c, "GET", "/?"+query, "").Body.String(); strings.Contains(page, `class="notice"`) != want {
			t.Errorf("%s: a notice %v", query, !want)
		}
	}
}

// A request that ended by itself is no failure of the server, and one whose deadline passed is answered.
func TestRequestsThatEndEarly(t *testing.T) {
	l := sample()
	l.err = context.DeadlineExceeded
	var log bytes.Buffer
	c := newConsole(t, l, console.Config{Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelError}))})
	ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	r := httptest.NewRequestWithContext(ctx, "GET", "/", nil)
	w := ask(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { c.ServeHTTP(w, r) }), "GET", "/", "")
	if w.Code != 503 || log.Len() != 0 {
		t.Errorf("%d, log %s", w.Code, log.String())
	}
}

// When a decision about many fails on the way, the page says how far it came.
func TestADecisionAboutManyThatFailsOnTheWay(t *testing.T) {
	l := sample()
	l.changed, l.err = 1200, errors.New("disk full")
	c := newConsole(t, l, console.Config{})
	form := url.Values{"why": {"x"}, "status": {"dead"}, "to": {"2026-01-01"}}
	w := submit(c, "/replay", form)
	if text := inspect(t, "partly", w.Body.Bytes()); w.Code != 503 || !strings.Contains(text, "after 1\u202f200 of them were replayed") || strings.Contains(text, "disk") {
		t.Errorf("%d, %s", w.Code, text)
	}
	l.changed = 0
	if w := submit(c, "/replay", form); w.Code != 503 || strings.Contains(w.Body.String(), "of them were") {
		t.Errorf("%d, %s", w.Code, w.Body)
	}
}

func TestAges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := delivery(1, inbox.Done)
		l := &ledger{deliveries: []inbox.Delivery{d}}
		c := newConsole(t, l, console.Config{})
		for age, want := range map[time.Duration]string{
			0: "0 ms ago", 999 * time.Millisecond: "999 ms ago", 59 * time.Second: "59 s ago", time.Minute: "1 min ago", 61 * time.Second: "1 min 1 s ago", 11*time.Minute + 5*time.Second: "11 min ago",
			2 * time.Hour: "2 h ago", 3*time.Hour + 30*time.Minute: "3 h 30 min ago", 25 * time.Hour: "1 d 1 h ago", 400 * 24 * time.Hour: "400 d ago", -2 * time.Second: "in 2 s",
		} {
			l.deliveries[0].AcceptedAt = time.Now().Add(-age)
			if page := ask(c, "GET", "/deliveries", "").Body.String(); !strings.Contains(page, ">"+want+"</time>") {
				t.Errorf("%v is not %q", age, want)
			}
		}
	})
}

func TestEventsWithoutATypeAreNamed(t *testing.T) {
	d := delivery(1, inbox.Done)
	d.Event = webhook.Event{Provider: "p"}
	c := newConsole(t, &ledger{deliveries: []inbox.Delivery{d}}, console.Config{})
	for _, path := range []string{"/deliveries", "/deliveries/1"} {
		if text := inspect(t, path, ask(c, "GET", path, "").Body.Bytes()); !strings.Contains(text, "p (no type)") {
			t.Errorf("%s: %s", path, text)
		}
	}
}
