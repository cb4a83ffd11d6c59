package nats

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook"
	"github.com/gatehouse-go/gatehouse/webhook/inbox"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/engine"
	"github.com/nats-io/nats.go/jetstream"
)

// claim is a delivery that a worker has, or that somebody decides about, as it was in the index.
type claim struct {
	l          *ledger
	row        *row
	id         int64
	lane       engine.Lane
	order      string
	accepted   time.Time
	due        time.Time
	attempts   int // this one among them
	tries      int
	duplicates int
	last       uint64 // message of its state
	history    []inbox.Attempt
}

// say stores the next state of a delivery, which must still have the one that c knows.
func (b *Inbox) say(ctx context.Context, c claim, next stateRecord) (uint64, error) {
	next.Error = brief(next.Error)
	for i := range c.history {
		c.history[i].Error, c.history[i].Stack = brief(c.history[i].Error), brief(c.history[i].Stack)
	}
	payload, err := encodeHistory(c.history)
	if err != nil {
		return 0, err
	}
	return b.publish(ctx, b.config.subjectOf(c.row.key, kindState), record(next), payload, c.last)
}

// history returns what happened to the delivery of a key.
func (b *Inbox) history(ctx context.Context, key webhook.Key) ([]inbox.Attempt, error) {
	m, err := b.stream.GetLastMsgForSubject(ctx, b.config.subjectOf(key, kindState))
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("nats inbox: %w", err)
	}
	return decodeHistory(m.Data)
}

// event returns the event of a key with body and header. purged is true when they are gone.
func (b *Inbox) event(ctx context.Context, key webhook.Key) (e webhook.Event, purged bool, err error) {
	m, err := b.stream.GetLastMsgForSubject(ctx, b.config.subjectOf(key, kindEvent))
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return e, false, inbox.ErrNotFound
	}
	if err != nil {
		return e, false, fmt.Errorf("nats inbox: %w", err)
	}
	return decodeEvent(key, m.Header.Get(header), m.Data)
}

// handle claims a delivery, which counts the attempt before it begins, runs the attempt and stores how it ended.
func (r *runner) handle(ctx context.Context, c claim) {
	last := c.last
	defer func() { r.letGo(ctx, c, last) }()
	if c.last > 0 {
		var err error
		if c.history, err = r.history(ctx, c.row.key); err != nil {
			r.pass(ctx, c, err)
			return
		}
	}
	claimed, err := r.say(ctx, c, stateRecord{Status: inbox.Running, Attempts: c.attempts, Tries: c.tries})
	if err != nil {
		if !errors.Is(err, errConflict) { // else an operator decided meanwhile
			r.pass(ctx, c, err)
		}
		return
	}
	c.last, last = claimed, claimed
	start := time.Now()
	r.observe(inbox.Observation{Kind: inbox.ObserveStarted, Attempt: c.attempts, Lag: max(0, min(start.Sub(c.accepted), start.Sub(c.due)))}, c)
	d := inbox.Delivery{
		ID: c.id, Status: inbox.Running, Attempts: c.attempts, OrderKey: c.order, DueAt: c.due, AcceptedAt: c.accepted, Duplicates: c.duplicates,
	}
	status, err := r.attempt(ctx, c.row.key, d)
	next := stateRecord{Status: status, Attempts: c.attempts, Tries: c.tries, Ended: time.Now()}
	history := inbox.Attempt{Number: c.attempts, At: start, Took: time.Since(start), Result: inbox.Succeeded}
	o := inbox.Observation{Kind: inbox.ObserveDone, Attempt: c.attempts, Duration: history.Took, Err: err}
	count := inbox.Minute{Done: 1}
	switch {
	case err != nil:
		next, history, o, count = r.failure(ctx, c, history, err)
	case status == inbox.Ignored:
		history.Error = "no handler is registered for this type"
	}
	c.history = append(c.history, history)
	if settled, ok := r.settle(ctx, c, next); ok {
		last = settled
		r.minutes.add(count)
		r.observe(o, c)
	}
}

func (b *Inbox) observe(o inbox.Observation, c claim) {
	if b.config.Inbox.Observe != nil {
		o.Provider, o.Type, o.ID = c.lane.Provider, c.lane.Type, c.id
		b.config.Inbox.Observe(o)
	}
}

// pass gives a delivery back that could not be claimed. The server is not there: trying again at once would not help.
func (r *runner) pass(ctx context.Context, c claim, err error) {
	r.config.Inbox.Logger.ErrorContext(ctx, "inbox cannot claim a delivery", "delivery", c.id, "error", err)
	sleep(ctx, engine.Poll)
}

// letGo takes a delivery out of this worker's hand when the index knows what became of it.
func (r *runner) letGo(ctx context.Context, c claim, last uint64) {
	select {
	case <-c.l.reached(last):
	case <-ctx.Done():
	}
	c.l.mu.Lock()
	defer c.l.mu.Unlock()
	c.row.inHand = false
	if c.row.status == inbox.Pending && !c.row.gone {
		c.l.enqueue(c.row)
	}
}

// attempt does the work of one attempt, and returns the status with which it ended well.
func (r *runner) attempt(ctx context.Context, key webhook.Key, d inbox.Delivery) (inbox.Status, error) {
	ctx, cancel := context.WithTimeout(ctx, r.config.Inbox.HandlerTimeout)
	defer cancel()
	var err error
	if d.Event, _, err = r.event(ctx, key); err != nil {
		return "", err
	}
	found, ok := r.routes.Find(d.Event.Provider, d.Event.Type)
	if !ok {
		return inbox.Ignored, nil
	}
	return inbox.Done, engine.Guard(ctx, func() (err error) {
		staged, handler := d, found.Handler // each part has a copy: what it changes is not the engine's
		if found.Staged != nil {
			if handler, err = found.Staged(ctx, &staged); err != nil || handler == nil {
				return err
			}
		}
		own := d
		return handler(ctx, NoTx{}, &own)
	})
}

// failure says what follows a failed attempt.
func (r *runner) failure(ctx context.Context, c claim, history inbox.Attempt, failure error) (stateRecord, inbox.Attempt, inbox.Observation, inbox.Minute) {
	wait, dead := r.config.Inbox.NextAttempt(c.tries, failure)
	history.Result, history.Error = inbox.Failed, failure.Error()
	if p, ok := errors.AsType[*engine.PanicError](failure); ok {
		history.Stack = p.Stack
	}
	if ctx.Err() != nil { // the drain is over, or the lease lost: not the event's fault
		history.Result, wait, dead = inbox.Interrupted, 0, false
	}
	o := inbox.Observation{Kind: inbox.ObserveFailed, Attempt: c.attempts, Duration: history.Took, Err: failure}
	count := inbox.Minute{Failed: 1}
	next := stateRecord{Status: inbox.Pending, Attempts: c.attempts, Tries: c.tries, Error: history.Error}
	level := slog.LevelWarn
	if dead { // which has not ended: it is kept until someone decides
		o.Kind, level, count.Dead, next.Status = inbox.ObserveDead, slog.LevelError, 1, inbox.Dead
	} else {
		next.Wait, next.Due = wait, time.Now().Add(wait)
	}
	r.config.Inbox.Logger.LogAttrs(ctx, level, "inbox delivery failed", slog.String("provider", c.lane.Provider), slog.String("type", c.lane.Type),
		slog.Int64("delivery", c.id), slog.Int("attempt", c.attempts), slog.Bool("dead", dead), slog.Duration("retry_in", wait), slog.String("error", history.Error))
	return next, history, o, count
}

// settle stores how an attempt ended. It tries until it is stored or the work is over; then whoever handles next takes the delivery up as interrupted. A
// conflict says that an earlier try was stored, or that another process took the delivery up: both are final.
func (r *runner) settle(ctx context.Context, c claim, next stateRecord) (uint64, bool) {
	for unsure := false; ; unsure = true {
		seq, err := r.say(context.WithoutCancel(ctx), c, next)
		if err == nil {
			return seq, true
		}
		if errors.Is(err, errConflict) {
			return c.last + 1, unsure // the index must see what came after the claim
		}
		r.config.Inbox.Logger.ErrorContext(ctx, "inbox cannot record an attempt", "delivery", c.id, "error", err)
		if !sleep(ctx, leaseLook) {
			return c.last, false
		}
	}
}
