package webhooktest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook"
)

// Coverage says how much of a body a scheme's signature covers.
type Coverage uint8

// Coverages of a body.
const (
	WholeBody  Coverage = iota // every byte
	SomeFields                 // named members of it, as with Amazon SNS
	Nothing                    // a token proves the sender, and nothing is signed
)

// SchemeConfig configures [TestScheme]. Scheme is required.
type SchemeConfig struct {
	Scheme webhook.Signer // with every field but its secrets, which are generated
	URL    string         // the public URL. Empty means https://app.example/webhook
	Header http.Header    // what the provider leaves to the sender, such as an event's name. Nil means nothing
	Body   []byte         // a small delivery: every byte of it is altered. Nil means an empty one
	At     time.Time      // when it is signed, to the second. Zero means now
	Covers Coverage       // how much of the body the signature covers. Zero means WholeBody
	Client *http.Client   // for schemes that fetch certificates. Nil means one that refuses

	// KeyHasUnsigned says that by the scheme's documented choice Event.Key depends on unsigned parts of a delivery.
	KeyHasUnsigned bool

	// NoAllocs says that accepting a delivery under the newest secret must not allocate. The calling test must not be parallel then.
	NoAllocs bool
}

// TestScheme checks that c.Scheme accepts what it signs and nothing else, and fails the test with every breach.
//
// A signed delivery is altered in every way that changes one thing: each byte of the body and of each header field, a field
// removed, doubled or replaced by what parsers trip over, the key, the method, the query, and the clock. Each alteration must be
// refused with a 4xx reason, or leave as it was everything that the Event says is signed, and its Key.
//
//	func TestAcme(t *testing.T) {
//		webhooktest.TestScheme(t, webhooktest.SchemeConfig{Scheme: acme, Body: []byte(`{"id":"evt_1"}`)})
//	}
func TestScheme(t *testing.T, c SchemeConfig) {
	t.Helper()
	if err := checkScheme(t.Context(), c); err != nil {
		t.Error(err)
	}
}

// checkScheme returns every breach joined.
func checkScheme(ctx context.Context, c SchemeConfig) error {
	s := &schemeTest{SchemeConfig: c, ctx: ctx}
	if s.Client == nil {
		s.Client = &http.Client{Transport: refusingTransport{}}
	}
	if s.URL == "" {
		s.URL = "https://app.example/webhook"
	}
	if s.At.IsZero() {
		s.At = time.Now().Truncate(time.Second)
	}
	if err := s.sign(); err != nil {
		return err
	}
	s.secrets()
	s.roundTrip()
	if s.verifier != nil {
		s.body()
		s.fields()
		s.request()
		s.clock()
	}
	return errors.Join(s.broken...)
}

type refusingTransport struct{}

func (refusingTransport) RoundTrip(*http.Request) (*http.Response, error) {
	return nil, errors.New("webhooktest: SchemeConfig.Client is not set")
}

// schemeTest is one run of TestScheme.
type schemeTest struct {
	SchemeConfig
	ctx    context.Context //nolint:containedctx // lives as long as one call of TestScheme
	broken []error

	signing, verifying webhook.Secret
	request0           *http.Request // the delivery as signed; cloned before each alteration
	sent               []byte        // its body
	setup              webhook.Setup
	verifier           webhook.Verifier // prepared with the one right secret
	event              webhook.Event    // what the delivery says when nothing is altered
}

func (s *schemeTest) fail(format string, args ...any) {
	if len(s.broken) < 20 { // one fault breaks many alterations
		s.broken = append(s.broken, fmt.Errorf("webhooktest: %s: %w", s.Scheme.Provider(), fmt.Errorf(format, args...)))
	}
}

// sign makes the delivery that all rules start from.
func (s *schemeTest) sign() error {
	if s.Scheme == nil {
		return errors.New("webhooktest: SchemeConfig.Scheme is required")
	}
	var err error
	if s.signing, s.verifying, err = s.Scheme.GenerateSecret(); err != nil {
		return fmt.Errorf("webhooktest: GenerateSecret: %w", err)
	}
	public, err := url.Parse(s.URL)
	if err != nil {
		return fmt.Errorf("webhooktest: %w", err)
	}
	d := Delivery{Scheme: s.Scheme, Key: s.signing, URL: s.URL, Header: s.Header, Body: s.Body, At: s.At}
	if s.request0, s.sent, err = d.sign(s.ctx); err != nil {
		return err
	}
	s.setup = webhook.Setup{PublicURL: public, Client: s.Client}
	return nil
}

// prepare returns a Verifier with these secrets.
func (s *schemeTest) prepare(secrets ...webhook.Secret) (webhook.Verifier, error) {
	setup := s.setup
	setup.Secrets = append([]webhook.Secret{}, secrets...)
	return s.Scheme.Prepare(setup)
}

// secrets: what is no secret is refused before a delivery can be forged with it.
func (s *schemeTest) secrets() {
	for name, list := range map[string][]webhook.Secret{
		"no secret": {}, "an empty secret": {webhook.NewSecret("")}, "a zero secret beside a good one": {s.verifying, {}},
	} {
		if _, err := s.prepare(list...); err == nil {
			s.fail("Prepare accepts %s", name)
		} else if strings.Contains(err.Error(), s.verifying.Reveal()) {
			s.fail("Prepare's error shows a secret")
		}
	}
	var err error
	if s.verifier, err = s.prepare(s.verifying); err != nil {
		s.fail("Prepare refuses the generated secret: %w", err)
	}
}

// roundTrip: what is signed is accepted, under each of several secrets, and under none but the right one.
func (s *schemeTest) roundTrip() {
	_, other, err := s.Scheme.GenerateSecret()
	if err != nil || s.verifier == nil {
		return
	}
	proof, err := s.verifier.Verify(s.request0.Clone(s.ctx), s.sent, s.At)
	if err != nil {
		s.fail("refuses what it signed: %w", err)
		s.verifier = nil
		return
	}
	s.event = s.describe(s.request0, s.sent, proof)
	if s.NoAllocs {
		if n := s.allocs(); n != 0 {
			s.fail("accepting a delivery allocates %v times", n)
		}
	}
	rotating, err := s.prepare(other, s.verifying)
	if err != nil {
		s.fail("Prepare refuses two secrets: %w", err)
		return
	}
	proof, err = rotating.Verify(s.request0.Clone(s.ctx), s.sent, s.At)
	if err != nil || proof.Secret != 1 {
		s.fail("with the right secret second: %+v, %v", proof, err)
	}
	if wrong, err := s.prepare(other); err == nil {
		s.refused("under another secret", wrong, s.request0.Clone(s.ctx), s.sent)
	}
}

// allocs returns how often Verify allocates at least: under the race detector a [sync.Pool] loses some of what it holds.
func (s *schemeTest) allocs() float64 {
	least := math.Inf(1)
	for range 50 {
		least = min(least, testing.AllocsPerRun(1, func() { _, _ = s.verifier.Verify(s.request0, s.sent, s.At) }))
	}
	return least
}

// describe returns the event of a verified delivery, as a Handler would.
func (s *schemeTest) describe(r *http.Request, body []byte, proof webhook.Proof) webhook.Event {
	e := webhook.Event{
		Provider: s.Scheme.Provider(), Proof: proof, SentAt: proof.SentAt, ReceivedAt: s.At,
		Method: r.Method, Header: r.Header, Query: r.URL.Query(), Body: body,
	}
	s.verifier.Describe(r, &e)
	return e
}
