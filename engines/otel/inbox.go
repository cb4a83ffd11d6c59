package otel

import (
	"context"
	"errors"

	"github.com/gatehouse-go/gatehouse/webhook/inbox"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/semconv/v1.43.0/messagingconv"
)

type inboxInstruments struct {
	events  metric.Int64Counter
	process messagingconv.ProcessDuration
	lag     metric.Float64Histogram
}

func newInboxInstruments(m metric.Meter) (i inboxInstruments, err error) {
	var faults [3]error
	i.events, faults[0] = m.Int64Counter("gatehouse.inbox.events", metric.WithUnit("{event}"),
		metric.WithDescription("Events offered to the inbox: accepted, duplicate, refused."))
	i.process, faults[1] = messagingconv.NewProcessDuration(m, metric.WithExplicitBucketBoundaries(seconds...))
	i.lag, faults[2] = m.Float64Histogram("gatehouse.inbox.lag", metric.WithUnit("s"),
		metric.WithDescription("From when an event was accepted or due to when it was begun."),
		metric.WithExplicitBucketBoundaries(0.001, 0.002, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 60, 600, 3600))
	return i, errors.Join(faults[:]...)
}

// Inbox counts one thing that happened to a delivery: it is an inbox.Config.Observe.
func (t *Telemetry) Inbox(o inbox.Observation) {
	ctx := context.Background()
	attributes := []attribute.KeyValue{
		semconv.MessagingDestinationName(o.Provider), eventTypeKey.String(t.types.bounded(o.Type)), resultKey.String(string(o.Kind)),
	}
	if o.Err != nil {
		attributes = append(attributes, semconv.ErrorTypeKey.String(reason(o.Err)))
	}
	switch o.Kind {
	case inbox.ObserveAccepted, inbox.ObserveDuplicate, inbox.ObserveRefused:
		t.inbox.events.Add(ctx, 1, metric.WithAttributes(attributes...))
	case inbox.ObserveStarted:
		t.inbox.lag.Record(ctx, o.Lag.Seconds(), metric.WithAttributes(attributes[:2]...))
	case inbox.ObserveDone, inbox.ObserveFailed, inbox.ObserveDead:
		t.inbox.process.Record(ctx, o.Duration.Seconds(), "process", system, append(attributes, semconv.MessagingOperationTypeProcess)...)
	}
}

// Process returns a handler for an inbox that does what h does within a span "process PROVIDER". The span begins a trace of its own: the request that
// brought the event has long been answered.
func Process[T any](t *Telemetry, h inbox.Handler[T]) inbox.Handler[T] {
	return func(ctx context.Context, tx T, d *inbox.Delivery) error {
		ctx, span := t.begin(ctx, &d.Event, attribute.Int("gatehouse.inbox.attempt", d.Attempts))
		defer span.End()
		err := h(ctx, tx, d)
		fail(span, err)
		return err
	}
}

// WatchInbox reads an inbox's Stats each time that metrics are read, until Close. An error of stats is the reader's: its values are left out.
func (t *Telemetry) WatchInbox(stats func(context.Context) (inbox.Stats, error)) error {
	deliveries, err1 := t.meter.Int64ObservableGauge("gatehouse.inbox.deliveries", metric.WithUnit("{delivery}"), metric.WithDescription("Stored deliveries by status."))
	oldest, err2 := t.meter.Float64ObservableGauge("gatehouse.inbox.oldest_pending", metric.WithUnit("s"), metric.WithDescription("Age of the oldest delivery that is due and not done."))
	queue, err3 := t.meter.Int64ObservableGauge("gatehouse.inbox.queue", metric.WithUnit("{event}"), metric.WithDescription("Events that wait to be stored."))
	if err := errors.Join(err1, err2, err3); err != nil {
		return err
	}
	return t.watch(func(ctx context.Context, o metric.Observer) error {
		s, err := stats(ctx)
		if err != nil {
			return err
		}
		o.ObserveFloat64(oldest, s.OldestPending.Seconds())
		o.ObserveInt64(queue, int64(s.Queued))
		for key, n := range t.byType(s.Types) {
			o.ObserveInt64(deliveries, n, metric.WithAttributes(
				semconv.MessagingDestinationName(key.provider), eventTypeKey.String(key.eventType), statusKey.String(string(key.status))))
		}
		return nil
	}, deliveries, oldest, queue)
}

type typeAndStatus struct {
	provider, eventType string
	status              inbox.Status
}

// byType sums the counts of types: those beyond the bound are one.
func (t *Telemetry) byType(types []inbox.TypeStats) map[typeAndStatus]int64 {
	sums := map[typeAndStatus]int64{}
	for _, one := range types {
		for status, n := range one.ByStatus {
			sums[typeAndStatus{one.Provider, t.types.bounded(one.Type), status}] += n
		}
	}
	return sums
}
