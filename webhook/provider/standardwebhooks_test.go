package provider_test

import (
	"crypto/ed25519"
	"encoding/base64"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook"
	"github.com/gatehouse-go/gatehouse/webhook/provider"
)

func TestStandardWebhooksWithPublicKeys(t *testing.T) {
	private := parsedPrivate(t, discordPrivate(t)).(ed25519.PrivateKey)
	public := "whpk_" + base64.StdEncoding.EncodeToString(private[32:])
	signing := webhook.NewSecret("whsk_" + base64.StdEncoding.EncodeToString(private))
	const shared = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	r := delivery{}.request(t)
	if _, err := (provider.StandardWebhooks{}).Sign(r, []byte("{}"), now, signing); err != nil {
		t.Fatal(err)
	}
	header := map[string]string{}
	for name := range r.Header {
		header[name] = r.Header.Get(name)
	}
	with := func(name, value string) map[string]string {
		h := maps.Clone(header)
		h[name] = value
		return h
	}
	r = delivery{}.request(t)
	if _, err := (provider.StandardWebhooks{}).Sign(r, []byte("{}"), now, webhook.NewSecret(shared)); err != nil {
		t.Fatal(err)
	}
	sharedHeader := map[string]string{}
	for name := range r.Header {
		sharedHeader[name] = r.Header.Get(name)
	}
	otherSignature := "v1a," + base64.StdEncoding.EncodeToString(make([]byte, 64))
	other := "whpk_JrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs="
	for _, row := range []struct {
		name    string
		secrets []string
		header  map[string]string
		at      time.Time
		want    error
		index   int
	}{
		{"by the public key", []string{public}, header, now, nil, 0},
		{"by the older of two public keys", []string{other, public}, header, now, nil, 1},
		{"by a public key behind a shared secret", []string{shared, public}, header, now, nil, 1},
		{"beside a signature of another version", []string{public}, with("Webhook-Signature", "v1,AAAA v2,AAAA "+header["Webhook-Signature"]), now, nil, 0},
		{"by another public key", []string{other}, header, now, webhook.ErrSignature, 0},
		{"by a shared secret alone", []string{shared}, header, now, webhook.ErrSignatureFormat, 0},
		{"as if it was the other version", []string{public}, with("Webhook-Signature", strings.Replace(header["Webhook-Signature"], "v1a", "v1", 1)), now, webhook.ErrSignatureFormat, 0},
		{"behind seven others", []string{public}, with("Webhook-Signature", strings.Repeat(otherSignature+" ", 7)+header["Webhook-Signature"]), now, nil, 0},
		{"behind many others", []string{public}, with("Webhook-Signature", strings.Repeat(otherSignature+" ", 9)+header["Webhook-Signature"]), now, webhook.ErrSignatureFormat, 0},
		{"cut short", []string{public}, with("Webhook-Signature", "v1a,AAAA"), now, webhook.ErrSignatureFormat, 0},
		{"no base64", []string{public}, with("Webhook-Signature", "v1a,!"), now, webhook.ErrSignatureFormat, 0},
		{"without a signature", []string{public}, with("Webhook-Signature", ""), now, webhook.ErrNoSignature, 0},
		{"without an id", []string{public}, with("Webhook-Id", ""), now, webhook.ErrNoSignature, 0},
		{"under another id", []string{public}, with("Webhook-Id", "msg_2"), now, webhook.ErrSignature, 0},
		{"with a time that is none", []string{public}, with("Webhook-Timestamp", "NaN"), now, webhook.ErrSignature, 0},
		{"too old", []string{public}, header, now.Add(time.Hour), webhook.ErrTooOld, 0},
		{"too old by a shared secret, beside a public key", []string{shared, other}, sharedHeader, now.Add(time.Hour), webhook.ErrTooOld, 0},
		{"too new", []string{public}, header, now.Add(-time.Hour), webhook.ErrTooNew, 0},
	} {
		d := delivery{scheme: provider.StandardWebhooks{Secrets: secret(row.secrets...)}, header: row.header, body: "{}", at: row.at.Unix()}
		if proof := check(t, row.name, d, row.want); proof.Secret != row.index {
			t.Errorf("%s: secret %d, want %d", row.name, proof.Secret, row.index)
		}
	}
}
