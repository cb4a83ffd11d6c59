package provider_test

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook"
	"github.com/gatehouse-go/gatehouse/webhook/provider"
)

// now is when the deliveries of these tests are signed.
var now = time.Unix(1764000000, 0)

// signed returns a delivery of body by the provider with this id, signed by its own Sign, and how it is verified.
func signed(t testing.TB, id, body string) (scheme webhook.Signer, r *http.Request, sent []byte, verifying webhook.Secret) {
	t.Helper()
	found, err := provider.New(id)
	if err != nil {
		t.Fatal(err)
	}
	scheme = found.(webhook.Signer)
	signing, verifying, err := scheme.GenerateSecret()
	if err != nil {
		t.Fatal(err)
	}
	r, err = http.NewRequest("", "https://example.com/hooks/in?tenant=7", nil)
	if err != nil {
		t.Fatal(err)
	}
	sent, err = scheme.Sign(r, []byte(body), now, signing)
	if err != nil {
		t.Fatalf("%s: %v", id, err)
	}
	return scheme, r, sent, verifying
}

// sampleBody is a body that every provider can sign.
func sampleBody(id string) string {
	if id == "linear" {
		return `{"action":"create","type":"Issue","createdAt":"2025-11-24T16:00:00.000Z","data":{"id":"a"},"webhookTimestamp":1764000000000}`
	}
	return `{"id":"evt_1","type":"invoice.paid","data":{"amount":1000}}`
}

func TestWhatSignMakesIsVerified(t *testing.T) {
	for _, id := range provider.IDs() {
		t.Run(id, func(t *testing.T) {
			scheme, r, body, verifying := signed(t, id, sampleBody(id))
			d := delivery{scheme: scheme, setup: webhook.Setup{Secrets: []webhook.Secret{verifying}}, url: r.URL.String()}
			v := d.prepared(t)
			proof, err := v.Verify(r, body, now)
			if err != nil {
				t.Fatal(err)
			}
			e := describe(v, r, body, proof)
			if e.Key == (webhook.Key{}) && !e.Repeatable {
				t.Error("no key")
			}
			_, other, err := scheme.GenerateSecret()
			if err != nil {
				t.Fatal(err)
			}
			d.setup.Secrets = []webhook.Secret{other}
			if _, err := d.prepared(t).Verify(r, body, now); err == nil {
				t.Error("another key verifies it")
			} else if !errors.Is(err, webhook.ErrSignature) && !errors.Is(err, webhook.ErrSignatureFormat) {
				t.Errorf("under another key: %v", err)
			}
			d.setup.Secrets = []webhook.Secret{other, verifying}
			if proof, err := d.prepared(t).Verify(r, body, now); err != nil || proof.Secret != 1 {
				t.Errorf("as the older of two keys: secret %d, %v", proof.Secret, err)
			}
		})
	}
}
