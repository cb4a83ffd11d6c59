package provider_test

import (
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
	others := strings.Fields("aws-sns cloudevents datocms discord msgraph paypal prismic rfc9421 " +
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
			v := d.prepared(t)
			if n := testing.AllocsPerRun(200, func() {
				if _, err := v.Verify(r, sent, now); err != nil {
					t.Fatal(err)
				}
			}); n != 0 {
				t.Errorf("%s, %s: %v allocations", id, name, n)
			}
		}
	}
}
