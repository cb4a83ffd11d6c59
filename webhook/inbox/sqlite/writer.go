package sqlite

import (
	"context"
	"fmt"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook"
)

// An op is one write that waits for the next commit: of an event, or by a func. It may happen more than once: when the commit of its group fails, each op
// of the group is tried alone.
type op struct {
	event *arrival // nil where do is not
	do    func(ctx context.Context, s *session, t tally) error
	stale func() bool // the caller has gone; nil means it has not
	done  chan error
}

// write is the writer's goroutine: it commits group after group until the queue is closed and empty. Its context must never end: drivers would start a
// goroutine for each statement to wait for that.
func (b *Inbox) write(ctx context.Context) {
	beside, end := context.WithCancel(ctx)
	defer end()
	due := make(chan struct{}, 1)
	b.stopped.Go(func() { b.checkpoint(beside, due) })
	size := int64(0) // since the last checkpoint
	for {
		group := b.queue.Take()
		if len(group) == 0 {
			return
		}
		size += sizeOf(group)
		b.commitGroup(ctx, group)
		if size < checkpointAfter || b.writer == nil || !b.writer.leavesLog {
			continue
		}
		select {
		case due <- struct{}{}:
			size = 0
		default: // one is under way, and one waits
		}
	}
}

// sizeOf is about what ops write.
func sizeOf(ops []*op) (bytes int64) {
	for _, o := range ops {
		if o.event != nil {
			bytes += o.event.Size
		}
	}
	return bytes
}

// commitGroup writes a group in one transaction and tells each op how it went. When that fails, it tries each alone: one op that cannot
// be written must not refuse its neighbours.
func (b *Inbox) commitGroup(ctx context.Context, group []*op) {
	live := group[:0]
	for _, o := range group {
		if o.stale != nil && o.stale() {
			o.done <- context.Canceled
			continue
		}
		live = append(live, o)
	}
	if len(live) == 0 {
		return
	}
	b.turns.take(true)
	defer b.turns.give()
	err := b.commit(ctx, live, true)
	if err == nil || len(live) == 1 {
		for _, o := range live {
			o.done <- err
		}
		return
	}
	for _, o := range live {
		o.done <- b.commit(ctx, []*op{o}, false)
	}
}

// commit runs ops in one transaction on the writer's connection. A connection on which anything failed is given up. It may put keys into their index too.
func (b *Inbox) commit(ctx context.Context, ops []*op, index bool) (err error) {
	if b.writer == nil {
		if b.writer, err = newSession(ctx, b.db); err != nil {
			return err
		}
	}
	defer func() {
		if err != nil {
			_, _ = b.writer.conn.ExecContext(ctx, "ROLLBACK") // may have happened by itself
			discard(&b.writer)
			err = fmt.Errorf("sqlite inbox: %w", err)
		}
	}()
	if _, err := b.writer.exec(ctx, "BEGIN IMMEDIATE"); err != nil {
		return err
	}
	changes := newTally()
	if err := b.perform(ctx, b.writer, changes, ops); err != nil {
		return err
	}
	if stored := len(changes.keys.stored); index && stored > 0 {
		if err := b.keys.index(ctx, b.writer, changes, indexedForOne*stored, false); err != nil {
			return err
		}
	}
	if err := changes.write(ctx, b.writer); err != nil {
		return err
	}
	if _, err := b.writer.exec(ctx, "COMMIT"); err != nil {
		return err
	}
	b.keys.committed(changes.keys)
	return nil
}

// perform does what ops ask, in their order; events that are neighbours are stored together.
func (b *Inbox) perform(ctx context.Context, s *session, t tally, ops []*op) error {
	for len(ops) > 0 {
		var events []*arrival
		for len(events) < len(ops) && ops[len(events)].event != nil {
			events = append(events, ops[len(events)].event)
		}
		if err := b.store(ctx, s, t, events); err != nil {
			return err
		}
		if ops = ops[len(events):]; len(ops) == 0 {
			return nil
		}
		if err := ops[0].do(ctx, s, t); err != nil {
			return err
		}
		ops = ops[1:]
	}
	return nil
}

// do has f written in the next commit and waits for it. When ctx ends first the write may still happen.
func (b *Inbox) do(ctx context.Context, f func(ctx context.Context, s *session, t tally) error) error {
	o := &op{do: f, done: make(chan error, 1)}
	if err := b.queue.Add(o, 0); err != nil {
		return err
	}
	select {
	case err := <-o.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// ask is do for a write with a result. Until the write is done the result is the writer's: an error that came first means none, and it is
// not looked at.
func ask[R any](ctx context.Context, b *Inbox, f func(ctx context.Context, s *session, t tally) (R, error)) (R, error) {
	var written, none R
	err := b.do(ctx, func(ctx context.Context, s *session, t tally) (err error) {
		written, err = f(ctx, s, t)
		return err
	})
	if err != nil {
		return none, err
	}
	return written, nil
}

// millis is how times are stored.
func millis(t time.Time) int64 { return t.UnixMilli() }

func fromMillis(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms)
}

// unavailable marks a failure of the database as one that the provider should wait out.
func unavailable(err error) error {
	return fmt.Errorf("%w: %w", webhook.ErrUnavailable, err)
}
