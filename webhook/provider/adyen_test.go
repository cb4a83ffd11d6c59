package provider_test

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/gatehouse-go/gatehouse/webhook"
	"github.com/gatehouse-go/gatehouse/webhook/provider"
)

func TestAdyenForPlatforms(t *testing.T) {
	key := strings.Repeat("ab", 32)
	raw, _ := hex.DecodeString(key)
	const body = `{"type":"balancePlatform.transfer.created"}`
	signature := base64.StdEncoding.EncodeToString(hmacSHA256(raw, body))
	item := `{"notificationItems":[{"NotificationRequestItem":{"pspReference":"p"}}]}`
	for _, row := range []struct {
		name, signature, body string
		want                  error
	}{
		{"the whole body", signature, body, nil},
		{"another body", signature, body + " ", webhook.ErrSignature},
		{"a standard delivery under the other's signature", signature, item, webhook.ErrSignature},
		{"a signature that is cut short", signature[:40], body, webhook.ErrSignatureFormat},
		{"a standard delivery that is not signed", "", item, webhook.ErrNoSignature},
		{"an empty delivery", "", `{"notificationItems":[]}`, webhook.ErrNoSignature},
		{"no JSON", "", `x`, webhook.ErrPayload},
	} {
		d := delivery{scheme: provider.Adyen{Secrets: secret(key)}, body: row.body, header: map[string]string{"HmacSignature": row.signature}}
		if row.signature == "" {
			d.header = nil
		}
		check(t, row.name, d, row.want)
	}
	d := delivery{scheme: provider.Adyen{Secrets: secret(key)}, header: map[string]string{"HmacSignature": signature}}
	v := d.prepared(t)
	r := d.request(t)
	r.Header.Add("HmacSignature", signature)
	if _, err := v.Verify(r, []byte(body), now); !errors.Is(err, webhook.ErrSignatureFormat) {
		t.Errorf("a signature twice: %v", err)
	}
	if e := describe(v, d.request(t), []byte(body), webhook.Proof{}); e.Type != "balancePlatform.transfer.created" || !e.TypeSigned {
		t.Errorf("%+v", e)
	}
	if e := describe(v, delivery{}.request(t), []byte("x"), webhook.Proof{}); e.Type != "" || e.ID != "" {
		t.Errorf("%+v", e)
	}
	// One notification that matches does not carry another that does not.
	two, err := provider.Adyen{}.Sign(d.request(t), []byte(`{"notificationItems":[{"NotificationRequestItem":{"pspReference":"a"}},{"NotificationRequestItem":{"pspReference":"b"}}]}`), now, webhook.NewSecret(key))
	if err != nil {
		t.Fatal(err)
	}
	d.header, d.body = nil, string(two)
	check(t, "two that are signed", d, nil)
	d.body = strings.Replace(string(two), `"pspReference":"b"`, `"pspReference":"c"`, 1)
	check(t, "two of which one is changed", d, webhook.ErrSignature)
	if _, err := (provider.Adyen{}).Sign(d.request(t), []byte(`{"pspReference":1}`), now, webhook.NewSecret(key)); err == nil {
		t.Error("a reference that is a number is signed")
	}
}
