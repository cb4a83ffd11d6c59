package provider_test

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook"
)

// secret returns secrets in the order given.
func secret(texts ...string) []webhook.Secret {
	var list []webhook.Secret
	for _, text := range texts {
		list = append(list, webhook.NewSecret(text))
	}
	return list
}

// A delivery is one signed request whose signature was made elsewhere.
type delivery struct {
	name   string
	source string // where the signature was published; "" where this package's own Sign made it
	scheme webhook.Scheme
	setup  webhook.Setup
	method string // zero means POST
	url    string // zero means https://example.com/hook
	header map[string]string
	body   string
	at     int64 // seconds since 1970

	typ, id string

	// free lists header fields that may change without harm, because nothing signs them.
	free []string

	// covered returns what of a body is signed, where it is not the whole: a change that leaves it as it is need not be noticed. It returns ""
	// for a body that cannot be read.
	covered func(body []byte) string
}

// request returns d as a receiver sees it.
func (d delivery) request(tb testing.TB) *http.Request {
	tb.Helper()
	method, target := d.method, d.url
	if method == "" {
		method = "POST"
	}
	if target == "" {
		target = "https://example.com/hook"
	}
	r, err := http.NewRequest(method, target, nil)
	if err != nil {
		tb.Fatal(err)
	}
	for name, value := range d.header {
		r.Header.Set(name, value)
	}
	return r
}

// prepared returns d's verifier, set up with its URL as the public one.
func (d delivery) prepared(tb testing.TB) webhook.Verifier {
	tb.Helper()
	v, err := d.scheme.Prepare(d.completeSetup(tb))
	if err != nil {
		tb.Fatalf("%s: %v", d.name, err)
	}
	return v
}

func (d delivery) completeSetup(tb testing.TB) webhook.Setup {
	tb.Helper()
	setup := d.setup
	if setup.PublicURL == nil {
		target := d.url
		if target == "" {
			target = "https://example.com/hook"
		}
		u, err := url.Parse(target)
		if err != nil {
			tb.Fatal(err)
		}
		setup.PublicURL = u
	}
	if setup.Client == nil {
		setup.Client = &http.Client{Transport: noNetwork{}}
	}
	return setup
}

// noNetwork fails each request: a scheme that has what it needs asks nobody.
type noNetwork struct{}

func (noNetwork) RoundTrip(*http.Request) (*http.Response, error) {
	return nil, errors.New("no network in this test")
}

// describe returns what v says of a verified delivery.
func describe(v webhook.Verifier, r *http.Request, body []byte, proof webhook.Proof) webhook.Event {
	e := webhook.Event{Header: r.Header, Body: body, Proof: proof, SentAt: proof.SentAt, Method: r.Method}
	v.Describe(r, &e)
	return e
}

// isReason reports whether err is one of the reasons that package webhook names.
func isReason(err error) bool {
	return slices.ContainsFunc([]error{
		webhook.ErrNoSignature, webhook.ErrSignatureFormat, webhook.ErrSignature, webhook.ErrTimestamp, webhook.ErrTooOld,
		webhook.ErrTooNew, webhook.ErrForbidden, webhook.ErrPayload, webhook.ErrUnavailable, webhook.ErrHandshake,
	}, func(reason error) bool { return errors.Is(err, reason) })
}

func TestPublishedDeliveriesAreAccepted(t *testing.T) {
	for _, d := range published(t) {
		t.Run(d.scheme.Provider()+"/"+d.name, func(t *testing.T) {
			v := d.prepared(t)
			r, body := d.request(t), []byte(d.body)
			proof, err := v.Verify(r, body, time.Unix(d.at, 0))
			if err != nil {
				t.Fatal(err)
			}
			e := describe(v, r, body, proof)
			if e.Type != d.typ || e.ID != d.id {
				t.Errorf("type %q, id %q; want %q, %q", e.Type, e.ID, d.typ, d.id)
			}
			if e.Key == (webhook.Key{}) && !e.Repeatable {
				t.Error("no key")
			}
			if proof.Secret != 0 {
				t.Errorf("secret %d matched", proof.Secret)
			}
		})
	}
}

func TestEveryChangedByteOfTheBodyIsNoticed(t *testing.T) {
	for _, d := range append(published(t), selfSigned(t)...) {
		t.Run(d.scheme.Provider()+"/"+d.name, func(t *testing.T) {
			v := d.prepared(t)
			r := d.request(t)
			for i := range len(d.body) {
				for _, bit := range []byte{0x01, 0x20, 0x80} {
					body := []byte(d.body)
					body[i] ^= bit
					_, err := v.Verify(r, body, time.Unix(d.at, 0))
					if err == nil && d.covered != nil && d.covered(body) == d.covered([]byte(d.body)) {
						continue
					}
					if err == nil {
						t.Errorf("byte %d changed by %#x: accepted %q", i, bit, body)
					} else if !isReason(err) {
						t.Errorf("byte %d: %v is none of the reasons", i, err)
					}
				}
			}
			if d.covered == nil {
				for _, body := range []string{d.body + "\n", d.body + " ", "\ufeff" + d.body, ""} {
					if body != d.body {
						if _, err := v.Verify(r, []byte(body), time.Unix(d.at, 0)); err == nil {
							t.Errorf("accepted %q", body)
						}
					}
				}
			}
		})
	}
}

func TestEveryChangedByteOfASignedFieldIsNoticed(t *testing.T) {
	for _, d := range append(published(t), selfSigned(t)...) {
		t.Run(d.scheme.Provider()+"/"+d.name, func(t *testing.T) {
			v := d.prepared(t)
			for name, value := range d.header {
				if slices.Contains(d.free, name) {
					continue
				}
				refused := func(what string, change func(http.Header)) {
					r := d.request(t)
					change(r.Header)
					if _, err := v.Verify(r, []byte(d.body), time.Unix(d.at, 0)); err == nil {
						t.Errorf("%s, %s: accepted %q", name, what, r.Header)
					} else if !isReason(err) {
						t.Errorf("%s, %s: %v is none of the reasons", name, what, err)
					}
				}
				for i := range len(value) {
					for _, bit := range []byte{0x01, 0x20, 0x80} {
						changed := []byte(value)
						changed[i] ^= bit
						if name == "Authorization" && strings.EqualFold(string(changed), value) {
							continue // the scheme's case does not matter (RFC 9110, section 11.1)
						}
						refused("a byte changed", func(h http.Header) { h.Set(name, string(changed)) })
					}
				}
				refused("missing", func(h http.Header) { h.Del(name) })
				refused("empty", func(h http.Header) { h.Set(name, "") })
				refused("given twice", func(h http.Header) { h.Add(name, value) })
				refused("given twice, first wrong", func(h http.Header) { h[http.CanonicalHeaderKey(name)] = []string{"x", value} })
				refused("cut short", func(h http.Header) { h.Set(name, value[:len(value)-1]) })
				refused("made longer", func(h http.Header) { h.Set(name, value+"0") })
				if upper := strings.ToUpper(value); upper != value && name != "Authorization" {
					refused("in capitals", func(h http.Header) { h.Set(name, upper) })
				}
			}
		})
	}
}

// check verifies d and compares the reason.
func check(t *testing.T, name string, d delivery, want error) webhook.Proof {
	t.Helper()
	at := now
	if d.at != 0 {
		at = time.Unix(d.at, 0)
	}
	proof, err := d.prepared(t).Verify(d.request(t), []byte(d.body), at)
	if !errors.Is(err, want) {
		t.Errorf("%s: %v, want %v", name, err, want)
	}
	return proof
}
