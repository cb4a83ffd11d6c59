package sqlite

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook/inbox"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/engine"
)

// Replay implements [inbox.Operator].
func (b *Inbox) Replay(ctx context.Context, s inbox.Selection, why inbox.Reason) (int64, error) {
	return b.decide(ctx, s, why, decision{
		from: []inbox.Status{inbox.Done, inbox.Ignored, inbox.Dead, inbox.Discarded}, to: inbox.Pending, result: inbox.Replayed, needsBody: true,
	})
}

// Discard implements [inbox.Operator].
func (b *Inbox) Discard(ctx context.Context, s inbox.Selection, why inbox.Reason) (int64, error) {
	return b.decide(ctx, s, why, decision{
		from: []inbox.Status{inbox.Pending, inbox.Waiting, inbox.Dead, inbox.Ignored}, to: inbox.Discarded, result: inbox.GivenUp,
	})
}

// decision is what an operator does to a delivery.
type decision struct {
	from      []inbox.Status
	to        inbox.Status
	result    inbox.Result
	needsBody bool
}

// check says why the decision cannot be made about d.
func (k decision) check(d row) error {
	switch {
	case !slices.Contains(k.from, d.Status):
		return fmt.Errorf("%w: delivery %d is %s", inbox.ErrStatus, d.ID, d.Status)
	case k.needsBody && d.Purged:
		return fmt.Errorf("%w: delivery %d", inbox.ErrPurged, d.ID)
	}
	return nil
}

func (b *Inbox) decide(ctx context.Context, s inbox.Selection, why inbox.Reason, k decision) (changed int64, err error) {
	if err := errors.Join(s.Check(), why.Check()); err != nil {
		return 0, err
	}
	if len(s.IDs) > 0 {
		for ids := range slices.Chunk(slices.Compact(slices.Sorted(slices.Values(s.IDs))), step) {
			n, err := b.decideStep(ctx, ids, why, k, true)
			changed += n
			if err != nil {
				return changed, err
			}
		}
		return changed, nil
	}
	err = b.ascend(ctx, s.Filter, briefDelivery, scanBrief, func(rows []row) error {
		var ids []int64
		for _, r := range rows {
			if k.check(r) == nil {
				ids = append(ids, r.ID)
			}
		}
		n, err := b.decideStep(ctx, ids, why, k, false)
		changed += n
		return err
	})
	return changed, err
}

// decideStep decides about a few deliveries in one commit: all of them where named is true, else those that still allow it.
func (b *Inbox) decideStep(ctx context.Context, ids []int64, why inbox.Reason, k decision, named bool) (changed int64, err error) {
	if len(ids) == 0 {
		return 0, nil
	}
	woken := map[engine.Lane]bool{}
	var refused error
	err = b.do(ctx, func(ctx context.Context, s *session, t tally) error {
		changed, refused = 0, nil
		deliveries := make([]row, 0, len(ids))
		for _, id := range ids {
			rows, err := s.query(ctx, "SELECT "+briefDelivery+" FROM inbox_deliveries WHERE id = ?", id)
			if err != nil {
				return err
			}
			found, err := scanAll(rows, scanBrief)
			if err != nil {
				return err
			}
			why := inbox.ErrNotFound
			if len(found) == 1 {
				why = k.check(found[0])
			}
			if why != nil {
				refused = errors.Join(refused, why)
				continue
			}
			deliveries = append(deliveries, found[0])
		}
		if named && refused != nil {
			return nil //nolint:nilerr // all or none: refused is the caller's, the transaction is well
		}
		now := time.Now()
		for _, d := range deliveries {
			if err := b.decideOne(ctx, s, t, d, now, why, k, woken); err != nil {
				return err
			}
			changed++
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	for l := range woken {
		b.lanes.Wake(l)
	}
	if named {
		return changed, refused
	}
	return changed, nil
}

func (b *Inbox) decideOne(ctx context.Context, s *session, t tally, d row, now time.Time, why inbox.Reason, k decision, woken map[engine.Lane]bool) error {
	ended := now
	if k.to == inbox.Pending {
		ended = time.Time{}
	}
	endedMillis := int64(0)
	if !ended.IsZero() {
		endedMillis = millis(ended)
	}
	if _, err := s.exec(ctx, "UPDATE inbox_deliveries SET status = ?, tries = 0, due_at = ?, ended_at = ? WHERE id = ?",
		string(k.to), millis(now), endedMillis, d.ID); err != nil {
		return err
	}
	own := engine.Lane{Provider: d.Event.Provider, Type: d.Event.Type}
	t.move(own, d.Status, k.to)
	if err := (attempt{at: now, result: k.result, error: why.Why, by: why.By}).write(ctx, s, d.ID); err != nil {
		return err
	}
	if k.to == inbox.Pending {
		woken[own] = true
		return nil
	}
	next, wake, err := promote(ctx, s, t, d.OrderKey, now)
	if wake {
		woken[next] = true
	}
	return err
}

// Pause implements [inbox.Operator].
func (b *Inbox) Pause(ctx context.Context, provider, typ string, why inbox.Reason) error {
	if err := why.Check(); err != nil {
		return err
	}
	err := b.do(ctx, func(ctx context.Context, s *session, _ tally) error {
		_, err := s.exec(ctx, `INSERT INTO inbox_paused (provider, type, since, by, why) VALUES (?, ?, ?, ?, ?)
			ON CONFLICT (provider, type) DO UPDATE SET since = excluded.since, by = excluded.by, why = excluded.why`,
			provider, typ, millis(time.Now()), why.By, why.Why)
		return err
	})
	if err != nil {
		return err
	}
	return b.look(ctx)
}

// Resume implements [inbox.Operator].
func (b *Inbox) Resume(ctx context.Context, provider, typ string) error {
	err := b.do(ctx, func(ctx context.Context, s *session, _ tally) error {
		_, err := s.exec(ctx, "DELETE FROM inbox_paused WHERE provider = ? AND type = ?", provider, typ)
		return err
	})
	if err != nil {
		return err
	}
	if err := b.look(ctx); err != nil {
		return err
	}
	b.lanes.Wake(engine.Lane{Provider: provider, Type: typ})
	return nil
}
