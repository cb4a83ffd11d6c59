package engine

import (
	"errors"
	"fmt"
	"slices"

	"github.com/gatehouse-go/gatehouse/webhook/inbox"
)

// Step is how many deliveries are looked at in one go where a filter selects any number.
const Step = 200

// A Decision is what an operator does to deliveries.
type Decision struct {
	To     inbox.Status
	Result inbox.Result // in the history

	from      []inbox.Status
	needsBody bool
}

// Replay returns the Decision of [inbox.Operator].Replay.
func Replay() Decision {
	return Decision{
		To: inbox.Pending, Result: inbox.ResultReplayed, from: []inbox.Status{inbox.Done, inbox.Ignored, inbox.Dead, inbox.Discarded}, needsBody: true,
	}
}

// Discard returns the Decision of [inbox.Operator].Discard.
func Discard() Decision {
	return Decision{To: inbox.Discarded, Result: inbox.ResultDiscarded, from: []inbox.Status{inbox.Pending, inbox.Waiting, inbox.Dead, inbox.Ignored}}
}

// check says why k cannot be made about d.
func (k Decision) check(d Row) error {
	switch {
	case !slices.Contains(k.from, d.Status):
		return fmt.Errorf("%w: delivery %d is %s", inbox.ErrStatus, d.ID, d.Status)
	case k.needsBody && d.Purged:
		return fmt.Errorf("%w: delivery %d", inbox.ErrPurged, d.ID)
	}
	return nil
}

// Make makes k about what s selects, and returns how many deliveries it changed. ascend calls each with what a filter selects, in steps, oldest
// first; decide makes k about a few in one commit, by [Decision.Choose].
func (k Decision) Make(
	s inbox.Selection, why inbox.Reason, ascend func(f inbox.Filter, each func([]Row) error) error, decide func(ids []int64, named bool) (int64, error),
) (changed int64, err error) {
	if err := errors.Join(s.Check(), why.Check()); err != nil {
		return 0, err
	}
	if len(s.IDs) > 0 {
		for ids := range slices.Chunk(slices.Compact(slices.Sorted(slices.Values(s.IDs))), Step) {
			n, err := decide(ids, true)
			changed += n
			if err != nil {
				return changed, err
			}
		}
		return changed, nil
	}
	err = ascend(s.Filter, func(rows []Row) error {
		var ids []int64
		for _, r := range rows {
			if k.check(r) == nil {
				ids = append(ids, r.ID)
			}
		}
		if len(ids) == 0 {
			return nil
		}
		n, err := decide(ids, false)
		changed += n
		return err
	})
	return changed, err
}

// Choose returns those of ids, as they were found and locked, about which k is made. Where they are named it is about all of them or none, and
// refused says why none.
func (k Decision) Choose(ids []int64, found map[int64]Row, named bool) (chosen []Row, refused error) {
	for _, id := range ids {
		d, ok := found[id]
		why := inbox.ErrNotFound
		if ok {
			why = k.check(d)
		}
		if why == nil {
			chosen = append(chosen, d)
		} else if named {
			refused = errors.Join(refused, why)
		}
	}
	if refused != nil {
		return nil, refused
	}
	return chosen, nil
}
