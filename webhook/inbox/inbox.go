package inbox

import (
	"context"

	"github.com/gatehouse-go/gatehouse/webhook"
)

// Inbox is a ledger with the workers over it. T is the transaction that handlers are given, such as [*sql.Tx].
type Inbox[T any] interface {
	Accepter
	Browser
	Operator

	// Handle registers h for the events of a provider whose type fits typ, by the rules of [webhook.Mux]: a * stands for one or more
	// characters, the pattern with the most others wins, and "*" fits every type but the empty one, which is "". Register
	// before Run. An empty provider means every provider that has no fitting pattern of its own. It returns an error for
	// a nil h and for a pattern that is registered already.
	Handle(provider, typ string, h Handler[T]) error

	// HandleStaged registers s like Handle. Use it for work that waits for others: the transaction begins when s has returned.
	HandleStaged(provider, typ string, s Staged[T]) error

	// Run handles events until ctx ends, then lets those in hand finish within [Config.DrainTimeout]. It returns nil after a clean end.
	// Where another process already runs the same ledger it waits for its turn.
	Run(ctx context.Context) error
}

// Accepter stores events.
type Accepter interface {
	// Accept returns when e is on disk, or with an error when it is not known to be. fresh is false when the ledger has
	// the event already. An error that wraps [webhook.ErrUnavailable] asks the provider to send again. When ctx ends
	// first, the event may have been stored or not; sending it again is safe in both cases.
	Accept(ctx context.Context, e webhook.Event) (fresh bool, err error)
}

// Receive returns the function that stores each event in a, for [webhook.Config].OnEvent. The inbox knows duplicates by itself, for
// longer than a memory does: set [webhook.Config].Dedupe to [webhook.InsecureNoDedupe].
func Receive(a Accepter) func(context.Context, webhook.Event) error {
	return func(ctx context.Context, e webhook.Event) error {
		_, err := a.Accept(ctx, e)
		return err
	}
}

// A Handler has the effect of one event. Its writes through tx and the mark "done" are committed together when it returns nil; any
// error or panic, and a deadline that passes, roll them back. It must not end tx itself. ctx has the deadline of
// [Config.HandlerTimeout].
//
// With an engine that has one writer, such as SQLite, other writes wait while a handler runs: use [Staged] for slow work.
type Handler[T any] func(ctx context.Context, tx T, d *Delivery) error

// A Staged does the slow part of handling one event, without a transaction, and returns the quick part, which gets one. It may return a
// nil Handler when there is nothing to write. The slow part may happen more than once.
type Staged[T any] func(ctx context.Context, d *Delivery) (Handler[T], error)
