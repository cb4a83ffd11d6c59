package provider_test

import (
	"crypto"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"testing"

	"github.com/gatehouse-go/gatehouse/webhook"
	"github.com/gatehouse-go/gatehouse/webhook/provider"
)

func TestHubSpotSignsSomeCharactersDecoded(t *testing.T) {
	for _, row := range []struct{ name, query, signed string }{
		{"none", "a=b&c=d%20e", "a=b&c=d%20e"},
		{"all twelve", "q=%3A%2F%3F%40%21%24%27%28%29%2A%2C%3B", "q=:/?@!$'()*,;"},
		{"in small letters", "q=%3a%2f", "q=:/"},
		{"others", "q=%25%26%3D%2B%C3%A9", "q=%25%26%3D%2B%C3%A9"},
		{"an escape that is none", "q=%zz%3", "q=%zz%3"},
	} {
		const timestamp = "1764000000000"
		want := "POST" + "https://example.com/hook?" + row.signed + "{}" + timestamp
		d := delivery{
			scheme: provider.HubSpot{Secrets: secret("s")},
			header: map[string]string{
				"X-HubSpot-Request-Timestamp": timestamp,
				"X-HubSpot-Signature-v3":      base64.StdEncoding.EncodeToString(hmacOver(crypto.SHA256, "s", want)),
			},
		}
		r := d.request(t)
		r.URL.RawQuery = row.query
		if _, err := d.prepared(t).Verify(r, []byte("{}"), now); err != nil {
			t.Errorf("%s: %v", row.name, err)
		}
	}
}

func TestHubSpotsOlderVersions(t *testing.T) {
	const v1 = "232db2615f3d666fe21a8ec971ac7b5402d33b9a925784df3ca654d05f4817de"
	const v2 = "9569219f8ba981ffa6f6f16aa0f48637d35d728c7e4d93d0d52efaa512af7900"
	var batch string
	for _, d := range published(t) {
		if d.scheme.Provider() == "hubspot" && d.name == "version 1" {
			batch = d.body
		}
	}
	const secretText = "yyyyyyyy-yyyy-yyyy-yyyy-yyyyyyyyyyyy"
	const body = `{"example_field":"example_value"}`
	legacy := provider.HubSpot{Secrets: secret(secretText), InsecureLegacy: true}
	for _, row := range []struct {
		name   string
		scheme provider.HubSpot
		header map[string]string
		body   string
		want   error
	}{
		{"version 1, without being asked for", provider.HubSpot{Secrets: secret(secretText)}, map[string]string{"X-HubSpot-Signature": v1, "X-HubSpot-Signature-Version": "v1"}, batch, webhook.ErrNoSignature},
		{"version 1", legacy, map[string]string{"X-HubSpot-Signature": v1, "X-HubSpot-Signature-Version": "v1"}, batch, nil},
		{"version 1 as if it was 2", legacy, map[string]string{"X-HubSpot-Signature": v1, "X-HubSpot-Signature-Version": "v2"}, batch, webhook.ErrSignature},
		{"version 2 as if it was 1", legacy, map[string]string{"X-HubSpot-Signature": v2, "X-HubSpot-Signature-Version": "v1"}, "POSThttps://www.example.com/webhook_uri" + body, webhook.ErrPayload},
		{"another version", legacy, map[string]string{"X-HubSpot-Signature": v1, "X-HubSpot-Signature-Version": "v4"}, batch, webhook.ErrSignatureFormat},
		{"no version", legacy, map[string]string{"X-HubSpot-Signature": v1}, batch, webhook.ErrNoSignature},
		{"no signature", legacy, nil, batch, webhook.ErrNoSignature},
		{"a signature that is cut short", legacy, map[string]string{"X-HubSpot-Signature": v1[:62], "X-HubSpot-Signature-Version": "v1"}, batch, webhook.ErrSignatureFormat},
		{"beside a wrong one of version 3", legacy, map[string]string{
			"X-HubSpot-Signature": v1, "X-HubSpot-Signature-Version": "v1", "X-HubSpot-Request-Timestamp": "1764000000000",
			"X-HubSpot-Signature-v3": base64.StdEncoding.EncodeToString(make([]byte, 32)),
		}, batch, webhook.ErrSignature},
	} {
		check(t, row.name, delivery{scheme: row.scheme, header: row.header, body: row.body, url: "https://www.example.com/webhook_uri"}, row.want)
	}
	rotated := provider.HubSpot{Secrets: secret("new", secretText), InsecureLegacy: true}
	d := delivery{scheme: rotated, header: map[string]string{"X-HubSpot-Signature": v1, "X-HubSpot-Signature-Version": "v1"}, body: batch}
	if proof := check(t, "the older of two secrets", d, nil); proof.Secret != 1 {
		t.Errorf("secret %d", proof.Secret)
	}
	d.setup.Secrets = secret(secretText)
	check(t, "secrets that were replaced", d, nil)
}

func TestHubSpotsSecondVersionKeepsTheConfiguredQuery(t *testing.T) {
	const configured = "https://app.example/hooks/in?tenant=7"
	sum := sha256.Sum256([]byte("s" + "POST" + configured + `[{"eventId":1}]`))
	header := map[string]string{"X-HubSpot-Signature": hex.EncodeToString(sum[:]), "X-HubSpot-Signature-Version": "v2"}
	d := delivery{scheme: provider.HubSpot{Secrets: secret("s"), InsecureLegacy: true}, url: configured, header: header, body: `[{"eventId":1}]`}
	check(t, "as it was signed", d, nil)
	v, r := d.prepared(t), d.request(t)
	r.URL.RawQuery = `tenant=7[{"eventId":1}]`
	if _, err := v.Verify(r, nil, now); !errors.Is(err, webhook.ErrSignature) {
		t.Errorf("with the body in the query: %v", err)
	}
}
