package provider_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook"
	"github.com/gatehouse-go/gatehouse/webhook/provider"
)

// now is when the deliveries of these tests are signed.
var now = time.Unix(1764000000, 0)

// signed returns a delivery of body by the provider with this id, signed by its own Sign, and the receiver's secret.
func signed(tb testing.TB, id, body string) (scheme webhook.Signer, r *http.Request, sent []byte, verifying webhook.Secret) {
	tb.Helper()
	found, err := provider.New(id)
	if err != nil {
		tb.Fatal(err)
	}
	scheme = found.(webhook.Signer)
	signing, verifying, err := scheme.GenerateSecret()
	if err != nil {
		tb.Fatal(err)
	}
	r, err = http.NewRequest("", "https://example.com/hooks/in?tenant=7", nil)
	if err != nil {
		tb.Fatal(err)
	}
	sent, err = scheme.Sign(r, []byte(body), now, signing)
	if err != nil {
		tb.Fatalf("%s: %v", id, err)
	}
	return scheme, r, sent, verifying
}

// sampleBody is a body that the provider can sign.
func sampleBody(id string) string {
	if id == "linear" {
		return `{"action":"create","type":"Issue","createdAt":"2025-11-24T16:00:00.000Z","data":{"id":"a"},"webhookTimestamp":1764000000000}`
	}
	return `{"id":"evt_1","type":"invoice.paid","data":{"amount":1000}}`
}

// selfSigned returns one delivery of each provider, signed by its own Sign.
func selfSigned(tb testing.TB) []delivery {
	tb.Helper()
	nothing := func([]byte) string { return "" }
	covered := map[string]func([]byte) string{
		"aws-sns":     signedMembers("Message", "MessageId", "Timestamp", "TopicArn", "Type", "SignatureVersion", "Signature"),
		"mailgun":     signedMembers("signature"),
		"prismic":     signedMembers("secret"),
		"cloudevents": nothing, "datocms": nothing, "strapi": nothing, "telegram": nothing, "token": nothing,
		"adyen": func(body []byte) string {
			var list struct {
				Items []struct {
					NotificationRequestItem struct{ AdditionalData json.RawMessage }
				} `json:"notificationItems"`
			}
			_ = json.Unmarshal(body, &list)
			text, _ := json.Marshal(list)
			return string(text)
		},
		"msgraph": func(body []byte) string {
			var list struct {
				Value []struct{ ClientState string }
			}
			_ = json.Unmarshal(body, &list)
			text, _ := json.Marshal(list)
			return string(text)
		},
	}
	free := map[string][]string{
		"aws-sns": {"X-Amz-Sns-Message-Type", "X-Amz-Sns-Message-Id", "X-Amz-Sns-Topic-Arn", "Content-Type"},
		"mailgun": {"Content-Type"},
		"paypal":  {"Paypal-Cert-Url", "Paypal-Auth-Algo"},
	}
	var list []delivery
	for _, id := range provider.IDs() {
		scheme, r, sent, verifying := signed(tb, id, sampleBody(id))
		d := delivery{
			name: "signed here", scheme: scheme, setup: webhook.Setup{Secrets: []webhook.Secret{verifying}},
			method: r.Method, url: r.URL.String(), header: map[string]string{}, body: string(sent), at: now.Unix(),
			free: free[id], covered: covered[id],
		}
		for name := range r.Header {
			d.header[name] = r.Header.Get(name)
		}
		list = append(list, d)
	}
	return list
}

func TestWhatSignMakesIsVerified(t *testing.T) {
	for _, d := range selfSigned(t) {
		t.Run(d.scheme.Provider(), func(t *testing.T) {
			v, r, body := d.prepared(t), d.request(t), []byte(d.body)
			proof, err := v.Verify(r, body, now)
			if err != nil {
				t.Fatal(err)
			}
			e := describe(v, r, body, proof)
			if e.Key == (webhook.Key{}) && !e.Repeatable {
				t.Error("no key")
			}
			if e.SentAt != (time.Time{}) && !e.SentAt.Equal(now) {
				t.Errorf("sent at %v, want %v", e.SentAt, now)
			}
			_, other, err := d.scheme.(webhook.Signer).GenerateSecret()
			if err != nil {
				t.Fatal(err)
			}
			verifying := d.setup.Secrets[0].Named("current")
			d.setup.Secrets = []webhook.Secret{other}
			if _, err := d.prepared(t).Verify(r, body, now); err == nil {
				t.Error("another key verifies it")
			} else if !errors.Is(err, webhook.ErrSignature) && !errors.Is(err, webhook.ErrSignatureFormat) {
				t.Errorf("under another key: %v", err)
			}
			if d.scheme.Provider() == "rfc9421" {
				verifying = verifying.Named("") // there a name is the keyid that the signature must have
			}
			d.setup.Secrets = []webhook.Secret{other, verifying}
			proof, err = d.prepared(t).Verify(r, body, now)
			if err != nil || proof.Secret != 1 {
				t.Errorf("as the older of two keys: secret %d, %v", proof.Secret, err)
			}
			if proof.KeyID != verifying.ID() {
				t.Errorf("key id %q, want %q", proof.KeyID, verifying.ID())
			}
		})
	}
}

// A secret must not show in anything that is printed: not in a scheme, not in a verifier, not in an error.
func TestNoSecretIsPrinted(t *testing.T) {
	for _, id := range provider.IDs() {
		for _, text := range []string{"canary canary \n", "canary", "whsec_canary!", "whsk_canary", "arn:canary", "-----BEGIN canary"} {
			scheme, err := provider.New(id, webhook.NewSecret(text))
			if err != nil {
				t.Fatal(err)
			}
			d := delivery{scheme: scheme}
			v, err := scheme.Prepare(d.completeSetup(t))
			if err != nil && strings.Contains(err.Error(), "canary") {
				t.Errorf("%s: the error has the secret: %v", id, err)
			}
			if err != nil {
				continue
			}
			if text := fmt.Sprintf("%v %+v %#v", v, v, v); strings.Contains(text, "canary") {
				t.Errorf("%s: the verifier prints the secret: %s", id, text)
			}
			r := d.request(t)
			r.Header.Set("Authorization", "Bearer canary-shown")
			if _, err := v.Verify(r, []byte(`{"secret":"canary-shown","type":"x"}`), now); err == nil || strings.Contains(err.Error(), "canary") {
				t.Errorf("%s: the reason has a secret: %v", id, err)
			}
		}
	}
}
