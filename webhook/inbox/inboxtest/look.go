package inboxtest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gatehouse-go/gatehouse/webhook"
	"github.com/gatehouse-go/gatehouse/webhook/inbox"
)

// orderOf orders by what stands before the slash of the event's id.
func orderOf(e webhook.Event) string {
	account, _, _ := strings.Cut(e.ID, "/")
	return account
}

func deadLetters[T any](t *testing.T, e Engine[T]) {
	t.Helper()
	l := e.New(t)
	c := quick()
	c.MaxAttempts = 1
	box := open(t, l, c)
	Start(t, box)
	accept(t, box, Event("p", "t", "1"), Event("p", "t", "2"), Event("p", "t", "3"))
	await(t, box, inbox.Ignored, 3)
	page, err := box.List(t.Context(), inbox.Filter{})
	must(t, err)
	one, two := page.Deliveries[2].ID, page.Deliveries[1].ID
	why := inbox.Reason{By: "ann", Why: "a test"}

	if n, err := box.Discard(t.Context(), inbox.Selection{IDs: []int64{one}}, why); n != 1 || err != nil {
		t.Errorf("discarded %d, %v", n, err)
	}
	for _, row := range []struct {
		name string
		s    inbox.Selection
		why  inbox.Reason
		want error
	}{
		{"an empty selection", inbox.Selection{}, why, inbox.ErrSelection},
		{"a cursor alone", inbox.Selection{Filter: inbox.Filter{Limit: 10, Before: 9}}, why, inbox.ErrSelection},
		{"both ways at once", inbox.Selection{IDs: []int64{one}, Filter: inbox.Filter{Provider: "p"}}, why, inbox.ErrSelection},
		{"nobody", inbox.Selection{IDs: []int64{two}}, inbox.Reason{Why: "x"}, inbox.ErrSelection},
		{"no reason", inbox.Selection{IDs: []int64{two}}, inbox.Reason{By: "x"}, inbox.ErrSelection},
		{"what is not there", inbox.Selection{IDs: []int64{two, 1 << 40}}, why, inbox.ErrNotFound},
		{"what was given up already", inbox.Selection{IDs: []int64{two, one}}, why, inbox.ErrStatus},
		{"a status that is none", inbox.Selection{Filter: inbox.Filter{Status: "no'such"}}, why, inbox.ErrSelection},
	} {
		if n, err := box.Discard(t.Context(), row.s, row.why); n != 0 || !errors.Is(err, row.want) {
			t.Errorf("%s: discarded %d, %v", row.name, n, err)
		}
	}
	must(t, box.Handle("p", "t", credit(l)))
	if n, err := box.Replay(t.Context(), inbox.Selection{IDs: []int64{one, two, two}}, why); n != 2 || err != nil {
		t.Errorf("replayed %d, %v", n, err)
	}
	await(t, box, inbox.Done, 2)
	if n, err := box.Replay(t.Context(), inbox.Selection{Filter: inbox.Filter{Provider: "p", Type: "t", From: time.Now().Add(-time.Hour), To: time.Now().Add(time.Hour)}}, why); n != 3 || err != nil {
		t.Errorf("replayed %d by filter, %v", n, err)
	}
	await(t, box, inbox.Done, 3)
	d, history, err := box.Get(t.Context(), one)
	must(t, err)
	var steps []string
	for _, a := range history {
		steps = append(steps, strings.TrimSpace(fmt.Sprintf("%d %s %s %s", a.Number, a.Result, a.By, a.Error)))
	}
	want := []string{"1 succeeded  no handler is registered for this type", "0 discarded ann a test", "0 replayed ann a test", "2 succeeded", "0 replayed ann a test", "3 succeeded"}
	if diff := cmp.Diff(want, steps); diff != "" || d.Attempts != 3 {
		t.Errorf("%s, %d attempts", diff, d.Attempts)
	}
	effects := 2 // a replay is a decision to have the effect again
	if e.AtLeastOnce {
		effects = 1 // which Once cannot tell from an attempt that comes again
	}
	if got := l.Credits(t); got[d.IdempotencyKey()] != effects {
		t.Errorf("credits: %v", got)
	}
}

func lists[T any](t *testing.T, e Engine[T]) {
	t.Helper()
	l := e.New(t)
	box := open(t, l, quick())
	for i := range 30 {
		accept(t, box, Event([]string{"p", "q", "r"}[i%3], fmt.Sprint("t", i%2), fmt.Sprintf("evt_%02d", i)))
	}
	why := inbox.Reason{By: "ann", Why: "x"}
	_, err := box.Discard(t.Context(), inbox.Selection{Filter: inbox.Filter{Provider: "q", Type: "t1"}}, why)
	must(t, err)
	ids := func(f inbox.Filter) (found []string) {
		t.Helper()
		for {
			page, err := box.List(t.Context(), f)
			must(t, err)
			for _, d := range page.Deliveries {
				found = append(found, strings.TrimPrefix(d.Event.ID, "evt_"))
			}
			if page.Next == 0 {
				return found
			}
			f.Before = page.Next
		}
	}
	expect := func(keep func(i int) bool) (want []string) {
		for i := 29; i >= 0; i-- {
			if keep(i) {
				want = append(want, fmt.Sprintf("%02d", i))
			}
		}
		return want
	}
	discarded := func(i int) bool { return i%3 == 1 && i%2 == 1 }
	for _, row := range []struct {
		name string
		f    inbox.Filter
		keep func(i int) bool
	}{
		{"everything", inbox.Filter{}, func(int) bool { return true }},
		{"everything in pages of 7", inbox.Filter{Limit: 7}, func(int) bool { return true }},
		{"one provider in pages of 3", inbox.Filter{Provider: "q", Limit: 3}, func(i int) bool { return i%3 == 1 }},
		{"one type", inbox.Filter{Type: "t0"}, func(i int) bool { return i%2 == 0 }},
		{"a provider and a type", inbox.Filter{Provider: "p", Type: "t1", Limit: 2}, func(i int) bool { return i%3 == 0 && i%2 == 1 }},
		{"a status", inbox.Filter{Status: inbox.Discarded}, discarded},
		{"a status of a provider", inbox.Filter{Provider: "q", Status: inbox.Pending, Limit: 2}, func(i int) bool { return i%3 == 1 && !discarded(i) }},
		{"a status that none has", inbox.Filter{Provider: "q", Status: inbox.Done}, func(int) bool { return false }},
		{"an id", inbox.Filter{EventID: "evt_07"}, func(i int) bool { return i == 7 }},
		{"the beginning of an id", inbox.Filter{EventID: "evt_1*", Provider: "p"}, func(i int) bool { return i/10 == 1 && i%3 == 0 }},
		{"a time to come", inbox.Filter{From: time.Now().Add(time.Hour)}, func(int) bool { return false }},
		{"a time gone by", inbox.Filter{To: time.Now().Add(time.Hour)}, func(int) bool { return true }},
		{"a provider that nobody knows", inbox.Filter{Provider: "z"}, func(int) bool { return false }},
	} {
		if diff := cmp.Diff(expect(row.keep), ids(row.f)); diff != "" {
			t.Errorf("%s: %s", row.name, diff)
		}
	}
	for _, limit := range []int{-1, 501} {
		if _, err := box.List(t.Context(), inbox.Filter{Limit: limit}); !errors.Is(err, inbox.ErrSelection) {
			t.Errorf("a page of %d: %v", limit, err)
		}
	}
	if _, err := box.List(t.Context(), inbox.Filter{Status: "x"}); !errors.Is(err, inbox.ErrSelection) {
		t.Errorf("a status that is none: %v", err)
	}
	if _, _, err := box.Get(t.Context(), 1<<40); !errors.Is(err, inbox.ErrNotFound) {
		t.Errorf("an unknown delivery: %v", err)
	}
}

func fidelity[T any](t *testing.T, e Engine[T]) {
	t.Helper()
	l := e.New(t)
	box := open(t, l, quick())
	sent := time.Date(2026, 11, 24, 6, 0, 0, 123456789, time.UTC)
	event := webhook.Event{
		Provider: "p", Type: "t", TypeSigned: true, ID: "id\x00with odd bytes é", IDSigned: true, SentAt: sent, ReceivedAt: sent.Add(time.Second),
		Method: "PUT", Query: url.Values{"a": {"1", "2"}}, Header: http.Header{"X-Odd": {"a\"b", "", "caf\xe9", "é"}}, SignedHeaders: []string{"X-Odd"},
		Body: []byte("\x00\xff exact bytes \r\n"), Proof: webhook.Proof{Secret: 1, KeyID: "2026", SentAt: sent}, Key: webhook.NewKey("p", []byte("x")),
	}
	accept(t, box, event)
	d, _ := only(t, box)
	if diff := cmp.Diff(event, d.Event); diff != "" {
		t.Error(diff)
	}
	event.Query, event.ID, event.Key = url.Values{"caf\xe9": {"\xff", "é"}, "b": {""}}, "2", webhook.NewKey("p", []byte("y"))
	accept(t, box, event)
	page, err := box.List(t.Context(), inbox.Filter{EventID: "2"})
	must(t, err)
	d, _, err = box.Get(t.Context(), page.Deliveries[0].ID)
	must(t, err)
	if diff := cmp.Diff(event, d.Event); diff != "" {
		t.Error(diff)
	}
	for range 2 { // nothing tells a repeat of these
		accept(t, box, webhook.Event{Provider: "p", Type: "r", Repeatable: true})
	}
	page, err = box.List(t.Context(), inbox.Filter{Type: "r"})
	if err != nil || len(page.Deliveries) != 2 || page.Deliveries[0].IdempotencyKey() == page.Deliveries[1].IdempotencyKey() {
		t.Errorf("%+v, %v", page, err)
	}
}

func exports[T any](t *testing.T, e Engine[T]) {
	t.Helper()
	l := e.New(t)
	box := open(t, l, quick())
	for i := range 5 {
		accept(t, box, Event("p", "t", strconv.Itoa(i)))
	}
	accept(t, box, Event("q", "t", "other"))
	var out bytes.Buffer
	must(t, box.Export(t.Context(), &out, inbox.Filter{Provider: "p", Limit: 2}))
	var ids []string
	for lines := bufio.NewScanner(&out); lines.Scan(); {
		var line struct {
			EventID string `json:"event_id"`
			Body    []byte `json:"body"`
			Request struct {
				Method string `json:"method"`
			} `json:"request"`
		}
		must(t, json.Unmarshal(lines.Bytes(), &line))
		if want := fmt.Sprintf(`{"id":%q}`, line.EventID); string(line.Body) != want || line.Request.Method != http.MethodPost {
			t.Errorf("line: %s", lines.Text())
		}
		ids = append(ids, line.EventID)
	}
	if diff := cmp.Diff([]string{"0", "1", "2", "3", "4"}, ids); diff != "" {
		t.Error(diff)
	}
	if err := box.Export(t.Context(), &out, inbox.Filter{Status: "x"}); !errors.Is(err, inbox.ErrSelection) {
		t.Errorf("a status that is none: %v", err)
	}
}

func activity[T any](t *testing.T, e Engine[T]) {
	t.Helper()
	l := e.New(t)
	c := quick()
	c.MaxAttempts = 2
	box := l.Open(t, c)
	begin := time.Now()
	must(t, box.Handle("p", "good", credit(l)))
	must(t, box.Handle("p", "bad", func(context.Context, T, *inbox.Delivery) error { return errors.New("no") }))
	accept(t, box, Event("p", "good", "1"), Event("p", "good", "2"), Event("p", "bad", "3"))
	if _, err := box.Accept(t.Context(), Event("p", "good", "1")); err != nil {
		t.Error(err)
	}
	time.Sleep(2 * time.Millisecond)
	stats, err := box.Stats(t.Context())
	must(t, err)
	for _, of := range stats.Types {
		if of.OldestPending < time.Millisecond || of.OldestPending > stats.OldestPending {
			t.Errorf("the oldest of %s is due for %v, of all for %v", of.Type, of.OldestPending, stats.OldestPending)
		}
	}
	stop := Start(t, box)
	await(t, box, inbox.Done, 2)
	await(t, box, inbox.Dead, 1)
	stop()
	must(t, box.Close())

	box = open(t, l, c) // a restart forgets nothing
	want := inbox.Minute{Accepted: 3, Duplicates: 1, Done: 2, Failed: 2, Dead: 1}
	var got inbox.Minute
	for end := time.Now().Add(patience); got != want && time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		minutes, err := box.Activity(t.Context(), begin)
		must(t, err)
		got = inbox.Minute{}
		for i, m := range minutes {
			if m.Start.Before(begin.Add(-time.Minute)) || m.Start.After(time.Now()) || m.Start.Nanosecond() != 0 || m.Start.Second() != 0 || i > 0 && !minutes[i-1].Start.Before(m.Start) {
				t.Errorf("minute %d begins at %v", i, m.Start)
			}
			got.Accepted += m.Accepted
			got.Duplicates += m.Duplicates
			got.Done += m.Done
			got.Failed += m.Failed
			got.Dead += m.Dead
		}
	}
	if got != want {
		t.Errorf("counted %+v, want %+v", got, want)
	}
	if minutes, err := box.Activity(t.Context(), time.Now().Add(time.Hour)); err != nil || len(minutes) != 0 {
		t.Errorf("to come: %v, %v", minutes, err)
	}
	stats, err = box.Stats(t.Context())
	if err != nil || stats.OldestPending != 0 {
		t.Errorf("nothing is pending: %+v, %v", stats, err)
	}
}
