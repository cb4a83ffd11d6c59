package sqlite

import (
	"context"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook/inbox"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/engine"
)

// Replay implements [inbox.Operator].
func (b *Inbox) Replay(ctx context.Context, s inbox.Selection, why inbox.Reason) (int64, error) {
	return b.decide(ctx, s, why, engine.Replay())
}

// Discard implements [inbox.Operator].
func (b *Inbox) Discard(ctx context.Context, s inbox.Selection, why inbox.Reason) (int64, error) {
	return b.decide(ctx, s, why, engine.Discard())
}

func (b *Inbox) decide(ctx context.Context, s inbox.Selection, why inbox.Reason, k engine.Decision) (changed int64, err error) {
	ascend := func(f inbox.Filter, each func([]engine.Row) error) error {
		return b.ascend(ctx, f, briefDelivery, scanBrief, each)
	}
	return k.Make(s, why, ascend, func(ids []int64, named bool) (int64, error) { return b.decideStep(ctx, ids, why, k, named) })
}

// decideStep decides about a few deliveries in one commit.
func (b *Inbox) decideStep(ctx context.Context, ids []int64, why inbox.Reason, k engine.Decision, named bool) (int64, error) {
	type step struct {
		changed int64
		woken   map[engine.Lane]bool
		refused error
	}
	done, err := ask(ctx, b, func(ctx context.Context, s *session, t tally) (step, error) {
		now := step{woken: map[engine.Lane]bool{}}
		found := map[int64]engine.Row{}
		for _, id := range ids {
			rows, err := s.query(ctx, "SELECT "+briefDelivery+" FROM inbox_deliveries WHERE id = ?", id)
			if err != nil {
				return now, err
			}
			all, err := scanAll(rows, scanBrief)
			if err != nil {
				return now, err
			}
			for _, d := range all {
				found[d.ID] = d
			}
		}
		var chosen []engine.Row
		chosen, now.refused = k.Choose(ids, found, named) // which is the caller's: the transaction is well
		at := time.Now()
		for _, d := range chosen {
			if err := decideOne(ctx, s, t, d, at, why, k, now.woken); err != nil {
				return now, err
			}
			now.changed++
		}
		return now, nil
	})
	if err != nil {
		return 0, err
	}
	for l := range done.woken {
		b.lanes.Wake(l)
	}
	return done.changed, done.refused
}

func decideOne(ctx context.Context, s *session, t tally, d engine.Row, now time.Time, why inbox.Reason, k engine.Decision, woken map[engine.Lane]bool) error {
	ended := int64(0)
	if k.To != inbox.Pending {
		ended = millis(now)
	}
	if _, err := s.exec(ctx, "UPDATE inbox_deliveries SET status = ?, tries = 0, due_at = ?, ended_at = ? WHERE id = ?",
		string(k.To), millis(now), ended, d.ID); err != nil {
		return err
	}
	t.Move(d.Lane(), d.Status, k.To)
	if err := remember(ctx, s, d.ID, inbox.Attempt{At: now, Result: k.Result, Error: why.Why, By: why.By}); err != nil {
		return err
	}
	if k.To == inbox.Pending {
		woken[d.Lane()] = true
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
