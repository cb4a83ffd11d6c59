// Package otel reports what gatehouse's packages do as OpenTelemetry metrics and traces.
//
//	telemetry, err := otel.New(otel.Config{Meters: meterProvider, Traces: tracerProvider})
//	…
//	webhook.Config{Observe: telemetry.Webhook, OnEvent: telemetry.Event(onEvent)}
//	inbox.Config{Observe: telemetry.Inbox}
//	box.Handle("stripe", "invoice.paid", otel.Process(telemetry, book))
//	telemetry.WatchInbox(box.Stats)
//	telemetry.WatchCache("pages", cache.Metrics)
//	server := security.Server(telemetry.Wrap(chain.Then(telemetry.Route(mux))))
//
// Names are those of OpenTelemetry's semantic conventions 1.43 where they have one, and begin with "gatehouse." where they do not:
//
//	http.server.request.duration            Wrap
//	messaging.client.operation.duration     Webhook: from a delivery's arrival to its answer
//	messaging.client.consumed.messages      Webhook: deliveries that were verified
//	gatehouse.webhook.body.size             Webhook
//	messaging.process.duration              Inbox: one attempt
//	gatehouse.inbox.events                  Inbox: what was accepted, known already, or refused
//	gatehouse.inbox.lag                     Inbox: from accepted or due to begun
//	gatehouse.inbox.deliveries              WatchInbox, by status
//	gatehouse.inbox.oldest_pending          WatchInbox
//	gatehouse.inbox.queue                   WatchInbox: events that wait to be stored
//	gatehouse.cache.reads, .fills, .refreshes, .refresh_errors, .invalidations, .store_errors, .announce_errors, .entries, .size, .evictions, .marks   WatchCache
//	gatehouse.dependency.degraded           Degraded: 1 while a shared store is out
//
// Prometheus reads them through OpenTelemetry's own exporter; examples/observability is a program with it, and a dashboard.
//
// # What is not reported
//
// No payload, id, address, header or error text becomes an attribute: an error is named by its reason. Names that a sender chooses, such as
// types of events, are bounded in number by Config.MaxTypes, so that no sender can make metrics without end.
//
// # Dependencies
//
// go.opentelemetry.io/otel is the API of OpenTelemetry, and its contrib module otelhttp the maintained instrumentation of net/http. The SDK and
// exporters are the program's choice; tests use the SDK.
package otel
