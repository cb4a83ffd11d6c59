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
	"github.com/gatehouse-go/gatehouse/webhook/provider"
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
	// loose means that a changed byte of the body need not be noticed.
	loose func(i int) bool
}

// request returns d as a receiver sees it.
func (d delivery) request(t testing.TB) *http.Request {
	t.Helper()
	method, target := d.method, d.url
	if method == "" {
		method = "POST"
	}
	if target == "" {
		target = "https://example.com/hook"
	}
	r, err := http.NewRequest(method, target, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range d.header {
		r.Header.Set(name, value)
	}
	return r
}

// prepared returns d's verifier, set up with its URL as the public one.
func (d delivery) prepared(t testing.TB) webhook.Verifier {
	t.Helper()
	v, err := d.scheme.Prepare(d.completeSetup(t))
	if err != nil {
		t.Fatalf("%s: %v", d.name, err)
	}
	return v
}

func (d delivery) completeSetup(t testing.TB) webhook.Setup {
	t.Helper()
	setup := d.setup
	if setup.PublicURL == nil {
		target := d.url
		if target == "" {
			target = "https://example.com/hook"
		}
		u, err := url.Parse(target)
		if err != nil {
			t.Fatal(err)
		}
		setup.PublicURL = u
	}
	if setup.Transport == nil {
		setup.Transport = noNetwork{}
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
			if e.Key == (webhook.Key{}) {
				t.Error("no key")
			}
			if proof.Secret != 0 {
				t.Errorf("secret %d matched", proof.Secret)
			}
		})
	}
}

func TestEveryChangedByteOfTheBodyIsNoticed(t *testing.T) {
	for _, d := range published(t) {
		t.Run(d.scheme.Provider()+"/"+d.name, func(t *testing.T) {
			v := d.prepared(t)
			r := d.request(t)
			for i := range len(d.body) {
				if d.loose != nil && d.loose(i) {
					continue
				}
				for _, bit := range []byte{0x01, 0x20, 0x80} {
					body := []byte(d.body)
					body[i] ^= bit
					if _, err := v.Verify(r, body, time.Unix(d.at, 0)); err == nil {
						t.Errorf("byte %d changed by %#x: accepted %q", i, bit, body)
					} else if !isReason(err) {
						t.Errorf("byte %d: %v is none of the reasons", i, err)
					}
				}
			}
			if d.loose == nil {
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
	for _, d := range published(t) {
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
						refused("a byte changed", func(h http.Header) { h.Set(name, string(changed)) })
					}
				}
				refused("missing", func(h http.Header) { h.Del(name) })
				refused("empty", func(h http.Header) { h.Set(name, "") })
				refused("given twice", func(h http.Header) { h.Add(name, value) })
				refused("given twice, first wrong", func(h http.Header) { h[http.CanonicalHeaderKey(name)] = []string{"x", value} })
				refused("cut short", func(h http.Header) { h.Set(name, value[:len(value)-1]) })
				refused("made longer", func(h http.Header) { h.Set(name, value+"0") })
				if upper := strings.ToUpper(value); upper != value {
					refused("in capitals", func(h http.Header) { h.Set(name, upper) })
				}
			}
		})
	}
}

// published returns deliveries whose signatures others have published, made for this package's schemes.
func published(testing.TB) []delivery {
	return []delivery{
		{
			name:   "TestWebhookSign",
			source: "standard-webhooks/libraries/go/webhook_test.go",
			scheme: provider.StandardWebhooks{Secrets: secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")},
			header: map[string]string{
				"webhook-id":        "msg_p5jXN8AQM9LWM0D4loKWxJek",
				"webhook-timestamp": "1614265330",
				"webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
			},
			body: `{"test": 2432232314}`,
			at:   1614265330,
			id:   "msg_p5jXN8AQM9LWM0D4loKWxJek",
		},
		{
			name:   "EventUtilityTest",
			source: "stripe/stripe-dotnet src/StripeTests/Services/Events/EventUtilityTest.cs",
			scheme: provider.Stripe{Secrets: secret("webhook_secret")},
			header: map[string]string{
				"Stripe-Signature": "t=1533204620,v1=2220f87ef101a04665f11cdf770523143f875572008577fa0f20882ddb9cc3c7",
			},
			body: "{\n  \"id\": \"evt_123\",\n  \"object\": \"event\",\n  \"account\": \"acct_123\",\n  \"api_version\": \"2017-05-25\",\n" +
				"  \"created\": 1533204620,\n  \"data\": {\n    \"object\": {\n      \"id\": \"cus_123\",\n      \"object\": \"customer\",\n" +
				"      \"created\": 123456789,\n      \"email\": \"test@stripe.com\",\n      \"livemode\": false,\n      \"metadata\": {}\n" +
				"    }\n  },\n  \"livemode\": false,\n  \"pending_webhooks\": 1,\n  \"request\": {\n    \"id\": \"req_123\",\n" +
				"    \"idempotency_key\": \"idempotency-key-123\"\n  },\n  \"type\": \"customer.created\"\n}\n",
			at:  1533204620,
			typ: "customer.created",
			id:  "evt_123",
		},
		{
			name:   "documentation",
			source: "docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries",
			scheme: provider.GitHub{Secrets: secret("It's a Secret to Everybody")},
			header: map[string]string{
				"X-Hub-Signature-256": "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
				"X-GitHub-Event":      "issues",
				"X-GitHub-Delivery":   "72d3162e-cc78-11e3-81ab-4c9367dc0958",
			},
			free: []string{"X-GitHub-Event", "X-GitHub-Delivery"},
			body: "Hello, World!",
			typ:  "issues",
			id:   "72d3162e-cc78-11e3-81ab-4c9367dc0958",
		},
		{
			name:   "octokit",
			source: "octokit/webhooks-methods.js test/verify.test.ts",
			scheme: provider.GitHub{Secrets: secret("mysecret")},
			header: map[string]string{
				"X-Hub-Signature-256": "sha256=4864d2759938a15468b5df9ade20bf161da9b4f737ea61794142f3484236bda3",
			},
			body: `{"foo":"bar"}`,
		},
		{
			name:   "go-github",
			source: "google/go-github github/messages_test.go",
			scheme: provider.GitHub{Secrets: secret("0123456789abcdef")},
			header: map[string]string{
				"X-Hub-Signature-256": "sha256=b1f8020f5b4cd42042f807dd939015c4a418bc1ff7f604dd55b0a19b5d953d9b",
			},
			body: `{"yo":true}`,
		},
		{
			name:   "convoy",
			source: "frain-dev/convoy pkg/verifier/verifier_test.go",
			scheme: provider.GitHub{Secrets: secret("Convoy")},
			header: map[string]string{
				"X-Hub-Signature-256": "sha256=d7a154547e7c35e31c4c820e20237650939c3d34dae136e30a7757ca61abb4cf",
			},
			body: "Test Payload Body",
		},
	}
}
