// Package inboxtest is the conformance suite that every engine of the inbox must pass, [TestEngine], and what tests of engines need beside it.
//
//	func TestConformance(t *testing.T) {
//		inboxtest.TestEngine(t, inboxtest.Engine[*sql.Tx]{New: func(t *testing.T) inboxtest.Ledger[*sql.Tx] { return open(t) }})
//	}
package inboxtest

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/testwait"
	"github.com/gatehouse-go/gatehouse/webhook"
	"github.com/gatehouse-go/gatehouse/webhook/inbox"
)

// An Engine is what the suite needs to know of one.
type Engine[T any] struct {
	// New returns a Ledger that is empty and of this test alone. It cleans up after itself through t.
	New func(t *testing.T) Ledger[T]

	// Address says where l is, in one word, and At returns the Ledger there, in another process, which is killed. The test binary's
	// TestMain must let [Victim] alone. Where they are nil, no process is killed.
	Address func(l Ledger[T]) string
	At      func(t *testing.T, address string) Ledger[T]

	// Block keeps l from storing anything until unblock is called, which may be called again, or the test ends. Where it is nil, no queue is filled.
	Block func(t *testing.T, l Ledger[T]) (unblock func())

	// NoLine says that each event is sent to a server as it comes, where the others keep it in line for a writer: what comes at once has no order.
	NoLine bool

	// OnDisk returns a Ledger as New does, whose rows are below dir, which has room for little. Where it is nil, no disk is filled.
	OnDisk func(t *testing.T, dir string) Ledger[T]

	// Faulty returns a Ledger as New does, of which the steps fail that f says. Its Open tries again, and its Credits does not fail. Where it is nil,
	// no step fails.
	Faulty func(t *testing.T, f *Faults) Ledger[T]

	// AtLeastOnce says that the engine gives handlers no transaction: what a failed attempt wrote stays written. Its Ledger's Credit then
	// commits by itself, through [inbox.Once], and the suite expects a failed attempt's effect to be there, and a replay to have none again.
	AtLeastOnce bool
}

// A Ledger is one place where an engine keeps events, which outlives the inboxes that are opened over it.
type Ledger[T any] interface {
	// Open opens an inbox over the ledger. The suite closes it with Close.
	Open(t *testing.T, c inbox.Config) Inbox[T]

	// Credit writes one effect for key through a handler's transaction, such as a row in a table of the test; see [Engine].AtLeastOnce.
	Credit(ctx context.Context, tx T, key string) error

	// Credits returns how many effects there are for each key.
	Credits(t *testing.T) map[string]int
}

// Inbox is an engine's inbox with its Close.
type Inbox[T any] interface {
	inbox.Inbox[T]
	Close() error
}

// TestEngine runs the suite that every engine must pass, each test in a subtest with a ledger of its own.
func TestEngine[T any](t *testing.T, e Engine[T]) {
	t.Helper()
	for _, test := range []struct {
		name string
		run  func(t *testing.T, e Engine[T])
	}{
		{"an accepted event has its effect once", acceptOnce[T]},
		{"many producers with repeats", manyProducers[T]},
		{"a failed attempt leaves nothing and runs again", failuresRetry[T]},
		{"failures of every kind", failureKinds[T]},
		{"dead letters wait for an operator", deadLetters[T]},
		{"one after the other within an order key", ordered[T]},
		{"slow work outside the transaction", staged[T]},
		{"what has no handler is kept", ignored[T]},
		{"a paused type is stored and not handled", paused[T]},
		{"a type's rate is held", rates[T]},
		{"lists, cursors and filters", lists[T]},
		{"a delivery comes back as it was", fidelity[T]},
		{"what happened is counted by the minute", activity[T]},
		{"export as JSON lines", exports[T]},
		{"a restart goes on", restarts[T]},
		{"a drain interrupts what takes too long", drains[T]},
		{"one process at a time handles", takesTurns[T]},
		{"what is past its time goes, bodies first", retention[T]},
		{"a closed inbox refuses", closed[T]},
		{"Run under way is not begun again", runsTwice[T]},
		{"a full queue refuses and recovers", fullQueue[T]},
		{"a provider is asked to send again while the queue is full", asksAgain[T]},
		{"a caller that goes leaves nothing half", callerGone[T]},
		{"events that wait together keep their order", keepsOrder[T]},
		{"a full disk refuses and recovers", fullDisk[T]},
		{"killed five times under load, nothing is lost or doubled", killed[T]},
		{"any one step may fail", anyStepMayFail[T]},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, e) })
	}
}

// patience is how long the suite waits for what must happen.
const patience = testwait.Patience

// quick makes retries come at once.
func quick() inbox.Config {
	return inbox.Config{
		Backoff: func(int) time.Duration { return time.Millisecond },
		Logger:  slog.New(slog.DiscardHandler),
	}
}

// Event returns an event with a signed id.
func Event(provider, typ, id string) webhook.Event {
	return webhook.Event{
		Provider: provider, Type: typ, TypeSigned: true, ID: id, IDSigned: true,
		ReceivedAt: time.Now(), Method: http.MethodPost, Body: fmt.Appendf(nil, `{"id":%q}`, id),
		Key: webhook.NewKey(provider, []byte("id"), []byte(id)),
	}
}

// open opens an inbox that is closed when the test ends, after what was started over it has stopped.
func open[T any](t *testing.T, l Ledger[T], c inbox.Config) Inbox[T] {
	t.Helper()
	box := l.Open(t, c)
	t.Cleanup(func() { Close(t, box) })
	return box
}

func accept[T any](t *testing.T, box Inbox[T], events ...webhook.Event) {
	t.Helper()
	for _, e := range events {
		if fresh, err := box.Accept(t.Context(), e); err != nil || !fresh {
			t.Fatalf("Accept %s: fresh %v, %v", e.ID, fresh, err)
		}
	}
}

// credit is a handler that writes one effect.
func credit[T any](l Ledger[T]) inbox.Handler[T] {
	return func(ctx context.Context, tx T, d *inbox.Delivery) error { return l.Credit(ctx, tx, d.IdempotencyKey()) }
}

// await waits until as many deliveries have the status.
func await[T any](t *testing.T, box Inbox[T], status inbox.Status, n int64) {
	t.Helper()
	var stats inbox.Stats
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		var err error
		if stats, err = box.Stats(t.Context()); err != nil {
			t.Fatal(err)
		}
		if stats.Total(status) == n {
			return
		}
	}
	t.Fatalf("%d deliveries are %s, want %d: %+v", stats.Total(status), status, n, stats)
}

// only returns the one delivery of the ledger, with its history.
func only[T any](t *testing.T, box Inbox[T]) (inbox.Delivery, []inbox.Attempt) {
	t.Helper()
	page, err := box.List(t.Context(), inbox.Filter{})
	if err != nil || len(page.Deliveries) != 1 {
		t.Fatalf("%d deliveries, %v", len(page.Deliveries), err)
	}
	d, history, err := box.Get(t.Context(), page.Deliveries[0].ID)
	if err != nil {
		t.Fatal(err)
	}
	return d, history
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
