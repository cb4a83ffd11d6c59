package nats_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/testwait"
	"github.com/gatehouse-go/gatehouse/webhook"
	"github.com/gatehouse-go/gatehouse/webhook/inbox"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/inboxtest"
	natsgo "github.com/nats-io/nats.go"

	"github.com/gatehouse-go/gatehouse/engines/nats"
)

// write stores a message as another program may, on a subject of the stream of l.
func write(t *testing.T, l *ledger, subject, record, payload string) {
	t.Helper()
	m := &natsgo.Msg{Subject: l.stream + subject, Header: natsgo.Header{"Inbox": {record}}, Data: []byte(payload)}
	if _, err := l.js.PublishMsg(t.Context(), m); err != nil {
		t.Fatal(err)
	}
}

// subjectOf returns the subject of a kind that the event of that id has.
func subjectOf(id, kind string) string {
	return ".delivery." + inboxtest.Event("p", "t", id).Key.String() + "." + kind
}

// An event is acknowledged only when the index has it, and a repeat is acknowledged also when it cannot be counted.
func TestARepeatOfWhatCannotBeRead(t *testing.T) {
	t.Parallel()
	l := newLedger(t, running(t))
	box := l.open(t, quick())
	defer box.Close()
	accepted(t, box, "uncounted")
	write(t, l, subjectOf("uncounted", "repeats"), "many", "")
	write(t, l, subjectOf("unreadable", "event"), "what", "")
	ended := make(chan error, 1)
	go func() {
		_, err := box.Accept(t.Context(), inboxtest.Event("p", "t", "unreadable"))
		ended <- err
	}()
	if fresh, err := box.Accept(t.Context(), inboxtest.Event("p", "t", "uncounted")); fresh || err != nil {
		t.Errorf("a repeat that cannot be counted: fresh %v, %v", fresh, err)
	}
	if err := testwait.For(t, "an answer", ended); !errors.Is(err, webhook.ErrUnavailable) {
		t.Errorf("an event whose subject has something else: %v", err)
	}
}

func TestAnEventThatCannotBeWrittenIsRefused(t *testing.T) {
	l := newLedger(t, running(t))
	box := l.open(t, quick())
	defer box.Close()
	e := inboxtest.Event("p", "t", "1")
	e.ReceivedAt = time.Date(10_000, 1, 1, 0, 0, 0, 0, time.UTC) // which RFC 3339 cannot say
	if fresh, err := box.Accept(t.Context(), e); fresh || err == nil || errors.Is(err, webhook.ErrUnavailable) {
		t.Errorf("fresh %v, %v", fresh, err)
	}
}

// Get and Export report a message that is not as it was written, and show nothing of it.
func TestAnEventThatWasOverwrittenIsReported(t *testing.T) {
	l := newLedger(t, running(t))
	box := l.open(t, quick())
	defer box.Close()
	for _, row := range []struct{ what, record, payload string }{
		{"its record is none", "{", "x"},
		{"its body is longer than the message", `{"body":2}`, "x"},
		{"its body has fewer bytes than none", `{"body":-1}`, "x"},
		{"its request is none", `{"body":1}`, "xy"},
	} {
		id := accepted(t, box, row.what)
		write(t, l, subjectOf(row.what, "event"), row.record, row.payload)
		if d, _, err := box.Get(t.Context(), id); err == nil || len(d.Event.Body) > 0 {
			t.Errorf("%s: %+v", row.what, d)
		}
		if err := box.Export(t.Context(), io.Discard, inbox.Filter{EventID: row.what}); err == nil {
			t.Errorf("%s: Export reports nothing", row.what)
		}
	}
}

// A state that this version cannot read is not decided about.
func TestAStateThatCannotBeReadIsNotDecidedAbout(t *testing.T) {
	l := newLedger(t, running(t))
	box := l.open(t, quick())
	defer box.Close()
	id := accepted(t, box, "1")
	write(t, l, subjectOf("1", "state"), "what", "")
	if n, err := box.Discard(t.Context(), inbox.Selection{IDs: []int64{id}}, ann); n != 0 || !errors.Is(err, inbox.ErrStatus) {
		t.Errorf("%d discarded, %v", n, err)
	}
}

// A delivery whose history somebody else has overwritten is a dead letter, whether it waits for an attempt or was in the hand of a process that is gone;
// those beside it go on, and an operator may decide about it.
func TestAHistoryThatCannotBeReadIsOfADeadLetter(t *testing.T) {
	l := newLedger(t, running(t))
	box := l.open(t, quick())
	defer box.Close()
	if err := box.Handle("p", "t", crediting(l)); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct{ id, state, history string }{ // what is taken up is so from the newest on
		{"taken up", `{"status":"running","attempts":1,"tries":1}`, ""},
		{"lost in hand", `{"status":"running","attempts":1,"tries":1}`, "no JSON"},
		{"lost in line", `{"status":"pending","attempts":1,"tries":1}`, `{"no":"list"}`},
		{"given up", `{"status":"pending","attempts":1,"tries":1}`, "no JSON"},
	} {
		accepted(t, box, row.id)
		write(t, l, subjectOf(row.id, "state"), row.state, row.history)
	}
	accepted(t, box, "well")
	find := func(id string) inbox.Delivery {
		page, err := box.List(t.Context(), inbox.Filter{EventID: id})
		if err != nil || len(page.Deliveries) != 1 {
			t.Fatalf("%s: %+v, %v", id, page, err)
		}
		return page.Deliveries[0]
	}
	eventually(t, "the states", func() bool { return find("given up").Attempts == 1 })
	if n, err := box.Discard(t.Context(), inbox.Selection{IDs: []int64{find("given up").ID}}, ann); n != 1 || err != nil {
		t.Errorf("%d discarded, %v", n, err)
	}
	stop := inboxtest.Start(t, box)
	if stats := inboxtest.Quiet(t, box); stats.Total(inbox.Dead) != 2 || stats.Total(inbox.Done) != 2 || stats.Total(inbox.Discarded) != 1 {
		t.Errorf("%+v", stats)
	}
	stop()
	for _, row := range []struct {
		id     string
		status inbox.Status
		lost   bool
	}{{"taken up", inbox.Done, false}, {"lost in hand", inbox.Dead, true}, {"lost in line", inbox.Dead, true}, {"given up", inbox.Discarded, true}, {"well", inbox.Done, false}} {
		d, history, err := box.Get(t.Context(), find(row.id).ID)
		if err != nil || d.Status != row.status || len(history) == 0 {
			t.Errorf("%s: %s, %+v, %v", row.id, d.Status, history, err)
			continue
		}
		if lost := history[0].Result == inbox.ResultFailed && strings.Contains(history[0].Error, "a message cannot be read: the history"); lost != row.lost {
			t.Errorf("%s: %+v", row.id, history[0])
		}
	}
	if n, err := box.Replay(t.Context(), inbox.Selection{Filter: inbox.Filter{Status: inbox.Dead}}, ann); n != 2 || err != nil {
		t.Errorf("%d replayed, %v", n, err)
	}
	inboxtest.Start(t, box)
	if stats := inboxtest.Quiet(t, box); stats.Total(inbox.Done) != 4 {
		t.Errorf("after a replay: %+v", stats)
	}
	eventually(t, "the counts", func() bool {
		minutes, err := box.Activity(t.Context(), time.Now().Add(-time.Hour))
		dead := int64(0)
		for _, m := range minutes {
			dead += m.Dead
		}
		return err == nil && dead == 2
	})
}

// Pauses are listed by provider and type, and a replayed delivery stands before the one that waited for it.
func TestPausesAndLinesAreInOrder(t *testing.T) {
	l := newLedger(t, running(t))
	c := quick()
	c.OrderBy = func(webhook.Event) string { return "one line" }
	box := l.open(t, c)
	defer box.Close()
	for _, of := range [][2]string{{"p", "b"}, {"o", "z"}, {"p", "a"}} {
		if err := box.Pause(t.Context(), of[0], of[1], ann); err != nil {
			t.Fatal(err)
		}
	}
	first := discarded(t, box, "1")
	second := accepted(t, box, "2")
	if n, err := box.Replay(t.Context(), inbox.Selection{IDs: []int64{first}}, ann); n != 1 || err != nil {
		t.Fatalf("%d replayed, %v", n, err)
	}
	stats, err := box.Stats(t.Context())
	if err != nil || len(stats.Paused) != 3 {
		t.Fatalf("%+v, %v", stats, err)
	}
	for i, want := range []string{"o z", "p a", "p b"} {
		if got := stats.Paused[i]; got.Provider+" "+got.Type != want {
			t.Errorf("pause %d is %+v, want %s", i, got, want)
		}
	}
	for id, want := range map[int64]inbox.Status{first: inbox.Pending, second: inbox.Waiting} {
		if d, _, err := box.Get(t.Context(), id); err != nil || d.Status != want {
			t.Errorf("delivery %d is %s, %v, want %s", id, d.Status, err, want)
		}
	}
}

func TestTheStreamHasANameWithoutConfiguration(t *testing.T) {
	s := running(t)
	js := connect(t, s)
	box, err := nats.Open(t.Context(), js, nats.Config{Replicas: 1, InsecureFewReplicas: true})
	if err != nil {
		t.Fatal(err)
	}
	defer box.Close()
	if _, err := js.Stream(t.Context(), "INBOX"); err != nil {
		t.Error(err)
	}
}

// held runs a delivery whose handler waits until it is interrupted.
func held(t *testing.T, box *nats.Inbox) (interrupted chan struct{}) {
	t.Helper()
	begun := make(chan struct{}, 10)
	interrupted = make(chan struct{}, 10)
	if err := box.Handle("p", "t", func(ctx context.Context, _ nats.NoTx, d *inbox.Delivery) error {
		if d.Attempts > 1 {
			return nil
		}
		begun <- struct{}{}
		<-ctx.Done()
		interrupted <- struct{}{}
		return ctx.Err()
	}); err != nil {
		t.Fatal(err)
	}
	accepted(t, box, "1")
	inboxtest.Start(t, box)
	testwait.For(t, "the first attempt", begun)
	return interrupted
}

// leaseOf returns the number and the record of the lease's message.
func leaseOf(t *testing.T, l *ledger) (seq uint64, record string) {
	t.Helper()
	stream, err := l.js.Stream(t.Context(), l.stream)
	if err != nil {
		t.Fatal(err)
	}
	m, err := stream.GetLastMsgForSubject(t.Context(), l.stream+".lease")
	if err != nil {
		t.Fatal(err)
	}
	return m.Sequence, m.Header.Get("Inbox")
}

// A process whose lease another has taken interrupts what it has in hand, and goes on when the other gives the lease back.
func TestALeaseThatAnotherHasTakenIsLost(t *testing.T) {
	t.Parallel()
	l := newLedger(t, running(t))
	c := quick()
	c.DrainTimeout = time.Millisecond
	box := l.open(t, c)
	defer box.Close()
	interrupted := held(t, box)
	write(t, l, ".lease", `{"owner":"another"}`, "")
	testwait.For(t, "an interruption", interrupted)
	write(t, l, ".lease", `{"owner":""}`, "")
	if stats := inboxtest.Quiet(t, box); stats.Total(inbox.Done) != 1 {
		t.Errorf("%+v", stats)
	}
}

// A renewal whose answer was lost is known again as this process's own: it keeps the lease.
func TestALeaseThatWasRenewedUnheardIsKept(t *testing.T) {
	t.Parallel()
	l := newLedger(t, running(t))
	c := quick()
	c.DrainTimeout = time.Millisecond
	log := &text{}
	c.Logger = slog.New(slog.NewTextHandler(log, nil))
	box := l.open(t, c)
	defer box.Close()
	interrupted := held(t, box)
	_, own := leaseOf(t, l)
	write(t, l, ".lease", own, "")
	unheard, _ := leaseOf(t, l)
	eventually(t, "a renewal after it", func() bool {
		seq, record := leaseOf(t, l)
		return seq > unheard && record == own
	})
	select {
	case <-interrupted:
		if !log.contains("the lease could not be renewed") { // as it is when nothing was done for so long on this machine
			t.Errorf("what was in hand is interrupted: %s", log)
		}
	default:
	}
}

// text is what was written. It is safe for use by many goroutines.
type text struct {
	mu sync.Mutex
	strings.Builder
}

func (t *text) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.Builder.Write(p)
}

func (t *text) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.Builder.String()
}

func (t *text) contains(what string) bool { return strings.Contains(t.String(), what) }
