package webhooktest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"slices"
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
	Scheme    webhook.Signer    // with every field but its secrets, which are generated
	URL       string            // the public URL. Zero means https://app.example/webhook
	Header    http.Header       // what the provider leaves to the sender, such as an event's name
	Body      []byte            // a small delivery: every byte of it is altered
	At        time.Time         // when it is signed, to the second. Zero means now
	Covers    Coverage          // of the body
	Transport http.RoundTripper // for schemes that fetch certificates. Zero means one that refuses

	// KeyHasUnsigned says that by the scheme's documented choice Event.Key depends on unsigned parts of a delivery.
	KeyHasUnsigned bool

	// NoAllocs says that accepting a delivery under the newest secret must not allocate. The calling test must not be parallel then.
	NoAllocs bool
}

// TestScheme checks that c.Scheme accepts what it signs and nothing else, and returns every breach joined.
//
// A signed delivery is altered in every way that changes one thing: each byte of the body and of each header field, a field
// removed, doubled or replaced by what parsers trip over, the key, the method, the query, and the clock. Each alteration must be
// refused with a 4xx reason, or leave as it was everything that the Event says is signed, and its Key.
func TestScheme(ctx context.Context, c SchemeConfig) error {
	s := &schemeTest{SchemeConfig: c, ctx: ctx}
	if s.Transport == nil {
		s.Transport = refusingTransport{}
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
	return nil, errors.New("webhooktest: SchemeConfig.Transport is not set")
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
	s.setup = webhook.Setup{PublicURL: public, Transport: s.Transport}
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

// refused checks that v refuses the delivery with a reason of the 4xx kind that shows no secret.
func (s *schemeTest) refused(what string, v webhook.Verifier, r *http.Request, body []byte) {
	_, err := v.Verify(r, body, s.At)
	if err == nil {
		s.fail("accepts a delivery %s", what)
		return
	}
	s.reason(what, err)
}

// reason checks the error of a refusal.
func (s *schemeTest) reason(what string, err error) {
	var coded interface{ StatusCode() int }
	if !errors.As(err, &coded) || coded.StatusCode() < 400 || coded.StatusCode() > 499 {
		s.fail("%s: %w has no status of the 4xx kind", what, err)
	}
	if strings.Contains(err.Error(), s.verifying.Reveal()) || strings.Contains(err.Error(), s.signing.Reveal()) {
		s.fail("%s: the reason shows a secret", what)
	}
}

// altered checks a delivery that is not the one that was signed: it is refused, or says nothing new in the signed part.
func (s *schemeTest) altered(what string, r *http.Request, body []byte) {
	defer func() {
		if v := recover(); v != nil {
			s.fail("%s: panic: %v", what, v)
		}
	}()
	proof, err := s.verifier.Verify(r, body, s.At)
	if err != nil {
		s.reason(what, err)
		return
	}
	e := s.describe(r, body, proof)
	was := s.event
	switch {
	case e.IDSigned && e.ID != was.ID:
		s.fail("%s changes the signed ID from %q to %q", what, was.ID, e.ID)
	case e.TypeSigned && e.Type != was.Type:
		s.fail("%s changes the signed Type from %q to %q", what, was.Type, e.Type)
	case !proof.SentAt.Equal(was.Proof.SentAt):
		s.fail("%s changes the signed time", what)
	case e.Key != was.Key && !s.KeyHasUnsigned && s.Covers != Nothing && !e.Repeatable:
		s.fail("%s changes the Key: the same delivery could be handled again", what)
	}
	for _, name := range e.SignedHeaders {
		if fieldValue(r, name) != fieldValue(s.request0, name) {
			s.fail("%s changes %s, which is said to be signed", what, name)
		}
	}
}

// fieldValue returns the value of a header field as it counts: without the white space around it (RFC 9110, section 5.5).
func fieldValue(r *http.Request, name string) string {
	var values []string
	for _, value := range r.Header.Values(name) {
		values = append(values, strings.TrimSpace(value))
	}
	return strings.Join(values, ", ")
}

// body alters each byte of the body, cuts it short and makes it longer.
func (s *schemeTest) body() {
	for i := range s.sent {
		for _, bit := range []byte{0x01, 0x20, 0x80} {
			body := slices.Clone(s.sent)
			body[i] ^= bit
			what := fmt.Sprintf("byte %d of the body altered by %#x", i, bit)
			if s.Covers == WholeBody {
				s.refused("with "+what, s.verifier, s.request0.Clone(s.ctx), body)
			} else {
				s.altered(what, s.request0.Clone(s.ctx), body)
			}
		}
	}
	for what, body := range map[string][]byte{
		"no body": nil, "a byte appended to the body": append(slices.Clone(s.sent), '\n'), "a byte before the body": append([]byte{' '}, s.sent...),
	} {
		s.altered(what, s.request0.Clone(s.ctx), body)
		if s.Covers == WholeBody && len(body) != len(s.sent) {
			s.refused("with "+what, s.verifier, s.request0.Clone(s.ctx), body)
		}
	}
}

// hostile are values that parsers of signatures, times and lists trip over.
var hostile = []string{
	"", " ", "0", "-1", "+1", "NaN", "Inf", "1e3", "0x10", "1.5", "١٢٣", "9223372036854775807", "9223372036854775808", "99999999999999999999999",
	"=", ",", ";", "==", "v1=", "v1,", "t=", "t=,v1=", "sha256=", "sha256", "sha1=", "sha256==", "v0=,v1=", "\x00", "\xff", "%", "%00", "\"", ":", "(", "()", "sig1=()",
	"null", "true", "{}", strings.Repeat("A", 4096), strings.Repeat(",", 4096), strings.Repeat("v1=00,", 700),
}

// fields alters each header field that the delivery has.
func (s *schemeTest) fields() {
	for name, values := range s.request0.Header {
		value := values[0]
		change := func(what string, to ...string) {
			r := s.request0.Clone(s.ctx)
			r.Header[name] = to
			if to == nil {
				delete(r.Header, name)
			}
			s.altered(fmt.Sprintf("%s of %s", what, name), r, s.sent)
		}
		for i := range len(value) {
			for _, bit := range []byte{0x01, 0x20} {
				b := []byte(value)
				b[i] ^= bit
				change(fmt.Sprintf("byte %d altered by %#x", i, bit), string(b))
			}
		}
		change("removal")
		change("a copy", value, value)
		change("an empty twin", value, "")
		change("an empty twin before", "", value)
		change("half", value[:len(value)/2])
		change("all but the last byte", value[:max(len(value)-1, 0)])
		change("a space after", value+" ")
		change("doubling in one field", value+", "+value)
		change("capitals", strings.ToUpper(value))
		for _, junk := range hostile {
			change(fmt.Sprintf("replacement by %.20q", junk), junk)
			change(fmt.Sprintf("%.20q before", junk), junk+value)
			change(fmt.Sprintf("%.20q after", junk), value+junk)
		}
	}
}

// request alters method, host and query.
func (s *schemeTest) request() {
	for what, change := range map[string]func(*http.Request){
		"another method":       func(r *http.Request) { r.Method = http.MethodPut },
		"another host":         func(r *http.Request) { r.Host, r.URL.Host = "evil.example", "evil.example" },
		"a forwarded host":     func(r *http.Request) { r.Header.Set("X-Forwarded-Host", "evil.example") },
		"a parameter added":    func(r *http.Request) { r.URL.RawQuery += "&injected=1" },
		"the query removed":    func(r *http.Request) { r.URL.RawQuery = "" },
		"another path":         func(r *http.Request) { r.URL.Path += "/x" },
		"an unrelated field":   func(r *http.Request) { r.Header.Set("X-Unrelated", "1") },
		"every field doubled":  func(r *http.Request) { doubleAll(r.Header) },
		"no header at all":     func(r *http.Request) { r.Header = http.Header{} },
		"a nil header and URL": func(r *http.Request) { r.Header, r.URL = nil, &url.URL{} },
	} {
		r := s.request0.Clone(s.ctx)
		change(r)
		s.altered(what, r, s.sent)
	}
}

func doubleAll(h http.Header) {
	for name, values := range h {
		h[name] = append(slices.Clone(values), values...)
	}
}

// clock moves the receiver's time to the edges of the tolerance and far beyond.
func (s *schemeTest) clock() {
	tolerance := s.verifier.Contract().Tolerance
	if s.event.Proof.SentAt.IsZero() {
		return
	}
	if tolerance <= 0 {
		s.fail("a signed time without Contract.Tolerance: a captured delivery stays valid for ever")
		return
	}
	year := 365 * 24 * time.Hour
	sent := s.event.Proof.SentAt
	for _, row := range []struct {
		now  time.Time
		want error
	}{
		{sent.Add(tolerance), nil},
		{sent.Add(-tolerance), nil},
		{sent.Add(tolerance + time.Second), webhook.ErrTooOld},
		{sent.Add(-tolerance - time.Second), webhook.ErrTooNew},
		{sent.Add(10 * year), webhook.ErrTooOld},
		{sent.Add(-10 * year), webhook.ErrTooNew},
	} {
		if _, err := s.verifier.Verify(s.request0.Clone(s.ctx), s.sent, row.now); !errors.Is(err, row.want) {
			s.fail("received %v after it was sent: %v, want %v", row.now.Sub(sent), err, row.want)
		}
	}
}
