package provider_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
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
		{"JSON that is no object", "", `[]`, webhook.ErrPayload},
		{"an empty object", "", `{}`, webhook.ErrNoSignature},
		{"a list that is none", "", `{"notificationItems":{}}`, webhook.ErrPayload},
		{"a list that is given twice", "", `{"notificationItems":[],"notificationItems":[]}`, webhook.ErrPayload},
		{"a notification that is none", "", `{"notificationItems":[1]}`, webhook.ErrPayload},
		{"an item that is none", "", `{"notificationItems":[{"NotificationRequestItem":[]}]}`, webhook.ErrPayload},
		{"an amount that is none", "", `{"notificationItems":[{"NotificationRequestItem":{"amount":1}}]}`, webhook.ErrPayload},
		{"a value that is an object", "", `{"notificationItems":[{"NotificationRequestItem":{"amount":{"value":{}}}}]}`, webhook.ErrPayload},
		{"a currency that is a number", "", `{"notificationItems":[{"NotificationRequestItem":{"amount":{"currency":1}}}]}`, webhook.ErrPayload},
		{"a success beyond the bound", "", `{"notificationItems":[{"NotificationRequestItem":{"success":"` + strings.Repeat("x", 1023) + `"}}]}`, webhook.ErrPayload},
		{"a signature that is a number", "", `{"notificationItems":[{"NotificationRequestItem":{"additionalData":{"hmacSignature":1}}}]}`, webhook.ErrPayload},
		{"a signature that is null", "", `{"notificationItems":[{"NotificationRequestItem":{"additionalData":{"hmacSignature":null}}}]}`, webhook.ErrNoSignature},
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
	d.body = strings.Replace(string(two), `"pspReference":"b"`, `"\u0070spReference":"\u0062"`, 1)
	check(t, "two of which one is escaped", d, nil)
	d.body = strings.Replace(string(two), `"pspReference":"b"`, `"pspReference":"b","original\u0052eference":"c"`, 1)
	check(t, "two of which one has a field more, under a name that is escaped", d, webhook.ErrSignature)
	// A colon in the merchant's own reference is as good as any letter; in another field it would move what stands where.
	colon, err := provider.Adyen{}.Sign(d.request(t), []byte(`{"notificationItems":[{"NotificationRequestItem":{"pspReference":"p","merchantAccountCode":"Shop","merchantReference":"a:b"}}]}`), now, webhook.NewSecret(key))
	if err != nil {
		t.Fatal(err)
	}
	d.body = string(colon)
	check(t, "a colon in the merchant's reference", d, nil)
	for _, moved := range []string{
		`"pspReference":"p:","merchantAccountCode":"a","originalReference":"Shop","merchantReference":"b"`,
		`"pspReference":"p\u003a","merchantAccountCode":"a","originalReference":"Shop","merchantReference":"b"`,
		`"pspReference":"p","merchantAccountCode":"Shop:a","merchantReference":"b"`,
	} {
		d.body = strings.NewReplacer(`"merchantAccountCode":"Shop",`, "", `"merchantReference":"a:b",`, "", `"pspReference":"p"`, moved).Replace(string(colon))
		check(t, moved, d, webhook.ErrPayload)
	}
	if _, err := (provider.Adyen{}).Sign(d.request(t), []byte(`{"pspReference":1}`), now, webhook.NewSecret(key)); err == nil {
		t.Error("a reference that is a number is signed")
	}
}

// What is signed of a notification is what encoding/json reads there.
func FuzzAdyenNotification(f *testing.F) {
	f.Add(`{"pspReference":"7914073381342284","merchantReference":"é\"\/","amount":{"value":1130,"currency":"EUR"},"success":"true"}`)
	f.Add(`{"original\u0052eference":"a","amount":{"value":"1"},"success":true,"additionalData":{"x":null}}`)
	f.Add(`{"amount":null,"eventCode":null}`)
	f.Fuzz(func(t *testing.T, notification string) {
		key := strings.Repeat("ab", 32)
		raw, _ := hex.DecodeString(key)
		d := delivery{scheme: provider.Adyen{Secrets: secret(key)}}
		sent, err := provider.Adyen{}.Sign(d.request(t), []byte(notification), now, webhook.NewSecret(key))
		if err != nil {
			return
		}
		d.body = string(sent)
		check(t, "as it was signed", d, nil)
		decoder := json.NewDecoder(bytes.NewReader(sent))
		decoder.UseNumber()
		var delivered map[string]any
		if err := decoder.Decode(&delivered); err != nil {
			t.Fatal(err)
		}
		for _, element := range delivered["notificationItems"].([]any) {
			item := element.(map[string]any)["NotificationRequestItem"].(map[string]any)
			amount, _ := item["amount"].(map[string]any)
			var fields []string
			for _, value := range []any{
				item["pspReference"], item["originalReference"], item["merchantAccountCode"], item["merchantReference"],
				amount["value"], amount["currency"], item["eventCode"], item["success"],
			} {
				text := ""
				if value != nil {
					text = fmt.Sprint(value)
				}
				fields = append(fields, text)
			}
			want := base64.StdEncoding.EncodeToString(hmacSHA256(raw, strings.Join(fields, ":")))
			if got := item["additionalData"].(map[string]any)["hmacSignature"]; got != want {
				t.Fatalf("%s is signed %v, want %s of %q", sent, got, want, fields)
			}
		}
	})
}
