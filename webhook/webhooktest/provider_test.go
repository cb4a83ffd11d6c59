package webhooktest_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook"
	"github.com/gatehouse-go/gatehouse/webhook/provider"
	"github.com/gatehouse-go/gatehouse/webhook/webhooktest"
)

// sample is what is particular to one provider's deliveries. The zero sample is a JSON event that is signed whole and checked without
// an allocation.
type sample struct {
	body   string               // of a small delivery; {ms} stands for the time in milliseconds
	header http.Header          // what the provider leaves to the sender
	covers webhooktest.Coverage // of the body

	// allocates: by public key, or by what must be parsed before it can be checked.
	allocates bool
}

const sampleBody = `{"id":"evt_1","type":"invoice.paid"}`

var (
	bearer    = sample{covers: webhooktest.Nothing, allocates: true}
	publicKey = sample{allocates: true}

	samples = map[string]sample{
		"adyen":       {covers: webhooktest.SomeFields},
		"aws-sns":     {covers: webhooktest.SomeFields, allocates: true},
		"cloudevents": bearer,
		"datocms":     bearer,
		"discord":     publicKey,
		"linear":      {body: `{"type":"Issue","action":"create","webhookTimestamp":{ms}}`},
		"mailgun":     {covers: webhooktest.SomeFields},
		"msgraph":     bearer,
		"paypal":      publicKey,
		"prismic":     bearer,
		"rfc9421":     publicKey, // and what is covered is the sender's choice
		"sendgrid":    publicKey,
		"strapi":      bearer,
		"telegram":    bearer,
		"token":       bearer,
	}
)

// bodyAt returns the body as sent at this time.
func (s sample) bodyAt(at time.Time) string {
	if s.body == "" {
		return sampleBody
	}
	return strings.ReplaceAll(s.body, "{ms}", strconv.FormatInt(at.UnixMilli(), 10))
}

// schemeOf returns the provider's scheme and its sample.
func schemeOf(t *testing.T, id string) (webhook.Signer, sample) {
	t.Helper()
	scheme, err := provider.New(id)
	if err != nil {
		t.Fatal(err)
	}
	signer, ok := scheme.(webhook.Signer)
	if !ok {
		t.Fatalf("%T cannot sign", scheme)
	}
	return signer, samples[id]
}

func TestEveryProviderRefusesEveryAlteration(t *testing.T) {
	for _, id := range provider.IDs() {
		t.Run(id, func(t *testing.T) { // not parallel: allocations are counted
			scheme, s := schemeOf(t, id)
			at := time.Now().Truncate(time.Second)
			webhooktest.TestScheme(t, webhooktest.SchemeConfig{
				Scheme: scheme, URL: "https://app.example/hooks/" + id + "?a=1", Header: s.header, Body: []byte(s.bodyAt(at)),
				At: at, Covers: s.covers, NoAllocs: !s.allocates,
			})
		})
	}
}

// secretScheme is a scheme with its secrets, as an application configures it.
type secretScheme struct {
	webhook.Signer
	secrets []webhook.Secret
}

func (s secretScheme) Prepare(setup webhook.Setup) (webhook.Verifier, error) {
	if setup.Secrets == nil {
		setup.Secrets = s.secrets
	}
	return s.Signer.Prepare(setup)
}

func TestEveryProviderRoundTrips(t *testing.T) {
	for _, id := range provider.IDs() {
		t.Run(id, func(t *testing.T) {
			scheme, s := schemeOf(t, id)
			signing, verifying, err := scheme.GenerateSecret()
			if err != nil {
				t.Fatal(err)
			}
			const url = "https://app.example/hooks"
			var got []webhook.Event
			var reason error
			endpoint, err := webhook.New(webhook.Config{
				Scheme:    secretScheme{scheme, []webhook.Secret{verifying}},
				OnEvent:   func(_ context.Context, e webhook.Event) error { got = append(got, e); return nil },
				PublicURL: url,
				Observe:   func(o webhook.Outcome) { reason = errors.Join(reason, o.Reason) },
			})
			if err != nil {
				t.Fatal(err)
			}
			random := rand.New(rand.NewPCG(1, 2)) // the same deliveries in each run
			for i := range 100 {
				at := time.Now().Add(time.Duration(i) * time.Millisecond)
				body := noisy(random, s.bodyAt(at))
				res := webhooktest.Send(t, endpoint, webhooktest.Delivery{
					Scheme: scheme, Key: signing, URL: url, Header: s.header, Body: body, At: at,
				})
				if res.StatusCode < 200 || res.StatusCode > 299 {
					t.Fatalf("a delivery of %q is answered %d: %v", body, res.StatusCode, reason)
				}
			}
			if len(got) == 0 || got[0].Provider != scheme.Provider() {
				t.Fatalf("%d events", len(got))
			}
		})
	}
}

// noisy returns body with a random value added, as JSON or as a form.
func noisy(random *rand.Rand, body string) []byte {
	runes := make([]rune, random.IntN(40))
	for i := range runes {
		runes[i] = rune(random.IntN(0xd7ff) + 1)
	}
	noise := fmt.Sprint(random.Uint64(), string(runes))
	if !strings.HasPrefix(body, "{") {
		return []byte(body + "&noise=" + url.QueryEscape(noise))
	}
	text, err := json.Marshal(noise)
	if err != nil {
		panic(err) // a string always marshals
	}
	return []byte(strings.TrimSuffix(strings.TrimSpace(body), "}") + `,"noise":` + string(text) + "}")
}
