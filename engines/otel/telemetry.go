package otel

import (
	"context"
	"errors"
	"fmt"
	"sync"

	api "go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"
)

// scope names this instrumentation to OpenTelemetry.
const scope = "github.com/gatehouse-go/gatehouse/engines/otel"

// Config says where metrics and traces go. The zero value is ready.
type Config struct {
	// Meters makes the instruments. Nil means the global provider of OpenTelemetry, which drops everything until the program
	// sets one.
	Meters metric.MeterProvider

	// Traces makes the tracers. Nil means the global provider.
	Traces trace.TracerProvider

	// MaxTypes bounds the types of events that are told apart in attributes, over the life of the process; later ones are "_OTHER".
	// Zero means 200; at most 10,000.
	MaxTypes int

	// InsecureTrustParent continues the trace that a request's traceparent field names, for servers that only a gateway of your
	// own can reach. Without it a request begins a new trace that links to the one it names: a stranger neither chooses what
	// is sampled nor writes into your traces.
	InsecureTrustParent bool
}

// Telemetry reports to OpenTelemetry. Make one with [New], for a process; its methods are safe for concurrent use and do not block.
type Telemetry struct {
	config Config
	meter  metric.Meter
	tracer trace.Tracer
	types  *names

	webhook webhookInstruments
	inbox   inboxInstruments

	degraded metric.Int64ObservableGauge
	mu       sync.Mutex
	out      map[string]bool // names of dependencies, and whether each is out
	watched  []metric.Registration
}

// New returns the Telemetry of a process. Its error names every field that is wrong, and instruments that the provider refuses.
func New(c Config) (*Telemetry, error) {
	if c.MaxTypes < 0 || c.MaxTypes > 10_000 {
		return nil, fmt.Errorf("otel: Config.MaxTypes is %d: must be from 0 to 10,000", c.MaxTypes)
	}
	if c.MaxTypes == 0 {
		c.MaxTypes = 200
	}
	if c.Meters == nil {
		c.Meters = api.GetMeterProvider()
	}
	if c.Traces == nil {
		c.Traces = api.GetTracerProvider()
	}
	t := &Telemetry{
		config: c, meter: c.Meters.Meter(scope), tracer: c.Traces.Tracer(scope),
		types: newNames(c.MaxTypes), out: map[string]bool{},
	}
	var faults [4]error
	t.webhook, faults[0] = newWebhookInstruments(t.meter)
	t.inbox, faults[1] = newInboxInstruments(t.meter)
	t.degraded, faults[2] = t.meter.Int64ObservableGauge("gatehouse.dependency.degraded", metric.WithUnit("1"),
		metric.WithDescription("1 while a shared store is out, else 0."))
	if err := errors.Join(faults[:3]...); err != nil {
		return nil, fmt.Errorf("otel: %w", err)
	}
	faults[3] = t.watch(t.observeDegraded, t.degraded)
	if faults[3] != nil {
		return nil, fmt.Errorf("otel: %w", faults[3])
	}
	return t, nil
}

// watch asks f for values each time that metrics are read.
func (t *Telemetry) watch(f metric.Callback, instruments ...metric.Observable) error {
	r, err := t.meter.RegisterCallback(f, instruments...)
	if err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.watched = append(t.watched, r)
	return nil
}

// Close ends what the Watch methods began: nothing is asked any more. Counts that were not read yet stay with the provider, whose Shutdown
// sends them.
func (t *Telemetry) Close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	var all error
	for _, r := range t.watched {
		all = errors.Join(all, r.Unregister())
	}
	t.watched = nil
	return all
}

// Degraded returns a func for the OnDegraded field of a shared store, such as redis.Config and security.RateLimitConfig: an error means that the
// store is out, nil that it is back. name tells stores apart; choose few.
func (t *Telemetry) Degraded(name string) func(error) {
	t.setDegraded(name, false)
	return func(err error) { t.setDegraded(name, err != nil) }
}

func (t *Telemetry) setDegraded(name string, out bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.out[name] = out
}

func (t *Telemetry) observeDegraded(_ context.Context, o metric.Observer) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	for name, out := range t.out {
		value := int64(0)
		if out {
			value = 1
		}
		o.ObserveInt64(t.degraded, value, metric.WithAttributes(attribute.String("gatehouse.dependency.name", name)))
	}
	return nil
}
