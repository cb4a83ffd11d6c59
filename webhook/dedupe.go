package webhook

import (
	"context"
	"time"
)

// Deduper remembers which events were handled. Claims, not notes, keep two receivers from handling the same event at once, and a
// failed handler from turning the provider's next attempt into a duplicate.
//
// Implementations are safe for use by many goroutines. An error means that the store could not be asked; the Handler then
// answers 503, or goes on without it if Config.InsecureWithoutDedupe says so. webhooktest.TestDeduper checks an implementation.
type Deduper interface {
	// Claim takes key for the caller unless it was confirmed, or another caller has it. It does not wait for that one. A claim that is
	// neither confirmed nor released within lease may be given to another caller: its holder has died.
	Claim(ctx context.Context, key Key, lease time.Duration) (Claim, error)

	// Confirm ends claim c, which Claim gave as [ClaimTaken]: the event was handled, and Claim returns [ClaimDone] for at least keep. It has no effect
	// when the claim was lost to another caller meanwhile.
	Confirm(ctx context.Context, key Key, c Claim, keep time.Duration) error

	// Release ends claim c, which Claim gave as [ClaimTaken]: the event was not handled, and may be claimed again at once. It has no effect
	// when the claim was lost to another caller meanwhile.
	Release(ctx context.Context, key Key, c Claim) error
}

// Claim is what Deduper.Claim found.
type Claim struct {
	State ClaimState
	Token string // tells this claim from a later one of the same key; empty unless ClaimTaken
}

// ClaimState is the state of a key at the moment of a claim.
type ClaimState uint8

// States of a key.
const (
	ClaimTaken ClaimState = iota + 1 // the caller has it now
	ClaimDone                        // it was confirmed
	ClaimBusy                        // another caller has it
)

// InsecureNoDedupe is a Deduper that remembers nothing: every delivery is handled, a replay too. It fits where OnEvent itself
// does each event once, as package inbox does. Requests that carry the same event at the same time still share one call of OnEvent.
type InsecureNoDedupe struct{}

// Claim always succeeds.
func (InsecureNoDedupe) Claim(context.Context, Key, time.Duration) (Claim, error) {
	return Claim{State: ClaimTaken}, nil
}

// Confirm does nothing.
func (InsecureNoDedupe) Confirm(context.Context, Key, Claim, time.Duration) error { return nil }

// Release does nothing.
func (InsecureNoDedupe) Release(context.Context, Key, Claim) error { return nil }
