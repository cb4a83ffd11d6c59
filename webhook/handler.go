package webhook

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/invalid"
	"github.com/gatehouse-go/gatehouse/internal/logsample"
	"github.com/gatehouse-go/gatehouse/internal/reqbody"
)

// Defaults of Config.
const (
	defaultMaxBody     = 1 << 20
	defaultReadTimeout = 5 * time.Second
	defaultMinRate     = 1 << 10
	defaultAckTimeout  = 10 * time.Second // of a provider that documents none
	defaultRemember    = 72 * time.Hour   // the longest retry window that is usual
	defaultRetryAfter  = 30 * time.Second

	minRateGrace = 2 * time.Second // a body may begin this late before its rate counts
)

// Config configures a [Handler]. Scheme and OnEvent are required.
type Config struct {
	// Scheme is the provider's way of signing, with the secrets: one of package provider, or your own.
	Scheme Scheme

	// OnEvent handles one event. It runs once for each event that it returns nil for, as far as Dedupe remembers; returning an
	// error makes the provider retry. Its context keeps the values of the request's, ends at the deadline, and does not end when
	// the client hangs up: others may be waiting for the same event.
	//
	// The answer to an error is 500, or what the error's StatusCode() int says (400 to 599); a RetryAfter() time.Duration
	// sets Retry-After on 429 and 503. A panic is answered 500. Return early: put long work into a queue, such as package inbox.
	OnEvent func(context.Context, Event) error

	// PublicURL is the URL at which the provider delivers, as configured there: absolute, http or https, with its query where it has
	// one. Providers that sign the URL require it. Empty means none.
	PublicURL string

	// Tolerance is how far a signed time may lie from the clock, before or after. Zero means the provider's own, mostly five minutes.
	Tolerance time.Duration

	// InsecureAnyAge accepts any signed time: a captured delivery stays valid for ever. It cannot go with Tolerance.
	InsecureAnyAge bool

	// Dedupe remembers what was handled. Nil means a [Memory] of this Handler's own, with its defaults. Several processes need a shared one.
	Dedupe Deduper

	// RememberFor is how long a handled event is remembered. Zero means the provider's retry window, at least 72 hours. It
	// cannot be shorter than the retry window.
	RememberFor time.Duration

	// Scope keeps apart the events of endpoints that share one Dedupe and get the same deliveries. Empty means not.
	Scope string

	// InsecureWithoutDedupe handles an event also when Dedupe returns an error: an outage of the shared store then lets repeats
	// through. False answers 503 and leaves it to the provider to retry.
	InsecureWithoutDedupe bool

	// MaxBody is the largest body in bytes. Zero means 1 MiB. A larger one is answered 413, before it is read where its length is declared.
	MaxBody int64

	// ReadTimeout is how long a body may take to arrive; then the answer is 408. Zero means 5 seconds, or HandlerTimeout where that is
	// less. It cannot be longer than HandlerTimeout, which it is part of.
	ReadTimeout time.Duration

	// MinRate is how many bytes a second a body must bring on average, counted after two seconds. Zero means 1024. Less is answered 408.
	MinRate int64

	// HandlerTimeout is the time from the request's arrival to the answer. Zero means four fifths of how long the provider waits,
	// which is taken to be 10 seconds where it is not documented. It must be less than the provider waits.
	// An OnEvent that runs on past it goes on in the background and its result counts; the provider gets 503 and asks again.
	HandlerTimeout time.Duration

	// Client makes the requests that some schemes need, for certificates and confirmations. Nil means one of the package's own. Its
	// Transport and Timeout count; in either case redirects are not followed and cookies not kept.
	Client *http.Client

	// Now is the clock that signed times are compared with. Nil means time.Now.
	Now func() time.Time

	// OnError answers a refused or failed request. Allow, Retry-After and WWW-Authenticate are set already. Nil means an application/problem+json
	// answer (RFC 9457) that tells the status alone.
	OnError func(http.ResponseWriter, *http.Request, error)

	// Observe, if not nil, is called once for each request after its answer was written, by the request's goroutine.
	Observe func(Outcome)

	// Logger gets one line for each request that is refused or fails, without payload or secret; a flood is logged in samples, of which a line
	// says as unlogged how many were left out before. Nil means slog.Default().
	Logger *slog.Logger
}

// Handler receives one provider's deliveries. It is an [http.Handler] to be mounted at the delivery URL for every method; put nothing
// around it that changes the body. It is safe for use by many goroutines.
type Handler struct {
	config   Config
	provider string
	limits   reqbody.Limits
	setup    Setup
	logger   *slog.Logger
	lines    *logsample.Refusals
	ready    atomic.Pointer[ready]

	mu      sync.Mutex
	flights map[*flight]struct{} // OnEvent calls that run
	byKey   map[Key]*flight      // those of them that can be joined
}

// ready is what changes as a whole when the secrets do.
type ready struct {
	verifier   Verifier
	handshaker Handshaker // nil where the verifier is none
	confirmer  Confirmer  // nil where the verifier is none
	contract   Contract
	methods    []string // of deliveries
	allow      string
}

// New returns the Handler that c describes. Its error joins every mistake in c and in the scheme's own fields.
func New(c Config) (*Handler, error) {
	bad := invalid.Config{Package: "webhook"}
	h := &Handler{config: c, logger: c.Logger, lines: logsample.NewRefusals(), flights: map[*flight]struct{}{}, byKey: map[Key]*flight{}}
	if h.logger == nil {
		h.logger = slog.Default()
	}
	if c.OnEvent == nil {
		bad.Hidden("OnEvent", "is required")
	}
	if c.Now == nil {
		h.config.Now = time.Now
	}
	if c.Tolerance != 0 && c.InsecureAnyAge {
		bad.Field("Tolerance", c.Tolerance, "must be zero together with InsecureAnyAge")
	}
	h.setup = Setup{
		PublicURL: publicURL(&bad, c.PublicURL), Tolerance: positive(&bad, "Tolerance", c.Tolerance, 0),
		InsecureAnyAge: c.InsecureAnyAge, Client: setupClient(c.Client),
	}
	var prepared error
	if c.Scheme == nil {
		bad.Hidden("Scheme", "is required")
	} else {
		var state *ready
		if state, prepared = prepare(c.Scheme, h.setup); prepared == nil {
			h.provider = c.Scheme.Provider()
			h.ready.Store(state)
			h.times(&bad, state.contract)
		}
	}
	h.limits = reqbody.Limits{
		Max: positive(&bad, "MaxBody", c.MaxBody, defaultMaxBody), MinRate: positive(&bad, "MinRate", c.MinRate, defaultMinRate),
		Timeout: positive(&bad, "ReadTimeout", c.ReadTimeout, min(defaultReadTimeout, h.config.HandlerTimeout)), Grace: minRateGrace,
	}
	if prepared == nil && h.limits.Timeout > h.config.HandlerTimeout {
		bad.Field("ReadTimeout", c.ReadTimeout, "must not be more than the HandlerTimeout of "+h.config.HandlerTimeout.String())
	}
	if err := errors.Join(bad.Err(), prepared); err != nil {
		return nil, err
	}
	if c.Dedupe == nil {
		h.config.Dedupe = defaultMemory()
	}
	return h, nil
}

// times settles the durations that depend on what the provider promises.
func (h *Handler) times(bad *invalid.Config, contract Contract) {
	ack := contract.AckTimeout
	if ack <= 0 {
		ack = defaultAckTimeout
	}
	h.config.HandlerTimeout = positive(bad, "HandlerTimeout", h.config.HandlerTimeout, ack*4/5)
	if contract.AckTimeout > 0 && h.config.HandlerTimeout >= contract.AckTimeout {
		bad.Field("HandlerTimeout", h.config.HandlerTimeout, "must be less than the "+contract.AckTimeout.String()+" that the provider waits")
	}
	h.config.RememberFor = positive(bad, "RememberFor", h.config.RememberFor, max(contract.RetryWindow, defaultRemember))
	if h.config.RememberFor < contract.RetryWindow {
		bad.Field("RememberFor", h.config.RememberFor, "must cover the "+contract.RetryWindow.String()+" in which the provider retries")
	}
}

// positive returns v, or fallback where v is zero, and notes a negative v.
func positive[N int64 | time.Duration](bad *invalid.Config, field string, v, fallback N) N {
	switch {
	case v == 0:
		return fallback
	case v < 0:
		bad.Field(field, v, "must not be negative")
	}
	return v
}

// setupClient returns the client that schemes are given: base as far as it says where requests go and how long they take.
func setupClient(base *http.Client) *http.Client {
	c := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	if base != nil {
		c.Transport, c.Timeout = base.Transport, base.Timeout
	}
	return c
}

// publicURL parses the URL that a provider was given. It is nil where raw is empty or wrong.
func publicURL(bad *invalid.Config, raw string) *url.URL {
	if raw == "" {
		return nil
	}
	u, err := url.Parse(raw)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.User != nil || u.Fragment != "" {
		bad.Hidden("PublicURL", "must be an absolute http or https URL without user or fragment") // a malformed one could hold a password
		return nil
	}
	return u
}

// prepare makes scheme ready and works out what depends on it alone.
func prepare(scheme Scheme, setup Setup) (*ready, error) {
	verifier, err := scheme.Prepare(setup)
	if err != nil {
		return nil, err
	}
	s := &ready{verifier: verifier, contract: verifier.Contract()}
	s.handshaker, _ = verifier.(Handshaker)
	s.confirmer, _ = verifier.(Confirmer)
	s.methods = s.contract.Methods
	if len(s.methods) == 0 {
		s.methods = []string{http.MethodPost}
	}
	allowed := slices.Concat(s.methods, s.contract.HandshakeMethods)
	slices.Sort(allowed)
	s.allow = strings.Join(slices.Compact(allowed), ", ")
	if err := s.contract.Accepted.check(); err != nil {
		bad := invalid.Config{Package: "webhook"}
		bad.Hidden("Scheme.Contract.Accepted", "must have status 200 to 299 and at most 8 KiB")
		return nil, bad.Err()
	}
	return s, nil
}

// SetSecrets replaces the secrets, newest first, for every request that begins after it returns. On an error, which joins
// every mistake, the old ones stay. To rotate without refusing anything, set new and old, change the secret at the
// provider, and set the new one alone when no delivery matches the old one any more: Outcome.Proof shows which one did.
func (h *Handler) SetSecrets(secrets ...Secret) error {
	setup := h.setup
	setup.Secrets = append([]Secret{}, secrets...) // not nil: none at all is for the scheme to refuse
	state, err := prepare(h.config.Scheme, setup)
	if err != nil {
		return err
	}
	h.ready.Store(state)
	return nil
}
