package inbox

import (
	"log/slog"
	"time"

	"golang.org/x/time/rate"

	"github.com/gatehouse-go/gatehouse/internal/invalid"
	"github.com/gatehouse-go/gatehouse/webhook"
)

// Config configures an engine. Its zero value is ready.
type Config struct {
	// Workers is how many deliveries are handled at once. Zero means 8.
	Workers int

	// HandlerTimeout bounds one attempt. Zero means 30 seconds.
	HandlerTimeout time.Duration

	// DrainTimeout is how long Run waits, when its context has ended, for deliveries in hand. Those that are not done by then are
	// interrupted and run again after the next start. Zero means 20 seconds.
	DrainTimeout time.Duration

	// MaxAttempts is how often a delivery is begun before it becomes a dead letter. Zero means 15: with the default backoff that is
	// about five hours.
	MaxAttempts int

	// Backoff returns how long to wait after the given attempt failed, 1 being the first. Nil means [Backoff](5*time.Second, time.Hour).
	Backoff func(attempt int) time.Duration

	// OrderBy returns the key within which events are handled one after the other, in the order in which they were accepted. An
	// empty key, and a nil OrderBy, mean no order. While the first of a key fails and waits, the others of its key wait behind
	// it; when it is dead, the next goes on.
	OrderBy func(webhook.Event) string

	// Rates bounds how many deliveries of a type are begun a second, across all workers of this process. Types that are not in it are not bounded.
	Rates []Rate

	// MaxQueue and MaxQueueBytes bound the events that wait to be stored. Beyond them Accept returns [ErrQueueFull] at once. Zero
	// means 4096 events and 64 MiB.
	MaxQueue      int
	MaxQueueBytes int64

	// KeepBodies is how long the body and header of an event that is done, ignored or discarded are kept; without them it cannot be replayed. Zero means
	// 30 days.
	KeepBodies time.Duration

	// KeepKeys is how long such an event is remembered at all, and known as a duplicate. It must be at least KeepBodies. Zero means 90 days. Dead
	// letters are kept until someone decides.
	KeepKeys time.Duration

	// Observe, if not nil, is told of everything that happens, by the goroutine to which it happens. It must be quick.
	Observe func(Observation)

	// Logger gets one line for each failed attempt and dead letter, without payload. Nil means slog.Default().
	Logger *slog.Logger
}

// Rate bounds how often deliveries of one type begin.
type Rate struct {
	Provider string
	Type     string // exactly; no pattern
	Limit    rate.Limit
	Burst    int
}

// Complete returns c with defaults in place of zeros, or every mistake in it. Engines call it when they are opened.
func (c Config) Complete() (Config, error) {
	bad := invalid.Config{Package: "inbox"}
	ints := []struct {
		field    string
		value    *int
		fallback int
	}{{"Workers", &c.Workers, 8}, {"MaxAttempts", &c.MaxAttempts, 15}, {"MaxQueue", &c.MaxQueue, 4096}}
	for _, f := range ints {
		*f.value = positive(&bad, f.field, *f.value, f.fallback)
	}
	c.MaxQueueBytes = positive(&bad, "MaxQueueBytes", c.MaxQueueBytes, 64<<20)
	durations := []struct {
		field    string
		value    *time.Duration
		fallback time.Duration
	}{
		{"HandlerTimeout", &c.HandlerTimeout, 30 * time.Second},
		{"DrainTimeout", &c.DrainTimeout, 20 * time.Second},
		{"KeepBodies", &c.KeepBodies, 30 * 24 * time.Hour},
		{"KeepKeys", &c.KeepKeys, 90 * 24 * time.Hour},
	}
	for _, f := range durations {
		*f.value = positive(&bad, f.field, *f.value, f.fallback)
	}
	if c.KeepKeys < c.KeepBodies {
		bad.Field("KeepKeys", c.KeepKeys, "must be at least KeepBodies, "+c.KeepBodies.String())
	}
	for _, r := range c.Rates {
		if r.Limit <= 0 || r.Burst < 1 || r.Provider == "" {
			bad.Field("Rates", r, "must have a provider, a positive limit and a burst of at least 1")
		}
	}
	if c.Backoff == nil {
		c.Backoff = Backoff(5*time.Second, time.Hour)
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return c, bad.Err()
}

func positive[N int | int64 | time.Duration](bad *invalid.Config, field string, value, fallback N) N {
	if value == 0 {
		return fallback
	}
	if value < 0 {
		bad.Field(field, value, "must not be negative")
	}
	return value
}
