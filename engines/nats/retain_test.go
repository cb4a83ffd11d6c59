package nats_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook/inbox"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/inboxtest"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/gatehouse-go/gatehouse/engines/nats"
)

var ann = inbox.Reason{By: "ann", Why: "to see"}

// accepted accepts an event and returns its delivery's number.
func accepted(t *testing.T, box *nats.Inbox, id string) int64 {
	t.Helper()
	if fresh, err := box.Accept(t.Context(), inboxtest.Event("p", "t", id)); !fresh || err != nil {
		t.Fatalf("event %s: fresh %v, %v", id, fresh, err)
	}
	page, err := box.List(t.Context(), inbox.Filter{EventID: id})
	if err != nil || len(page.Deliveries) != 1 {
		t.Fatalf("event %s: %+v, %v", id, page, err)
	}
	return page.Deliveries[0].ID
}

// discarded accepts an event and discards it.
func discarded(t *testing.T, box *nats.Inbox, id string) int64 {
	t.Helper()
	n := accepted(t, box, id)
	if changed, err := box.Discard(t.Context(), inbox.Selection{IDs: []int64{n}}, ann); changed != 1 || err != nil {
		t.Fatalf("discarded %d, %v", changed, err)
	}
	return n
}

// change changes the configuration of the stream of l.
func change(t *testing.T, l *ledger, by func(*jetstream.StreamConfig)) {
	t.Helper()
	c := sound(l.stream)
	by(&c)
	if _, err := l.js.UpdateStream(t.Context(), c); err != nil {
		t.Fatal(err)
	}
}

// tight makes the stream refuse every message.
func tight(c *jetstream.StreamConfig) { c.MaxMsgSize = 1 }

// messages returns how many messages the stream has on a subject.
func messages(t *testing.T, l *ledger, subject string) (n uint64) {
	t.Helper()
	stream, err := l.js.Stream(t.Context(), l.stream)
	if err != nil {
		t.Fatal(err)
	}
	info, err := stream.Info(t.Context(), jetstream.WithSubjectFilter(l.stream+subject))
	if err != nil {
		t.Fatal(err)
	}
	for _, on := range info.State.Subjects {
		n += on
	}
	return n
}

// Moments at which something more is past its time, with what keeping returns.
const (
	afterBody    = 10 * time.Minute
	afterKey     = 2 * time.Hour
	afterMark    = 26 * time.Hour
	afterMinutes = 9 * 24 * time.Hour
)

func keeping() inbox.Config {
	c := quick()
	c.KeepBodies, c.KeepKeys = time.Minute, time.Hour
	return c
}

// Each step of what is removed, by the messages that the stream has then.
func TestWhatIsPastItsTimeGoesStepByStep(t *testing.T) {
	l := newLedger(t, running(t))
	box := l.open(t, keeping())
	defer box.Close()
	id := discarded(t, box, "1")
	eventually(t, "a stored count", func() bool { return messages(t, l, ".minute.>") > 0 })
	for _, row := range []struct {
		when                   string
		after                  time.Duration
		delivery, gone, minute uint64
		purged                 bool
	}{
		{"nothing is past its time", 0, 2, 0, 1, false},
		{"the body is", afterBody, 2, 0, 1, true},
		{"the key is: it is forgotten, and the mark stays for other processes", afterKey, 0, 1, 1, true},
		{"nothing more is", afterKey, 0, 1, 1, true},
		{"the mark is", afterMark, 0, 0, 1, true},
		{"the counts are", afterMinutes, 0, 0, 0, true},
	} {
		if err := nats.Purge(box, t.Context(), time.Now().Add(row.after)); err != nil {
			t.Fatalf("%s: %v", row.when, err)
		}
		if d, g := messages(t, l, ".delivery.>"), messages(t, l, ".gone.>"); d != row.delivery || g != row.gone {
			t.Errorf("%s: %d messages of deliveries and %d marks, want %d and %d", row.when, d, g, row.delivery, row.gone)
		}
		if m := messages(t, l, ".minute.>"); m < row.minute || row.minute == 0 && m > 0 {
			t.Errorf("%s: %d minutes", row.when, m)
		}
		d, _, err := box.Get(t.Context(), id)
		if row.delivery == 0 {
			if !errors.Is(err, inbox.ErrNotFound) {
				t.Errorf("%s: %v", row.when, err)
			}
		} else if err != nil || d.Purged != row.purged || (len(d.Event.Body) == 0) != row.purged {
			t.Errorf("%s: %+v, %v", row.when, d, err)
		}
	}
}

// What cannot be removed is reported, and tried again.
func TestRemovingReportsWhatTheServerRefuses(t *testing.T) {
	t.Parallel()
	deny := func(c *jetstream.StreamConfig) { c.DenyPurge = true }
	for _, row := range []struct {
		what   string
		before time.Duration // what has been removed before the server refuses
		refuse func(*jetstream.StreamConfig)
		after  time.Duration
		mend   bool
	}{
		{"the message in the place of a body", 0, tight, afterBody, true},
		{"the mark of forgotten keys", afterBody, tight, afterKey, true},
		{"the messages of forgotten keys", 0, deny, afterKey, false},
		{"a mark whose time is over", afterKey, deny, afterMark, false},
		{"counts by the minute", 0, deny, afterMinutes, false},
	} {
		t.Run(row.what, func(t *testing.T) {
			t.Parallel()
			l := newLedger(t, running(t))
			box := l.open(t, keeping())
			defer box.Close()
			if row.after == afterMinutes {
				accepted(t, box, "1")
			} else {
				discarded(t, box, "1")
			}
			eventually(t, "a stored count", func() bool {
				minutes, err := box.Activity(t.Context(), time.Now().Add(-time.Hour))
				return err == nil && len(minutes) > 0
			})
			if err := nats.Purge(box, t.Context(), time.Now().Add(row.before)); err != nil {
				t.Fatal(err)
			}
			change(t, l, row.refuse)
			if err := nats.Purge(box, t.Context(), time.Now().Add(row.after)); err == nil {
				t.Error("no error")
			}
			if !row.mend { // a server never allows again what it was told to deny
				return
			}
			change(t, l, func(*jetstream.StreamConfig) {})
			if err := nats.Purge(box, t.Context(), time.Now().Add(row.after)); err != nil {
				t.Errorf("when it takes messages again: %v", err)
			}
		})
	}
}

// The message that is left of an event without body comes after younger events: a process that reads the stream puts them in order.
func TestWhatIsLeftOfAnEventKeepsItsPlace(t *testing.T) {
	l := newLedger(t, running(t))
	box := l.open(t, keeping())
	defer box.Close()
	first := discarded(t, box, "1")
	second := accepted(t, box, "2")
	if err := nats.Purge(box, t.Context(), time.Now().Add(afterBody)); err != nil {
		t.Fatal(err)
	}
	again := l.open(t, quick())
	defer again.Close()
	page, err := again.List(t.Context(), inbox.Filter{})
	if err != nil || len(page.Deliveries) != 2 || page.Deliveries[0].ID != second || page.Deliveries[1].ID != first || !page.Deliveries[1].Purged {
		t.Errorf("%+v, %v, want %d and %d", page, err, second, first)
	}
}

// Marks that name what is not there, what is still to be handled, or nothing that is a key, forget nothing else.
func TestAMarkForgetsNothingThatIsToBeHandled(t *testing.T) {
	l := newLedger(t, running(t))
	box := l.open(t, quick())
	defer box.Close()
	id := accepted(t, box, "1")
	stray, unknown, pending := inboxtest.Event("p", "t", "stray").Key.String(), inboxtest.Event("p", "t", "no").Key.String(), inboxtest.Event("p", "t", "1").Key.String()
	write(t, l, ".delivery."+stray+".state", `{"status":"done"}`, "")
	write(t, l, ".gone.x", `{"keys":["`+stray+`","`+unknown+`","`+pending+`","zz"]}`, "")
	if err := errors.Join(box.Health(t.Context()), nats.Purge(box, t.Context(), time.Now())); err != nil {
		t.Fatal(err)
	}
	if d, _, err := box.Get(t.Context(), id); err != nil || d.Status != inbox.Pending {
		t.Errorf("%+v, %v", d, err)
	}
	eventually(t, "no message without an event", func() bool {
		if err := nats.Purge(box, t.Context(), time.Now()); err != nil {
			t.Fatal(err)
		}
		return messages(t, l, ".delivery."+stray+".>") == 0
	})
	if n := messages(t, l, ".delivery."+pending+".event"); n != 1 {
		t.Errorf("%d messages of the event that is pending", n)
	}
}

func TestAClosedInboxRefusesEverything(t *testing.T) {
	l := newLedger(t, running(t))
	box := l.open(t, quick())
	if err := errors.Join(box.Close(), box.Close()); err != nil {
		t.Fatal(err)
	}
	for what, ask := range map[string]func(ctx context.Context) error{
		"Accept":   func(ctx context.Context) error { _, err := box.Accept(ctx, inboxtest.Event("p", "t", "1")); return err },
		"List":     func(ctx context.Context) error { _, err := box.List(ctx, inbox.Filter{}); return err },
		"Get":      func(ctx context.Context) error { _, _, err := box.Get(ctx, 1); return err },
		"Stats":    func(ctx context.Context) error { _, err := box.Stats(ctx); return err },
		"Activity": func(ctx context.Context) error { _, err := box.Activity(ctx, time.Time{}); return err },
		"Replay by number": func(ctx context.Context) error {
			_, err := box.Replay(ctx, inbox.Selection{IDs: []int64{1}}, ann)
			return err
		},
		"Discard by filter": func(ctx context.Context) error {
			_, err := box.Discard(ctx, inbox.Selection{Filter: inbox.Filter{Provider: "p"}}, ann)
			return err
		},
		"Health":       box.Health,
		"what removes": func(ctx context.Context) error { return nats.Purge(box, ctx, time.Now()) },
	} {
		if err := ask(t.Context()); !errors.Is(err, inbox.ErrClosed) {
			t.Errorf("%s: %v", what, err)
		}
	}
}
