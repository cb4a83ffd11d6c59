package otel

import (
	"context"
	"errors"

	"github.com/gatehouse-go/gatehouse/webhook"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/semconv/v1.43.0/messagingconv"
	"go.opentelemetry.io/otel/trace"
)

// system is what messages come through, in the conventions' words.
const system = "webhook"

// Attributes that the conventions do not have.
const (
	resultKey    = attribute.Key("gatehouse.result")     // in one word: "accepted", "refused"
	eventTypeKey = attribute.Key("gatehouse.event.type") // such as "invoice.paid", of verified events alone
	statusKey    = attribute.Key("gatehouse.status")     // of deliveries: "pending", "dead"
)

type webhookInstruments struct {
	duration messagingconv.ClientOperationDuration
	consumed messagingconv.ClientConsumedMessages
	size     metric.Int64Histogram
}

func newWebhookInstruments(m metric.Meter) (i webhookInstruments, err error) {
	var faults [3]error
	i.duration, faults[0] = messagingconv.NewClientOperationDuration(m, metric.WithExplicitBucketBoundaries(seconds...))
	i.consumed, faults[1] = messagingconv.NewClientConsumedMessages(m)
	i.size, faults[2] = m.Int64Histogram("gatehouse.webhook.body.size", metric.WithUnit("By"),
		metric.WithDescription("Size of the bodies of deliveries."), metric.WithExplicitBucketBoundaries(256, 1<<10, 4<<10, 16<<10, 64<<10, 256<<10, 1<<20, 4<<20))
	return i, errors.Join(faults[:]...)
}

// seconds are the buckets that the conventions advise for durations, from 5 ms to 10 s, and two more for handlers that take longer.
var seconds = []float64{0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 30, 60}

// Webhook counts what became of one request: it is a webhook.Config.Observe. The provider is messaging.destination.name, and the reason of a refusal
// or failure error.type.
func (t *Telemetry) Webhook(o webhook.Outcome) {
	ctx := context.Background()
	attributes := []attribute.KeyValue{
		semconv.MessagingDestinationName(o.Provider), semconv.MessagingOperationTypeReceive, resultKey.String(o.Result.String()),
		semconv.HTTPResponseStatusCode(o.Status),
	}
	if o.Reason != nil {
		attributes = append(attributes, semconv.ErrorTypeKey.String(reason(o.Reason)))
	}
	t.webhook.duration.Record(ctx, o.Duration.Seconds(), "receive", system, attributes...)
	t.webhook.size.Record(ctx, o.Bytes, metric.WithAttributes(semconv.MessagingDestinationName(o.Provider)))
	if o.Result == webhook.ResultAccepted || o.Result == webhook.ResultDuplicate || o.Result == webhook.ResultFailed {
		t.webhook.consumed.Add(ctx, 1, "receive", system,
			semconv.MessagingDestinationName(o.Provider), resultKey.String(o.Result.String()), eventTypeKey.String(t.types.bounded(o.Type)))
	}
}

// Event returns an OnEvent of webhook.Config that does what next does within a span "process PROVIDER". The span is in the trace of the request
// where [Telemetry.Wrap] is around the handler. An error marks the span by its reason, without its text.
func (t *Telemetry) Event(next func(context.Context, webhook.Event) error) func(context.Context, webhook.Event) error {
	return func(ctx context.Context, e webhook.Event) error {
		ctx, span := t.begin(ctx, &e)
		defer span.End()
		err := next(ctx, e)
		fail(span, err)
		return err
	}
}

// begin starts the span of handling one event.
func (t *Telemetry) begin(ctx context.Context, e *webhook.Event, more ...attribute.KeyValue) (context.Context, trace.Span) {
	return t.tracer.Start(ctx, "process "+e.Provider, trace.WithSpanKind(trace.SpanKindConsumer), trace.WithAttributes(append(more,
		semconv.MessagingSystemKey.String(system), semconv.MessagingOperationName("process"), semconv.MessagingOperationTypeProcess,
		semconv.MessagingDestinationName(e.Provider), semconv.MessagingMessageBodySize(len(e.Body)), eventTypeKey.String(t.types.bounded(e.Type)),
	)...))
}

// fail marks a span as failed where err is not nil.
func fail(span trace.Span, err error) {
	if err == nil {
		return
	}
	span.SetStatus(codes.Error, reason(err))
	span.SetAttributes(semconv.ErrorTypeKey.String(reason(err)))
}
