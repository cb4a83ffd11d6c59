package inbox

import (
	"time"

	"github.com/gatehouse-go/gatehouse/webhook"
)

// Status is where a delivery stands.
type Status string

// Statuses.
const (
	Pending   Status = "pending"   // to be handled when it is due
	Waiting   Status = "waiting"   // behind an earlier one with the same order key
	Running   Status = "running"   // being handled
	Done      Status = "done"      // handled
	Ignored   Status = "ignored"   // no handler was registered for it; a replay tries again
	Dead      Status = "dead"      // failed for good: a dead letter
	Discarded Status = "discarded" // given up by an operator
)

// Statuses returns every Status, in the order of a delivery's life.
func Statuses() []Status {
	return []Status{Pending, Waiting, Running, Done, Ignored, Dead, Discarded}
}

// A Delivery is one stored event and what happened to it.
type Delivery struct {
	ID    int64 // number in the ledger; later events have larger ones
	Event webhook.Event

	Status     Status
	Attempts   int       // how often it was begun
	OrderKey   string    // events with the same key are handled one after the other; empty means alone
	DueAt      time.Time // when it is to be handled, while it is pending
	AcceptedAt time.Time // when it was stored, by the ledger's clock
	EndedAt    time.Time // when it became done, ignored, dead or discarded; zero before
	Duplicates int       // how often the provider sent it again
	Error      string    // of the last attempt that failed
	Purged     bool      // the body and header are gone: see Retention
}

// IdempotencyKey names d's event for services that take an idempotency key: the same text in every attempt and replay, and different for
// every other event.
func (d *Delivery) IdempotencyKey() string { return d.Event.Key.String() }

// An Attempt is one run of a delivery's handler, or one decision of an operator about it.
type Attempt struct {
	Number int       // 1 for the first run; 0 for an operator's decision
	At     time.Time // when it began
	Took   time.Duration
	Result Result
	Error  string // why it failed, or why the operator decided so
	Stack  string // of a panic
	By     string // who decided, for an operator's decision
}

// Result is how an Attempt ended.
type Result string

// Results.
const (
	ResultSucceeded   Result = "succeeded"
	ResultFailed      Result = "failed"
	ResultInterrupted Result = "interrupted" // the process ended while it ran
	ResultReplayed    Result = "replayed"    // an operator made it pending again
	ResultDiscarded   Result = "discarded"   // an operator discarded it
)
