package provider_test

import (
	"crypto"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-go/gatehouse/webhook"
	"github.com/gatehouse-go/gatehouse/webhook/provider"
)

func TestAcceptingAKeyedHashAllocatesNothing(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector makes sync.Pool drop what it holds")
	}
	others := strings.Fields("aws-sns cloudevents datocms discord msgraph paypal prismic " +
		"sendgrid strapi telegram token")
	body := `{"id":"evt_1","type":"invoice.paid","pad":"` + strings.Repeat(`é\"`, 250) + `","webhookTimestamp":1764000000000}`
	for _, id := range provider.IDs() {
		if slices.Contains(others, id) {
			continue
		}
		scheme, r, sent, verifying := signed(t, id, body)
		_, other, err := scheme.GenerateSecret()
		if err != nil {
			t.Fatal(err)
		}
		for name, secrets := range map[string][]webhook.Secret{"one secret": {verifying}, "the older of two": {other, verifying}} {
			d := delivery{scheme: scheme, setup: webhook.Setup{Secrets: secrets}, url: r.URL.String()}
			acceptsWithoutAllocating(t, id+", "+name, d.prepared(t), r, sent)
		}
	}
}

// Deliveries that are read before they can be checked, as the providers send them.
func TestAcceptingWhatMustBeReadFirstAllocatesNothing(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector makes sync.Pool drop what it holds")
	}
	notification := `{"NotificationRequestItem":{"pspReference":"8835","merchantAccountCode":"Shop","merchantReference":"\u00e9\/\"1\"",` +
		`"amount":{"value":1130,"currency":"EUR"},"eventCode":"AUTHORISATION","success":"true","reason":"` + strings.Repeat("é", 500) + `"}}`
	for _, row := range []struct {
		name, id, url, body string
		header              map[string]string
	}{
		{"two notifications", "adyen", "", `{"live":"false","notificationItems":[` + notification + "," + notification + `]}`, nil},
		{"an event with names twice at different depths", "mailgun", "", `{"event-data":{"event":"opened","signature":{"token":"x"}}}`, nil},
		{"a form of 400 parameters, half of them under one name", "twilio", "", manyParameters(200), map[string]string{"Content-Type": "application/x-www-form-urlencoded"}},
		{"a query that is encoded", "contentful", "https://example.com/hook?q=a%20b&x=é", `{"sys":{"id":"a"}}`, map[string]string{
			"X-Contentful-Topic": "ContentManagement.Entry.publish", "X-Contentful-Crn": "crn:contentful", "X-Contentful-Idempotency-Key": "k",
		}},
	} {
		found, err := provider.New(row.id)
		if err != nil {
			t.Fatal(err)
		}
		scheme := found.(webhook.Signer)
		d := delivery{scheme: scheme, url: row.url, header: row.header}
		r := d.request(t)
		signing, verifying, err := scheme.GenerateSecret()
		if err != nil {
			t.Fatal(err)
		}
		sent, err := scheme.Sign(r, []byte(row.body), now, signing)
		if err != nil {
			t.Fatalf("%s: %v", row.name, err)
		}
		d.setup.Secrets = []webhook.Secret{verifying}
		acceptsWithoutAllocating(t, row.id+", "+row.name, d.prepared(t), r, sent)
	}
	signature := hex.EncodeToString(hmacOver(crypto.SHA256, "key", "1764000000tok"))
	d := delivery{scheme: provider.Mailgun{Secrets: secret("key")}, header: map[string]string{"Content-Type": "application/x-www-form-urlencoded"}}
	acceptsWithoutAllocating(t, "mailgun, a form", d.prepared(t), d.request(t),
		[]byte("event=opened&timestamp=1764000000&token=tok&message-headers=%5B%5D+&signature="+signature))
	body := `{"type":"balancePlatform.transfer.created"}`
	key := strings.Repeat("ab", 32)
	raw, _ := hex.DecodeString(key)
	d = delivery{scheme: provider.Adyen{Secrets: secret(key)}, header: map[string]string{"HmacSignature": base64.StdEncoding.EncodeToString(hmacSHA256(raw, body))}}
	acceptsWithoutAllocating(t, "adyen, for platforms", d.prepared(t), d.request(t), []byte(body))
}

// manyParameters returns a form with n names and a further one that is given n times, not sorted.
func manyParameters(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "Name%d=%d+%%C3%%A9&Twice=%d&", i*7919%n, i, i%2)
	}
	return b.String()
}

func acceptsWithoutAllocating(t *testing.T, name string, v webhook.Verifier, r *http.Request, body []byte) {
	t.Helper()
	if n := testing.AllocsPerRun(200, func() {
		if _, err := v.Verify(r, body, now); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}); n != 0 {
		t.Errorf("%s: %v allocations", name, n)
	}
}
