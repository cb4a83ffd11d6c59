package otel_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/testwait"
	"github.com/gatehouse-go/gatehouse/revalidate"
	"github.com/gatehouse-go/gatehouse/security"
	"github.com/gatehouse-go/gatehouse/webhook"
	"github.com/gatehouse-go/gatehouse/webhook/inbox"
	"github.com/gatehouse-go/gatehouse/webhook/provider"
	"github.com/gatehouse-go/gatehouse/webhook/webhooktest"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	api "go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/gatehouse-go/gatehouse/engines/otel"
)

// recorder is OpenTelemetry's own SDK, kept in memory.
type recorder struct {
	*otel.Telemetry

	reader *metric.ManualReader
	spans  *tracetest.InMemoryExporter
}

func record(tb testing.TB, c otel.Config) *recorder {
	tb.Helper()
	r := &recorder{reader: metric.NewManualReader(), spans: tracetest.NewInMemoryExporter()}
	c.Meters = metric.NewMeterProvider(metric.WithReader(r.reader))
	c.Traces = trace.NewTracerProvider(trace.WithSyncer(r.spans))
	var err error
	if r.Telemetry, err = otel.New(c); err != nil {
		tb.Fatal(err)
	}
	return r
}

// series returns what was measured, by name and attributes: the sum of a counter, the value of a gauge, the count of a histogram.
func (r *recorder) series(tb testing.TB) map[string]float64 {
	tb.Helper()
	var all metricdata.ResourceMetrics
	if err := r.reader.Collect(tb.Context(), &all); err != nil {
		tb.Fatal(err)
	}
	out := map[string]float64{}
	for _, s := range all.ScopeMetrics {
		for _, m := range s.Metrics {
			add := func(set attribute.Set, v float64) { out[m.Name+"{"+set.Encoded(attribute.DefaultEncoder())+"}"] += v }
			switch d := m.Data.(type) {
			case metricdata.Sum[int64]:
				for _, p := range d.DataPoints {
					add(p.Attributes, float64(p.Value))
				}
			case metricdata.Gauge[int64]:
				for _, p := range d.DataPoints {
					add(p.Attributes, float64(p.Value))
				}
			case metricdata.Gauge[float64]:
				for _, p := range d.DataPoints {
					add(p.Attributes, p.Value)
				}
			case metricdata.Histogram[float64]:
				for _, p := range d.DataPoints {
					add(p.Attributes, float64(p.Count))
				}
			case metricdata.Histogram[int64]:
				for _, p := range d.DataPoints {
					add(p.Attributes, float64(p.Count))
				}
			default:
				tb.Errorf("%s is a %T", m.Name, d)
			}
		}
	}
	return out
}

func (r *recorder) want(tb testing.TB, want map[string]float64) {
	tb.Helper()
	got := r.series(tb)
	for name, v := range want {
		if g, ok := got[name]; !ok || g != v {
			tb.Errorf("%s is %v (%v), want %v", name, g, ok, v)
		}
	}
	if tb.Failed() {
		for name, v := range got {
			tb.Logf("%s %v", name, v)
		}
	}
}

var secret = webhook.NewSecret("It's a Secret to Everybody")

func receive(tb testing.TB, r *recorder, onEvent func(context.Context, webhook.Event) error) http.Handler {
	tb.Helper()
	h, err := webhook.New(webhook.Config{
		Scheme:  provider.GitHub{Secrets: []webhook.Secret{secret}},
		OnEvent: r.Event(onEvent), Observe: r.Webhook, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		tb.Fatal(err)
	}
	return h
}

func delivery(tb testing.TB, id string) *http.Request {
	tb.Helper()
	r, err := webhooktest.Delivery{
		Scheme: provider.GitHub{}, Key: secret, Header: http.Header{"X-Github-Event": {"push"}, "X-Github-Delivery": {id}}, Body: []byte(`{"id":"` + id + `"}`), URL: "http://example.com/hooks/github",
	}.Request(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

// What becomes of a delivery is counted by provider, result and reason, and its handling is a span within the request's.
func TestDeliveriesAreCountedAndTraced(t *testing.T) {
	r := record(t, otel.Config{})
	fail := errors.New("the account of ann@example.com is closed")
	h := r.Wrap(receive(t, r, func(_ context.Context, e webhook.Event) error {
		if strings.Contains(string(e.Body), "bad") {
			return fail
		}
		return nil
	}))
	send := func(q *http.Request) { h.ServeHTTP(httptest.NewRecorder(), q) }
	send(delivery(t, "1"))
	send(delivery(t, "1"))
	send(delivery(t, "bad"))
	forged := delivery(t, "2")
	forged.Body = io.NopCloser(strings.NewReader(`{"id":"3"}`))
	send(forged)

	op := "gatehouse.result=%s,http.response.status_code=%d,messaging.destination.name=github,messaging.operation.name=receive,messaging.operation.type=receive,messaging.system=webhook}"
	r.want(t, map[string]float64{
		"messaging.client.operation.duration{" + fmt.Sprintf(op, "accepted", 200):                                                                                                              1,
		"messaging.client.operation.duration{" + fmt.Sprintf(op, "duplicate", 200):                                                                                                             1,
		"messaging.client.operation.duration{error.type=handler," + fmt.Sprintf(op, "failed", 500):                                                                                             1,
		"messaging.client.operation.duration{error.type=signature_mismatch," + fmt.Sprintf(op, "refused", 401):                                                                                 1,
		"messaging.client.consumed.messages{gatehouse.event.type=push,gatehouse.result=accepted,messaging.destination.name=github,messaging.operation.name=receive,messaging.system=webhook}":  1,
		"messaging.client.consumed.messages{gatehouse.event.type=push,gatehouse.result=duplicate,messaging.destination.name=github,messaging.operation.name=receive,messaging.system=webhook}": 1,
		"messaging.client.consumed.messages{gatehouse.event.type=push,gatehouse.result=failed,messaging.destination.name=github,messaging.operation.name=receive,messaging.system=webhook}":    1,
		"gatehouse.webhook.body.size{messaging.destination.name=github}":                                                                                                                       4,
	})

	spans := r.spans.GetSpans()
	processed, failed := 0, 0
	for _, s := range spans {
		if text := fmt.Sprint(s); strings.Contains(text, "ann@example.com") || strings.Contains(text, "Secret to") {
			t.Errorf("a span tells more than a reason: %s", text)
		}
		if s.Name != "process github" {
			continue
		}
		processed++
		if !s.Parent.IsValid() {
			t.Error("the span of handling is not within the request's")
		}
		if s.Status.Code == codes.Error {
			failed++
			if s.Status.Description != "_OTHER" {
				t.Errorf("the failure is called %q", s.Status.Description)
			}
		}
	}
	if processed != 2 || failed != 1 || len(spans) != 6 {
		t.Errorf("%d spans, %d of handling, %d failed", len(spans), processed, failed)
	}
}

// A stranger's traceparent is linked to and not continued, unless the server is told that it comes from a gateway.
func TestStrangersDoNotChooseTraces(t *testing.T) {
	const theirs = "4bf92f3577b34da6a3ce929d0e0e4736"
	for _, trusted := range []bool{false, true} {
		r := record(t, otel.Config{InsecureTrustParent: trusted})
		q := httptest.NewRequest("GET", "/", nil)
		q.Header.Set("traceparent", "00-"+theirs+"-00f067aa0ba902b7-01")
		mux := http.NewServeMux()
		mux.HandleFunc("GET /{$}", func(http.ResponseWriter, *http.Request) {})
		r.Wrap(mux).ServeHTTP(httptest.NewRecorder(), q)
		span := r.spans.GetSpans()[0]
		if got := span.SpanContext.TraceID().String() == theirs; got != trusted {
			t.Errorf("trusted %v: the trace is continued: %v", trusted, got)
		}
		if linked := len(span.Links) == 1 && span.Links[0].SpanContext.TraceID().String() == theirs; linked == trusted {
			t.Errorf("trusted %v: links %v", trusted, span.Links)
		}
		if span.Name != "GET /{$}" {
			t.Errorf("the span is named %q", span.Name)
		}
		found := false
		for name := range r.series(t) {
			found = found || strings.HasPrefix(name, "http.server.request.duration{") && strings.Contains(name, "http.route=/{$}")
		}
		if !found {
			t.Errorf("the request is not counted by its route: %v", r.series(t))
		}
	}
}

// Stages that copy the request do not hide which route took it, and a method that no standard knows names no span.
func TestRoutesBehindAChain(t *testing.T) {
	r := record(t, otel.Config{})
	ids, err := security.NewRequestID(security.RequestIDConfig{})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /posts/{slug}", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("/any/", func(http.ResponseWriter, *http.Request) {})
	h := r.Wrap(ids.Wrap(r.Route(mux)))
	for _, row := range []struct{ method, path, span, route string }{
		{"GET", "/posts/hello", "GET /posts/{slug}", "http.route=/posts/{slug}"},
		{"POST", "/any/thing", "POST /any/", "http.route=/any/"},
		{"MAKEUP", "/any/thing", "HTTP /any/", "http.route=/any/"},
		{"GET", "/nowhere", "GET", ""},
	} {
		r.spans.Reset()
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(row.method, row.path, nil))
		if got := r.spans.GetSpans()[0].Name; got != row.span {
			t.Errorf("%s %s: the span is named %q, want %q", row.method, row.path, got, row.span)
		}
		found := false
		for name := range r.series(t) {
			found = found || strings.HasPrefix(name, "http.server.request.duration{") && strings.Contains(name, row.route)
		}
		if !found {
			t.Errorf("%s is not counted by its route: %v", row.path, r.series(t))
		}
	}
}

// What happens to a stored delivery is counted, and what an inbox holds is read when metrics are.
func TestInbox(t *testing.T) {
	r := record(t, otel.Config{})
	for _, o := range []inbox.Observation{
		{Kind: inbox.ObserveAccepted, Provider: "stripe", Type: "invoice.paid"},
		{Kind: inbox.ObserveDuplicate, Provider: "stripe", Type: "invoice.paid"},
		{Kind: inbox.ObserveRefused, Provider: "stripe", Type: "invoice.paid", Err: inbox.ErrQueueFull},
		{Kind: inbox.ObserveStarted, Provider: "stripe", Type: "invoice.paid", Lag: time.Millisecond},
		{Kind: inbox.ObserveDone, Provider: "stripe", Type: "invoice.paid", Duration: time.Second},
		{Kind: inbox.ObserveFailed, Provider: "stripe", Type: "invoice.paid", Err: errors.New("secret"), Duration: time.Second},
		{Kind: inbox.ObserveDead, Provider: "stripe", Type: "invoice.paid", Err: context.DeadlineExceeded, Duration: time.Second},
	} {
		r.Inbox(o)
	}
	down := false
	err := r.WatchInbox(func(context.Context) (inbox.Stats, error) {
		if down {
			return inbox.Stats{}, errors.New("database is away")
		}
		return inbox.Stats{OldestPending: 90 * time.Second, Queued: 7, Types: []inbox.TypeStats{
			{Provider: "stripe", Type: "invoice.paid", ByStatus: map[inbox.Status]int64{inbox.Done: 40, inbox.Dead: 2}},
		}}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	of := "gatehouse.event.type=invoice.paid,gatehouse.result=%s,messaging.destination.name=stripe}"
	process := "gatehouse.event.type=invoice.paid,gatehouse.result=%s,messaging.destination.name=stripe,messaging.operation.name=process,messaging.operation.type=process,messaging.system=webhook}"
	r.want(t, map[string]float64{
		"gatehouse.inbox.events{" + fmt.Sprintf(of, "accepted"):                                                                 1,
		"gatehouse.inbox.events{" + fmt.Sprintf(of, "duplicate"):                                                                1,
		"gatehouse.inbox.events{error.type=queue_full," + fmt.Sprintf(of, "refused"):                                            1,
		"gatehouse.inbox.lag{gatehouse.event.type=invoice.paid,messaging.destination.name=stripe}":                              1,
		"messaging.process.duration{" + fmt.Sprintf(process, "done"):                                                            1,
		"messaging.process.duration{error.type=_OTHER," + fmt.Sprintf(process, "failed"):                                        1,
		"messaging.process.duration{error.type=deadline," + fmt.Sprintf(process, "dead"):                                        1,
		"gatehouse.inbox.deliveries{gatehouse.event.type=invoice.paid,gatehouse.status=done,messaging.destination.name=stripe}": 40,
		"gatehouse.inbox.deliveries{gatehouse.event.type=invoice.paid,gatehouse.status=dead,messaging.destination.name=stripe}": 2,
		"gatehouse.inbox.oldest_pending{}":                                                                                      90,
		"gatehouse.inbox.queue{}":                                                                                               7,
	})

	handled := otel.Process(r.Telemetry, func(context.Context, int, *inbox.Delivery) error { return inbox.ErrQueueFull })
	if err := handled(t.Context(), 0, &inbox.Delivery{Attempts: 3, Event: webhook.Event{Provider: "stripe", Type: "invoice.paid"}}); !errors.Is(err, inbox.ErrQueueFull) {
		t.Error(err)
	}
	span := r.spans.GetSpans()[0]
	if span.Name != "process stripe" || span.Status.Description != "queue_full" || !strings.Contains(fmt.Sprint(span.Attributes), "gatehouse.inbox.attempt") {
		t.Errorf("%+v", span)
	}

	down = true
	var all metricdata.ResourceMetrics
	if err := r.reader.Collect(t.Context(), &all); err == nil {
		t.Error("nobody is told that the inbox cannot be read")
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	if _, there := r.series(t)["gatehouse.inbox.queue{}"]; there {
		t.Error("a closed Telemetry still asks")
	}
}

func TestCache(t *testing.T) {
	r := record(t, otel.Config{})
	cache, err := revalidate.New(revalidate.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.WatchCache("pages", cache.Metrics); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		_, err := revalidate.Get(t.Context(), cache, "key", revalidate.Options{}, func(context.Context) (string, error) { return "value", nil })
		if err != nil {
			t.Fatal(err)
		}
	}
	r.want(t, map[string]float64{
		"gatehouse.cache.reads{gatehouse.cache.name=pages,gatehouse.result=hit}":  2,
		"gatehouse.cache.reads{gatehouse.cache.name=pages,gatehouse.result=miss}": 1,
		"gatehouse.cache.fills{gatehouse.cache.name=pages}":                       1,
		"gatehouse.cache.entries{gatehouse.cache.name=pages}":                     1,
		"gatehouse.cache.store_errors{gatehouse.cache.name=pages}":                0,
		"gatehouse.cache.announce_errors{gatehouse.cache.name=pages}":             0,
	})
}

func TestDegraded(t *testing.T) {
	r := record(t, otel.Config{})
	tell := r.Degraded("limits")
	const name = "gatehouse.dependency.degraded{gatehouse.dependency.name=limits}"
	r.want(t, map[string]float64{name: 0})
	tell(errors.New("out"))
	r.want(t, map[string]float64{name: 1})
	tell(nil)
	r.want(t, map[string]float64{name: 0})
}

// Names that senders choose make no metrics without end.
func TestTypesAreBounded(t *testing.T) {
	r := record(t, otel.Config{MaxTypes: 3})
	for i := range 100 {
		r.Inbox(inbox.Observation{Kind: inbox.ObserveAccepted, Provider: "x", Type: strconv.Itoa(i)})
	}
	r.Inbox(inbox.Observation{Kind: inbox.ObserveAccepted, Provider: "x", Type: strings.Repeat("a", 1000)})
	r.Inbox(inbox.Observation{Kind: inbox.ObserveAccepted, Provider: "x"})
	if n := len(r.series(t)); n != 5 {
		t.Errorf("%d series", n)
	}
	r.want(t, map[string]float64{"gatehouse.inbox.events{gatehouse.event.type=_OTHER,gatehouse.result=accepted,messaging.destination.name=x}": 98})
}

func TestNewRefuses(t *testing.T) {
	for _, n := range []int{-1, 10_001} {
		if _, err := otel.New(otel.Config{MaxTypes: n}); err == nil || !strings.Contains(err.Error(), "MaxTypes") || !strings.Contains(err.Error(), strconv.Itoa(n)) {
			t.Errorf("%d: %v", n, err)
		}
	}
	telemetry, err := otel.New(otel.Config{}) // the global providers drop everything
	if err != nil {
		t.Fatal(err)
	}
	telemetry.Webhook(webhook.Outcome{Provider: "stripe"})
}

// refusing is a provider of metrics that refuses what is named so.
type refusing struct {
	noop.MeterProvider

	what string
}

func (r refusing) Meter(string, ...api.MeterOption) api.Meter { return refusingMeter{what: r.what} }

type refusingMeter struct {
	noop.Meter

	what string
}

var errRefused = errors.New("no instruments here")

func (m refusingMeter) refuses(what string) error {
	if strings.HasPrefix(what, m.what) {
		return errRefused
	}
	return nil
}

func (m refusingMeter) Int64ObservableGauge(name string, _ ...api.Int64ObservableGaugeOption) (api.Int64ObservableGauge, error) {
	return noop.Int64ObservableGauge{}, m.refuses(name)
}

func (m refusingMeter) Int64ObservableCounter(name string, _ ...api.Int64ObservableCounterOption) (api.Int64ObservableCounter, error) {
	return noop.Int64ObservableCounter{}, m.refuses(name)
}

func (m refusingMeter) Float64ObservableGauge(name string, _ ...api.Float64ObservableGaugeOption) (api.Float64ObservableGauge, error) {
	return noop.Float64ObservableGauge{}, m.refuses(name)
}

func (m refusingMeter) Int64Counter(name string, _ ...api.Int64CounterOption) (api.Int64Counter, error) {
	return noop.Int64Counter{}, m.refuses(name)
}

func (m refusingMeter) Int64Histogram(name string, _ ...api.Int64HistogramOption) (api.Int64Histogram, error) {
	return noop.Int64Histogram{}, m.refuses(name)
}

// RegisterCallback refuses as many instruments as the name says.
func (m refusingMeter) RegisterCallback(_ api.Callback, instruments ...api.Observable) (api.Registration, error) {
	return noop.Registration{}, m.refuses(fmt.Sprint("callback for ", len(instruments)))
}

func TestAProviderThatRefusesIsAnError(t *testing.T) {
	for _, row := range []struct {
		what  string
		fails string // of New, WatchCache and WatchInbox
	}{
		{"gatehouse.dependency.degraded", "New"},
		{"gatehouse.inbox.events", "New"},
		{"gatehouse.webhook.body.size", "New"},
		{"callback for 11", "WatchCache"},
		{"callback for 1", "New"},
		{"callback for 3", "WatchInbox"},
		{"gatehouse.inbox.deliveries", "WatchInbox"},
		{"gatehouse.inbox.oldest_pending", "WatchInbox"},
		{"gatehouse.inbox.queue", "WatchInbox"},
		{"gatehouse.cache.reads", "WatchCache"},
		{"gatehouse.cache.fills", "WatchCache"},
		{"gatehouse.cache.entries", "WatchCache"},
	} {
		telemetry, err := otel.New(otel.Config{Meters: refusing{what: row.what}})
		errs := map[string]error{"New": err}
		if err == nil {
			errs["WatchCache"] = telemetry.WatchCache("pages", func() revalidate.Metrics { return revalidate.Metrics{} })
			errs["WatchInbox"] = telemetry.WatchInbox(func(context.Context) (inbox.Stats, error) { return inbox.Stats{}, nil })
			if err := telemetry.Close(); err != nil {
				t.Errorf("%s: Close: %v", row.what, err)
			}
		}
		for what, err := range errs {
			if (what == row.fails) != errors.Is(err, errRefused) {
				t.Errorf("%s is refused: %s returns %v", row.what, what, err)
			}
		}
	}
}

// At once, too, no more names are let through than there is room for, and those that are stay.
func TestTypesAreBoundedAtOnce(t *testing.T) {
	r := record(t, otel.Config{MaxTypes: 3})
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for i := range 100 {
				r.Inbox(inbox.Observation{Kind: inbox.ObserveAccepted, Provider: "x", Type: strconv.Itoa(i)})
			}
		})
	}
	testwait.All(t, "the end of all", &all)
	series := r.series(t)
	events := 0.0
	for _, n := range series {
		events += n
	}
	if len(series) != 4 || events != 800 {
		t.Errorf("%v", series)
	}
}
